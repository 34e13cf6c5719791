"""Converts a meter's values to plain integers, high byte first, as they are kept in a row.

DL/T 645-2007, 5.2.6 and appendix A: packed decimal, low byte first. In a signed number the top bit
of the top byte is the sign, the rest the magnitude. A value whose bytes are all FF is no value.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from native.reasons cimport BAD_NOT_A_VALUE, BAD_NO_VALUE, GOOD


cdef uint32_t row_bytes(uint8_t kind, uint32_t size) noexcept nogil:
    if kind == NUMBER or kind == SIGNED:
        return 0 if not 1 <= size <= NUMBER_MAX else (4 if size <= 4 else 8)
    if kind == BITS:
        return size if size == 1 or size == 2 or size == 4 or size == 8 else 0
    return size if kind == TEXT and 1 <= size <= VALUE_MAX else 0


cdef inline bint is_none(const uint8_t *p, uint32_t size) noexcept nogil:
    cdef uint32_t i
    for i in range(size):
        if p[i] != 0xFF:
            return False
    return True


cdef uint8_t shape_value(
    uint8_t kind, const uint8_t *p, uint32_t size, uint8_t *out
) noexcept nogil:
    cdef uint32_t i, wide = row_bytes(kind, size)
    cdef int64_t number = 0
    cdef uint8_t digits
    cdef bint negative = False
    if kind == BITS or kind == TEXT:
        for i in range(size):
            out[i] = p[size - 1 - i]
        return BAD_NO_VALUE if kind == TEXT and is_none(p, size) else GOOD
    memset(out, 0, wide)
    if is_none(p, size):
        return BAD_NO_VALUE
    for i in range(size):
        digits = p[size - 1 - i]
        if i == 0 and kind == SIGNED:
            negative = digits & 0x80
            digits &= 0x7F
        if digits >> 4 > 9 or (digits & 15) > 9:
            return BAD_NOT_A_VALUE
        number = number * 100 + (digits >> 4) * 10 + (digits & 15)
    if negative:
        number = -number
    for i in range(wide):
        out[i] = <uint8_t>(<uint64_t>number >> (8 * (wide - 1 - i)))
    return GOOD


def shaped(int kind, bytes data) -> tuple[int, bytes]:
    """For tools and tests: a value's quality, and its bytes in a row. Raises ValueError for a kind
    or length that does not exist.
    """
    cdef uint8_t out[VALUE_MAX]
    cdef uint32_t wide = row_bytes(<uint8_t>kind, <uint32_t>len(data))
    cdef uint8_t quality
    if not 0 <= kind <= 255 or wide == 0:
        raise ValueError(f"no value of kind {kind} and {len(data)} bytes")
    quality = shape_value(<uint8_t>kind, data, <uint32_t>len(data), out)
    return quality, out[:wide]
