from libc.stdint cimport int64_t, uint8_t, uint32_t

from native.rows.store cimport field_t
from native.rows.props cimport fieldprops_t, fieldstate_t

cdef void doubt_values(
    const field_t *f, const fieldprops_t *p, const int64_t *values, uint32_t n, uint8_t *quality
) noexcept nogil
cdef void round_values(
    const field_t *f, const fieldprops_t *p, int64_t *values, uint32_t n
) noexcept nogil
cdef uint32_t pick_changes(
    const field_t *f, const fieldprops_t *p, fieldstate_t *state, const int64_t *values,
    const uint8_t *quality, const int64_t *times, uint32_t n, uint32_t *rows
) noexcept nogil
cdef double as_double(uint8_t type, int64_t value) noexcept nogil
