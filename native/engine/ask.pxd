from libc.stdint cimport int64_t

from native.engine.state cimport flight_t, link_t

cdef bint send_request(link_t *l, flight_t *f, int64_t now) noexcept nogil
cdef void pump(link_t *l, int64_t now) noexcept nogil
