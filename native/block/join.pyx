"""Runs of successive blocks, joined: column by column one behind the other, and encoded as the
sealer would have encoded them had it waited.

What is joined is what native.block.seal seals; runs of pushed values stand beside each other, each
with its block. A run with parts, a column of rows with the source's own time, or a quality with the
device's code can't be joined yet, nor can decimals that together need more than 52 bits.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memcpy, memset

from native.bytes cimport put_bytes, put_field, put_varint, unzigzag, varint_size, zigzag
from native.block.encode cimport MESSAGE_HEAD, choice_t, choose_order, close_message, put_values
from native.block.joincolumn cimport join_column
from native.block.joiner cimport (
    DAMAGED,
    FINE,
    NO_MEMORY,
    ROWS_MAX,
    STRANGE,
    TOO_LARGE,
    Fault,
    at_end,
    joiner_t,
    lot_t,
    make_room,
    part_t,
    written,
)
from native.block.wirefields cimport (
    span_size,
    span_t,
    take_field,
    take_values,
    take_varint,
    wirefield_t,
)

cdef enum:
    # Of a half span that a block does not say: it is below a millisecond (ingest.proto, GroupRun).
    SPAN_UNSAID = 0


cdef Fault add_column(joiner_t *j, span_t body) noexcept nogil:
    cdef size_t room
    cdef span_t *grown
    if j.column_count == j.column_room:
        room = 2 * j.column_room + 256
        grown = <span_t *>realloc(j.columns, room * sizeof(span_t))
        if grown == NULL:
            return NO_MEMORY
        j.columns, j.column_room = grown, room
    j.columns[j.column_count] = body
    j.column_count += 1
    return FINE


cdef Fault add_part(joiner_t *j, uint32_t block, span_t body) noexcept nogil:
    """Note one GroupRun and where its columns lie."""
    cdef size_t room
    cdef part_t *grown
    cdef part_t *part
    cdef wirefield_t f
    cdef wirefield_t gap
    cdef span_t walk = body
    cdef uint64_t skipped = 0
    cdef Fault fault
    if j.part_count == j.part_room:
        room = 2 * j.part_room + 64
        grown = <part_t *>realloc(j.parts, room * sizeof(part_t))
        if grown == NULL:
            return NO_MEMORY
        j.parts, j.part_room = grown, room
    part = &j.parts[j.part_count]
    memset(part, 0, sizeof(part_t))
    part.block, part.body = block, body
    part.column_at = <uint32_t>j.column_count
    while walk.p < walk.end:
        if not take_field(&walk, &f):
            return DAMAGED
        if f.number == 1:
            part.group = <uint32_t>f.value
        elif f.number == 2:
            part.first_tick = f.value
        elif f.number == 3:
            part.ticks = f.value
        elif f.number == 4:
            part.first_due = <int64_t>f.value
        elif f.number == 6:
            part.late_order = <uint32_t>f.value
        elif f.number == 7 and part.late.p == NULL:
            part.late = f.bytes
        elif f.number == 8 and part.spans.p == NULL:
            part.spans = f.bytes
        elif f.number == 9:
            while f.bytes.p < f.bytes.end:
                if not take_field(&f.bytes, &gap):
                    return DAMAGED
                if gap.number == 2:
                    skipped += gap.value
        elif f.number == 10:
            fault = add_column(j, f.bytes)
            if fault:
                return fault
            part.columns += 1
        elif f.number == 13:
            part.is_pushed = True
        else:
            return STRANGE
    if skipped > part.ticks or part.late_order > 2:
        return DAMAGED
    if part.ticks - skipped > ROWS_MAX:
        return TOO_LARGE
    part.rows = <uint32_t>(part.ticks - skipped)
    j.part_count += 1
    return FINE


cdef int by_group(const void *a, const void *b) noexcept nogil:
    cdef const part_t *x = <const part_t *>a
    cdef const part_t *y = <const part_t *>b
    if x.group != y.group:
        return -1 if x.group < y.group else 1
    if x.block != y.block:
        return -1 if x.block < y.block else 1
    return -1 if x.first_tick < y.first_tick else <int>(x.first_tick > y.first_tick)


cdef Fault walk_block(joiner_t *j, uint32_t block, span_t payload, span_t *rest) noexcept nogil:
    """Note the runs of a payload; copy its other fields behind each other to `rest`.p."""
    cdef wirefield_t f
    cdef const uint8_t *begin
    cdef Fault fault
    rest.end = rest.p
    while payload.p < payload.end:
        begin = payload.p
        if not take_field(&payload, &f):
            return DAMAGED
        if f.number == 2:
            fault = add_part(j, block, f.bytes)
            if fault:
                return fault
        else:
            memcpy(<void *>rest.end, begin, <size_t>(payload.p - begin))
            rest.end += payload.p - begin
    return FINE


cdef Fault put_times(joiner_t *j, const part_t *parts, uint32_t count) noexcept nogil:
    """How late the rows were, and their half spans where a part says them."""
    cdef uint32_t i, k, rows = 0
    cdef uint64_t number, size = 0
    cdef bint spans = False
    cdef choice_t c
    cdef span_t walk
    cdef uint8_t *p
    for i in range(count):
        if not take_values(
            parts[i].late, parts[i].late_order, j.t.values + rows, parts[i].rows
        ):
            return DAMAGED
        rows += parts[i].rows
        spans = spans or parts[i].spans.p != NULL
    if not make_room(j, 32 + 24 * <size_t>rows):
        return NO_MEMORY
    p = at_end(j)
    if rows:
        c = choose_order(j.t.values, rows)
        p = put_field(p, 6, c.order)
        p = put_values(p, 7, j.t.values, c)
    if spans:
        rows = 0
        for i in range(count):
            walk = parts[i].spans
            for k in range(parts[i].rows):
                number = SPAN_UNSAID
                if walk.p != NULL and not take_varint(&walk, &number):
                    return DAMAGED
                j.t.times[rows + k] = <int64_t>number
                size += varint_size(number)
            if walk.p != walk.end:
                return DAMAGED
            rows += parts[i].rows
        p = put_varint(p, (8 << 3) | 2)
        p = put_varint(p, size)
        for k in range(rows):
            p = put_varint(p, <uint64_t>j.t.times[k])
    written(j, p)
    return FINE


cdef Fault put_shares(joiner_t *j, const part_t *parts, uint32_t count) noexcept nogil:
    """Which ticks are whose: block_ticks; and the ticks without rows."""
    cdef uint32_t i, block = 0
    cdef uint64_t size = 0
    cdef span_t walk
    cdef wirefield_t f
    cdef uint8_t *p
    for i in range(count):
        if parts[i].ticks:
            size += parts[i].block - block + varint_size(parts[i].ticks)
            block = parts[i].block + 1
    if not make_room(j, 32 + size):
        return NO_MEMORY
    p = at_end(j)
    if size:
        p = put_varint(p, (12 << 3) | 2)
        p = put_varint(p, size)
    block = 0
    for i in range(count):
        if parts[i].ticks:
            while block < parts[i].block:
                p = put_varint(p, 0)
                block += 1
            p = put_varint(p, parts[i].ticks)
            block += 1
    written(j, p)
    for i in range(count):
        walk = parts[i].body
        if not make_room(j, span_size(walk) + 16):
            return NO_MEMORY
        p = at_end(j)
        while walk.p < walk.end:
            take_field(&walk, &f)
            if f.number == 9:
                p = put_bytes(p, 9, f.bytes.p, span_size(f.bytes))
        written(j, p)
    return FINE


cdef Fault put_pushed(joiner_t *j, const part_t *part, int64_t first_due) noexcept nogil:
    """A part's runs of pushed values, dated from the joined run's first tick."""
    cdef int64_t later = part.first_due - first_due
    cdef span_t walk = part.body
    cdef span_t run
    cdef wirefield_t f, g
    cdef const uint8_t *begin
    cdef uint64_t first, count, order
    cdef size_t start
    cdef uint8_t *p
    if later % 1000:
        return STRANGE
    while walk.p < walk.end:
        take_field(&walk, &f)
        if f.number != 13:
            continue
        run, start, count, order = f.bytes, j.size, 0, 0
        if not make_room(j, span_size(run) + part.block + 2 * MESSAGE_HEAD + 64):
            return NO_MEMORY
        p = at_end(j) + MESSAGE_HEAD
        while run.p < run.end:
            begin = run.p
            if not take_field(&run, &g):
                return DAMAGED
            if g.number == 2:
                count = g.value
            elif g.number == 4:
                order = g.value
            if g.number == 5:
                # Differences: the first alone says how far they are from the first tick.
                if order != 1 or not take_varint(&g.bytes, &first):
                    return STRANGE
                first = zigzag(<int64_t>(<uint64_t>unzigzag(first) + <uint64_t>(later // 1000)))
                p = put_varint(p, (5 << 3) | 2)
                p = put_varint(p, varint_size(first) + span_size(g.bytes))
                p = put_varint(p, first)
                begin, order = g.bytes.p, 0
            elif g.number > 6:
                return STRANGE
            memcpy(p, begin, <size_t>(run.p - begin))
            p += run.p - begin
        if order:
            return STRANGE  # times that are all zero are left out
        p = put_varint(p, (7 << 3) | 2)
        p = put_varint(p, part.block + varint_size(count))
        memset(p, 0, part.block)
        p = put_varint(p + part.block, count)
        written(j, close_message(j.out + start, p, 13))
    return FINE


cdef Fault put_heads(joiner_t *j, const part_t *parts, uint32_t count) noexcept nogil:
    """Everything of a run but its columns."""
    cdef uint64_t ticks = 0
    cdef uint32_t i
    cdef Fault fault
    cdef uint8_t *p
    for i in range(count):
        ticks += parts[i].ticks
    if not make_room(j, 64):
        return NO_MEMORY
    p = put_field(at_end(j), 1, parts[0].group)
    p = put_field(p, 2, parts[0].first_tick)
    p = put_field(p, 3, ticks)
    p = put_field(p, 4, <uint64_t>parts[0].first_due)
    written(j, p)
    fault = put_times(j, parts, count)
    return fault if fault else put_shares(j, parts, count)


cdef bint goes_on(const part_t *before, const part_t *part) noexcept nogil:
    """Whether a part is the next of the run that `before` belongs to."""
    return (
        part.group == before.group
        and part.block != before.block
        and part.first_tick == before.first_tick + before.ticks
        and (part.columns == before.columns or part.rows == 0 or before.rows == 0)
    )


cdef Fault put_run(joiner_t *j, const part_t *parts, uint32_t count) noexcept nogil:
    cdef size_t begin = j.size
    cdef uint32_t i, columns = 0, rows = 0
    cdef Fault fault
    if not make_room(j, MESSAGE_HEAD + 64):
        return NO_MEMORY
    j.size += MESSAGE_HEAD
    fault = put_heads(j, parts, count)
    if fault:
        return fault
    for i in range(count):
        if parts[i].rows:
            if rows and parts[i].columns != columns:
                return STRANGE
            columns, rows = parts[i].columns, rows + parts[i].rows
    for i in range(columns):
        fault = join_column(j, parts, count, i)
        if fault:
            return fault
    j.joined += columns
    for i in range(count):
        if parts[i].is_pushed:
            j.pushes = True
            fault = put_pushed(j, &parts[i], parts[0].first_due)
            if fault:
                return fault
    written(j, close_message(j.out + begin, at_end(j), 2))
    return FINE


cdef Fault put_runs(joiner_t *j) noexcept nogil:
    """All runs, joined; the parts are in order of groups, then of blocks."""
    cdef size_t i, begin = 0, rows = 0, most = 0
    cdef Fault fault
    if j.part_count:
        qsort(j.parts, j.part_count, sizeof(part_t), by_group)
    for i in range(j.part_count):
        if i and not goes_on(&j.parts[i - 1], &j.parts[i]):
            rows = 0
        rows += j.parts[i].rows
        most = max(most, rows)
    if most > ROWS_MAX:
        return TOO_LARGE
    most += 1
    j.lots = <lot_t *>malloc((j.part_count + 1) * sizeof(lot_t))
    j.t.values = <int64_t *>malloc(most * 8)
    j.t.decimals = <int64_t *>malloc(most * 8)
    j.t.times = <int64_t *>malloc(most * 8)
    j.t.rows = <uint32_t *>malloc(most * 4)
    j.t.quality = <uint8_t *>malloc(most)
    if (
        j.lots == NULL or j.t.values == NULL or j.t.decimals == NULL or j.t.times == NULL
        or j.t.rows == NULL or j.t.quality == NULL
    ):
        return NO_MEMORY
    for i in range(1, j.part_count + 1):
        if i < j.part_count and goes_on(&j.parts[i - 1], &j.parts[i]):
            continue
        fault = put_run(j, &j.parts[begin], <uint32_t>(i - begin))
        if fault:
            return fault
        begin = i
    return FINE


cdef void let_go(joiner_t *j) noexcept nogil:
    free(j.parts)
    free(j.columns)
    free(j.lots)
    free(j.out)
    free(j.t.values)
    free(j.t.decimals)
    free(j.t.times)
    free(j.t.rows)
    free(j.t.quality)
