"""Somebody else asks on this line: what of the rows that wait for the seal is ours is not sure.

Whose an answer is its protocol says, and from now on it says so with each. But the answer before
may have been his already, and ours is what just came as one too many: rows as young as that are
good no more, as far as his answers look like theirs.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t

from native.engine.bus cimport is_shared, others_t, seen
from native.engine.protocol cimport station_t, take_t
from native.engine.state cimport device_t, link_t
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
    seen(&l.others, heard, now)
    if heard:
        # He has the line until his answer has come, or should have.
        l.bus.free_at = max(l.bus.free_at, t.until)
    if t.asked == NULL:
        return
    if not heard:
        l.bus.free_at = now + l.bus.silence_ns
    if t.asked.session.protocol.doubts == NULL:
        return
    for i in range(l.device_count):
        d = &l.devices[i]
        if d.station == t.asked:
            for k in range(d.group_count):
                doubt_group(l, d.groups[k], d.station, now)
            return  # those that share it share its groups


cdef object others_of(const others_t *o, int64_t now):
    """As gateway.report.snapshot.Others, or None."""
    if not is_shared(o, now):
        return None
    every = (o.at - o.since) / 1e9 / max(1, <int64_t>o.count - 1)
    return {"heard": bool(o.heard), "count": o.count, "every_s": every}
