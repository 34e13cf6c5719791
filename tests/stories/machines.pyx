"""Machines of five protocols, by nothing of the product: requests heard, answers made.

A byte of data is a hash of device, address and the number of the request that it answers. So a
value tells whose it is, and when it was asked for: nothing else has it, but one in 2^16 or rarer.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy


cdef inline uint64_t mixed(uint64_t x) noexcept nogil:
    """The finish of splitmix64: every bit of x counts in every bit."""
    x = (x ^ (x >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * <uint64_t>0x94D049BB133111EB
    return x ^ (x >> 31)


cdef inline uint8_t said(
    int32_t device, uint32_t area, uint32_t at, uint32_t serial
) noexcept nogil:
    """The byte at `at` of an area, as the answer to request `serial` has it."""
    return <uint8_t>mixed(
        (<uint64_t>serial << 32 ^ at) + <uint64_t>area * <uint64_t>0x9E3779B97F4A7C15
        + <uint64_t>device * <uint64_t>0xC2B2AE3D27D4EB4F
    )


cdef inline uint16_t be16(const uint8_t *p) noexcept nogil:
    return <uint16_t>(p[0] << 8 | p[1])


cdef inline void put16(uint8_t *p, uint32_t v) noexcept nogil:
    p[0], p[1] = <uint8_t>(v >> 8), <uint8_t>v


# ---- Modbus ------------------------------------------------------------------------------------

cdef uint16_t crc(const uint8_t *p, size_t n) noexcept nogil:
    cdef uint32_t c = 0xFFFF
    cdef size_t i
    cdef int _bit
    for i in range(n):
        c ^= p[i]
        for _bit in range(8):
            c = c >> 1 ^ 0xA001 if c & 1 else c >> 1
    return <uint16_t>c


cdef inline uint8_t nibble(uint8_t c) noexcept nogil:
    return <uint8_t>(c - 48 if c < 58 else c - 55)


cdef size_t framed(
    Kind kind, const asked_t *a, uint8_t *pdu, size_t n, uint8_t *out
) noexcept nogil:
    """Unit and PDU in the frame of the line."""
    cdef size_t i
    cdef uint8_t sum_ = 0
    if kind == TCP:
        memcpy(out, a.frame, 4)
        put16(out + 4, <uint32_t>n)
        memcpy(out + 6, pdu, n)
        return 6 + n
    if kind == RTU:
        memcpy(out, pdu, n)
        i = crc(pdu, n)
        out[n], out[n + 1] = <uint8_t>i, <uint8_t>(i >> 8)
        return n + 2
    for i in range(n):
        sum_ += pdu[i]
    pdu[n] = <uint8_t>(-<int>sum_)
    out[0] = 58
    for i in range(n + 1):
        out[1 + 2 * i] = <uint8_t>b"0123456789ABCDEF"[pdu[i] >> 4]
        out[2 + 2 * i] = <uint8_t>b"0123456789ABCDEF"[pdu[i] & 15]
    out[2 * n + 3], out[2 * n + 4] = 13, 10
    return 2 * n + 5


cdef size_t hear_modbus(
    Kind kind, const uint8_t *p, size_t n, int32_t devices, asked_t *a
) noexcept nogil:
    """Unit and PDU are laid behind the first six bytes of `frame`, which are those of TCP."""
    cdef size_t used = 12 if kind == TCP else 8 if kind == RTU else 17
    cdef uint8_t *pdu = a.frame + 6
    cdef size_t i
    if n < used:
        return 0
    if kind == TCP:
        memcpy(a.frame, p, 12)
        if be16(p + 2) or be16(p + 4) != 6:
            return 0
    elif kind == RTU:
        memcpy(pdu, p, 6)
        if crc(p, 8) != 0:
            return 0
    else:
        for i in range(6):
            pdu[i] = nibble(p[1 + 2 * i]) << 4 | nibble(p[2 + 2 * i])
        if p[0] != 58 or p[16] != 10:
            return 0
    if not 1 <= pdu[1] <= 4:
        return 0
    a.what, a.size = READ, 12
    a.device = <int32_t>pdu[0] - 1 if 1 <= pdu[0] <= devices else -1
    a.key = key_of(kind, pdu + 1, 5)
    return used


cdef inline size_t modbus_bytes(const uint8_t *spec) noexcept nogil:
    return 2 * <size_t>be16(spec + 3) if spec[0] > 2 else (<size_t>be16(spec + 3) + 7) // 8


cdef size_t modbus_data(
    int32_t device, const uint8_t *spec, uint32_t serial, uint8_t *out
) noexcept nogil:
    cdef size_t n = modbus_bytes(spec), i
    for i in range(n):
        out[i] = said(device, spec[0], <uint32_t>(be16(spec + 1) * 2 + i), serial)
    return n


# ---- DL/T 645 ----------------------------------------------------------------------------------

cdef size_t sealed(const uint8_t *address, uint8_t control, size_t n, uint8_t *out) noexcept nogil:
    """A frame around `n` bytes of data that lie at out + 10."""
    cdef uint32_t total = 0
    cdef size_t i
    out[0] = out[7] = 0x68
    memcpy(out + 1, address, 6)
    out[8], out[9] = control, <uint8_t>n
    for i in range(n):
        out[10 + i] += 0x33
    for i in range(10 + n):
        total += out[i]
    out[10 + n], out[11 + n] = <uint8_t>total, 0x16
    return 12 + n


cdef size_t hear_meter(const uint8_t *p, size_t n, int32_t devices, asked_t *a) noexcept nogil:
    cdef size_t front = 0, i
    cdef const uint8_t *f
    cdef uint32_t total = 0
    while front < n and p[front] == 0xFE:
        front += 1
    f = p + front
    if n - front < 12 or f[0] != 0x68 or f[7] != 0x68 or n - front < 12 + <size_t>f[9]:
        return 0
    for i in range(10 + <size_t>f[9]):
        total += f[i]
    if f[10 + f[9]] != <uint8_t>total or f[11 + f[9]] != 0x16:
        return 0
    a.size = 12 + f[9]
    memcpy(a.frame, f, a.size)
    a.device = <int32_t>f[1] - 1 if 1 <= f[1] <= devices else -1
    a.what = READ if f[8] == 0x11 else ADDRESS
    for i in range(f[9]):
        a.frame[10 + i] -= 0x33
    a.key = key_of(METER, a.frame + 9, 5)
    return front + a.size


cdef size_t meter_data(
    int32_t device, const uint8_t *id, uint32_t serial, uint8_t *out
) noexcept nogil:
    """An identifier's lowest byte is, with these meters, how many bytes it has."""
    cdef size_t i
    for i in range(<size_t>id[0]):
        out[i] = said(device, <uint32_t>(id[3] << 16 | id[2] << 8 | id[1]), <uint32_t>i, serial)
    return id[0]


