"""A story from its seed to its verdict: faults for a while, then calm, then everything is read.

The verdict of each, whatever happened (contracts.md, 4 and 6):

* no wrong value: a good part of a row holds what that device said, at that address, to a request
  that was sent within the scan;
* every tick is accounted: a row or a part of a gap, in order, once, from the first to the last;
* what can be read is read: some time after the last fault all rows are good, and none is missing
  but where the wire is full;
* nothing hangs, nothing spins: while a scan is open there is a time at which the link is due;
* the counters add up.
"""

from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memset

from native.clock cimport MS
from native.engine.link cimport Link
from native.engine.machine cimport link_finish, link_open
from native.engine.rig cimport rig_begin, rig_end
from native.engine.counts cimport counts_t
from native.engine.state cimport device_t, link_t
from native.reasons cimport GAP_OVERRUN, GOOD
from native.rows.store cimport (
    group_t,
    layout_t,
    request_t,
    row_data,
    row_status,
    row_t,
    store_t,
    tickgap_t,
)
from tests.stories.machines cimport FRAME_MAX, METER, MIXED, RTU, Kind, expect, key_of
from tests.stories.world cimport (
    DEVICES_MAX,
    pick,
    said_t,
    world_begin,
    world_end,
    world_run,
    world_t,
)

cdef extern from *:
    """
    #define START INT64_C(1000000000)
    #define BACK_WITHIN (5000 * MS)
    #define EACH_AGAIN (2000 * MS)
    """
    int64_t START
    int64_t BACK_WITHIN  # good data again, after the cause ended
    int64_t EACH_AGAIN   # a silent device is asked again, at least

cdef enum:
    MEMBERS_MAX = 16
    REFUSED_ENOUGH = 3   # what is refused so often, and never answered, may be set aside

FAULT_NAMES = (
    "late", "damaged", "cut", "pieces", "lost", "refused", "busy", "foreign", "noise", "hang-up",
    "mute", "hush", "shy", "babble", "refusal", "starved", "stuck", "heartbeat",
)


cdef struct verdict_t:
    # What is broken, and where.
    const char *what
    int32_t member
    uint64_t tick
    int32_t request
    uint8_t quality
    int64_t mid_ns         # of a wrong value's row, from the first tick on
    uint32_t half_us
    int64_t calm_from      # ticks that are due from then on are good,
    uint64_t upto[MEMBERS_MAX]  # up to the scan that the end cuts off


cdef class Story:
    """Of `seed`, on `link`, whose machines are `devices` of the kind that its number in
    `tests.stories.machines` says. `told`: keep what is said, for `lines`.
    """

    cdef Link link
    cdef world_t w
    cdef verdict_t v
    cdef readonly list lines
    cdef bint begun

    def __cinit__(
        self, Link link not None, int kind, uint64_t seed, int32_t devices, bint told=False
    ):
        self.link = link
        memset(&self.w, 0, sizeof(world_t))
        memset(&self.v, 0, sizeof(verdict_t))
        self.lines = []
        if link.l.member_count > MEMBERS_MAX or devices > DEVICES_MAX:
            raise ValueError("more than a story holds")
        self.w.kind, self.w.devices = <Kind>kind, devices
        self.w.line = link.l.line
        self.w.timeout_ns, self.w.char_ns = link.l.timeout_ns, link.l.bus.char_ns
        if told:
            self.w.notes = <void *>self.lines
        self.begun = rig_begin(&self.w.rig, &link.l, START)
        if not self.begun or not world_begin(&self.w, seed):
            raise MemoryError

    def __dealloc__(self):
        world_end(&self.w)
        if self.begun:
            rig_end(&self.w.rig)

    def run(self) -> str:
        """What is broken, or nothing."""
        with nogil:
            told(&self.w, &self.v)
        if self.v.what == NULL:
            return ""
        where = ""
        if self.v.member >= 0:
            where = f": group {self.v.member} tick {self.v.tick}"
            if self.v.request >= 0:
                where += f" request {self.v.request}"
            if self.v.mid_ns:
                where += f" at {self.v.mid_ns / 1e6} +- {self.v.half_us / 1e3} ms"
            if self.v.quality:
                where += f" quality {self.v.quality}"
        return self.v.what.decode() + where

    @property
    def happened(self) -> dict:
        """How often each fault did."""
        return dict(zip(FAULT_NAMES, self.w.happened, strict=True))

    @property
    def asked(self) -> int:
        """Read requests that the machines heard."""
        return self.w.said_count


cdef bint broken(
    verdict_t *v, const char *what, int32_t member=-1, uint64_t tick=0, int32_t request=-1
) noexcept nogil:
    if v.what == NULL:
        v.what, v.member, v.tick, v.request = what, member, tick, request
    return False


