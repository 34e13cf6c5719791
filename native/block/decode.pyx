"""Raw bytes of a column to numbers: one function a width and order, then one a type; no branch on
either in a row loop.

Numbers leave as int64: integers as they are (uint64 modulo 2^64), floats as their bit patterns
(float32 as a signed 32-bit integer), bool as 0 or 1. What the device means by "none"
(`TagSpec.no_value`) has BAD_NO_VALUE in place of a quality that is not bad, and what is no value of
the type (NaN, infinity, a BCD digit over 9) BAD_NOT_A_VALUE. Rows that are bad already are decoded
too, and mean nothing.

Orders name two swaps (Modbus has no order beyond a register's own, high byte first: Application
Protocol V1.1b3, 4.2): ABCD none, CDAB registers reversed, BADC bytes of each register swapped, DCBA
both.
"""

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from native.bytes cimport (
    __builtin_bswap16,
    __builtin_bswap32,
    __builtin_bswap64,
    be16,
    be32,
    be64,
)
from native.rows.props cimport fieldprops_t
from native.rows.store cimport (
    TYPE_BCD,
    TYPE_BCD_SIGNED,
    TYPE_BOOL,
    TYPE_FLOAT32,
    TYPE_FLOAT64,
    TYPE_INT8,
    TYPE_INT16,
    TYPE_INT32,
    field_t,
)
from native.reasons cimport BAD, BAD_NO_VALUE, BAD_NOT_A_VALUE


cdef void load8(const uint8_t *p, size_t stride, uint32_t n, int64_t *out) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        out[i] = p[i * stride]


cdef void load16(
    const uint8_t *p, size_t stride, uint32_t n, int64_t *out, bint swap
) noexcept nogil:
    cdef uint32_t i
    if swap:
        for i in range(n):
            out[i] = __builtin_bswap16(be16(p + i * stride))
    else:
        for i in range(n):
            out[i] = be16(p + i * stride)


cdef inline uint32_t halves(uint32_t v) noexcept nogil:
    return (v << 16) | (v >> 16)


cdef inline uint64_t registers(uint64_t v) noexcept nogil:
    return (<uint64_t>halves(<uint32_t>v) << 32) | halves(<uint32_t>(v >> 32))


cdef void load32(
    const uint8_t *p, size_t stride, uint32_t n, int64_t *out, uint8_t order
) noexcept nogil:
    cdef uint32_t i
    if order == 0:
        for i in range(n):
            out[i] = be32(p + i * stride)
    elif order == 1:
        for i in range(n):
            out[i] = halves(be32(p + i * stride))
    elif order == 2:
        for i in range(n):
            out[i] = halves(__builtin_bswap32(be32(p + i * stride)))
    else:
        for i in range(n):
            out[i] = __builtin_bswap32(be32(p + i * stride))


cdef void load64(
    const uint8_t *p, size_t stride, uint32_t n, int64_t *out, uint8_t order
) noexcept nogil:
    cdef uint32_t i
    if order == 0:
        for i in range(n):
            out[i] = <int64_t>be64(p + i * stride)
    elif order == 1:
        for i in range(n):
            out[i] = <int64_t>registers(be64(p + i * stride))
    elif order == 2:
        for i in range(n):
            out[i] = <int64_t>registers(__builtin_bswap64(be64(p + i * stride)))
    else:
        for i in range(n):
            out[i] = <int64_t>__builtin_bswap64(be64(p + i * stride))


cdef void load_odd(
    const uint8_t *p, size_t stride, uint32_t n, int64_t *out, uint8_t wide
) noexcept nogil:
    """Load values of 3, 5, 6 or 7 bytes, high byte first."""
    cdef uint32_t i
    cdef int k
    cdef uint64_t value
    for i in range(n):
        value = 0
        for k in range(wide):
            value = value << 8 | p[i * stride + k]
        out[i] = <int64_t>value


cdef void load_bit(
    const uint8_t *p, size_t stride, uint32_t n, int64_t *out, uint32_t bit
) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        out[i] = (p[i * stride] >> bit) & 1


cdef inline void refuse(uint8_t *quality) noexcept nogil:
    if quality[0] < BAD:
        quality[0] = BAD_NOT_A_VALUE


cdef void check_bcd(
    int64_t *v, uint32_t n, uint8_t *quality, uint8_t wide, bint is_signed
) noexcept nogil:
    """Packed decimal digits of `wide` bytes, high digit first, to a number. Signed: the highest bit
    is the sign, the three below it are a digit; all four set are a sign alone, as Siemens has it.
    """
    cdef uint32_t i
    cdef int k, top = 2 * wide - 1
    cdef uint64_t raw, digit, number
    cdef bint minus
    for i in range(n):
        raw = <uint64_t>v[i]
        number = 0
        minus = is_signed and raw >> (4 * top + 3) & 1
        if minus:
            raw ^= <uint64_t>(15 if raw >> (4 * top) == 15 else 8) << (4 * top)
        for k in range(top, -1, -1):
            digit = (raw >> (4 * k)) & 15
            if digit > 9:
                refuse(quality + i)
            number = number * 10 + digit
        v[i] = -<int64_t>number if minus else <int64_t>number


