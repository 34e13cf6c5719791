"""The plan and the row stores of one group, shared by its scan thread and the sealer.

The scan thread fills one row at a time in its layout's `scratch`, then commits it to the active
store. A store holds as many rows as surely fit into one block; then the next one is begun, and the
full ones wait in line for the sealer, which takes them one by one, the active one last. Both hold
`lock` only for that. A store's memory grows with its rows, out of one pool for all groups of the
box: what finds no room there is accounted as memory full. A store's rows all follow one layout:
when the driver changes the requests, the new layout becomes current when the active store is
taken, and the row of a scan that began under the old one has a store of its own.
"""

from libc.stdint cimport UINT32_MAX, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from native.rows.props cimport fieldprops_t, fieldstate_t
from native.reasons cimport GAP_REASONS

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    int pthread_mutex_init(pthread_mutex_t *, void *) noexcept
    int pthread_mutex_lock(pthread_mutex_t *) noexcept
    int pthread_mutex_unlock(pthread_mutex_t *) noexcept
    int pthread_mutex_destroy(pthread_mutex_t *) noexcept

cdef enum Type:
    TYPE_BOOL = 1
    TYPE_INT8 = 2
    TYPE_UINT8 = 3
    TYPE_INT16 = 4
    TYPE_UINT16 = 5
    TYPE_INT32 = 6
    TYPE_UINT32 = 7
    TYPE_INT64 = 8
    TYPE_UINT64 = 9
    TYPE_FLOAT32 = 10  # from here on not all bytes are a value
    TYPE_FLOAT64 = 11
    TYPE_BCD = 12
    TYPE_BCD_SIGNED = 13
    TYPE_STRING = 14

cdef enum:
    LATE_BUCKETS = 128  # quarter octaves of microseconds


cdef struct part_t:
    # A stretch of data that an answer brings, with a status of its own.
    uint32_t offset       # into the data of the row
    uint32_t bytes


cdef struct request_t:
    const uint8_t *spec   # the protocol's own words
    uint16_t spec_size
    uint16_t part_count
    uint32_t first_part
    uint32_t chars        # of request and answer on the wire, at the most
    # State of the scan loop, kept here so that it dies with the layout:
    uint16_t field_count  # tags that it reads
    bint answered         # with data, at least once
    bint again            # to be repeated: its connection was lost, or its answer is in doubt
    uint8_t misses        # times in a row without an answer, while its device answered others
    uint8_t asides        # times in a row that it was set aside for that
    uint64_t miss_mark    # how many answers its device had given at the last miss
    uint8_t refusals      # in a row
    uint8_t refused_quality  # what its parts have in rows while it is set aside
    int64_t skip_until    # boot ns: set aside until then


cdef struct field_t:
    uint32_t part
    uint32_t offset       # bytes into the data of the row
    uint8_t type
    uint8_t order         # 0 ABCD, 1 CDAB, 2 BADC, 3 DCBA
    signed char bit       # of the byte at `offset`, 0 the lowest; -1: not a bit
    uint16_t length       # bytes of the raw value


cdef struct layout_t:
    int32_t request_count
    int32_t part_count
    int32_t field_count
    uint32_t serial       # of its group
    uint32_t data_bytes   # of one row's answers
    uint32_t stride       # of one row in the store
    request_t *requests
    const part_t *parts   # shared with all groups alike
    const field_t *fields  # likewise
    uint8_t *scratch      # the row in progress
    uint8_t *latest       # the last committed row
    layout_t *older       # the chain that `Group` frees


cdef struct row_t:
    # A row in the store: this header, then one status a part, then the answers' data.
    uint64_t tick
    int64_t mid_ns        # boot time, in the middle between its first request and last answer
    uint32_t half_span_us  # and how far from each
    uint32_t reserved


cdef struct tickgap_t:
    uint64_t first
    uint64_t count
    uint32_t reason


cdef enum:
    GAPS_FEW = 2          # that a store holds without asking for memory
    GAPS_MAX = 4096       # that one store takes; then the next one is begun


cdef struct store_t:
    layout_t *layout
    uint8_t *rows
    uint32_t row_count
    uint32_t row_room     # that `rows` has memory for
    uint32_t gap_count
    uint32_t gap_room
    uint64_t first_tick
    uint64_t next_tick
    int64_t oldest_ns     # when its first scan was complete, or its first gap counted
    tickgap_t *gaps       # `few`, or memory of the pool
    store_t *next         # filled after it
    bint more             # taken by the sealer: others were filled after it
    tickgap_t few[GAPS_FEW]


cdef enum:
    PUSHED_MAX = 256 * 1024   # bytes of pushed values that wait in one group


