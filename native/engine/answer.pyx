"""What comes of a request: an answer, a refusal, damage, or nothing in time; and frames that answer
none.

What a frame means its protocol says; what follows from it for the row, the device and the link is
here.
"""

from libc.stdint cimport int32_t, int64_t

from native.clock cimport MS
from native.engine.aside cimport busy, is_mute, missed, refused
from native.engine.ask cimport send_again
from native.engine.bus cimport await_silence, touch
from native.engine.connection cimport connection_answers
from native.engine.flights cimport CAREFUL_FOR, drop_flight, flights_answered, flights_troubled
from native.engine.pause cimport pause_kept, pause_missed
from native.engine.protocol cimport (
    BUSY,
    GARBLED,
    IN_VAIN,
    NO_ANSWER,
    OWN,
    PLANNED,
    UNREACHED,
    Verdict,
    flight_t,
    mark_all,
    station_t,
    take_t,
)
from native.engine.scan cimport link_lost, scan_check, scan_fail
from native.engine.state cimport (
    BACKOFF_FIRST,
    MISSED_LAST,
    SLEEP_LEAST,
    device_t,
    enqueue,
    is_connection,
    link_t,
    member_t,
    scan_t,
    touch_device,
)
from native.reasons cimport BAD_DAMAGED, BAD_GATEWAY, BAD_NO_ANSWER, BAD_REFUSED
from native.rows.store cimport request_t


cdef void device_good(link_t *l, device_t *d, flight_t *f, int64_t now) noexcept nogil:
    cdef int64_t took = now - f.sent
    cdef int64_t latency = took - f.wire_ns
    pause_kept(l, d, f, now)
    if latency < MS:
        latency = MS
    # The slowest lately: it jumps up, and comes down by a 64th of the difference each answer.
    if latency > d.latency_ns:
        d.latency_ns = latency
    else:
        d.latency_ns -= (d.latency_ns - latency) >> 6
    if d.wait_ns > l.timeout_ns:
        d.wait_ns -= (d.wait_ns - max(l.timeout_ns, min(2 * d.latency_ns, d.wait_ns))) >> 6
    d.station.late_ns = d.wait_ns
    d.answer_ns = took if d.answer_ns == 0 else d.answer_ns + (took - d.answer_ns) // 16
    if took > d.answer_max_ns:
        d.answer_max_ns = took
    if d.silent or not d.ever:
        d.since = now
    d.silent = False
    d.ever = True
    d.failures = 0
    d.backoff_ns = BACKOFF_FIRST
    connection_answers(&l.conn, is_connection(l), f.rested, now)
    if l.flights.careful_until and now >= l.flights.careful_until:
        l.flights.careful_until = 0
    l.counts.answers += 1
    d.answers += 1
    l.counts.busy_ns += took


cdef void own_ended(scan_t *s) noexcept nogil:
    """A request of the protocol's own is over: the row's time begins with the plan's request."""
    s.open -= 1
    if not s.asked:
        s.first_sent = 0


cdef void take_answer(link_t *l, int32_t i, int64_t now) noexcept nogil:
    """Flight `i` was answered; the data are in its row."""
    cdef flight_t f = l.flights.open[i]
    cdef member_t *m = &l.members[f.member]
    cdef scan_t *s = &m.scan
    cdef device_t *d = &l.devices[m.device]
    cdef request_t *r
    drop_flight(&l.flights, i)
    device_good(l, d, &f, now)
    d.last_good = now
    d.cause = 0
    touch_device(l, d, now)
    if f.purpose == OWN:
        own_ended(s)
    else:
        s.open -= 1
        r = &s.layout.requests[f.number]
        r.refusals = r.misses = r.asides = 0
        r.answered = True
        m.told = False
        s.answered += 1
        s.missed = s.busy = 0
        s.last_received = now
        if f.full:
            flights_answered(&l.flights, f.sent, now)
    scan_check(l, f.member, now)


cdef void take_refusal(link_t *l, Verdict verdict, const take_t *t, int64_t now) noexcept nogil:
    """A flight was answered with a refusal, "busy", or that its device can't be reached."""
    cdef flight_t f = l.flights.open[t.flight]
    cdef member_t *m = &l.members[f.member]
    cdef scan_t *s = &m.scan
    cdef device_t *d = &l.devices[m.device]
    drop_flight(&l.flights, t.flight)
    touch_device(l, d, now)
    if verdict == IN_VAIN:
        own_ended(s)
        scan_check(l, f.member, now)
        return
    s.open -= 1
    l.counts.exceptions += 1
    d.exceptions += 1
    d.cause, d.code = t.quality, t.code
    if f.purpose == PLANNED:
        mark_all(&f, t.quality)
    if verdict == UNREACHED:
        # A gateway says so in place of its device: that counts as a time-out of the device.
        l.counts.timeouts += 1
        d.timeouts += 1
        s.failed = True
        s.fail_status = BAD_NO_ANSWER
        scan_check(l, f.member, now)
        return
    device_good(l, d, &f, now)
    s.answered += 1
    s.missed = 0
    if f.purpose == OWN:
        scan_fail(l, f.member, d.cause, now)
        return
    s.last_received = now
    if verdict == BUSY:
        busy(l, &f, now)
    elif t.quality == BAD_REFUSED:
        refused(l, &f, t.quality, t.code, now)
    scan_check(l, f.member, now)


