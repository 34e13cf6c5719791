"""A scan's life, from its tick to its row or gap; and what the loss of the port does to all of
them.
"""

from libc.errno cimport ETIMEDOUT
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memset

from native.clock cimport NEVER
from native.engine.aside cimport is_mute, missed
from native.engine.connection cimport DOWN, FRUITLESS_LAST, REOPEN_LAST, UP, connection_ended
from native.engine.flights cimport CAREFUL_FOR, flights_troubled
from native.engine.protocol cimport CUT_OFF, PLANNED, flight_t, mark_all, session_t
from native.engine.state cimport (
    BACKOFF_FIRST,
    BACKOFF_LAST,
    FAILURES_SILENT,
    clear_queue,
    device_t,
    enqueue,
    is_connection,
    is_left,
    jitter,
    link_t,
    member_t,
    scan_t,
    unqueue,
)
from native.reasons cimport BAD_LINK_DOWN, BAD_NOT_ASKED, BAD_NO_ANSWER, GAP_DEVICE_SILENT
from native.rows.store cimport (
    group_commit,
    group_hold,
    group_skip,
    layout_t,
    row_dated,
    row_status,
    row_t,
)
from native.rows.ticks cimport due_of


cdef void scan_begin(link_t *l, int32_t index, uint64_t tick) noexcept nogil:
    cdef member_t *m = &l.members[index]
    cdef scan_t *s = &m.scan
    s.active = True
    s.tick = tick
    s.awaited = False
    s.due_ns = due_of(m.g, tick)
    s.next_request = 0
    s.open = 0
    s.first_sent = 0
    s.last_received = 0
    s.failed = s.asked = False
    s.again = s.redone = s.answered = s.missed = s.busy = s.mute = s.tried = 0
    s.fail_status = BAD_NOT_ASKED
    s.layout = group_hold(m.g)
    memset(row_status(m.scan.layout.scratch), BAD_NOT_ASKED, <size_t>s.layout.part_count)


cdef void forget_again(scan_t *s) noexcept nogil:
    cdef int32_t i
    for i in range(s.layout.request_count):
        s.layout.requests[i].again = False
    s.again = 0


cdef void scan_end(link_t *l, int32_t index, int64_t now) noexcept nogil:
    """Commit the row, or account its tick as one of a silent device."""
    cdef member_t *m = &l.members[index]
    cdef scan_t *s = &m.scan
    cdef device_t *d = &l.devices[m.device]
    cdef row_t *row = <row_t *>m.scan.layout.scratch
    cdef int64_t first = s.first_sent if s.first_sent else now
    cdef int64_t last = s.last_received if s.last_received > first else (
        first if not s.failed else now
    )
    s.active = False
    if s.again:
        forget_again(s)
    if s.awaited:
        s.awaited = False
        l.shell.ended[l.shell.ended_count] = index
        l.shell.ended_count += 1
    # What a guest asks for need not be there: it makes no device silent.
    if index < l.resident_count and not s.answered and (
        s.missed or (s.failed and s.fail_status == BAD_NO_ANSWER)
    ):
        d.failures += 1
        if d.silent or d.failures >= FAILURES_SILENT or not d.ever:
            if not d.silent:
                d.silent = True
                d.since = now
                d.backoff_ns = BACKOFF_FIRST
            elif d.backoff_ns < BACKOFF_LAST and d.wait_until <= now:
                d.backoff_ns *= 2
            if not d.ever:
                # It may be slow: whoever knows nothing of it waits for longer each time.
                d.wait_ns = min(2 * d.wait_ns, l.wait_most_ns)
            # Left alone it was not asked at all: it is as soon as that is over.
            d.next_try = d.wait_until if d.wait_until > now else now + d.backoff_ns
            if m.told:
                group_skip(m.g, s.tick + 1, GAP_DEVICE_SILENT)
                return
        m.told = True
    row_dated(row, first, last)
    group_commit(m.g, s.layout, s.tick)


cdef void scan_check(link_t *l, int32_t index, int64_t now) noexcept nogil:
    """End the scan when nothing of it is queued or flying."""
    cdef scan_t *s = &l.members[index].scan
    if s.active and s.open == 0 and (s.failed or not is_left(s)):
        unqueue(l, index)
        scan_end(l, index, now)


cdef void scan_fail(link_t *l, int32_t index, uint8_t status, int64_t now) noexcept nogil:
    cdef scan_t *s = &l.members[index].scan
    s.failed = True
    s.fail_status = status
    scan_check(l, index, now)