# ---- S7 ----------------------------------------------------------------------------------------

cdef size_t tpkt(size_t n, uint8_t *out) noexcept nogil:
    """Around `n` bytes of an S7 PDU that lie at out + 7."""
    out[0], out[1], out[4], out[5], out[6] = 3, 0, 2, 0xF0, 0x80
    put16(out + 2, <uint32_t>(7 + n))
    return 7 + n


cdef size_t hear_s7(const uint8_t *p, size_t n, asked_t *a) noexcept nogil:
    if n < 7 or p[0] != 3 or n < be16(p + 2) or be16(p + 2) > FRAME_MAX:
        return 0
    a.size = be16(p + 2)
    memcpy(a.frame, p, a.size)
    a.device = 0
    a.what = READ if p[5] == 0xF0 and p[8] == 1 and p[17] == 4 else GREETING
    a.key = 0
    return a.size


cdef inline size_t s7_bytes(
    const uint8_t *item, size_t first, size_t n, uint32_t serial, uint8_t *out
) noexcept nogil:
    """So many of an item, from `first` on: it is of bytes, as the plans here ask."""
    cdef uint32_t at = (<uint32_t>item[9] << 16 | <uint32_t>item[10] << 8 | item[11]) >> 3
    cdef size_t i
    for i in range(n):
        out[i] = said(
            0, <uint32_t>(item[8] << 16) | be16(item + 6), at + <uint32_t>(first + i), serial
        )
    return n


cdef inline size_t s7_data(const uint8_t *item, uint32_t serial, uint8_t *out) noexcept nogil:
    return s7_bytes(item, 0, be16(item + 4), serial, out)


cdef size_t answer_s7(const asked_t *a, uint32_t serial, uint8_t code, uint8_t *out) noexcept nogil:
    cdef uint8_t *pdu = out + 7
    cdef size_t at = 14, n, i
    if a.frame[5] == 0xE0:  # a connection: confirmed
        memcpy(out, b"\x03\x00\x00\x0b\x06\xd0\x00\x01\x00\x01\x00", 11)
        return 11
    memcpy(pdu, a.frame + 7, 6)
    pdu[1] = 3
    pdu[10] = pdu[11] = 0
    if a.what == GREETING:  # the negotiation: PDU and jobs as proposed, at most 480 and 4
        put16(pdu + 6, 8)
        put16(pdu + 8, 0)
        memcpy(pdu + 12, a.frame + 17, 8)
        put16(pdu + 14, min(4, be16(pdu + 14)))
        put16(pdu + 16, min(4, be16(pdu + 16)))
        put16(pdu + 18, min(480, be16(pdu + 18)))
        return tpkt(20, out)
    put16(pdu + 6, 2)
    pdu[12], pdu[13] = 4, a.frame[18]
    for i in range(<size_t>a.frame[18]):
        pdu[at], pdu[at + 1] = code, 4 if code == 0xFF else 0
        n = s7_data(a.frame + 19 + 12 * i, serial, pdu + at + 4) if code == 0xFF else 0
        put16(pdu + at + 2, <uint32_t>(8 * n))
        at += 4 + n
        if n & 1 and i + 1 < a.frame[18]:
            pdu[at] = 0
            at += 1
    put16(pdu + 8, <uint32_t>(at - 14))
    return tpkt(at, out)