cdef int64_t scans_ns(world_t *w) noexcept nogil:
    """In what time each group has a scan, at the least: the longest period, stretched where the
    wire is asked for more than it carries, and what one scan of each takes.
    """
    cdef link_t *link = w.rig.l
    cdef layout_t *layout
    cdef int64_t one, all_ns = 0, longest = 0
    cdef double load = 0
    cdef int32_t i, k
    for i in range(link.member_count):
        layout = link.members[i].g.current
        one = 0
        for k in range(layout.request_count):
            one += <int64_t>layout.requests[k].chars * link.bus.char_ns + 15 * MS
        all_ns += one
        load += <double>one / <double>link.members[i].g.period_ns
        longest = max(longest, link.members[i].g.period_ns)
    return all_ns + (longest if load < 1 else <int64_t>(<double>longest * load))


cdef int32_t mute_count(const layout_t *layout) noexcept nogil:
    """Requests that brought no answer: once more, and they are set aside, and wait as silent
    devices do.
    """
    cdef int32_t i, found = 0
    for i in range(layout.request_count):
        found += layout.requests[i].misses > 0
    return found


cdef void told(world_t *w, verdict_t *v) noexcept nogil:
    """The whole story."""
    cdef link_t *link = w.rig.l
    cdef int64_t scans = scans_ns(w), silent = 0, mute = 0
    cdef int32_t i
    w.calm_at = START + 500 * MS + <int64_t>pick(w, 9000) * MS
    link_open(link, w.rig.now)
    world_run(w, w.calm_at)
    for i in range(link.device_count):
        silent += link.devices[i].silent
    for i in range(link.member_count):
        mute += mute_count(link.members[i].g.current)
    silent = max(EACH_AGAIN, (silent + mute) * (w.timeout_ns + 300 * link.bus.char_ns) * 20)
    v.calm_from = w.rig.now + BACK_WITHIN + silent + (2 + mute) * scans
    world_run(w, v.calm_from + 4 * scans)
    for i in range(link.member_count):
        v.upto[i] = link.members[i].g.next_tick
    if w.broken != NULL:
        broken(v, w.broken)
        return
    judge_waiting(w, v)
    link_finish(link, w.rig.now, w.rig.now)
    for i in range(link.member_count):
        if not judge_group(w, v, i):
            return
    judge_counters(w, v)


cdef bint judge_waiting(world_t *w, verdict_t *v) noexcept nogil:
    """Nothing waits for what never comes."""
    cdef link_t *link = w.rig.l
    cdef int32_t i
    for i in range(link.member_count):
        if link.members[i].scan.active and link.shell.due == INT64_MAX:
            return broken(v, "a scan is open, and nothing is due", i, link.members[i].scan.tick)
    return True