cdef void judge_by_seen(link_t *l, const flight_t *f, int64_t now) noexcept nogil:
    """No answer came in time, but something that tells why: `seen_quality` of the flight."""
    cdef member_t *m = &l.members[f.member]
    cdef device_t *d = &l.devices[m.device]
    m.scan.open -= 1
    m.scan.answered += f.seen_surely
    mark_all(f, f.seen_quality)
    d.cause, d.code = f.seen_quality, f.seen_code
    touch_device(l, d, now)
    if f.seen_quality == BAD_REFUSED:
        l.counts.exceptions += 1
        d.exceptions += 1
        if f.seen_surely:
            refused(l, f, f.seen_quality, f.seen_code, now)
    scan_check(l, f.member, now)


cdef void ask_once_more(link_t *l, const flight_t *f) noexcept nogil:
    """In the same scan."""
    cdef scan_t *s = &l.members[f.member].scan
    s.again += 1
    s.layout.requests[f.number].again = True
    if not s.queued:
        enqueue(l, f.member)


cdef void ask_later(link_t *l, const take_t *t, int64_t now) noexcept nogil:
    """The answer may be another asker's: ask once more, when he has got his."""
    cdef flight_t f = l.flights.open[t.flight]
    drop_flight(&l.flights, t.flight)
    l.counts.retries += 1
    l.bus.free_at = max(l.bus.free_at, t.until)
    l.members[f.member].scan.open -= 1
    ask_once_more(l, &f)


cdef void no_answer(link_t *l, int32_t i, int64_t now) noexcept nogil:
    """Flight `i` got no answer in time."""
    cdef flight_t f = l.flights.open[i]
    cdef member_t *m = &l.members[f.member]
    cdef device_t *d = &l.devices[m.device]
    if f.rested and is_connection(l) and not d.silent:
        link_lost(l, 0, now)  # the device may have forgotten the connection: ask on a new one
        return
    drop_flight(&l.flights, i)
    l.counts.busy_ns += now - f.sent
    d.given_up = f.sent
    if f.station.session.protocol.ended(f.station.session, &f, NO_ANSWER, now):
        touch_device(l, d, now)
        own_ended(&m.scan)
        scan_check(l, f.member, now)
        return
    if f.seen_quality and f.purpose == PLANNED:
        judge_by_seen(l, &f, now)
        return
    if l.conn.idle_tried and l.conn.answers == 0:
        # Nor is it answered on a new connection: that the old one was unused was not why.
        l.conn.idle_fine, l.conn.idle_tried = max(l.conn.idle_fine, l.conn.idle_tried), 0
    l.counts.timeouts += 1
    d.timeouts += 1
    pause_missed(l, d, &f, now)
    # Time-outs in a row tell that a connection is dead. Those of a request that is known to get no
    # answer do not count while others of its device are answered, nor do those of guests.
    l.conn.timeouts_in_a_row += l.sessions[0].single or (
        f.member < l.resident_count
        and (f.purpose == OWN or d.silent or not is_mute(&f.layout.requests[f.number]))
    )
    flights_troubled(&l.flights, f.sent, now)
    d.cause = BAD_NO_ANSWER
    if f.purpose == PLANNED:
        mark_all(&f, BAD_NO_ANSWER)
    if l.line:
        l.input.size = 0
        l.port.ops.flush(l.port)
        touch_device(l, d, now)
    m.scan.open -= 1
    if f.purpose == PLANNED and not is_mute(&f.layout.requests[f.number]):
        m.scan.missed += 1
    if f.purpose == PLANNED:
        missed(l, &f, now)
        if may_have_slept(l, &f, now):
            ask_once_more(l, &f)
    if d.silent or f.purpose == OWN or m.scan.missed >= MISSED_LAST:
        scan_fail(l, f.member, BAD_NO_ANSWER, now)
    else:
        scan_check(l, f.member, now)


