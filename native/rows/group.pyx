"""The plan and the row store of one group. See `store.pxd` for who may touch what."""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from native.reasons cimport (
    GAP_DEVICE_SILENT,
    GAP_LINK_DOWN,
    GAP_MEMORY_FULL,
    GAP_OVERRUN,
    GAP_REASONS,
    GAP_REPLANNED,
    GOOD,
)

from native.rows.pushed cimport free_batches, group_push, group_take_pushed
from native.rows.store cimport (
    LATE_BUCKETS,
    PUSHED_MAX,
    batch_t,
    fieldstate_t,
    group_begin,
    group_commit,
    group_end,
    group_hold,
    group_is_done_with,
    group_skip,
    group_t,
    layout_t,
    pthread_mutex_destroy,
    pthread_mutex_init,
    pthread_mutex_lock,
    pthread_mutex_unlock,
    request_t,
    row_data,
    row_status,
    row_t,
)
from native.rows.ticks cimport group_late, store_ns
from native.rows.shape cimport Answers, answers_of, shape_of

GAP_NAMES = {
    GAP_OVERRUN: "overrun", GAP_DEVICE_SILENT: "device_silent", GAP_LINK_DOWN: "link_down",
    GAP_REPLANNED: "replanned", GAP_MEMORY_FULL: "memory_full",
}

#: What the row stores of the box may take together, unless a pool says otherwise.
POOL_BYTES = 32 << 20


cpdef uint64_t late_bound_us(int bucket) noexcept nogil:
    """The upper end of a lateness bucket, in microseconds."""
    cdef int top = bucket // 4 + 1
    cdef uint64_t one = 1
    if bucket < 4:
        return bucket
    return (one << top) + (<uint64_t>(bucket % 4 + 1) << (top - 2)) - 1


cdef uint64_t late_share(const uint64_t *counts, int percent) noexcept nogil:
    """The upper end of the bucket up to which so many of all scans lie; 0 where there are none."""
    cdef uint64_t total = 0, seen = 0
    for i in range(LATE_BUCKETS):
        total += counts[i]
    for i in range(LATE_BUCKETS):
        seen += counts[i]
        if total and 100 * seen >= percent * total:
            return late_bound_us(i)
    return 0


cdef class Pool:
    """The memory that the row stores of groups share: at most `bytes_max`, whatever comes. Where
    more than half of it is used the sealer is called.
    """

    def __cinit__(self, size_t bytes_max=POOL_BYTES):
        self.p.bytes_max = bytes_max

    @property
    def used(self) -> int:
        """Bytes that the stores have now."""
        return self.p.bytes


cdef void free_layout(layout_t *layout) noexcept:
    free(layout.requests)
    free(layout.scratch)
    free(layout.latest)
    free(layout)


