"""When the ticks of a group are due, and how late its scans begin."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from native.bytes cimport __builtin_clzll
from native.reasons cimport GAP_OVERRUN, GAP_REPLANNED
from native.rows.store cimport LATE_BUCKETS, group_skip, group_t

cdef extern from *:
    """
    static inline int64_t load_ns(const int64_t *slot)
    {
        return __atomic_load_n(slot, __ATOMIC_RELAXED);
    }

    static inline void store_ns(int64_t *slot, int64_t ns)
    {
        __atomic_store_n(slot, ns, __ATOMIC_RELAXED);
    }
    """
    int64_t load_ns(const int64_t *slot) noexcept nogil
    void store_ns(int64_t *slot, int64_t ns) noexcept nogil


cdef inline int64_t due_of(const group_t *g, uint64_t tick) noexcept nogil:
    """When that tick is due, on the boot clock."""
    return g.start_ns + <int64_t>tick * g.period_ns + g.shift_ns


cdef inline uint64_t tick_at(const group_t *g, int64_t now) noexcept nogil:
    """The newest tick that is due; `now` is not before the first."""
    return <uint64_t>max((now - g.start_ns - g.shift_ns) // g.period_ns, <int64_t>0)


cdef inline uint64_t group_align(group_t *g, uint64_t tick) noexcept nogil:
    """Before `tick` is waited for: it is due at a whole multiple of the period, once UTC is known.
    The first time it comes earlier for that, so that no such time is passed over; from then on it
    follows what is corrected of UTC the short way. Returns which tick is to be waited for.

    A tick's number says when it was due on the boot clock, for ever: readers count by it. So where
    UTC moves against that clock, the multiples do not keep step with the numbers. A tick comes at
    most a period and a quarter before its number says, never after it: what was due by a moment is
    accounted by then. Beyond that a number is left without a multiple (`passed`), or a multiple
    without a number. The quarter keeps a correction forth and back from doing so each time.
    """
    cdef int64_t utc = load_ns(&g.utc_ns)
    cdef int64_t past
    if not g.aligned or utc == 0:
        return tick
    past = (due_of(g, tick) + utc) % g.period_ns  # never negative: so is UTC
    if g.on_grid and past > g.period_ns // 2:
        past -= g.period_ns
    g.shift_ns -= past
    g.on_grid = True
    if g.shift_ns > 0:
        g.shift_ns -= g.period_ns
        g.passed = tick
        return tick + 1
    if g.shift_ns < -g.period_ns - g.period_ns // 4:
        g.shift_ns += g.period_ns
    return tick


cdef inline void group_overrun(group_t *g, uint64_t tick) noexcept nogil:
    """Account the ticks below that which were never scanned, though their device and its link are
    there: the scan before took too long, or no multiple fell to the tick.
    """
    if tick <= g.next_tick:
        return
    if g.passed and g.next_tick <= g.passed < tick:
        group_skip(g, g.passed, GAP_OVERRUN)
        group_skip(g, g.passed + 1, GAP_REPLANNED)
    group_skip(g, tick, GAP_OVERRUN)


cdef inline void group_late(group_t *g, int64_t late_ns) noexcept nogil:
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
