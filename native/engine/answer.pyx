"""What arrives, or does not: answers, exceptions, damage, strays and time-outs."""

from libc.errno cimport EPROTO
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t
from libc.string cimport memmove, memset

from native.engine.ask cimport send_request
from native.wire.dialin cimport is_torn, swallow
from native.engine.flights cimport flights_answered, flights_troubled
from native.engine.protocol cimport mark_part, put_part
from native.rows.store cimport request_t
from native.modbus.codec cimport (
    ANSWER,
    BROKEN,
    DAMAGED,
    EXCEPTION,
    FOREIGN,
    MORE,
    TCP,
    Found,
    ask_t,
    find_answer,
    frame_t,
    is_short,
    match_answer,
)
from native.reasons cimport BAD_BUSY, BAD_DAMAGED, BAD_GATEWAY, BAD_NO_ANSWER, BAD_REFUSED, GOOD
from native.engine.scan cimport link_lost, scan_check, scan_fail
from native.engine.state cimport (
    ANSWERED,
    BACKOFF_FIRST,
    BUSY_FOR,
    EVENTS,
    MS,
    MUTE,
    PROBE,
    Purpose,
    REFUSALS_LAST,
    REFUSED_FOR,
    REFUSED_SOON,
    REOPEN_FIRST,
    RESYNC,
    SCAN,
    SETTLE_LEAST,
    TID_MISSES,
    UNKNOWN,
    UP,
    WRONG_LAST,
    await_rest,
    device_t,
    drop_flight,
    event_t,
    flight_of,
    flight_t,
    is_outstanding,
    link_t,
    mark_outstanding,
    member_t,
    quality_of,
    scan_t,
    synced,
    touch,
    touch_device,
    was_sent,
)
from native.wire.transport cimport DIALIN


cdef enum:
    ILLEGAL_VALUE = 3  # Application Protocol V1.1b3, 7


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
    l.backoff_ns = REOPEN_FIRST
    l.answers += 1
    d.answers += 1
    l.busy_ns += took


cdef void in_step(device_t *d, scan_t *s, Purpose purpose) noexcept nogil:
    """Everything older than what it was asked to find that out has come, or never will."""
    synced(d.sync)
    d.sync.probed = 0
    if purpose == PROBE:
        d.sync.probing = ANSWERED
    if s.next_request == 0:
        s.first_sent = 0


cdef void probed_in_vain(link_t *l, const flight_t *f) noexcept nogil:
    """What came of the first probe is no answer to believe: no more of them; the scan goes on."""
    cdef member_t *m = &l.members[f.member]
    l.devices[m.device].sync.probing = MUTE
    m.scan.open -= 1
    if m.scan.next_request == 0:
        m.scan.first_sent = 0


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
    touch_device(l, d, now)
    s.open -= 1
    if f.purpose != SCAN:
        in_step(d, s, f.purpose)
    else:
        put_part(s.layout, r.first_part, 0, frame.data, frame.size)
        mark_part(s.layout, r.first_part, GOOD)
        r.refusals = 0
        r.answered = True
        m.told = False
        s.last_received = now
        if f.full:
            flights_answered(l, f.sent, now)
    scan_check(l, f.member, now)


cdef void refused(
    link_t *l, const flight_t *f, request_t *r, uint8_t code, int64_t now
) noexcept nogil:
    """Tell the driver, and leave alone for a while what is refused again and again."""
    cdef event_t *event = &l.events[l.event_count % EVENTS]
    event.member, event.request, event.code = f.member, f.request, code
    event.layout = l.members[f.member].scan.layout.serial
    l.event_count += 1
    r.refusals += 1
    r.refused_quality = quality_of(code)
    if r.refusals >= REFUSALS_LAST:
        # One address that never answered may rest for long; what did answer (the device may be
        # starting) and what the driver may yet split is asked again soon.
        r.refusals = 0
        if r.answered or r.field_count > 1:
            r.skip_until = now + REFUSED_SOON
        else:
            r.skip_until = now + REFUSED_FOR


cdef void take_exception(link_t *l, int32_t i, uint8_t code, int64_t now) noexcept nogil:
    cdef flight_t f = l.flights[i]
    cdef member_t *m = &l.members[f.member]
    cdef scan_t *s = &m.scan
    cdef device_t *d = &l.devices[m.device]
    cdef request_t *r = &s.layout.requests[f.request]
    drop_flight(l, i)
    touch_device(l, d, now)
    if f.purpose == PROBE and d.sync.probing == UNKNOWN and quality_of(code) == BAD_GATEWAY:
        probed_in_vain(l, &f)
        return
    s.open -= 1
    if f.purpose == PROBE and quality_of(code) != BAD_GATEWAY:
        # It has no such function or register: no news, and its answer all the same.
        device_good(l, d, &f, now)
        in_step(d, s, PROBE)
        scan_check(l, f.member, now)
        return
    l.exceptions += 1
    d.exceptions += 1
    d.cause = quality_of(code)
    d.code = code
    if d.cause == BAD_GATEWAY:
        # A gateway speaks for a device that does not: as a time-out of that unit (Application
        # Protocol, 7).
        d.timeouts += 1
        if f.purpose == SCAN:
            mark_part(s.layout, r.first_part, BAD_GATEWAY)
        else:
            # It may speak of an older request: this one's answer may still come.
            mark_outstanding(d.sync, f.ask.data_bytes, now)
        s.failed = True
        s.fail_status = BAD_NO_ANSWER
        scan_check(l, f.member, now)
        return
    device_good(l, d, &f, now)
    if f.purpose == RESYNC:
        # It may be a late exception, and this one's answer still come.
        mark_outstanding(d.sync, f.ask.data_bytes, now)
        scan_fail(l, f.member, d.cause, now)
        return
    mark_part(s.layout, r.first_part, d.cause)
    s.last_received = now
    if d.cause == BAD_REFUSED:
        refused(l, &f, r, code, now)
    elif d.cause == BAD_BUSY:
        d.busy_until = now + BUSY_FOR
        flights_troubled(l, f.sent, now)
    scan_check(l, f.member, now)