cdef bint may_have_slept(const link_t *l, const flight_t *f, int64_t now) noexcept nogil:
    """Whether what was asked first behind a rest may only have woken its device, and there is time
    to ask it once more.
    """
    cdef const member_t *m = &l.members[f.member]
    cdef const device_t *d = &l.devices[m.device]
    return (
        d.ever and not d.silent and d.failures == 0 and not f.redone and m.scan.answered == 0
        and m.scan.missed == 1 and f.layout.requests[f.number].answered
        and m.g.period_ns >= SLEEP_LEAST and now - m.scan.due_ns < m.g.period_ns // 2
    )


cdef void damaged(link_t *l, int64_t now) noexcept nogil:
    """A frame that should have been the answer failed its check."""
    cdef device_t *d = &l.devices[l.members[l.flights.open[0].member].device]
    l.counts.damaged += 1
    d.damaged += 1
    l.input.size = 0
    await_silence(&l.bus, now)


cdef void give_up_damaged(
    link_t *l, const flight_t *f, bint is_no_fault, int64_t now
) noexcept nogil:
    """Give up a request whose answer was damaged twice, or that is no request of the plan."""
    cdef member_t *m = &l.members[f.member]
    if is_no_fault:
        own_ended(&m.scan)
        scan_check(l, f.member, now)
        return
    l.devices[m.device].cause = BAD_DAMAGED
    if f.purpose == PLANNED:
        mark_all(f, BAD_DAMAGED)
    else:
        m.scan.failed = True
        m.scan.fail_status = BAD_DAMAGED
    m.scan.open -= 1
    m.scan.last_received = now
    scan_check(l, f.member, now)


cdef void damaged_inside(link_t *l, int32_t i, int64_t now) noexcept nogil:
    """Bytes of the answer to flight `i` of a stream were lost on the way."""
    cdef flight_t f = l.flights.open[i]
    cdef device_t *d = &l.devices[l.members[f.member].device]
    cdef bint is_no_fault
    l.counts.damaged += 1
    d.damaged += 1
    if l.flights.count > 1:
        # Where no other answer can follow it, an answer is whole or none.
        l.flights.careful_until = now + CAREFUL_FOR
        flights_troubled(&l.flights, f.sent, now)
    drop_flight(&l.flights, i)
    is_no_fault = f.station.session.protocol.ended(f.station.session, &f, GARBLED, now)
    if f.purpose == PLANNED and not f.redone:
        l.counts.retries += 1
        l.members[f.member].scan.open -= 1
        ask_once_more(l, &f)
    else:
        give_up_damaged(l, &f, is_no_fault, now)


cdef void settled(link_t *l, int64_t now) noexcept nogil:
    """The line has been silent after damage: repeat the request, or give it up the second time."""
    cdef flight_t f
    cdef bint is_no_fault
    l.bus.settle = False
    l.input.size = 0
    l.port.ops.flush(l.port)
    if l.flights.count == 0:
        return
    f = l.flights.open[0]
    drop_flight(&l.flights, 0)
    is_no_fault = f.station.session.protocol.ended(f.station.session, &f, GARBLED, now)
    if f.attempt == 0:
        f.attempt = 1
        l.counts.retries += 1
        l.bus.free_at = now
        send_again(l, &f, now)
    else:
        give_up_damaged(l, &f, is_no_fault, now)


cdef void forgive(link_t *l, const station_t *station, int64_t since) noexcept nogil:
    """A gateway was busy with that station since then: whoever else it did not answer meanwhile is
    not silent for that.
    """
    cdef int32_t i
    cdef device_t *d
    for i in range(l.device_count):
        d = &l.devices[i]
        if d.station != station and d.failures and d.asked_at >= since:
            d.failures = 0
            d.backoff_ns = BACKOFF_FIRST
            d.next_try = 0
            d.silent = d.silent and not d.ever


cdef void stray(link_t *l, const take_t *t, int64_t now) noexcept nogil:
    """A frame that answers no open request: an echo, noise, another master's; or a late answer."""
    cdef int32_t i
    cdef device_t *d
    if l.line:
        touch(&l.bus, now)
    if t.whose == NULL:
        l.counts.wrong += t.asked == NULL
        return
    l.counts.late += 1
    for i in range(l.device_count):
        d = &l.devices[i]
        if d.station == t.whose:
            d.late += 1
            # The device does answer, only later than we wait: wait for longer.
            d.late_ns = now - d.given_up if d.given_up else l.timeout_ns
            d.latency_ns = min(max(d.latency_ns, d.late_ns), l.wait_most_ns)
            d.wait_ns = min(max(d.wait_ns, 2 * d.latency_ns), l.wait_most_ns)
            d.station.late_ns = max(d.station.late_ns, d.wait_ns)
            if t.quality == 0:
                d.heard_at = now
            else:
                d.cause, d.code = t.quality, t.code
                if t.quality == BAD_GATEWAY:
                    forgive(l, t.whose, d.given_up)
