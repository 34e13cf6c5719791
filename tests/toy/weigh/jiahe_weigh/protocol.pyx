"""Scales on a line. A request is '?', scale, item, number, sum; an answer '!', scale, item, number,
a whole number of four bytes, sum; '-' with the same four and a sum says that there is no such item.
Each request has another number: that is what proves an answer.
"""

from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memset

from native.engine.protocol cimport (
    ANSWER, DAMAGED, FOREIGN_ANSWER, FOREIGN_REQUEST, MORE, NOISE, PROTOCOL_ABI, REFUSE, REFUSED,
    SEND, Prep, Verdict, Why, flight_t, in_t, mark, out_t, plan_t, protocol_t, put, session_t,
    station_t, take_t,
)
from native.reasons cimport BAD_REFUSED, GOOD

cdef enum:
    ASK_BYTES = 5
    ANSWER_BYTES = 9


cdef struct weigh_t:
    session_t head
    uint8_t number  # of the newest request


cdef uint8_t sum_of(const uint8_t *p, size_t n) noexcept nogil:
    cdef uint8_t total = 0
    cdef size_t i
    for i in range(n):
        total += p[i]
    return total


cdef bint enrol(void *session, void *station) noexcept nogil:
    return (<station_t *>station).address_size == 1


cdef int begin(void *session, out_t *out, int64_t now) noexcept nogil:
    (<session_t *>session).window = 1  # requests at once
    return 0


cdef Prep prepare(
    void *session, const plan_t *plan, flight_t *f, out_t *out, int64_t now
) noexcept nogil:
    cdef weigh_t *s = <weigh_t *>session
    if f.request.spec_size != 1 or f.request.part_count != 1:
        out.quality = BAD_REFUSED
        return REFUSE
    s.number += 1
    f.own[0], f.own[1], f.own[2] = f.station.address[0], f.request.spec[0], s.number
    out.p[0], out.p[1], out.p[2], out.p[3] = c'?', f.own[0], f.own[1], f.own[2]
    out.p[4] = sum_of(out.p, ASK_BYTES - 1)
    out.n = ASK_BYTES
    return SEND


cdef Verdict take(
    void *session, const in_t *in_, flight_t *open_, int32_t n, take_t *t, int64_t now
) noexcept nogil:
    cdef const uint8_t *p = in_.p
    cdef size_t size = ANSWER_BYTES if p[0] == c'!' else ASK_BYTES
    if p[0] != c'!' and p[0] != c'-' and p[0] != c'?':
        t.used = 1
        return NOISE
    if in_.n < size:
        t.at_least = size - in_.n
        return MORE
    if p[size - 1] != sum_of(p, size - 1):
        t.used = in_.n
        return DAMAGED if n else NOISE
    t.used = size
    if p[0] == c'?':
        return FOREIGN_REQUEST
    if not n or p[1] != open_.own[0] or p[2] != open_.own[1] or p[3] != open_.own[2]:
        return FOREIGN_ANSWER
    if p[0] == c'-':
        t.quality = BAD_REFUSED
        return REFUSED
    put(open_, 0, 0, p + 4, 4)
    mark(open_, 0, GOOD)
    return ANSWER


cdef bint ended(void *session, const flight_t *f, Why why, int64_t now) noexcept nogil:
    return False


cdef protocol_t TABLE
memset(&TABLE, 0, sizeof(protocol_t))
TABLE.abi, TABLE.name, TABLE.line = PROTOCOL_ABI, b"weigh", True
TABLE.session_bytes, TABLE.station_bytes = sizeof(weigh_t), sizeof(station_t)
TABLE.enrol, TABLE.begin, TABLE.prepare, TABLE.take = enrol, begin, prepare, take
TABLE.ended = ended
PROTOCOL = PyCapsule_New(<void *>&TABLE, "protocol_t", NULL)
