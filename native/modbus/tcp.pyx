"""Modbus TCP: answers are told by their transaction id.

A stale id is dropped and counted; three answers in a row that match no request close the
connection. The first request of a connection flies alone: only when its id came back do others fly
beside it, because a device that counts for itself may hit the id of another. A device that never
echoes ids (learned: MISSES_ENOUGH answers right in all but the id) is believed by order, and after
each time-out the connection is made anew.
"""

from libc.stdint cimport UINT32_MAX, int32_t, int64_t, uint8_t, uint16_t, uint32_t

from native.bytes cimport be16
from native.engine cimport protocol
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
from native.modbus cimport codec
from native.modbus.codec cimport (
    PDU_MAX,
    TCP,
    Found,
    ask_of,
    ask_t,
    find_answer,
    frame_t,
    is_short,
    match_answer,
    quality_of,
)
from native.modbus.exchange cimport (
    ILLEGAL_VALUE,
    SPEC,
    data,
    exception,
    not_ours,
    wrong_answer,
    write_ask,
)
from native.modbus.unit cimport modbus_t, own_t, unit_of
from native.reasons cimport BAD_GATEWAY, GOOD

cdef enum:
    WRONG_LAST = 3      # answers in a row that match nothing: the connection is closed
    MISSES_ENOUGH = 3
    STRAY_MOST = 8      # bytes that are skipped in front of a header
    HEADER = 6
    SENT_PAGES = 4      # the thousand ids that `was_sent` knows have one of five first bytes


cdef Prep prepare_tcp(
    void *session, const plan_t *plan, flight_t *f, out_t *out, int64_t now
) noexcept nogil:
    cdef modbus_t *s = <modbus_t *>session
    cdef own_t *own = <own_t *>f.own
    if f.request.spec_size != SPEC:
        return not_ours(out)
    s.transaction += 1
    s.sent_here += 1
    ask_of(f.request, &own.ask)
    own.ask.transaction, own.ask.unit = s.transaction, f.station.address[0]
    return write_ask(TCP, own, out)


cdef inline int32_t flight_of(
    const flight_t *open_, int32_t n, uint16_t transaction
) noexcept nogil:
    cdef int32_t i
    for i in range(n):
        if (<const own_t *>open_[i].own).ask.transaction == transaction:
            return i
    return -1


cdef inline bint was_sent(const modbus_t *s, uint16_t transaction) noexcept nogil:
    """Whether an id is one of the last thousand of this connection."""
    return <uint16_t>(s.transaction - transaction) < min(s.sent_here, <uint32_t>1024)


cdef size_t stray_bytes(const in_t *arrived, const flight_t *open_, int32_t n) noexcept nogil:
    """How many bytes, a heartbeat perhaps, lie before the header of an open request's answer; 0:
    there is none behind a few.
    """
    cdef size_t i
    cdef const uint8_t *p
    for i in range(1, <size_t>STRAY_MOST + 1):
        p = arrived.p + i
        if i + HEADER > arrived.n:
            break
        if (
            be16(p + 2) == 0 and 3 <= be16(p + 4) <= PDU_MAX + 1
            and flight_of(open_, n, be16(p)) >= 0
        ):
            return i
    return 0


cdef Verdict take_tcp(
    void *session, const in_t *arrived, flight_t *open_, int32_t n, take_t *t, int64_t now
) noexcept nogil:
    cdef modbus_t *s = <modbus_t *>session
    cdef frame_t frame
    cdef Found found
    cdef const ask_t *ask = NULL
    frame.size = 0
    found = find_answer(TCP, arrived.p, arrived.n, NULL, &frame)
    if found == codec.MORE:
        return protocol.MORE
    t.used = frame.used
    if found == codec.BROKEN:
        t.used = stray_bytes(arrived, open_, n)
        return protocol.NOISE if t.used else protocol.BROKEN
    t.flight = 0 if s.head.single and n else flight_of(open_, n, frame.transaction)
    found = codec.FOREIGN
    if t.flight >= 0:
        ask = &(<const own_t *>open_[t.flight].own).ask
        found = match_answer(&frame, ask)
    if found == codec.ANSWER:
        s.echoed = True
        if not s.head.single:
            s.head.window = UINT32_MAX
        s.answers += 1
        s.wrong_in_a_row = s.unanswered = 0
        return data(&open_[t.flight], &frame, GOOD)
    if found == codec.EXCEPTION or (ask != NULL and is_short(&frame, ask)):
        if found != codec.EXCEPTION:
            frame.code = ILLEGAL_VALUE
        if quality_of(frame.code) != BAD_GATEWAY:
            s.answers += 1
            s.wrong_in_a_row = s.unanswered = 0
        return exception(t, frame.code)
    if ask != NULL and not frame.function & 0x80 and frame.size and not s.head.single:
        # By its id it is the answer, but not to what was asked.
        s.wrong_in_a_row = 0
        return wrong_answer(t, &frame, ask)
    if t.flight < 0 and s.unanswered and was_sent(s, frame.transaction):
        t.whose = <station_t *>unit_of(s, frame.unit)
        if frame.function & 0x80:
            t.quality, t.code = quality_of(frame.code), frame.code
        return protocol.FOREIGN_ANSWER
    s.wrong_in_a_row += 1
    if t.flight < 0 and n == 1 and match_answer(
        &frame, &(<const own_t *>open_[0].own).ask
    ) == codec.ANSWER:
        s.misses += 1
        if s.misses >= MISSES_ENOUGH and s.answers == 0:
            s.head.single = True
            return protocol.BROKEN
    return protocol.BROKEN if s.wrong_in_a_row >= WRONG_LAST else protocol.FOREIGN_ANSWER


cdef bint ended_tcp(void *session, const flight_t *f, Why why, int64_t now) noexcept nogil:
    (<modbus_t *>session).unanswered += 1
    return False


cdef bint may_begin_tcp(
    void *session, const flight_t *open_, int32_t n, const uint8_t *p, size_t size
) noexcept nogil:
    """With the id of a request of this connection, and a header that can be one."""
    cdef const modbus_t *s = <const modbus_t *>session
    if not s.head.single:
        if s.sent_here == 0:
            return False
        if size == 1:
            return <uint8_t>((s.transaction >> 8) - p[0]) <= SENT_PAGES
        if not was_sent(s, be16(p)):
            return False
    if size > 3 and be16(p + 2) != 0:
        return False
    return size < 6 or 3 <= be16(p + 4) <= PDU_MAX + 1
