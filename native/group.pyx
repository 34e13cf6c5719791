"""The plan and the row store of one group. See rows.pxd for who may touch what."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from native.props cimport fill_props
from native.reasons cimport (
    GAP_DEVICE_SILENT,
    GAP_LINK_DOWN,
    GAP_MEMORY_FULL,
    GAP_OVERRUN,
    GAP_REASONS,
    GAP_REPLANNED,
    GOOD,
)

from native.rows cimport (
    LATE_BUCKETS,
    TYPE_BCD16,
    TYPE_BCD32,
    TYPE_BOOL,
    TYPE_FLOAT32,
    TYPE_FLOAT64,
    TYPE_INT16,
    TYPE_INT32,
    TYPE_INT64,
    TYPE_STRING,
    TYPE_UINT16,
    TYPE_UINT32,
    TYPE_UINT64,
    field_t,
    fieldprops_t,
    group_commit,
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
    tickgap_t,
)

TYPES = {
    "bool": TYPE_BOOL, "int16": TYPE_INT16, "uint16": TYPE_UINT16, "int32": TYPE_INT32,
    "uint32": TYPE_UINT32, "int64": TYPE_INT64, "uint64": TYPE_UINT64, "float32": TYPE_FLOAT32,
    "float64": TYPE_FLOAT64, "bcd16": TYPE_BCD16, "bcd32": TYPE_BCD32, "string": TYPE_STRING,
}
ORDERS = {"ABCD": 0, "CDAB": 1, "BADC": 2, "DCBA": 3}
GAP_NAMES = {
    GAP_OVERRUN: "overrun", GAP_DEVICE_SILENT: "device_silent", GAP_LINK_DOWN: "link_down",
    GAP_REPLANNED: "replanned", GAP_MEMORY_FULL: "memory_full",
}

#: What one store's rows may come to when encoded: half a block, so that any group fits into one.
STORE_BYTES_MAX = 512 * 1024
#: A varint of 64 bits.
VALUE_BYTES_MAX = 10
#: The data part of one answer (V1.1b3 sections 6.1 to 6.4).
ANSWER_BYTES_MAX = 250
#: Rows that a store holds at least (if so many fit), and at most.
ROWS_MIN, ROWS_MAX = 8, 8192


def late_bound_us(int bucket) -> int:
    """The upper end of a lateness bucket, in microseconds."""
    if bucket < 4:
        return bucket
    cdef int top = bucket // 4 + 1
    return (1 << top) + ((bucket % 4 + 1) << (top - 2)) - 1


cdef size_t data_bytes_max(object plan) except 0:
    """The most that any requests for the plan's tags can bring, however a device's limits change.

    Requests read runs of neighbours with what lies between them, as far as one answer reaches (250
    bytes), and some tags once more alone. A smaller limit may well bridge more than a larger one.
    """
    spaces = {}
    for field in plan.fields:
        r = plan.requests[field.request]
        bits = 8 if r.function > 2 else 1
        first = (16 if r.function > 2 else 1) * r.address + bits * field.offset
        spaces.setdefault(r.function, []).append((first, first + bits * field.length))
    asked = total = 0
    for r in plan.requests:
        asked += 2 * r.count if r.function > 2 else (r.count + 7) // 8
    for stretches in spaces.values():
        end = None
        for first, last_1 in sorted(stretches):
            own = (last_1 - first + 7) // 8 + 3  # rounded up to whole registers or bytes
            between = 0 if end is None or first <= end else (first - end + 7) // 8
            total += 2 * own + min(between, ANSWER_BYTES_MAX)
            end = last_1 if end is None else max(end, last_1)
    return max(asked, total)


cdef class Group:
    """One group. `plan` is a `drivers.api.GroupPlan` or anything of its shape.

    `seal_ns` is the longest time between two seals: the store holds twice the scans of that. Raises
    ValueError for a plan that no scan could follow, MemoryError.
    """

    def __cinit__(self, uint32_t group_id, object plan, int64_t seal_ns=500_000_000):
        cdef int i
        cdef int64_t rows
        self.plan = plan
        memset(&self.g, 0, sizeof(group_t))
        pthread_mutex_init(&self.g.lock, NULL)
        self.g.id = group_id
        self.g.wake_fd = -1
        self.g.period_ns = plan.period_ns
        if self.g.period_ns <= 0 or not plan.tags or len(plan.tags) != len(plan.fields):
            raise ValueError("a group needs a period and one field a tag")
        rows = 2 * seal_ns // self.g.period_ns + 4
        most = STORE_BYTES_MAX // (
            VALUE_BYTES_MAX * (len(plan.tags) + 1) + sum(tag.length for tag in plan.tags)
        )
        if most < 2:
            raise ValueError("too many tags for one block: give some of them another period")
        self.g.row_capacity = <uint32_t>min(max(rows, ROWS_MIN), most, ROWS_MAX)
        self.g.gap_capacity = 2 * self.g.row_capacity + 2
        size = sizeof(row_t) + max(len(plan.tags), len(plan.requests)) + data_bytes_max(plan) + 16
        self.g.row_bytes_max = (size + 7) & ~7
        self.g.scratch = <uint8_t *>calloc(1, self.g.row_bytes_max)
        self.g.latest = <uint8_t *>calloc(1, self.g.row_bytes_max)
        self.g.props = <fieldprops_t *>calloc(len(plan.tags), sizeof(fieldprops_t))
        for i in range(2):
            self.g.stores[i].rows = <uint8_t *>calloc(self.g.row_capacity, self.g.row_bytes_max)
            self.g.stores[i].gaps = <tickgap_t *>calloc(self.g.gap_capacity, sizeof(tickgap_t))
            if self.g.stores[i].rows == NULL or self.g.stores[i].gaps == NULL:
                raise MemoryError
        if self.g.scratch == NULL or self.g.latest == NULL or self.g.props == NULL:
            raise MemoryError
        for i, tag in enumerate(plan.tags):
            fill_props(&self.g.props[i], tag)
        self.g.current = self.make_layout(plan.requests, plan.fields)
        self.g.stores[0].layout = self.g.stores[1].layout = self.g.current

    def __dealloc__(self):
        cdef layout_t *layout = self.layouts
        cdef layout_t *older
        cdef int i
        while layout != NULL:
            older = layout.older
            free(layout.requests)
            free(layout.fields)
            free(layout)
            layout = older
        for i in range(2):
            free(self.g.stores[i].rows)
            free(self.g.stores[i].gaps)
        free(self.g.scratch)
        free(self.g.latest)
        free(self.g.props)
        pthread_mutex_destroy(&self.g.lock)

    cdef layout_t *make_layout(self, object requests, object fields) except NULL:
        cdef layout_t *layout
        cdef request_t *r
        cdef field_t *f
        cdef uint32_t offset = 0
        cdef int i
        if not 0 < len(requests) <= max(len(self.plan.tags), len(self.plan.requests)):
            raise ValueError("a group needs at least one request and at most one a tag")
        layout = <layout_t *>calloc(1, sizeof(layout_t))
        if layout == NULL:
            raise MemoryError
        layout.older = self.layouts
        self.layouts = layout
        layout.requests = <request_t *>calloc(len(requests), sizeof(request_t))
        layout.fields = <field_t *>calloc(len(fields), sizeof(field_t))
        if layout.requests == NULL or layout.fields == NULL:
            raise MemoryError
        layout.request_count = <int32_t>len(requests)
        layout.field_count = <int32_t>len(fields)
        for i, request in enumerate(requests):
            r = &layout.requests[i]
            r.function, r.address, r.count = request.function, request.address, request.count
            most = 2000 if r.function <= 2 else 125
            if not 1 <= r.function <= 4 or not 1 <= r.count <= most or r.address + r.count > 65536:
                raise ValueError(f"no request can be {request}")
            r.data_bytes = <uint16_t>(2 * r.count if r.function > 2 else (r.count + 7) // 8)
            r.offset = offset
            offset += r.data_bytes
        layout.data_bytes = offset
        layout.stride = (<uint32_t>sizeof(row_t) + layout.request_count + offset + 7) & ~<uint32_t>7
        if layout.stride > self.g.row_bytes_max:
            raise ValueError("the new requests ask for more than the first plan")
        for i, field in enumerate(fields):
            f = &layout.fields[i]
            if not 0 <= field.request < layout.request_count:
                raise ValueError(f"{field} names no request")
            r = &layout.requests[field.request]
            r.field_count += 1
            f.request = field.request
            f.type, f.order = TYPES[field.type], ORDERS[field.order]
            f.length = field.length
            if r.function <= 2:
                f.bit = -2
                f.offset = r.offset * 8 + <uint32_t>field.offset
                inside = 0 <= field.offset < r.count and f.type == TYPE_BOOL
            else:
                f.bit = field.bit
                f.offset = r.offset + <uint32_t>field.offset
                inside = 0 <= field.offset and field.offset + field.length <= r.data_bytes
            if not inside:
                raise ValueError(f"{field} is outside its request {requests[field.request]}")
        return layout

    def replan(self, object requests, object fields) -> None:
        """Use other requests for the same tags from the next seal on. Supervisor's thread.

        Raises ValueError when they ask for more bytes than the first plan, or for more requests
        than tags.
        """
        cdef layout_t *layout = self.make_layout(requests, fields)
        pthread_mutex_lock(&self.g.lock)
        self.g.pending = layout
        pthread_mutex_unlock(&self.g.lock)

    def start(self, int64_t start_ns) -> None:
        """Tick 0 is due at `start_ns` on the boot clock. Before the first row or skip."""
        self.g.start_ns = start_ns

    def push(
        self, uint64_t tick, int64_t mid_ns, uint32_t half_span_us, bytes status, bytes data
    ) -> None:
        """Commit one scan from Python: for drivers whose protocol is not compiled, and for the
        simulation.

        `status` is one quality a request, `data` the answers' data parts one after another. Ticks
        between the last one and `tick` must have been skipped. Raises ValueError when the sizes or
        the tick do not fit.
        """
        cdef layout_t *layout = self.g.current
        cdef const uint8_t *s = status
        cdef const uint8_t *d = data
        if len(status) != layout.request_count or len(data) != layout.data_bytes:
            raise ValueError(
                f"a scan is {layout.request_count} statuses and {layout.data_bytes} bytes"
            )
        if tick != self.g.next_tick:
            raise ValueError(f"tick {tick} does not follow: the next one is {self.g.next_tick}")
        row = <row_t *>self.g.scratch
        row.mid_ns = mid_ns
        row.half_span_us = half_span_us
        memcpy(row_status(self.g.scratch), s, <size_t>layout.request_count)
        memcpy(row_data(layout, self.g.scratch), d, layout.data_bytes)
        self.g.ticks_due = tick + 1
        with nogil:
            group_commit(&self.g, layout, tick)

    def skip(self, uint64_t upto, uint32_t reason) -> None:
        """Account every tick below `upto` without a row as missing, for a GapReason below 6."""
        if not 0 < reason < GAP_REASONS:
            raise ValueError(f"{reason} is not a reason that a scan has")
        if upto > self.g.ticks_due:
            self.g.ticks_due = upto
        with nogil:
            group_skip(&self.g, upto, reason)

    def read(self) -> list[tuple[int, int, int]]:
        """(function, address, count) of the requests whose data are good in the newest row."""
        cdef layout_t *layout
        cdef uint8_t *row = <uint8_t *>malloc(self.g.row_bytes_max)
        if row == NULL:
            raise MemoryError
        # No Python object is touched under the lock: a scan thread may wait for it.
        pthread_mutex_lock(&self.g.lock)
        layout = self.g.latest_layout
        if layout != NULL:
            memcpy(row, self.g.latest, layout.stride)
        pthread_mutex_unlock(&self.g.lock)
        result = []
        try:
            for i in range(layout.request_count if layout != NULL else 0):
                if row_status(row)[i] == GOOD:
                    r = layout.requests[i]
                    result.append((r.function, r.address, r.count))
        finally:
            free(row)
        return result

    def scanned(self) -> tuple[int, int]:
        """(ticks due so far, ticks accounted so far): what the books are kept by."""
        return self.g.ticks_due, self.g.next_tick

    def snapshot(self) -> dict:
        """As gateway.snapshot.GroupSnapshot. Any thread."""
        cdef uint64_t counts[LATE_BUCKETS]
        memcpy(counts, self.g.late, sizeof(counts))
        total = sum(counts[i] for i in range(LATE_BUCKETS))
        late = {"p50": 0, "p99": 0, "max": self.g.late_max_us}
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            seen = 0
            for i in range(LATE_BUCKETS):
                seen += counts[i]
                if total and seen >= share * total:
                    late[name] = min(late_bound_us(i), self.g.late_max_us)
                    break
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
            "late_us": late,
        }
