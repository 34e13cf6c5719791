"""What a unit is asked before a request of the plan, so that it is sure whose the next answer is.

After a time-out a unit owes an answer: the sizes of the answers that may still come are kept, and
before anything else it is asked a short read whose answer has none of those sizes. Devices answer
in the order they are asked, so when that answer comes, nothing older can. Where the plan offers no
such size the unit is probed: a read by a function that the plan has not, whose answer or refusal
fits no other request. Whether a unit answers probes is learned by one at its first answer, where
its plan has few sizes. One that is mute to them is left alone until a whole time-out has passed
since its last one (quarantine), and what arrives is thrown away: the one case without proof.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

from native.engine cimport protocol
from native.engine.protocol cimport Prep, flight_t, out_t, plan_t
from native.modbus.asker cimport doubts_of, is_due_to_him, is_others
from native.modbus.codec cimport ask_of, ask_t, bytes_of
from native.modbus.exchange cimport SPEC
from native.modbus.unit cimport (
    ANSWERED,
    BEHIND,
    DOUBT_ALL,
    NEEDLESS,
    PROBE,
    RESYNC,
    SURE,
    UNKNOWN,
    is_outstanding,
    mark_outstanding,
    modbus_t,
    own_t,
    synced,
    unit_t,
)
from native.rows.store cimport layout_t, request_t

cdef extern from *:
    """
    #define BEHIND_EVERY INT64_C(1000000000)
    """
    int64_t BEHIND_EVERY  # whether a unit that was one request behind is still

cdef enum:
    SIZES_ENOUGH = 8    # of answers that a plan can tell apart: no probe is needed beside them
    INSIST_MOST = 2


cdef bint choose_size(
    const modbus_t *s, const layout_t *layout, const unit_t *u, uint16_t last_bytes, own_t *own,
    int64_t now
) noexcept nogil:
    """A read that the device surely has, whose answer has a size that no late one has, nor one that
    somebody else asks for, nor `last_bytes` of data; not by the function of a probe that may still
    be answered.
    """
    cdef const request_t *r
    cdef uint16_t count, size
    cdef int32_t i
    cdef ask_t ask
    for i in range(2 * layout.request_count):
        r = &layout.requests[i % layout.request_count]
        if r.skip_until or r.spec_size != SPEC:
            continue
        if r.misses and not r.answered and i < layout.request_count:
            continue  # it may be mute there: rather another one
        ask_of(r, &ask)
        if u.probed >> ask.function & 1:
            continue
        for count in range(1, ask.count + 1):
            size = bytes_of(ask.function, count)
            if not (
                size == last_bytes or is_outstanding(u, size)
                or is_others(u, ask.function, size, now)
                or is_due_to_him(s, u.head.address[0], size, now)
            ):
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


cdef bint choose_first(
    const modbus_t *s, const plan_t *plan, unit_t *u, own_t *own, int64_t now
) noexcept nogil:
    """Once, when all is well: would it answer a probe? Else a probe at a bad time may be in vain,
    and a device that returned would wait for the next try. Where no probe is needed, a read of
    another size than the last one: does it answer that, or one request behind?
    """
    cdef ask_t ask
    cdef int32_t k, sizes = 0
    for k in range(plan.layout.request_count):
        if plan.layout.requests[k].spec_size == SPEC:
            ask_of(&plan.layout.requests[k], &ask)
            sizes = max(sizes, ask.count if ask.function > 2 else (ask.count + 7) // 8)
    if sizes < SIZES_ENOUGH and choose_function(plan, u, own):
        return True
    u.probing = NEEDLESS
    return u.step != SURE and choose_size(s, plan.layout, u, u.last_bytes, own, now)


cdef void give_up(modbus_t *s, unit_t *u, const own_t *own, int64_t now) noexcept nogil:
    """A request whose answer may still come, also when its group has gone."""
    mark_outstanding(&s.head, u, own.ask.data_bytes, now)
    u.given_up |= <uint8_t>(1 << own.ask.function)


cdef inline bint is_to_insist(
    const modbus_t *s, unit_t *u, const ask_t *ask, int64_t now
) noexcept nogil:
    """Whether somebody else asked before what fits this too; not again and again, lest nothing of
    the plan be asked where he never rests.
    """
    if doubts_of(s, ask, now) != DOUBT_ALL or u.insisted >= INSIST_MOST:
        u.insisted = 0
        return False
    u.insisted += 1
    return True


cdef Prep choose_ask(
    modbus_t *s, const plan_t *plan, flight_t *f, out_t *out, int64_t now
) noexcept nogil:
    """The plan's request, or what must be asked first: SEND or SEND_FIRST; or WAIT."""
    cdef unit_t *u = <unit_t *>f.station
    cdef own_t *own = <own_t *>f.own
    own.ask.unit = u.head.address[0]
    u.excepted = False
    ask_of(f.request, &own.ask)
    if u.quarantine == 0 and (u.head.owes_until or is_to_insist(s, u, &own.ask, now)) and (
        choose_size(s, plan.layout, u, 0, own, now)
        or (u.probing == ANSWERED and choose_function(plan, u, own))
    ):
        return protocol.SEND_FIRST
    if u.head.owes_until:
        if u.quarantine == 0:
            u.quarantine = u.overdue + u.head.late_ns
        if now < u.quarantine:
            out.until = u.quarantine
            return protocol.WAIT
        out.flush = True
        synced(u)
        u.probed = 0
    if u.step == BEHIND and now >= u.check_at:
        u.check_at = now + BEHIND_EVERY
        if choose_size(s, plan.layout, u, u.last_bytes, own, now):
            return protocol.SEND_FIRST
    if u.probing == UNKNOWN and u.ever and (
        now >= u.doubt_until or u.doubt_until == u.lag_until
    ) and choose_first(s, plan, u, own, now):
        return protocol.SEND_FIRST
    if u.probed >> own.ask.function & 1 and now < u.overdue + u.head.late_ns:
        # Of a group that came after the probe.
        out.until = u.overdue + u.head.late_ns
        return protocol.WAIT
    return protocol.SEND