cdef void no_answer(link_t *l, int32_t i, int64_t now) noexcept nogil:
    """The request's time is up."""
    cdef flight_t f = l.flights[i]
    cdef member_t *m = &l.members[f.member]
    cdef device_t *d = &l.devices[m.device]
    drop_flight(l, i)
    if f.purpose == PROBE and d.sync.probing == UNKNOWN:
        # It knows no such function and does not say so: that is its right.
        l.busy_ns += now - f.sent
        touch_device(l, d, now)
        probed_in_vain(l, &f)
        return
    l.timeouts += 1
    d.timeouts += 1
    l.timeouts_in_a_row += 1
    flights_troubled(l, f.sent, now)
    d.cause = BAD_NO_ANSWER
    l.busy_ns += now - f.sent
    if f.purpose == SCAN:
        mark_part(m.scan.layout, m.scan.layout.requests[f.request].first_part, BAD_NO_ANSWER)
    if l.framing != TCP:
        if f.purpose == PROBE:
            d.sync.overdue = now  # its function marks its answer
        else:
            mark_outstanding(d.sync, f.ask.data_bytes, now)
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
    l.settle = False
    l.input_size = 0
    l.port.ops.flush(l.port)
    if l.flying == 0:
        return
    f = l.flights[0]
    m = &l.members[f.member]
    drop_flight(l, 0)
    # What was damaged may have been anything: the answer itself may still come, and then two would.
    mark_outstanding(l.devices[m.device].sync, f.ask.data_bytes, now)
    if not f.repeated:
        f.repeated = True
        l.retries += 1
        l.free_at = now
        send_request(l, &f, now)
        return
    if f.purpose == PROBE and l.devices[m.device].sync.probing == UNKNOWN:
        probed_in_vain(l, &f)
        return
    l.devices[m.device].cause = BAD_DAMAGED
    if f.purpose == SCAN:
        mark_part(m.scan.layout, m.scan.layout.requests[f.request].first_part, BAD_DAMAGED)
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
    touch(l, now)
    for i in range(l.device_count):
        d = &l.devices[i]
        if d.unit != frame.unit:
            continue
        if d.sync.unsynced and is_outstanding(d.sync, <uint16_t>frame.size):
            l.wrong -= 1
            l.late += 1
            d.late += 1
            # It does answer, only later than we learned to wait.
            d.latency_ns = l.timeout_ns
            return
        if l.flying == 0 and frame.size:
            # An answer to nothing: there may be more where it came from.
            mark_outstanding(d.sync, <uint16_t>frame.size, now)


cdef void take_tcp(link_t *l, const frame_t *frame, int64_t now) noexcept nogil:
    cdef int32_t i = 0 if l.no_tid and l.flying else flight_of(l, frame.transaction)
    cdef Found found = FOREIGN
    cdef device_t *d
    if i >= 0:
        found = match_answer(frame, &l.flights[i].ask)
    if found == ANSWER:
        l.proven = True
        take_answer(l, i, frame, now)
        return
    if found == EXCEPTION:
        take_exception(l, i, frame.code, now)
        return
    if i >= 0 and is_short(frame, &l.flights[i].ask):
        take_exception(l, i, ILLEGAL_VALUE, now)
        return
    if i < 0 and l.timeouts_in_a_row and was_sent(l, frame.transaction):
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
            l.flights_most = 0
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
        if l.port.kind == DIALIN and swallow(l, &at):
            break
        frame.size = 0
        found = find_answer(
            l.framing, l.input + at, l.input_size - at,
            &l.flights[0].ask if l.flying else &nothing, &frame
        )
        if found == MORE:
            await_rest(l, l.input_size - at, now)
            break
        if l.port.kind == DIALIN and l.framing == TCP and is_torn(l, at + frame.used):
            found = BROKEN
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
        elif l.flying == 0:
            foreign(l, &frame, now)
        elif found == FOREIGN:
            if l.flights[0].purpose == SCAN and is_short(&frame, &l.flights[0].ask):
                take_exception(l, 0, ILLEGAL_VALUE, now)
            else:
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
