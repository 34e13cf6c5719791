"""Modbus TCP: answers are matched to requests by their transaction id.

An answer with a stale id is dropped and counted. Three answers in a row that match no request close
the connection. On a new connection one request is sent alone; more are in flight at once only when
its id came back, because a device that counts ids by itself might hit the id of another request.

A device may not echo ids. That is learned when MISSES_ENOUGH requests in a row each got one answer
that was right in all but an id that was never sent. Its answers are then matched by order, and the
connection is made anew after each time-out, until MATCHES_ENOUGH answers in a row have the right
id: it may have been replaced by a device that echoes them.

Bytes that are no frame are skipped up to where an awaited answer begins; all of them if none is
awaited. If the header says more bytes than there are, that does not matter as long as the answer's
own byte count is what was asked for. Whether a unit answers one request behind: see `step`.
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
    mark_part,
    out_t,
    plan_t,
    station_t,
    take_t,
)
from native.modbus cimport codec
from native.modbus.codec cimport (
    ASCII,
    MBAP_LENGTH_MAX,
    RTU,
    TCP,
    Found,
    Framing,
    ask_of,
    ask_t,
    find_answer,
    frame_t,
    is_short,
    match_answer,
    quality_of,
    rtu_good,
)
from native.modbus.exchange cimport (
    ILLEGAL_VALUE,
    SPEC,
    data,
    exception,
    not_ours,
    one_behind,
    other_framing,
    wrong_answer,
    write_ask,
)
from native.modbus.step cimport (
    asked_lately,
    check_failed,
    checked,
    choose_check,
    note_asked,
    suspected,
)
from native.modbus.unit cimport (
    BEHIND,
    CHECK,
    PUT_OFF,
    SUSPECT,
    SURE,
    UNSURE,
    modbus_t,
    own_t,
    unit_of,
    unit_t,
)
from native.reasons cimport BAD_GATEWAY, BAD_WRONG_ANSWER, GOOD
from native.rows.store cimport request_t, row_status

cdef enum:
    WRONG_LAST = 3      # answers in a row that match nothing: the connection is closed
    MISSES_ENOUGH = 3
    MATCHES_ENOUGH = 8
    VAIN_MOST = 2
    LATELY = 64         # ids up to so far back belong to late answers, or to a unit that lags
    HEADER = 6
    FRONT = 9           # bytes of an answer before its data
    SENT_PAGES = 4      # the last thousand ids have at most five different first bytes


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
    choose_check(s, plan, <unit_t *>f.station, own, now)
    note_asked(s, &own.ask)
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
    """The same for the last few ids of any connection: whoever sends such an id echoes it."""
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
    """Whether an answer with an id that was never sent, but right in all else, is somebody else's.
    A device that does not echo ids answers once. A second answer to the same request comes from a
    converter that shows each answer to all its clients; then the first was somebody else's as well.
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
    """Whether the answer to a request in flight may begin with these bytes, at least one."""
    cdef const ask_t *ask
    cdef int32_t i
    if size == 1:
        for i in range(n):
            if (<const own_t *>open_[i].own).ask.transaction >> 8 == p[0]:
                return True
        return False
    i = flight_of(open_, n, be16(p))
    if i < 0 or (size > 3 and be16(p + 2) != 0) or (size > 5 and be16(p + 4) < 3):
        return False
    ask = &(<const own_t *>open_[i].own).ask
    return (size < 7 or p[6] == ask.unit) and (size < 8 or (p[7] & 0x7F) == ask.function)


cdef Verdict strayed(
    const in_t *arrived, const flight_t *open_, int32_t n, take_t *t
) noexcept nogil:
    """Bytes that are no frame: a heartbeat, a checksum perhaps. An awaited answer may follow them.
    """
    cdef Framing framing
    cdef size_t i
    for i in range(1, arrived.n):
        if begins(arrived.p + i, arrived.n - i, open_, n):
            t.used = i
            return protocol.NOISE
    framing = of_line(arrived, &(<const own_t *>open_[0].own).ask) if n else TCP
    if framing != TCP:
        t.flight = 0
        return other_framing(t, framing)
    t.adrift = True
    return protocol.NOISE


cdef size_t surely_behind(
    const in_t *arrived, const flight_t *open_, int32_t n
) noexcept nogil:
    """How many bytes stand before an awaited answer though they look like the header of another
    frame; 0: no such answer, or not more of it than its header.
    """
    cdef size_t i
    if arrived.n < HEADER or flight_of(open_, n, be16(arrived.p)) >= 0:
        return 0
    for i in range(1, arrived.n - HEADER):
        if arrived.n - i > HEADER + 1 and begins(arrived.p + i, arrived.n - i, open_, n):
            return i
    return 0


cdef inline Framing of_line(const in_t *arrived, const ask_t *ask) noexcept nogil:
    """In which other framing the bytes are an answer; TCP: in none."""
    cdef const uint8_t *p = arrived.p
    if p[0] == 58 and p[arrived.n - 1] == 10:
        return ASCII
    if p[0] == ask.unit and (p[1] & 0x7F) == ask.function and rtu_good(p, arrived.n):
        return RTU
    return TCP


cdef bint told_too_long(
    const in_t *arrived, const flight_t *open_, int32_t n, frame_t *frame
) noexcept nogil:
    """Whether the input begins with a whole answer by its own byte count, though the header says
    more; all else fits a request in flight.
    """
    cdef const uint8_t *p = arrived.p
    cdef const ask_t *ask
    cdef size_t size
    cdef int32_t i
    if arrived.n < FRONT or be16(p + 2) != 0:
        return False
    size = FRONT + <size_t>p[8]
    i = flight_of(open_, n, be16(p))
    if i < 0 or arrived.n < size or HEADER + <size_t>be16(p + 4) <= size:
        return False
    ask = &(<const own_t *>open_[i].own).ask
    if p[6] != ask.unit or p[7] != ask.function or p[8] != ask.data_bytes:
        return False
    frame.used = size
    frame.transaction, frame.unit, frame.function = be16(p), p[6], p[7]
    frame.data, frame.size = p + FRONT, p[8]
    return True


