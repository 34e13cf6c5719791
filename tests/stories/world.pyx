"""What happens in a story: requests heard, answers given, and what goes wrong with them.

Each story has its own weather: a draw of the faults that it has at all, and how often. Machines
answer in order, a serial wire takes its time, a connection that ended takes with it what was on its
way. Faults that a protocol cannot tell are left out: a damaged byte on TCP, and an answer on a line
without ids that is later than a time-out and the quarantine behind it (contracts.md, 6).
"""

from cpython.list cimport PyList_Append
from libc.errno cimport ECONNREFUSED, ECONNRESET, EIO, ENOENT
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove

from native.engine.rig cimport (
    rig_connected,
    rig_due,
    rig_feed,
    rig_lay,
    rig_look,
    rig_next,
    rig_t,
)
from native.engine.connection cimport CONNECTING, UP
from native.wire.transport cimport DATAGRAM, DIALIN, STREAM, packet_t
from tests.stories.machines cimport (
    METER,
    READ,
    S7,
    TCP,
    answer,
    asked_t,
    foreign,
    hear,
    refuse,
)

cdef extern from *:
    """
    #define MS INT64_C(1000000)
    """
    int64_t MS

cdef enum:
    SPINS_MAX = 1000  # calls at one moment: more is a link that is due for ever


cdef uint32_t pick(world_t *w, uint32_t n) noexcept nogil:
    w.random ^= w.random >> 12
    w.random ^= w.random << 25
    w.random ^= w.random >> 27
    return <uint32_t>((w.random * <uint64_t>0x2545F4914F6CDD1D) >> 33) % n


