"""Modbus TCP: answers are matched to requests by their transaction id.

An answer with a stale id is dropped and counted. Three answers in a row that match no request close
the connection. On a new connection one request is sent alone; more are in flight at once only when
its id came back, because a device that counts ids by itself might hit the id of another request.

A device may not echo ids. That is learned when MISSES_ENOUGH requests in a row each got one answer
that was right in all but an id that was never sent. Its answers are then matched by order, and the
connection is made anew after each time-out, until MATCHES_ENOUGH answers in a row have the right
id: it may have been replaced by a device that echoes them.

Which bytes of the stream are frames: see `stream`. Whether a unit answers one request behind: see
`step`.
"""

from libc.stdint cimport UINT32_MAX, int32_t, int64_t, uint16_t, uint32_t

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
from native.engine.stream cimport SHORT, WHOLE, Front
from native.modbus cimport codec
from native.modbus.codec cimport (
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
    one_behind,
    wrong_answer,
    write_ask,
)
from native.modbus.stream cimport (
    HEADER,
    flight_of,
    strayed,
    told_too_long,
    was_sent,
    whole_front,
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
    CHECK,
    PUT_OFF,
    SURE,
    UNSURE,
    is_behind,
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


cdef inline bint was_sent_lately(const modbus_t *s, uint16_t transaction) noexcept nogil:
    """Whether the id is one of the last few of any connection: whoever sends such an id echoes it.
    """
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


cdef Verdict lost_inside(
    modbus_t *s, const in_t *arrived, size_t size, const flight_t *open_, int32_t n, take_t *t,
    int64_t now
) noexcept nogil:
    """Where the frame of `size` bytes in front lacks some: damage of the answer, or noise. MORE
    where that may be; ANSWER: it does not.
    """
    cdef int32_t own = flight_of(open_, n, be16(arrived.p))
    cdef size_t at = 0
    cdef Front front
    cdef bint is_whole = arrived.n >= size
    if n == 0 or s.head.packets or (s.head.single and is_whole):
        return protocol.ANSWER
    if own >= 0 and n == 1 and now >= s.owes_until:
        return protocol.ANSWER  # nothing else can come
    front = whole_front(s, arrived, size, open_, n, own, &at)
    if front == SHORT:
        t.used = at
        t.flight = max(own, 0)
        return protocol.DAMAGED if own >= 0 else protocol.NOISE
    if front == WHOLE or not is_whole or own < 0:
        return protocol.ANSWER
    t.used, t.flight = arrived.n, own
    return protocol.DAMAGED if arrived.last else protocol.MORE


cdef Verdict take_tcp(
    void *session, const in_t *arrived, flight_t *open_, int32_t n, take_t *t, int64_t now
) noexcept nogil:
    cdef modbus_t *s = <modbus_t *>session
    cdef frame_t frame
    cdef Found found
    cdef Verdict lost
    cdef size_t size
    cdef own_t *own
    cdef unit_t *u
    frame.size = 0
    found = find_answer(TCP, arrived.p, arrived.n, NULL, &frame)
    if (found != codec.FOREIGN or frame.size == 0) and told_too_long(arrived, open_, n, &frame):
        found = codec.FOREIGN
    if found == codec.BROKEN:
        t.used = frame.used
        return strayed(arrived, open_, n, t)
    if arrived.n >= HEADER:
        size = HEADER + be16(arrived.p + 4) if found == codec.MORE else frame.used
        lost = lost_inside(s, arrived, size, open_, n, t, now)
        if lost != protocol.ANSWER:
            return lost
    if found == codec.MORE:
        t.adrift = arrived.n < HEADER
        return protocol.MORE
    t.used = frame.used
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
    cdef modbus_t *s = <modbus_t *>session
    cdef unit_t *u = <unit_t *>f.station
    s.unanswered += 1
    if why == protocol.NO_ANSWER:
        s.owes_until = now + 2 * max(s.head.timeout_ns, u.head.late_ns)
    if (<const own_t *>f.own).what == CHECK:
        check_failed(u)
        return why != protocol.CUT_OFF
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
