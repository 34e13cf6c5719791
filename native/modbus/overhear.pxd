from libc.stdint cimport int32_t, int64_t, uint64_t

from native.engine.state cimport link_t


cdef void overhear(link_t *l, int64_t now) noexcept nogil
cdef void overhear_arrived(link_t *l, int64_t empty_at, int64_t now) noexcept nogil
cdef void overheard_due(link_t *l, int32_t index, uint64_t tick, int64_t now) noexcept nogil
cdef void overheard_row(link_t *l, int32_t index, int64_t now) noexcept nogil
