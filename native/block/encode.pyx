"""A column of numbers as the fewest bytes of plain protobuf: differences of order 0, 1 or 2, packed
sint64.

Which order is best is counted, not guessed: one pass adds up the varint bytes of all three. Numbers
of 26 bits, which most are, are counted four at once.
"""

from libc.math cimport fabs, rint
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove

from native.bytes cimport put_varint, varint_size, zigzag
from native.rows.store cimport TYPE_FLOAT32

#: Decimal digits that are tried: float32 holds 7, and 10^9 keeps every integer below 2^53.
cdef enum:
    FLOAT32_DIGITS = 6
    FLOAT64_DIGITS = 9

cdef enum:
    # Values that are counted in one go; its copy stays in the first cache.
    CHUNK = 256
    # Below it second differences take four bytes at most.
    NARROW = 1 << 25

cdef double *POWERS = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9]


cdef inline uint64_t bend(int64_t a, int64_t b, int64_t c) noexcept nogil:
    """The second difference of three values in a row."""
    return <uint64_t>c - 2 * <uint64_t>b + <uint64_t>a


cdef inline int32_t zigzag32(int32_t v) noexcept nogil:
    return <int32_t>(<uint32_t>v << 1) ^ (v >> 31)


cdef bint count_narrow(const int64_t *v, uint32_t n, bint fresh, uint64_t *sizes) noexcept nogil:
    """Add the bytes of `n` values, at most CHUNK, in each order to `sizes`; False, and nothing
    added, when one has too many bits for that. `fresh`: they are the column's first; else the two
    values before them lie in front.

    In operations that every vector unit has: the compiler takes four values at once.
    """
    cdef int32_t[CHUNK + 2] w
    cdef int32_t size0 = 0, size1 = 0, size2 = 0, z
    cdef uint64_t beyond = 0
    cdef uint32_t i
    w[0] = w[1] = 0
    if not fresh:
        beyond = (<uint64_t>(v - 2)[0] + NARROW) | (<uint64_t>(v - 1)[0] + NARROW)
        w[0], w[1] = <int32_t>(v - 2)[0], <int32_t>(v - 1)[0]
    for i in range(n):
        beyond |= <uint64_t>v[i] + NARROW
        w[i + 2] = <int32_t>v[i]
    if beyond >= 2 * NARROW:
        return False
    for i in range(n):
        z = zigzag32(w[i + 2])
        size0 += z >= 1 << 7
        size0 += z >= 1 << 14
        size0 += z >= 1 << 21
        z = zigzag32(w[i + 2] - w[i + 1])
        size1 += z >= 1 << 7
        size1 += z >= 1 << 14
        size1 += z >= 1 << 21
        z = zigzag32((w[i + 2] - w[i + 1]) - (w[i + 1] - w[i]))
        size2 += z >= 1 << 7
        size2 += z >= 1 << 14
        size2 += z >= 1 << 21
    sizes[0] += n + <uint32_t>size0
    sizes[1] += n + <uint32_t>size1
    sizes[2] += n + <uint32_t>size2
    return True


cdef void count_wide(const int64_t *v, uint32_t n, bint fresh, uint64_t *sizes) noexcept nogil:
    """As `count_narrow`, for any values; unsigned arithmetic, since differences wrap modulo 2^64.
    """
    cdef uint64_t before = 0, step_before = 0, step
    cdef uint32_t i
    if not fresh:
        before = <uint64_t>(v - 1)[0]
        step_before = before - <uint64_t>(v - 2)[0]
    for i in range(n):
        step = <uint64_t>v[i] - before
        sizes[0] += varint_size(zigzag(v[i]))
        sizes[1] += varint_size(zigzag(<int64_t>step))
        sizes[2] += varint_size(zigzag(<int64_t>(step - step_before)))
        before = <uint64_t>v[i]
        step_before = step


