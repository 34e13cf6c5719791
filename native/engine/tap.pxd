"""What goes over a wire, copied for a person who looks on: `jiahe trace` and captures.

One ring a link. The scan thread writes, any other one reads; the writer never waits: what finds no
room is counted. Until somebody looks on it costs a comparison.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    TAP_ROOM = 65536   # bytes; a power of two
    TAP_HEAD = 12      # of a record: time, direction, size

cdef enum Direction:
    SENT = 0
    RECEIVED = 1


cdef extern from *:
    """
    static inline uint64_t tap_load(const uint64_t *p)
    {
        return __atomic_load_n(p, __ATOMIC_ACQUIRE);
    }

    static inline void tap_store(uint64_t *p, uint64_t value)
    {
        __atomic_store_n(p, value, __ATOMIC_RELEASE);
    }
    """
    uint64_t tap_load(const uint64_t *) noexcept nogil
    void tap_store(uint64_t *, uint64_t) noexcept nogil


cdef struct tap_t:
    uint64_t on        # somebody looks on
    uint64_t written   # bytes of records since ever, by the scan thread alone
    uint64_t taken     # and by the reader alone
    uint64_t lost      # bytes that found no room
    uint8_t ring[TAP_ROOM]


cdef inline void tap_copy(tap_t *t, uint64_t at, const uint8_t *p, size_t n) noexcept nogil:
    """Into the ring, around its end."""
    cdef size_t first = <size_t>(at & (TAP_ROOM - 1))
    cdef size_t whole = min(n, TAP_ROOM - first)
    memcpy(t.ring + first, p, whole)
    memcpy(t.ring, p + whole, n - whole)


cdef inline void tap_put(
    tap_t *t, Direction direction, const uint8_t *p, size_t n, int64_t now
) noexcept nogil:
    """`n` bytes, at most 4096, went over the wire."""
    cdef uint8_t head[TAP_HEAD]
    cdef uint64_t at = t.written
    if not tap_load(&t.on) or n == 0:
        return
    if n + TAP_HEAD > TAP_ROOM - (at - tap_load(&t.taken)):
        tap_store(&t.lost, t.lost + n)
        return
    memcpy(head, &now, 8)
    head[8], head[9] = <uint8_t>direction, 0
    head[10], head[11] = <uint8_t>(n & 0xFF), <uint8_t>(n >> 8)
    tap_copy(t, at, head, TAP_HEAD)
    tap_copy(t, at + TAP_HEAD, p, n)
    tap_store(&t.written, at + TAP_HEAD + n)
