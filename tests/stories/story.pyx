"""A story from its seed to its verdict: faults for a while, then calm, then everything is read.

The verdict of each, whatever happened (contracts.md, 4 and 6):

* no wrong value: a good part of a row holds what that device said, at that address, to a request
  that was sent within the scan;
* every tick is accounted: a row or a part of a gap, in order, once, from the first to the last;
* what can be read is read: some time after the last fault all rows are good, and none is missing
  but where the wire is full;
* nothing hangs, nothing spins: while a scan is open there is a time at which the link is due;
* the counters add up;
* a guest is read once, and one that stays is read;
* on a line that is only listened to nothing is said, and what another master asked for and got
  within a tick is good in its row.
"""

from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from native.clock cimport MS
from native.engine.link cimport Link
from native.engine.machine cimport DRAIN_FOR
from native.engine.rig cimport rig_begin, rig_end, rig_finish, rig_open, rig_stop
from native.engine.counts cimport counts_t
from native.engine.state cimport device_t, link_t
from native.reasons cimport BAD_NOT_ASKED, GAP_DEVICE_SILENT, GAP_OVERRUN, GOOD
from native.rows.group cimport Group
from native.rows.store cimport (
    group_t,
    layout_t,
    request_t,
    row_status,
    row_t,
    store_t,
    tickgap_t,
)
from tests.stories.machines cimport Kind
from tests.stories.replies cimport pick, tell
from tests.stories.truth cimport is_any_heard, is_heard, is_true, may_be_set_aside
from tests.stories.world cimport (
    DEVICES_MAX,
    GUESTS_MAX,
    HEARTBEAT,
    world_begin,
    world_end,
    visit_t,
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
    BEATS_ENOUGH = 20    # some fall into a connection that ends
    REQUEST_CHARS = 20   # of a request, its answer without the data, and the silence between

FAULT_NAMES = (
    "late", "damaged", "cut", "pieces", "lost", "refused", "busy", "foreign", "noise", "hang-up",
    "mute", "hush", "shy", "babble", "refusal", "starved", "stuck", "heartbeat",
    "redial", "guest", "overrun", "short",
    "twice", "swapped",
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
    int64_t ended          # no tick was due from then on


cdef class Story:
    """Of `seed`, on `link`, whose machines are `devices` of the kind that its number in
    `tests.stories.machines` says. `told`: keep what is said, for `lines`. `guests`: (the number of
    a device, a Group for a single reading of it, its words), those that may come.
    """

    cdef Link link
    cdef list guests
    cdef list words
    cdef world_t w
    cdef verdict_t v
    cdef readonly list lines
    cdef bint begun

    def __cinit__(
        self, Link link not None, int kind, uint64_t seed, int32_t devices, bint told=False,
        guests=(),
    ):
        cdef int32_t i
        cdef Group group
        self.link = link
        self.guests = list(guests)
        self.words = [words for _, _, words in guests]
        memset(&self.w, 0, sizeof(world_t))
        memset(&self.v, 0, sizeof(verdict_t))
        self.lines = []
        if (
            link.l.member_count > MEMBERS_MAX or devices > DEVICES_MAX
            or len(self.guests) > GUESTS_MAX
        ):
            raise ValueError("more than a story holds")
        self.w.kind, self.w.devices = <Kind>kind, devices
        self.w.line, self.w.listens = link.l.line, link.l.listen_only
        for i, (device, group, _) in enumerate(self.guests):
            self.w.guests[i].group, self.w.guests[i].device = &group.g, device
        self.w.guests_most = <int32_t>len(self.guests)
        self.w.timeout_ns, self.w.char_ns = link.l.timeout_ns, link.l.bus.char_ns
        if told:
            self.w.notes = <void *>self.lines
            self.w.guests_told = <void *>self.words
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
    for i in range(link.resident_count):
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


cdef int64_t round_ns(const world_t *w) noexcept nogil:
    """In what time another master has asked for all that he does, with nothing wrong."""
    cdef int64_t total = 0
    cdef int32_t i
    for i in range(w.master.ask_count):
        total += (REQUEST_CHARS + 2 * w.master.asks[i].count) * w.char_ns + 35 * MS
    return total


cdef int64_t well_again(world_t *w) noexcept nogil:
    """How long after the last fault all is well."""
    cdef link_t *link = w.rig.l
    cdef int64_t scans = scans_ns(w), silent = 0, mute = 0
    cdef int32_t i
    if w.listens:
        return BACK_WITHIN + 6 * w.timeout_ns + scans + 2 * round_ns(w)
    for i in range(link.device_count):
        silent += link.devices[i].silent
    for i in range(link.resident_count):
        mute += mute_count(link.members[i].g.current)
    silent = max(EACH_AGAIN, (silent + mute) * (w.timeout_ns + 300 * link.bus.char_ns) * 20)
    return BACK_WITHIN + silent + (2 + mute) * scans


cdef void told(world_t *w, verdict_t *v) noexcept nogil:
    """The whole story."""
    cdef link_t *link = w.rig.l
    cdef int32_t i
    w.calm_at = START + 500 * MS + <int64_t>pick(w, 9000) * MS
    rig_open(&w.rig)
    world_run(w, w.calm_at)
    v.calm_from = w.rig.now + well_again(w)
    world_run(w, v.calm_from + 4 * (scans_ns(w) + round_ns(w)))
    for i in range(link.resident_count):
        v.upto[i] = link.members[i].g.next_tick
    if w.broken == NULL:
        judge_waiting(w, v)
    v.ended = w.rig.now
    if pick(w, 2):
        tell(w, "stop", NULL, 0)
        rig_stop(&w.rig)
        world_run(w, w.rig.now + DRAIN_FOR)
    if w.broken != NULL:
        broken(v, w.broken)
        return
    rig_finish(&w.rig)
    for i in range(link.resident_count):
        if not judge_group(w, v, i):
            return
    for i in range(w.guest_count):
        if not judge_guest(w, v, &w.guests[i]):
            return
    judge_counters(w, v)


cdef bint judge_waiting(world_t *w, verdict_t *v) noexcept nogil:
    """Nothing waits for what never comes."""
    cdef link_t *link = w.rig.l
    cdef int32_t i
    for i in range(0 if w.listens else link.member_count):
        if link.members[i].scan.active and link.shell.due == INT64_MAX:
            return broken(v, "a scan is open, and nothing is due", i, link.members[i].scan.tick)
    return True


cdef inline store_t *first_store(group_t *g) noexcept nogil:
    return g.filled if g.filled != NULL else g.active


cdef inline store_t *store_behind(group_t *g, store_t *s) noexcept nogil:
    return NULL if s == g.active else (s.next if s.next != NULL else g.active)


cdef bint judge_group(world_t *w, verdict_t *v, int32_t member) noexcept nogil:
    """Ticks in order, each once; values; good rows at the end."""
    cdef group_t *g = w.rig.l.members[member].g
    cdef store_t *s = first_store(g)
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
        s = store_behind(g, s)
    if next_tick != g.next_tick or next_tick != g.ticks_due or rows != g.rows:
        return broken(v, "the last tick is not accounted", member, next_tick)
    if next_tick != <uint64_t>((v.ended - START) // g.period_ns) + 1:
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
    cdef uint64_t tick
    if gap.reason == 0 or gap.count == 0:
        return broken(v, "a gap of nothing", member, gap.first)
    if gap.reason == GAP_OVERRUN:
        return True
    for tick in range(gap.first, gap.first + gap.count):
        if is_calm(w, v, member, tick) and not (
            w.listens and gap.reason == GAP_DEVICE_SILENT and not is_any_heard(w, member, tick)
        ):
            return broken(v, "a gap in the end, with nothing wrong", member, tick)
    return True


cdef bint judge_row(
    world_t *w, verdict_t *v, int32_t member, layout_t *layout, row_t *row
) noexcept nogil:
    cdef uint8_t *status = row_status(<uint8_t *>row)
    cdef int32_t device = w.rig.l.members[member].device
    cdef request_t *r
    cdef int32_t i
    cdef uint32_t k
    if not judge_values(w, v, member, device, layout, row):
        return False
    if not is_calm(w, v, member, row.tick):
        return True
    for i in range(layout.request_count):
        r = &layout.requests[i]
        for k in range(r.part_count):
            if status[r.first_part + k] == GOOD or may_be_set_aside(w, device, r):
                continue
            if w.listens and status[r.first_part + k] == BAD_NOT_ASKED and (
                not is_heard(w, member, r, row.tick)
            ):
                continue
            v.quality = status[r.first_part + k]
            return broken(v, "a bad row in the end, with nothing wrong", member, row.tick, i)
    return True


cdef bint judge_values(
    world_t *w, verdict_t *v, int32_t member, int32_t device, layout_t *layout, row_t *row
) noexcept nogil:
    """What is good is true."""
    cdef uint8_t *status = row_status(<uint8_t *>row)
    cdef request_t *r
    cdef int32_t i
    cdef uint32_t k
    for i in range(layout.request_count):
        r = &layout.requests[i]
        for k in range(r.part_count):
            if status[r.first_part + k] == GOOD and not is_true(w, device, layout, row, i, k):
                v.mid_ns, v.half_us = row.mid_ns - START, row.half_span_us
                return broken(v, "a wrong value is good", member, row.tick, i)
    return True


cdef bint judge_guest(world_t *w, verdict_t *v, const visit_t *guest) noexcept nogil:
    """One row at the most, and one for who has stayed since there were faults."""
    cdef group_t *g = guest.group
    cdef store_t *s = first_store(g) if guest.came else NULL
    cdef uint32_t i, rows = 0
    while s != NULL:
        for i in range(s.row_count):
            rows += 1
            if not judge_values(
                w, v, -1, guest.device, s.layout,
                <row_t *>(s.rows + <size_t>i * s.layout.stride),
            ):
                return False
        s = store_behind(g, s)
    if rows > 1:
        return broken(v, "a guest is read twice")
    if guest.came and not guest.went and guest.at < w.calm_at and not rows:
        return broken(v, "a guest is never read")
    return True


cdef bint judge_counters(world_t *w, verdict_t *v) noexcept nogil:
    cdef link_t *link = w.rig.l
    cdef const counts_t *n = &link.counts
    cdef uint64_t requests = 0, answers = 0, timeouts = 0, damaged = 0, exceptions = 0
    cdef device_t *d
    cdef int32_t i
    if w.listens:
        # Counted are those of strangers, too, and one may wait for its answer yet.
        if n.requests < n.answers + n.timeouts + n.damaged or n.bytes_out:
            return broken(v, "more was answered than asked")
        return True
    for i in range(link.device_count):
        d = &link.devices[i]
        requests += d.requests
        answers += d.answers
        timeouts += d.timeouts
        damaged += d.damaged
        exceptions += d.exceptions
    if requests != n.requests:
        return broken(v, "devices and link count requests differently")
    if answers != n.answers or exceptions != n.exceptions:
        return broken(v, "devices and link count answers differently")
    if timeouts != n.timeouts or damaged != n.damaged:
        return broken(v, "devices and link count time-outs or damage differently")
    if n.bytes_out != w.bytes_heard:
        return broken(v, "bytes were sent that nobody heard")
    if n.requests < n.answers + n.timeouts:
        return broken(v, "more was answered than asked")
    # What answers of unit 1 begin with is told from them by what comes behind it.
    if w.happened[HEARTBEAT] >= BEATS_ENOUGH and link.port.packets[0].bytes[0] != 1 and (
        link.port.swallowed == 0
    ):
        return broken(v, "heartbeats are left in the stream")
    return True
