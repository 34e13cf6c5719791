from libc.stdint cimport uint8_t, uint32_t

cdef enum Kind:
    NUMBER = 1    # packed decimal
    SIGNED = 2    # packed decimal, the top bit is its sign
    BITS = 3      # an integer of bits
    TEXT = 4      # last character first

cdef enum:
    # Digits of 8 bytes are more than an integer holds with a sign.
    NUMBER_MAX = 8
    VALUE_MAX = 64

# Bytes that a value of so many on the wire takes in a row; 0: there is none.
cdef uint32_t row_bytes(uint8_t kind, uint32_t size) noexcept nogil
# The value as plain data, high byte first, into `row_bytes` of `out`; its quality.
cdef uint8_t shape_value(uint8_t kind, const uint8_t *p, uint32_t size, uint8_t *out) noexcept nogil
