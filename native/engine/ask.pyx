"""Sending: which request goes out next, and what its protocol wants sent before it.

Whose turn it is
----------------
Each scan is wanted at its tick, and its row before the next one. While the link has room the
request goes first that is wanted first: those of a scan are wanted evenly over its period. Where
more is asked than the link can carry, the ticks that had their turn fall behind the clock, for all
groups by the same time (`pace`), so that everybody is slower by the same factor: no short period
keeps a long one waiting for ever, nor the other way round.

A scan that has begun goes on before others of a like period, so that what a row holds was read at
about the same time; one of at most half the period may go between.
"""

from libc.errno cimport EIO
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memset

from native.clock cimport NEVER
from native.engine.aside cimport is_mute
from native.engine.connection cimport CONNECTING, DOWN, UP, is_rested, is_stale
from native.engine.protocol cimport (
    ASK_MAX,
    OWN,
    REFUSE,
    SEND,
    WAIT,
    Prep,
    flight_t,
    mark_all,
    out_t,
    plan_t,
)
from native.engine.scan cimport link_lost, scan_check
from native.engine.silent cimport is_rather, pay, silent_at, silent_ready
from native.engine.state cimport (
    SILENT_WAITS,
    device_t,
    is_left,
    link_t,
    longest_wait,
    may_fly,
    member_t,
    patience,
    scan_t,
    unqueue,
)
from native.engine.tap cimport SENT, tap_put
from native.reasons cimport BAD_BUSY, BAD_NO_ANSWER
from native.rows.store cimport request_t
from native.rows.ticks cimport group_late
from native.wire.transport cimport is_same_line


cdef Prep ask_protocol(link_t *l, flight_t *f, out_t *out, int64_t now) noexcept nogil:
    """Have the protocol write the request, or say why not."""
    cdef device_t *d = &l.devices[l.members[f.member].device]
    cdef plan_t plan
    plan.layout = f.layout
    plan.groups, plan.group_count = d.groups, d.group_count
    out.n = out.chars = 0
    out.flush = False
    return f.station.session.protocol.prepare(f.station.session, &plan, f, out, now)


cdef bint transmit(link_t *l, const out_t *out, int64_t now) noexcept nogil:
    """Hand bytes to the port; False when the link was lost over it."""
    cdef ssize_t sent = l.port.ops.write(l.port, out.p, out.n)
    if sent != <ssize_t>out.n:
        # The kernel takes them at once, or the port is stuck (flow control, a dead adapter).
        link_lost(l, <int>(-sent) if sent < 0 else EIO, now)
        return False
    l.counts.bytes_out += out.n
    if l.tap != NULL:
        tap_put(l.tap, SENT, out.p, out.n, now)
    return True


cdef bint tune(link_t *l, const device_t *d, int64_t now) noexcept nogil:
    """Have a serial line as this device has it; False when the link was lost over it."""
    cdef int result
    if is_same_line(&d.line, &l.port.line):
        return True
    result = l.port.ops.tune(l.port, &d.line)
    if result < 0:
        link_lost(l, -result, now)
        return False
    # What arrived at the former baud is no frame.
    l.port.ops.flush(l.port)
    l.bus.char_ns, l.bus.silence_ns = d.char_ns, d.silence_ns
    return True


cdef bint send_flight(link_t *l, flight_t *f, const out_t *out, int64_t now) noexcept nogil:
    """Send what was prepared for `f`; False when the link was lost over it."""
    cdef device_t *d = &l.devices[l.members[f.member].device]
    if l.line and l.flights.count == 0:
        # No request is open: what has arrived answers none.
        if l.input.size:
            l.counts.wrong += 1
            l.input.size = 0
        if l.bus.char_ns and not tune(l, d, now):
            return False
        if out.flush:
            l.port.ops.flush(l.port)
    f.sent = now
    f.rested = is_rested(&l.conn)
    # One of the protocol's own finds out about late answers: it waits as long as they may take.
    f.deadline = now + (
        longest_wait(d) + f.wire_ns if f.purpose == OWN and l.line else patience(l, d, f.wire_ns)
    )
    l.flights.open[l.flights.count] = f[0]
    l.flights.count += 1
    l.conn.asked += 1
    if not transmit(l, out, now):
        return False
    l.counts.requests += 1
    d.requests += 1
    l.conn.used_at = d.asked_at = now
    return True


