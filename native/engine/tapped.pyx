"""The reader's side of a tap."""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc
from libc.string cimport memcpy

from native.engine.tap cimport SENT, TAP_HEAD, TAP_ROOM, tap_load, tap_store, tap_t


cdef tap_t *new_tap() except NULL:
    cdef tap_t *t = <tap_t *>calloc(1, sizeof(tap_t))
    if t == NULL:
        raise MemoryError
    return t


cdef void look(tap_t *t, bint on):
    tap_store(&t.on, on)


cdef bytes piece(tap_t *t, uint64_t at, size_t n):
    cdef size_t first = <size_t>(at & (TAP_ROOM - 1))
    cdef size_t whole = min(n, TAP_ROOM - first)
    return t.ring[first:first + whole] + t.ring[:n - whole]


cdef tuple taken(tap_t *t):
    """Every record that is whole, and the bytes that were lost."""
    cdef uint64_t at, end
    cdef int64_t when
    cdef size_t size
    found = []
    if t == NULL:
        return found, 0
    at, end = t.taken, tap_load(&t.written)
    while at < end:
        head = piece(t, at, TAP_HEAD)
        memcpy(&when, <const uint8_t *><bytes>head, 8)
        size = head[10] | head[11] << 8
        found.append((when, head[8] == SENT, piece(t, at + TAP_HEAD, size)))
        at += TAP_HEAD + size
        tap_store(&t.taken, at)
    return found, tap_load(&t.lost)