# ---- all of them -------------------------------------------------------------------------------

cdef size_t hear(Kind kind, const uint8_t *p, size_t n, int32_t devices, asked_t *a) noexcept nogil:
    if kind == MIXED:
        kind = METER if n and (p[0] == 0xFE or p[0] == 0x68) else RTU
    a.kind = kind
    if kind == METER:
        return hear_meter(p, n, devices, a)
    if kind == S7:
        return hear_s7(p, n, a)
    return hear_modbus(kind, p, n, devices, a)


cdef size_t answer(const asked_t *a, uint32_t serial, uint8_t *out) noexcept nogil:
    cdef uint8_t pdu[FRAME_MAX]
    cdef Kind kind = a.kind
    cdef size_t n
    if kind == S7:
        return answer_s7(a, serial, 0xFF, out)
    if kind == METER:
        if a.what == ADDRESS:
            memcpy(out + 10, a.frame + 1, 6)
            return sealed(a.frame + 1, 0x93, 6, out)
        memcpy(out + 10, a.frame + 10, 4)
        n = 4 + meter_data(a.device, a.frame + 10, serial, out + 14)
        return sealed(a.frame + 1, 0x91, n, out)
    memcpy(pdu, a.frame + 6, 2)
    n = modbus_data(a.device, a.frame + 7, serial, pdu + 3)
    pdu[2] = <uint8_t>n
    return framed(kind, a, pdu, 3 + n, out)


cdef size_t refuse(const asked_t *a, uint8_t code, uint8_t *out) noexcept nogil:
    cdef uint8_t pdu[8]
    cdef Kind kind = a.kind
    if kind == S7:
        return answer_s7(a, 0, code, out)
    if kind == METER:
        out[10] = code
        return sealed(a.frame + 1, 0xD1, 1, out)
    pdu[0], pdu[1], pdu[2] = a.frame[6], a.frame[7] | 0x80, code
    return framed(kind, a, pdu, 3, out)


cdef size_t foreign(Kind kind, uint64_t random, uint8_t *out) noexcept nogil:
    cdef asked_t a
    if kind == MIXED:
        kind = METER if random & 1 else RTU
    a.kind = kind
    if kind == METER:
        memcpy(a.frame + 1, b"\x77\x00\x00\x00\x00\x12", 6)
        if random & 2:
            a.frame[1] = 1 + <uint8_t>(random >> 2 & 3)
        memcpy(a.frame + 10, b"\x04\x01\x02\x03", 4)
        a.frame[10] = 4 + <uint8_t>(random >> 4 & 15)
        a.what, a.device = READ, 76
    elif kind == S7:
        # Of a reference that was never sent: those begin at 0 and never get here.
        memcpy(a.frame, b"\x03\x00\x00\x1f\x02\xf0\x80\x32\x01\x00\x00\xee\xee\x00\x0e\x00\x00", 17)
        memcpy(a.frame + 17, b"\x04\x01\x12\x0a\x10\x02\x00\x04\x00\x01\x84\x00\x00\x00", 14)
        a.what = READ
    else:
        put16(a.frame, <uint32_t>(random >> 8))
        put16(a.frame + 2, 0)
        memcpy(a.frame + 6, b"\xc8\x03\x00\x10\x00\x02", 6)
        a.what, a.device = READ, 199
    return answer(&a, <uint32_t>random, out)


cdef uint64_t key_of(Kind kind, const uint8_t *spec, size_t n) noexcept nogil:
    cdef size_t i
    cdef uint64_t key = 0
    if kind == S7:
        return 0  # items may be asked in other company: where they lie is in their values
    for i in range(1 if kind == METER else 0, min(<size_t>5, n)):
        key = mixed(key * 257 + spec[i] + 1)
    return key


cdef size_t expect(
    Kind kind, int32_t device, const uint8_t *spec, uint32_t part, uint32_t serial, uint8_t *out
) noexcept nogil:
    cdef size_t n, i
    cdef const uint8_t *where
    if kind == S7:
        # As drivers/s7/request.py writes a part that is bytes: 0, item, where in it, how many.
        where = spec + 1 + 12 * spec[0] + 6 * part
        return s7_bytes(spec + 1 + 12 * where[1], be16(where + 2), be16(where + 4), serial, out)
    if kind != METER:
        return modbus_data(device, spec, serial, out)
    n = meter_data(device, spec + 1, serial, out)
    for i in range(n // 2):  # a row has a meter's texts the other way round
        out[i], out[n - 1 - i] = out[n - 1 - i], out[i]
    return n
