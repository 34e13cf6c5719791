"""Modbus RTU and ASCII, where nothing in an answer says which request it answers.

Somebody else may ask on the same line: see `native.modbus.asker`. Answers that a unit may still owe
to older requests, and how to find out: `native.modbus.resync`.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memchr, memset

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
from native.modbus.asker cimport (
    claimed,
    doubts_of,
    heard_answer,
    is_others,
    is_others_refusal,
    settle_claims,
    stays_due,
)
from native.modbus.codec cimport (
    ASCII,
    RTU,
    TCP,
    Found,
    Framing,
    ask_of,
    ask_t,
    find_answer,
    frame_t,
    quality_of,
)
from native.modbus.exchange cimport (
    SPEC,
    data,
    exception,
    not_ours,
    one_behind,
    other_framing,
    write_ask,
)
from native.modbus.resync cimport choose_ask, give_up
from native.modbus.stray cimport REPLY_USUAL, asked_by_other, may_owe, stray
from native.modbus.unit cimport (
    ANSWERED,
    BEHIND,
    DOUBT_ALL,
    MUTE,
    PROBE,
    READ,
    RESYNC,
    SURE,
    UNKNOWN,
    mark_outstanding,
    modbus_t,
    own_t,
    synced,
    unit_of,
    unit_t,
)
from native.reasons cimport BAD_GATEWAY, GOOD, UNCERTAIN_ANOTHER_ASKER
from native.rows.store cimport request_t

cdef enum:
    COLON = 58       # begins a frame of ASCII
    LAGS_ENOUGH = 2  # checking reads in a row that were answered with the answer to the one before


cdef Verdict ask_twice(
    modbus_t *s, const flight_t *f, take_t *t, int64_t now
) noexcept nogil:
    """This answer is ours or somebody else's who asked at the same time; one more is still due."""
    cdef unit_t *u = <unit_t *>f.station
    cdef const own_t *own = <const own_t *>f.own
    # If the unit does not answer probes, perhaps only time can tell that it has come.
    t.until = now + (u.head.late_ns if u.probing == MUTE else REPLY_USUAL)
    if not stays_due(s, &own.ask, now, now + u.head.late_ns):
        give_up(s, u, own, now)
    return protocol.AGAIN


cdef Prep prepare_line(
    Framing framing, modbus_t *s, const plan_t *plan, flight_t *f, out_t *out, int64_t now
) noexcept nogil:
    cdef own_t *own = <own_t *>f.own
    cdef Prep prep
    if f.request.spec_size != SPEC:
        return not_ours(out)
    if f.attempt:
        return write_ask(framing, own, out)
    prep = choose_ask(s, plan, f, out, now)
    if prep == protocol.WAIT:
        return prep
    own.doubted = doubts_of(s, &own.ask, now)
    if own.what == READ:
        (<unit_t *>f.station).last_bytes = own.ask.data_bytes
    return write_ask(framing, own, out)


cdef Verdict in_step(modbus_t *s, const flight_t *f, int64_t now) noexcept nogil:
    """A resync read or probe was answered: everything older has come, or never will. If it was sent
    twice, since the first answer was damaged, one more answer to it may come.
    """
    cdef unit_t *u = <unit_t *>f.station
    cdef const own_t *own = <const own_t *>f.own
    synced(u)
    settle_claims(s, own.ask.unit, f.sent)
    u.probed = 0
    u.step = SURE
    u.lagging = 0
    if own.what == PROBE:
        u.probing = ANSWERED
        if u.doubt_until == u.lag_until:
            u.doubt_until = u.lag_until = 0
        if f.attempt:
            u.probed = <uint8_t>(1 << own.ask.function)
    elif f.attempt:
        mark_outstanding(&s.head, u, own.ask.data_bytes, now)
    return protocol.ANSWER


cdef Verdict line_exception(
    modbus_t *s, flight_t *f, const frame_t *frame, take_t *t, int64_t now
) noexcept nogil:
    cdef unit_t *u = <unit_t *>f.station
    cdef own_t *own = <own_t *>f.own
    cdef uint8_t code = frame.code
    cdef bint is_gateway = quality_of(code) == BAD_GATEWAY
    if own.doubted and f.purpose != protocol.OWN and not f.redone:
        return ask_twice(s, f, t, now)
    if own.doubted or is_others_refusal(u, own.ask.function, now):
        # The refusal may be for somebody else: our answer may still come.
        f.seen_quality, f.seen_code = quality_of(code), code
        t.asked = &u.head
        if own.doubted == 0:
            heard_answer(u, own.ask.function | 0x80, 1, now)
        return protocol.FOREIGN_ANSWER
    if own.what == PROBE:
        if not is_gateway:
            # It refuses a function or register that it lacks: that is an answer to the probe, too.
            u.ever = True
            return in_step(s, f, now)
        if u.probing == UNKNOWN:
            u.probing = MUTE
            return protocol.IN_VAIN
    if own.what != READ:
        # The refusal may be for an older request: this one's answer may still come.
        give_up(s, u, own, now)
    else:
        u.excepted, u.exception_ask = True, own.ask
    if not is_gateway:
        u.ever = True
    return exception(t, code)


