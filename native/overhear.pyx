"""A bus that belongs to another master: `listen_only`. What it asks and is answered becomes rows;
nothing is ever sent.

Theory of operation. On two wires both directions arrive as one stream. Times can't be trusted to
part its frames (adapters bring bytes in bursts), so the stream is searched for whole read requests
by their CRC; the answer is believed where it follows one: the same unit, function and size, its CRC
right, no more than JUNK_MOST bytes between (a driver that turns round leaves a spike or two). All
else (writes, other functions, damage) is passed over.

A value is believed only if no older answer can be taken for it. When a request gets no answer
before the next one or in `timeout`, the unit is *unsynced*: its answer may still come, and all that
follow may be shifted by one. It is believed again once it was neither asked nor heard for one
`timeout`, or by an answer whose size none has that is owed. Four bytes or more that are no frame
may have been a request to anyone: then, and at the beginning, nobody is believed for one `timeout`.

A scan lasts from its tick to the next: its row has what was heard between, each planned request
from the newest answer that covers it, and the middle of that time. Where nothing at all was heard
of a device the first row says so, and its next ticks are a gap, as of a device that is silent.
"""

from libc.stdint cimport UINT32_MAX, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove

from native.crc cimport crc16_of
from native.modbus cimport RTU, RTU_MAX, ask_t, answer_chars, request_chars
from native.reasons cimport (
    BAD_LINK_DOWN,
    BAD_NO_ANSWER,
    BAD_NOT_ASKED,
    GAP_DEVICE_SILENT,
    GAP_LINK_DOWN,
    GAP_OVERRUN,
    GOOD,
)
from native.rows cimport (
    group_commit,
    group_late,
    group_skip,
    request_t,
    row_data,
    row_status,
    row_t,
)
from native.scan cimport scan_begin
from native.state cimport (
    UP,
    device_t,
    is_outstanding,
    link_t,
    mark_outstanding,
    member_t,
    quality_of,
    scan_t,
    sync_t,
    synced,
)

cdef enum:
    REQUEST = 8       # bytes of a read request
    # Bytes between a request and its answer that are no part of either; no request fits in there,
    # whose answer would then be taken for the one before.
    JUNK_MOST = 3


cdef inline uint16_t word(const uint8_t *p) noexcept nogil:
    return <uint16_t>(p[0] << 8 | p[1])


cdef inline bint is_whole(const uint8_t *p, size_t n) noexcept nogil:
    """Whether `n` bytes end in their CRC, low byte first."""
    return crc16_of(p, n - 2) == (p[n - 2] | p[n - 1] << 8)