cdef void check_float32(int64_t *v, uint32_t n, uint8_t *quality) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if (v[i] & 0x7F800000) == 0x7F800000:
            refuse(quality + i)
        v[i] = <int32_t><uint32_t>v[i]


cdef void check_float64(int64_t *v, uint32_t n, uint8_t *quality) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if (<uint64_t>v[i] >> 52 & 0x7FF) == 0x7FF:
            refuse(quality + i)


cdef void find_none(
    const uint64_t *none, uint32_t count, const int64_t *v, uint32_t n, uint8_t *quality
) noexcept nogil:
    """Loaded bits by which the device says "none" are no value."""
    cdef uint32_t i, k
    for k in range(count):
        for i in range(n):
            if <uint64_t>v[i] == none[k] and quality[i] < BAD:
                quality[i] = BAD_NO_VALUE


cdef void decode_numbers(
    const field_t *f, const fieldprops_t *props, const uint8_t *data, size_t stride, uint32_t n,
    int64_t *out, uint8_t *quality
) noexcept nogil:
    """Decode one column: `data` points at the first row's answers, `stride` to the next row's."""
    cdef uint32_t i
    cdef uint8_t wide
    if f.bit >= 0:
        load_bit(data + f.offset, stride, n, out, <uint32_t>f.bit)
        return
    wide = <uint8_t>f.length
    if wide == 1:
        load8(data + f.offset, stride, n, out)
    elif wide == 2:
        load16(data + f.offset, stride, n, out, f.order >= 2)
    elif wide == 4:
        load32(data + f.offset, stride, n, out, f.order)
    elif wide == 8:
        load64(data + f.offset, stride, n, out, f.order)
    else:
        load_odd(data + f.offset, stride, n, out, wide)
    if props.none_count:
        find_none(props.none, props.none_count, out, n, quality)
    if f.type == TYPE_INT8:
        for i in range(n):
            out[i] = <int8_t><uint8_t>out[i]
    elif f.type == TYPE_INT16:
        for i in range(n):
            out[i] = <int16_t><uint16_t>out[i]
    elif f.type == TYPE_INT32:
        for i in range(n):
            out[i] = <int32_t><uint32_t>out[i]
    elif f.type == TYPE_FLOAT32:
        check_float32(out, n, quality)
    elif f.type == TYPE_FLOAT64:
        check_float64(out, n, quality)
    elif f.type == TYPE_BCD or f.type == TYPE_BCD_SIGNED:
        check_bcd(out, n, quality, wide, f.type == TYPE_BCD_SIGNED)
    elif f.type == TYPE_BOOL:
        for i in range(n):
            out[i] = out[i] != 0


cdef size_t decode_text(const field_t *f, const uint8_t *data, uint8_t *out) noexcept nogil:
    """One text, cut at its first NUL; returns its length. BADC and DCBA swap the bytes of each
    register.
    """
    cdef const uint8_t *p = data + f.offset
    cdef size_t i
    cdef size_t swap = 1 if f.order >= 2 else 0
    for i in range(f.length):
        # The partner of an odd last byte lies behind the field, still in its register.
        out[i] = p[i ^ swap]
        if out[i] == 0:
            return i
    return f.length


cdef bint gb18030_valid(const uint8_t *p, size_t n) noexcept nogil:
    """GB 18030-2005: one byte 00-7F, two 81-FE 40-7E/80-FE, or four 81-FE 30-39 81-FE 30-39."""
    cdef size_t i = 0
    while i < n:
        if p[i] < 0x80:
            i += 1
        elif p[i] == 0x80 or p[i] == 0xFF or i + 1 >= n:
            return False
        elif 0x30 <= p[i + 1] <= 0x39:
            if i + 3 >= n or not 0x81 <= p[i + 2] <= 0xFE or not 0x30 <= p[i + 3] <= 0x39:
                return False
            i += 4
        elif 0x40 <= p[i + 1] <= 0xFE and p[i + 1] != 0x7F:
            i += 2
        else:
            return False
    return True


cdef bint utf8_valid(const uint8_t *p, size_t n) noexcept nogil:
    """RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF."""
    cdef size_t i = 0, k, more
    cdef uint32_t c, least
    while i < n:
        c = p[i]
        if c < 0x80:
            i += 1
            continue
        if 0xC2 <= c <= 0xDF:
            more, least, c = 1, 0x80, c & 0x1F
        elif 0xE0 <= c <= 0xEF:
            more, least, c = 2, 0x800, c & 0x0F
        elif 0xF0 <= c <= 0xF4:
            more, least, c = 3, 0x10000, c & 0x07
        else:
            return False
        if i + more >= n:
            return False
        for k in range(1, more + 1):
            if (p[i + k] & 0xC0) != 0x80:
                return False
            c = (c << 6) | (p[i + k] & 0x3F)
        if c < least or c > 0x10FFFF or 0xD800 <= c <= 0xDFFF:
            return False
        i += more + 1
    return True


cdef bint text_valid(const uint8_t *p, size_t n, uint8_t encoding) noexcept nogil:
    cdef size_t i
    if encoding == 1:
        return utf8_valid(p, n)
    if encoding == 2:
        return gb18030_valid(p, n)
    for i in range(n):
        if p[i] >= 0x80:
            return False
    return True
