"""Modbus TCP: whether a unit answers what it is asked, or one request behind.

A gateway may echo the id of the request but return the data of the request before: after an answer
that reached it late, or always. If the plan's requests are of equal size, nothing in such an answer
shows that.

So a unit is checked once, after its first answer, and again after a time-out. The check reads
something that the unit surely has, with another function or size than the two requests before. If
the answer, or a refusal, fits the check, all is well. Else it is checked again, with another size
each time, since some devices always answer with the same size. If a check is answered as an earlier
one should have been, the unit is behind: nothing it says is believed until a check is answered
rightly. A unit that does not answer checks, or answers them all alike, is not checked any more.
"""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t

from native.engine cimport protocol
from native.engine.protocol cimport Verdict, plan_t, take_t
from native.modbus cimport codec
from native.modbus.codec cimport Found, ask_of, ask_t, bytes_of, count_most, frame_t, quality_of
from native.modbus.exchange cimport SPEC
from native.modbus.unit cimport (
    ASKED,
    BEHIND,
    CHECK,
    NEVER,
    PUT_OFF,
    SUSPECT,
    SURE,
    UNSURE,
    asked_t,
    is_behind,
    kind_of,
    modbus_t,
    own_t,
    unit_of,
    unit_t,
)
from native.reasons cimport BAD_BUSY, BAD_GATEWAY
from native.rows.store cimport request_t

cdef extern from *:
    """
    #define CHECK_EVERY INT64_C(1000000000)
    """
    int64_t CHECK_EVERY  # time between checks of a unit that is behind

cdef enum:
    UNCHECKED_MOST = 2  # checks in a row without an answer, then no more are tried
    CHECKS_MOST = 3     # wrongly answered ones by which a unit up to two requests behind shows it


cdef inline bint is_of_check(const unit_t *u, uint16_t kind) noexcept nogil:
    """Whether an earlier check of this suspect unit was of that kind."""
    cdef int32_t i
    for i in range(u.check_count):
        if u.checks[i] == kind:
            return True
    return False


cdef inline bint tells(
    const modbus_t *s, const unit_t *u, const ask_t *ask, uint32_t count
) noexcept nogil:
    """Whether reading `count` of what `ask` reads has an answer unlike those asked for before."""
    cdef uint16_t kind = kind_of(ask.function, bytes_of(ask.function, count))
    return (
        kind != s.asked[(s.asked_at - 1) % ASKED].kind
        and kind != s.asked[(s.asked_at - 2) % ASKED].kind and not is_of_check(u, kind)
    )


cdef uint32_t telling_count(const modbus_t *s, const unit_t *u, const ask_t *ask) noexcept nogil:
    """How many to read in a check: more than the plan does only if fewer would not tell; 0: no
    number would.
    """
    cdef uint32_t count, more = 8 if ask.function <= 2 else 1
    for count in range(1, <uint32_t>ask.count + 1):
        if tells(s, u, ask, count):
            return count
    count = ask.count
    while count + more <= count_most(ask.function) and ask.address + count + more <= 65536:
        count += more
        if tells(s, u, ask, count):
            return count
    return 0


cdef bint choose_check(
    const modbus_t *s, const plan_t *plan, unit_t *u, own_t *own, int64_t now
) noexcept nogil:
    cdef const request_t *r
    cdef ask_t ask
    cdef uint32_t count
    cdef int32_t i
    if u.step == SURE or u.step == NEVER or u.step == PUT_OFF or u.checking or not u.ever:
        return False
    if u.step == BEHIND and now < u.check_at:
        return False
    for i in range(plan.layout.request_count):
        r = &plan.layout.requests[i]
        # What a unit that is behind is asked by a new plan was never answered.
        if r.skip_until or r.misses or r.spec_size != SPEC or not (
            r.answered or is_behind(u)
        ):
            continue
        ask_of(r, &ask)
        count = telling_count(s, u, &ask)
        if count:
            own.what = CHECK
            own.ask.function, own.ask.address = ask.function, ask.address
            own.ask.count = <uint16_t>count
            own.ask.data_bytes = bytes_of(ask.function, count)
            u.checking = True
            return True
    return False


cdef void found_behind(unit_t *u, take_t *t, int64_t now) noexcept nogil:
    u.step = BEHIND
    u.check_count = 0
    u.check_at = now + CHECK_EVERY
    t.behind = &u.head


cdef Verdict checked(
    const modbus_t *s, unit_t *u, const own_t *own, const frame_t *frame, Found found, take_t *t,
    int64_t now
) noexcept nogil:
    u.checking = False
    if found == codec.EXCEPTION and (
        quality_of(frame.code) == BAD_GATEWAY or quality_of(frame.code) == BAD_BUSY
    ):
        check_failed(u)
        return protocol.IN_VAIN
    if found == codec.ANSWER or found == codec.EXCEPTION:
        u.cleared = u.cleared or u.step != UNSURE
        u.step = SURE
        u.unchecked = u.check_count = 0
        return protocol.ANSWER
    if u.step == BEHIND or (
        is_of_check(u, kind_of(frame.function, frame.size)) if frame.unit == own.ask.unit
        else asked_lately(s, frame)
    ):
        found_behind(u, t, now)
    elif u.check_count == CHECKS_MOST - 1:
        u.step = NEVER  # its answers do not fit, but not because it is behind
    else:
        u.step = SUSPECT
        u.checks[u.check_count] = kind_of(own.ask.function, own.ask.data_bytes)
        u.check_count += 1
    return protocol.IN_VAIN


cdef void suspected(
    modbus_t *s, const own_t *own, const frame_t *frame, take_t *t, int64_t now
) noexcept nogil:
    cdef uint16_t kind = kind_of(frame.function, frame.size)
    cdef unit_t *u = unit_of(s, frame.unit)
    if u != NULL and u.step == SUSPECT and is_of_check(u, kind) and not (
        frame.unit == own.ask.unit and kind == kind_of(own.ask.function, own.ask.data_bytes)
    ):
        found_behind(u, t, now)


cdef void note_asked(modbus_t *s, const ask_t *ask) noexcept nogil:
    cdef asked_t *one = &s.asked[s.asked_at % ASKED]
    one.kind, one.unit = kind_of(ask.function, ask.data_bytes), ask.unit
    s.asked_at += 1


cdef bint asked_lately(const modbus_t *s, const frame_t *frame) noexcept nogil:
    cdef uint16_t kind = kind_of(frame.function, frame.size)
    cdef int32_t i
    for i in range(ASKED):
        if s.asked[i].kind == kind and s.asked[i].unit == frame.unit:
            return True
    return False


cdef void check_failed(unit_t *u) noexcept nogil:
    u.checking = False
    u.unchecked += 1
    u.check_count = 0
    if u.step != BEHIND:
        u.step = NEVER if u.unchecked >= UNCHECKED_MOST else PUT_OFF