cdef inline bint is_behind(const unit_t *u) noexcept nogil:
    return u.step == SUSPECT or u.step == BEHIND


cdef bint looks_behind(
    const modbus_t *s, unit_t *u, const flight_t *f, const frame_t *frame
) noexcept nogil:
    """Whether an answer that does not fit its request fits an earlier one. Then the unit will be
    checked, and what this scan has read so far is not believed.
    """
    cdef int32_t i
    if u.cleared or (u.step != SURE and u.step != UNSURE) or not asked_lately(s, frame):
        return False
    u.step = UNSURE
    for i in range(f.layout.part_count):
        if row_status(f.layout.scratch)[i] == GOOD:
            mark_part(f.layout, <uint32_t>i, BAD_WRONG_ANSWER)
    return True


cdef Verdict fit(
    modbus_t *s, const flight_t *f, frame_t *frame, Found found, take_t *t
) noexcept nogil:
    """An answer to a request of the plan, perhaps with fewer registers, or its refusal."""
    cdef const ask_t *ask = &(<const own_t *>f.own).ask
    cdef unit_t *u = <unit_t *>f.station
    if found == codec.ANSWER:
        take_id(s, frame.transaction == ask.transaction)
        s.wrong_in_a_row = s.unanswered = 0
        if f.seen_quality:
            u.in_vain = 0
        u.ever = True
    if is_behind(u):
        return one_behind(t)
    if found == codec.ANSWER:
        if u.step == PUT_OFF:
            u.step = UNSURE
        return data(f, frame, GOOD)
    if found != codec.EXCEPTION:
        if looks_behind(s, u, f, frame):
            return wrong_answer(t, frame, ask)
        frame.code = ILLEGAL_VALUE
    if quality_of(frame.code) != BAD_GATEWAY:
        s.wrong_in_a_row = s.unanswered = 0
    return exception(t, frame.code)


cdef Verdict misfit(
    modbus_t *s, flight_t *f, const frame_t *frame, take_t *t
) noexcept nogil:
    """It has the id of a request of the plan, but is no answer to it."""
    cdef const ask_t *ask = &(<const own_t *>f.own).ask
    cdef unit_t *u = <unit_t *>f.station
    cdef const unit_t *other = unit_of(s, frame.unit)
    # Behind a gateway that lags, so does a unit that never got an answer of its own.
    cdef bint lags = is_behind(u) or (other != NULL and is_behind(other) and asked_lately(s, frame))
    s.wrong_in_a_row = 0
    if looks_behind(s, u, f, frame) or frame.unit == ask.unit or u.in_vain >= VAIN_MOST:
        return one_behind(t) if lags else wrong_answer(t, frame, ask)
    # The gateway confuses units: the right answer may follow.
    one_behind(t) if lags else wrong_answer(t, frame, ask)
    f.seen_quality, f.seen_code = t.quality, t.code
    f.seen_surely = True
    t.quality = 0
    return protocol.FOREIGN_ANSWER


cdef Verdict take_tcp(
    void *session, const in_t *arrived, flight_t *open_, int32_t n, take_t *t, int64_t now
) noexcept nogil:
    cdef modbus_t *s = <modbus_t *>session
    cdef frame_t frame
    cdef Found found
    cdef own_t *own
    cdef unit_t *u
    frame.size = 0
    found = find_answer(TCP, arrived.p, arrived.n, NULL, &frame)
    if (found != codec.FOREIGN or frame.size == 0) and told_too_long(arrived, open_, n, &frame):
        found = codec.FOREIGN
    if found == codec.MORE:
        t.used = surely_behind(arrived, open_, n)
        if t.used:
            return protocol.NOISE
        t.adrift = arrived.n < HEADER
        return protocol.MORE
    t.used = frame.used
    if found == codec.BROKEN:
        return strayed(arrived, open_, n, t)
    t.flight = 0 if s.head.single and n else flight_of(open_, n, frame.transaction)
    found = codec.FOREIGN
    if t.flight >= 0:
        own = <own_t *>open_[t.flight].own
        found = match_answer(&frame, &own.ask)
        if own.what == CHECK:
            s.wrong_in_a_row = s.unanswered = 0
            u = <unit_t *>open_[t.flight].station
            return checked(s, u, own, &frame, found, t, now)
        suspected(s, own, &frame, t, now)
        if found == codec.FOREIGN and not is_short(&frame, &own.ask):
            if not s.head.single:
                return misfit(s, &open_[t.flight], &frame, t)
        else:
            return fit(s, &open_[t.flight], &frame, found, t)
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
    cdef unit_t *u = <unit_t *>f.station
    (<modbus_t *>session).unanswered += 1
    if (<const own_t *>f.own).what == CHECK:
        check_failed(u)
        return why == protocol.NO_ANSWER
    if why == protocol.NO_ANSWER:
        u.in_vain += f.seen_quality != 0
        u.cleared = False
        if u.step == SURE:
            u.step = UNSURE
    return False


cdef bint doubts_tcp(
    void *session, const station_t *station, const request_t *request, int64_t now
) noexcept nogil:
    return is_behind(<const unit_t *>station)


cdef bint may_begin_tcp(
    void *session, const flight_t *open_, int32_t n, const uint8_t *p, size_t size
) noexcept nogil:
    """Whether the bytes have the id of a request of this connection and a possible header."""
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
