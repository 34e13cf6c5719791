from libc.stdint cimport int32_t, uint16_t

from native.engine.protocol cimport flight_t, take_t
from native.engine.state cimport link_t

cdef void tell(link_t *l, const flight_t *f, int32_t part, uint16_t code) noexcept nogil
cdef void tell_parts(link_t *l, const take_t *t) noexcept nogil