cdef bint is_to_blame(link_t *l, const flight_t *f) noexcept nogil:
    """Whether a request is why connections are lost: two running, or it is known to bring nothing.
    """
    cdef const member_t *m = &l.members[f.member]
    return l.flights.count == 1 and f.purpose == PLANNED and (
        m.scan.redone == f.number + 1 or l.devices[m.device].silent
        or is_mute(&m.scan.layout.requests[f.number])
    )


cdef void blame(link_t *l, const flight_t *f, int64_t now) noexcept nogil:
    cdef member_t *m = &l.members[f.member]
    mark_all(f, BAD_NO_ANSWER)
    l.devices[m.device].cause = BAD_NO_ANSWER
    m.scan.missed += 1
    missed(l, f, now)


cdef void ask_again(link_t *l, const flight_t *f) noexcept nogil:
    """A request whose connection was lost: once more, on the next one."""
    cdef scan_t *s = &l.members[f.member].scan
    if f.purpose == PLANNED:
        s.layout.requests[f.number].again = True
        s.again += 1
        if f.rested:
            l.conn.idle_tried = l.conn.idle_ns
    elif not s.asked:
        s.first_sent = 0


cdef void renew(link_t *l, int64_t now) noexcept nogil:
    """The connection was lost, which is no trouble yet: what is under way is asked on a new one. If
    nothing is, that waits until something is to be asked.
    """
    cdef int32_t i
    cdef member_t *m
    l.conn.resting = l.flights.count == 0 and l.bus.queue_count == 0
    l.conn.renewing = True
    l.flights.careful_until = now + CAREFUL_FOR if l.flights.count > 1 else 0
    for i in range(l.flights.count):
        m = &l.members[l.flights.open[i].member]
        m.scan.open -= 1
        if not is_to_blame(l, &l.flights.open[i]):
            ask_again(l, &l.flights.open[i])
        if not m.scan.queued:
            enqueue(l, l.flights.open[i].member)
    l.conn.reopen_at = NEVER if l.conn.resting else now


cdef void fail_all(link_t *l, int64_t now) noexcept nogil:
    """Every scan in progress ends with what it has."""
    cdef int32_t i, k
    cdef member_t *m
    cdef layout_t *layout
    cdef uint8_t *status
    clear_queue(l)
    for i in range(l.member_count):
        m = &l.members[i]
        if not m.scan.active:
            continue
        layout = m.scan.layout
        status = row_status(m.scan.layout.scratch)
        for k in range(layout.part_count):
            if status[k] == BAD_NOT_ASKED:
                status[k] = BAD_LINK_DOWN
        m.scan.open = 0
        scan_fail(l, i, BAD_LINK_DOWN, now)


cdef void link_lost(link_t *l, int error, int64_t now) noexcept nogil:
    """Close. What is in progress goes on on a new connection, where one can be made and those
    before brought something; else it ends with what it has, and opening waits.
    """
    cdef int32_t i
    cdef session_t *s
    cdef bint was_up = l.conn.state == UP
    if was_up:
        connection_ended(&l.conn)
    l.port.ops.close(l.port)
    l.shell.registered = False
    l.conn.unwelcome = l.conn.greeting and not l.conn.quiet_until
    for i in range(l.flights.count):
        s = l.flights.open[i].station.session
        s.protocol.ended(s, &l.flights.open[i], CUT_OFF, now)
        if is_to_blame(l, &l.flights.open[i]):
            blame(l, &l.flights.open[i], now)
    if l.sessions[0].single:
        l.flights.limit = 1
        l.flights.most = 0
    if l.flights.count:
        flights_troubled(&l.flights, l.flights.open[0].sent, now)
    l.bus.settle = l.shell.more = l.conn.greeting = False
    l.input.size = 0
    if was_up and is_connection(l) and not l.draining and l.conn.fruitless < FRUITLESS_LAST:
        renew(l, now)
        # Lost while idle is no trouble; given up because nothing comes back by it is.
        l.counts.reconnects += not l.conn.resting or error == ETIMEDOUT
        l.conn.state = DOWN
        l.flights.count = 0
        for i in range(l.member_count):
            scan_check(l, i, now)
        return
    l.conn.renewing = l.conn.resting = False
    if was_up:
        l.counts.reconnects += 1
    if l.conn.state != DOWN:
        l.conn.since = now
    l.conn.state = DOWN
    l.conn.error = error
    l.flights.count = 0
    l.conn.reopen_at = now + jitter(l, l.conn.backoff_ns)
    if l.conn.backoff_ns < REOPEN_LAST:
        l.conn.backoff_ns = min(2 * l.conn.backoff_ns, REOPEN_LAST)
    fail_all(l, now)
