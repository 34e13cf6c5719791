"""What a unit is asked before a request of the plan, to be sure what the next answer belongs to.

After a time-out a unit still owes an answer. The sizes of the answers that may still come are kept,
and first it gets a short read whose answer has none of those sizes. Devices answer in the order in
which they are asked, so when that answer comes, nothing older can come.

If the plan has no read of another size, the unit is probed: a read by a function that the plan does
not use, so that its answer or refusal fits no other request. Whether a unit answers probes is
learned by one after its first answer, if its plan has few sizes. A unit that does not answer them
is left alone until a whole time-out has passed since its last one (quarantine), and what arrives
meanwhile is thrown away. That is the one case without proof.
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
    int64_t BEHIND_EVERY  # how often to check whether a unit that was one request behind still is

cdef enum:
    SIZES_ENOUGH = 8    # a plan with so many different answer sizes needs no probes
    INSIST_MOST = 2


cdef bint choose_size(
    const modbus_t *s, const layout_t *layout, const unit_t *u, uint16_t last_bytes, own_t *own,
    int64_t now
) noexcept nogil:
    """Chooses a read that the device surely has and whose answer differs in size from all late
    ones, from those that somebody else asks for, and from `last_bytes`; and whose function is not
    that of a probe that may still be answered.
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
            continue  # it may not answer that one: take another
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
    """Chooses a read by a function that nothing else uses with this unit, so that its answer or
    refusal is recognised by it; not that of an earlier, unanswered probe, whose refusal would look
    the same.
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
    """Once, while all is well, finds out whether the unit answers a probe: a first probe after a
    time-out might be in vain, and the device would have to wait for the next try. If no probe is
    needed, it gets a read of another size than the last one, to see whether it is one request
    behind.
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
    """Notes a request whose answer may still come, also when its group is gone."""
    mark_outstanding(&s.head, u, own.ask.data_bytes, now)
    u.given_up |= <uint8_t>(1 << own.ask.function)


cdef inline bint is_to_insist(
    const modbus_t *s, unit_t *u, const ask_t *ask, int64_t now
) noexcept nogil:
    """Whether to resync because somebody else asked for something of the same kind just before. Not
    again and again: if he never rests, the plan's own requests would never be sent.
    """
    if doubts_of(s, ask, now) != DOUBT_ALL or u.insisted >= INSIST_MOST:
        u.insisted = 0
        return False
    u.insisted += 1
    return True


cdef Prep choose_ask(
    modbus_t *s, const plan_t *plan, flight_t *f, out_t *out, int64_t now
) noexcept nogil:
    """The plan's request (SEND), or what must be asked before it (SEND_FIRST), or WAIT."""
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
        # The group with that function was added after the probe.
        out.until = u.overdue + u.head.late_ns
        return protocol.WAIT
    return protocol.SEND
