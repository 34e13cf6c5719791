"""One column at a time, from a row store to protobuf."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from native.rows.store cimport field_t, group_t, store_t


cdef struct scratch_t:
    # One column at a time; a row store's worth each.
    int64_t *values
    int64_t *decimals
    int64_t *times
    uint32_t *rows
    uint8_t *quality
    uint8_t *status   # the quality that the rows say of one request
    uint64_t samples  # entries written since the block began
    uint64_t bad      # of them without a value
    bint plain        # columns of plain floats may be written (FEATURE_PLAIN_FLOATS)
    bint is_plain     # and one was, since the block began
    bint pushes       # pushed values may be written (FEATURE_EVENTS, FEATURE_SOURCE_TIME)
    bint is_pushed    # and some were


cdef uint8_t *put_column(
    uint8_t *p, group_t *g, uint32_t tag, store_t *s, scratch_t *t
) noexcept nogil


cdef uint8_t *put_quality(uint8_t *p, const uint8_t *quality, uint32_t n) noexcept nogil
cdef uint8_t *put_sparse(uint8_t *p, const uint32_t *rows, uint32_t n) noexcept nogil
cdef uint8_t *put_text_run(
    uint8_t *p, uint32_t count, const uint8_t *text, size_t size
) noexcept nogil
cdef uint8_t *put_best(
    uint8_t *p, uint8_t type, int64_t *values, uint32_t n, uint8_t *noise_seals, scratch_t *t
) noexcept nogil
