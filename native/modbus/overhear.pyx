"""A bus that belongs to another master: `listen_only`. What it asks and is answered becomes rows;
nothing is ever sent.

Theory of operation. On two wires both directions arrive as one stream. Times can't be trusted to
part its frames (adapters bring bytes in bursts), so the stream is searched for whole read requests
by their CRC; the answer is believed where it follows one: the same unit, function and size, its CRC
right, no more than JUNK_MOST bytes between (a driver that turns round leaves a spike or two). All
else (writes, other functions, damage) is passed over.

A value is believed only if no older answer can be taken for it: see native.modbus.owed. Silence is
counted from when the port was last seen empty: bytes that waited for us don't tell when they came.
Where we looked away for long (STALLED), the kernel lost bytes, or four bytes or more were no frame
(they may have been a request to anyone), nobody is believed for one `timeout` and the longest
frame; nor at the beginning. What can't be told is a master that is out of step from before then,
and takes one answer for another for ever.

A scan lasts from its tick to the next: its row has what was heard between, each planned request
from the newest answer that covers it, and the middle of that time. Where nothing at all was heard
of a device the first row says so, and its next ticks are a gap, as of a device that is silent.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove

from native.clock cimport MS
from native.engine.connection cimport UP
from native.engine.protocol cimport listen_t
from native.engine.scan cimport scan_begin
from native.engine.state cimport device_t, link_t, member_t, scan_t
from native.modbus.codec cimport RTU_MAX, ask_of, ask_t, quality_of
from native.modbus.heard cimport REQUEST, is_request, is_whole, next_request, whole_frame
from native.modbus.owed cimport asked_since, owe, unit_answered, unit_asked, unit_unasked, wire_time
from native.modbus.unit cimport doubt_ns, modbus_t, unit_of, unit_t
from native.reasons cimport (
    BAD_DAMAGED,
    BAD_LINK_DOWN,
    BAD_NOT_ASKED,
    BAD_NO_ANSWER,
    GAP_DEVICE_SILENT,
    GAP_LINK_DOWN,
    GAP_OVERRUN,
    GOOD,
)
from native.rows.store cimport (
    group_commit,
    group_late,
    group_skip,
    request_t,
    row_data,
    row_dated,
    row_status,
    row_t,
)
from native.wire.transport cimport counters_t

cdef enum:
    # Bytes between a request and its answer that are no part of either; no request fits in there,
    # whose answer would then be taken for the one before.
    JUNK_MOST = 3

cdef int64_t STALLED = 150 * MS  # between two looks; the loop looks each 100 ms


cdef inline modbus_t *h(link_t *l) noexcept nogil:
    return <modbus_t *>l.sessions[0]


cdef void copy_bits(
    uint8_t *to, const uint8_t *data, uint32_t first, uint32_t count
) noexcept nogil:
    """`count` bits from bit `first` of `data` on, the lowest first."""
    cdef uint32_t i, at
    for i in range(count):
        at = first + i
        if i % 8 == 0:
            to[i // 8] = 0
        to[i // 8] |= <uint8_t>((data[at // 8] >> (at % 8) & 1) << (i % 8))


cdef bint take_heard(
    link_t *l, int32_t device, const uint8_t *data, uint8_t status, int64_t since, int64_t now
) noexcept nogil:
    """The answer to `heard` into the rows in progress: `data`, or `status` where that is NULL;
    `since`: when it was asked for, at the earliest. False: it is older than all of them.
    """
    cdef ask_t *ask = &h(l).heard
    cdef ask_t planned
    cdef bint fresh = since == h(l).heard_at
    cdef member_t *m
    cdef request_t *r
    cdef scan_t *s
    cdef uint8_t *to
    cdef int32_t i, k
    cdef uint32_t skip
    for i in range(l.member_count):
        m = &l.members[i]
        s = &m.scan
        if m.device != device or not s.active:
            continue
        for k in range(s.layout.request_count):
            r = &s.layout.requests[k]
            if r.spec_size != 5:
                continue
            ask_of(r, &planned)
            if (
                planned.function != ask.function or planned.address < ask.address
                or <uint32_t>planned.address + planned.count > <uint32_t>ask.address + ask.count
            ):
                continue
            if since < s.due_ns and since != h(l).heard_at:
                continue
            fresh = True
            if s.first_sent == 0:
                s.first_sent = since
            s.last_received = now
            if data == NULL:
                if row_status(m.scan.layout.scratch)[r.first_part] != GOOD:
                    row_status(m.scan.layout.scratch)[r.first_part] = status
                continue
            skip = <uint32_t>(planned.address - ask.address)
            to = row_data(s.layout, m.scan.layout.scratch) + s.layout.parts[r.first_part].offset
            if planned.function > 2:
                memcpy(to, data + 2 * skip, planned.data_bytes)
            else:
                copy_bits(to, data, skip, planned.count)
            row_status(m.scan.layout.scratch)[r.first_part] = GOOD
            m.told = False
    return fresh


cdef void asked(link_t *l, int64_t now) noexcept nogil:
    """A request was heard."""
    cdef unit_t *u = unit_of(h(l), h(l).heard.unit)
    h(l).hearing = True
    h(l).heard_at = now
    l.counts.requests += 1
    if u != NULL:
        unit_asked(l, u, now)


cdef void doubt(link_t *l, int64_t now) noexcept nogil:
    """Something was asked and answered that we know nothing of."""
    h(l).doubt_until = now + doubt_ns(l.sessions[0])


cdef void unexplained(link_t *l, size_t n, int64_t now) noexcept nogil:
    """`n` bytes are passed over that are no frame."""
    if n > JUNK_MOST:
        l.counts.wrong += 1
        doubt(l, now)


cdef void passed_by(link_t *l, const uint8_t *p, size_t n, int64_t now) noexcept nogil:
    """A frame that is no read request; an answer in doubt is one whose request was before it."""
    cdef unit_t *u = unit_of(h(l), p[0])
    if u == NULL or n < 5 or not 1 <= (p[1] & 0x7F) <= 4 or now < h(l).doubt_until:
        return
    unit_unasked(l, u, p[1], <uint16_t>(n - 5), now)


cdef void answered(link_t *l, const uint8_t *data, uint8_t code, int64_t now) noexcept nogil:
    """The request heard last got `data`, or the exception `code`."""
    cdef device_t *d
    cdef int32_t i
    cdef unit_t *u = unit_of(h(l), h(l).heard.unit)
    cdef int64_t since = 0
    h(l).hearing = False
    l.counts.answers += 1
    l.counts.busy_ns += wire_time(l, h(l).heard.data_bytes if data != NULL else 0)
    if u == NULL:
        return
    if h(l).heard_at >= h(l).doubt_until:
        since = asked_since(l, u, data != NULL, now)
    else:
        unit_answered(u, now)
    for i in range(l.device_count):
        d = &l.devices[i]
        if d.station != &u.head:
            continue
        if since == 0:
            d.late += 1
            l.counts.late += 1
            continue
        d.requests += 1
        d.answers += 1
        d.answer_ns = now - h(l).heard_at
        if data == NULL:
            d.exceptions += 1
            l.counts.exceptions += 1
            d.cause, d.code = quality_of(code), code
        else:
            d.cause = 0
        if not take_heard(l, i, data, d.cause, since, now):
            continue
        if data != NULL:
            d.last_good = now
        if d.silent or not d.ever:
            d.since = now
        d.silent = False
        d.ever = True


cdef void failed(link_t *l, uint8_t cause, int64_t now) noexcept nogil:
    """The request heard last got no answer, or one that came damaged. What comes of its unit soon
    may be the one that did not come.
    """
    cdef unit_t *u = unit_of(h(l), h(l).heard.unit)
    cdef bint is_damaged = cause == BAD_DAMAGED
    cdef device_t *d
    cdef int32_t i
    h(l).hearing = False
    l.counts.damaged += is_damaged
    l.counts.timeouts += not is_damaged
    if u == NULL:
        return
    for i in range(l.device_count):
        d = &l.devices[i]
        if d.station == &u.head:
            d.requests += 1
            d.cause = cause
            d.damaged += is_damaged
            d.timeouts += not is_damaged
            take_heard(l, i, NULL, cause, h(l).heard_at, now)
    if is_damaged:
        unit_answered(u, now)
    else:
        owe(l, u, &h(l).heard, h(l).heard_at)


cdef ssize_t damaged_there(
    link_t *l, const uint8_t *p, size_t at, size_t whole, size_t n, int64_t now
) noexcept nogil:
    """Whether an answer of `whole` bytes lies at `at` that is damaged: where it ends, 0: too early
    to tell, -1: no. The next request is never waited behind: what is in front of it is all there
    is.
    """
    cdef size_t behind = next_request(p, at, n)
    if behind == n and n != at + whole and n < at + whole + REQUEST:
        return 0
    if behind != at + whole and n != at + whole:
        return -1
    failed(l, BAD_DAMAGED, now)
    return <ssize_t>(at + whole)


cdef ssize_t find_heard(link_t *l, const uint8_t *p, size_t n, int64_t now) noexcept nogil:
    """Look for the answer to `heard` in front: bytes that it took, 0: not all there yet, -1: it
    does not come.
    """
    cdef size_t whole, at
    cdef ssize_t took
    for at in range(<size_t>JUNK_MOST + 1):
        if n < at + 3:
            return 0
        if p[at] != h(l).heard.unit:
            continue
        if p[at + 1] == h(l).heard.function and p[at + 2] == <uint8_t>h(l).heard.data_bytes:
            whole = 5 + <size_t>h(l).heard.data_bytes
        elif p[at + 1] == h(l).heard.function | 0x80:
            whole = 5
        else:
            continue
        if n >= at + whole and is_whole(p + at, whole):
            if whole == 5 and p[at + 1] & 0x80:
                answered(l, NULL, p[at + 2], now)
            else:
                answered(l, p + at + 3, 0, now)
            return <ssize_t>(at + whole)
        took = damaged_there(l, p, at, whole, n, now)
        if took >= 0:
            return took
    # Its head may be what is damaged, where the next request lies right behind; but a spoilt
    # request to another may be as long.
    whole = 5 + <size_t>h(l).heard.data_bytes
    if whole == REQUEST:
        return -1
    return 0 if n == whole else damaged_there(l, p, 0, whole, n, now)


cdef bint is_over(link_t *l, int64_t now) noexcept nogil:
    """Whether the answer to `heard` is waited for no longer."""
    return now - h(l).heard_at > l.timeout_ns + wire_time(l, h(l).heard.data_bytes)


cdef void overhear(void *link, int64_t now) noexcept nogil:
    """Take what has arrived: requests, and the answers that follow them."""
    cdef link_t *l = <link_t *>link  # no-cython-lint
    cdef size_t at = 0, n, skip
    cdef ssize_t took
    while at < l.input.size:
        n = l.input.size - at
        if h(l).hearing:
            took = find_heard(l, l.input.bytes + at, n, now)
            if took > 0:
                at += <size_t>took
                continue
            if took == 0 and not is_over(l, now):
                break
            if took == 0 and n == 5 + <size_t>h(l).heard.data_bytes and n != REQUEST:
                failed(l, BAD_DAMAGED, now)  # in its head
                at += n
                break
            failed(l, BAD_NO_ANSWER, now)
        if n < REQUEST:
            break
        if is_request(l.input.bytes + at, &h(l).heard):
            asked(l, now)
            at += REQUEST
            continue
        skip = whole_frame(l.input.bytes + at, n)
        if skip:
            passed_by(l, l.input.bytes + at, skip, now)
        else:
            # Not all of it is here yet, or what is no frame ends where the next request begins.
            skip = next_request(l.input.bytes, at + 1, l.input.size) - at
            if skip == n:
                if n <= RTU_MAX + REQUEST:
                    break
                skip = n - RTU_MAX
            unexplained(l, skip, now)
        at += skip
    if h(l).hearing and at == l.input.size and is_over(l, now):
        failed(l, BAD_NO_ANSWER, now)
    l.input.size -= at
    memmove(l.input.bytes, l.input.bytes + at, l.input.size)


cdef void overhear_arrived(void *link, int64_t empty_at, int64_t now) noexcept nogil:
    """Bytes are there that came since `empty_at`: before they are read, whether they can be dated,
    and whether they are all.
    """
    cdef link_t *l = <link_t *>link  # no-cython-lint
    cdef counters_t line
    if l.port.ops.counters(l.port, &line) == 0 and line.overrun != h(l).overruns:
        h(l).overruns = line.overrun
        doubt(l, now)
    if now - empty_at > STALLED:
        doubt(l, now)


cdef void overheard_row(link_t *l, int32_t index, int64_t now) noexcept nogil:
    """End the scan that listened until now."""
    cdef member_t *m = &l.members[index]
    cdef scan_t *s = &m.scan
    cdef device_t *d = &l.devices[m.device]
    cdef row_t *row = <row_t *>m.scan.layout.scratch
    if h(l).hearing and l.conn.state == UP:
        overhear(l, now)  # nothing may come that would show that no answer does
    s.active = False
    if s.first_sent == 0:
        # Not a word of it.
        if now - max(d.last_good, d.since) >= m.g.period_ns and not d.silent:
            d.silent = True
            d.since = now
            d.cause = BAD_NOT_ASKED
        if m.told:
            group_skip(m.g, s.tick + 1, GAP_DEVICE_SILENT)
            return
        m.told = True
        s.first_sent = s.last_received = now
    group_late(m.g, s.first_sent - s.due_ns)
    row_dated(row, s.first_sent, s.last_received)
    group_commit(m.g, s.layout, s.tick)


cdef void overheard_due(void *link, int32_t index, uint64_t tick, int64_t now) noexcept nogil:
    """Tick `tick` is due: the scan before it ends, its own begins to listen."""
    cdef link_t *l = <link_t *>link  # no-cython-lint
    cdef member_t *m = &l.members[index]
    if m.scan.active:
        overheard_row(l, index, now)
    m.g.ticks_due = tick + 1
    if l.conn.state == UP:
        group_skip(m.g, tick, GAP_OVERRUN)
        scan_begin(l, index, tick)
        return
    if m.told:
        group_skip(m.g, tick + 1, GAP_LINK_DOWN)
        return
    group_skip(m.g, tick, GAP_OVERRUN)
    scan_begin(l, index, tick)
    m.scan.first_sent = m.scan.last_received = now
    for i in range(m.scan.layout.part_count):
        row_status(m.scan.layout.scratch)[i] = BAD_LINK_DOWN
    overheard_row(l, index, now)
    m.told = True


cdef listen_t OVERHEAR
OVERHEAR.arrived, OVERHEAR.take, OVERHEAR.due = overhear_arrived, overhear, overheard_due
