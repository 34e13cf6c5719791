"""STRING, WSTRING, S5TIME, DATE_AND_TIME, DTL and LDT as plain values, high byte first.

Sources: STEP 7 and TIA describe these types in their help; nodes7, an implementation by others,
writes and reads the same bytes (tests/peer).
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from native.bytes cimport be16, be32, put_be16


cdef uint32_t text_most(uint8_t kind) noexcept nogil:
    return 254 if kind == TEXT else (85 if kind == WIDE_TEXT else 0)


cdef uint32_t wire_bytes(uint8_t kind, uint32_t text) noexcept nogil:
    if kind == TEXT:
        return 2 + text
    if kind == WIDE_TEXT:
        return 4 + 2 * text
    if kind == S5TIME:
        return 2
    return 8 if kind == DATE_AND_TIME or kind == LDT else (12 if kind == DTL else 0)


cdef uint32_t row_bytes(uint8_t kind, uint32_t text) noexcept nogil:
    if kind == TEXT:
        return text
    if kind == WIDE_TEXT:
        return 3 * text
    return 4 if kind == S5TIME else 8


cdef inline void put_be64(uint8_t *p, uint64_t v) noexcept nogil:
    put_be16(p, <uint32_t>(v >> 48))
    put_be16(p + 2, <uint32_t>(v >> 32))
    put_be16(p + 4, <uint32_t>(v >> 16))
    put_be16(p + 6, <uint32_t>v)


cdef inline int digits(uint8_t v) noexcept nogil:
    """Two BCD digits; if they are none, a number so large that every check of it fails."""
    return (v >> 4) * 10 + (v & 15) if (v >> 4) <= 9 and (v & 15) <= 9 else 100000


cdef inline int64_t days(int64_t year, int month, int day) noexcept nogil:
    """Days since 1970-01-01, Gregorian. Years are counted from March, so a leap day is the last."""
    cdef int64_t y = year - (month <= 2)
    cdef int64_t of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return y * 365 + y // 4 - y // 100 + y // 400 + of_year - 719468


cdef inline int month_days(int year, int month) noexcept nogil:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31


cdef bint put_time(
    int year, int month, int day, int hour, int minute, int second, int64_t ns, uint8_t *out
) noexcept nogil:
    cdef int64_t found
    if not (1970 <= year <= 2261 and 1 <= month <= 12 and 1 <= day <= month_days(year, month)):
        return False
    if hour > 23 or minute > 59 or second > 59 or ns > 999999999:
        return False
    found = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
    put_be64(out, <uint64_t>(found * 1000000000 + ns))
    return True


cdef bint put_text(const uint8_t *p, uint8_t *out, uint32_t text) noexcept nogil:
    """A length above the text's own maximum, or above the tag's, is no value."""
    cdef uint32_t length = p[1]
    if length > p[0] or length > text:
        return False
    memcpy(out, p + 2, length)
    memset(out + length, 0, text - length)
    return True


cdef uint32_t put_utf8(uint32_t c, uint8_t *out) noexcept nogil:
    """Up to four bytes; returns how many."""
    if c < 0x80:
        out[0] = <uint8_t>c
        return 1
    if c < 0x800:
        out[0], out[1] = 0xC0 | c >> 6, 0x80 | c & 63
        return 2
    if c < 0x10000:
        out[0], out[1], out[2] = 0xE0 | c >> 12, 0x80 | c >> 6 & 63, 0x80 | c & 63
        return 3
    out[0], out[1] = 0xF0 | c >> 18, 0x80 | c >> 12 & 63
    out[2], out[3] = 0x80 | c >> 6 & 63, 0x80 | c & 63
    return 4


cdef bint put_wide_text(const uint8_t *p, uint8_t *out, uint32_t text) noexcept nogil:
    """As `put_text`, for UTF-16; half a surrogate pair is no value."""
    cdef uint32_t length = be16(p + 2), at = 0, i = 0, c, low
    if length > <uint32_t>be16(p) or length > text:
        return False
    while i < length:
        c = be16(p + 4 + 2 * i)
        i += 1
        if 0xD800 <= c <= 0xDFFF:
            low = be16(p + 4 + 2 * i) if i < length else 0
            if c >= 0xDC00 or not 0xDC00 <= low <= 0xDFFF:
                return False
            c = 0x10000 + (c - 0xD800 << 10) + low - 0xDC00
            i += 1
        at += put_utf8(c, out + at)
    memset(out + at, 0, 3 * text - at)
    return True


cdef bint put_s5time(const uint8_t *p, uint8_t *out) noexcept nogil:
    """Two bits of the base (10 ms, 100 ms, 1 s, 10 s), three BCD digits."""
    cdef uint32_t count = <uint32_t>digits(p[0] & 0x0F) * 100 + <uint32_t>digits(p[1])
    cdef int base = (p[0] >> 4) & 3
    if count > 999:
        return False
    count *= 10 if base == 0 else (100 if base == 1 else (1000 if base == 2 else 10000))
    put_be16(out, count >> 16)
    put_be16(out + 2, count)
    return True


cdef bint reshape(uint8_t kind, const uint8_t *p, uint8_t *out, uint32_t text) noexcept nogil:
    cdef int year
    if kind == TEXT:
        return put_text(p, out, text)
    if kind == WIDE_TEXT:
        return put_wide_text(p, out, text)
    if kind == S5TIME:
        return put_s5time(p, out)
    if kind == DATE_AND_TIME:
        # 90 is 1990, 89 is 2089. The last byte: units of milliseconds, and the weekday.
        year = digits(p[0])
        year += 1900 if year >= 90 else 2000
        return p[7] >> 4 <= 9 and put_time(
            year, digits(p[1]), digits(p[2]), digits(p[3]), digits(p[4]), digits(p[5]),
            <int64_t>(digits(p[6]) * 10 + (p[7] >> 4)) * 1000000, out
        )
    if kind == LDT:
        memcpy(out, p, 8)
        return p[0] < 0x80  # nanoseconds since 1970 are never negative
    return put_time(be16(p), p[2], p[3], p[5], p[6], p[7], be32(p + 8), out)


def reshaped(int kind, bytes data, int text=0) -> bytes | None:
    """The bytes in a row for `data`; None if it is no value. For tests."""
    cdef const uint8_t *p = data
    cdef uint8_t out[256]
    cdef uint32_t wanted = wire_bytes(<uint8_t>kind, <uint32_t>text)
    cdef int most = <int>text_most(<uint8_t>kind)
    if not 0 <= text <= (most or text) or wanted == 0 or <uint32_t>len(data) != wanted:
        raise ValueError(f"kind {kind} has not {len(data)} bytes")
    if not reshape(<uint8_t>kind, p, out, <uint32_t>text):
        return None
    return out[:row_bytes(<uint8_t>kind, <uint32_t>text)]
