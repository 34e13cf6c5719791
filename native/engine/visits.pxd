"""When guests of a loop's links come and go: see `guests`."""

from libc.stdint cimport int32_t, int64_t

from native.engine.guests cimport (
    COMING,
    GUESTS,
    LEAVING,
    guest_came,
    guest_left,
    presence_of,
)
from native.engine.loop cimport loop_t
from native.engine.state cimport NEVER, link_t, member_t
from native.engine.timers cimport set_timer


cdef inline void take_guests(loop_t *p, int64_t now) noexcept nogil:
    """Who comes is read now; who leaves has left once nothing of it is under way."""
    cdef link_t *link
    cdef member_t *m
    cdef int32_t i, k
    cdef int wish
    p.visited = False
    for k in range(p.link_count):
        link = p.links[k]
        for i in range(link.resident_count, link.resident_count + GUESTS):
            m = &link.members[i]
            wish = presence_of(&m.presence)
            if wish == COMING:
                guest_came(link, i, now)
                p.slots[link.first_slot + i].g = m.g
                p.slots[link.first_slot + i].tick = 0
                set_timer(&p.timers, link.first_slot + i, now)
            elif wish == LEAVING and not m.scan.active:
                set_timer(&p.timers, link.first_slot + i, NEVER)
                guest_left(link, i)
            elif wish == LEAVING:
                p.visited = True
