"""What happens in a story: requests heard, answers given, and what goes wrong with them.

Each story has its own weather: a draw of the faults that it has at all, and how often. What
machines answer stands in `replies`, what another master asks in `master`.
"""

from libc.errno cimport ECONNREFUSED, ECONNRESET, EIO, ENOENT
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove

from native.clock cimport MS
from native.engine.connection cimport CONNECTING, DOWN, UP
from native.engine.guests cimport dismiss_guest, invite_guest
from native.engine.rig cimport (
    rig_connected,
    rig_dialled,
    rig_due,
    rig_feed,
    rig_is_over,
    rig_lay,
    rig_look,
    rig_next,
    rig_pass,
    rig_t,
    rig_visited,
)
from native.wire.transport cimport DATAGRAM, DIALIN, STREAM
from tests.stories.machines cimport asked_t, hear
from tests.stories.master cimport master_asks, master_begin, master_is_answered
from tests.stories.replies cimport (
    note,
    pick,
    plan,
    respond,
    span,
    strikes,
    tell,
    tell_number,
)

cdef enum:
    SPINS_MAX = 1000  # calls at one moment: more is a link that is due for ever


cdef bint world_begin(world_t *w, uint64_t seed) noexcept nogil:
    cdef int32_t i, _turn
    w.random = seed * <uint64_t>0x9E3779B97F4A7C15 + 1
    for _turn in range(8):
        pick(w, 2)
    w.events = <event_t *>malloc(EVENTS_MAX * sizeof(event_t))
    w.said = <said_t *>malloc(ASKED_MAX * sizeof(said_t))
    for i in range(SHORT):
        w.rate[i] = pick(w, 100) + 1 if pick(w, 3) == 0 else 0
    if w.rig.l.port.kind == DATAGRAM:
        w.rate[DAMAGED] = w.rate[NOISE] = w.rate[BABBLE] = 0
    elif not w.line:
        w.rate[DAMAGED] = w.rate[CUT] = w.rate[NOISE] = w.rate[BABBLE] = 0
        w.rate[SHORT] = pick(w, 100) + 1 if pick(w, 3) == 0 else 0
    if not w.line:
        w.rate[TWICE] = pick(w, 100) + 1 if pick(w, 3) == 0 else 0
        w.rate[SWAPPED] = pick(w, 100) + 1 if pick(w, 3) == 0 else 0
    w.rate[HEARTBEAT] = 50 if w.rig.l.port.kind == DIALIN else 0
    w.rate[REDIAL] = 10 if w.rig.l.port.kind == DIALIN else 0
    if w.listens:
        w.rate[STUCK] = 0
        master_begin(w)
    else:
        w.rate[OVERRUN] = 0
    w.rig.slow = w.rig.l.port.kind == STREAM or w.rig.l.port.kind == DATAGRAM
    for i in range(MUTE, STUCK + 1):
        w.rate[i] = (w.rate[i] + 9) // 10
    if w.listens:
        w.rate[STARVED] *= 10  # it is due but once a tick
    return w.events != NULL and w.said != NULL


cdef void world_end(world_t *w) noexcept nogil:
    free(w.events)
    free(w.said)


# ---- what is under way -------------------------------------------------------------------------

cdef int32_t first_event(const world_t *w) noexcept nogil:
    """The earliest, and of those at one time the one that was planned first; -1: none."""
    cdef int32_t i, best = -1
    for i in range(w.event_count):
        if best < 0 or w.events[i].at < w.events[best].at:
            best = i
    return best


cdef void take_event(world_t *w, int32_t i, event_t *e) noexcept nogil:
    memcpy(e, &w.events[i], sizeof(event_t) - sizeof(e.bytes) + w.events[i].size)
    w.event_count -= 1
    memmove(&w.events[i], &w.events[i + 1], <size_t>(w.event_count - i) * sizeof(event_t))


# ---- who comes ---------------------------------------------------------------------------------

cdef void device_dials(world_t *w) noexcept nogil:
    cdef uint32_t before = w.rig.opened
    tell(w, "dials", NULL, 0)
    rig_dialled(&w.rig)
    if w.rig.opened == before and not w.rig.l.draining:
        w.broken = "a device dialled in, and nobody took the connection"


cdef void guest_comes(world_t *w) noexcept nogil:
    """Somebody wants a single reading, and goes at some time, or stays until the end."""
    cdef int32_t number = w.guest_count
    cdef visit_t *v = &w.guests[number]
    cdef event_t *e
    if number == w.guests_most:
        return
    w.guest_count += 1
    v.place = invite_guest(w.rig.l, v.device, v.group)
    if v.place < 0:
        return
    w.happened[GUEST] += 1
    v.came, v.at = True, w.rig.now
    if w.notes != NULL:
        with gil:
            note(w, "guest", (<list>w.guests_told)[number])
    rig_visited(&w.rig)
    if pick(w, 2):
        e = plan(w, GUEST_GOES, w.rig.now + span(w, 0, 3000 * MS))
        e.serial = <uint32_t>number


cdef void guest_goes(world_t *w, visit_t *v) noexcept nogil:
    cdef int number = 0  # of those who found room, as the story tells them
    cdef visit_t *other = &w.guests[0]
    while other < v:
        number += other.came
        other += 1
    tell_number(w, "goes", number)
    dismiss_guest(w.rig.l, v.place)
    v.went = True
    rig_visited(&w.rig)