cdef struct batch_t:
    # Values that a source pushed, in the order they were taken: an EventRun of the wire protocol
    # without its numbers and its first time, which the sealer adds. The other times follow this
    # header in memory, then the columns.
    batch_t *next
    int64_t at_ns         # when the first was taken
    uint64_t count
    uint64_t bad          # of them without a value
    uint64_t lost         # before them
    uint32_t reason       # why: a GapReason
    uint32_t times_size
    uint32_t columns_size


cdef struct pool_t:
    # The memory of all stores of the box.
    size_t bytes_max
    size_t bytes          # atomic: what stores have of it
    int rung              # atomic: the sealer was told that half of it is used


cdef struct group_t:
    uint32_t id
    int64_t period_ns
    int64_t start_ns      # tick 0 was due; 0 until the loop starts
    int64_t phase_ns      # so long after the loop's first ticks
    bint aligned          # ticks are due at whole multiples of the period in UTC
    int64_t utc_ns        # atomic: what UTC is ahead of the boot clock; 0: not known
    int64_t shift_ns      # the scan thread's: ticks are due so much later than start and period say
    bint on_grid          # likewise: they are at whole multiples of the period
    uint64_t passed       # likewise: the last number that no multiple fell to; 0: none did
    uint64_t next_tick    # the first tick that is in no store yet (written under lock)
    pthread_mutex_t lock
    layout_t *current     # the scan thread's
    layout_t *pending     # set by replan, current at the next swap
    layout_t *latest      # the one whose `latest` is the last committed row; NULL: none is
    layout_t *scanned     # of the scan in progress or the last one: written by `group_hold` alone
    int32_t request_count  # of `scanned`; before the first scan, of the first plan
    store_t *active
    store_t *filled       # the first and the last of those that wait for the sealer
    store_t *filled_last
    store_t *spare        # without rows or memory
    layout_t *taken       # of the store that the sealer has; NULL: none
    pool_t *pool
    batch_t *pushed       # under lock: the first and the last that wait for the sealer
    batch_t *pushed_last
    size_t pushed_bytes
    uint64_t next_event   # the sealer's: the number of the next pushed value
    uint32_t row_capacity  # of one store
    const fieldprops_t *props  # one for all groups alike
    fieldstate_t *states  # of the tags that are reported on change: props.state is the index
    uint8_t *given        # a tag each, the sealer's: it was good at least once
    uint8_t *noise_seals  # a tag each: seals for which decimals need not be tried
    int wake_fd           # the sealer's eventfd, or -1
    # Counters:
    uint64_t ticks_due
    uint64_t rows
    uint64_t skipped[GAP_REASONS]
    uint64_t late[LATE_BUCKETS]
    uint64_t late_max_us


cdef struct doubt_t:
    # What is not believed any more.
    bint (*doubts)(const doubt_t *d, const request_t *request) noexcept nogil
    const void *whose     # for `doubts`
    int64_t now
    int64_t since_ns
    uint8_t quality


cdef inline void row_dated(row_t *row, int64_t first_sent, int64_t last_received) noexcept nogil:
    row.mid_ns = first_sent + (last_received - first_sent) // 2
    # 32 bits hold 71 minutes; a box that was suspended meanwhile may be later than that.
    row.half_span_us = <uint32_t>min((last_received - first_sent) // 2000, <int64_t>UINT32_MAX)


cdef inline uint8_t *row_status(uint8_t *row) noexcept nogil:
    return row + sizeof(row_t)


cdef inline uint8_t *row_data(layout_t *layout, uint8_t *row) noexcept nogil:
    return row + sizeof(row_t) + layout.part_count


# The layout of the scan that begins: it is not freed before the next call. Scan thread.
cdef layout_t *group_hold(group_t *g) noexcept nogil
# Whether no scan, store or newest row has `layout`: it can be freed. Under the lock.
cdef bint group_is_done_with(group_t *g, const layout_t *layout) noexcept nogil

# Scan thread. The scratch row becomes the row of `tick`, which must not be below g.next_tick.
cdef void group_commit(group_t *g, layout_t *layout, uint64_t tick) noexcept nogil
# Scan thread. Ticks below `upto` that have no row are a gap, for that GapReason.
cdef void group_skip(group_t *g, uint64_t upto, uint32_t reason) noexcept nogil
# Scan thread. In rows since then that wait for the sealer, whatever their layout, and in the one in
# progress, good parts of the requests that are doubted become `quality`.
cdef void group_doubt(group_t *g, const doubt_t *d) noexcept nogil

# Sealer: takes the oldest filled store, or the active one and leaves an empty one; NULL when there
# is nothing. While its `more` is set, there is another one to take.
cdef store_t *group_swap(group_t *g) noexcept nogil
cdef void group_release(group_t *g, store_t *store) noexcept nogil

cdef bint group_begin(group_t *g) noexcept nogil  # the first store; False: no memory
cdef void group_end(group_t *g) noexcept nogil    # all of them are freed
