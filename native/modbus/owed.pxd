from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from native.engine.state cimport link_t
from native.modbus.codec cimport ask_t
from native.modbus.unit cimport modbus_t, unit_t


cdef inline modbus_t *h(link_t *l) noexcept nogil:
    """What is heard on a line of another master."""
    return <modbus_t *>l.sessions[0]


cdef int64_t wire_time(link_t *l, uint32_t data_bytes) noexcept nogil
cdef void owe(link_t *l, unit_t *s, const ask_t *ask, int64_t asked_at) noexcept nogil
cdef void unit_asked(link_t *l, unit_t *s, int64_t now) noexcept nogil
cdef void unit_answered(link_t *l, unit_t *s, int64_t now) noexcept nogil
cdef int64_t asked_since(link_t *l, unit_t *s, bint is_data, int64_t now) noexcept nogil
cdef void unit_unasked(
    link_t *l, unit_t *s, uint8_t function, uint16_t data_bytes, int64_t now
) noexcept nogil
