"""How many requests a device takes at once: `in_flight = "auto"`, learned a link.

From one upward, doubling. With `n` in flight and more waiting, the answers that came while all `n`
flew say how many a second the device gives: n / their time. Twice as many are kept if that brings a
fifth more; a device that takes requests and works them off one by one gains nothing by it and stays
at one. A time-out, a lost connection or "busy" with more than one in flight halves them. What did
not pay is tried again after ten minutes; what did harm after 5 s, and twice as long each time that
it does harm again.
"""

from libc.stdint cimport int64_t

from native.engine.flights cimport flights_t

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


cdef void use(flights_t *f, int n, int64_t now) noexcept nogil:
    f.limit = n
    f.sampled = 0
    f.sampled_ns = 0
    f.since = now


cdef void flights_answered(flights_t *f, int64_t sent, int64_t now) noexcept nogil:
    """A request that was sent at `sent` is answered; `limit` flew with it, and others waited."""
    cdef double rate
    cdef int n = f.limit
    if sent < f.since:
        return
    f.sampled += 1
    f.sampled_ns += now - sent
    if f.sampled < SAMPLE:
        return
    rate = 1e9 * n * SAMPLE / <double>f.sampled_ns
    if f.trying and rate < GAIN_LEAST * f.answers_a_second:
        f.trying = False
        f.good = (n + 1) // 2
        f.more_at = now + TRY_AGAIN
        use(f, f.good, now)
        return
    f.trying = False
    f.answers_a_second = rate
    if n > f.good:
        f.good = n
    if n < f.most and (n < f.good or now >= f.more_at):
        f.trying = True
        n = min(2 * n, f.most)
    use(f, n, now)


cdef void flights_troubled(flights_t *f, int64_t sent, int64_t now) noexcept nogil:
    """A request that was sent at `sent` got no answer or "busy", or its connection was lost."""
    if f.most == 0 or sent < f.since:
        return
    f.trying = False
    if f.limit == 1:
        use(f, 1, now)
        return
    if now >= f.more_at:  # else it is the trouble that was counted already
        if f.harm_wait == 0 or now - f.harm_at > TRY_AGAIN:
            f.harm_wait = HARM_FIRST
        elif f.harm_wait < TRY_AGAIN:
            f.harm_wait *= 2
    f.harm_at = now
    f.more_at = now + f.harm_wait
    f.good = f.limit // 2
    use(f, f.good, now)
