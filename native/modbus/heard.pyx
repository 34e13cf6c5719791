"""RTU frames in a stream of bytes that nobody parts: found by their CRC."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from native.crc cimport crc16_next, crc16_of
from native.modbus.codec cimport RTU_MAX, ask_t


cdef inline uint16_t word(const uint8_t *p) noexcept nogil:
    return <uint16_t>(p[0] << 8 | p[1])


cdef bint is_whole(const uint8_t *p, size_t n) noexcept nogil:
    """Whether `n` bytes end in their CRC, low byte first."""
    return crc16_of(p, n - 2) == (p[n - 2] | p[n - 1] << 8)


cdef bint is_request(const uint8_t *p, ask_t *ask) noexcept nogil:
    """REQUEST bytes that ask for a read (Application Protocol V1.1b3, 6.1 to 6.4)."""
    cdef uint16_t address = word(p + 2)
    cdef uint16_t count = word(p + 4)
    if not 1 <= p[1] <= 4 or p[0] == 0 or count == 0:
        return False
    if count > (2000 if p[1] <= 2 else 125) or <uint32_t>address + count > 65536:
        return False
    if not is_whole(p, REQUEST):
        return False
    ask.unit, ask.function, ask.address, ask.count = p[0], p[1], address, count
    ask.data_bytes = <uint16_t>(2 * count if p[1] > 2 else (count + 7) // 8)
    return True


cdef size_t whole_frame(const uint8_t *p, size_t n) noexcept nogil:
    """Bytes of the frame of any function that is in front, 0: none."""
    cdef uint16_t crc = 0xFFFF
    cdef size_t i
    if p[0] > 247:
        return 0
    for i in range(min(n, <size_t>RTU_MAX)):
        crc = crc16_next(crc, p[i])
        if crc == 0 and i >= 3:  # as it is behind bytes and their CRC
            return i + 1
    return 0


cdef size_t next_request(const uint8_t *p, size_t at, size_t n) noexcept nogil:
    """Where the first whole request from `at` on begins; `n`: nowhere."""
    cdef ask_t ask
    while at + REQUEST <= n:
        if is_request(p + at, &ask):
            return at
        at += 1
    return n
