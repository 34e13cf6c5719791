from libc.stdint cimport uint8_t, uint32_t

cdef enum Kind:
    NUMBER = 1    # packed decimal
    SIGNED = 2    # packed decimal, the top bit is its sign
    BITS = 3      # an integer of bits
    TEXT = 4      # last character first

cdef enum:
    # 16 digits: more than that, with a sign, does not fit in an int64.
    NUMBER_MAX = 8
    VALUE_MAX = 64

# How many bytes a value of `size` bytes on the wire has in a row; 0: there is no such value.
cdef uint32_t row_bytes(uint8_t kind, uint32_t size) noexcept nogil
# Writes `row_bytes` bytes to `out`, high byte first; returns the value's quality.
cdef uint8_t shape_value(uint8_t kind, const uint8_t *p, uint32_t size, uint8_t *out) noexcept nogil