cdef Verdict take_data(
    modbus_t *s, flight_t *f, const frame_t *frame, take_t *t, int64_t now
) noexcept nogil:
    """A frame whose unit, function and size fit the request `f`."""
    cdef unit_t *u = <unit_t *>f.station
    cdef own_t *own = <own_t *>f.own
    cdef uint8_t quality = GOOD
    if own.doubted == DOUBT_ALL and f.purpose != protocol.OWN and not f.redone:
        return ask_twice(s, f, t, now)
    u.ever = True
    u.last_sum = frame.sum
    s.plain = s.plain or not own.echoed
    if own.odd_function:
        # Ours has come, so the other one was somebody else's.
        heard_answer(u, own.odd_function, own.odd_bytes, now)
        t.asked = &u.head
    if own.doubted == DOUBT_ALL or is_others(u, own.ask.function, own.ask.data_bytes, now):
        if f.purpose == protocol.OWN:
            t.asked = &u.head
            return protocol.FOREIGN_ANSWER  # that does not prove it to be ours
        quality = UNCERTAIN_ANOTHER_ASKER
        if own.doubted:
            give_up(s, u, own, now)
    if f.purpose == protocol.OWN:
        return in_step(s, f, now)
    return one_behind(t) if u.step == BEHIND else data(f, frame, quality)


cdef Verdict take_line(
    Framing framing, modbus_t *s, const in_t *arrived, flight_t *open_, int32_t n, take_t *t,
    int64_t now
) noexcept nogil:
    cdef frame_t frame
    cdef ask_t nothing
    cdef const ask_t *ask
    cdef const own_t *own = NULL
    cdef Found found
    if n == 0:
        memset(&nothing, 0, sizeof(ask_t))
        ask = &nothing
    else:
        own = <const own_t *>open_[0].own
        ask = &own.ask
    frame.size = 0
    found = find_answer(framing, arrived.p, arrived.n, ask, &frame)
    if found == codec.MORE:
        if n and frame.size:
            open_[0].seen_quality, open_[0].seen_code = quality_of(frame.code), frame.code
            open_[0].seen_surely = True
        if framing == RTU and n:
            t.at_least = rest_of(arrived, ask)
        if n and is_of_tcp(arrived, ask):
            t.used = arrived.n
            return other_framing(t, TCP)
        t.adrift = not has_begun(framing, arrived)
        return protocol.MORE
    t.used = frame.used
    if found == codec.DAMAGED:
        return protocol.DAMAGED
    if found == codec.REQUEST:
        return asked_by_other(s, &frame, open_, n, t, now)
    if (
        s.claim_count and frame.size
        and (own == NULL or not own.doubted or found == codec.FOREIGN)
        and claimed(s, &frame, may_owe(unit_of(s, frame.unit), &frame), now)
    ):
        t.asked = &unit_of(s, frame.unit).head
        return protocol.FOREIGN_ANSWER
    if frame.size == 0 and frame.function == 0:
        t.adrift = True
        return protocol.NOISE
    if n == 0:
        return stray(s, &frame, open_, n, t, now)
    if found == codec.ANSWER:
        return take_data(s, &open_[0], &frame, t, now)
    if found == codec.EXCEPTION:
        return line_exception(s, &open_[0], &frame, t, now)
    return stray(s, &frame, open_, n, t, now)


cdef bint doubts_line(
    void *session, const station_t *station, const request_t *request, int64_t now
) noexcept nogil:
    cdef ask_t ask
    if request.spec_size != SPEC:
        return False
    ask_of(request, &ask)
    return is_others(<const unit_t *>station, ask.function, ask.data_bytes, now)


cdef inline size_t rest_of(const in_t *arrived, const ask_t *ask) noexcept nogil:
    """Characters still to come of a frame that has begun; at least the first three, if unknown."""
    cdef size_t whole = 3
    if arrived.n >= 3 and arrived.p[0] == ask.unit and arrived.p[1] == ask.function:
        whole = 5 + <size_t>ask.data_bytes
    return whole - arrived.n if whole > arrived.n else 0


