"""One link's state machine: schedule in, requests out; answers in, rows out.

Theory of operation
-------------------
Every tick of every group on the link ends as a row or as part of a gap, in order:

* `link_due` is told that a tick is due. Link down: the first such tick becomes a row of
  BAD_LINK_DOWN, the next ones a gap. Device silent and its back-off not over: a gap. The group's
  last scan still running: the loop asks again when it has ended, and scans the newest tick then
  due; the ticks between are overrun. Else a scan begins and queues.
* `pump` sends: while the wire is free and fewer than `in_flight_max` requests fly, the scan whose
  turn it is (see `ask`), of those whose device is not pausing, sends its next request.
* An answer is copied into the scratch row; the last one commits the row.

Time-outs are per request and absolute. The wait is learned: three times the slowest answer lately,
at least LATENCY_FLOOR, never over the configured `timeout`; on a serial wire the time of the
characters is added.

A device that does not answer a request: the rest of the scan is not asked, the row says
BAD_NO_ANSWER. After the second such scan in a row (the first, if it never answered) it is silent:
asked again after 0.25 s, doubling to 2 s, until it answers; meanwhile its ticks are a gap. So a
dead device costs its bus at most timeout / (timeout + 2 s) of the time, and is back at most 2 s
after it returns.

Damage (a checksum): wait until the line is silent, repeat once within the scan, then BAD_DAMAGED.

What a frame means, and what proves that an answer is the one asked for, its protocol says:
`native.engine.protocol`. Where that needs a request of its own, it goes first, in the same scan.
"""

from libc.errno cimport ENOTCONN, EPROTO, ETIMEDOUT
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from native.engine.answer cimport no_answer, settled
from native.engine.ask cimport pump, transmit
from native.engine.beats cimport beat_arrives
from native.engine.bus cimport await_silence, touch
from native.engine.connection cimport CONNECTING, CONNECT_LEAST, DOWN, UP
from native.engine.frames cimport look_last, take_input
from native.engine.listening cimport listening_due
from native.engine.protocol cimport ASK_MAX, out_t
from native.engine.scan cimport link_lost, scan_begin, scan_fail
from native.engine.state cimport (
    INPUT_ROOM,
    clear_queue,
    device_t,
    enqueue,
    link_t,
    member_t,
    scan_t,
)
from native.engine.tap cimport RECEIVED, tap_put
from native.reasons cimport (
    BAD_LINK_DOWN,
    BAD_NOT_ASKED,
    BAD_NO_ANSWER,
    GAP_DEVICE_SILENT,
    GAP_LINK_DOWN,
    GAP_OVERRUN,
)
from native.rows.store cimport group_skip, row_status
from native.rows.ticks cimport group_overrun, tick_at
from native.wire.dialin cimport dial_is_silent, dial_waits
from native.wire.transport cimport DATAGRAM, DIALIN, TLS_TIMEOUT, WAIT_RACE


cdef enum:
    KEPT_AWAY = 1000000  # ns: a time-out seen later than this: the thread was kept from running


cdef void take_bytes(link_t *l, ssize_t n, int64_t now) noexcept nogil:
    """`n` bytes have been read behind the input."""
    l.counts.bytes_in += <uint64_t>n
    if l.tap != NULL:
        tap_put(l.tap, RECEIVED, l.input.bytes + l.input.size, <size_t>n, now)
    beat_arrives(&l.beats, <size_t>n, now)
    if l.bus.settle:
        # Still talking: the silence begins anew.
        l.input.size = 0
        await_silence(&l.bus, now)
        return
    l.input.size += <size_t>n
    if l.listen_only:
        l.sessions[0].protocol.listen.take(l, now)
        return
    if l.bus.char_ns:
        touch(&l.bus, now)
    take_input(l, now)
    if l.port.kind == DATAGRAM:
        # A datagram stands for itself: the rest of a cut one is no beginning of the next.
        l.input.size = 0


cdef void link_announced(link_t *l, int64_t empty_at, int64_t now) noexcept nogil:
    """There is something to read, which came since `empty_at`; it is read right after."""
    if not l.listen_only:
        return
    if not l.shell.more:
        l.shell.empty_at = empty_at
    l.sessions[0].protocol.listen.arrived(l, l.shell.empty_at, now)


cdef uint8_t *link_room(link_t *l, size_t *room) noexcept nogil:
    """Where the next bytes of the port go, and how many there is room for."""
    if l.input.size == INPUT_ROOM:
        l.input.size = 0
        l.counts.wrong += 1
    room[0] = INPUT_ROOM - l.input.size
    return l.input.bytes + l.input.size


cdef void link_arrived(link_t *l, ssize_t n, bint more, int64_t now) noexcept nogil:
    """A read of the port that ended now: `n` bytes lie in `link_room`, or it failed with -errno.
    `more`: another read follows at once, and nothing is asked before that.
    """
    if n < 0:
        link_lost(l, <int>(-n), now)
    elif n > 0:
        take_bytes(l, n, now)
    if not more or l.conn.state != UP:
        pump(l, now)


