"""Sending: which request goes out next, what it is when a device must first be brought back in
step.
"""

from libc.errno cimport EIO
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from native.engine.protocol cimport mark_part
from native.rows.store cimport group_late, layout_t, request_t
from native.modbus.codec cimport REQUEST_MAX, TCP, ask_of, ask_t, put_request
from native.reasons cimport BAD_BUSY, BAD_NO_ANSWER
from native.engine.scan cimport link_lost, scan_check
from native.engine.state cimport (
    ANSWERED,
    CONNECTING,
    DOWN,
    MUTE,
    NEVER,
    PROBE,
    RESYNC,
    SCAN,
    SIZES_ENOUGH,
    UNKNOWN,
    UP,
    device_t,
    flight_t,
    is_outstanding,
    link_t,
    may_fly,
    member_t,
    patience,
    scan_t,
    synced,
    unqueue,
    wire_time,
)


cdef bint send_request(link_t *l, flight_t *f, int64_t now) noexcept nogil:
    """Hand one request to the port; False when the link was lost over it."""
    cdef uint8_t bytes[REQUEST_MAX]
    cdef size_t n
    cdef ssize_t sent
    cdef device_t *d = &l.devices[l.members[f.member].device]
    if l.framing == TCP:
        l.transaction += 1
        l.sent_here += 1
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
    # Behind answers that are late it waits as long as it may.
    f.deadline = now + (
        patience(l, d, f.wire_ns) if f.purpose == SCAN else l.timeout_ns + f.wire_ns
    )
    l.requests += 1
    d.requests += 1
    l.bytes_out += n
    l.flights[l.flying] = f[0]
    l.flying += 1
    return True


cdef bint choose_size(link_t *l, member_t *m, flight_t *f) noexcept nogil:
    """A read that the device surely has, whose answer has a size that no late one has."""
    cdef layout_t *layout = m.scan.layout
    cdef device_t *d = &l.devices[m.device]
    cdef request_t *r
    cdef ask_t ask
    cdef uint16_t count, size
    cdef int32_t i
    for i in range(layout.request_count):
        r = &layout.requests[i]
        if r.skip_until:
            continue
        ask_of(r, &ask)
        for count in range(1, ask.count + 1):
            size = count * 2 if ask.function > 2 else (count + 7) // 8
            if not is_outstanding(d.sync, size):
                f.purpose = RESYNC
                f.request = i
                f.ask.function, f.ask.address, f.ask.count = ask.function, ask.address, count
                f.ask.data_bytes = size
                return True
    return False


cdef bint choose_function(link_t *l, member_t *m, flight_t *f) noexcept nogil:
    """A read by a function that nothing else asks this device by: its answer or refusal names it.

    Not one of an earlier probe that is unanswered: its refusal would look the same.
    """
    cdef device_t *d = &l.devices[m.device]
    cdef layout_t *layout
    cdef uint32_t used = d.sync.probed
    cdef uint8_t function
    cdef int32_t i, k
    for i in range(l.member_count):
        if l.devices[l.members[i].device].unit == d.unit:
            layout = l.members[i].g.current
            for k in range(layout.request_count):
                used |= <uint32_t>1 << layout.requests[k].spec[0]
    for function in range(4, 0, -1):  # input and holding registers, then bits
        if not used >> function & 1:
            f.purpose = PROBE
            f.ask.function, f.ask.address, f.ask.count = function, 0, 1
            f.ask.data_bytes = 2 if function > 2 else 1
            d.sync.probed |= <uint8_t>(1 << function)
            return True
    return False


