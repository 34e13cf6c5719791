"""What arrives, or does not: answers, refusals, damage, strays and time-outs.

What a frame means its protocol says; what follows from it for the row, the device and the link is
here.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t

from native.engine.ask cimport send_again
from native.engine.flights cimport flights_answered, flights_troubled
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
from native.rows.store cimport request_t
from native.reasons cimport BAD_DAMAGED, BAD_NO_ANSWER, BAD_REFUSED
from native.engine.scan cimport scan_check, scan_fail
from native.engine.told cimport tell
from native.engine.state cimport (
    BACKOFF_FIRST,
    BUSY_FOR,
    MS,
    REFUSALS_LAST,
    REFUSED_FOR,
    REFUSED_SOON,
    REOPEN_FIRST,
    SETTLE_LEAST,
    device_t,
    drop_flight,
    link_t,
    member_t,
    scan_t,
    touch,
    touch_device,
)


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
    l.timeouts_in_a_row = 0
    l.backoff_ns = REOPEN_FIRST
    l.answers += 1
    d.answers += 1
    l.busy_ns += took


cdef void own_ended(scan_t *s) noexcept nogil:
    """A request of the protocol's own is over: the scan begins with the plan's."""
    s.open -= 1
    if s.next_request == 0:
        s.first_sent = 0


cdef void take_answer(link_t *l, int32_t i, int64_t now) noexcept nogil:
    """Its data are in the row."""
    cdef flight_t f = l.flights[i]
    cdef member_t *m = &l.members[f.member]
    cdef scan_t *s = &m.scan
    cdef device_t *d = &l.devices[m.device]
    cdef request_t *r
    drop_flight(l, i)
    device_good(l, d, &f, now)
    d.last_good = now
    d.cause = 0
    touch_device(l, d, now)
    if f.purpose == OWN:
        own_ended(s)
    else:
        s.open -= 1
        r = &s.layout.requests[f.number]
        r.refusals = 0
        r.answered = True
        m.told = False
        s.last_received = now
        if f.full:
            flights_answered(l, f.sent, now)
    scan_check(l, f.member, now)


cdef void refused(
    link_t *l, const flight_t *f, uint8_t quality, uint16_t code, int64_t now
) noexcept nogil:
    """Tell the driver, and leave alone for a while what is refused again and again."""
    cdef request_t *r = &f.layout.requests[f.number]
    tell(l, f, -1, code)
    r.refusals += 1
    r.refused_quality = quality
    if r.refusals >= REFUSALS_LAST:
        # One address that never answered may rest for long; what did answer (the device may be
        # starting) and what the driver may yet split is asked again soon.
        r.refusals = 0
        if r.answered or r.field_count > 1:
            r.skip_until = now + REFUSED_SOON
        else:
            r.skip_until = now + REFUSED_FOR


cdef void take_refusal(link_t *l, Verdict verdict, const take_t *t, int64_t now) noexcept nogil:
    """The flight was answered with something else than data."""
    cdef flight_t f = l.flights[t.flight]
    cdef member_t *m = &l.members[f.member]
    cdef scan_t *s = &m.scan
    cdef device_t *d = &l.devices[m.device]
    drop_flight(l, t.flight)
    touch_device(l, d, now)
    if verdict == IN_VAIN:
        own_ended(s)
        scan_check(l, f.member, now)
        return
    s.open -= 1
    l.exceptions += 1
    d.exceptions += 1
    d.cause, d.code = t.quality, t.code
    if f.purpose == PLANNED:
        mark_all(&f, t.quality)
    if verdict == UNREACHED:
        # A gateway speaks for a device that does not: as a time-out of that station.
        l.timeouts += 1
        d.timeouts += 1
        s.failed = True
        s.fail_status = BAD_NO_ANSWER
        scan_check(l, f.member, now)
        return
    device_good(l, d, &f, now)
    if f.purpose == OWN:
        scan_fail(l, f.member, d.cause, now)
        return
    s.last_received = now
    if verdict == BUSY:
        d.busy_until = now + BUSY_FOR
        flights_troubled(l, f.sent, now)
    elif t.quality == BAD_REFUSED:
        refused(l, &f, t.quality, t.code, now)
    scan_check(l, f.member, now)


cdef void no_answer(link_t *l, int32_t i, int64_t now) noexcept nogil:
    """The request's time is up."""
    cdef flight_t f = l.flights[i]
    cdef member_t *m = &l.members[f.member]
    cdef device_t *d = &l.devices[m.device]
    drop_flight(l, i)
    l.busy_ns += now - f.sent
    if f.station.session.protocol.ended(f.station.session, &f, NO_ANSWER, now):
        touch_device(l, d, now)
        own_ended(&m.scan)
        scan_check(l, f.member, now)
        return
    l.timeouts += 1
    d.timeouts += 1
    l.timeouts_in_a_row += 1
    flights_troubled(l, f.sent, now)
    d.cause = BAD_NO_ANSWER
    if f.purpose == PLANNED:
        mark_all(&f, BAD_NO_ANSWER)
    if l.line:
        l.input_size = 0
        l.port.ops.flush(l.port)
        touch_device(l, d, now)
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
    cdef bint is_no_fault
    l.settle = False
    l.input_size = 0
    l.port.ops.flush(l.port)
    if l.flying == 0:
        return
    f = l.flights[0]
    m = &l.members[f.member]
    drop_flight(l, 0)
    is_no_fault = f.station.session.protocol.ended(f.station.session, &f, GARBLED, now)
    if f.attempt == 0:
        f.attempt = 1
        l.retries += 1
        l.free_at = now
        send_again(l, &f, now)
        return
    if is_no_fault:
        own_ended(&m.scan)
        scan_check(l, f.member, now)
        return
    l.devices[m.device].cause = BAD_DAMAGED
    if f.purpose == PLANNED:
        mark_all(&f, BAD_DAMAGED)
    else:
        m.scan.failed = True
        m.scan.fail_status = BAD_DAMAGED
    m.scan.open -= 1
    m.scan.last_received = now
    scan_check(l, f.member, now)


cdef void stray(link_t *l, const station_t *whose, int64_t now) noexcept nogil:
    """It answers nothing open: an echo, noise, another master's traffic; or it is late."""
    cdef int32_t i
    cdef device_t *d
    if l.line:
        touch(l, now)
    if whose == NULL:
        l.wrong += 1
        return
    l.late += 1
    for i in range(l.device_count):
        d = &l.devices[i]
        if d.station == whose:
            d.late += 1
            # It does answer, only later than we learned to wait.
            d.latency_ns = l.timeout_ns