cdef bint send_again(link_t *l, flight_t *f, int64_t now) noexcept nogil:
    """Send the same request once more, after damage."""
    cdef uint8_t bytes[ASK_MAX]
    cdef out_t out
    out.p = bytes
    ask_protocol(l, f, &out, now)
    return send_flight(l, f, &out, now)


cdef bint send_more(link_t *l, int32_t i, int64_t now) noexcept nogil:
    """Flight `i` was answered in part: ask for what follows; False when the link was lost so."""
    cdef uint8_t bytes[ASK_MAX]
    cdef out_t out
    cdef flight_t *f = &l.flights.open[i]
    out.p = bytes
    ask_protocol(l, f, &out, now)
    f.deadline = now + l.devices[l.members[f.member].device].wait_ns + f.wire_ns
    return transmit(l, &out, now)


cdef int32_t choose(const scan_t *s) noexcept nogil:
    """The number of the request whose turn it is: first those to be repeated, then the plan's in
    order, last one that is known to get no answer.
    """
    cdef int32_t i = 0
    if s.again == 0:
        return s.next_request if s.next_request < s.layout.request_count else s.mute - 1
    while not s.layout.requests[i].again:
        i += 1
    return i


cdef bint is_chosen(scan_t *s, request_t *r) noexcept nogil:
    """Count the turn of the request that `choose` chose; whether it is a repetition."""
    if s.again:
        s.again -= 1
        r.again = False
        return True
    if s.next_request < s.layout.request_count:
        s.next_request += 1
    else:
        s.mute = 0
    return False


cdef bint is_set_aside(
    const device_t *d, scan_t *s, request_t *r, const flight_t *f, int64_t now
) noexcept nogil:
    """Whether a request is not asked now: it was refused, or got no answer, or the device is busy.
    Of those that got no answer one a scan is asked, after all others.
    """
    if now < d.busy_until:
        mark_all(f, BAD_BUSY)
        return True
    if now < r.skip_until:
        mark_all(f, r.refused_quality)
        return True
    if is_mute(r) and s.mute != f.number + 1:
        if s.mute:
            mark_all(f, r.refused_quality)
        else:
            s.mute = f.number + 1
        return True
    r.skip_until = 0
    return False


cdef bint send_next(link_t *l, int32_t index, int64_t now) noexcept nogil:
    """Send the next request of a queued scan, or finish with it; False when none can go out now."""
    cdef uint8_t bytes[ASK_MAX]
    cdef member_t *m = &l.members[index]
    cdef scan_t *s = &m.scan
    cdef device_t *d = &l.devices[m.device]
    cdef flight_t f
    cdef out_t out
    cdef request_t *r
    cdef Prep prep
    cdef int32_t number
    if s.failed or not is_left(s):
        unqueue(l, index)
        scan_check(l, index, now)
        return True
    # Its tick has its turn, also if nothing may be sent now.
    l.bus.pace = max(l.bus.pace, m.served - m.g.period_ns)
    number = choose(s)
    r = &s.layout.requests[number]
    if s.tried == number + 1 and s.again == 0 and s.next_request == number:
        s.next_request += 1  # it was asked before its turn
        return True
    memset(&f, 0, sizeof(flight_t))
    f.request, f.layout, f.station = r, s.layout, d.station
    f.member, f.number = index, number
    if (now < d.busy_until or r.skip_until) and is_set_aside(d, s, r, &f, now):
        is_chosen(s, r)
        return True
    out.p = bytes
    prep = ask_protocol(l, &f, &out, now)
    if prep == WAIT:
        d.wait_until = out.until
        if index >= l.resident_count:
            # A guest has no other tick: it waits.
            d.station.pause.over_at = max(d.station.pause.over_at, out.until)
            return True
        s.failed = True
        s.fail_status = BAD_NO_ANSWER
        return True
    if prep == REFUSE:
        mark_all(&f, out.quality)
        d.cause, d.code = out.quality, out.code
        is_chosen(s, r)
        return True
    if prep == SEND:
        s.asked = True
        f.redone = is_chosen(s, r)
        s.redone = number + 1 if f.redone else 0
        s.turn += s.step
        f.wire_ns = d.char_ns * r.chars
    else:
        f.purpose = OWN
        f.wire_ns = d.char_ns * out.chars
    if d.silent:
        pay(l, d, now)
    s.open += 1
    if s.first_sent == 0:
        s.first_sent = now
        group_late(m.g, now - s.due_ns)
    return send_flight(l, &f, &out, now)


