"""Columns of a GroupRun: decoded, filtered, and written as the smallest of their encodings.

`t.quality` holds each row's quality and `t.times` its time when `put_column` is called. Entries
that are bad have no value: never 0, never the one before.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from native.bytes cimport put_bytes, put_field, put_varint, to_le32, to_le64, varint_size
from native.crc cimport crc32c_of
from native.block.decode cimport decode_numbers, decode_text, text_valid
from native.block.encode cimport (
    MESSAGE_HEAD,
    choice_t,
    choose_order,
    close_message,
    put_values,
    to_decimal,
)
from native.block.filter cimport doubt_values, pick_changes, round_values
from native.rows.store cimport (
    TYPE_FLOAT32,
    TYPE_FLOAT64,
    TYPE_STRING,
    field_t,
    group_t,
    row_data,
    store_t,
)
from native.rows.props cimport fieldprops_t
from native.reasons cimport (
    BAD,
    BAD_NOT_A_VALUE,
    ENCODING_DECIMAL,
    ENCODING_FLOAT32,
    ENCODING_FLOAT32_BITS,
    ENCODING_FLOAT64,
    ENCODING_FLOAT64_BITS,
    ENCODING_INTEGER,
    ENCODING_TEXT,
    GOOD,
)

cdef enum:
    # A column of fewer rows than NOISE_ROWS whose floats were no decimal numbers is not tried again
    # as such for so many seals. A longer one is: the attempt costs little there and may save much.
    NOISE_SEALS = 16
    NOISE_ROWS = 32
    # Differences must take less than this share of what plain floats take: they compress worse.
    PLAIN_PERCENT = 75
    # 125 registers and the register that a swap may look into.
    TEXT_MAX = 256


cdef inline bint all_good(const uint8_t *quality, uint32_t n) noexcept nogil:
    """Whether every one of `n` qualities is good: the first is, and each is as the one before."""
    return n == 0 or (quality[0] == GOOD and memcmp(quality, quality + 1, n - 1) == 0)


cdef uint8_t *put_quality(uint8_t *p, const uint8_t *quality, uint32_t n) noexcept nogil:
    """Runs of quality as repeated QualityRun, field 5; nothing when all are good."""
    cdef uint32_t i = 0, start
    if all_good(quality, n):
        return p
    while i < n:
        start = i
        while i < n and quality[i] == quality[start]:
            i += 1
        p = put_varint(p, (5 << 3) | 2)
        p = put_varint(p, 2 + varint_size(i - start) + varint_size(quality[start]))
        p = put_varint(p, 1 << 3)
        p = put_varint(p, i - start)
        p = put_varint(p, 2 << 3)
        p = put_varint(p, quality[start])
    return p


cdef uint8_t *put_sparse(uint8_t *p, const uint32_t *rows, uint32_t n) noexcept nogil:
    """`sparse` and the packed differences of the rows that have an entry."""
    cdef uint32_t i, before = 0
    cdef size_t size = 0
    p = put_field(p, 6, 1)
    for i in range(n):
        size += varint_size(rows[i] - before)
        before = rows[i]
    if n:
        p = put_varint(p, (7 << 3) | 2)
        p = put_varint(p, size)
        before = 0
        for i in range(n):
            p = put_varint(p, rows[i] - before)
            before = rows[i]
    return p


cdef uint8_t *put_text_run(
    uint8_t *p, uint32_t count, const uint8_t *text, size_t size
) noexcept nogil:
    """A TextRun, field 8 of the column."""
    cdef uint8_t *start = p
    p += MESSAGE_HEAD
    p = put_field(p, 1, count)
    p = put_bytes(p, 2, text, size)
    return close_message(start, p, 8)


cdef uint8_t *put_texts(
    uint8_t *p, group_t *g, uint32_t tag, store_t *s, scratch_t *t
) noexcept nogil:
    """A column of texts: runs of equal ones. For the report on change a text's CRC-32C stands for
    it.
    """
    cdef const field_t *f = &s.layout.fields[tag]
    cdef const fieldprops_t *props = &g.props[tag]
    cdef uint8_t text[TEXT_MAX]
    cdef uint8_t running[TEXT_MAX]
    cdef uint8_t *data = row_data(s.layout, s.rows)
    cdef uint32_t stride = s.layout.stride
    cdef uint32_t i, run = 0, entries = s.row_count
    cdef size_t size, running_size = 0
    for i in range(s.row_count):
        size = decode_text(f, data + i * stride, text)
        t.values[i] = crc32c_of(text, size, 0)
        t.rows[i] = i
        if t.quality[i] < BAD and not text_valid(text, size, props.text_encoding):
            t.quality[i] = BAD_NOT_A_VALUE
    if props.on_change:
        entries = pick_changes(
            f, props, &g.states[props.state], t.values, t.quality, t.times, s.row_count, t.rows
        )
        p = put_sparse(p, t.rows, entries)
        for i in range(entries):
            t.quality[i] = t.quality[t.rows[i]]
    t.samples += entries
    p = put_quality(p, t.quality, entries)
    for i in range(entries):
        if t.quality[i] >= BAD:
            t.bad += 1
            continue
        size = decode_text(f, data + t.rows[i] * stride, text)
        if run and size == running_size and memcmp(text, running, size) == 0:
            run += 1
            continue
        if run:
            p = put_text_run(p, run, running, running_size)
        memcpy(running, text, size)
        running_size = size
        run = 1
    if run:
        p = put_text_run(p, run, running, running_size)
    return p


cdef uint8_t *put_plain(uint8_t *p, uint8_t type, const int64_t *values, uint32_t n) noexcept nogil:
    """Floats as they are, packed, little-endian as protobuf has them. `values` are bit patterns."""
    cdef uint32_t i, narrow
    cdef uint64_t wide
    cdef uint32_t width = 4 if type == TYPE_FLOAT32 else 8
    p = put_varint(p, ((9 if type == TYPE_FLOAT32 else 10) << 3) | 2)
    p = put_varint(p, <uint64_t>n * width)
    for i in range(n):
        if width == 4:
            narrow = to_le32(<uint32_t>values[i])
            memcpy(p, &narrow, 4)
        else:
            wide = to_le64(<uint64_t>values[i])
            memcpy(p, &wide, 8)
        p += width
    return p


cdef uint8_t *put_best(
    uint8_t *p, uint8_t type, int64_t *values, uint32_t n, uint8_t *noise_seals, scratch_t *t
) noexcept nogil:
    """Order, encoding, digits and numbers of a column, in the encoding that is smallest.

    `values` are numbers as `decode_numbers` leaves them, of entries that have one. `noise_seals`:
    of floats, for how many seals more decimals need not be tried.
    """
    cdef choice_t c, d
    cdef uint32_t encoding = ENCODING_INTEGER, digits = 0
    cdef bint narrow = type == TYPE_FLOAT32
    c = choose_order(values, n)
    if narrow or type == TYPE_FLOAT64:
        encoding = ENCODING_FLOAT32_BITS if narrow else ENCODING_FLOAT64_BITS
        if noise_seals[0] and n < NOISE_ROWS:
            noise_seals[0] -= 1
        elif to_decimal(type, values, n, t.decimals, &digits):
            d = choose_order(t.decimals, n)
            if d.size <= c.size:
                encoding, values, c = ENCODING_DECIMAL, t.decimals, d
        else:
            noise_seals[0] = NOISE_SEALS
        if (
            t.plain and encoding != ENCODING_DECIMAL
            and c.size * 100 >= <uint64_t>n * (4 if narrow else 8) * PLAIN_PERCENT
        ):
            t.is_plain = True
            p = put_field(p, 2, ENCODING_FLOAT32 if narrow else ENCODING_FLOAT64)
            return put_plain(p, type, values, n)
    p = put_field(p, 1, c.order)
    p = put_field(p, 2, encoding)
    if encoding == ENCODING_DECIMAL:
        p = put_field(p, 3, digits)
    return put_values(p, 4, values, c)


cdef uint8_t *put_numbers(
    uint8_t *p, group_t *g, uint32_t tag, store_t *s, scratch_t *t
) noexcept nogil:
    """A column of numbers. Entries that are bad have no value."""
    cdef const field_t *f = &s.layout.fields[tag]
    cdef const fieldprops_t *props = &g.props[tag]
    cdef uint32_t i, n = 0, entries = s.row_count
    cdef int64_t *values = t.values
    decode_numbers(
        f, props, row_data(s.layout, s.rows), s.layout.stride, s.row_count, t.values, t.quality
    )
    doubt_values(f, props, t.values, s.row_count, t.quality)
    round_values(f, props, t.values, s.row_count)
    if props.on_change:
        entries = pick_changes(
            f, props, &g.states[props.state], t.values, t.quality, t.times, s.row_count, t.rows
        )
        for i in range(entries):
            t.quality[i] = t.quality[t.rows[i]]
            t.values[i] = t.values[t.rows[i]]
    if all_good(t.quality, entries):
        n = entries
    else:
        for i in range(entries):
            if t.quality[i] < BAD:
                values[n] = values[i]
                n += 1
    t.bad += entries - n
    t.samples += entries
    p = put_best(p, f.type, values, n, &g.noise_seals[tag], t)
    p = put_quality(p, t.quality, entries)
    if props.on_change:
        p = put_sparse(p, t.rows, entries)
    return p


cdef uint8_t *put_column(
    uint8_t *p, group_t *g, uint32_t tag, store_t *s, scratch_t *t
) noexcept nogil:
    """The Column of the group's tag number `tag`, field 10 of the run."""
    cdef uint8_t *start = p
    p += MESSAGE_HEAD
    if s.layout.fields[tag].type == TYPE_STRING:
        p = put_field(p, 2, ENCODING_TEXT)
        p = put_texts(p, g, tag, s, t)
    else:
        p = put_numbers(p, g, tag, s, t)
    return close_message(start, p, 10)
