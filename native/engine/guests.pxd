"""Groups that come to a link and go while it runs: a technician's single reads.

A link has room for GUESTS of them behind its own. They are members like all others, with their
device's patience, pauses and turns; nothing seals their rows, who sent them reads the newest. A
guest is read once, also where its device is silent. Another thread asks by `presence`, the scan
thread answers by it: VACANT → COMING → PRESENT → LEAVING → VACANT.
"""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from native.clock cimport NEVER
from native.engine.state cimport device_t, link_t, member_t
from native.engine.timers cimport set_timer, timers_t
from native.rows.store cimport group_t

cdef enum:
    GUESTS = 2

cdef enum Presence:
    VACANT = 0
    COMING = 1
    PRESENT = 2
    LEAVING = 3


cdef extern from *:
    """
    static inline int presence_of(const int *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
    static inline void set_presence(int *p, int to) { __atomic_store_n(p, to, __ATOMIC_RELEASE); }
    static inline void turn_presence(int *p, int from, int to)
    {
        __atomic_compare_exchange_n(p, &from, to, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    }
    """
    int presence_of(const int *) noexcept nogil
    void set_presence(int *, int) noexcept nogil
    void turn_presence(int *, int, int) noexcept nogil  # unless it is another one by now


cdef inline int32_t invite_guest(link_t *l, int32_t device, group_t *g) noexcept nogil:
    """A guest's group where the scan thread finds it: its slot; -1: all are taken."""
    cdef member_t *m
    cdef int32_t i
    for i in range(GUESTS):
        m = &l.members[l.resident_count + i]
        if presence_of(&m.presence) == VACANT:
            memset(m, 0, sizeof(member_t))
            m.g, m.device = g, device
            set_presence(&m.presence, COMING)
            return i
    return -1


cdef inline void dismiss_guest(link_t *l, int32_t slot) noexcept nogil:
    """It leaves once nothing of it is under way."""
    set_presence(&l.members[l.resident_count + slot].presence, LEAVING)


cdef inline void guest_came(link_t *l, int32_t i, int64_t now) noexcept nogil:
    """The scan thread has found it: its only tick is due now; its station has its requests, too."""
    cdef member_t *m = &l.members[i]
    cdef device_t *own = &l.devices[m.device]
    cdef device_t *d
    cdef int32_t k
    m.g.start_ns = now
    own.groups[own.group_count] = m.g
    for k in range(l.device_count):
        d = &l.devices[k]
        if d.station == own.station:
            d.group_count += 1
    l.member_count = max(l.member_count, i + 1)
    turn_presence(&m.presence, COMING, PRESENT)  # it may be LEAVING by now


cdef inline void guest_left(link_t *l, int32_t i) noexcept nogil:
    cdef member_t *m = &l.members[i]
    cdef device_t *own = &l.devices[m.device]
    cdef device_t *d
    cdef group_t *g = m.g
    cdef int32_t k, at = 0
    while at < own.group_count and own.groups[at] != g:
        at += 1
    if at < own.group_count:  # else it was dismissed before the scan thread found it
        own.groups[at] = own.groups[own.group_count - 1]
        for k in range(l.device_count):
            d = &l.devices[k]
            if d.station == own.station:
                d.group_count -= 1
    m.g = NULL
    while l.member_count > l.resident_count and l.members[l.member_count - 1].g == NULL:
        l.member_count -= 1
    set_presence(&m.presence, VACANT)


cdef inline bint take_guests(link_t *l, timers_t *timers, int64_t now) noexcept nogil:
    """Let in who comes, and see off who leaves; True while one can't go yet, as its scan runs."""
    cdef member_t *m
    cdef int32_t i
    cdef bint one_stays = False
    for i in range(l.resident_count, l.resident_count + GUESTS):
        m = &l.members[i]
        if presence_of(&m.presence) == COMING:
            guest_came(l, i, now)
            set_timer(timers, l.shell.first_slot + i, now)
        elif presence_of(&m.presence) == LEAVING and not m.scan.active:
            set_timer(timers, l.shell.first_slot + i, NEVER)
            guest_left(l, i)
        elif presence_of(&m.presence) == LEAVING:
            one_stays = True
    return one_stays
