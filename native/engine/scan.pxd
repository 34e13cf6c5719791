from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

from native.engine.state cimport link_t

cdef void scan_begin(link_t *l, int32_t index, uint64_t tick) noexcept nogil
cdef void scan_check(link_t *l, int32_t index, int64_t now) noexcept nogil
cdef void scan_fail(link_t *l, int32_t index, uint8_t status, int64_t now) noexcept nogil
cdef void link_lost(link_t *l, int error, int64_t now) noexcept nogil
