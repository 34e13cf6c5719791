"""One link's state machine: schedule in, requests out; answers in, rows out.

Theory of operation
-------------------
Every tick of every group on the link ends as a row or as part of a gap, in order:

* `link_due` is told that a tick is due. Link down: the first such tick becomes a row of
  BAD_LINK_DOWN, the next ones a gap. Device silent and its back-off not over: a gap. The group's
  last scan still running: the loop asks again when it has ended, and scans the newest tick then
  due; the ticks between are overrun. Else a scan begins and queues.
* `pump` sends: while the wire is free and fewer than `in_flight_max` requests fly, the scan at the
head of the
  queue sends its next request. A scan's requests go out back to back, so that its span stays short.
* An answer is copied into the scratch row; the last one commits the row.

Time-outs are per request and absolute. The wait is learned: three times the slowest answer lately,
at least LATENCY_FLOOR, never over the configured `timeout`; on a serial wire the time of the
characters is added.

A device that does not answer a request: the rest of the scan is not asked, the row says
BAD_NO_ANSWER. After the second such scan in a row (the first, if it never answered) it is silent:
asked again after 0.25 s, doubling to 2 s, until it answers; meanwhile its ticks are a gap. So a
dead device costs its bus at most timeout / (timeout + 2 s) of the time, and is back at most 2 s
after it returns.

Never a late answer for the next one
------------------------------------
TCP: by transaction id. A stale id is dropped and counted; three answers in a row that match no
request close the connection. A device that never echoes ids (learned: TID_MISSES answers right in
all but the id, one request in flight) is believed by order, and after each time-out the connection
is made anew.

RTU and ASCII carry no mark. After a time-out the device is *unsynced*: the sizes of the answers
that may still come are kept, and before anything else it is asked a short read whose answer has
none of those sizes. Devices answer in the order they are asked, so when that answer comes, nothing
older can. Only where the plan offers no such size the device is left alone for one whole time-out
(quarantine), and what arrives is thrown away.

Damage (CRC, LRC): wait until the line is silent, repeat once within the scan, then BAD_DAMAGED.
"""

from libc.errno cimport EIO, EPROTO, ETIMEDOUT
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove, memset

from native.clock cimport boot_ns
from native.group cimport (
    Group,
    group_commit,
    group_late,
    group_skip,
    layout_t,
    request_t,
    row_data,
    row_status,
    row_t,
)
from native.modbus cimport (
    ANSWER,
    BROKEN,
    DAMAGED,
    EXCEPTION,
    FOREIGN,
    MORE,
    REQUEST_MAX,
    TCP,
    Found,
    answer_chars,
    ask_t,
    find_answer,
    frame_t,
    match_answer,
    put_request,
    request_chars,
)
from native.port cimport DATAGRAM, SERIAL
from native.reasons cimport (
    BAD_BUSY,
    BAD_DAMAGED,
    BAD_DEVICE_FAILURE,
    BAD_GATEWAY,
    BAD_LINK_DOWN,
    BAD_NO_ANSWER,
    BAD_NOT_ASKED,
    BAD_REFUSED,
    GAP_DEVICE_SILENT,
    GAP_LINK_DOWN,
    GAP_OVERRUN,
    GOOD,
)

from native.modbus import FRAMINGS

cdef extern from *:
    """
    #define MS INT64_C(1000000)
    #define NEVER INT64_MAX
    """
    int64_t MS
    int64_t NEVER

cdef enum:
    REFUSALS_LAST = 3    # refusals in a row after which an address is set aside
    WRONG_LAST = 3       # answers in a row that match nothing: the connection is closed
    TID_MISSES = 3
    FAILURES_SILENT = 2  # scans in a row without an answer: the device is silent

cdef int64_t LATENCY_FLOOR = 100 * MS
cdef int64_t BACKOFF_FIRST = 250 * MS
cdef int64_t BACKOFF_LAST = 2000 * MS
cdef int64_t REOPEN_FIRST = 250 * MS
cdef int64_t REOPEN_LAST = 3000 * MS
cdef int64_t CONNECT_LEAST = 1500 * MS
cdef int64_t SETTLE_LEAST = 5 * MS
cdef int64_t BUSY_FOR = 100 * MS
cdef int64_t REFUSED_FOR = 600000 * MS  # ten minutes, then a refused address is asked again


# ---- Small parts


