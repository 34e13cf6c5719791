"""A group's ticks as timers of a thread: see `timers`. From `first_slot` on they are a link's."""

from libc.stdint cimport int32_t, int64_t, uint64_t

from native.clock cimport NEVER
from native.engine.machine cimport link_due
from native.engine.state cimport link_t, member_t, shell_t
from native.engine.timers cimport set_timer, timers_t
from native.rows.ticks cimport due_of, group_align, tick_at


cdef inline void tick_due(link_t *l, int32_t index, timers_t *timers, int64_t now) noexcept nogil:
    """A member's tick: begin its scan, or have it asked for again when the last one has ended."""
    cdef member_t *m = &l.members[index]
    # Late over several ticks: only the newest is scanned, the others are overrun.
    cdef uint64_t tick = max(tick_at(m.g, now), m.next_tick)
    link_due(l, index, tick, now)
    if m.scan.awaited or index >= l.resident_count:
        set_timer(timers, l.shell.first_slot + index, NEVER)
        return
    m.next_tick = group_align(m.g, tick + 1)
    set_timer(timers, l.shell.first_slot + index, due_of(m.g, m.next_tick))


cdef inline void begin_awaited(link_t *l, timers_t *timers, int64_t now) noexcept nogil:
    """Scans whose tick came due while the last one of their group ran, which has ended."""
    cdef shell_t *s = &l.shell
    while s.ended_count:
        s.ended_count -= 1
        tick_due(l, s.ended[s.ended_count], timers, now)
