"""Walking serialized protobuf messages of our own making: fields, numbers, columns of numbers."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from native.bytes cimport unzigzag


cdef struct span_t:
    const uint8_t *p
    const uint8_t *end


cdef struct wirefield_t:
    uint32_t number
    uint32_t wire     # 0 varint, 1 eight bytes, 2 bytes, 5 four bytes
    uint64_t value    # of a varint
    span_t bytes      # of the others


cdef inline size_t span_size(span_t s) noexcept nogil:
    return <size_t>(s.end - s.p)


cdef inline bint take_varint(span_t *s, uint64_t *value) noexcept nogil:
    """False when there is none: the bytes end, or it has more than 64 bits."""
    cdef uint32_t shift = 0
    value[0] = 0
    while s.p < s.end and shift < 64:
        value[0] |= <uint64_t>(s.p[0] & 0x7F) << shift
        shift = shift + 7 if s.p[0] >= 0x80 else 128
        s.p += 1
    return shift == 128


cdef inline bint take_field(span_t *s, wirefield_t *f) noexcept nogil:
    """The next field; False where the bytes are no message. Ask while s.p < s.end. A number is 0
    where there are bytes, and bytes are none where there is a number.
    """
    cdef uint64_t tag, size
    f.number = f.wire = 0
    f.value = 0
    f.bytes.p = f.bytes.end = s.p
    if not take_varint(s, &tag) or tag >> 3 == 0 or tag >> 32:
        return False
    f.number, f.wire = <uint32_t>(tag >> 3), <uint32_t>(tag & 7)
    if f.wire == 0:
        return take_varint(s, &f.value)
    if f.wire == 2:
        if not take_varint(s, &size):
            return False
    elif f.wire == 1 or f.wire == 5:
        size = 8 if f.wire == 1 else 4
    else:
        return False
    if size > <uint64_t>(s.end - s.p):
        return False
    f.bytes.p, f.bytes.end = s.p, s.p + size
    s.p += size
    return True


cdef inline bint take_values(span_t s, uint32_t order, int64_t *out, uint32_t n) noexcept nogil:
    """`n` numbers of a column: packed sint64, `order` running sums, continued with zeros. False
    where there are more, or the bytes are none.
    """
    cdef uint64_t number = 0, step = 0, raw
    cdef uint32_t i
    for i in range(n):
        raw = 0
        if s.p < s.end and not take_varint(&s, &raw):
            return False
        raw = <uint64_t>unzigzag(raw)
        if order == 0:
            number = raw
        elif order == 1:
            number += raw
        else:
            step += raw
            number += step
        out[i] = <int64_t>number
    return s.p == s.end
