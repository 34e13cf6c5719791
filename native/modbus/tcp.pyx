"""Modbus TCP: answers are told by their transaction id.

A stale id is dropped and counted; three answers in a row that match no request close the
connection. The first request of a connection flies alone: only when its id came back do others fly
beside it, because a device that counts for itself may hit the id of another. A device that does not
echo ids (learned: to MISSES_ENOUGH requests in a row one answer each came that is right in all but
an id that was never sent) is believed by order, and after each time-out the connection is made
anew; until MATCHES_ENOUGH in a row have the right id, as it may be replaced by one that does.
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
    MBAP_LENGTH_MAX,
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
from native.modbus.unit cimport modbus_t, own_t, unit_of, unit_t
from native.reasons cimport BAD_GATEWAY, GOOD

cdef enum:
    WRONG_LAST = 3      # answers in a row that match nothing: the connection is closed
    MISSES_ENOUGH = 3
    MATCHES_ENOUGH = 8
    VAIN_MOST = 2
    LATELY = 64         # ids so far back are a late answer's, or one's that lags behind
    STRAY_MOST = 8      # bytes that are skipped in front of a header
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
    s.sent_lately = min(s.sent_lately + 1, <uint32_t>LATELY)
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


cdef inline bint was_sent_lately(const modbus_t *s, uint16_t transaction) noexcept nogil:
    """Likewise of the last few, on whatever connection: such an id is echoed."""
    return <uint16_t>(s.transaction - transaction) < s.sent_lately


cdef inline void take_id(modbus_t *s, bint right) noexcept nogil:
    """An answer was taken; `right`: with the id of its request."""
    s.misses = 0
    if not s.head.single:
        s.head.window = UINT32_MAX
        return
    s.matches = s.matches + 1 if right else 0
    s.head.single = s.matches < MATCHES_ENOUGH


cdef inline bint is_anothers(modbus_t *s, const frame_t *frame, own_t *own) noexcept nogil:
    """Whether an answer with an id that was never sent is right in all else, and somebody else's. A
    device that does not echo ids answers once: a second one to the same request is of a converter
    that shows each answer to all its clients, and so was the first.
    """
    cdef Found found = match_answer(frame, &own.ask)
    if found != codec.ANSWER and found != codec.EXCEPTION:
        return False
    if own.odd_function:
        s.misses = 0
        return True
    own.odd_function = own.ask.function
    s.misses += 1
    return False


cdef inline bint begins(
    const uint8_t *p, size_t size, const flight_t *open_, int32_t n
) noexcept nogil:
    """Whether an open request's answer may begin with these bytes, at least one."""
    cdef int32_t i
    if size == 1:
        for i in range(n):
            if (<const own_t *>open_[i].own).ask.transaction >> 8 == p[0]:
                return True
        return False
    return (
        flight_of(open_, n, be16(p)) >= 0
        and (size < 4 or be16(p + 2) == 0)
        and (size < 6 or 3 <= be16(p + 4) <= MBAP_LENGTH_MAX)
    )


cdef Verdict strayed(
    const in_t *arrived, const flight_t *open_, int32_t n, take_t *t
) noexcept nogil:
    """A few bytes, a heartbeat or a checksum perhaps, may lie before an open request's answer."""
    cdef size_t i
    for i in range(1, min(<size_t>STRAY_MOST, arrived.n - 1) + 1):
        if begins(arrived.p + i, arrived.n - i, open_, n):
            t.used = i
            return protocol.NOISE
    return protocol.BROKEN


cdef Verdict take_tcp(
    void *session, const in_t *arrived, flight_t *open_, int32_t n, take_t *t, int64_t now
) noexcept nogil:
    cdef modbus_t *s = <modbus_t *>session
    cdef frame_t frame
    cdef Found found
    cdef const ask_t *ask = NULL
    cdef unit_t *u
    cdef Verdict verdict
    frame.size = 0
    found = find_answer(TCP, arrived.p, arrived.n, NULL, &frame)
    if found == codec.MORE:
        return protocol.MORE
    t.used = frame.used
    if found == codec.BROKEN:
        return strayed(arrived, open_, n, t)
    t.flight = 0 if s.head.single and n else flight_of(open_, n, frame.transaction)
    found = codec.FOREIGN
    if t.flight >= 0:
        ask = &(<const own_t *>open_[t.flight].own).ask
        found = match_answer(&frame, ask)
    if found == codec.ANSWER:
        take_id(s, frame.transaction == ask.transaction)
        if open_[t.flight].seen_quality:
            (<unit_t *>open_[t.flight].station).in_vain = 0
        s.wrong_in_a_row = s.unanswered = 0
        return data(&open_[t.flight], &frame, GOOD)
    if found == codec.EXCEPTION or (ask != NULL and is_short(&frame, ask)):
        if found != codec.EXCEPTION:
            frame.code = ILLEGAL_VALUE
        if quality_of(frame.code) != BAD_GATEWAY:
            s.wrong_in_a_row = s.unanswered = 0
        return exception(t, frame.code)
    if ask != NULL and not s.head.single:
        # By its id it is the answer, but not to what was asked.
        s.wrong_in_a_row = 0
        verdict = wrong_answer(t, &frame, ask)
        u = <unit_t *>open_[t.flight].station
        if frame.unit == ask.unit or u.in_vain >= VAIN_MOST:
            return verdict
        # A gateway that confuses units: the right one may follow.
        open_[t.flight].seen_quality, open_[t.flight].seen_code = t.quality, t.code
        open_[t.flight].seen_surely = True
        t.quality = 0
        return protocol.FOREIGN_ANSWER
    if t.flight < 0 and frame.size and s.unanswered and was_sent(s, frame.transaction):
        t.whose = <station_t *>unit_of(s, frame.unit)
        if frame.function & 0x80:
            t.quality, t.code = quality_of(frame.code), frame.code
        return protocol.FOREIGN_ANSWER
    if t.flight < 0 and n == 1 and not was_sent_lately(s, frame.transaction) and (
        is_anothers(s, &frame, <own_t *>open_[0].own)
    ):
        return protocol.FOREIGN_ANSWER
    s.wrong_in_a_row += 1
    if s.misses >= MISSES_ENOUGH and not s.head.single:
        s.head.single = True
        s.matches = 0
        return protocol.BROKEN
    return protocol.BROKEN if s.wrong_in_a_row >= WRONG_LAST else protocol.FOREIGN_ANSWER


cdef bint ended_tcp(void *session, const flight_t *f, Why why, int64_t now) noexcept nogil:
    (<modbus_t *>session).unanswered += 1
    (<unit_t *>f.station).in_vain += why == protocol.NO_ANSWER and f.seen_quality != 0
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
    return size < 6 or 3 <= be16(p + 4) <= MBAP_LENGTH_MAX
