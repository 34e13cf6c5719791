"""The silence that a device wants between requests, learned.

Some meters drop a request that comes too soon after their last answer, and answer it after a
silence. That shows as requests that come soon and bring nothing, each of them, while those that
come after a rest are answered. Then the pause grows, up to PAUSE_MOST; where that is no help it was
something else, and nothing is believed for long. What helped is shortened again step by step: the
device may have been changed for another one. What the file says it never falls below.

Only where devices are asked one request at a time, and never so long that a device's own periods
have no room for it.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t

cdef extern from *:
    """
    #define PAUSE_FIRST INT64_C(50000000)
    #define PAUSE_MOST INT64_C(500000000)
    #define SOON INT64_C(300000000)
    #define REVIEW_FIRST INT64_C(600000000000)
    #define REVIEW_LAST INT64_C(86400000000000)
    """
    int64_t PAUSE_FIRST
    int64_t PAUSE_MOST
    int64_t SOON          # a request within so long, over the pause, comes soon
    int64_t REVIEW_FIRST  # a shorter pause is tried, or a longer one again after it was no help
    int64_t REVIEW_LAST   # likewise: the time doubles where it was in vain

cdef enum:
    BELIEVED = 3          # requests in a row that came soon and brought nothing
    BELIEVED_WELL = 12    # where ones that came as soon were answered
    WELL = 10             # so many of them


cdef inline bint is_soon(const device_t *d, const flight_t *f) noexcept nogil:
    return d.answered_at != 0 and f.sent - d.answered_at < SOON + d.pause_ns


cdef inline void wait_longer(device_t *d) noexcept nogil:
    """To the next review, where the last was in vain."""
    d.pause_review_ns = min(max(2 * d.pause_review_ns, REVIEW_FIRST), REVIEW_LAST)


cdef void set_pause(device_t *d, int64_t pause_ns, int64_t now) noexcept nogil:
    d.pause_learned = pause_ns
    d.pause_ns = max(d.pause_told, pause_ns)
    d.hurried = d.hurried_well = 0
    d.pause_review = now + max(d.pause_review_ns, REVIEW_FIRST)


cdef int64_t affordable(const device_t *d) noexcept nogil:
    """The longest pause with which those after all requests of the device's groups take half of its
    time; 0 where that is too short to be learned.
    """
    cdef double requests = 0  # in a nanosecond
    cdef int64_t most
    cdef int32_t i
    for i in range(d.group_count):
        requests += <double>d.groups[i].current.request_count / <double>d.groups[i].period_ns
    if requests * 2 * PAUSE_MOST <= 1:
        return PAUSE_MOST
    most = <int64_t>(1 / (2 * requests))
    return most if most >= PAUSE_FIRST else 0


cdef void pause_kept(const link_t *l, device_t *d, const flight_t *f, int64_t now) noexcept nogil:
    if l.line and is_soon(d, f):
        d.hurried = 0
        if d.hurried_well < WELL:
            d.hurried_well += 1
        elif d.pause_learned and now >= d.pause_review:
            # As short as it is, it does: half of it may, too.
            d.pause_before = d.pause_learned
            set_pause(d, d.pause_learned // 2 if d.pause_learned > PAUSE_FIRST // 2 else 0, now)
        elif d.pause_before:
            d.pause_before = d.pause_review_ns = 0
    d.answered_at = now
    if d.pause_review < 0:
        d.pause_review = now + REVIEW_FIRST


cdef void pause_missed(const link_t *l, device_t *d, const flight_t *f, int64_t now) noexcept nogil:
    cdef int64_t most
    if not l.line or d.silent:
        return
    if not is_soon(d, f):
        d.hurried = 0  # no pause is as long
        return
    d.hurried += 1
    if d.pause_before:
        if d.hurried_well < WELL:
            wait_longer(d)
            set_pause(d, d.pause_before, now)
            d.pause_before = 0
        return
    if d.hurried < (<uint32_t>BELIEVED if d.hurried_well < WELL else <uint32_t>BELIEVED_WELL):
        return
    most = affordable(d)
    if d.pause_ns >= most:
        # It was something else, or there is no room for a longer one.
        if d.pause_learned:
            wait_longer(d)
            set_pause(d, 0, now)
    elif d.pause_learned or now >= d.pause_review:
        set_pause(d, max(PAUSE_FIRST, min(2 * d.pause_ns, most)), now)


cdef void pause_known(device_t *d, int64_t pause_ns) noexcept nogil:
    # The periods may be shorter by now.
    cdef int64_t learned = min(pause_ns, affordable(d))
    if learned > 0:
        set_pause(d, learned, 0)
        d.pause_review = -1  # counted from the first answer
