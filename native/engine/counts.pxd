"""What a link tells: counters for people, and what its driver may learn from. The scan thread
writes, any other one reads.
"""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t

cdef enum:
    EVENTS = 64
    # Codes of an event, beside those of the protocol:
    MUTE = 0         # the request got no answer, though the device answers others
    SILENT = 0xFFFF  # the device answers nothing at all


cdef struct counts_t:
    # Since the link was made.
    uint64_t requests
    uint64_t answers
    uint64_t bytes_in
    uint64_t bytes_out
    int64_t busy_ns       # sum of the times that each request was in flight
    uint64_t timeouts
    uint64_t damaged
    uint64_t wrong        # frames and bytes that answer nothing
    uint64_t late
    uint64_t exceptions
    uint64_t retries
    uint64_t reconnects


cdef struct event_t:
    # A request, or a part of one, was refused or not answered: for the driver to learn from.
    int32_t member
    uint32_t layout       # serial of the layout that the request is of
    int32_t request       # its number there
    int32_t part          # its number in the request; -1: the whole request
    uint16_t code         # of the protocol, or MUTE or SILENT


cdef struct events_t:
    # A ring that forgets its oldest.
    uint64_t count        # of events ever written
    event_t ring[EVENTS]


cdef extern from *:
    """
    static inline void count_written(uint64_t *count)
    {
        __atomic_store_n(count, *count + 1, __ATOMIC_RELEASE);
    }

    static inline uint64_t count_of(const uint64_t *count)
    {
        return __atomic_load_n(count, __ATOMIC_ACQUIRE);
    }

    static inline uint64_t count_now(const uint64_t *count)
    {
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        return __atomic_load_n(count, __ATOMIC_RELAXED);
    }
    """
    void count_written(uint64_t *) noexcept nogil
    uint64_t count_of(const uint64_t *) noexcept nogil
    uint64_t count_now(const uint64_t *) noexcept nogil


cdef inline void event_written(events_t *e) noexcept nogil:
    """What `next_event` gave is complete."""
    count_written(&e.count)


cdef inline uint64_t events_written(const events_t *e) noexcept nogil:
    return count_of(&e.count)


cdef inline bint copy_event(const events_t *e, uint64_t k, event_t *out) noexcept nogil:
    """Copy event number `k` (from 0), from any thread. False: the ring has no longer, or may lose
    it while it is read; then `out` may be torn.
    """
    out[0] = e.ring[k % EVENTS]
    return count_now(&e.count) - k < EVENTS - 1


cdef inline event_t *next_event(events_t *e) noexcept nogil:
    """Room for one; it counts once it is written."""
    return &e.ring[e.count % EVENTS]