cdef inline bint is_awake(const device_t *d, int64_t now) noexcept nogil:
    """Whether it may be asked as soon as the line is free."""
    return not d.silent and d.station.pause.over_at <= now


cdef int32_t begun_before(const link_t *l, int32_t first, int64_t now) noexcept nogil:
    """The member whose scan has begun and goes on before that of `first`, which has not; else
    `first`. It waits for none that begins from now on, so its turn comes.
    """
    cdef const member_t *m
    cdef const member_t *best = NULL
    cdef int32_t i, found = first
    for i in range(l.bus.queue_count):
        m = &l.members[l.bus.queue[i]]
        if (
            m.scan.first_sent and is_awake(&l.devices[m.device], now)
            and 2 * l.members[first].g.period_ns > m.g.period_ns
            and (best == NULL or m.scan.turn < best.scan.turn)
        ):
            best, found = m, l.bus.queue[i]
    return found


cdef int32_t next_turn(link_t *l, int64_t now, int64_t *when) noexcept nogil:
    """The member whose turn it is, silent devices behind all others; -1: nobody's before `when`.
    Stations in their pause have no turn.
    """
    cdef const device_t *d
    cdef const member_t *m
    cdef const member_t *best = NULL
    cdef int32_t i, found = -1, silent = -1
    cdef bint begun = False
    when[0] = NEVER
    for i in range(l.bus.queue_count):
        m = &l.members[l.bus.queue[i]]
        d = &l.devices[m.device]
        if d.silent:
            if silent < 0 or is_rather(d, &l.devices[l.members[silent].device]):
                silent = l.bus.queue[i]
        elif d.station.pause.over_at > now:
            when[0] = min(when[0], d.station.pause.over_at)
        else:
            begun = begun or m.scan.first_sent != 0
            if best == NULL or m.scan.turn < best.scan.turn:
                best, found = m, l.bus.queue[i]
    if silent >= 0 and now >= l.bus.try_at and (
        now - l.members[silent].scan.due_ns >= SILENT_WAITS
    ):
        return silent_ready(l, silent, now, when)
    if found >= 0:
        if begun and best.scan.first_sent == 0:
            found = begun_before(l, found, now)
        when[0] = silent_at(l, &l.devices[l.members[found].device])
        return found if when[0] <= now else -1
    if silent >= 0 and when[0] == NEVER:
        return silent_ready(l, silent, now, when)
    return -1


cdef void pump(link_t *l, int64_t now) noexcept nogil:
    """Send what may be sent, and say when to be called again."""
    cdef int32_t i, index
    cdef int64_t ready = NEVER, due = NEVER
    while (
        l.conn.state == UP and l.bus.queue_count and l.flights.count < may_fly(l)
        and not (l.bus.settle or l.conn.greeting)
    ):
        index = next_turn(l, now, &ready)
        if index < 0:
            break
        if l.flights.count == 0:
            l.conn.idle_ns = now - l.conn.used_at
            if is_stale(&l.conn):
                link_lost(l, 0, now)
                break
        if not send_next(l, index, now):
            break
    if l.flights.most and l.bus.queue_count and l.flights.count == l.flights.limit:
        l.flights.open[l.flights.count - 1].full = True
    if l.conn.state == DOWN:
        due = NEVER if l.draining else l.conn.reopen_at
    elif l.conn.state == CONNECTING or l.conn.greeting:
        due = l.conn.deadline
    else:
        if l.flights.count == 0:
            l.bus.deaf_until = 0
        elif l.bus.deaf_until:
            due = l.bus.deaf_until
        for i in range(l.flights.count):
            if l.flights.open[i].deadline < due:
                due = l.flights.open[i].deadline
        if l.bus.settle:
            # No time-out before the line was silent and the request repeated, unless it never is.
            due = min(l.bus.settle_until, due + l.timeout_ns if l.flights.count else NEVER)
        if l.bus.queue_count and l.flights.count < may_fly(l) and now < ready < due:
            due = ready
    l.shell.due = due
