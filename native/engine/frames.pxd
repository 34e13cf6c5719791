from libc.stdint cimport int64_t

from native.engine.state cimport link_t

cdef void take_input(link_t *l, int64_t now) noexcept nogil