cdef choice_t choose_order(const int64_t *v, uint32_t n) noexcept nogil:
    """Count all three orders.

    Zeros at the end are left out, so a column that stands still needs no counting.
    """
    cdef choice_t c
    cdef uint64_t[3] sizes
    cdef uint32_t begin = 0, count, last0 = n, last1 = n, last2 = n
    while last1 > 1 and v[last1 - 1] == v[last1 - 2]:
        last1 -= 1
    if n == 0 or (last1 == 1 and v[0] == 0):
        c.order, c.count, c.size = 0, 0, 0
        return c
    if last1 == 1:
        c.order, c.count, c.size = n > 1, 1, varint_size(zigzag(v[0]))
        return c
    while last0 and v[last0 - 1] == 0:
        last0 -= 1
    while last2 > 2 and bend(v[last2 - 3], v[last2 - 2], v[last2 - 1]) == 0:
        last2 -= 1
    if last2 == 2 and bend(0, v[0], v[1]) == 0:
        last2 = 1
    sizes[0] = sizes[1] = sizes[2] = 0
    while begin < n:
        count = n - begin if n - begin < CHUNK else CHUNK
        if not count_narrow(v + begin, count, begin == 0, sizes):
            count_wide(v + begin, count, begin == 0, sizes)
        begin += count
    sizes[0] -= n - last0
    sizes[1] -= n - last1
    sizes[2] -= n - last2
    if sizes[0] <= sizes[1] and sizes[0] <= sizes[2]:
        c.order, c.count, c.size = 0, last0, sizes[0]
    elif sizes[1] <= sizes[2]:
        c.order, c.count, c.size = 1, last1, sizes[1]
    else:
        c.order, c.count, c.size = 2, last2, sizes[2]
    return c


cdef uint8_t *put_values(
    uint8_t *p, uint32_t number, const int64_t *v, choice_t c
) noexcept nogil:
    """Write the packed differences as field `number`; nothing when all are zero."""
    cdef uint64_t before = 0, step_before = 0, step
    cdef uint32_t i
    if c.count == 0:
        return p
    p = put_varint(p, (number << 3) | 2)
    p = put_varint(p, c.size)
    if c.order == 0:
        for i in range(c.count):
            p = put_varint(p, zigzag(v[i]))
    elif c.order == 1:
        for i in range(c.count):
            p = put_varint(p, zigzag(<int64_t>(<uint64_t>v[i] - before)))
            before = <uint64_t>v[i]
    else:
        for i in range(c.count):
            step = <uint64_t>v[i] - before
            p = put_varint(p, zigzag(<int64_t>(step - step_before)))
            before = <uint64_t>v[i]
            step_before = step
    return p


cdef bint to_decimal(
    uint8_t type, const int64_t *v, uint32_t n, int64_t *out, uint32_t *digits
) noexcept nogil:
    """Integers m with m / 10^digits equal, bit for bit, to every float of the column; False if
    there are none.

    A value that needs more digits raises them for all: m / 10^k is the same rational, hence the
    same float, as 10m / 10^(k+1). Minus zero has no such integer.
    """
    cdef uint32_t most = FLOAT32_DIGITS if type == TYPE_FLOAT32 else FLOAT64_DIGITS
    cdef uint32_t i, k = 0
    cdef double wide, scaled
    cdef float narrow
    cdef int32_t bits
    cdef int64_t back
    for i in range(n):
        if type == TYPE_FLOAT32:
            bits = <int32_t>v[i]
            memcpy(&narrow, &bits, 4)
            wide = narrow
        else:
            memcpy(&wide, &v[i], 8)
        while True:
            scaled = rint(wide * POWERS[k]) + 0.0  # minus zero becomes zero, which is another
            if fabs(scaled) >= 4503599627370496.0:  # 2^52: m itself must be exact
                return False
            if type == TYPE_FLOAT32:
                narrow = <float>(scaled / POWERS[k])
                memcpy(&bits, &narrow, 4)
                back = bits
            else:
                scaled = scaled / POWERS[k]
                memcpy(&back, &scaled, 8)
            if back == v[i]:
                break
            k += 1
            if k > most:
                return False
    for i in range(n):
        if type == TYPE_FLOAT32:
            bits = <int32_t>v[i]
            memcpy(&narrow, &bits, 4)
            wide = narrow
        else:
            memcpy(&wide, &v[i], 8)
        scaled = rint(wide * POWERS[k])
        if fabs(scaled) >= 4503599627370496.0:
            return False
        out[i] = <int64_t>scaled
    digits[0] = k
    return True


cdef uint8_t *close_message(uint8_t *start, uint8_t *end, uint32_t number) noexcept nogil:
    """Make start+MESSAGE_HEAD..end a sub-message: tag and length go to `start`, the body closes up
    behind.

    Field numbers below 16 only. Returns the new end.
    """
    cdef uint8_t *body = start + MESSAGE_HEAD
    cdef size_t size = <size_t>(end - body)
    cdef uint8_t *p = put_varint(start, (number << 3) | 2)
    p = put_varint(p, size)
    memmove(p, body, size)
    return p + size
