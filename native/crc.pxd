from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef uint16_t crc16_next(uint16_t crc, uint8_t byte) noexcept nogil
cdef uint16_t crc16_of(const uint8_t *p, size_t n) noexcept nogil
cdef uint8_t lrc_of(const uint8_t *p, size_t n) noexcept nogil
cdef uint32_t crc32c_of(const uint8_t *p, size_t n, uint32_t crc) noexcept nogil
