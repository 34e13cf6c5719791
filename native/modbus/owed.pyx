"""Which answers of a unit that is only overheard may still come, and whether it is believed.

A unit answers in the order in which it is asked. If a request got no answer before the next one or
within `timeout`, its answer is *owed*: it may still come, and all that follow may be shifted by
one. An answer that came damaged is not owed. The unit is believed again

* after silence: three `timeout`s after a request to it; one after an answer of it, if no answer in
  doubt may have taken longer than that silence, else after the second one;
* after an answer whose size no owed one has, or after the only owed one;
* as long as all owed requests ask for the same: then an answer is to one of them, and its row is
  dated as old as the oldest of them, or as three `timeout`s.

While one answer is owed, the next one is to that request or to the one just heard. So from then on
it is the latter that may be owed, and nothing before it.

Silence is counted from when the port was last seen empty, since bytes that waited for us don't show
when they came.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from native.engine.state cimport link_t
from native.modbus.codec cimport RTU, answer_chars, ask_t, request_chars
from native.modbus.unit cimport is_outstanding, mark_outstanding, synced, unit_t

cdef enum:
    OWED_MANY = 2  # means two or more
    OWED_TIMEOUTS = 3
    SILENCES = 2


cdef int64_t wire_time(link_t *l, uint32_t data_bytes) noexcept nogil:
    """Time that a request and its answer take on the wire, in ns."""
    return l.bus.char_ns * (request_chars(RTU) + answer_chars(RTU, data_bytes))


cdef int64_t owed_ns(link_t *l, const unit_t *s) noexcept nogil:
    """How long after its request an owed answer may end. Most masters wait a second; time-outs
    of 300 ms are within that, too.
    """
    return OWED_TIMEOUTS * l.timeout_ns + wire_time(l, s.owed_bytes)


cdef int64_t may_have_taken(link_t *l, const unit_t *s, int64_t now) noexcept nogil:
    """How long an answer that comes now may have taken: it may be to the oldest owed request."""
    return min(now - s.owed_since, owed_ns(l, s))


cdef bint is_same(const ask_t *a, const ask_t *b) noexcept nogil:
    return a.function == b.function and a.address == b.address and a.count == b.count


cdef void owe(link_t *l, unit_t *s, const ask_t *ask, int64_t asked_at) noexcept nogil:
    """A request whose answer may still come."""
    if s.owed_count == 0:
        s.owed, s.owed_since = ask[0], asked_at
    elif not is_same(&s.owed, ask):
        s.mixed = True
    s.owed_count = min(s.owed_count + 1, OWED_MANY)
    s.owed_bytes = max(s.owed_bytes, ask.data_bytes)
    mark_outstanding(l.sessions[0], s, ask.data_bytes, max(s.overdue, asked_at))


cdef void unit_asked(link_t *l, unit_t *s, int64_t now) noexcept nogil:
    """One that owed an answer, and was silent for long, owes none."""
    cdef int64_t silent = l.shell.empty_at - s.overdue
    if s.head.owes_until and silent >= (l.timeout_ns if s.answered else owed_ns(l, s)):
        s.silences += 1
        if not s.answered or silent >= s.slow_ns or s.silences == SILENCES:
            synced(s)
    s.overdue = now
    s.answered = False


cdef void unit_answered(link_t *l, unit_t *s, int64_t now) noexcept nogil:
    if s.head.owes_until:
        s.slow_ns = max(s.slow_ns, may_have_taken(l, s, now))
    s.overdue = now
    s.answered = True


cdef void owe_one_of_two(link_t *l, unit_t *s, int64_t now) noexcept nogil:
    """The answer just heard is to a request that was owed, or to the one heard last."""
    cdef int64_t slow_ns = max(s.slow_ns, may_have_taken(l, s, now))
    cdef uint8_t silences = s.silences
    if s.owed_count == 1:
        synced(s)
    if s.owed_count == 0 or s.mixed or not is_same(&s.owed, &h(l).heard):
        owe(l, s, &h(l).heard, h(l).heard_at)
    s.slow_ns, s.silences = slow_ns, silences


cdef int64_t asked_since(link_t *l, unit_t *s, bint is_data, int64_t now) noexcept nogil:
    """When the answer just heard was asked for at the earliest; 0: its request can't be told."""
    cdef int64_t since = 0
    if not s.head.owes_until:
        since = h(l).heard_at
    elif is_data and not is_outstanding(s, h(l).heard.data_bytes):
        synced(s)
        since = h(l).heard_at
    else:
        if is_same(&s.owed, &h(l).heard) and not s.mixed:
            since = max(s.owed_since, now - owed_ns(l, s))
        owe_one_of_two(l, s, now)
    unit_answered(l, s, now)
    return since


cdef void unit_unasked(
    link_t *l, unit_t *s, uint8_t function, uint16_t data_bytes, int64_t now
) noexcept nogil:
    """An answer without a request before it: the only owed one, or a sign that the unit's answers
    may be shifted. `function` has its exception bit.
    """
    cdef ask_t unknown
    unknown.function, unknown.address, unknown.count = function & 0x7F, 0, 0
    unknown.data_bytes = data_bytes
    if (
        s.owed_count == 1 and s.owed.function == unknown.function
        and (function & 0x80 or s.owed.data_bytes == data_bytes)
    ):
        l.counts.late += 1
        synced(s)
    else:
        owe(l, s, &unknown, now)
    unit_answered(l, s, now)
