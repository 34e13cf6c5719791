from libc.stdint cimport uint32_t

from native.block.joiner cimport Fault, joiner_t, part_t

# Column `k` of all parts as one, at the end of j.out; there is a part with rows.
cdef Fault join_column(
    joiner_t *j, const part_t *parts, uint32_t count, uint32_t k
) noexcept nogil
