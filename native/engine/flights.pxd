"""Requests in flight, and how many there may be at once."""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memmove

from native.clock cimport MS
from native.engine.protocol cimport flight_t

cdef extern from *:
    """
    #define CAREFUL_FOR (2000 * MS)
    """
    int64_t CAREFUL_FOR    # after a connection was lost with several requests, one flies at a time

cdef enum:
    IN_FLIGHT_MAX = 32


cdef struct flights_t:
    int32_t count
    int32_t limit         # so many may fly
    int64_t careful_until  # one request at a time until then; 0: as many as `limit` says
    # How `limit` is learned, see `flights.pyx`:
    int32_t most          # the most that the file allows; 0: `limit` is set, not learned
    int32_t good          # so many pay and do no harm
    int32_t sampled       # answers measured since `since`
    int64_t sampled_ns    # sum of the times that they took
    double answers_a_second  # that `good` in flight bring
    bint trying           # `limit` is twice what is good
    int64_t more_at       # more than `good` are not tried before
    int64_t harm_at       # when more than one in flight last did harm
    int64_t harm_wait     # how long after that more are tried
    int64_t since         # since when `limit` is what it is
    flight_t open[IN_FLIGHT_MAX]  # in the order they were sent


cdef inline void drop_flight(flights_t *f, int32_t i) noexcept nogil:
    """Take flight `i` out; the others keep the order in which they were sent."""
    f.count -= 1
    memmove(&f.open[i], &f.open[i + 1], <size_t>(f.count - i) * sizeof(flight_t))


cdef void flights_answered(flights_t *f, int64_t sent, int64_t now) noexcept nogil
cdef void flights_troubled(flights_t *f, int64_t sent, int64_t now) noexcept nogil
