"""What the driver says of a request (`request_t.spec`):

    1 byte     n, the length of the identifier: 2 or 4
    n bytes    the identifier in wire order
    1 byte     bytes of an item
    1 byte     the least number of items
    1 byte     1: more items may come
    1 byte     how many values an item has
    2 bytes    for each value: kind, length
    2 bytes    for each part of the row: which item, which value; a value of 80H or more stands for
               a phase that this meter does not have
"""

from libc.stdint cimport uint8_t, uint32_t

from native.dlt645.codec cimport DATA_MAX
from native.dlt645.shape cimport row_bytes
from native.rows.store cimport request_t

cdef enum:
    ABSENT = 0x80


cdef struct words_t:
    # A request's spec, read.
    const uint8_t *id
    uint8_t id_bytes
    uint8_t item_bytes
    uint8_t items
    bint open
    uint8_t values
    const uint8_t *value      # kind and length each
    const uint8_t *part       # item and value each
    uint32_t parts


cdef inline bint read_words(const request_t *r, words_t *w) noexcept nogil:
    """False: they are not this protocol's, or would reach outside themselves."""
    cdef const uint8_t *p = r.spec
    cdef uint32_t n = r.spec_size, at, i
    cdef uint32_t total = 0
    if n < 1 or (p[0] != 2 and p[0] != 4) or n < 5 + <uint32_t>p[0]:
        return False
    w.id_bytes, w.id = p[0], p + 1
    at = 1 + p[0]
    w.item_bytes, w.items, w.open, w.values = p[at], p[at + 1], p[at + 2] != 0, p[at + 3]
    at += 4
    if n < at + 2 * <uint32_t>w.values or w.items == 0:
        return False
    w.value = p + at
    for i in range(w.values):
        if row_bytes(w.value[2 * i], w.value[2 * i + 1]) == 0:
            return False
        total += w.value[2 * i + 1]
    at += 2 * <uint32_t>w.values
    w.part = p + at
    w.parts = (n - at) // 2
    if total > w.item_bytes or w.parts != r.part_count or n != at + 2 * w.parts:
        return False
    for i in range(w.parts):
        if w.part[2 * i + 1] & ABSENT:
            continue
        if w.part[2 * i] >= w.items or w.part[2 * i + 1] >= w.values:
            return False
    return <uint32_t>w.items * w.item_bytes + w.id_bytes <= DATA_MAX
