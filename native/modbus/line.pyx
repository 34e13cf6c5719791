"""Modbus RTU and ASCII: nothing marks whose answer it is.

Somebody else may ask on the same line: see `native.modbus.asker`.

After a time-out a unit owes an answer: the sizes of the answers that may still come are kept, and
before anything else it is asked a short read whose answer has none of those sizes. Devices answer
in the order they are asked, so when that answer comes, nothing older can. Where the plan offers no
such size the unit is probed: a read by a function that the plan has not, whose answer or refusal
fits no other request. Whether a unit answers probes is learned by one at its first answer, where
its plan has few sizes. One that is mute to them is left alone until a whole time-out has passed
since its last one (quarantine), and what arrives is thrown away: the one case without proof.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

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
from native.modbus.asker cimport claimed, heard_answer, is_others, is_others_refusal
from native.modbus.codec cimport (
    ASCII,
    RTU,
    Found,
    Framing,
    ask_of,
    ask_t,
    bytes_of,
    find_answer,
    frame_t,
    quality_of,
)
from native.modbus.exchange cimport SPEC, data, exception, not_ours, write_ask
from native.modbus.stray cimport REPLY_USUAL, asked_by_other, stray
from native.modbus.unit cimport (
    ANSWERED,
    DOUBT_ALL,
    MUTE,
    PROBE,
    READ,
    RESYNC,
    UNKNOWN,
    is_outstanding,
    mark_outstanding,
    modbus_t,
    own_t,
    synced,
    unit_of,
    unit_t,
)
from native.reasons cimport BAD_GATEWAY, GOOD, UNCERTAIN_ANOTHER_ASKER
from native.rows.store cimport layout_t, request_t

cdef enum:
    SIZES_ENOUGH = 8    # of answers that a plan can tell apart: no probe is needed beside them


cdef bint choose_size(
    const layout_t *layout, const unit_t *u, own_t *own, int64_t now
) noexcept nogil:
    """A read that the device surely has, whose answer has a size that no late one has, nor one that
    somebody else asks for; not by the function of a probe that may still be answered.
    """
    cdef const request_t *r
    cdef uint16_t count, size
    cdef int32_t i
    cdef ask_t ask
    for i in range(layout.request_count):
        r = &layout.requests[i]
        if r.skip_until or r.spec_size != SPEC:
            continue
        ask_of(r, &ask)
        if u.probed >> ask.function & 1:
            continue
        for count in range(1, ask.count + 1):
            size = bytes_of(ask.function, count)
            if not is_outstanding(u, size) and not is_others(u, ask.function, size, now):
                own.what = RESYNC
                own.ask.function, own.ask.address, own.ask.count = ask.function, ask.address, count
                own.ask.data_bytes = size
                return True
    return False


cdef bint choose_function(const plan_t *plan, unit_t *u, own_t *own) noexcept nogil:
    """A read by a function that nothing else asks this unit by: its answer or refusal names it.

    Not one of an earlier probe that is unanswered: its refusal would look the same.
    """
    cdef const layout_t *layout
    cdef uint32_t used = u.probed | u.given_up
    cdef uint8_t function
    cdef int32_t i, k
    for i in range(plan.group_count):
        layout = plan.groups[i].scanned
        if layout != NULL:
            for k in range(layout.request_count):
                used |= <uint32_t>1 << (layout.requests[k].spec[0] & 7)
    for function in range(4, 0, -1):  # input and holding registers, then bits
        if not used >> function & 1:
            own.what = PROBE
            own.ask.function, own.ask.address, own.ask.count = function, 0, 1
            own.ask.data_bytes = 2 if function > 2 else 1
            u.probed |= <uint8_t>(1 << function)
            return True
    return False


cdef bint choose_first(const plan_t *plan, unit_t *u, own_t *own) noexcept nogil:
    """Once, when all is well: would it answer a probe? Else a probe at a bad time may be in vain,
    and a device that returned would wait for the next try.
    """
    cdef ask_t ask
    cdef int32_t k, sizes = 0
    for k in range(plan.layout.request_count):
        if plan.layout.requests[k].spec_size == SPEC:
            ask_of(&plan.layout.requests[k], &ask)
            sizes = max(sizes, ask.count if ask.function > 2 else (ask.count + 7) // 8)
    if sizes < SIZES_ENOUGH and choose_function(plan, u, own):
        return True
    u.probing = MUTE
    return False


cdef void give_up(modbus_t *s, unit_t *u, const own_t *own, int64_t now) noexcept nogil:
    """A request whose answer may still come, also when its group has gone."""
    mark_outstanding(&s.head, u, own.ask.data_bytes, now)
    u.given_up |= <uint8_t>(1 << own.ask.function)


cdef Prep prepare_line(
    Framing framing, modbus_t *s, const plan_t *plan, flight_t *f, out_t *out, int64_t now
) noexcept nogil:
    cdef unit_t *u = <unit_t *>f.station
    cdef own_t *own = <own_t *>f.own
    if f.request.spec_size != SPEC:
        return not_ours(out)
    if f.attempt:
        return write_ask(framing, own, out)
    own.ask.unit = u.head.address[0]
    u.excepted = False
    if u.head.owes_until and u.quarantine == 0 and (
        choose_size(plan.layout, u, own, now)
        or (u.probing == ANSWERED and choose_function(plan, u, own))
    ):
        return write_ask(framing, own, out)
    if u.head.owes_until:
        if u.quarantine == 0:
            u.quarantine = u.overdue + u.head.late_ns
        if now < u.quarantine:
            out.until = u.quarantine
            return protocol.WAIT
        out.flush = True
        synced(u)
        u.probed = 0
    if u.probing == UNKNOWN and u.ever and choose_first(plan, u, own):
        return write_ask(framing, own, out)
    ask_of(f.request, &own.ask)
    if u.probed >> own.ask.function & 1 and now < u.overdue + u.head.late_ns:
        # Of a group that came after the probe.
        out.until = u.overdue + u.head.late_ns
        return protocol.WAIT
    return write_ask(framing, own, out)


cdef Verdict in_step(modbus_t *s, const flight_t *f, int64_t now) noexcept nogil:
    """Everything older than what it was asked to find that out has come, or never will. It was
    asked twice if the first answer was damaged: then one more of these may come.
    """
    cdef unit_t *u = <unit_t *>f.station
    cdef const own_t *own = <const own_t *>f.own
    synced(u)
    u.probed = 0
    if own.what == PROBE:
        u.probing = ANSWERED
        if f.attempt:
            u.probed = <uint8_t>(1 << own.ask.function)
    elif f.attempt:
        mark_outstanding(&s.head, u, own.ask.data_bytes, now)
    return protocol.ANSWER


cdef Verdict line_exception(
    modbus_t *s, flight_t *f, take_t *t, uint8_t code, int64_t now
) noexcept nogil:
    cdef unit_t *u = <unit_t *>f.station
    cdef own_t *own = <own_t *>f.own
    cdef bint is_gateway = quality_of(code) == BAD_GATEWAY
    if own.doubted and f.purpose != protocol.OWN and not f.redone:
        t.until = now + REPLY_USUAL
        return protocol.AGAIN
    if own.doubted or is_others_refusal(u, own.ask.function, now):
        # It may be somebody else who is refused: our answer may still come.
        f.seen_quality, f.seen_code = quality_of(code), code
        t.asked = &u.head
        if own.doubted == 0:
            heard_answer(u, own.ask.function | 0x80, 1, now)
        return protocol.FOREIGN_ANSWER
    if own.what == PROBE:
        if not is_gateway:
            # It has no such function or register: no news, and its answer all the same.
            u.ever = True
            return in_step(s, f, now)
        if u.probing == UNKNOWN:
            u.probing = MUTE
            return protocol.IN_VAIN
    if own.what != READ:
        # It may speak of an older request: this one's answer may still come.
        give_up(s, u, own, now)
    else:
        u.excepted, u.exception_ask = True, own.ask
    if not is_gateway:
        u.ever = True
    return exception(t, code)


cdef Verdict take_data(
    modbus_t *s, flight_t *f, const frame_t *frame, take_t *t, int64_t now
) noexcept nogil:
    """The answer to `f`, as far as its unit, function and size tell."""
    cdef unit_t *u = <unit_t *>f.station
    cdef own_t *own = <own_t *>f.own
    cdef uint8_t quality = GOOD
    if own.doubted == DOUBT_ALL and f.purpose != protocol.OWN and not f.redone:
        t.until = now + REPLY_USUAL
        return protocol.AGAIN
    u.ever = True
    u.last_sum = frame.sum
    s.plain = s.plain or not own.echoed
    if own.odd_function:
        # It has come, so the other one was somebody else's.
        heard_answer(u, own.odd_function, own.odd_bytes, now)
        t.asked = &u.head
    if own.doubted == DOUBT_ALL or is_others(u, own.ask.function, own.ask.data_bytes, now):
        if f.purpose == protocol.OWN:
            t.asked = &u.head
            return protocol.FOREIGN_ANSWER  # it proves nothing
        quality = UNCERTAIN_ANOTHER_ASKER
    if f.purpose == protocol.OWN:
        return in_step(s, f, now)
    return data(f, frame, quality)


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
        if framing == RTU and n:
            t.at_least = rest_of(arrived, ask)
        return protocol.MORE
    t.used = frame.used
    if found == codec.DAMAGED:
        return protocol.DAMAGED
    if found == codec.REQUEST:
        return asked_by_other(s, &frame, open_, n, t, now)
    if (
        s.claim_count and frame.size and (own == NULL or not own.doubted)
        and claimed(s, &frame, now)
    ):
        t.asked = &unit_of(s, frame.unit).head
        return protocol.FOREIGN_ANSWER
    if n == 0:
        return stray(s, &frame, open_, n, t, now)
    if found == codec.ANSWER:
        return take_data(s, &open_[0], &frame, t, now)
    if found == codec.EXCEPTION:
        return line_exception(s, &open_[0], t, frame.code, now)
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
    """Characters still to come of a frame that began. Whatever it is, three come first."""
    cdef size_t whole = 3
    if arrived.n >= 3 and arrived.p[0] == ask.unit and arrived.p[1] == ask.function:
        whole = 5 + <size_t>ask.data_bytes
    return whole - arrived.n if whole > arrived.n else 0


cdef bint ended_line(void *session, const flight_t *f, Why why, int64_t now) noexcept nogil:
    cdef modbus_t *s = <modbus_t *>session
    cdef unit_t *u = <unit_t *>f.station
    cdef const own_t *own = <const own_t *>f.own
    cdef bint is_first_probe = own.what == PROBE and u.probing == UNKNOWN
    if why == protocol.GARBLED:
        # It may have been anything: the answer itself may still come, and then two would.
        give_up(s, u, own, now)
        if is_first_probe and f.attempt:
            u.probing = MUTE
            return True
        return False
    if is_first_probe:
        # It knows no such function and does not say so, or hangs up: that is its right.
        u.probing = MUTE
        if why != protocol.CUT_OFF:
            u.overdue = now
            return True
    elif own.what == PROBE and why != protocol.CUT_OFF:
        u.overdue = now  # its function marks its answer
        return False
    # After a lost connection too: a serial server or an adapter may deliver on the next one.
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
    """With its unit, its function, and no more bytes than were asked for: a heartbeat FE never eats
    the first byte of an answer of unit 254.
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
    return n > 0 and p[0] == 58  # its colon
