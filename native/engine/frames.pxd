from libc.stdint cimport int64_t

from native.engine.state cimport link_t

cdef void take_input(link_t *l, int64_t now) noexcept nogil
# Before requests of a stream are given up.
cdef void look_last(link_t *l, int64_t now) noexcept nogil
