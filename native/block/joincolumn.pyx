"""One column of a run, joined of the columns that the run's parts have.

Decimals of different digits become decimals of the most digits, decimals beside bit patterns become
bit patterns; then the column is encoded as the sealer encodes one.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from native.bytes cimport put_bytes, put_field
from native.block.column cimport put_best, put_quality, put_sparse, put_text_run
from native.block.encode cimport (
    MESSAGE_HEAD,
    POWERS,
    choice_t,
    choose_order,
    close_message,
    put_values,
)
from native.block.joiner cimport (
    DAMAGED,
    FINE,
    NO_MEMORY,
    ROWS_MAX,
    STRANGE,
    Fault,
    at_end,
    joiner_t,
    lot_t,
    make_room,
    part_t,
    written,
)
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
from native.rows.store cimport TYPE_FLOAT32, TYPE_FLOAT64, TYPE_INT64
from native.block.wirefields cimport (
    span_size,
    span_t,
    take_field,
    take_values,
    take_varint,
    wirefield_t,
)

cdef enum:
    # What an entry may take at most: ten bytes of value, five of row, thirteen of quality.
    ENTRY_BYTES = 28


cdef struct column_t:
    uint32_t order
    uint32_t encoding
    uint32_t digits
    bint sparse
    span_t values
    span_t rows
    span_t plain
    span_t body          # to walk again for qualities and texts


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


cdef Fault read_rows(
    span_t said, uint32_t base, uint32_t rows, uint32_t *out, uint32_t *entries
) noexcept nogil:
    """Which of `rows` rows have an entry, counted from `base`, and how many have."""
    cdef uint64_t row = 0, step
    entries[0] = 0
    while said.p < said.end:
        if not take_varint(&said, &step):
            return DAMAGED
        row += step
        if row >= rows or entries[0] == rows:
            return DAMAGED
        out[entries[0]] = base + <uint32_t>row
        entries[0] += 1
    return FINE


cdef bint copied(
    joiner_t *j, const part_t *parts, uint32_t count, uint32_t k, Fault *fault
) noexcept nogil:
    """Column `k` as it is, where only one part has rows: nothing is joined to it. False where it
    must be written anew, or `fault`.
    """
    cdef uint32_t i, sole = count
    cdef bint plain
    cdef column_t c
    cdef span_t body
    for i in range(count):
        if parts[i].rows:
            if sole < count:
                return False
            sole = i
    if sole == count:
        return False
    body = j.columns[parts[sole].column_at + k]
    fault[0] = read_column(body, &c)
    if fault[0]:
        return False
    plain = c.plain.p != NULL and (
        c.encoding == ENCODING_FLOAT32 or c.encoding == ENCODING_FLOAT64
    )
    if plain and not j.t.plain:
        return False
    if not make_room(j, span_size(body) + MESSAGE_HEAD):
        fault[0] = NO_MEMORY
        return False
    j.t.is_plain = j.t.is_plain or plain
    written(j, put_bytes(at_end(j), 10, body.p, span_size(body)))
    return True


cdef Fault join_column(
    joiner_t *j, const part_t *parts, uint32_t count, uint32_t k
) noexcept nogil:
    """Column `k` of all parts as one."""
    cdef uint32_t i, entries = 0, values = 0, lots = 0, base = 0, mine, good
    cdef size_t bytes = 0, begin
    cdef bint sparse = False, texts = False, first = True
    cdef column_t c
    cdef Fault fault = FINE
    cdef uint8_t *p
    if copied(j, parts, count, k, &fault) or fault:
        return fault
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
            fault = read_rows(c.rows, base, parts[i].rows, j.t.rows + entries, &mine)
            if fault:
                return fault
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
