from libc.stdint cimport int64_t, uint8_t, uint16_t

from native.modbus.codec cimport ask_t
from native.engine.state cimport link_t, sync_t

cdef void owe(sync_t *s, const ask_t *ask, int64_t asked_at) noexcept nogil
cdef void unit_asked(link_t *l, sync_t *s, int64_t now) noexcept nogil
cdef void unit_answered(sync_t *s, int64_t now) noexcept nogil
cdef int64_t asked_since(link_t *l, sync_t *s, bint is_data, int64_t now) noexcept nogil
cdef void unit_unasked(
    link_t *l, sync_t *s, uint8_t function, uint16_t data_bytes, int64_t now
) noexcept nogil