@cython.no_gc_clear  # the pool must be there until the stores are freed
cdef class Group:
    """One group. `plan` is a `drivers.api.GroupPlan` or anything of its shape; `pool`: where its
    rows wait for the seal, one of its own without.

    Raises ValueError for a plan that no scan could follow, MemoryError.
    """

    def __cinit__(self, uint32_t group_id, object plan, Pool pool=None):
        self.plan = plan
        self.pool = Pool() if pool is None else pool
        self.answers = {}
        memset(&self.g, 0, sizeof(group_t))
        pthread_mutex_init(&self.g.lock, NULL)
        self.g.id = group_id
        self.g.wake_fd = -1
        self.g.pool = &self.pool.p
        self.g.period_ns = plan.period_ns
        if self.g.period_ns <= 0:
            raise ValueError("a group needs a period")
        self.shape = shape_of(plan)
        self.g.row_capacity = self.shape.row_capacity
        self.g.props = self.shape.props
        self.g.states = <fieldstate_t *>calloc(
            max(1, self.shape.state_count), sizeof(fieldstate_t)
        )
        self.g.noise_seals = <uint8_t *>calloc(len(plan.tags), 1)
        self.g.given = <uint8_t *>calloc(len(plan.tags), 1)
        if self.g.states == NULL or self.g.noise_seals == NULL or self.g.given == NULL:
            raise MemoryError
        self.first = answers_of(plan.requests, plan.fields)
        self.g.current = self.make_layout(self.first)
        self.g.request_count = self.g.current.request_count
        if not group_begin(&self.g):
            raise MemoryError

    def __dealloc__(self):
        cdef layout_t *layout = self.layouts
        cdef layout_t *older
        cdef uint64_t next_tick
        group_end(&self.g)
        free_batches(group_take_pushed(&self.g, &next_tick))
        while layout != NULL:
            older = layout.older
            free_layout(layout)
            layout = older
        free(self.g.states)
        free(self.g.noise_seals)
        free(self.g.given)
        pthread_mutex_destroy(&self.g.lock)

    cdef layout_t *make_layout(self, Answers answers) except NULL:
        cdef layout_t *layout = <layout_t *>calloc(1, sizeof(layout_t))
        if layout == NULL:
            raise MemoryError
        layout.request_count, layout.part_count = answers.request_count, answers.part_count
        layout.field_count = answers.field_count
        layout.data_bytes, layout.stride = answers.data_bytes, answers.stride
        layout.parts, layout.fields = answers.parts, answers.fields
        layout.requests = <request_t *>calloc(answers.request_count, sizeof(request_t))
        layout.scratch = <uint8_t *>calloc(1, layout.stride)
        layout.latest = <uint8_t *>calloc(1, layout.stride)
        if layout.requests == NULL or layout.scratch == NULL or layout.latest == NULL:
            free_layout(layout)
            raise MemoryError
        memcpy(layout.requests, answers.requests, answers.request_count * sizeof(request_t))
        self.serial += 1
        layout.serial = self.serial
        self.answers[self.serial] = answers
        self.stride_max = max(self.stride_max, layout.stride)
        layout.older = self.layouts
        self.layouts = layout
        return layout

    cdef void remember(self, layout_t *layout):
        """A request reads something that any request was answered with before: where it is refused,
        it is asked again soon.
        """
        cdef uint32_t part
        cdef int32_t i, k
        cdef request_t *r
        for i in range(layout.field_count):
            part = layout.fields[i].part
            for k in range(layout.request_count if self.g.given[i] else 0):
                r = &layout.requests[k]
                if r.first_part <= part < r.first_part + r.part_count:
                    r.answered = True

    cdef void free_old(self):
        """Free the layouts that no scan, no store and no newest row has any more."""
        cdef layout_t **place = &self.layouts
        cdef layout_t *layout
        cdef layout_t *old = NULL
        pthread_mutex_lock(&self.g.lock)
        while place[0] != NULL:
            layout = place[0]
            if group_is_done_with(&self.g, layout):
                place[0] = layout.older
                layout.older = old
                old = layout
            else:
                place = &layout.older
        pthread_mutex_unlock(&self.g.lock)
        while old != NULL:
            layout = old
            old = layout.older
            del self.answers[layout.serial]
            free_layout(layout)

    cdef object spec_of(self, uint32_t serial, int32_t number):
        """The protocol's words of a request; None when its layout is not in use any more."""
        cdef Answers answers = self.answers.get(serial)
        return None if answers is None else answers.plan[0][number].spec

    @property
    def layouts_kept(self) -> int:
        """How many layouts have memory, for tests."""
        return len(self.answers)

    def replan(self, object requests, object fields) -> None:
        """Use other requests for the same tags from the next seal on. Supervisor's thread.

        Raises ValueError when the fields are not those of the same tags: their number, types, and
        texts no longer than those of the first plan.
        """
        cdef Answers answers = answers_of(requests, fields)
        cdef layout_t *layout
        cdef int32_t i
        if answers.field_count != self.first.field_count:
            raise ValueError(
                f"{answers.field_count} fields for the {self.first.field_count} tags of the group"
            )
        for i in range(answers.field_count):
            if (
                answers.fields[i].type != self.first.fields[i].type
                or answers.fields[i].length > self.first.fields[i].length
            ):
                raise ValueError(f"{fields[i]} is not of the type and length of its tag")
        layout = self.make_layout(answers)
        self.remember(layout)
        pthread_mutex_lock(&self.g.lock)
        self.g.pending = layout
        pthread_mutex_unlock(&self.g.lock)
        self.free_old()

    def start(self, int64_t start_ns) -> None:
        """Tick 0 is due at `start_ns` on the boot clock. Before the first row or skip."""
        self.g.start_ns = start_ns

    def set_phase(self, int64_t phase_ns, bint aligned=False) -> None:
        """Tick 0 is due `phase_ns` after the loop's first ticks; `aligned`: all others at whole
        multiples of the period, as soon as `know_utc` was called. Before the loop runs.
        """
        self.g.phase_ns, self.g.aligned = phase_ns, aligned

    def know_utc(self, int64_t ahead_ns) -> None:
        """UTC is the boot clock and so much. Any thread, at any time."""
        store_ns(&self.g.utc_ns, ahead_ns)

    def push(
        self, uint64_t tick, int64_t mid_ns, uint32_t half_span_us, bytes status, bytes data,
        int64_t shift_ns=0
    ) -> None:
        """Commit one scan from Python: for drivers whose protocol is not compiled, and for the
        simulation. It was due `shift_ns` later than its tick's number says.

        `status` is one quality a part, `data` the answers' parts one after another. Ticks
        between the last one and `tick` must have been skipped. Raises ValueError when the sizes or
        the tick do not fit.
        """
        cdef layout_t *layout = group_hold(&self.g)
        cdef const uint8_t *s = status
        cdef const uint8_t *d = data
        if len(status) != layout.part_count or len(data) != layout.data_bytes:
            raise ValueError(
                f"a scan is {layout.part_count} statuses and {layout.data_bytes} bytes"
            )
        if tick != self.g.next_tick:
            raise ValueError(f"tick {tick} does not follow: the next one is {self.g.next_tick}")
        row = <row_t *>layout.scratch
        row.mid_ns = mid_ns
        row.half_span_us = half_span_us
        memcpy(row_status(layout.scratch), s, <size_t>layout.part_count)
        memcpy(row_data(layout, layout.scratch), d, layout.data_bytes)
        self.g.ticks_due = tick + 1
        with nogil:
            group_late(
                &self.g, mid_ns - <int64_t>half_span_us * 1000
                - (self.g.start_ns + <int64_t>tick * self.g.period_ns + shift_ns)
            )
            group_commit(&self.g, layout, tick)

    def push_events(
        self, int64_t at_ns, uint64_t count, uint64_t bad, bytes times, bytes columns,
        uint64_t lost=0, uint32_t reason=GAP_OVERRUN
    ) -> bool:
        """Values that a source pushed, the first taken at `at_ns` on the boot clock: `times` and
        `columns` are what an EventRun has of `count` of them, as drivers.host.events makes them,
        `bad` of them without a value; before them `lost` were lost for that reason. They go out
        with the next seal. False: too many wait, these are not taken. Raises ValueError for a batch
        of nothing, and for one that never fits.
        """
        cdef size_t size = sizeof(batch_t) + <size_t>len(times) + <size_t>len(columns)
        cdef batch_t *b
        if (
            count + lost == 0 or count >= 1 << 32 or bad > count or lost >= 1 << 40
            or size > PUSHED_MAX
        ):
            raise ValueError(f"a batch of {count} events, {bad} bad, {lost} lost, {size} bytes")
        if not 0 < reason < GAP_REASONS:
            raise ValueError(f"{reason} is not a reason that events are lost for")
        b = <batch_t *>malloc(size)
        if b == NULL:
            raise MemoryError
        b.at_ns, b.count, b.bad, b.lost, b.reason = at_ns, count, bad, lost, reason
        b.times_size, b.columns_size = <uint32_t>len(times), <uint32_t>len(columns)
        memcpy(b + 1, <const uint8_t *>times, len(times))
        memcpy(<uint8_t *>(b + 1) + len(times), <const uint8_t *>columns, len(columns))
        if group_push(&self.g, b):
            return True
        free(b)
        return False

    def skip(self, uint64_t upto, uint32_t reason) -> None:
        """Account every tick below `upto` without a row as missing, for a GapReason below 6."""
        if not 0 < reason < GAP_REASONS:
            raise ValueError(f"{reason} is not a reason that a scan has")
        if upto > self.g.ticks_due:
            self.g.ticks_due = upto
        with nogil:
            group_skip(&self.g, upto, reason)

    def read(self) -> list[tuple[bytes, list[int] | None]]:
        """The protocol's words of the requests that something is good of in the newest row, and
        which of their parts, where it is not all of them.
        """
        cdef layout_t *layout
        cdef request_t *r
        cdef uint8_t *row = <uint8_t *>malloc(self.stride_max)
        cdef uint32_t k
        if row == NULL:
            raise MemoryError
        # No Python object is touched under the lock: a scan thread may wait for it.
        pthread_mutex_lock(&self.g.lock)
        layout = self.g.latest
        if layout != NULL:
            memcpy(row, layout.latest, layout.stride)
        pthread_mutex_unlock(&self.g.lock)
        result = []
        try:
            for i in range(layout.request_count if layout != NULL else 0):
                r = &layout.requests[i]
                good = [
                    k for k in range(r.part_count) if row_status(row)[r.first_part + k] == GOOD
                ]
                if good:
                    all_ = len(good) == r.part_count
                    result.append((r.spec[:r.spec_size], None if all_ else good))
        finally:
            free(row)
        return result

    def scanned(self) -> tuple[int, int]:
        """(ticks due so far, ticks accounted so far): what the books are kept by."""
        return self.g.ticks_due, self.g.next_tick

    def snapshot(self) -> dict:
        """gateway.report.snapshot.GroupSnapshot. Any thread."""
        cdef uint64_t counts[LATE_BUCKETS]
        memcpy(counts, self.g.late, sizeof(counts))
        return {
            "id": self.g.id,
            "period_ns": self.g.period_ns,
            "tags": len(self.plan.tags),
            "requests": self.g.current.request_count,
            "ticks": self.g.ticks_due,
            "rows": self.g.rows,
            "skipped": {
                name: self.g.skipped[reason]
                for reason, name in GAP_NAMES.items()
                if self.g.skipped[reason]
            },
            "late_us": {
                "p50": min(late_share(counts, 50), self.g.late_max_us),
                "p99": min(late_share(counts, 99), self.g.late_max_us),
                "max": self.g.late_max_us,
            },
        }