cdef int64_t span(world_t *w, int64_t least, int64_t most) noexcept nogil:
    return least + <int64_t>pick(w, <uint32_t>((most - least) // 1000 + 1)) * 1000


cdef void note(world_t *w, const char *what, object words) noexcept:
    """A line of the story, in the words of tests/kit/conversation.py."""
    at = (w.rig.now - w.rig.l.members[0].g.start_ns) / 1e6
    PyList_Append(<list>w.notes, f"{what.decode():7} {at:<13.6f} {words}".rstrip())


cdef inline void tell(world_t *w, const char *what, const uint8_t *p, size_t n) noexcept nogil:
    if w.notes != NULL:
        with gil:
            note(w, what, p[:n].hex())


cdef inline void tell_number(world_t *w, const char *what, int number) noexcept nogil:
    if w.notes != NULL:
        with gil:
            note(w, what, number)


cdef bint world_begin(world_t *w, uint64_t seed) noexcept nogil:
    cdef int32_t i, _turn
    w.random = seed * <uint64_t>0x9E3779B97F4A7C15 + 1
    for _turn in range(8):
        pick(w, 2)
    w.events = <event_t *>malloc(EVENTS_MAX * sizeof(event_t))
    w.said = <said_t *>malloc(ASKED_MAX * sizeof(said_t))
    for i in range(FAULTS):
        w.rate[i] = pick(w, 100) + 1 if pick(w, 3) == 0 else 0
    if w.rig.l.port.kind == DATAGRAM:
        w.rate[DAMAGED] = w.rate[NOISE] = w.rate[BABBLE] = 0
    elif not w.line:
        w.rate[DAMAGED] = w.rate[CUT] = w.rate[NOISE] = w.rate[BABBLE] = 0
    if w.rig.l.port.kind == DIALIN:
        w.rate[HEARTBEAT] = 50
    else:
        w.rate[HEARTBEAT] = 0
    w.rig.slow = w.rig.l.port.kind == STREAM or w.rig.l.port.kind == DATAGRAM
    for i in range(MUTE, STUCK + 1):
        w.rate[i] = (w.rate[i] + 9) // 10
    return w.events != NULL and w.said != NULL


cdef void world_end(world_t *w) noexcept nogil:
    free(w.events)
    free(w.said)


# ---- what is under way -------------------------------------------------------------------------

cdef event_t *plan(world_t *w, What what, int64_t at) noexcept nogil:
    """An event to fill in; the last one again where there are too many."""
    cdef event_t *e
    if w.event_count == EVENTS_MAX:
        w.broken = "more is under way than a story holds"
        return &w.events[EVENTS_MAX - 1]
    e = &w.events[w.event_count]
    w.event_count += 1
    e.at, e.what, e.connection, e.size = at, what, w.rig.opened, 0
    return e


cdef int64_t in_order(world_t *w, int64_t at) noexcept nogil:
    """Not before what is under way already."""
    if w.stream == w.rig.opened or w.char_ns:
        at = max(at, w.stream_at)
    w.stream, w.stream_at = w.rig.opened, at
    return at


cdef void send(world_t *w, int64_t at, const uint8_t *p, size_t n) noexcept nogil:
    cdef event_t *e
    if n:
        e = plan(w, BYTES, in_order(w, at))
        e.size = n
        memcpy(e.bytes, p, n)


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


cdef void happen(world_t *w, int32_t i, bint unseen) noexcept nogil:
    """`unseen`: the shell's thread is kept from looking."""
    cdef rig_t *r = &w.rig
    cdef event_t e
    take_event(w, i, &e)
    # On a serial line there is one connection for ever; else what was under way is gone.
    if w.char_ns == 0 and e.connection != r.opened:
        return
    if e.what == MADE:
        tell(w, "made", NULL, 0)
        rig_connected(r)
    elif r.l.conn.state != UP:
        return
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


# ---- what the machines do ----------------------------------------------------------------------

cdef bint strikes(world_t *w, int32_t fault) noexcept nogil:
    """Whether this fault happens now."""
    if w.rate[fault] == 0 or (w.rig.now >= w.calm_at and fault != HEARTBEAT):
        return False
    if pick(w, 1000) >= w.rate[fault]:
        return False
    w.happened[fault] += 1
    return True


cdef bint is_muted(world_t *w, const asked_t *a) noexcept nogil:
    cdef int32_t i
    cdef int64_t now = w.rig.now
    if now < w.hush_until or now < w.mute_until[a.device]:
        return True
    for i in range(MUTED_MAX):
        if w.muted[i] == a.key + <uint64_t>a.device and now < w.muted_until[i]:
            return True
    return False


cdef int64_t late_most(const world_t *w) noexcept nogil:
    """How long after its request an answer may come and still be told from the next one."""
    if w.kind == TCP or w.kind == S7:
        return 3 * w.timeout_ns
    return w.timeout_ns + min(w.timeout_ns, 100 * MS) * 9 // 10


cdef void begin_spells(world_t *w, const asked_t *a) noexcept nogil:
    """Faults that last."""
    cdef int32_t i, _turn
    cdef int64_t now = w.rig.now, at
    cdef event_t *e
    if strikes(w, MUTE):
        w.mute_until[a.device] = min(w.calm_at, now + span(w, 0, 8 * w.timeout_ns))
    if strikes(w, HUSH):
        w.hush_until = min(w.calm_at, now + span(w, 0, 8 * w.timeout_ns))
    if strikes(w, SHY):
        i = <int32_t>pick(w, MUTED_MAX)
        w.muted[i] = a.key + <uint64_t>a.device
        w.muted_until[i] = min(w.calm_at, now + span(w, 0, 8 * w.timeout_ns))
    if strikes(w, STUCK):
        w.stuck_until = min(w.calm_at, now + span(w, 0, 500 * MS))
    if strikes(w, REFUSAL):
        w.refuse_until = min(w.calm_at, now + span(w, 0, 5000 * MS))
        plan(w, ENDS, in_order(w, now + span(w, 0, 20 * MS)))
    if strikes(w, BABBLE):
        at = now + span(w, 0, 20 * MS)
        for _turn in range(<int32_t>pick(w, 60) + 3):
            e = plan(w, BYTES, at)
            e.size = 1 + pick(w, 8)
            scribble(w, e.bytes, e.size)
            at += span(w, 500000, 4 * MS)


cdef void scribble(world_t *w, uint8_t *p, size_t n) noexcept nogil:
    cdef size_t i
    for i in range(n):
        p[i] = <uint8_t>pick(w, 256)


cdef void spoil(world_t *w, uint8_t *p, size_t n) noexcept nogil:
    """One byte is another one: each protocol with a check tells that."""
    p[pick(w, <uint32_t>n)] ^= <uint8_t>(1 + pick(w, 255))


cdef void send_pieces(world_t *w, int64_t at, const uint8_t *p, size_t n) noexcept nogil:
    cdef size_t done = 0, size
    while done < n:
        size = min(n - done, <size_t>1 + pick(w, 6) * pick(w, 6))
        send(w, at, p + done, size)
        done += size
        at += span(w, 0, 3 * MS)


cdef void reply(world_t *w, asked_t *a, int64_t at, said_t *s) noexcept nogil:
    """The answer to a read, and what goes wrong with it."""
    cdef uint8_t frame[1200]
    cdef size_t n, first
    cdef uint32_t serial = w.said_count - 1
    cdef const packet_t *packet
    cdef bint ends = False
    if strikes(w, REFUSED):
        s.refused = True
        n = refuse(a, <uint8_t>(10 if a.kind == S7 else 2), frame)
    elif a.kind != S7 and a.kind != METER and strikes(w, BUSY):
        n = refuse(a, <uint8_t>(6 if pick(w, 3) else 11), frame)
    else:
        s.answered = True
        n = answer(a, serial, frame)
    if strikes(w, NOISE):
        scribble(w, frame + n, 1 + pick(w, 12))
        send(w, at - span(w, 0, 2 * MS), frame + n, 1 + pick(w, 12))
    if strikes(w, FOREIGN):
        send(w, at - MS, frame + n, foreign(w.kind, pick(w, 0x7FFFFFFF), frame + n))
    if strikes(w, HEARTBEAT):
        packet = &w.rig.l.port.packets[0]
        send_pieces(w, at - span(w, 0, 2 * MS), packet.bytes, packet.size)
    if strikes(w, DAMAGED):
        spoil(w, frame, n)
    if strikes(w, CUT):
        n = pick(w, <uint32_t>n)
    if strikes(w, HANG_UP):
        n = pick(w, <uint32_t>n + 1)
        ends = True
    if strikes(w, PIECES):
        send_pieces(w, at, frame, n)
    elif w.char_ns and pick(w, 2):
        # A serial port brings what has come so far.
        first = 1 + pick(w, <uint32_t>n) if n else 0
        send(w, at + w.char_ns * <int64_t>first, frame, first)
        send(w, at + w.char_ns * <int64_t>n, frame + first, n - first)
    else:
        send(w, at + w.char_ns * <int64_t>n, frame, n)
    if ends:
        plan(w, ENDS, in_order(w, at))


cdef void respond(world_t *w, asked_t *a) noexcept nogil:
    cdef uint8_t frame[1200]
    cdef int64_t at = w.rig.now + w.char_ns * <int64_t>a.size
    cdef said_t *s
    if a.device < 0:
        w.broken = "a device is asked that is not here"
        return
    if a.what != READ:
        if not is_muted(w, a) and not strikes(w, LOST):
            send(w, at + span(w, MS // 2, 9 * MS), frame, answer(a, 0, frame))
        return
    if w.said_count == ASKED_MAX:
        w.broken = "more is asked than a story holds"
        return
    s = &w.said[w.said_count]
    w.said_count += 1
    s.at, s.key, s.device, s.answered, s.refused = w.rig.now, a.key, a.device, False, False
    begin_spells(w, a)
    if is_muted(w, a) or strikes(w, LOST):
        return
    at += span(w, MS // 2, 9 * MS)
    if w.ready_at[a.device] < w.rig.now + w.timeout_ns // 4 and strikes(w, LATE):
        at = w.rig.now + span(w, w.timeout_ns // 4, late_most(w) - 10 * MS)
    at = max(at, w.ready_at[a.device])
    w.ready_at[a.device] = at
    reply(w, a, at, s)


cdef void listen(world_t *w) noexcept nogil:
    """What the link has sent since the last time."""
    cdef rig_t *r = &w.rig
    cdef asked_t a
    cdef size_t used, at = 0
    while at < r.sent_size:
        used = hear(w.kind, r.sent + at, r.sent_size - at, w.devices, &a)
        if used == 0:
            w.broken = "what was sent is no request"
            break
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
    if r.l.conn.state != CONNECTING:
        return
    for i in range(w.event_count):
        pending = pending or (w.events[i].what == MADE and w.events[i].connection == r.opened)
    if not pending:
        plan(w, MADE, r.now + span(w, 0, 30 * MS))


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
    while i >= 0 and w.events[i].at <= until and w.events[i].what == BYTES:
        r.now = max(r.now, w.events[i].at)
        happen(w, i, True)
        i = first_event(w)
    r.now = until
    tell(w, "starved", NULL, 0)


cdef void world_run(world_t *w, int64_t until) noexcept nogil:
    cdef rig_t *r = &w.rig
    cdef int64_t due, at, last = -1
    cdef int32_t i, spins = 0
    while w.broken == NULL:
        set_conditions(w)
        i = first_event(w)
        at = w.events[i].at if i >= 0 else INT64_MAX
        due = rig_next(r)
        if min(due, at) > until:
            r.now = max(r.now, until)
            return
        if due <= at:
            r.now = max(r.now, due)
            if strikes(w, STARVED):
                starve(w)
            set_conditions(w)
            rig_due(r)
            listen(w)
            rig_look(r)
        else:
            r.now = max(r.now, at)
            set_conditions(w)
            happen(w, i, False)
        listen(w)
        spins = spins + 1 if r.now == last else 0
        last = r.now
        if spins > SPINS_MAX:
            w.broken = "the link is due for ever"