cdef bint is_request(const uint8_t *p, ask_t *ask) noexcept nogil:
    """REQUEST bytes that ask for a read (Application Protocol V1.1b3, 6.1 to 6.4)."""
    cdef uint16_t address = word(p + 2)
    cdef uint16_t count = word(p + 4)
    if not 1 <= p[1] <= 4 or p[0] == 0 or count == 0:
        return False
    if count > (2000 if p[1] <= 2 else 125) or <uint32_t>address + count > 65536:
        return False
    if not is_whole(p, REQUEST):
        return False
    ask.unit, ask.function, ask.address, ask.count = p[0], p[1], address, count
    ask.data_bytes = <uint16_t>(2 * count if p[1] > 2 else (count + 7) // 8)
    return True


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


cdef void take_heard(
    link_t *l, int32_t device, const uint8_t *data, uint8_t status, int64_t now
) noexcept nogil:
    """The answer to `l.heard` into the rows in progress: `data`, or `status` where that is NULL."""
    cdef ask_t *ask = &l.heard
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
            if (
                r.function != ask.function or r.address < ask.address
                or <uint32_t>r.address + r.count > <uint32_t>ask.address + ask.count
            ):
                continue
            if s.first_sent == 0:
                s.first_sent = max(l.heard_at, s.due_ns)
            s.last_received = now
            if data == NULL:
                if row_status(m.g.scratch)[k] != GOOD:
                    row_status(m.g.scratch)[k] = status
                continue
            skip = <uint32_t>(r.address - ask.address)
            to = row_data(s.layout, m.g.scratch) + r.offset
            if r.function > 2:
                memcpy(to, data + 2 * skip, r.data_bytes)
            else:
                copy_bits(to, data, skip, r.count)
            row_status(m.g.scratch)[k] = GOOD
            m.told = False


cdef bint believed(link_t *l, sync_t *s, bint is_data, int64_t now) noexcept nogil:
    """Whether the answer just heard can be that to `l.heard` only."""
    if l.heard_at < l.doubt_until:
        return False
    if not s.unsynced:
        return True
    if is_data and not is_outstanding(s, l.heard.data_bytes):
        synced(s)
        return True
    mark_outstanding(s, l.heard.data_bytes, now)
    return False


cdef void asked(link_t *l, int64_t now) noexcept nogil:
    """A request was heard: a unit that owed an answer, and was silent for long, owes none."""
    cdef device_t *d
    cdef int32_t i
    l.hearing = True
    l.heard_at = now
    l.requests += 1
    for i in range(l.device_count):
        d = &l.devices[i]
        if d.unit == l.heard.unit and d.sync.unsynced:
            if now - d.sync.overdue >= l.timeout_ns:
                synced(d.sync)
            else:
                d.sync.overdue = now


cdef void unexplained(link_t *l, size_t n, int64_t now) noexcept nogil:
    """`n` bytes are passed over that are no frame."""
    if n > JUNK_MOST:
        l.wrong += 1
        l.doubt_until = now + l.timeout_ns


cdef size_t whole_frame(const uint8_t *p, size_t n) noexcept nogil:
    """Bytes of the frame of any function that is there by its CRC, 0: none."""
    cdef size_t size
    if p[0] <= 247:
        for size in range(4, min(n, <size_t>RTU_MAX) + 1):
            if is_whole(p, size):
                return size
    return 0


cdef void passed_by(link_t *l, const uint8_t *p, size_t n, int64_t now) noexcept nogil:
    """A frame that is no read request. An answer that nobody was heard to ask for tells that those
    of its unit may be shifted; not at the beginning, where its request was before our time.
    """
    cdef int32_t i
    if 1 <= (p[1] & 0x7F) <= 4 and now >= l.doubt_until:
        for i in range(l.device_count):
            if l.devices[i].unit == p[0]:
                mark_outstanding(l.devices[i].sync, <uint16_t>(n - 5), now)


cdef void answered(link_t *l, const uint8_t *data, uint8_t code, int64_t now) noexcept nogil:
    """The request heard last got `data`, or the exception `code`."""
    cdef device_t *d
    cdef int32_t i
    l.answers += 1
    l.busy_ns += l.char_ns * (
        request_chars(RTU) + answer_chars(RTU, l.heard.data_bytes if data != NULL else 0)
    )
    for i in range(l.device_count):
        d = &l.devices[i]
        if d.unit != l.heard.unit:
            continue
        if not believed(l, d.sync, data != NULL, now):
            d.late += 1
            l.late += 1
            continue
        d.requests += 1
        d.answers += 1
        d.answer_ns = now - l.heard_at
        if d.silent or not d.ever:
            d.since = now
        d.silent = False
        d.ever = True
        if data == NULL:
            d.exceptions += 1
            l.exceptions += 1
            d.cause, d.code = quality_of(code), code
        else:
            d.cause = 0
            d.last_good = now
        take_heard(l, i, data, d.cause, now)


cdef void missed(link_t *l, int64_t now) noexcept nogil:
    """The request heard last got no answer: what comes of its unit soon may be it."""
    cdef device_t *d
    cdef int32_t i
    l.hearing = False
    l.timeouts += 1
    for i in range(l.device_count):
        d = &l.devices[i]
        if d.unit != l.heard.unit:
            continue
        d.requests += 1
        d.timeouts += 1
        d.cause = BAD_NO_ANSWER
        take_heard(l, i, NULL, BAD_NO_ANSWER, now)
        mark_outstanding(d.sync, l.heard.data_bytes, now)


cdef ssize_t find_heard(link_t *l, const uint8_t *p, size_t n, int64_t now) noexcept nogil:
    """Look for the answer to `l.heard` in front: bytes that it took, 0: not all there yet, -1: it
    does not come.
    """
    cdef size_t whole, at
    for at in range(<size_t>JUNK_MOST + 1):
        if n < at + 3:
            return 0
        if p[at] != l.heard.unit:
            continue
        if p[at + 1] == l.heard.function and p[at + 2] == <uint8_t>l.heard.data_bytes:
            whole = 5 + <size_t>l.heard.data_bytes
        elif p[at + 1] == l.heard.function | 0x80:
            whole = 5
        else:
            continue
        if n < at + whole:
            return 0
        if not is_whole(p + at, whole):
            continue
        if whole == 5 and p[at + 1] & 0x80:
            answered(l, NULL, p[at + 2], now)
        else:
            answered(l, p + at + 3, 0, now)
        l.hearing = False
        return <ssize_t>(at + whole)
    return -1


cdef size_t next_request(link_t *l, size_t at) noexcept nogil:
    """Where the first whole request from `at` on begins; the input's size: nowhere."""
    cdef ask_t ask
    while at + REQUEST <= l.input_size:
        if is_request(l.input + at, &ask):
            return at
        at += 1
    return l.input_size


cdef void overhear(link_t *l, int64_t now) noexcept nogil:
    """Take what has arrived: requests, and the answers that follow them."""
    cdef size_t at = 0, n, skip
    cdef ssize_t took
    if l.hearing and now - l.heard_at > l.timeout_ns:
        missed(l, now)
    while at < l.input_size:
        if l.hearing:
            took = find_heard(l, l.input + at, l.input_size - at, now)
            if took == 0:
                break
            if took > 0:
                at += <size_t>took
                continue
            missed(l, now)
        n = l.input_size - at
        if n < REQUEST:
            break
        if is_request(l.input + at, &l.heard):
            asked(l, now)
            at += REQUEST
            continue
        skip = whole_frame(l.input + at, n)
        if skip:
            passed_by(l, l.input + at, skip, now)
        else:
            # Not all of it is here yet, or what is no frame ends where the next request begins.
            skip = next_request(l, at + 1) - at
            if skip == n:
                if n <= RTU_MAX + REQUEST:
                    break
                skip = n - RTU_MAX
            unexplained(l, skip, now)
        at += skip
    l.input_size -= at
    memmove(l.input, l.input + at, l.input_size)


cdef void overheard_row(link_t *l, int32_t index, int64_t now) noexcept nogil:
    """End the scan that listened until now."""
    cdef member_t *m = &l.members[index]
    cdef scan_t *s = &m.scan
    cdef device_t *d = &l.devices[m.device]
    cdef row_t *row = <row_t *>m.g.scratch
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
    row.mid_ns = s.first_sent + (s.last_received - s.first_sent) // 2
    # 32 bits hold 71 minutes.
    row.half_span_us = <uint32_t>min((s.last_received - s.first_sent) // 2000, <int64_t>UINT32_MAX)
    group_commit(m.g, s.layout, s.tick)


cdef void overheard_due(link_t *l, int32_t index, uint64_t tick, int64_t now) noexcept nogil:
    """Tick `tick` is due: the scan before it ends, its own begins to listen."""
    cdef member_t *m = &l.members[index]
    if m.scan.active:
        overheard_row(l, index, now)
    m.g.ticks_due = tick + 1
    if l.state == UP:
        group_skip(m.g, tick, GAP_OVERRUN)
        scan_begin(l, index, tick)
        return
    if m.told:
        group_skip(m.g, tick + 1, GAP_LINK_DOWN)
        return
    group_skip(m.g, tick, GAP_OVERRUN)
    scan_begin(l, index, tick)
    m.scan.first_sent = m.scan.last_received = now
    for i in range(m.scan.layout.request_count):
        row_status(m.g.scratch)[i] = BAD_LINK_DOWN
    overheard_row(l, index, now)
    m.told = True
