"""The silence that a station wants between requests, learned of all devices with its address.

Some meters drop a request that comes too soon after their last answer, and answer it after a
silence. That shows as requests that come soon and bring nothing, each of them, while those that
come after a rest are answered. Then the pause grows, up to PAUSE_MOST; where that is no help it was
something else, and nothing is believed for long. What helped is shortened again step by step: the
device may have been changed for another one. What the file says it never falls below.

Only where one request is asked at a time, and never so long that the periods of the station's
groups have no room for it.
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


cdef inline bint is_soon(const pause_t *p, const flight_t *f) noexcept nogil:
    return p.answered_at != 0 and f.sent - p.answered_at < SOON + p.ns


cdef inline void wait_longer(pause_t *p) noexcept nogil:
    """To the next review, where the last was in vain."""
    p.review_ns = min(max(2 * p.review_ns, REVIEW_FIRST), REVIEW_LAST)


cdef void set_pause(pause_t *p, int64_t learned, int64_t now) noexcept nogil:
    p.learned = learned
    p.ns = max(p.told, learned)
    p.hurried = p.hurried_well = 0
    p.review = now + max(p.review_ns, REVIEW_FIRST)


cdef int64_t affordable(const device_t *d) noexcept nogil:
    """The longest pause with which those after all requests of the station's groups take half of
    its time; 0 where that is too short to be learned.
    """
    cdef double requests = 0  # in a nanosecond
    cdef int64_t most
    cdef int32_t i
    for i in range(d.group_count):
        requests += <double>d.groups[i].request_count / <double>d.groups[i].period_ns
    if requests * 2 * PAUSE_MOST <= 1:
        return PAUSE_MOST
    most = <int64_t>(1 / (2 * requests))
    return most if most >= PAUSE_FIRST else 0


cdef void pause_kept(const link_t *l, device_t *d, const flight_t *f, int64_t now) noexcept nogil:
    cdef pause_t *p = &d.station.pause
    if l.line and is_soon(p, f):
        p.hurried = 0
        if p.hurried_well < WELL:
            p.hurried_well += 1
        elif p.learned and now >= p.review:
            # As short as it is, it does: half of it may, too.
            p.before = p.learned
            set_pause(p, p.learned // 2 if p.learned > PAUSE_FIRST // 2 else 0, now)
        elif p.before:
            p.before = p.review_ns = 0
    p.answered_at = now
    if p.review < 0:
        p.review = now + REVIEW_FIRST


cdef void pause_missed(const link_t *l, device_t *d, const flight_t *f, int64_t now) noexcept nogil:
    cdef pause_t *p = &d.station.pause
    cdef int64_t most
    if not l.line or d.silent:
        return
    if not is_soon(p, f):
        p.hurried = 0  # no pause is as long
        return
    p.hurried += 1
    if p.before:
        if p.hurried_well < WELL:
            wait_longer(p)
            set_pause(p, p.before, now)
            p.before = 0
        return
    if p.hurried < (<uint32_t>BELIEVED if p.hurried_well < WELL else <uint32_t>BELIEVED_WELL):
        return
    most = affordable(d)
    if p.ns >= most:
        # It was something else, or there is no room for a longer one.
        if p.learned:
            wait_longer(p)
            set_pause(p, 0, now)
    elif p.learned or now >= p.review:
        set_pause(p, max(PAUSE_FIRST, min(2 * p.ns, most)), now)


cdef void pause_told(station_t *station, int64_t ns) noexcept nogil:
    cdef pause_t *p = &station.pause
    p.ns = p.told = max(p.told, ns)


cdef void pause_known(device_t *d, int64_t ns) noexcept nogil:
    # The periods may be shorter by now.
    cdef int64_t learned = min(ns, affordable(d))
    if learned > d.station.pause.learned:
        set_pause(&d.station.pause, learned, 0)
        d.station.pause.review = -1  # counted from the first answer
