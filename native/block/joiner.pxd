"""What joining works with: the parts that were noted, room for what is written, scratch."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport realloc

from native.block.column cimport scratch_t
from native.block.wirefields cimport span_t

cdef enum:
    # jiahe.ingest.limits: rows of one payload.
    ROWS_MAX = 1 << 20


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
    bint is_pushed       # it has pushed values
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
    size_t joined        # columns that were written, but for those of pushed values
    bint pushes          # pushed values were written
    lot_t *lots
    uint8_t *out
    size_t size
    size_t room
    scratch_t t


cdef inline bint make_room(joiner_t *j, size_t more) noexcept nogil:
    """Room for so many bytes at j.out + j.size; False when memory is short."""
    cdef size_t room
    cdef uint8_t *grown
    if j.size + more <= j.room:
        return True
    room = 2 * (j.size + more)
    grown = <uint8_t *>realloc(j.out, room)
    if grown == NULL:
        return False
    j.out, j.room = grown, room
    return True


cdef inline uint8_t *at_end(joiner_t *j) noexcept nogil:
    return j.out + j.size


cdef inline void written(joiner_t *j, uint8_t *end) noexcept nogil:
    j.size = <size_t>(end - j.out)
