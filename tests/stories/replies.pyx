"""What machines answer in a story, and what goes wrong with it.

Machines answer in order, a serial wire takes its time, a connection that ended takes with it what
was on its way. Faults that a protocol cannot tell are left out: a damaged byte on TCP, and an
answer on a line without ids that is later than a time-out and the quarantine behind it
(contracts.md, 6), and two answers of a stream in a row that lost bytes, the second those that it
begins with; so one that lost bytes does not come twice, nor behind the next.
"""

from cpython.list cimport PyList_Append
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove

from native.clock cimport MS
from native.engine.connection cimport UP
from native.wire.transport cimport DATAGRAM, packet_t
from tests.stories.machines cimport METER, READ, S7, TCP, answer, asked_t, foreign, refuse
from tests.stories.world cimport (
    ASKED_MAX,
    BABBLE,
    BUSY,
    BYTES,
    CUT,
    DAMAGED,
    DIALS,
    ENDS,
    EVENTS_MAX,
    FOREIGN,
    GUEST,
    GUESTS_COME,
    HANG_UP,
    HEARTBEAT,
    HUSH,
    LATE,
    LOST,
    MUTE,
    MUTED_MAX,
    NOISE,
    PIECES,
    REDIAL,
    REFUSAL,
    REFUSED,
    SHORT,
    SHY,
    STUCK,
    SWAPPED,
    TWICE,
    What,
    event_t,
    said_t,
    world_t,
)

cdef enum:
    HEADS = 13  # bytes by which an answer is told from data, in the longest case: S7


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


cdef void tell(world_t *w, const char *what, const uint8_t *p, size_t n) noexcept nogil:
    if w.notes != NULL:
        with gil:
            note(w, what, p[:n].hex())


cdef void tell_number(world_t *w, const char *what, int number) noexcept nogil:
    if w.notes != NULL:
        with gil:
            note(w, what, number)


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
    if w.listens:
        # No answer may come later than two and a half time-outs behind its request.
        return 5 * w.timeout_ns // 2
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
    if strikes(w, REDIAL):
        plan(w, DIALS, now + span(w, 0, 20 * MS))
    if w.guest_count < w.guests_most and strikes(w, GUEST):
        plan(w, GUESTS_COME, now + span(w, 0, 200 * MS))
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


cdef size_t shortened(world_t *w, uint8_t *p, size_t n) noexcept nogil:
    """Some bytes of it are lost, anywhere; how many are left. Behind another such answer it keeps
    its heads: what fills up the other can't be told by anything.
    """
    cdef size_t keeps = min(n - 1, <size_t>HEADS) if w.was_short else 0
    cdef size_t lost = 1 + pick(w, <uint32_t>min(n - keeps, <size_t>(12 if pick(w, 2) else 300)))
    cdef size_t at = keeps + pick(w, <uint32_t>(n - keeps - lost + 1))
    memmove(p + at, p + at + lost, n - lost - at)
    return n - lost


cdef void send_pieces(world_t *w, int64_t at, const uint8_t *p, size_t n) noexcept nogil:
    cdef size_t done = 0, size
    while done < n:
        size = min(n - done, <size_t>1 + pick(w, 6) * pick(w, 6))
        send(w, at, p + done, size)
        done += size
        at += span(w, 0, 3 * MS)


cdef void again(world_t *w, const uint8_t *p, size_t n) noexcept nogil:
    """The same once more: right behind it, or where datagrams go ways of their own, at any time."""
    cdef event_t *e
    if w.rig.l.port.kind != DATAGRAM:
        send(w, w.stream_at, p, n)
        return
    e = plan(w, BYTES, w.rig.now + span(w, 0, 3 * w.timeout_ns))
    e.size = n
    memcpy(e.bytes, p, n)


cdef void reply(world_t *w, asked_t *a, int64_t at, uint32_t serial) noexcept nogil:
    """The answer to the read with that number, and what goes wrong with it."""
    cdef uint8_t frame[1200]
    cdef size_t n, first
    cdef said_t *s = &w.said[serial]
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
    if strikes(w, SHORT):
        n = shortened(w, frame, n)
        w.was_short = True
    else:
        w.was_short = False
    if strikes(w, HANG_UP):
        n = pick(w, <uint32_t>n + 1)
        ends = True
    if not (w.was_short or ends or w.held_size) and strikes(w, SWAPPED):
        w.held_on, w.held_size = w.rig.opened, n
        memcpy(w.held, frame, n)
        return
    if strikes(w, PIECES):
        send_pieces(w, at, frame, n)
    elif w.char_ns and pick(w, 2):
        # A serial port brings what has come so far.
        first = 1 + pick(w, <uint32_t>n) if n else 0
        send(w, at + w.char_ns * <int64_t>first, frame, first)
        send(w, at + w.char_ns * <int64_t>n, frame + first, n - first)
    else:
        send(w, at + w.char_ns * <int64_t>n, frame, n)
    s.done_at = w.stream_at
    if not (w.was_short or ends) and strikes(w, TWICE):
        again(w, frame, n)
    if w.held_size and w.held_on == w.rig.opened:
        send(w, at + span(w, 0, 5 * MS), w.held, w.held_size)
    w.held_size = 0
    if ends:
        plan(w, ENDS, in_order(w, at))


cdef bint is_read(world_t *w, const asked_t *a) noexcept nogil:
    """Note a read that was heard, and what befalls the machines; whether it will be answered."""
    cdef said_t *s
    if w.said_count == ASKED_MAX:
        w.broken = "more is asked than a story holds"
        return False
    s = &w.said[w.said_count]
    w.said_count += 1
    s.at, s.key, s.device, s.answered, s.refused = w.rig.now, a.key, a.device, False, False
    s.done_at = 0
    memcpy(s.spec, a.frame + 7, sizeof(s.spec))
    begin_spells(w, a)
    return not (is_muted(w, a) or strikes(w, LOST))


cdef int64_t answer_at(world_t *w, const asked_t *a) noexcept nogil:
    """When the answer to a read that was just heard begins."""
    cdef int64_t at = w.rig.now + w.char_ns * <int64_t>a.size + span(w, MS // 2, 9 * MS)
    cdef bint may_be_late = w.ready_at[a.device] < w.rig.now + w.timeout_ns // 4
    if w.listens and w.rig.l.conn.state != UP:
        may_be_late = False  # we don't hear that it is asked for: see native.modbus.overhear
    if may_be_late and strikes(w, LATE):
        at = w.rig.now + span(w, w.timeout_ns // 4, late_most(w) - 10 * MS)
    at = max(at, w.ready_at[a.device])
    w.ready_at[a.device] = at
    return at


cdef void respond(world_t *w, asked_t *a) noexcept nogil:
    cdef uint8_t frame[1200]
    cdef int64_t at = w.rig.now + w.char_ns * <int64_t>a.size
    if a.device < 0:
        w.broken = "a device is asked that is not here"
    elif a.what != READ:
        if not is_muted(w, a) and not strikes(w, LOST):
            send(w, at + span(w, MS // 2, 9 * MS), frame, answer(a, 0, frame))
    elif is_read(w, a):
        reply(w, a, answer_at(w, a), w.said_count - 1)
