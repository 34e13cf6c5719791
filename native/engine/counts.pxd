"""What a link tells: counters for people, and what its driver may learn from. The scan thread
writes, any other one reads.
"""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t

cdef enum:
    EVENTS = 64
    # Codes of an event, beside those of the protocol: no answer came, though the device answers
    # others; or to nothing at all.
    MUTE = 0
    SILENT = 0xFFFF


cdef struct counts_t:
    # Since the link was made.
    uint64_t requests
    uint64_t answers
    uint64_t bytes_in
    uint64_t bytes_out
    int64_t busy_ns       # with a request in flight: as long as each of them flew
    uint64_t timeouts
    uint64_t damaged
    uint64_t wrong        # frames and bytes that answer nothing
    uint64_t late
    uint64_t exceptions
    uint64_t retries
    uint64_t reconnects


cdef struct event_t:
    # A request was refused, or a part of it, for the driver to learn from.
    int32_t member
    uint32_t layout       # its serial
    int32_t request
    int32_t part          # -1: the whole
    uint16_t code


cdef struct events_t:
    # A ring that forgets its oldest.
    uint64_t count        # since ever
    event_t ring[EVENTS]


cdef inline event_t *next_event(events_t *e) noexcept nogil:
    """Room for one; it counts once it is written."""
    return &e.ring[e.count % EVENTS]