cdef bint choose_first(link_t *l, member_t *m, flight_t *f) noexcept nogil:
    """Once, when all is well: would it answer a probe? Else a probe at a bad time may be in vain,
    and a device that returned would wait for the next try.
    """
    cdef device_t *d = &l.devices[m.device]
    cdef ask_t ask
    cdef int32_t k, sizes = 0
    for k in range(m.scan.layout.request_count):
        ask_of(&m.scan.layout.requests[k], &ask)
        sizes = max(sizes, ask.count if ask.function > 2 else (ask.count + 7) // 8)
    if sizes < SIZES_ENOUGH and choose_function(l, m, f):
        return True
    d.sync.probing = MUTE
    return False


cdef bint send_next(link_t *l, int32_t index, int64_t now) noexcept nogil:
    """Send the next request of a queued scan, or finish with it; False when none can go out now."""
    cdef member_t *m = &l.members[index]
    cdef scan_t *s = &m.scan
    cdef device_t *d = &l.devices[m.device]
    cdef flight_t f
    cdef request_t *r
    if s.failed or s.next_request >= s.layout.request_count:
        unqueue(l, index)
        scan_check(l, index, now)
        return True
    memset(&f, 0, sizeof(flight_t))
    f.member = index
    f.ask.unit = d.unit
    if d.sync.quarantine:
        if now < d.sync.quarantine:
            s.failed = True
            s.fail_status = BAD_NO_ANSWER
            return True
        l.port.ops.flush(l.port)
        synced(d.sync)
        d.sync.probed = 0
    r = &s.layout.requests[s.next_request]
    if now < d.busy_until:
        mark_part(s.layout, r.first_part, BAD_BUSY)
        s.next_request += 1
        return True
    if r.skip_until:
        if now < r.skip_until:
            mark_part(s.layout, r.first_part, r.refused_quality)
            s.next_request += 1
            return True
        r.skip_until = 0
    if d.sync.unsynced:
        if l.flying:
            return False
        if not choose_size(l, m, &f) and not (
            d.sync.probing == ANSWERED and choose_function(l, m, &f)
        ):
            d.sync.quarantine = d.sync.overdue + l.timeout_ns
            return True
    elif (
        d.sync.probing == UNKNOWN and d.ever and l.framing != TCP and choose_first(l, m, &f)
    ):
        if l.flying:
            return False
    else:
        f.request = s.next_request
        ask_of(r, &f.ask)
        s.next_request += 1
    f.wire_ns = wire_time(l, f.ask.data_bytes)
    s.open += 1
    if s.first_sent == 0:
        s.first_sent = now
        group_late(m.g, now - s.due_ns)
    return send_request(l, &f, now)


cdef int32_t first_ready(link_t *l, int64_t now, int64_t *when) noexcept nogil:
    """The scan that began first among those whose device may be asked; -1, and when one may."""
    cdef device_t *d
    cdef int32_t i
    when[0] = NEVER
    for i in range(l.queue_count):
        d = &l.devices[l.members[l.queue[i]].device]
        if d.free_at <= now:
            when[0] = l.free_at
            return l.queue[i] if l.free_at <= now else -1
        if d.free_at < when[0]:
            when[0] = d.free_at
    return -1


cdef void pump(link_t *l, int64_t now) noexcept nogil:
    """Send what may be sent, and say when to be called again."""
    cdef int32_t i, index
    cdef int64_t ready = NEVER
    while l.state == UP and l.queue_count and l.flying < may_fly(l) and not l.settle:
        index = first_ready(l, now, &ready)
        if index < 0 or not send_next(l, index, now):
            break
    if l.flights_most and l.queue_count and l.flying == l.in_flight_max:
        l.flights[l.flying - 1].full = True
    l.due = NEVER
    if l.state == DOWN:
        l.due = NEVER if l.draining else l.reopen_at
    elif l.state == CONNECTING:
        l.due = l.connect_deadline
    else:
        if l.flying == 0:
            l.deaf_until = 0
        elif l.deaf_until:
            l.due = l.deaf_until
        for i in range(l.flying):
            if l.flights[i].deadline < l.due:
                l.due = l.flights[i].deadline
        if l.settle:
            # The time-out waits for the repeat; a line that never falls silent ends it too.
            l.due = min(l.settle_until, l.due + l.timeout_ns if l.flying else NEVER)
        if l.queue_count and l.flying < may_fly(l) and now < ready < l.due:
            l.due = ready