cdef bint link_wants_read(link_t *l, int64_t now) noexcept nogil:
    """Whether the port is to be read before `link_time`: what has arrived there is not announced,
    or was not looked at while this thread was kept from running.
    """
    if l.conn.state != UP:
        return False
    if l.shell.more and l.port.session != NULL:
        return True
    if l.conn.greeting:
        return False
    if l.bus.deaf_until and now >= l.bus.deaf_until:
        return True
    return (
        not l.bus.settle and not l.listen_only and l.flights.count > 0
        and now - l.flights.open[0].deadline > KEPT_AWAY
    )


cdef int64_t connect_wait(link_t *l) noexcept nogil:
    return max(l.timeout_ns, CONNECT_LEAST)


cdef void begin_sessions(link_t *l, int64_t now) noexcept nogil:
    """Connected, and the silence that the device wants has passed: its protocol may begin with a
    handshake.
    """
    cdef uint8_t bytes[ASK_MAX]
    cdef out_t out
    cdef int32_t i
    cdef int result = 0
    l.conn.quiet_until = 0
    l.input.size = 0
    out.p = bytes
    out.n = 0
    for i in range(l.session_count):
        result = l.sessions[i].protocol.begin(l.sessions[i], &out, now)
        if result:
            break
    if result < 0:
        link_lost(l, EPROTO, now)
        return
    l.conn.greeting = result > 0
    if l.conn.greeting:
        l.conn.deadline = now + connect_wait(l)
        transmit(l, &out, now)


cdef void link_up(link_t *l, int64_t now) noexcept nogil:
    """Connected: its protocol may want a handshake yet."""
    cdef int32_t i
    l.conn.state = UP
    if not l.conn.renewing:
        l.conn.since = now
    l.conn.error = 0
    l.bus.free_at = now + l.conn.quiet_ns
    l.bus.deaf_until = 0
    l.bus.settle = False
    l.conn.timeouts_in_a_row = 0
    l.conn.asked = l.conn.answers = 0
    l.conn.used_at = now
    l.shell.empty_at = now
    for i in range(0 if l.conn.renewing else l.device_count):
        l.devices[i].next_try = 0
    l.conn.renewing = l.conn.resting = False
    if l.conn.quiet_ns and l.sessions[0].protocol.shake != NULL:
        l.conn.greeting = True
        l.conn.quiet_until = l.conn.deadline = l.bus.free_at
    else:
        begin_sessions(l, now)


cdef void link_open(link_t *l, int64_t now) noexcept nogil:
    """Open the port, or begin to."""
    cdef int result
    l.shell.registered = False
    l.conn.shaking = False
    result = l.port.ops.open(l.port)
    if result < 0:
        # Why the last connection was lost says more than that no device has dialled in since.
        link_lost(l, l.conn.error if result == -ENOTCONN and l.conn.error else -result, now)
    elif result > 0:
        l.conn.state = CONNECTING
        l.conn.waits_for = result
        l.conn.deadline = now + connect_wait(l)
    else:
        link_up(l, now)
    pump(l, now)


cdef bint link_offered(link_t *l, int64_t now) noexcept nogil:
    """Take a connection that a device has made, in place of the one that is there; whether one
    waited.
    """
    if l.port.kind != DIALIN or l.draining or not dial_waits(l.port):
        return False
    if l.conn.state != DOWN:
        link_lost(l, 0, now)
    link_open(l, now)
    return True


cdef void link_connect(link_t *l, int64_t now) noexcept nogil:
    """What the connection waited for has come: it is made, goes on, or failed."""
    cdef int result
    cdef int fd = l.port.fd
    if l.conn.state != CONNECTING:
        return
    result = l.port.ops.finish(l.port)
    l.shell.registered = l.shell.registered and l.port.fd == fd
    if result < 0:
        link_lost(l, -result, now)
    elif result > 0:
        l.conn.waits_for = result
        l.conn.shaking = result != WAIT_RACE
    else:
        link_up(l, now)
    pump(l, now)


cdef void bad_row(
    link_t *l, int32_t index, uint64_t tick, uint8_t status, int64_t now
) noexcept nogil:
    """A row that says why nothing is asked; the ticks after it are a gap."""
    cdef member_t *m = &l.members[index]
    group_overrun(m.g, tick)
    scan_begin(l, index, tick)
    memset(row_status(m.scan.layout.scratch), status, <size_t>m.scan.layout.part_count)
    scan_fail(l, index, status if status == BAD_LINK_DOWN else BAD_NOT_ASKED, now)


cdef void try_another(device_t *d, scan_t *s) noexcept nogil:
    """Try a silent device with another request each time: it may answer all but one."""
    cdef int32_t number
    d.tries += 1
    number = <int32_t>(d.tries % <uint32_t>s.layout.request_count)
    if number:
        s.layout.requests[number].again = True
        s.again = 1
        s.tried = number + 1


