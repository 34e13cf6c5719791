"""What is said again and again on a connection and answers nothing: a heartbeat, most likely, that
the configuration does not know. It is told with its bytes.

Of a stream only. Bytes that arrived by themselves, and that no frame was made of until something
else came later, are kept; those that came thrice are a heartbeat.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memcmp, memcpy

from native.clock cimport MS
from native.wire.transport cimport PACKET_MAX

cdef enum:
    BEATS = 4           # different ones that are kept
    BEATS_ENOUGH = 3    # times that make a heartbeat

cdef extern from *:
    """
    #define BEAT_APART (20 * MS)
    #define BEAT_KEPT (600000 * MS)
    """
    int64_t BEAT_APART  # from other bytes, before and behind
    int64_t BEAT_KEPT   # what was not said for so long is no news


cdef struct beat_t:
    uint8_t bytes[PACKET_MAX]
    size_t size          # 0: free
    uint32_t count
    int64_t first
    int64_t last


cdef struct beats_t:
    size_t fresh         # bytes of the last read
    int64_t framed_at    # a frame was taken last
    beat_t pending       # it may yet become part of a frame
    beat_t each[BEATS]


cdef inline beat_t *beat_like(beats_t *b, const uint8_t *p, size_t n) noexcept nogil:
    """The one that is kept of these bytes; NULL: there is none."""
    cdef int32_t i
    for i in range(BEATS):
        if b.each[i].size == n and n and memcmp(b.each[i].bytes, p, n) == 0:
            return &b.each[i]
    return NULL


cdef inline void keep_beat(beats_t *b) noexcept nogil:
    """What is pending was no part of a frame. The rarest of the others makes room."""
    cdef beat_t *one = beat_like(b, b.pending.bytes, b.pending.size)
    cdef int32_t i
    if b.pending.size == 0:
        return
    if one == NULL:
        one = &b.each[0]
        for i in range(1, BEATS):
            if b.each[i].count < one.count or (
                b.each[i].count == one.count and b.each[i].last < one.last
            ):
                one = &b.each[i]
        if one.count > 1:
            one.count -= 1  # what is said once does not take the place of what is said often
            b.pending.size = 0
            return
        one[0] = b.pending
    b.pending.size = 0
    if b.pending.last - one.last > BEAT_KEPT:
        one.count = 0
        one.first = b.pending.last
    one.count += 1
    one.last = b.pending.last


cdef inline void beat_arrives(beats_t *b, size_t n, int64_t now) noexcept nogil:
    """So many bytes have been read."""
    b.fresh = n
    if b.pending.size:
        if now - b.pending.last >= BEAT_APART:
            keep_beat(b)
        b.pending.size = 0


cdef inline void beat_pends(beats_t *b, const uint8_t *p, size_t n, int64_t now) noexcept nogil:
    """These bytes came by themselves, and no frame is made of them so far."""
    if n <= PACKET_MAX and now - b.framed_at >= BEAT_APART:
        memcpy(b.pending.bytes, p, n)
        b.pending.size, b.pending.count = n, 0
        b.pending.first = b.pending.last = now


cdef inline object beat_of(const beats_t *b, int64_t now):
    """As gateway.report.snapshot.Beat, or None."""
    cdef const beat_t *best = NULL
    cdef int32_t i
    for i in range(BEATS):
        if b.each[i].count >= BEATS_ENOUGH and now - b.each[i].last <= BEAT_KEPT and (
            best == NULL or b.each[i].count > best.count
        ):
            best = &b.each[i]
    if best == NULL:
        return None
    every = (best.last - best.first) / 1e9 / (best.count - 1)
    return {"bytes": best.bytes[:best.size], "every_s": every}
