"""Whole frames on a line without ids that answer no request in flight: late ones, somebody else's,
and wrong ones.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t

from native.engine cimport protocol
from native.engine.protocol cimport Verdict, flight_t, take_t
from native.modbus.asker cimport claim, doubt_of, heard_answer, is_read
from native.modbus.codec cimport bytes_of, frame_t, is_short
from native.modbus.exchange cimport ILLEGAL_VALUE, wrong_code
from native.modbus.unit cimport (
    PROBE,
    RESYNC,
    UNKNOWN,
    is_outstanding,
    modbus_t,
    own_t,
    unit_of,
    unit_t,
)
from native.reasons cimport BAD_REFUSED, BAD_WRONG_ANSWER


cdef bint may_owe(const unit_t *u, const frame_t *frame) noexcept nogil:
    return u != NULL and u.head.owes_until and (
        frame.function & 0x80 or is_outstanding(u, <uint16_t>frame.size)
    )


cdef inline bint is_probe_of_ours(
    const unit_t *u, const frame_t *frame, int64_t now
) noexcept nogil:
    """Whether it answers a probe that timed out."""
    return (
        u.probed >> (frame.function & 0x7F) & 1 and now < u.overdue + u.head.late_ns
        and (frame.function & 0x80 or frame.size == (2 if frame.function > 2 else 1))
    )


cdef void unasked(
    unit_t *u, const frame_t *frame, take_t *t, int64_t now
) noexcept nogil:
    """An answer that nobody was heard to ask for: somebody else did. Or the refusal taken for ours
    a moment ago was his, and this answer is ours. If it equals our last answer, it tells nothing:
    whichever of the two is ours, the value was right.
    """
    if frame.sum == u.last_sum and not frame.function & 0x80:
        return
    t.asked = &u.head
    if (
        u.excepted and frame.function == u.exception_ask.function
        and frame.size == u.exception_ask.data_bytes
    ):
        u.excepted = False
        heard_answer(u, frame.function | 0x80, 1, now)
    else:
        heard_answer(u, frame.function, <uint16_t>frame.size, now)


cdef inline void seen_wrong(flight_t *f, uint16_t code) noexcept nogil:
    """The unit that was asked answers wrongly."""
    f.seen_surely = True
    f.seen_quality, f.seen_code = BAD_WRONG_ANSWER, code


cdef Verdict odd_answer(
    flight_t *f, const frame_t *frame, take_t *t, int64_t now
) noexcept nogil:
    """An answer of the unit that was asked, but not to our request: somebody else asked, or the
    unit answers wrongly. Which it was shows when our answer comes, or does not.
    """
    cdef unit_t *u = <unit_t *>f.station
    cdef own_t *own = <own_t *>f.own
    if now < u.doubt_until or frame.sum == u.last_sum:
        unasked(u, frame, t, now)
        return protocol.FOREIGN_ANSWER
    if own.what == PROBE and u.probing == UNKNOWN:
        unasked(u, frame, t, now)  # nothing was wrong before this frame
    own.odd_function, own.odd_bytes = frame.function, <uint16_t>frame.size
    f.seen_surely = True
    if is_short(frame, &own.ask) and f.purpose != protocol.OWN:
        f.seen_quality, f.seen_code = BAD_REFUSED, ILLEGAL_VALUE
    elif not frame.function & 0x80:
        seen_wrong(f, wrong_code(frame, &own.ask))
    return protocol.FOREIGN_ANSWER


cdef Verdict stray(
    modbus_t *s, const frame_t *frame, flight_t *open_, int32_t n, take_t *t, int64_t now
) noexcept nogil:
    """A whole frame that answers no request in flight: a late answer, or another master's."""
    cdef unit_t *u = unit_of(s, frame.unit)
    if u == NULL or not is_read(frame.function):
        return protocol.FOREIGN_ANSWER
    if frame.size == 0:
        if n and open_[0].station == &u.head:
            seen_wrong(&open_[0], wrong_code(frame, &(<const own_t *>open_[0].own).ask))
        return protocol.FOREIGN_ANSWER
    if may_owe(u, frame):
        t.whose = &u.head
        if n and open_[0].station == &u.head and (<own_t *>open_[0].own).what == RESYNC:
            (<own_t *>open_[0].own).behind = True
    elif is_probe_of_ours(u, frame, now):
        u.probed &= <uint8_t>~(1 << (frame.function & 0x7F))
        t.whose = &u.head
        if n and open_[0].station == &u.head:
            (<own_t *>open_[0].own).behind = True
    elif n and open_[0].station == &u.head:
        return odd_answer(&open_[0], frame, t, now)
    else:
        unasked(u, frame, t, now)
    return protocol.FOREIGN_ANSWER


cdef Verdict asked_by_other(
    modbus_t *s, const frame_t *frame, flight_t *open_, int32_t n, take_t *t, int64_t now
) noexcept nogil:
    """A request on the line: an echo of ours, or another master's."""
    cdef own_t *own = NULL
    cdef unit_t *u = unit_of(s, frame.unit)
    cdef uint16_t size = bytes_of(frame.function, frame.count)
    if n:
        own = <own_t *>open_[0].own
        if (
            not (s.plain or own.echoed) and frame.unit == own.ask.unit
            and frame.function == own.ask.function
            and frame.address == own.ask.address and frame.count == own.ask.count
        ):
            own.echoed = True
            return protocol.FOREIGN_ANSWER
    t.until = now + REPLY_USUAL + s.head.char_ns * (8 + 5 + <int64_t>size)
    if u == NULL or frame.count == 0:
        return protocol.FOREIGN_REQUEST
    t.asked = &u.head
    if frame.function <= 2 and frame.address >> 8 == 3 and is_outstanding(u, 3):
        # A late answer with 17 to 24 bits looks the same as our echo.
        t.whose, t.asked = &u.head, NULL
        return protocol.FOREIGN_ANSWER
    # His request waits until the device has answered ours.
    claim(s, frame, size, now, now + 2 * max(s.head.timeout_ns, u.head.late_ns))
    if n and open_[0].station == &u.head and frame.function == own.ask.function:
        own.doubted = max(own.doubted, doubt_of(&own.ask, size))
    return protocol.FOREIGN_REQUEST