cdef void happen(world_t *w, int32_t i, bint unseen) noexcept nogil:
    """`unseen`: the shell's thread is kept from looking."""
    cdef rig_t *r = &w.rig
    cdef event_t e
    take_event(w, i, &e)
    if e.what == DIALS:
        device_dials(w)
    elif e.what == GUESTS_COME:
        guest_comes(w)
    elif e.what == GUEST_GOES:
        guest_goes(w, &w.guests[e.serial])
    elif e.what == ASKS:
        master_asks(w)
    elif e.what == ANSWERS:
        master_is_answered(w, &e)
    # On a serial line there is one connection for ever; else what was under way is gone.
    elif w.char_ns == 0 and e.connection != r.opened:
        return
    elif e.what == MADE:
        tell(w, "made", NULL, 0)
        rig_connected(r)
    elif r.l.conn.state != UP:
        return
    elif e.what == BYTES and w.lost_from <= r.now < w.lost_until:
        tell_number(w, "lost", <int>e.size)
        r.overrun += <uint32_t>e.size
    elif e.what == BYTES:
        tell(w, "lay" if unseen else "<", e.bytes, e.size)
        if unseen:
            rig_lay(r, e.bytes, e.size)
        else:
            rig_feed(r, e.bytes, e.size)
    else:
        r.hung_up = EIO if w.char_ns else ECONNRESET
        tell_number(w, "gone", r.hung_up)
        if not unseen:
            rig_look(r)


cdef void hear_link(world_t *w) noexcept nogil:
    """What the link has sent since the last time."""
    cdef rig_t *r = &w.rig
    cdef asked_t a
    cdef size_t used, at = 0
    if w.listens and r.sent_size:
        w.broken = "a link that only listens has spoken"
    while at < r.sent_size and w.broken == NULL:
        used = hear(w.kind, r.sent + at, r.sent_size - at, w.devices, &a)
        if used == 0:
            w.broken = "what was sent is no request"
            return
        tell(w, ">", r.sent + at, used)
        at += used
        w.bytes_heard += used
        respond(w, &a)
    r.sent_size = 0


# ---- time --------------------------------------------------------------------------------------

cdef void set_conditions(world_t *w) noexcept nogil:
    """What attempts to connect and to send meet now."""
    cdef rig_t *r = &w.rig
    cdef int32_t i
    cdef bint pending = False
    cdef int refusal = 0
    if r.now < w.refuse_until:
        refusal = ENOENT if w.char_ns else ECONNREFUSED
    if r.refusal != refusal:
        tell_number(w, "refuse", refusal)
    if r.stuck != (r.now < w.stuck_until):
        tell_number(w, "stuck", not r.stuck)
    r.refusal, r.stuck = refusal, r.now < w.stuck_until
    if r.l.conn.state == CONNECTING:
        for i in range(w.event_count):
            pending = pending or (w.events[i].what == MADE and w.events[i].connection == r.opened)
        if not pending:
            plan(w, MADE, r.now + span(w, 0, 30 * MS))
    elif r.l.conn.state == DOWN and r.l.port.kind == DIALIN:
        for i in range(w.event_count):
            pending = pending or w.events[i].what == DIALS
        if not pending:
            plan(w, DIALS, max(r.now, w.refuse_until) + span(w, 0, 2000 * MS))


cdef inline bint is_unseen(What what) noexcept nogil:
    """Whether it may happen while the shell's thread is kept from running."""
    return what == BYTES or what == ASKS or what == ANSWERS


cdef void starve(world_t *w) noexcept nogil:
    """Time passes and nobody looks; then the loop does what is due, and what has arrived."""
    cdef rig_t *r = &w.rig
    cdef int64_t until = r.now + span(w, 5 * MS, 3 * w.timeout_ns)
    cdef int32_t i = first_event(w)
    # What was due before has been done, though nobody heard of it: whoever holds the story again
    # must know.
    r.now -= 1
    tell(w, "until", NULL, 0)
    r.now += 1
    # What attempts to connect and to send meet does not change unseen, for the same reason.
    if r.now < w.refuse_until:
        until = min(until, w.refuse_until - 1)
    if r.now < w.stuck_until:
        until = min(until, w.stuck_until - 1)
    while i >= 0 and w.events[i].at <= until and is_unseen(w.events[i].what):
        r.now = max(r.now, w.events[i].at)
        happen(w, i, True)
        i = first_event(w)
    r.now = until
    tell(w, "starved", NULL, 0)


cdef void world_run(world_t *w, int64_t until) noexcept nogil:
    cdef rig_t *r = &w.rig
    cdef int64_t due, at, last = -1
    cdef int32_t i, spins = 0
    while w.broken == NULL and not rig_is_over(r):
        set_conditions(w)
        i = first_event(w)
        at = w.events[i].at if i >= 0 else INT64_MAX
        due = rig_next(r)
        if min(due, at) > until:
            rig_pass(r, max(r.now, until))
            return
        if due <= at:
            rig_pass(r, max(r.now, due))
            if strikes(w, STARVED):
                starve(w)
            set_conditions(w)
            rig_due(r)
            hear_link(w)
            rig_look(r)
        else:
            rig_pass(r, max(r.now, at))
            set_conditions(w)
            happen(w, i, False)
        hear_link(w)
        spins = spins + 1 if r.now == last else 0
        last = r.now
        if spins > SPINS_MAX:
            w.broken = "the link is due for ever"
