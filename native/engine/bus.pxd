"""The wire that the devices of a link share: when it may be used, which groups wait for it, who
else asks on it.
"""

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
    int64_t DEAF_LEAST     # for less, input is not ignored: that costs two system calls
    int64_t DEAF_MARGIN    # input is looked at again so long before a frame's last character
    int64_t OTHERS_GONE    # after the last sign of another asker he counts as gone


cdef struct bus_t:
    int64_t free_at       # from then on it has been silent for long enough to send
    int64_t silence_ns    # between frames, with the link's pause, as the line is now
    int64_t char_ns       # 0: not a serial wire
    int64_t pace          # ticks that were due by then have had their turn; it falls behind the
    #                       clock where more is asked than the link can carry
    int64_t try_at        # from then on a silent device may be tried at its neighbours' cost
    int32_t *queue        # members with requests to send, in the order their scans began: see `ask`
    int32_t queue_count
    bint settle           # after damage: wait until the line is silent, then repeat the request
    int64_t settle_until  # silent until then, it is
    int64_t deaf_until    # until then input is not looked at, as a frame is not whole yet; 0: it is


cdef struct others_t:
    # Another asker on the same wire.
    uint64_t count        # his requests, or where these are not heard his answers, from `since` on
    int64_t since
    int64_t at            # the last of them; 0: there was none
    bint heard            # his requests are heard, not only his answers


cdef inline void touch(bus_t *b, int64_t now) noexcept nogil:
    """The wire was in use until `now`: it is free after the silence."""
    if now + b.silence_ns > b.free_at:
        b.free_at = now + b.silence_ns


cdef inline void await_silence(bus_t *b, int64_t now) noexcept nogil:
    """The wire brought damage, or still does: its silence begins now."""
    b.settle = True
    b.settle_until = now + max(b.silence_ns, SETTLE_LEAST)


cdef inline void await_rest(bus_t *b, size_t bytes, int64_t now) noexcept nogil:
    """`bytes` of a frame are still to come: on a serial wire, ignore input until they can be there.
    That is one wake-up instead of one each millisecond.
    """
    cdef int64_t rest = <int64_t>bytes * b.char_ns - DEAF_MARGIN
    if rest > DEAF_LEAST:
        b.deaf_until = now + rest


cdef inline bint is_shared(const others_t *o, int64_t now) noexcept nogil:
    """Whether another asker was there lately."""
    return o.at != 0 and now - o.at <= OTHERS_GONE


cdef inline void seen(others_t *o, bint heard, int64_t now) noexcept nogil:
    """A sign of him now: his request (`heard`), or an answer to him."""
    if not is_shared(o, now):
        o.count = 0
        o.since = now
        o.heard = False
    o.at = now
    o.heard = o.heard or heard
    if heard or not o.heard:
        o.count += 1  # once requests are heard, answers would count twice
