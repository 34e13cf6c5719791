from libc.stdint cimport int64_t

from native.engine.state cimport link_t


cdef void flights_answered(link_t *l, int64_t sent, int64_t now) noexcept nogil
cdef void flights_troubled(link_t *l, int64_t sent, int64_t now) noexcept nogil
