"""Converts STEP 7's own formats (texts, times) to plain values. Each function returns False if the
bytes are no value.
"""

from libc.stdint cimport uint8_t, uint32_t

cdef enum Kind:
    TEXT = 1           # STRING[n]: its characters, then NUL up to n
    S5TIME = 2         # milliseconds, uint32
    DATE_AND_TIME = 3  # nanoseconds since 1970 of a clock without a zone, int64
    DTL = 4            # likewise
    WIDE_TEXT = 5      # WSTRING[n]: UTF-16 as UTF-8, then NUL up to 3 n
    LDT = 6            # as DATE_AND_TIME

# The most characters of a text.
cdef uint32_t text_most(uint8_t kind) noexcept nogil
# Bytes of a value on the wire, and in the row; `text`: its most characters. 0: no such kind.
cdef uint32_t wire_bytes(uint8_t kind, uint32_t text) noexcept nogil
cdef uint32_t row_bytes(uint8_t kind, uint32_t text) noexcept nogil
cdef bint reshape(uint8_t kind, const uint8_t *p, uint8_t *out, uint32_t text) noexcept nogil
