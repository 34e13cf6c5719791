"""A scan's life, from its tick to its row or gap; and what the loss of the port does to all of
them.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memset

from native.engine.flights cimport flights_troubled
from native.rows.store cimport (
    group_commit,
    group_hold,
    group_skip,
    layout_t,
    row_dated,
    row_status,
    row_t,
)
from native.engine.protocol cimport CUT_OFF, session_t
from native.reasons cimport BAD_LINK_DOWN, BAD_NO_ANSWER, BAD_NOT_ASKED, GAP_DEVICE_SILENT
from native.engine.state cimport (
    BACKOFF_FIRST,
    BACKOFF_LAST,
    DOWN,
    FAILURES_SILENT,
    REOPEN_LAST,
    UP,
    clear_queue,
    device_t,
    jitter,
    link_t,
    member_t,
    scan_t,
    unqueue,
)


cdef void scan_begin(link_t *l, int32_t index, uint64_t tick) noexcept nogil:
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
    s.layout = group_hold(m.g)
    memset(row_status(m.scan.layout.scratch), BAD_NOT_ASKED, <size_t>s.layout.part_count)


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
    if s.awaited:
        s.awaited = False
        l.ended[l.ended_count] = index
        l.ended_count += 1
    if s.failed and s.fail_status == BAD_NO_ANSWER:
        d.failures += 1
        if d.silent or d.failures >= FAILURES_SILENT or not d.ever:
            if not d.silent:
                d.silent = True
                d.since = now
                d.backoff_ns = BACKOFF_FIRST
            elif d.backoff_ns < BACKOFF_LAST and d.wait_until <= now:
                d.backoff_ns *= 2
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
    if s.active and s.open == 0 and (s.failed or s.next_request >= s.layout.request_count):
        unqueue(l, index)
        scan_end(l, index, now)


cdef void scan_fail(link_t *l, int32_t index, uint8_t status, int64_t now) noexcept nogil:
    cdef scan_t *s = &l.members[index].scan
    s.failed = True
    s.fail_status = status
    scan_check(l, index, now)


cdef void link_lost(link_t *l, int error, int64_t now) noexcept nogil:
    """Close and plan to open again. Scans in progress end with what they have."""
    cdef int32_t i, k
    cdef member_t *m
    cdef layout_t *layout
    cdef session_t *s
    cdef uint8_t *status
    if l.state == UP:
        l.reconnects += 1
    if l.state != DOWN:
        l.since = now
    l.port.ops.close(l.port)
    l.state = DOWN
    l.registered = False
    l.error = error
    l.unwelcome = l.greeting
    for i in range(l.flying):
        s = l.flights[i].station.session
        s.protocol.ended(s, &l.flights[i], CUT_OFF, now)
    if l.sessions[0].single:
        l.in_flight_max = 1
        l.flights_most = 0
    if l.flying:
        flights_troubled(l, l.flights[0].sent, now)
    l.flying = 0
    l.settle = l.more = l.greeting = False
    l.input_size = 0
    l.reopen_at = now + jitter(l, l.backoff_ns)
    if l.backoff_ns < REOPEN_LAST:
        l.backoff_ns = 2 * l.backoff_ns if 2 * l.backoff_ns < REOPEN_LAST else REOPEN_LAST
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
