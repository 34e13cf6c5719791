from libc.stdint cimport int32_t, int64_t, uint8_t

from native.engine.protocol cimport (
    Prep,
    Verdict,
    Why,
    flight_t,
    in_t,
    out_t,
    plan_t,
    station_t,
    take_t,
)
from native.rows.store cimport request_t

cdef Prep prepare_tcp(
    void *session, const plan_t *plan, flight_t *f, out_t *out, int64_t now
) noexcept nogil
cdef Verdict take_tcp(
    void *session, const in_t *arrived, flight_t *open_, int32_t n, take_t *t, int64_t now
) noexcept nogil
cdef bint ended_tcp(void *session, const flight_t *f, Why why, int64_t now) noexcept nogil
cdef bint doubts_tcp(
    void *session, const station_t *station, const request_t *request, int64_t now
) noexcept nogil
