"""One group's row store, and what its source pushed meanwhile, as a GroupRun."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcpy

from native.bytes cimport put_field, put_varint, varint_size, zigzag
from native.block.column cimport put_column
from native.block.encode cimport MESSAGE_HEAD, choice_t, choose_order, close_message, put_values
from native.reasons cimport GOOD
from native.rows.pushed cimport batch_columns, batch_times
from native.rows.store cimport batch_t, field_t, row_status, row_t

cdef enum:
    # In us: a single answer's half span is said from here on, below it is not worth its bytes.
    SPAN_SAID_US = 1000


cdef uint8_t *put_times(uint8_t *p, const group_t *g, store_t *s, scratch_t *t) noexcept nogil:
    """late_order, late_us, half_span_us of the rows; leaves the rows' times in t.times."""
    cdef row_t *row
    cdef uint32_t i
    cdef uint64_t size = 0
    # Scans of several requests say how long they took; of one request those that took long do.
    cdef bint spans = s.layout.request_count > 1
    cdef choice_t c
    for i in range(s.row_count):
        row = <row_t *>(s.rows + <size_t>i * s.layout.stride)
        t.times[i] = row.mid_ns
        t.values[i] = (row.mid_ns - (g.start_ns + <int64_t>row.tick * g.period_ns)) // 1000
        size += varint_size(row.half_span_us)
        spans = spans or row.half_span_us >= SPAN_SAID_US
    c = choose_order(t.values, s.row_count)
    p = put_field(p, 6, c.order)
    p = put_values(p, 7, t.values, c)
    if spans and s.row_count:
        p = put_varint(p, (8 << 3) | 2)
        p = put_varint(p, size)
        for i in range(s.row_count):
            p = put_varint(p, (<row_t *>(s.rows + <size_t>i * s.layout.stride)).half_span_us)
    return p


cdef uint8_t *put_pushed(
    uint8_t *p, group_t *g, int64_t first_due_ns, const batch_t *b, scratch_t *t
) noexcept nogil:
    """A batch of pushed values as an EventRun, numbered from where the last one ended."""
    cdef uint8_t *run = p
    cdef uint8_t *part
    cdef uint64_t first = zigzag((b.at_ns - first_due_ns) // 1000)
    p += MESSAGE_HEAD
    p = put_field(p, 1, g.next_event)
    p = put_field(p, 2, b.lost + b.count)
    if b.lost:
        part = p
        p += MESSAGE_HEAD
        p = put_field(p, 1, g.next_event)
        p = put_field(p, 2, b.lost)
        p = put_field(p, 3, b.reason)
        p = close_message(part, p, 3)
    if b.count:
        p = put_field(p, 4, 1)  # times are differences
        p = put_varint(p, (5 << 3) | 2)
        p = put_varint(p, varint_size(first) + b.times_size)
        p = put_varint(p, first)
        memcpy(p, batch_times(b), b.times_size)
        p += b.times_size
        memcpy(p, batch_columns(b), b.columns_size)
        p += b.columns_size
    g.next_event += b.lost + b.count
    t.samples += b.count
    t.bad += b.bad
    t.is_pushed = True
    return close_message(run, p, 13)


cdef uint8_t *put_run(
    uint8_t *p, group_t *g, store_t *s, uint64_t next_tick, const batch_t *pushed, scratch_t *t
) noexcept nogil:
    cdef uint8_t *run = p
    cdef uint64_t first_tick = s.first_tick if s != NULL else next_tick
    cdef int64_t first_due_ns = g.start_ns + <int64_t>first_tick * g.period_ns
    p += MESSAGE_HEAD
    p = put_field(p, 1, g.id)
    p = put_field(p, 2, first_tick)
    if s != NULL:
        p = put_field(p, 3, s.next_tick - s.first_tick)
    p = put_field(p, 4, <uint64_t>first_due_ns)
    if s != NULL:
        p = put_rows(p, g, s, t)
    while pushed != NULL:
        p = put_pushed(p, g, first_due_ns, pushed, t)
        pushed = pushed.next
    return close_message(run, p, 2)


cdef uint8_t *put_rows(uint8_t *p, group_t *g, store_t *s, scratch_t *t) noexcept nogil:
    """What a run has of the store's gaps and rows."""
    cdef uint8_t *part
    cdef uint32_t i, k
    cdef const field_t *f
    cdef const field_t *asked = NULL
    if s.row_count:
        p = put_times(p, g, s, t)
    for i in range(s.gap_count):
        part = p
        p += MESSAGE_HEAD
        p = put_field(p, 1, s.gaps[i].first)
        p = put_field(p, 2, s.gaps[i].count)
        p = put_field(p, 3, s.gaps[i].reason)
        p = close_message(part, p, 9)
    if s.row_count:
        for k in range(<uint32_t>s.layout.field_count):
            f = &s.layout.fields[k]
            if asked == NULL or f.part != asked.part:
                asked = f
                for i in range(s.row_count):
                    t.status[i] = row_status(s.rows + <size_t>i * s.layout.stride)[f.part]
            if not g.given[k]:
                g.given[k] = memchr(t.status, GOOD, s.row_count) != NULL
            memcpy(t.quality, t.status, s.row_count)
            p = put_column(p, g, k, s, t)
    return p
