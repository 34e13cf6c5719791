"""A line that belongs to another master: `listen_only`. What it asks and is answered becomes rows;
nothing is ever sent. What was heard, and what of it can be believed, its protocol says.

A scan lasts from its tick to the next: its row has what was heard between, each planned request
from the newest answer that covers it, and the middle of that time. Where nothing at all was heard
of a device the first row says so, and its next ticks are a gap, as of a device that is silent.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t
from libc.string cimport memset

from native.engine.connection cimport UP
from native.engine.protocol cimport flight_t, mark_all, station_t
from native.engine.scan cimport scan_begin
from native.engine.state cimport device_t, link_t, member_t, scan_t
from native.reasons cimport (
    BAD_DAMAGED,
    BAD_LINK_DOWN,
    BAD_NOT_ASKED,
    GAP_DEVICE_SILENT,
    GAP_LINK_DOWN,
    GOOD,
)
from native.rows.store cimport (
    group_commit,
    group_skip,
    row_dated,
    row_status,
    row_t,
)
from native.rows.ticks cimport group_late, group_overrun


cdef bint fill_rows(
    link_t *l, int32_t device, const uint8_t *data, uint8_t status, int64_t asked_at,
    int64_t since, int64_t now
) noexcept nogil:
    """Put what was heard into the rows in progress that want it: `data`, or `status` where that is
    NULL. False: it was asked for before all of them began, and is in none.
    """
    cdef bint fresh = since == asked_at
    cdef flight_t f
    cdef scan_t *s
    cdef int32_t i, k
    memset(&f, 0, sizeof(flight_t))
    f.station = l.devices[device].station
    for i in range(l.member_count):
        s = &l.members[i].scan
        if l.members[i].device != device or not s.active:
            continue
        if since < s.due_ns and since != asked_at:
            continue
        f.layout = s.layout
        for k in range(s.layout.request_count):
            f.request = &s.layout.requests[k]
            if not f.station.session.protocol.listen.fill(f.station.session, &f, data):
                continue
            fresh = True
            if s.first_sent == 0:
                s.first_sent = since
            s.last_received = now
            if data != NULL:
                l.members[i].told = False
            elif row_status(s.layout.scratch)[f.request.first_part] != GOOD:
                mark_all(&f, status)
    return fresh


cdef void device_heard(
    link_t *l, int32_t device, const uint8_t *data, uint8_t quality, uint16_t code,
    int64_t asked_at, int64_t since, int64_t now
) noexcept nogil:
    cdef device_t *d = &l.devices[device]
    if since == 0:
        d.late += 1
        l.counts.late += 1
        return
    d.requests += 1
    d.answers += 1
    d.answer_ns = now - asked_at
    if data == NULL:
        d.exceptions += 1
        l.counts.exceptions += 1
        d.cause, d.code = quality, code
    else:
        d.cause = 0
    if not fill_rows(l, device, data, quality, asked_at, since, now):
        return
    if data != NULL:
        d.last_good = now
    if d.silent or not d.ever:
        d.since = now
    d.silent = False
    d.ever = True


cdef void listened_answer(
    link_t *l, station_t *whose, const uint8_t *data, uint8_t quality, uint16_t code,
    int64_t asked_at, int64_t since, int64_t now
) noexcept nogil:
    cdef int32_t i
    l.counts.answers += 1
    for i in range(l.device_count):
        if l.devices[i].station == whose:
            device_heard(l, i, data, quality, code, asked_at, since, now)


cdef void listened_failure(
    link_t *l, station_t *whose, uint8_t quality, int64_t asked_at, int64_t now
) noexcept nogil:
    cdef bint is_damaged = quality == BAD_DAMAGED
    cdef device_t *d
    cdef int32_t i
    l.counts.damaged += is_damaged
    l.counts.timeouts += not is_damaged
    for i in range(l.device_count):
        d = &l.devices[i]
        if d.station == whose:
            d.requests += 1
            d.cause = quality
            d.damaged += is_damaged
            d.timeouts += not is_damaged
            fill_rows(l, i, NULL, quality, asked_at, asked_at, now)


cdef void end_row(link_t *l, int32_t index, int64_t now) noexcept nogil:
    """A member's scan ends: what was heard since its tick is its row."""
    cdef member_t *m = &l.members[index]
    cdef scan_t *s = &m.scan
    cdef device_t *d = &l.devices[m.device]
    if l.conn.state == UP:
        # A request may wait for its answer, and no byte come that would show that its time is up.
        l.sessions[0].protocol.listen.take(l, now)
    s.active = False
    if s.first_sent == 0:
        # Nothing was heard that the row wants.
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
    row_dated(<row_t *>s.layout.scratch, s.first_sent, s.last_received)
    group_commit(m.g, s.layout, s.tick)


cdef void listening_due(link_t *l, int32_t index, uint64_t tick, int64_t now) noexcept nogil:
    """Tick `tick` is due: the scan before it ends, its own begins to listen."""
    cdef member_t *m = &l.members[index]
    if m.scan.active:
        end_row(l, index, now)
    m.g.ticks_due = tick + 1
    if l.conn.state == UP:
        group_overrun(m.g, tick)
        scan_begin(l, index, tick)
        return
    if m.told:
        group_skip(m.g, tick + 1, GAP_LINK_DOWN)
        return
    group_overrun(m.g, tick)
    scan_begin(l, index, tick)
    m.scan.first_sent = m.scan.last_received = now
    memset(row_status(m.scan.layout.scratch), BAD_LINK_DOWN, <size_t>m.scan.layout.part_count)
    end_row(l, index, now)
    m.told = True
