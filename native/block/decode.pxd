from libc.stdint cimport int64_t, uint8_t, uint32_t

from native.rows.props cimport fieldprops_t
from native.rows.store cimport field_t

cdef void decode_numbers(
    const field_t *f, const fieldprops_t *props, const uint8_t *data, size_t stride, uint32_t n,
    int64_t *out, uint8_t *quality
) noexcept nogil
cdef bint text_valid(const uint8_t *p, size_t n, uint8_t encoding) noexcept nogil
cdef size_t decode_text(const field_t *f, const uint8_t *data, uint8_t *out) noexcept nogil
