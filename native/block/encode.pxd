from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef struct choice_t:
    uint8_t order     # 0, 1 or 2 differences
    uint32_t count    # values to write: trailing zeros are left out
    uint64_t size     # bytes of the packed values

cdef double *POWERS  # of ten, from 10^0 to 10^9

cdef choice_t choose_order(const int64_t *v, uint32_t n) noexcept nogil
cdef uint8_t *put_values(
    uint8_t *p, uint32_t number, const int64_t *v, choice_t c
) noexcept nogil
cdef bint to_decimal(
    uint8_t type, const int64_t *v, uint32_t n, int64_t *out, uint32_t *digits
) noexcept nogil
cdef uint8_t *close_message(uint8_t *start, uint8_t *end, uint32_t number) noexcept nogil

cdef enum:
    # Room that a message's tag and length may take: close_message writes them in front.
    MESSAGE_HEAD = 6
