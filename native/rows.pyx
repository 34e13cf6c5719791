"""What scan threads and the sealer do with a row store. See rows.pxd for who may touch what."""

from libc.stdint cimport int64_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy

from native.bytes cimport __builtin_clzll
from native.clock cimport boot_ns
from native.reasons cimport GAP_MEMORY_FULL, GAP_REPLANNED

cdef extern from "<unistd.h>" nogil:
    ssize_t write(int fd, const void *buf, size_t n) noexcept


cdef void store_gap(
    group_t *g, store_t *s, uint64_t first, uint64_t count, uint32_t reason
) noexcept nogil:
    """Append ticks without a row; merges with the gap before it when that touches and is of the
    same reason, or when the list must keep room for one gap behind each row that may yet come.
    """
    cdef tickgap_t *gap
    if s.gap_count:
        gap = &s.gaps[s.gap_count - 1]
        if gap.first + gap.count == first and (
            gap.reason == reason
            or s.gap_count + (g.row_capacity - s.row_count) >= g.gap_capacity
        ):
            gap.count += count
            s.next_tick = first + count
            return
    gap = &s.gaps[s.gap_count]
    gap.first, gap.count, gap.reason = first, count, reason
    s.gap_count += 1
    s.next_tick = first + count


cdef inline void store_begin(store_t *s, uint64_t tick) noexcept nogil:
    """The flush counts from here: a scan exists when its last answer is in."""
    if s.row_count == 0 and s.gap_count == 0:
        s.first_tick = tick
        s.oldest_ns = boot_ns()


cdef void group_skip(group_t *g, uint64_t upto, uint32_t reason) noexcept nogil:
    """Account every tick below `upto` that has no row as missing, for `reason`."""
    cdef uint64_t count
    cdef store_t *s
    if upto <= g.next_tick:
        return
    pthread_mutex_lock(&g.lock)
    count = upto - g.next_tick
    s = &g.stores[g.active]
    store_begin(s, g.next_tick)
    store_gap(g, s, g.next_tick, count, reason)
    g.skipped[reason] += count
    g.next_tick = upto
    pthread_mutex_unlock(&g.lock)


cdef void group_commit(group_t *g, layout_t *layout, uint64_t tick) noexcept nogil:
    """Move the scratch row, the scan of `tick`, into the active store."""
    cdef store_t *s
    cdef uint8_t *row
    cdef uint64_t one = 1
    cdef bint wake = False
    pthread_mutex_lock(&g.lock)
    s = &g.stores[g.active]
    store_begin(s, tick)
    if s.layout != layout:
        store_gap(g, s, tick, 1, GAP_REPLANNED)
        g.skipped[GAP_REPLANNED] += 1
    elif s.row_count == g.row_capacity:
        store_gap(g, s, tick, 1, GAP_MEMORY_FULL)
        g.skipped[GAP_MEMORY_FULL] += 1
    else:
        row = s.rows + <size_t>s.row_count * layout.stride
        (<row_t *>g.scratch).tick = tick
        memcpy(row, g.scratch, layout.stride)
        memcpy(g.latest, g.scratch, layout.stride)
        g.latest_layout = layout
        s.row_count += 1
        s.next_tick = tick + 1
        g.rows += 1
        if s.row_count * 2 >= g.row_capacity and not g.woken:
            g.woken = wake = True
    g.next_tick = tick + 1
    pthread_mutex_unlock(&g.lock)
    if wake and g.wake_fd >= 0:
        write(g.wake_fd, &one, 8)


cdef void group_late(group_t *g, int64_t late_ns) noexcept nogil:
    """Count how late a scan began, in quarter octaves of microseconds."""
    cdef uint64_t us = <uint64_t>(late_ns // 1000) if late_ns > 0 else 0
    cdef int top
    cdef uint32_t bucket
    if us < 4:
        bucket = <uint32_t>us
    else:
        top = 63 - __builtin_clzll(us)
        bucket = <uint32_t>(4 * (top - 1) + <int>((us >> (top - 2)) & 3))
        if bucket >= LATE_BUCKETS:
            bucket = LATE_BUCKETS - 1
    g.late[bucket] += 1
    if us > g.late_max_us:
        g.late_max_us = us


cdef store_t *group_swap(group_t *g) noexcept nogil:
    """Take the filled store; its twin, empty and with the newest layout, becomes active."""
    cdef store_t *full
    cdef store_t *fresh
    pthread_mutex_lock(&g.lock)
    full = &g.stores[g.active]
    if full.row_count == 0 and full.gap_count == 0:
        if g.pending != NULL:
            full.layout = g.current = g.pending
            g.pending = NULL
        pthread_mutex_unlock(&g.lock)
        return NULL
    g.active ^= 1
    fresh = &g.stores[g.active]
    if g.pending != NULL:
        g.current = g.pending
        g.pending = NULL
    fresh.layout = g.current
    g.woken = False
    pthread_mutex_unlock(&g.lock)
    return full


cdef void group_release(group_t *g, store_t *store) noexcept nogil:
    store.row_count = 0
    store.gap_count = 0