cdef inline bint is_of_tcp(const in_t *arrived, const ask_t *ask) noexcept nogil:
    """Whether the input begins with a whole answer of that unit in the framing of Modbus TCP."""
    cdef const uint8_t *p = arrived.p
    return (
        arrived.n >= 9 and be16(p + 2) == 0 and 6 + <size_t>be16(p + 4) == arrived.n
        and p[6] == ask.unit and (p[7] & 0x7F) == ask.function
    )


cdef inline bint has_begun(Framing framing, const in_t *arrived) noexcept nogil:
    """Whether a frame may have begun."""
    if framing == ASCII:
        return memchr(arrived.p, COLON, arrived.n) != NULL
    return arrived.n >= 3 and 1 <= (arrived.p[1] & 0x7F) <= 4 and (
        arrived.n < (5 if arrived.p[1] & 0x80 else 5 + <size_t>arrived.p[2])
    )


cdef void lags(unit_t *u, const own_t *own, int64_t now) noexcept nogil:
    """It answered only the request before, and may always do so. Another probe will tell, at once
    and again when the doubt ends.
    """
    cdef bint is_first = now >= u.doubt_until
    heard_answer(u, own.ask.function, own.ask.data_bytes, now)
    u.lag_until = u.doubt_until if is_first else 0
    u.probing = UNKNOWN


cdef bint ended_line(void *session, const flight_t *f, Why why, int64_t now) noexcept nogil:
    cdef modbus_t *s = <modbus_t *>session
    cdef unit_t *u = <unit_t *>f.station
    cdef const own_t *own = <const own_t *>f.own
    cdef bint is_first_probe = own.what == PROBE and u.probing == UNKNOWN
    if why == protocol.GARBLED:
        # It may not have been the answer: that may still come, and one to the repeated request.
        give_up(s, u, own, now)
        if is_first_probe and f.attempt:
            u.probing = MUTE
            return True
        return False
    if why == protocol.NO_ANSWER and own.what == RESYNC and (own.behind or own.odd_function):
        u.lagging += 1
        if u.lagging >= LAGS_ENOUGH:
            u.step = BEHIND
    elif why == protocol.NO_ANSWER and (own.behind or (is_first_probe and own.odd_function)):
        lags(u, own, now)
    if is_first_probe and own.odd_function:
        heard_answer(u, own.odd_function, own.odd_bytes, now)
        u.overdue = now
        return True
    if is_first_probe:
        # It does not know that function and says nothing, or hangs up: it may do that.
        u.probing = MUTE
        if why != protocol.CUT_OFF:
            u.overdue = now
            return True
    elif own.what == PROBE and why != protocol.CUT_OFF:
        u.overdue = now  # its late answer can be told by its function
        return False
    # Also after a lost connection: a serial server may deliver the late answer on the next one.
    give_up(s, u, own, now)
    return False


cdef Prep prepare_rtu(
    void *session, const plan_t *plan, flight_t *f, out_t *out, int64_t now
) noexcept nogil:
    return prepare_line(RTU, <modbus_t *>session, plan, f, out, now)


cdef Verdict take_rtu(
    void *session, const in_t *arrived, flight_t *open_, int32_t n, take_t *t, int64_t now
) noexcept nogil:
    return take_line(RTU, <modbus_t *>session, arrived, open_, n, t, now)


cdef bint may_begin_rtu(
    void *session, const flight_t *open_, int32_t n, const uint8_t *p, size_t size
) noexcept nogil:
    """Whether the awaited answer may begin so: its unit, its function, no more bytes than asked.
    So a heartbeat FE never takes away the first byte of an answer of unit 254.
    """
    cdef const ask_t *ask
    if n == 0:
        return False
    ask = &(<const own_t *>open_[0].own).ask
    if p[0] != ask.unit:
        return False
    if size > 1 and (p[1] & 0x7F) != ask.function:
        return False
    return size < 3 or p[1] & 0x80 or 0 < p[2] <= ask.data_bytes


cdef Prep prepare_ascii(
    void *session, const plan_t *plan, flight_t *f, out_t *out, int64_t now
) noexcept nogil:
    return prepare_line(ASCII, <modbus_t *>session, plan, f, out, now)


cdef Verdict take_ascii(
    void *session, const in_t *arrived, flight_t *open_, int32_t n, take_t *t, int64_t now
) noexcept nogil:
    return take_line(ASCII, <modbus_t *>session, arrived, open_, n, t, now)


cdef bint may_begin_ascii(
    void *session, const flight_t *open_, int32_t n, const uint8_t *p, size_t size
) noexcept nogil:
    return n > 0 and p[0] == COLON
