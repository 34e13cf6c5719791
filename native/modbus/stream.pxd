from libc.stdint cimport int32_t, uint8_t, uint16_t

from native.engine.protocol cimport Verdict, flight_t, in_t, take_t
from native.engine.stream cimport Front
from native.modbus.codec cimport frame_t
from native.modbus.unit cimport modbus_t

cdef enum:
    HEADER = 6

# The number of the flight with that id; -1: none.
cdef int32_t flight_of(
    const flight_t *open_, int32_t n, uint16_t transaction
) noexcept nogil
cdef bint was_sent(const modbus_t *s, uint16_t transaction) noexcept nogil
cdef Verdict strayed(
    const in_t *arrived, const flight_t *open_, int32_t n, take_t *t
) noexcept nogil
cdef bint told_too_long(
    const in_t *arrived, const flight_t *open_, int32_t n, frame_t *frame
) noexcept nogil
# Whether the frame of `size` bytes in front, of which its header is there, has all of them: as
# `judge_front` of native.engine.stream.
cdef Front whole_front(
    modbus_t *s, const in_t *arrived, size_t size, const flight_t *open_, int32_t n, int32_t own,
    size_t *at
) noexcept nogil
cdef bint may_begin_tcp(
    void *session, const flight_t *open_, int32_t n, const uint8_t *p, size_t size
) noexcept nogil
