"""Runs of successive blocks, joined: see join.pyx."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from native.column cimport scratch_t
from native.wirefields cimport span_t

cdef enum Fault:
    FINE = 0
    DAMAGED    # no block of ours
    STRANGE    # says what can't be joined
    TOO_LARGE
    NO_MEMORY


cdef struct part_t:
    # One run of one block.
    uint32_t block
    uint32_t group
    uint64_t first_tick
    uint64_t ticks
    int64_t first_due
    uint32_t rows
    uint32_t late_order
    span_t late
    span_t spans
    span_t body
    uint32_t columns
    uint32_t column_at   # its first in `joiner_t.columns`


cdef struct lot_t:
    # The numbers that one part gave to a column.
    uint32_t begin
    uint32_t count
    uint32_t encoding
    uint32_t digits


cdef struct joiner_t:
    uint32_t block_count
    part_t *parts
    size_t part_count
    size_t part_room
    span_t *columns
    size_t column_count
    size_t column_room
    lot_t *lots
    uint8_t *out
    size_t size
    size_t room
    scratch_t t


# Note the runs of one block's payload; its other fields are copied, one after another, to rest.p.
cdef Fault walk_block(joiner_t *j, uint32_t block, span_t payload, span_t *rest) noexcept nogil

# Everything noted, as runs of a BundlePayload, into j.out.
cdef Fault put_runs(joiner_t *j) noexcept nogil

cdef bint make_room(joiner_t *j, size_t more) noexcept nogil
cdef void let_go(joiner_t *j) noexcept nogil


cdef inline uint8_t *at_end(joiner_t *j) noexcept nogil:
    return j.out + j.size


cdef inline void written(joiner_t *j, uint8_t *end) noexcept nogil:
    j.size = <size_t>(end - j.out)
