"""Runs of successive blocks, joined: column by column one behind the other, and encoded as the
sealer would have encoded them had it waited.

What is joined is what native.block seals. A run with parts or events, a column with the source's
own time, or a quality with the device's code can't be joined yet, nor can decimals that together
need more than 52 bits.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memcmp, memcpy, memset

from native.bytes cimport put_bytes, put_field, put_varint, varint_size
from native.column cimport put_best, put_quality, put_sparse, put_text_run
from native.encode cimport MESSAGE_HEAD, POWERS, choice_t, choose_order, close_message, put_values
from native.reasons cimport (
    BAD,
    ENCODING_DECIMAL,
    ENCODING_FLOAT32,
    ENCODING_FLOAT32_BITS,
    ENCODING_FLOAT64,
    ENCODING_INTEGER,
    ENCODING_TEXT,
    GOOD,
)
from native.rows cimport TYPE_FLOAT32, TYPE_FLOAT64, TYPE_INT64
from native.wirefields cimport (
    span_size,
    span_t,
    take_field,
    take_values,
    take_varint,
    wirefield_t,
)

cdef enum:
    # jiahe.ingest.limits: rows of one payload.
    ROWS_MAX = 1 << 20
    # What an entry may take at most: ten bytes of value, five of row, thirteen of quality.
    ENTRY_BYTES = 28
    # An unsaid half span is one below a millisecond (ingest.proto, GroupRun.half_span_us).
    SPAN_UNSAID = 0


cdef struct column_t:
    uint32_t order
    uint32_t encoding
    uint32_t digits
    bint sparse
    span_t values
    span_t rows
    span_t plain
    span_t body          # to walk again for qualities and texts


cdef bint make_room(joiner_t *j, size_t more) noexcept nogil:
    """Room for so many bytes at j.out + j.size; False when memory is short."""
    cdef size_t room
    cdef uint8_t *grown
    if j.size + more <= j.room:
        return True
    room = 2 * (j.size + more)
    grown = <uint8_t *>realloc(j.out, room)
    if grown == NULL:
        return False
    j.out, j.room = grown, room
    return True


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


cdef Fault put_heads(joiner_t *j, const part_t *parts, uint32_t count) noexcept nogil:
    """Everything of a run but its columns: ticks, times, half spans, what was skipped, whose."""
    cdef uint32_t i, k, rows = 0, block
    cdef uint64_t ticks = 0, number, size = 0
    cdef bint spans = False
    cdef choice_t c
    cdef span_t walk
    cdef wirefield_t f
    cdef uint8_t *p
    for i in range(count):
        if not take_values(
            parts[i].late, parts[i].late_order, j.t.values + rows, parts[i].rows
        ):
            return DAMAGED
        rows += parts[i].rows
        ticks += parts[i].ticks
        spans = spans or parts[i].spans.p != NULL
    if not make_room(j, 64 + 24 * <size_t>rows + 12 * <size_t>j.block_count):
        return NO_MEMORY
    p = put_field(at_end(j), 1, parts[0].group)
    p = put_field(p, 2, parts[0].first_tick)
    p = put_field(p, 3, ticks)
    p = put_field(p, 4, <uint64_t>parts[0].first_due)
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
    size = 0
    block = 0
    for i in range(count):
        size += parts[i].block - block + varint_size(parts[i].ticks)
        block = parts[i].block + 1
    p = put_varint(p, (12 << 3) | 2)
    p = put_varint(p, size)
    block = 0
    for i in range(count):
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


cdef Fault read_column(span_t body, column_t *c) noexcept nogil:
    cdef wirefield_t f
    memset(c, 0, sizeof(column_t))
    c.body = body
    while body.p < body.end:
        if not take_field(&body, &f):
            return DAMAGED
        if f.number == 1:
            c.order = <uint32_t>f.value
        elif f.number == 2:
            c.encoding = <uint32_t>f.value
        elif f.number == 3:
            c.digits = <uint32_t>f.value
        elif f.number == 4 and c.values.p == NULL:
            c.values = f.bytes
        elif f.number == 6:
            c.sparse = f.value != 0
        elif f.number == 7 and c.rows.p == NULL:
            c.rows = f.bytes
        elif (f.number == 9 or f.number == 10) and c.plain.p == NULL:
            c.plain = f.bytes
        elif f.number != 5 and f.number != 8:
            return STRANGE
    if c.order > 2 or c.digits > 9:
        return DAMAGED
    return STRANGE if c.encoding > ENCODING_FLOAT64 else FINE


cdef Fault read_qualities(
    span_t body, uint8_t *quality, uint32_t entries, uint32_t *good
) noexcept nogil:
    """One quality an entry, and how many of them have a value."""
    cdef wirefield_t f
    cdef wirefield_t part
    cdef uint64_t count, code
    cdef uint32_t n = 0, i
    good[0] = 0
    while body.p < body.end:
        take_field(&body, &f)
        if f.number != 5:
            continue
        count = code = 0
        while f.bytes.p < f.bytes.end:
            if not take_field(&f.bytes, &part):
                return DAMAGED
            if part.number == 1:
                count = part.value
            elif part.number == 2:
                code = part.value
            else:
                return STRANGE
        if count > entries - n or code > 255:
            return DAMAGED
        memset(quality + n, <int>code, <size_t>count)
        n += <uint32_t>count
    if n == 0:
        memset(quality, GOOD, entries)
    elif n != entries:
        return DAMAGED
    for i in range(entries):
        good[0] += quality[i] < BAD
    return FINE


cdef Fault read_numbers(const column_t *c, int64_t *out, uint32_t n) noexcept nogil:
    """The numbers of a column; plain floats as their bit patterns."""
    cdef uint32_t i, narrow, width
    cdef uint64_t wide
    cdef const uint8_t *p = c.plain.p
    if c.encoding < ENCODING_FLOAT32:
        return FINE if take_values(c.values, c.order, out, n) else DAMAGED
    width = 4 if c.encoding == ENCODING_FLOAT32 else 8
    if span_size(c.plain) != <size_t>n * width:
        return DAMAGED
    for i in range(n):
        if width == 4:
            memcpy(&narrow, p + 4 * i, 4)
            out[i] = <int32_t>narrow
        else:
            memcpy(&wide, p + 8 * i, 8)
            out[i] = <int64_t>wide
    return FINE


cdef int64_t bits_of(int64_t number, uint32_t digits, bint narrow) noexcept nogil:
    """The float that a decimal integer stands for, as its bit pattern."""
    cdef double wide = <double>number / POWERS[digits]
    cdef float small
    cdef int32_t bits
    cdef int64_t result
    if narrow:
        small = <float>wide
        memcpy(&bits, &small, 4)
        return bits
    memcpy(&result, &wide, 8)
    return result


cdef Fault put_numbers(joiner_t *j, uint32_t lots, uint32_t n) noexcept nogil:
    """The joined numbers in the encoding that is smallest; each of `lots` has one encoding."""
    cdef uint32_t i, k, digits = 0, type = TYPE_INT64
    cdef uint8_t noise = 0
    cdef bint decimals = False, integers = False
    cdef int64_t power, limit
    cdef lot_t *lot
    cdef choice_t c
    cdef uint8_t *p
    for i in range(lots):
        lot = &j.lots[i]
        if lot.encoding == ENCODING_DECIMAL:
            decimals = True
            digits = max(digits, lot.digits)
        elif lot.encoding == ENCODING_INTEGER:
            integers = True
        elif lot.encoding == ENCODING_FLOAT32 or lot.encoding == ENCODING_FLOAT32_BITS:
            if type == TYPE_FLOAT64:
                return DAMAGED
            type = TYPE_FLOAT32
        else:
            if type == TYPE_FLOAT32:
                return DAMAGED
            type = TYPE_FLOAT64
    if integers and (decimals or type != TYPE_INT64):
        return DAMAGED
    p = at_end(j)
    if decimals and type == TYPE_INT64:
        # m / 10^k is the same number as 10m / 10^(k+1), hence the same float.
        for i in range(lots):
            lot = &j.lots[i]
            power = <int64_t>POWERS[digits - lot.digits]
            limit = (<int64_t>1 << 52) // power
            for k in range(lot.begin, lot.begin + lot.count):
                if not -limit < j.t.values[k] < limit:
                    return STRANGE
                j.t.values[k] *= power
        c = choose_order(j.t.values, n)
        p = put_field(p, 1, c.order)
        p = put_field(p, 2, ENCODING_DECIMAL)
        p = put_field(p, 3, digits)
        p = put_values(p, 4, j.t.values, c)
    else:
        for i in range(lots):
            lot = &j.lots[i]
            if lot.encoding == ENCODING_DECIMAL:
                for k in range(lot.begin, lot.begin + lot.count):
                    j.t.values[k] = bits_of(j.t.values[k], lot.digits, type == TYPE_FLOAT32)
        p = put_best(p, <uint8_t>type, j.t.values, n, &noise, &j.t)
    written(j, p)
    return FINE


cdef Fault put_texts(
    joiner_t *j, const part_t *parts, uint32_t count, uint32_t k
) noexcept nogil:
    """The joined runs of equal texts."""
    cdef uint32_t i
    cdef uint64_t times, run = 0
    cdef span_t body, text, running
    cdef wirefield_t f
    cdef wirefield_t part
    running.p = running.end = NULL
    for i in range(count):
        if parts[i].rows == 0:
            continue
        body = j.columns[parts[i].column_at + k]
        while body.p < body.end:
            take_field(&body, &f)
            if f.number != 8:
                continue
            times = 0
            text.p = text.end = f.bytes.end
            while f.bytes.p < f.bytes.end:
                if not take_field(&f.bytes, &part):
                    return DAMAGED
                if part.number == 1:
                    times = part.value
                elif part.number == 2:
                    text = part.bytes
                else:
                    return STRANGE
            if times > ROWS_MAX:
                return DAMAGED
            if (
                run and span_size(text) == span_size(running)
                and memcmp(text.p, running.p, span_size(text)) == 0
            ):
                run += times
                continue
            if run:
                written(j, put_text_run(
                    at_end(j), <uint32_t>run, running.p, span_size(running)
                ))
            running, run = text, times
    if run:
        written(j, put_text_run(at_end(j), <uint32_t>run, running.p, span_size(running)))
    return FINE


cdef Fault put_column(
    joiner_t *j, const part_t *parts, uint32_t count, uint32_t k
) noexcept nogil:
    """Column `k` of all parts as one."""
    cdef uint32_t i, entries = 0, values = 0, lots = 0, base = 0, mine, good
    cdef uint64_t row, step
    cdef size_t bytes = 0, begin
    cdef bint sparse = False, texts = False, first = True
    cdef column_t c
    cdef Fault fault
    cdef uint8_t *p
    for i in range(count):
        if parts[i].rows == 0:
            continue
        bytes += span_size(j.columns[parts[i].column_at + k])
        fault = read_column(j.columns[parts[i].column_at + k], &c)
        if fault:
            return fault
        if first:
            sparse, texts, first = c.sparse, c.encoding == ENCODING_TEXT, False
        elif sparse != c.sparse or texts != (c.encoding == ENCODING_TEXT):
            return STRANGE
        mine = parts[i].rows
        if sparse:
            mine, row = 0, 0
            while c.rows.p < c.rows.end:
                if not take_varint(&c.rows, &step):
                    return DAMAGED
                row += step
                if row >= parts[i].rows or mine == parts[i].rows:
                    return DAMAGED
                j.t.rows[entries + mine] = base + <uint32_t>row
                mine += 1
        base += parts[i].rows
        fault = read_qualities(c.body, j.t.quality + entries, mine, &good)
        if fault:
            return fault
        if good and not texts:
            fault = read_numbers(&c, j.t.values + values, good)
            if fault:
                return fault
            j.lots[lots].begin, j.lots[lots].count = values, good
            j.lots[lots].encoding, j.lots[lots].digits = c.encoding, c.digits
            lots += 1
            values += good
        entries += mine
    if not make_room(j, 64 + ENTRY_BYTES * <size_t>entries + 4 * bytes):
        return NO_MEMORY
    begin = j.size
    j.size += MESSAGE_HEAD
    if texts:
        written(j, put_field(at_end(j), 2, ENCODING_TEXT))
        fault = put_texts(j, parts, count, k)
    else:
        fault = put_numbers(j, lots, values)
    if fault:
        return fault
    p = put_quality(at_end(j), j.t.quality, entries)
    if sparse:
        p = put_sparse(p, j.t.rows, entries)
    written(j, close_message(j.out + begin, p, 10))
    return FINE


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
        fault = put_column(j, parts, count, i)
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
