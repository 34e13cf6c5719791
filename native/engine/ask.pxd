from libc.stdint cimport int32_t, int64_t

from native.engine.protocol cimport flight_t, out_t
from native.engine.state cimport link_t

cdef bint transmit(link_t *l, const out_t *out, int64_t now) noexcept nogil
cdef bint send_again(link_t *l, flight_t *f, int64_t now) noexcept nogil
cdef bint send_more(link_t *l, int32_t i, int64_t now) noexcept nogil
cdef void pump(link_t *l, int64_t now) noexcept nogil
