"""What scan threads and the sealer do with row stores. See `store.pxd` for who may touch what."""

from libc.stdint cimport int32_t, uint32_t, uint64_t, uint8_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy

from native.clock cimport boot_ns
from native.reasons cimport GAP_MEMORY_FULL, GOOD

cdef extern from "<unistd.h>" nogil:
    ssize_t write(int fd, const void *buf, size_t n) noexcept

cdef extern from *:
    """
    /* Counters that many threads change. */
    static inline size_t add_size(size_t *slot, size_t n)
    {
        return __atomic_add_fetch(slot, n, __ATOMIC_RELAXED);
    }

    static inline size_t take_size(size_t *slot, size_t n)
    {
        return __atomic_sub_fetch(slot, n, __ATOMIC_RELAXED);
    }

    static inline int exchange_int(int *slot, int value)
    {
        return __atomic_exchange_n(slot, value, __ATOMIC_RELAXED);
    }

    /* In one order for all threads: who frees a layout has seen who holds it, or is seen first. */
    #define load_layout(slot) __atomic_load_n(slot, __ATOMIC_SEQ_CST)
    #define store_layout(slot, layout) __atomic_store_n(slot, layout, __ATOMIC_SEQ_CST)
    """
    size_t add_size(size_t *slot, size_t n) noexcept nogil
    size_t take_size(size_t *slot, size_t n) noexcept nogil
    int exchange_int(int *slot, int value) noexcept nogil
    layout_t *load_layout(layout_t **slot) noexcept nogil
    void store_layout(layout_t **slot, layout_t *layout) noexcept nogil

cdef enum:
    ROWS_FIRST_BYTES = 512  # what a store begins with, but for wider rows
    ROWS_FIRST = 2


cdef void ring(group_t *g) noexcept nogil:
    """The memory for rows is half used: wake the sealer, unless it was woken since it last came."""
    cdef uint64_t one = 1
    if g.wake_fd >= 0 and not exchange_int(&g.pool.rung, 1):
        write(g.wake_fd, &one, 8)


cdef bint pool_take(group_t *g, size_t bytes) noexcept nogil:
    """Take so many bytes of the pool; False: it has no more."""
    cdef size_t used = add_size(&g.pool.bytes, bytes)
    if used > g.pool.bytes_max // 2:
        ring(g)
    if used <= g.pool.bytes_max:
        return True
    take_size(&g.pool.bytes, bytes)
    return False


cdef void *grown(group_t *g, void *old, size_t old_bytes, size_t bytes) noexcept nogil:
    """The memory at `old` with room for `bytes`; NULL when the pool or the system has no more, and
    `old` is as it was.
    """
    cdef void *fresh
    if not pool_take(g, bytes - old_bytes):
        return NULL
    fresh = realloc(old, bytes)
    if fresh == NULL:
        take_size(&g.pool.bytes, bytes - old_bytes)
    return fresh


