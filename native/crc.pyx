"""Checksums: CRC-16/MODBUS and LRC of the wire, CRC-32C (Castagnoli) of blocks and buffer
records.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    /* The processor's own CRC-32C, where it has one: eight bytes an instruction. */
    #if defined(__x86_64__)
    static int has_crc32c(void) { return __builtin_cpu_supports("sse4.2"); }

    __attribute__((target("sse4.2")))
    static uint32_t hardware_crc32c(uint32_t c, const uint8_t *p, size_t n)
    {
        uint64_t word, wide = c;
        for (; n >= 8; p += 8, n -= 8) {
            memcpy(&word, p, 8);
            wide = __builtin_ia32_crc32di(wide, word);
        }
        for (c = (uint32_t)wide; n; p++, n--)
            c = __builtin_ia32_crc32qi(c, *p);
        return c;
    }
    #elif defined(__aarch64__)
    #include <sys/auxv.h>
    #ifndef HWCAP_CRC32
    #define HWCAP_CRC32 (1 << 7)
    #endif
    static int has_crc32c(void) { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }

    __attribute__((target("+crc")))
    static uint32_t hardware_crc32c(uint32_t c, const uint8_t *p, size_t n)
    {
        uint64_t word;
        for (; n >= 8; p += 8, n -= 8) {
            memcpy(&word, p, 8);
            __asm__(".arch_extension crc\\n\\tcrc32cx %w0, %w0, %x1" : "+r"(c) : "r"(word));
        }
        for (; n; p++, n--)
            __asm__(".arch_extension crc\\n\\tcrc32cb %w0, %w0, %w1" : "+r"(c) : "r"((uint32_t)*p));
        return c;
    }
    #else
    static int has_crc32c(void) { return 0; }
    static uint32_t hardware_crc32c(uint32_t c, const uint8_t *p, size_t n)
    {
        (void)p, (void)n;
        return c;
    }
    #endif
    """
    bint has_crc32c() noexcept nogil
    uint32_t hardware_crc32c(uint32_t, const uint8_t *, size_t) noexcept nogil

cdef uint16_t table16[256]
cdef uint32_t table32[8][256]
cdef bint in_hardware = has_crc32c()


cdef void fill_tables() noexcept:
    cdef uint32_t i, k, c
    cdef int _k
    for i in range(256):
        c = i
        for _k in range(8):
            c = (c >> 1) ^ 0xA001 if c & 1 else c >> 1
        table16[i] = <uint16_t>c
        c = i
        for _k in range(8):
            c = (c >> 1) ^ <uint32_t>0x82F63B78 if c & 1 else c >> 1
        table32[0][i] = c
    for k in range(1, 8):
        for i in range(256):
            c = table32[k - 1][i]
            table32[k][i] = (c >> 8) ^ table32[0][c & 0xFF]


fill_tables()


cdef uint16_t crc16_next(uint16_t crc, uint8_t byte) noexcept nogil:
    """CRC-16/MODBUS with one byte more. It begins as 0xFFFF, and is 0 behind bytes and
    their CRC.
    """
    return <uint16_t>((crc >> 8) ^ table16[(crc ^ byte) & 0xFF])


cdef uint16_t crc16_of(const uint8_t *p, size_t n) noexcept nogil:
    """Modbus over serial line V1.02, 6.2.2: reflected 0xA001, start 0xFFFF; low byte first on the
    wire.
    """
    cdef uint32_t c = 0xFFFF
    cdef size_t i
    for i in range(n):
        c = (c >> 8) ^ table16[(c ^ p[i]) & 0xFF]
    return <uint16_t>c


cdef uint8_t lrc_of(const uint8_t *p, size_t n) noexcept nogil:
    """Modbus over serial line V1.02, 6.2.1: two's complement of the sum of the bytes."""
    cdef uint32_t s = 0
    cdef size_t i
    for i in range(n):
        s += p[i]
    return <uint8_t>(-<int>s)


cdef uint32_t crc32c_of(const uint8_t *p, size_t n, uint32_t crc) noexcept nogil:
    """RFC 3720 appendix B.4; `crc` continues an earlier call."""
    if in_hardware:
        return ~hardware_crc32c(~crc, p, n)
    return ~table_crc32c(~crc, p, n)


cdef uint32_t table_crc32c(uint32_t c, const uint8_t *p, size_t n) noexcept nogil:
    """CRC-32C by tables, without its first and last inversion: eight bytes a step on little-endian
    hosts.
    """
    cdef uint64_t w
    while n >= 8:
        memcpy(&w, p, 8)
        w ^= c
        c = (
            table32[7][w & 0xFF] ^ table32[6][(w >> 8) & 0xFF]
            ^ table32[5][(w >> 16) & 0xFF] ^ table32[4][(w >> 24) & 0xFF]
            ^ table32[3][(w >> 32) & 0xFF] ^ table32[2][(w >> 40) & 0xFF]
            ^ table32[1][(w >> 48) & 0xFF] ^ table32[0][w >> 56]
        )
        p += 8
        n -= 8
    while n:
        c = (c >> 8) ^ table32[0][(c ^ p[0]) & 0xFF]
        p += 1
        n -= 1
    return c


def crc16(const uint8_t[::1] data not None) -> int:
    """CRC-16/MODBUS of `data`, 0..65535."""
    return crc16_of(&data[0], <size_t>data.shape[0]) if data.shape[0] else 0xFFFF


def lrc(const uint8_t[::1] data not None) -> int:
    """LRC of `data` (binary, not its hex text), 0..255."""
    return lrc_of(&data[0], <size_t>data.shape[0]) if data.shape[0] else 0


def crc32c(const uint8_t[::1] data not None, uint32_t crc=0) -> int:
    """CRC-32C of `data`; pass an earlier result as `crc` to continue it."""
    cdef uint32_t result = crc
    if data.shape[0]:
        with nogil:
            result = crc32c_of(&data[0], <size_t>data.shape[0], crc)
    return result


def crc32c_by_tables(const uint8_t[::1] data not None, uint32_t crc=0) -> int:
    """CRC-32C as on a processor without an instruction for it; for tests."""
    if data.shape[0] == 0:
        return crc
    return ~table_crc32c(~crc, &data[0], <size_t>data.shape[0]) & 0xFFFFFFFF
