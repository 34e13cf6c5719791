from libc.stdint cimport uint8_t

from native.modbus.codec cimport ask_t

cdef enum:
    REQUEST = 8  # bytes of a read request

cdef bint is_request(const uint8_t *p, ask_t *ask) noexcept nogil
cdef bint is_whole(const uint8_t *p, size_t n) noexcept nogil
cdef size_t whole_frame(const uint8_t *p, size_t n) noexcept nogil
cdef size_t next_request(const uint8_t *p, size_t at, size_t n) noexcept nogil
