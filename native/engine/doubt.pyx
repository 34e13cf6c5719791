"""Somebody else asks on this line: what of the rows that wait for the seal is ours is not sure.

Whose an answer is its protocol says, and from now on it says so with each. But the answer before
may have been his already, and ours is what just came as one too many: rows as young as that are
good no more, as far as his answers look like theirs.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t

from native.engine.protocol cimport station_t, take_t
from native.engine.state cimport OTHERS_GONE, device_t, link_t
from native.reasons cimport UNCERTAIN_ANOTHER_ASKER
from native.rows.store cimport group_doubt, group_t, layout_t


cdef void doubt_group(
    link_t *l, group_t *g, const station_t *station, int64_t now
) noexcept nogil:
    cdef const layout_t *layout = g.scanned
    cdef int32_t i
    cdef uint32_t k
    for i in range(layout.request_count if layout != NULL else 0):
        if station.session.protocol.doubts(
            station.session, station, &layout.requests[i], now
        ):
            for k in range(layout.requests[i].part_count):
                group_doubt(
                    g, layout, layout.requests[i].first_part + k, now - l.timeout_ns,
                    UNCERTAIN_ANOTHER_ASKER,
                )


cdef void other_asked(link_t *l, const take_t *t, bint heard, int64_t now) noexcept nogil:
    """His request was `heard`, or an answer to him."""
    cdef int32_t i, k
    cdef device_t *d
    if l.others_at == 0 or now - l.others_at > OTHERS_GONE:
        l.others = 0
        l.others_since = now
        l.others_heard = False
    l.others_at = now
    if heard:
        l.others_heard = True
        # He has the line until his answer has come, or should have.
        l.free_at = max(l.free_at, t.until)
    if heard or not l.others_heard:
        l.others += 1  # of one that is heard the requests count
    if t.asked == NULL:
        return
    if not heard:
        l.free_at = now + l.silence_ns
    if t.asked.session.protocol.doubts == NULL:
        return
    for i in range(l.device_count):
        d = &l.devices[i]
        if d.station == t.asked:
            for k in range(d.group_count):
                doubt_group(l, d.groups[k], d.station, now)
            return  # those that share it share its groups


cdef object others_of(const link_t *l, int64_t now):
    """As gateway.report.snapshot.Others, or None."""
    if l.others_at == 0 or now - l.others_at > OTHERS_GONE:
        return None
    every = (l.others_at - l.others_since) / 1e9 / max(1, <int64_t>l.others - 1)
    return {"heard": bool(l.others_heard), "count": l.others, "every_s": every}
