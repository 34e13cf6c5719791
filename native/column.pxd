"""One column at a time, from a row store to protobuf."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from native.rows cimport field_t, group_t, store_t


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


cdef uint8_t *put_column(
    uint8_t *p, group_t *g, uint32_t tag, store_t *s, scratch_t *t
) noexcept nogil
