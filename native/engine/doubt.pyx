"""Somebody else asks on this line: rows that are not sealed yet may hold answers to him. Those of a
device that is found to answer one request behind are doubted likewise.

From the first sign of him on a protocol says of each answer whether it may be his. Before that sign
one may have been taken for ours already, with ours as the frame that came too much. So the values
of the last `timeout` turn uncertain, where an answer to him could pass for theirs.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t

from native.engine.bus cimport is_shared, others_t, seen
from native.engine.protocol cimport station_t, take_t
from native.engine.state cimport device_t, link_t
from native.reasons cimport UNCERTAIN_ANOTHER_ASKER
from native.rows.store cimport doubt_t, group_doubt, request_t


cdef bint is_doubted(const doubt_t *d, const request_t *request) noexcept nogil:
    cdef const station_t *station = <const station_t *>d.whose
    return station.session.protocol.doubts(station.session, station, request, d.now)


cdef void doubt_station(
    link_t *l, const station_t *station, uint8_t quality, int64_t now
) noexcept nogil:
    """What it said lately is of that quality, as far as its protocol doubts it."""
    cdef int32_t i, k
    cdef device_t *d
    cdef doubt_t doubt
    if station.session.protocol.doubts == NULL:
        return
    doubt.doubts, doubt.whose, doubt.quality = is_doubted, station, quality
    doubt.now, doubt.since_ns = now, now - l.timeout_ns
    for i in range(l.device_count):
        d = &l.devices[i]
        if d.station == station:
            for k in range(d.group_count):
                group_doubt(d.groups[k], &doubt)
            return  # those that share it share its groups


cdef void other_asked(link_t *l, const take_t *t, bint heard, int64_t now) noexcept nogil:
    """A sign of another asker: his request (`heard`), or an answer to him."""
    seen(&l.others, heard, now)
    if heard:
        # Nothing is sent until his answer has come, or should have.
        l.bus.free_at = max(l.bus.free_at, t.until)
    if t.asked == NULL:
        return
    if not heard:
        l.bus.free_at = now + l.bus.silence_ns
    doubt_station(l, t.asked, UNCERTAIN_ANOTHER_ASKER, now)


cdef object others_of(const others_t *o, int64_t now):
    """gateway.report.snapshot.Others; None where nobody else asks."""
    if not is_shared(o, now):
        return None
    every = (o.at - o.since) / 1e9 / max(1, <int64_t>o.count - 1)
    return {"heard": bool(o.heard), "count": o.count, "every_s": every}
