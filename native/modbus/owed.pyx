"""What a unit still owes another master, and what is believed of it meanwhile.

A unit answers in the order in which it is asked. A request that got no answer before the next one
or in `timeout` is *owed*: its answer may still come, and all that follow may be shifted by one. One
that came damaged is not owed. The unit is believed again

* once it was silent: for a `timeout` behind an answer of it, for three behind a request to it;
* by an answer whose size none has that is owed, or by the only one that is;
* as far as it was asked for one thing only: then an answer is of one of those requests, and its
  row is as old as the oldest of them, or as three `timeout`s.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from native.engine.state cimport link_t
from native.modbus.codec cimport RTU, answer_chars, ask_t, request_chars
from native.modbus.unit cimport is_outstanding, mark_outstanding, modbus_t, synced, unit_t

cdef enum:
    OWED_MANY = 2  # no more are counted
    OWED_TIMEOUTS = 3


cdef inline modbus_t *session_of(link_t *l) noexcept nogil:
    return <modbus_t *>l.sessions[0]


cdef int64_t wire_time(link_t *l, uint32_t data_bytes) noexcept nogil:
    """Of a request and its answer."""
    return l.bus.char_ns * (request_chars(RTU) + answer_chars(RTU, data_bytes))


cdef int64_t owed_ns(link_t *l, const unit_t *s) noexcept nogil:
    """How long behind its request an answer that is owed may still end. Most masters wait a second
    for one, and time-outs of 300 ms fit in there.
    """
    return OWED_TIMEOUTS * l.timeout_ns + wire_time(l, s.owed_bytes)


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
        synced(s)
    s.overdue = now
    s.answered = False


cdef void unit_answered(unit_t *s, int64_t now) noexcept nogil:
    s.overdue = now
    s.answered = True


cdef int64_t asked_since(link_t *l, unit_t *s, bint is_data, int64_t now) noexcept nogil:
    """When the answer just heard to `heard` was asked for, at the earliest; 0: it can't be told
    for what.
    """
    cdef int64_t since = 0
    if not s.head.owes_until:
        since = session_of(l).heard_at
    elif is_data and not is_outstanding(s, session_of(l).heard.data_bytes):
        synced(s)
        since = session_of(l).heard_at
    elif is_same(&s.owed, &session_of(l).heard) and not s.mixed:
        since = max(s.owed_since, now - owed_ns(l, s))
    else:
        owe(l, s, &session_of(l).heard, session_of(l).heard_at)
    unit_answered(s, now)
    return since


cdef void unit_unasked(
    link_t *l, unit_t *s, uint8_t function, uint16_t data_bytes, int64_t now
) noexcept nogil:
    """An answer that nobody was heard to ask for is the only one that is owed, or tells that those
    of its unit may be shifted. `function` with its exception bit.
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
    unit_answered(s, now)
