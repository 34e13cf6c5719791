"""Loads and stores without alignment or host byte order in mind, and protobuf's varints."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from *:
    int __builtin_clzll(unsigned long long) noexcept nogil
    uint16_t __builtin_bswap16(uint16_t) noexcept nogil
    uint32_t __builtin_bswap32(uint32_t) noexcept nogil
    uint64_t __builtin_bswap64(uint64_t) noexcept nogil


cdef inline uint16_t be16(const uint8_t *p) noexcept nogil:
    return <uint16_t>((<uint32_t>p[0] << 8) | p[1])


cdef inline uint32_t be32(const uint8_t *p) noexcept nogil:
    return ((<uint32_t>p[0] << 24) | (<uint32_t>p[1] << 16) | (<uint32_t>p[2] << 8) | p[3])


cdef inline uint64_t be64(const uint8_t *p) noexcept nogil:
    return (<uint64_t>be32(p) << 32) | be32(p + 4)


cdef extern from *:
    """
    #if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    #define jiahe_to_le32(v) (v)
    #define jiahe_to_le64(v) (v)
    #else
    #define jiahe_to_le32(v) __builtin_bswap32(v)
    #define jiahe_to_le64(v) __builtin_bswap64(v)
    #endif
    """
    # The same the other way round.
    uint32_t to_le32 "jiahe_to_le32" (uint32_t) noexcept nogil
    uint64_t to_le64 "jiahe_to_le64" (uint64_t) noexcept nogil


cdef inline void put_be16(uint8_t *p, uint32_t v) noexcept nogil:
    p[0] = <uint8_t>(v >> 8)
    p[1] = <uint8_t>v


cdef inline uint64_t zigzag(int64_t v) noexcept nogil:
    return (<uint64_t>v << 1) ^ <uint64_t>(v >> 63)


cdef inline int64_t unzigzag(uint64_t v) noexcept nogil:
    return <int64_t>(v >> 1) ^ -<int64_t>(v & 1)


cdef inline uint32_t varint_size(uint64_t v) noexcept nogil:
    # ceil(bits / 7) for 1 to 64 bits, without a division; 63 ^ clz is bits - 1, one instruction.
    return (<uint32_t>(63 ^ __builtin_clzll(v | 1)) * 9 + 73) >> 6


cdef inline uint8_t *put_varint(uint8_t *p, uint64_t v) noexcept nogil:
    while v >= 0x80:
        p[0] = <uint8_t>(v | 0x80)
        v >>= 7
        p += 1
    p[0] = <uint8_t>v
    return p + 1


cdef inline uint8_t *put_field(uint8_t *p, uint32_t number, uint64_t v) noexcept nogil:
    """A protobuf varint field; left out when zero, as proto3 does."""
    if v == 0:
        return p
    p = put_varint(p, number << 3)
    return put_varint(p, v)


cdef inline uint8_t *put_bytes(
    uint8_t *p, uint32_t number, const uint8_t *data, size_t size
) noexcept nogil:
    """A protobuf length-delimited field."""
    p = put_varint(p, (number << 3) | 2)
    p = put_varint(p, size)
    memcpy(p, data, size)
    return p + size
