"""The wire that the devices of a link share: when it is free, whose turn it is, who else asks."""

from libc.stdint cimport int32_t, int64_t, uint64_t

from native.clock cimport MS

cdef extern from *:
    """
    #define SETTLE_LEAST (5 * MS)
    #define DEAF_LEAST (1 * MS)
    #define DEAF_MARGIN MS
    #define OTHERS_GONE (60000 * MS)
    """
    int64_t SETTLE_LEAST   # silence after damage, at least
    int64_t DEAF_LEAST     # shorter waits are not worth two system calls
    int64_t DEAF_MARGIN    # listen so long before the last character: adapters bring bursts
    int64_t OTHERS_GONE    # behind the last sign of another asker


cdef struct bus_t:
    int64_t free_at       # the wire is silent long enough from then on
    int64_t silence_ns    # between frames, with the link's pause, as the line is now
    int64_t char_ns       # 0: not a serial wire
    int64_t pace          # ticks up to here have had their turn: behind the clock where there is
    #                       more to ask than the link can carry
    int64_t try_at        # a silent device may cost its neighbours time then
    int32_t *queue        # members with requests to send, in the order their scans began: see `ask`
    int32_t queue_count
    bint settle           # damaged: wait until the line is silent, then repeat
    int64_t settle_until
    int64_t deaf_until    # a slow wire cannot bring the rest before; 0: listen


cdef struct others_t:
    # Another asker on the same wire.
    uint64_t count        # his requests and answers, since `since`
    int64_t since
    int64_t at            # the last
    bint heard            # his requests are


cdef inline void touch(bus_t *b, int64_t now) noexcept nogil:
    """The wire was in use until `now`: it is free after the silence."""
    if now + b.silence_ns > b.free_at:
        b.free_at = now + b.silence_ns


cdef inline void await_silence(bus_t *b, int64_t now) noexcept nogil:
    """The wire brought damage, or still does: its silence begins now."""
    b.settle = True
    b.settle_until = now + max(b.silence_ns, SETTLE_LEAST)


cdef inline void await_rest(bus_t *b, size_t bytes, int64_t now) noexcept nogil:
    """On a serial wire, sleep through the characters that are still to come of a frame that began.

    One wake-up instead of one each millisecond.
    """
    cdef int64_t rest = <int64_t>bytes * b.char_ns - DEAF_MARGIN
    if rest > DEAF_LEAST:
        b.deaf_until = now + rest


cdef inline bint is_shared(const others_t *o, int64_t now) noexcept nogil:
    """Whether another asker was there lately."""
    return o.at != 0 and now - o.at <= OTHERS_GONE


cdef inline void seen(others_t *o, bint heard, int64_t now) noexcept nogil:
    """His request was `heard`, or an answer to him."""
    if not is_shared(o, now):
        o.count = 0
        o.since = now
        o.heard = False
    o.at = now
    o.heard = o.heard or heard
    if heard or not o.heard:
        o.count += 1  # of one that is heard the requests count
