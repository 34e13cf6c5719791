from libc.stdint cimport int32_t, uint8_t, uint16_t

from native.engine.protocol cimport flight_t, in_t
from native.engine.stream cimport Front

# Whether the first TPKT, of `size` bytes, has all of them: as `judge_front` of
# native.engine.stream. `own`: the flight that it answers, -1: none, or it is not known which;
# `reference`: of the next request.
cdef Front whole_front(
    uint16_t reference, const in_t *arrived, size_t size, const flight_t *open_, int32_t n,
    int32_t own, size_t *at
) noexcept nogil
# The number of the flight with that reference; -1: none.
cdef int32_t flight_of(const flight_t *open_, int32_t n, uint16_t reference) noexcept nogil
cdef bint may_begin_s7(
    void *session, const flight_t *open_, int32_t n, const uint8_t *p, size_t size
) noexcept nogil
# How many bytes come before the next possible TPKT.
cdef size_t strayed(const in_t *in_) noexcept nogil
