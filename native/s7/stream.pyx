"""Which bytes of a stream are S7 frames, where some were lost on the way."""

from libc.stdint cimport int32_t, uint8_t, uint16_t
from libc.string cimport memset

from native.bytes cimport be16
from native.engine.protocol cimport flight_t, in_t
from native.engine.stream cimport Front, judge_front, may_be_first, stream_t
from native.s7.asking cimport reference_of
from native.s7.codec cimport HEADS, begins, begins_pdu, begins_sent


cdef bint may_begin_s7(
    void *session, const flight_t *open_, int32_t n, const uint8_t *p, size_t size
) noexcept nogil:
    return begins(p, size)


cdef int32_t flight_of(const flight_t *open_, int32_t n, uint16_t reference) noexcept nogil:
    cdef int32_t i
    for i in range(n):
        if reference_of(&open_[i]) == reference:
            return i
    return -1


cdef bint is_other(const stream_t *f, const uint8_t *p, size_t size) noexcept nogil:
    cdef int32_t i
    if f.count == (f.own >= 0) or not begins_pdu(p, size):
        return False
    if size < HEADS:
        return True
    i = flight_of(f.open, f.count, be16(p + HEADS - 2))
    return i >= 0 and i != f.own


cdef bint is_older(const stream_t *f, const uint8_t *p, size_t room) noexcept nogil:
    return be16(p + 2) >= room and begins_sent(p, (<const uint16_t *>f.session)[0])


cdef Front whole_front(
    uint16_t reference, const in_t *arrived, size_t size, const flight_t *open_, int32_t n,
    int32_t own, size_t *at
) noexcept nogil:
    cdef stream_t f
    memset(&f, 0, sizeof(stream_t))
    f.session, f.open, f.count, f.own, f.sure = &reference, open_, n, own, HEADS
    f.may_begin, f.is_other, f.is_older = may_begin_s7, is_other, is_older
    may_be_first(&f, 3)
    return judge_front(&f, arrived, size, False, at)


cdef size_t strayed(const in_t *in_) noexcept nogil:
    """Bytes before the next possible TPKT; they may be a heartbeat."""
    cdef size_t i
    for i in range(1, in_.n):
        if begins(in_.p + i, in_.n - i):
            return i
    return in_.n
