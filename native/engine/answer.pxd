from libc.stdint cimport int32_t, int64_t

from native.engine.state cimport link_t

cdef void take_input(link_t *l, int64_t now) noexcept nogil
cdef void no_answer(link_t *l, int32_t i, int64_t now) noexcept nogil
cdef void settled(link_t *l, int64_t now) noexcept nogil