cdef inline int64_t jitter(link_t *l, int64_t ns) noexcept nogil:
    """Between three quarters of `ns` and all of it (xorshift64)."""
    l.random ^= l.random << 13
    l.random ^= l.random >> 7
    l.random ^= l.random << 17
    return ns - <int64_t>(l.random % <uint64_t>(ns // 4 + 1))


cdef inline uint8_t quality_of(uint8_t code) noexcept nogil:
    """Modbus Application Protocol V1.1b3, 7: exception codes to qualities."""
    if 1 <= code <= 3:
        return BAD_REFUSED
    if code == 5 or code == 6:
        return BAD_BUSY
    if code == 10 or code == 11:
        return BAD_GATEWAY
    return BAD_DEVICE_FAILURE


cdef inline int64_t wire_time(link_t *l, uint32_t data_bytes) noexcept nogil:
    return l.char_ns * (request_chars(l.framing) + answer_chars(l.framing, data_bytes))


cdef inline int64_t patience(link_t *l, device_t *d, int64_t wire_ns) noexcept nogil:
    """How long to wait for an answer, from the moment the request was handed to the kernel."""
    cdef int64_t wait = l.timeout_ns
    if d.latency_ns and 3 * d.latency_ns < wait:
        wait = 3 * d.latency_ns
        if wait < LATENCY_FLOOR:
            wait = LATENCY_FLOOR
    if wait > l.timeout_ns:
        wait = l.timeout_ns
    return wait + wire_ns


cdef inline void mark_outstanding(device_t *d, uint16_t data_bytes) noexcept nogil:
    d.outstanding[data_bytes >> 6 & 3] |= <uint64_t>1 << (data_bytes & 63)
    d.unsynced = True


cdef inline bint is_outstanding(device_t *d, uint16_t data_bytes) noexcept nogil:
    return (d.outstanding[data_bytes >> 6 & 3] >> (data_bytes & 63)) & 1


cdef inline void synced(device_t *d) noexcept nogil:
    memset(d.outstanding, 0, sizeof(d.outstanding))
    d.unsynced = False
    d.quarantine = 0


cdef inline void enqueue(link_t *l, int32_t member) noexcept nogil:
    l.queue[(l.queue_first + l.queue_count) % l.member_count] = member
    l.queue_count += 1
    l.members[member].scan.queued = True


cdef inline void dequeue(link_t *l) noexcept nogil:
    l.members[l.queue[l.queue_first]].scan.queued = False
    l.queue_first = (l.queue_first + 1) % l.member_count
    l.queue_count -= 1


cdef inline void drop_flight(link_t *l, int32_t i) noexcept nogil:
    """Keeps the others in the order they were sent."""
    l.flying -= 1
    memmove(&l.flights[i], &l.flights[i + 1], <size_t>(l.flying - i) * sizeof(flight_t))


cdef inline void touch(link_t *l, int64_t now, int64_t pause) noexcept nogil:
    """The wire was in use until `now`: it is free after the silence."""
    cdef int64_t free_at = now + l.silence_ns + pause
    if free_at > l.free_at:
        l.free_at = free_at


# ---- A scan's life


cdef void scan_begin(link_t *l, int32_t index, uint64_t tick, int64_t now) noexcept nogil:
    cdef member_t *m = &l.members[index]
    cdef scan_t *s = &m.scan
    s.active = True
    s.tick = tick
    s.awaited = False
    s.due_ns = m.g.start_ns + <int64_t>tick * m.g.period_ns
    s.next_request = 0
    s.open = 0
    s.first_sent = 0
    s.last_received = 0
    s.failed = False
    s.fail_status = BAD_NOT_ASKED
    s.layout = m.g.current
    memset(row_status(m.g.scratch), BAD_NOT_ASKED, <size_t>s.layout.request_count)


cdef void scan_end(link_t *l, int32_t index, int64_t now) noexcept nogil:
    """Commit the row, or account its tick as one of a silent device."""
    cdef member_t *m = &l.members[index]
    cdef scan_t *s = &m.scan
    cdef device_t *d = &l.devices[m.device]
    cdef row_t *row = <row_t *>m.g.scratch
    cdef int64_t first = s.first_sent if s.first_sent else now
    cdef int64_t last = s.last_received if s.last_received > first else (
        first if not s.failed else now
    )
    s.active = False
    if s.awaited:
        l.ended[l.ended_count] = index
        l.ended_count += 1
    if s.failed and s.fail_status == BAD_NO_ANSWER:
        d.failures += 1
        if d.silent or d.failures >= FAILURES_SILENT or not d.ever:
            if not d.silent:
                d.silent = True
                d.since = now
                d.backoff_ns = BACKOFF_FIRST
            elif d.backoff_ns < BACKOFF_LAST:
                d.backoff_ns *= 2
            d.next_try = now + d.backoff_ns
            if d.failures > FAILURES_SILENT:
                group_skip(m.g, s.tick + 1, GAP_DEVICE_SILENT)
                return
    row.mid_ns = first + (last - first) // 2
    row.half_span_us = <uint32_t>((last - first) // 2000)
    group_commit(m.g, s.layout, s.tick)


cdef void scan_check(link_t *l, int32_t index, int64_t now) noexcept nogil:
    """End the scan when nothing of it is queued or flying."""
    cdef scan_t *s = &l.members[index].scan
    if s.active and s.open == 0 and (s.failed or s.next_request >= s.layout.request_count):
        if s.queued and l.queue_count and l.queue[l.queue_first] == index:
            dequeue(l)
        if not s.queued:
            scan_end(l, index, now)


cdef void scan_fail(link_t *l, int32_t index, uint8_t status, int64_t now) noexcept nogil:
    cdef scan_t *s = &l.members[index].scan
    s.failed = True
    s.fail_status = status
    scan_check(l, index, now)


# ---- Sending


cdef bint send_request(link_t *l, flight_t *f, int64_t now) noexcept nogil:
    """Hand one request to the port; False when the link was lost over it."""
    cdef uint8_t bytes[REQUEST_MAX]
    cdef size_t n
    cdef ssize_t sent
    cdef device_t *d = &l.devices[l.members[f.member].device]
    if l.framing == TCP:
        l.transaction += 1
        f.ask.transaction = l.transaction
    elif l.flying == 0:
        # What lies there answers nothing that is still open.
        if l.input_size:
            l.wrong += 1
            l.input_size = 0
    n = put_request(l.framing, &f.ask, bytes)
    sent = l.port.ops.write(l.port, bytes, n)
    if sent != <ssize_t>n:
        # The kernel takes 24 bytes at once, or the port is stuck (flow control, a dead adapter).
        link_lost(l, <int>(-sent) if sent < 0 else EIO, now)
        return False
    f.sent = now
    f.deadline = now + patience(l, d, f.wire_ns)
    l.requests += 1
    d.requests += 1
    l.bytes_out += n
    l.flights[l.flying] = f[0]
    l.flying += 1
    return True


cdef bint choose_resync(link_t *l, member_t *m, flight_t *f) noexcept nogil:
    """A read that the device surely has, whose answer has a size that no late one has."""
    cdef layout_t *layout = m.scan.layout
    cdef device_t *d = &l.devices[m.device]
    cdef request_t *r
    cdef uint16_t count, size
    cdef int32_t i
    for i in range(layout.request_count):
        r = &layout.requests[i]
        if r.skip_until:
            continue
        for count in range(1, r.count + 1):
            size = count * 2 if r.function > 2 else (count + 7) // 8
            if not is_outstanding(d, size):
                f.ask.function, f.ask.address, f.ask.count = r.function, r.address, count
                f.ask.data_bytes = size
                f.request = i
                return True
    return False


cdef bint send_next(link_t *l, int64_t now) noexcept nogil:
    """Send for the scan at the queue's head, or finish with it; False when nothing more can go out
    now.
    """
    cdef int32_t index = l.queue[l.queue_first]
    cdef member_t *m = &l.members[index]
    cdef scan_t *s = &m.scan
    cdef device_t *d = &l.devices[m.device]
    cdef flight_t f
    cdef request_t *r
    if s.failed or s.next_request >= s.layout.request_count:
        dequeue(l)
        scan_check(l, index, now)
        return True
    memset(&f, 0, sizeof(flight_t))
    f.member = index
    f.ask.unit = d.unit
    if d.quarantine:
        if now < d.quarantine:
            s.failed = True
            s.fail_status = BAD_NO_ANSWER
            return True
        l.port.ops.flush(l.port)
        synced(d)
    r = &s.layout.requests[s.next_request]
    if now < d.busy_until:
        row_status(m.g.scratch)[s.next_request] = BAD_BUSY
        s.next_request += 1
        return True
    if r.skip_until:
        if now < r.skip_until:
            row_status(m.g.scratch)[s.next_request] = quality_of(r.refused_code)
            s.next_request += 1
            return True
        r.skip_until = 0
    if d.unsynced:
        f.purpose = RESYNC
        if l.flying:
            return False
        if not choose_resync(l, m, &f):
            d.quarantine = now + l.timeout_ns
            return True
    else:
        f.request = s.next_request
        f.ask.function, f.ask.address, f.ask.count = r.function, r.address, r.count
        f.ask.data_bytes = r.data_bytes
        s.next_request += 1
    f.wire_ns = wire_time(l, f.ask.data_bytes)
    s.open += 1
    if s.first_sent == 0:
        s.first_sent = now
        group_late(m.g, now - s.due_ns)
    return send_request(l, &f, now)


cdef void pump(link_t *l, int64_t now) noexcept nogil:
    """Send what may be sent, and say when to be called again."""
    cdef int32_t i
    while (
        l.state == UP and l.queue_count and l.flying < l.in_flight_max
        and now >= l.free_at and not l.settle
    ):
        if not send_next(l, now):
            break
    l.due = NEVER
    if l.state == DOWN:
        l.due = l.reopen_at
    elif l.state == CONNECTING:
        l.due = l.connect_deadline
    else:
        if l.settle:
            l.due = l.settle_until
        for i in range(l.flying):
            if l.flights[i].deadline < l.due:
                l.due = l.flights[i].deadline
        if l.queue_count and l.flying < l.in_flight_max and l.free_at > now and l.free_at < l.due:
            l.due = l.free_at


# ---- What an answer means


cdef void device_good(link_t *l, device_t *d, flight_t *f, int64_t now) noexcept nogil:
    cdef int64_t took = now - f.sent
    cdef int64_t latency = took - f.wire_ns
    if latency < MS:
        latency = MS
    # The slowest lately: jumps up, decays by a 64th an answer.
    if latency > d.latency_ns:
        d.latency_ns = latency
    else:
        d.latency_ns -= (d.latency_ns - latency) >> 6
    d.answer_ns = took if d.answer_ns == 0 else d.answer_ns + (took - d.answer_ns) // 16
    if took > d.answer_max_ns:
        d.answer_max_ns = took
    if d.silent or not d.ever:
        d.since = now
    d.silent = False
    d.ever = True
    d.failures = 0
    d.backoff_ns = BACKOFF_FIRST
    l.wrong_in_a_row = 0
    l.timeouts_in_a_row = 0
    l.answers += 1
    d.answers += 1
    l.busy_ns += took


cdef void take_answer(link_t *l, int32_t i, const frame_t *frame, int64_t now) noexcept nogil:
    cdef flight_t f = l.flights[i]
    cdef member_t *m = &l.members[f.member]
    cdef scan_t *s = &m.scan
    cdef device_t *d = &l.devices[m.device]
    cdef request_t *r = &s.layout.requests[f.request]
    drop_flight(l, i)
    device_good(l, d, &f, now)
    d.last_good = now
    d.cause = 0
    touch(l, now, d.pause_ns)
    s.open -= 1
    if f.purpose == RESYNC:
        synced(d)
        s.first_sent = 0
    else:
        memcpy(row_data(s.layout, m.g.scratch) + r.offset, frame.data, r.data_bytes)
        row_status(m.g.scratch)[f.request] = GOOD
        r.refusals = 0
        s.last_received = now
    scan_check(l, f.member, now)


cdef void take_exception(link_t *l, int32_t i, uint8_t code, int64_t now) noexcept nogil:
    cdef flight_t f = l.flights[i]
    cdef member_t *m = &l.members[f.member]
    cdef scan_t *s = &m.scan
    cdef device_t *d = &l.devices[m.device]
    cdef request_t *r = &s.layout.requests[f.request]
    cdef event_t *event
    drop_flight(l, i)
    l.exceptions += 1
    d.exceptions += 1
    d.cause = quality_of(code)
    d.code = code
    touch(l, now, d.pause_ns)
    s.open -= 1
    if d.cause == BAD_GATEWAY:
        # A gateway speaks for a device that does not: as a time-out of that unit (Application
        # Protocol, 7).
        row_status(m.g.scratch)[f.request] = BAD_GATEWAY
        d.timeouts += 1
        s.failed = True
        s.fail_status = BAD_NO_ANSWER
        scan_check(l, f.member, now)
        return
    device_good(l, d, &f, now)
    if f.purpose == RESYNC:
        # It may be a late exception: only time tells.
        d.quarantine = now + l.timeout_ns
        scan_fail(l, f.member, d.cause, now)
        return
    row_status(m.g.scratch)[f.request] = d.cause
    s.last_received = now
    if d.cause == BAD_REFUSED:
        event = &l.events[l.event_count % EVENTS]
        event.member, event.function = f.member, r.function
        event.address, event.count, event.code = r.address, r.count, code
        l.event_count += 1
        r.refusals += 1
        r.refused_code = code
        if r.refusals >= REFUSALS_LAST:
            r.refusals = 0
            r.skip_until = now + REFUSED_FOR
    elif d.cause == BAD_BUSY:
        d.busy_until = now + BUSY_FOR
    scan_check(l, f.member, now)


cdef void no_answer(link_t *l, int32_t i, int64_t now) noexcept nogil:
    """The request's time is up."""
    cdef flight_t f = l.flights[i]
    cdef member_t *m = &l.members[f.member]
    cdef device_t *d = &l.devices[m.device]
    drop_flight(l, i)
    l.timeouts += 1
    d.timeouts += 1
    l.timeouts_in_a_row += 1
    d.cause = BAD_NO_ANSWER
    l.busy_ns += now - f.sent
    if f.purpose == SCAN:
        row_status(m.g.scratch)[f.request] = BAD_NO_ANSWER
    if l.framing != TCP:
        mark_outstanding(d, f.ask.data_bytes)
        l.input_size = 0
        l.port.ops.flush(l.port)
        touch(l, now, d.pause_ns)
    m.scan.open -= 1
    scan_fail(l, f.member, BAD_NO_ANSWER, now)


cdef void damaged(link_t *l, int64_t now) noexcept nogil:
    """What should have been the answer failed its check."""
    cdef device_t *d = &l.devices[l.members[l.flights[0].member].device]
    l.damaged += 1
    d.damaged += 1
    l.input_size = 0
    l.settle = True
    l.settle_until = now + (l.silence_ns if l.silence_ns > SETTLE_LEAST else SETTLE_LEAST)


cdef void settled(link_t *l, int64_t now) noexcept nogil:
    """The line is silent after damage: repeat the request once, or give the row what it got."""
    cdef flight_t f
    cdef member_t *m
    l.settle = False
    l.input_size = 0
    l.port.ops.flush(l.port)
    if l.flying == 0:
        return
    f = l.flights[0]
    m = &l.members[f.member]
    drop_flight(l, 0)
    if not f.repeated:
        f.repeated = True
        l.retries += 1
        l.free_at = now
        send_request(l, &f, now)
        return
    l.devices[m.device].cause = BAD_DAMAGED
    if f.purpose == SCAN:
        row_status(m.g.scratch)[f.request] = BAD_DAMAGED
    else:
        m.scan.failed = True
        m.scan.fail_status = BAD_DAMAGED
    m.scan.open -= 1
    m.scan.last_received = now
    scan_check(l, f.member, now)


cdef void foreign(link_t *l, const frame_t *frame, int64_t now) noexcept nogil:
    """A whole frame that answers nothing open: an echo, a late answer, another master's traffic."""
    cdef int32_t i
    cdef device_t *d
    l.wrong += 1
    touch(l, now, 0)
    for i in range(l.device_count):
        d = &l.devices[i]
        if d.unit == frame.unit and d.unsynced and is_outstanding(d, <uint16_t>frame.size):
            l.wrong -= 1
            l.late += 1
            d.late += 1
            # It does answer, only later than we learned to wait.
            d.latency_ns = l.timeout_ns
            return


cdef int32_t flight_of(link_t *l, uint16_t transaction) noexcept nogil:
    cdef int32_t i
    for i in range(l.flying):
        if l.flights[i].ask.transaction == transaction:
            return i
    return -1


cdef void take_tcp(link_t *l, const frame_t *frame, int64_t now) noexcept nogil:
    cdef int32_t i = 0 if l.no_tid and l.flying else flight_of(l, frame.transaction)
    cdef Found found = FOREIGN
    cdef device_t *d
    if i >= 0:
        found = match_answer(frame, &l.flights[i].ask)
    if found == ANSWER:
        take_answer(l, i, frame, now)
        return
    if found == EXCEPTION:
        take_exception(l, i, frame.code, now)
        return
    if i < 0 and l.timeouts_in_a_row and <uint16_t>(l.transaction - frame.transaction) < 1024:
        l.late += 1
        for i in range(l.device_count):
            d = &l.devices[i]
            if d.unit == frame.unit:
                d.late += 1
                d.latency_ns = l.timeout_ns
        return
    l.wrong += 1
    l.wrong_in_a_row += 1
    if i < 0 and l.flying == 1 and match_answer(frame, &l.flights[0].ask) == ANSWER:
        l.tid_misses += 1
        if l.tid_misses >= TID_MISSES and l.answers == 0:
            l.no_tid = True
            l.in_flight_max = 1
            link_lost(l, EPROTO, now)
            return
    if l.wrong_in_a_row >= WRONG_LAST:
        link_lost(l, EPROTO, now)


cdef void take_input(link_t *l, int64_t now) noexcept nogil:
    """Take every whole frame out of the input."""
    cdef frame_t frame
    cdef Found found
    cdef size_t at = 0
    cdef ask_t nothing
    memset(&nothing, 0, sizeof(ask_t))
    while at < l.input_size and l.state == UP:
        frame.size = 0
        found = find_answer(
            l.framing, l.input + at, l.input_size - at,
            &l.flights[0].ask if l.flying else &nothing, &frame
        )
        if found == MORE:
            break
        if found == BROKEN:
            l.wrong += 1
            link_lost(l, EPROTO, now)
            return
        if found == DAMAGED:
            if l.flying:
                damaged(l, now)
            l.input_size = 0
            return
        at += frame.used
        if l.framing == TCP:
            take_tcp(l, &frame, now)
        elif l.flying == 0 or found == FOREIGN:
            foreign(l, &frame, now)
        elif found == ANSWER:
            take_answer(l, 0, &frame, now)
        else:
            take_exception(l, 0, frame.code, now)
    if l.state != UP or at >= l.input_size:
        l.input_size = 0
    elif at:
        l.input_size -= at
        memmove(l.input, l.input + at, l.input_size)


# ---- What the loop calls


cdef void take_bytes(link_t *l, ssize_t n, int64_t now) noexcept nogil:
    """`n` bytes have been read behind the input."""
    l.bytes_in += <uint64_t>n
    if l.settle:
        # Still talking: the silence begins anew.
        l.input_size = 0
        l.settle_until = now + (l.silence_ns if l.silence_ns > SETTLE_LEAST else SETTLE_LEAST)
        return
    l.input_size += <size_t>n
    if l.char_ns:
        touch(l, now, 0)
    take_input(l, now)


cdef void link_readable(link_t *l, int64_t now) noexcept nogil:
    """Take what has arrived; a short read means that nothing is left."""
    cdef ssize_t n
    cdef size_t room
    while l.state == UP:
        if l.input_size == INPUT_ROOM:
            l.input_size = 0
            l.wrong += 1
        room = INPUT_ROOM - l.input_size
        n = l.port.ops.read(l.port, l.input + l.input_size, room)
        if n < 0:
            link_lost(l, <int>(-n), now)
        if n <= 0:
            break
        take_bytes(l, n, now)
        if l.port.kind != DATAGRAM and <size_t>n < room:
            break
    pump(l, now)


cdef int64_t link_await(link_t *l) noexcept nogil:
    """Wait for input within the read itself, one system call instead of two; returns the time."""
    cdef ssize_t n = l.port.ops.await_read(
        l.port, l.input + l.input_size, INPUT_ROOM - l.input_size
    )
    cdef int64_t now = boot_ns()
    if n < 0:
        link_lost(l, <int>(-n), now)
    elif n > 0:
        take_bytes(l, n, now)
    if n:
        pump(l, now)
    return now


cdef void link_up(link_t *l, int64_t now) noexcept nogil:
    cdef int32_t i
    l.state = UP
    l.since = now
    l.error = 0
    l.input_size = 0
    l.free_at = now
    l.settle = False
    l.wrong_in_a_row = 0
    l.timeouts_in_a_row = 0
    for i in range(l.device_count):
        if l.framing == TCP or l.char_ns == 0:
            synced(&l.devices[i])
        l.devices[i].next_try = 0


cdef void link_open(link_t *l, int64_t now) noexcept nogil:
    """Open the port, or begin to."""
    cdef int result
    l.registered = False
    result = l.port.ops.open(l.port)
    if result < 0:
        link_lost(l, -result, now)
    elif result == 1:
        l.state = CONNECTING
        l.connect_deadline = now + (l.timeout_ns if l.timeout_ns > CONNECT_LEAST else CONNECT_LEAST)
    else:
        link_up(l, now)
    pump(l, now)


cdef void link_writable(link_t *l, int64_t now) noexcept nogil:
    """A connection is made, or failed."""
    cdef int result
    if l.state != CONNECTING:
        return
    result = l.port.ops.finish(l.port)
    if result < 0:
        link_lost(l, -result, now)
    else:
        link_up(l, now)
    pump(l, now)


cdef void link_lost(link_t *l, int error, int64_t now) noexcept nogil:
    """Close and plan to open again. Scans in progress end with what they have."""
    cdef int32_t i, k
    cdef member_t *m
    cdef layout_t *layout
    cdef uint8_t *status
    if l.state == UP:
        l.reconnects += 1
        # A connection that carried answers is tried again at once, others ever later.
        if l.answers and l.timeouts_in_a_row == 0 and l.wrong_in_a_row < WRONG_LAST:
            l.backoff_ns = REOPEN_FIRST
    if l.state != DOWN:
        l.since = now
    l.port.ops.close(l.port)
    l.state = DOWN
    l.registered = False
    l.error = error
    l.flying = 0
    l.settle = False
    l.input_size = 0
    l.reopen_at = now + jitter(l, l.backoff_ns)
    if l.backoff_ns < REOPEN_LAST:
        l.backoff_ns = 2 * l.backoff_ns if 2 * l.backoff_ns < REOPEN_LAST else REOPEN_LAST
    while l.queue_count:
        dequeue(l)
    for i in range(l.member_count):
        m = &l.members[i]
        if not m.scan.active:
            continue
        layout = m.scan.layout
        status = row_status(m.g.scratch)
        for k in range(layout.request_count):
            if status[k] == BAD_NOT_ASKED:
                status[k] = BAD_LINK_DOWN
        m.scan.open = 0
        scan_fail(l, i, BAD_LINK_DOWN, now)


cdef void link_down_row(link_t *l, int32_t index, uint64_t tick, int64_t now) noexcept nogil:
    cdef member_t *m = &l.members[index]
    scan_begin(l, index, tick, now)
    memset(row_status(m.g.scratch), BAD_LINK_DOWN, <size_t>m.scan.layout.request_count)
    scan_fail(l, index, BAD_LINK_DOWN, now)


cdef void link_due(link_t *l, int32_t index, uint64_t tick, int64_t now) noexcept nogil:
    """Tick `tick` of a member is due; earlier ones that were never scanned are overrun."""
    cdef member_t *m = &l.members[index]
    cdef device_t *d = &l.devices[m.device]
    if l.draining:
        return
    if m.scan.active:
        m.scan.awaited = True
        return
    m.g.ticks_due = tick + 1
    if l.state != UP:
        if m.scan.fail_status == BAD_LINK_DOWN and m.scan.failed:
            group_skip(m.g, tick + 1, GAP_LINK_DOWN)
        else:
            group_skip(m.g, tick, GAP_OVERRUN)
            link_down_row(l, index, tick, now)
        return
    if d.silent and now < d.next_try:
        group_skip(m.g, tick + 1, GAP_DEVICE_SILENT)
        return
    group_skip(m.g, tick, GAP_OVERRUN)
    if d.silent:
        # One scan tries; the device's other groups wait for what it brings.
        d.next_try = now + d.backoff_ns + l.timeout_ns
    scan_begin(l, index, tick, now)
    enqueue(l, index)
    pump(l, now)


cdef void link_time(link_t *l, int64_t now) noexcept nogil:
    """Something that `l.due` announced: a time-out, the end of a silence, time to open."""
    cdef int32_t i = 0
    if l.state == DOWN:
        if now >= l.reopen_at and not l.draining:
            link_open(l, now)
            return
    elif l.state == CONNECTING:
        if now >= l.connect_deadline:
            link_lost(l, ETIMEDOUT, now)
    elif l.settle:
        if now >= l.settle_until:
            settled(l, now)
        elif l.flying and now >= l.flights[0].deadline + l.timeout_ns:
            # It never falls silent: a babbler. Give the request up.
            l.settle = False
            no_answer(l, 0, now)
    else:
        while i < l.flying and l.state == UP:
            if now >= l.flights[i].deadline:
                no_answer(l, i, now)
            else:
                i += 1
        if l.state == UP and l.timeouts_in_a_row and l.char_ns == 0 and (
            l.no_tid or l.timeouts_in_a_row >= 3 * l.device_count
        ):
            # No id to tell a late answer by, or a connection that leads nowhere any more.
            link_lost(l, ETIMEDOUT, now)
    pump(l, now)


cdef bint link_idle(link_t *l) noexcept nogil:
    cdef int32_t i
    for i in range(l.member_count):
        if l.members[i].scan.active:
            return False
    return True


cdef void link_finish(link_t *l, int64_t now) noexcept nogil:
    """The loop ends: what is still open counts as not answered; the port closes."""
    cdef int32_t i
    l.flying = 0
    while l.queue_count:
        dequeue(l)
    for i in range(l.member_count):
        if l.members[i].scan.active:
            l.members[i].scan.open = 0
            scan_fail(l, i, BAD_NOT_ASKED, now)
    l.port.ops.close(l.port)
    l.state = DOWN


# ---- The border to Python


cdef class Link:
    """A port, its devices and their groups. `devices`: (DeviceSpec, [Group, ...]) for each, in
    order.

    Raises ValueError when devices of one link differ in their framing, MemoryError.
    """

    def __cinit__(self, object spec, object devices):
        cdef link_t *link = &self.l
        cdef Group group
        cdef int32_t member = 0, i
        cdef device_t *d
        memset(link, 0, sizeof(link_t))
        self.spec = spec
        self.port = Port(spec)
        self.groups = [group for _, groups in devices for group in groups]
        self.device_specs = [device for device, _ in devices]
        framings = {device.framing for device in self.device_specs}
        if len(framings) != 1 or not self.groups:
            raise ValueError(
                f"link {spec.name}: its devices need groups and one framing, not {sorted(framings)}"
            )
        link.port = &self.port.p
        link.framing = FRAMINGS[framings.pop()]
        link.state = DOWN
        link.backoff_ns = REOPEN_FIRST
        link.random = <uint64_t>boot_ns() | 1
        link.timeout_ns = spec.timeout_ns
        link.in_flight_max = 1
        if link.framing == TCP:
            link.in_flight_max = min(max(1, spec.in_flight), IN_FLIGHT_MAX)
        if link.port.kind == SERIAL:
            link.char_ns = spec.char_ns
            # Serial line V1.02, 2.5.1.1: 3.5 characters, fixed above 19,200 baud.
            link.silence_ns = 1750000 if spec.baud > 19200 else 7 * link.char_ns // 2
        link.silence_ns += spec.pause_ns
        link.device_count = <int32_t>len(self.device_specs)
        link.member_count = <int32_t>len(self.groups)
        link.devices = <device_t *>calloc(link.device_count, sizeof(device_t))
        link.members = <member_t *>calloc(link.member_count, sizeof(member_t))
        link.queue = <int32_t *>calloc(link.member_count, sizeof(int32_t))
        link.ended = <int32_t *>calloc(link.member_count, sizeof(int32_t))
        if (
            link.devices == NULL or link.members == NULL
            or link.queue == NULL or link.ended == NULL
        ):
            raise MemoryError
        for i, (device, groups) in enumerate(devices):
            d = &link.devices[i]
            d.unit = device.unit
            d.pause_ns = device.pause_ns
            d.backoff_ns = BACKOFF_FIRST
            d.since = boot_ns()
            for group in groups:
                link.members[member].g = &group.g
                link.members[member].device = i
                member += 1
        link.since = boot_ns()

    def __dealloc__(self):
        free(self.l.devices)
        free(self.l.members)
        free(self.l.queue)
        free(self.l.ended)

    def resolve(self) -> bool:
        """Look the host's name up again, for a link that is down; True when there is an address."""
        if self.l.port.kind == SERIAL or self.l.state != DOWN:
            return True
        return self.port.resolve(self.spec.host, self.spec.tcp_port)

    def refusals(self) -> list:
        """(group index, function, address, count, exception code) of requests refused since the
        last call.
        """
        cdef event_t event
        result = []
        newest = self.l.event_count
        for k in range(max(self.events_taken, newest - EVENTS if newest > EVENTS else 0), newest):
            event = self.l.events[k % EVENTS]
            result.append((event.member, event.function, event.address, event.count, event.code))
        self.events_taken = newest
        return result

    def snapshot(self) -> dict:
        """As gateway.snapshot.LinkSnapshot, but for `cause`, which is an errno here. Any thread."""
        cdef link_t *link = &self.l
        cdef int64_t now = boot_ns()
        cdef int64_t span = now - self.busy_seen_at
        serial = link.port.kind == SERIAL
        share = 0.0
        if self.busy_seen_at and span > 0:
            share = min(1.0, (link.busy_ns - self.busy_seen_ns) / span / max(1, link.in_flight_max))
        if span > 500 * MS:
            self.busy_seen_ns, self.busy_seen_at = link.busy_ns, now
        line = self.port.counters() if link.state == UP and serial else None
        if line is not None:
            del line["breaks"]
        return {
            "name": self.spec.name,
            "type": self.spec.type,
            "target": self.spec.port if serial else f"{self.spec.host}:{self.spec.tcp_port}",
            "state": ("down", "connecting", "up")[link.state],
            "errno": link.error,
            "no_tid": bool(link.no_tid),
            "since_s": (now - link.since) / 1e9,
            "devices": link.device_count,
            "requests": link.requests, "answers": link.answers, "timeouts": link.timeouts,
            "damaged": link.damaged, "wrong": link.wrong, "late": link.late,
            "exceptions": link.exceptions, "retries": link.retries, "reconnects": link.reconnects,
            "bytes_in": link.bytes_in, "bytes_out": link.bytes_out,
            "busy_share": share,
            "line_errors": line,
        }

    def devices(self) -> list:
        """As gateway.snapshot.DeviceSnapshot, but for `cause` (a quality and an exception code) and
        names.
        """
        cdef device_t *d
        cdef int64_t now = boot_ns()
        cdef Group group
        result = []
        for i in range(self.l.device_count):
            d = &self.l.devices[i]
            groups = [
                group.snapshot() for k, group in enumerate(self.groups) if self.l.members[k].device
                == i
            ]
            result.append({
                "name": self.device_specs[i].name,
                "unit": d.unit,
                "silent": bool(d.silent),
                "ever": bool(d.ever),
                "quality": d.cause, "exception": d.code,
                "since_s": (now - d.since) / 1e9,
                "last_good_s": (now - d.last_good) / 1e9 if d.last_good else None,
                "answer_us": {"p50": d.answer_ns // 1000, "max": d.answer_max_ns // 1000},
                "requests": d.requests, "timeouts": d.timeouts,
                "damaged": d.damaged, "exceptions": d.exceptions,
                "timeout_us": patience(&self.l, d, 0) // 1000,
                "groups": groups,
            })
        return result
