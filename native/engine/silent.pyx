"""When a silent device is tried: after all that answer, when the wire is free for as long as a try
in vain takes. Where it never is, all silent devices together take a twentieth of the time.
"""

from libc.stdint cimport int32_t, int64_t

from native.clock cimport MS, NEVER
from native.engine.state cimport (
    WAIT_SHARE,
    device_t,
    link_t,
    member_t,
    patience,
)
from native.rows.ticks cimport due_of


cdef enum:
    WIRE_USUAL = 64  # characters of a request and its answer


cdef inline int64_t next_due(const member_t *m) noexcept nogil:
    """When its next scan is due; a tick that no multiple fell to has none."""
    return due_of(m.g, max(m.g.ticks_due, m.next_tick))


cdef int64_t free_until(const link_t *l) noexcept nogil:
    """When the next scan of a device that does answer is due."""
    cdef const member_t *m
    cdef int64_t first = NEVER, due
    cdef int32_t i
    for i in range(l.resident_count):
        m = &l.members[i]
        if not l.devices[m.device].silent:
            due = next_due(m)
            if due < first:
                first = due
    return first


cdef bint is_due_now(const link_t *l, int64_t now) noexcept nogil:
    """Whether a scan of a device that does answer is due, and has not begun."""
    cdef const member_t *m
    cdef int32_t i
    for i in range(l.resident_count):
        m = &l.members[i]
        if not (m.scan.active or l.devices[m.device].silent) and (
            next_due(m) <= now
        ):
            return True
    return False


cdef inline int64_t cost_of(link_t *l, device_t *d) noexcept nogil:
    """How long a try in vain keeps others waiting, in ns."""
    return d.char_ns * WIRE_USUAL + patience(l, d, 0)


cdef void pay(link_t *l, device_t *d, int64_t now) noexcept nogil:
    """A silent device is asked now. If others must wait for that, put off the next such try."""
    cdef int64_t cost = cost_of(l, d)
    if free_until(l) - now < cost:
        l.bus.try_at = now + (WAIT_SHARE + 1) * cost


cdef int32_t silent_ready(
    link_t *l, int32_t index, int64_t now, int64_t *when
) noexcept nogil:
    """`index` if that silent device may be asked now, else -1, and `when` to look again. It may if
    the wire is free for as long as a try in vain takes; else once in a while (`try_at`).
    """
    cdef device_t *d = &l.devices[l.members[index].device]
    cdef int64_t room
    when[0] = max(silent_at(l, d), d.station.pause.over_at)
    if is_due_now(l, now):
        when[0] = max(when[0], now + MS)  # others are about to queue
    if when[0] > now:
        return -1
    room = free_until(l) - now
    # One that was never heard may be slow: wait for as long as the wire is free.
    d.try_ns = d.wait_ns if d.ever else min(
        d.wait_ns, max(room - d.char_ns * WIRE_USUAL, l.timeout_ns)
    )
    if now < l.bus.try_at and room < cost_of(l, d):
        when[0] = l.bus.try_at
        return -1
    return index