cdef bint judge_group(world_t *w, verdict_t *v, int32_t member) noexcept nogil:
    """Ticks in order, each once; values; good rows at the end."""
    cdef group_t *g = w.rig.l.members[member].g
    cdef store_t *s = g.filled if g.filled != NULL else g.active
    cdef uint64_t next_tick = 0, rows = 0
    cdef uint32_t row_at, gap_at
    cdef row_t *row
    cdef tickgap_t *gap
    cdef bint is_end_read = False
    while s != NULL:
        row_at = gap_at = 0
        while row_at < s.row_count or gap_at < s.gap_count:
            row = <row_t *>(s.rows + <size_t>row_at * s.layout.stride)
            gap = &s.gaps[gap_at]
            if gap_at < s.gap_count and gap.first == next_tick:
                if not judge_gap(w, v, member, gap):
                    return False
                next_tick += gap.count
                gap_at += 1
            elif row_at < s.row_count and row.tick == next_tick:
                if not judge_row(w, v, member, s.layout, row):
                    return False
                is_end_read = is_end_read or is_calm(w, v, member, row.tick)
                next_tick += 1
                rows += 1
                row_at += 1
            else:
                return broken(v, "a tick is not accounted, or twice", member, next_tick)
        s = NULL if s == g.active else (s.next if s.next != NULL else g.active)
    if next_tick != g.next_tick or next_tick != g.ticks_due or rows != g.rows:
        return broken(v, "the last tick is not accounted", member, next_tick)
    if next_tick != <uint64_t>((w.rig.now - START) // g.period_ns) + 1:
        return broken(v, "a tick was never due", member, next_tick)
    if not is_end_read:
        return broken(v, "no row in the end, with nothing wrong", member, next_tick)
    return True


cdef inline bint is_calm(world_t *w, verdict_t *v, int32_t member, uint64_t tick) noexcept nogil:
    """Whether a tick was due when all should be well."""
    cdef group_t *g = w.rig.l.members[member].g
    return tick < v.upto[member] and g.start_ns + <int64_t>tick * g.period_ns >= v.calm_from


cdef bint judge_gap(
    world_t *w, verdict_t *v, int32_t member, const tickgap_t *gap
) noexcept nogil:
    if gap.reason == 0 or gap.count == 0:
        return broken(v, "a gap of nothing", member, gap.first)
    if gap.reason != GAP_OVERRUN and is_calm(w, v, member, gap.first):
        return broken(v, "a gap in the end, with nothing wrong", member, gap.first)
    return True


cdef bint judge_row(
    world_t *w, verdict_t *v, int32_t member, layout_t *layout, row_t *row
) noexcept nogil:
    cdef uint8_t *status = row_status(<uint8_t *>row)
    cdef request_t *r
    cdef int32_t i
    cdef uint32_t k
    cdef bint calm = is_calm(w, v, member, row.tick)
    for i in range(layout.request_count):
        r = &layout.requests[i]
        for k in range(r.part_count):
            if status[r.first_part + k] == GOOD:
                if not is_true(w, member, layout, row, i, k):
                    v.mid_ns, v.half_us = row.mid_ns - START, row.half_span_us
                    return broken(v, "a wrong value is good", member, row.tick, i)
            elif calm and not may_be_set_aside(w, member, r):
                v.quality = status[r.first_part + k]
                return broken(v, "a bad row in the end, with nothing wrong", member, row.tick, i)
    return True


cdef inline Kind kind_of(const world_t *w, int32_t member) noexcept nogil:
    """Of its device: on a mixed line every other one is a meter."""
    if w.kind != MIXED:
        return w.kind
    return METER if w.rig.l.members[member].device & 1 else RTU


cdef bint may_be_set_aside(world_t *w, int32_t member, const request_t *r) noexcept nogil:
    """Whether it never answered and was refused often enough to rest for long (contracts.md, 6)."""
    cdef uint64_t key = key_of(kind_of(w, member), r.spec, r.spec_size)
    cdef int32_t device = w.rig.l.members[member].device, refused = 0
    cdef uint32_t i
    for i in range(w.said_count):
        refused += w.said[i].refused and w.said[i].key == key and w.said[i].device == device
    return not r.answered and refused >= REFUSED_ENOUGH


cdef uint32_t said_from(const world_t *w, int64_t at) noexcept nogil:
    """The first request that was heard at that time or later."""
    cdef uint32_t low = 0, high = w.said_count, middle
    while low < high:
        middle = (low + high) // 2
        if w.said[middle].at < at:
            low = middle + 1
        else:
            high = middle
    return low


cdef bint is_true(
    world_t *w, int32_t member, layout_t *layout, row_t *row, int32_t request, uint32_t part
) noexcept nogil:
    """Whether a request of that scan was answered with what the row holds."""
    cdef uint8_t wanted[FRAME_MAX]
    cdef const request_t *r = &layout.requests[request]
    cdef const uint8_t *data = row_data(layout, <uint8_t *>row) + (
        layout.parts[r.first_part + part].offset
    )
    cdef size_t size = layout.parts[r.first_part + part].bytes
    cdef uint64_t key = key_of(kind_of(w, member), r.spec, r.spec_size)
    cdef int32_t device = w.rig.l.members[member].device
    # Rows count in microseconds.
    cdef int64_t half = <int64_t>row.half_span_us * 1000 + 2000
    cdef uint32_t i = said_from(w, row.mid_ns - half)
    cdef const said_t *s
    while i < w.said_count and w.said[i].at <= row.mid_ns + half:
        s = &w.said[i]
        if s.answered and s.key == key and s.device == device:
            if expect(kind_of(w, member), device, r.spec, part, i, wanted) == size and (
                memcmp(wanted, data, size) == 0
            ):
                return True
        i += 1
    return False


cdef bint judge_counters(world_t *w, verdict_t *v) noexcept nogil:
    cdef link_t *link = w.rig.l
    cdef const counts_t *n = &link.counts
    cdef uint64_t requests = 0, answers = 0, timeouts = 0, damaged = 0, exceptions = 0
    cdef device_t *d
    cdef int32_t i
    for i in range(link.device_count):
        d = &link.devices[i]
        requests += d.requests
        answers += d.answers
        timeouts += d.timeouts
        damaged += d.damaged
        exceptions += d.exceptions
    if requests != n.requests or answers != n.answers or timeouts != n.timeouts:
        return broken(v, "devices and link count differently")
    if damaged != n.damaged or exceptions != n.exceptions:
        return broken(v, "devices and link count differently")
    if n.bytes_out != w.bytes_heard:
        return broken(v, "bytes were sent that nobody heard")
    if n.requests < n.answers + n.timeouts:
        return broken(v, "more was answered than asked")
    return True