cdef void link_due(link_t *l, int32_t index, uint64_t tick, int64_t now) noexcept nogil:
    """Tick `tick` of a member is due; earlier ones that were never scanned are overrun."""
    cdef member_t *m = &l.members[index]
    cdef device_t *d = &l.devices[m.device]
    if l.draining:
        return
    if l.listen_only:
        listening_due(l, index, tick, now)
        return
    if m.scan.active:
        m.scan.awaited = True
        return
    m.g.ticks_due = tick + 1
    if l.conn.state != UP and not l.conn.renewing:
        if m.scan.fail_status == BAD_LINK_DOWN and m.scan.failed:
            group_skip(m.g, tick + 1, GAP_LINK_DOWN)
        else:
            bad_row(l, index, tick, BAD_LINK_DOWN, now)
        return
    if d.silent and now < d.next_try and index < l.resident_count and (
        m.told or d.wait_until > now
    ):
        if m.told:
            group_skip(m.g, tick + 1, GAP_DEVICE_SILENT)
        else:
            m.told = True
            bad_row(l, index, tick, BAD_NO_ANSWER, now)
        return
    if d.silent and m.told:
        group_skip(m.g, tick, GAP_DEVICE_SILENT)
    group_overrun(m.g, tick)
    scan_begin(l, index, tick)
    if d.silent and index < l.resident_count:
        # This scan tries it, and so do those of groups that were not asked since it fell silent;
        # the other groups wait for what comes of it.
        d.next_try = now + d.backoff_ns + d.wait_ns
        d.try_ns = d.wait_ns
        try_another(d, &m.scan)
    enqueue(l, index)
    if l.conn.state == DOWN:
        l.conn.resting = False
        link_open(l, now)
    pump(l, now)


cdef bint dial_is_useless(link_t *l, int64_t now) noexcept nogil:
    """Whether nothing has been heard of the device that dialled in for long, or half a frame lies
    there: then the stream is out of step.
    """
    return (not l.line and l.input.size > 0) or dial_is_silent(
        l.port, l.timeout_ns, now
    )


cdef void link_time(link_t *l, int64_t now) noexcept nogil:
    """Something that `l.shell.due` announced: a time-out, the end of a silence, time to open. What
    `link_wants_read` asks for has been read.
    """
    cdef int32_t i = 0
    if now >= l.bus.deaf_until:
        l.bus.deaf_until = 0
    if l.conn.state == DOWN:
        if now >= l.conn.reopen_at and not l.draining:
            link_open(l, now)
            return
    elif l.conn.state == CONNECTING:
        if now >= l.conn.deadline:
            link_lost(l, TLS_TIMEOUT if l.conn.shaking else ETIMEDOUT, now)
    elif l.conn.greeting:
        if now >= l.conn.deadline:
            if l.conn.quiet_until:
                begin_sessions(l, now)
            else:
                link_lost(l, ETIMEDOUT, now)
    elif l.bus.settle:
        if now >= l.bus.settle_until:
            settled(l, now)
        elif l.flights.count and now >= l.flights.open[0].deadline + l.timeout_ns:
            # Somebody talks without end: give the request up.
            l.bus.settle = False
            no_answer(l, 0, now)
    else:
        look_last(l, now)
        while i < l.flights.count and l.conn.state == UP:
            if now >= l.flights.open[i].deadline:
                no_answer(l, i, now)
            else:
                i += 1
        if l.conn.state == UP and l.conn.timeouts_in_a_row and l.bus.char_ns == 0 and (
            l.sessions[0].single or l.conn.timeouts_in_a_row >= 3 * l.device_count
            and (l.port.kind != DIALIN or dial_is_useless(l, now))
        ):
            # A late answer could be taken for the next, or the connection leads nowhere any more.
            link_lost(l, ETIMEDOUT, now)
    pump(l, now)


cdef bint link_idle(link_t *l) noexcept nogil:
    cdef int32_t i
    for i in range(0 if l.listen_only else l.member_count):
        if l.members[i].scan.active:
            return False
    return True


cdef void link_finish(link_t *l, int64_t stopped, int64_t now) noexcept nogil:
    """The loop ends: what is still open counts as not answered, ticks due before `stopped` are
    accounted, the port closes.
    """
    cdef int32_t i
    cdef uint64_t upto
    cdef uint32_t reason
    cdef member_t *m
    l.flights.count = 0
    clear_queue(l)
    for i in range(l.member_count):
        if l.members[i].scan.active:
            l.members[i].scan.open = 0
            scan_fail(l, i, BAD_NOT_ASKED, now)
    for i in range(l.member_count):
        m = &l.members[i]
        if m.g == NULL or stopped < m.g.start_ns:
            continue
        upto = tick_at(m.g, stopped) + 1
        reason = GAP_DEVICE_SILENT if l.devices[m.device].silent else GAP_OVERRUN
        group_skip(m.g, upto, reason if l.conn.state == UP else GAP_LINK_DOWN)
        if m.g.ticks_due < upto:
            m.g.ticks_due = upto
    l.port.ops.close(l.port)
    l.conn.state = DOWN