cdef bint grow_rows(group_t *g, store_t *s) noexcept nogil:
    """Room for one row more at least."""
    cdef size_t stride = s.layout.stride
    cdef size_t room = 2 * <size_t>s.row_room
    cdef void *fresh
    if room == 0:
        room = max(<size_t>ROWS_FIRST, ROWS_FIRST_BYTES // stride)
    room = min(room, <size_t>g.row_capacity)
    fresh = grown(g, s.rows, s.row_room * stride, room * stride)
    if fresh == NULL and room > s.row_room + <size_t>1:
        # Near the bound each row counts.
        room = s.row_room + 1
        fresh = grown(g, s.rows, s.row_room * stride, room * stride)
    if fresh == NULL:
        return False
    s.rows = <uint8_t *>fresh
    s.row_room = <uint32_t>room
    return True


cdef bint grow_gaps(group_t *g, store_t *s) noexcept nogil:
    """Room for one gap more at least."""
    cdef size_t old = 0 if s.gaps == s.few else s.gap_room * sizeof(tickgap_t)
    cdef void *fresh
    if s.gap_room >= GAPS_MAX:
        return False
    fresh = grown(
        g, NULL if s.gaps == s.few else s.gaps, old, 2 * s.gap_room * sizeof(tickgap_t)
    )
    if fresh == NULL:
        return False
    if s.gaps == s.few:
        memcpy(fresh, s.few, sizeof(s.few))
    s.gaps = <tickgap_t *>fresh
    s.gap_room *= 2
    return True


cdef void drop_rows(group_t *g, store_t *s) noexcept nogil:
    free(s.rows)
    take_size(&g.pool.bytes, <size_t>s.row_room * s.layout.stride)
    s.rows = NULL
    s.row_room = 0


cdef void drop_gaps(group_t *g, store_t *s) noexcept nogil:
    if s.gaps != s.few:
        free(s.gaps)
        take_size(&g.pool.bytes, s.gap_room * sizeof(tickgap_t))
    s.gaps = s.few
    s.gap_room = GAPS_FEW


cdef store_t *spare_store(group_t *g) noexcept nogil:
    """An empty store; NULL: no memory."""
    cdef store_t *s = g.spare
    if s != NULL:
        g.spare = NULL
        return s
    s = <store_t *>calloc(1, sizeof(store_t))
    if s != NULL:
        s.gaps = s.few
        s.gap_room = GAPS_FEW
    return s


cdef store_t *next_store(group_t *g) noexcept nogil:
    """The active store goes into the line, the next one becomes active; the active one when there
    is no memory for that.
    """
    cdef store_t *fresh = spare_store(g)
    if fresh == NULL:
        return g.active
    if g.filled == NULL:
        g.filled = g.active
    else:
        g.filled_last.next = g.active
    g.filled_last = g.active
    fresh.layout = g.active.layout
    g.active = fresh
    return fresh


cdef store_t *store_of(group_t *g, layout_t *layout) noexcept nogil:
    """The active store, which becomes one of that layout; where there is no memory for that, it is
    as it was.
    """
    cdef store_t *s = g.active
    if s.row_count or s.gap_count:
        s = next_store(g)
        if s.row_count or s.gap_count:
            return s
    drop_rows(g, s)  # its room is counted in rows
    s.layout = layout
    return s


cdef bint group_begin(group_t *g) noexcept nogil:
    g.active = spare_store(g)
    if g.active == NULL:
        return False
    g.active.layout = g.current
    return True


cdef void free_store(group_t *g, store_t *s) noexcept nogil:
    if s != NULL:
        drop_rows(g, s)
        drop_gaps(g, s)
        free(s)


cdef void group_end(group_t *g) noexcept nogil:
    cdef store_t *following
    while g.filled != NULL:
        following = g.filled.next
        free_store(g, g.filled)
        g.filled = following
    free_store(g, g.active)
    free(g.spare)
    g.active = g.spare = NULL


cdef layout_t *group_hold(group_t *g) noexcept nogil:
    cdef layout_t *layout = load_layout(&g.current)
    cdef layout_t *newer
    while layout != g.scanned:
        store_layout(&g.scanned, layout)
        newer = load_layout(&g.current)
        if newer == layout:
            break
        layout = newer  # the sealer took the store meanwhile
    g.request_count = layout.request_count
    return layout


cdef bint group_is_done_with(group_t *g, const layout_t *layout) noexcept nogil:
    cdef const store_t *s = g.filled
    if (
        layout == g.current or layout == g.pending or layout == g.latest
        or layout == g.active.layout or layout == load_layout(&g.scanned)
        or layout == g.taken
    ):
        return False
    while s != NULL:
        if s.layout == layout:
            return False
        s = s.next
    return True


cdef inline void store_begin(store_t *s, uint64_t tick) noexcept nogil:
    """The store's first row or gap: the time to flush it counts from now on."""
    if s.row_count == 0 and s.gap_count == 0:
        s.first_tick = tick
        s.oldest_ns = boot_ns()


cdef void account_gap(group_t *g, uint64_t first, uint64_t count, uint32_t reason) noexcept nogil:
    """Ticks without a row, of which the first is the next to be accounted. They join the gap before
    them when that is of the same reason, or when there is no memory for one more.

    There always is behind a row: `group_commit` sees to that.
    """
    cdef store_t *s = g.active
    cdef tickgap_t *gap
    cdef bint touches
    if s.gap_count == GAPS_MAX:
        s = next_store(g)
    store_begin(s, first)
    g.skipped[reason] += count
    g.next_tick = s.next_tick = first + count
    if s.gap_count:
        gap = &s.gaps[s.gap_count - 1]
        touches = gap.first + gap.count == first
        if touches and (
            gap.reason == reason or (s.gap_count == s.gap_room and not grow_gaps(g, s))
        ):
            gap.count += count
            return
    gap = &s.gaps[s.gap_count]
    gap.first, gap.count, gap.reason = first, count, reason
    s.gap_count += 1


cdef void group_skip(group_t *g, uint64_t upto, uint32_t reason) noexcept nogil:
    """Account every tick below `upto` that has no row as missing, for `reason`."""
    if upto <= g.next_tick:
        return
    pthread_mutex_lock(&g.lock)
    account_gap(g, g.next_tick, upto - g.next_tick, reason)
    pthread_mutex_unlock(&g.lock)


cdef void group_commit(group_t *g, layout_t *layout, uint64_t tick) noexcept nogil:
    """Move the scratch row, the scan of `tick`, into the active store."""
    cdef store_t *s
    cdef uint8_t *row = layout.scratch
    pthread_mutex_lock(&g.lock)
    s = g.active
    if s.layout != layout:
        s = store_of(g, layout)
    if s.layout != layout:
        account_gap(g, tick, 1, GAP_MEMORY_FULL)
        pthread_mutex_unlock(&g.lock)
        return
    if s.row_count == g.row_capacity or s.gap_count == GAPS_MAX:
        s = next_store(g)
    if (
        (s.row_count == s.row_room and (s.row_count == g.row_capacity or not grow_rows(g, s)))
        # And for the gap that may follow:
        or (s.gap_count == s.gap_room and not grow_gaps(g, s))
    ):
        account_gap(g, tick, 1, GAP_MEMORY_FULL)
        pthread_mutex_unlock(&g.lock)
        return
    store_begin(s, tick)
    (<row_t *>row).tick = tick
    memcpy(s.rows + <size_t>s.row_count * layout.stride, row, layout.stride)
    layout.scratch = layout.latest
    layout.latest = row
    g.latest = layout
    s.row_count += 1
    g.rows += 1
    g.next_tick = s.next_tick = tick + 1
    pthread_mutex_unlock(&g.lock)


cdef void doubt_parts(
    const doubt_t *d, const layout_t *layout, uint8_t *rows, uint32_t count
) noexcept nogil:
    """In the newest of so many rows one after another."""
    cdef const request_t *r
    cdef int32_t i
    cdef uint32_t n, k
    for i in range(layout.request_count):
        r = &layout.requests[i]
        n = count if d.doubts(d, r) else 0
        while n and (<row_t *>(rows + <size_t>(n - 1) * layout.stride)).mid_ns >= d.since_ns:
            n -= 1
            for k in range(r.first_part, r.first_part + r.part_count):
                if row_status(rows + <size_t>n * layout.stride)[k] == GOOD:
                    row_status(rows + <size_t>n * layout.stride)[k] = d.quality


cdef void group_doubt(group_t *g, const doubt_t *d) noexcept nogil:
    cdef store_t *s
    pthread_mutex_lock(&g.lock)
    s = g.filled
    doubt_parts(d, g.active.layout, g.active.rows, g.active.row_count)
    while s != NULL:
        doubt_parts(d, s.layout, s.rows, s.row_count)
        s = s.next
    if g.scanned != NULL:
        (<row_t *>g.scanned.scratch).mid_ns = d.since_ns  # it has none yet
        doubt_parts(d, g.scanned, g.scanned.scratch, 1)
    if g.latest != NULL:
        doubt_parts(d, g.latest, g.latest.latest, 1)
    pthread_mutex_unlock(&g.lock)


cdef store_t *group_swap(group_t *g) noexcept nogil:
    """Take the oldest store; instead of the active one an empty one with the newest layout."""
    cdef store_t *full
    cdef layout_t *newest
    pthread_mutex_lock(&g.lock)
    exchange_int(&g.pool.rung, 0)
    full = g.filled
    if full != NULL:
        g.filled = full.next
        full.next = NULL
        full.more = True
        g.taken = full.layout
        pthread_mutex_unlock(&g.lock)
        return full
    full = g.active
    newest = g.pending if g.pending != NULL else g.current
    if full.row_count == 0 and full.gap_count == 0:
        if full.layout != newest:
            drop_rows(g, full)  # its room is counted in rows
            store_layout(&g.current, newest)
            full.layout = newest
            g.pending = NULL
        pthread_mutex_unlock(&g.lock)
        return NULL
    full.more = False
    g.active = spare_store(g)
    if g.active == NULL:
        g.active = full  # no memory: its rows wait on
        pthread_mutex_unlock(&g.lock)
        return NULL
    store_layout(&g.current, newest)
    g.active.layout = newest
    g.pending = NULL
    g.taken = full.layout
    pthread_mutex_unlock(&g.lock)
    return full


cdef void group_release(group_t *g, store_t *s) noexcept nogil:
    """What was sealed is forgotten. Its memory goes to the active store if that has none yet, so
    that from seal to seal nothing is allocated; but not what was needed for once, or what others
    lack.
    """
    cdef bint usual = s.row_room <= max(4 * s.row_count, <uint32_t>ROWS_FIRST)
    pthread_mutex_lock(&g.lock)
    if (
        g.active.rows == NULL and g.active.layout == s.layout
        and (usual or s.row_room * s.layout.stride <= ROWS_FIRST_BYTES)
        and g.pool.bytes <= g.pool.bytes_max // 2
    ):
        g.active.rows, g.active.row_room = s.rows, s.row_room
        s.rows, s.row_room = NULL, 0
    drop_rows(g, s)
    drop_gaps(g, s)
    g.taken = NULL
    s.row_count = s.gap_count = 0
    s.next = NULL
    if g.spare == NULL:
        g.spare = s
        s = NULL
    pthread_mutex_unlock(&g.lock)
    free(s)
