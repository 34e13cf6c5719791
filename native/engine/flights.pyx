"""How many requests a device takes at once: `in_flight = "auto"`, learned a link.

From one upward, doubling. With `n` in flight and more waiting, the answers that came while all `n`
flew say how many a second the device gives: n / their time. Twice as many are kept if that brings a
fifth more; a device that takes requests and works them off one by one gains nothing by it and stays
at one. A time-out, a lost connection or "busy" with more than one in flight halves them. What did
not pay is tried again after ten minutes; what did harm after 5 s, and twice as long each time that
it does harm again.
"""

from libc.stdint cimport int64_t

from native.engine.state cimport link_t

cdef enum:
    SAMPLE = 32  # answers that a decision rests on

cdef extern from *:
    """
    #define TRY_AGAIN INT64_C(600000000000)
    #define HARM_FIRST INT64_C(5000000000)
    #define GAIN_LEAST 1.2
    """
    int64_t TRY_AGAIN
    int64_t HARM_FIRST
    double GAIN_LEAST


cdef void use(link_t *l, int n, int64_t now) noexcept nogil:
    l.in_flight_max = n
    l.sampled = 0
    l.sampled_ns = 0
    l.flights_since = now


cdef void flights_answered(link_t *l, int64_t sent, int64_t now) noexcept nogil:
    """An answer to a request that flew since `sent` with as many as may, while others waited."""
    cdef double rate
    cdef int n = l.in_flight_max
    if sent < l.flights_since:
        return
    l.sampled += 1
    l.sampled_ns += now - sent
    if l.sampled < SAMPLE:
        return
    rate = 1e9 * n * SAMPLE / <double>l.sampled_ns
    if l.trying and rate < GAIN_LEAST * l.answers_a_second:
        l.trying = False
        l.flights_good = (n + 1) // 2
        l.more_at = now + TRY_AGAIN
        use(l, l.flights_good, now)
        return
    l.trying = False
    l.answers_a_second = rate
    if n > l.flights_good:
        l.flights_good = n
    if n < l.flights_most and (n < l.flights_good or now >= l.more_at):
        l.trying = True
        n = min(2 * n, l.flights_most)
    use(l, n, now)


cdef void flights_troubled(link_t *l, int64_t sent, int64_t now) noexcept nogil:
    """The request sent at `sent` got no answer, a lost connection, or "busy"."""
    if l.flights_most == 0 or sent < l.flights_since:
        return
    l.trying = False
    if l.in_flight_max == 1:
        use(l, 1, now)
        return
    if now >= l.more_at:  # else it is the same trouble still
        if l.harm_wait == 0 or now - l.harm_at > TRY_AGAIN:
            l.harm_wait = HARM_FIRST
        elif l.harm_wait < TRY_AGAIN:
            l.harm_wait *= 2
    l.harm_at = now
    l.more_at = now + l.harm_wait
    l.flights_good = l.in_flight_max // 2
    use(l, l.flights_good, now)
