"""S7 as a protocol of the engine: one CPU a link, as many requests in flight as it grants.

How a read is put into questions, and what happens if the CPU refuses some of it: see `asking`.

The CPU's mode is asked for as well, every `state` seconds: values of a stopped CPU are uncertain.
If a CPU does not answer that question, or hangs up on it, it is not asked again for an hour.

The station's address is what a session needs to begin:

    2 bytes   our TSAP
    2 bytes   the longest PDU to propose
    1 byte    the most requests at once
    1 byte    seconds between two questions for the CPU's mode; 0: it is not asked
    1 byte    number of called TSAPs
    2 bytes   for each: a TSAP; the next one is called when the CPU hangs up on it or stays mute

References do not repeat within 65,536 requests of a link, over all its connections, so a late
answer never matches a newer request.
"""

from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

from native.bytes cimport be16
from native.engine.protocol cimport (
    ANSWER,
    BROKEN,
    BUSY,
    CUT_OFF,
    DAMAGED,
    FOREIGN_ANSWER,
    GARBLED,
    IN_VAIN,
    MORE,
    NOISE,
    NO_ANSWER,
    OWN,
    PARTIAL,
    PROTOCOL_ABI,
    REFUSE,
    REFUSED,
    SEND,
    SEND_FIRST,
    Prep,
    Verdict,
    Why,
    flight_t,
    in_t,
    mark,
    out_t,
    plan_t,
    protocol_t,
    put,
    session_t,
    station_t,
    take_t,
)
from native.engine.stream cimport SHORT, WHOLE, Front
from native.reasons cimport BAD_REFUSED, GOOD, UNCERTAIN_SOURCE_DOUBTS
from native.rows.store cimport request_t
from native.s7.asking cimport (
    CODE_NO_MODE,
    CODE_NONE,
    CODE_TOO_LONG,
    STEP_BUSY,
    STEP_DONE,
    STEP_FOREIGN,
    STEP_ON,
    Step,
    asked_t,
    choose,
    is_begun,
    proceed,
    set_reference,
    sound,
)
from native.s7.codec cimport (
    HEADS,
    MET_ADRIFT,
    MET_CONFIRM,
    MET_MORE,
    MET_PDU,
    PDU_MAX,
    PDU_MIN,
    REPLY_ANSWER,
    REPLY_REFUSED,
    TPKT,
    Met,
    Reply,
    begins,
    begins_sent,
    frame_t,
    match_setup,
    match_state,
    next_pdu,
    pdu_t,
    put_connect,
    put_read,
    put_setup,
    put_state,
    reader_t,
    setup_t,
)
from native.s7.stream cimport flight_of, may_begin_s7, strayed, whole_front
from native.wire.transport cimport PACKET_MAX

cdef enum:
    ADDRESS_HEAD = 7
    # The CPU's mode, by its own number.
    MODE_UNKNOWN = 0
    MODE_STOP = 4
    # Characters of the question for it, and of its answer.
    STATE_CHARS = 94
    STRAYED_MOST = 3   # pieces of other bytes in a handshake: with more it is no CPU that speaks

cdef extern from *:
    """
    #define SECOND INT64_C(1000000000)
    #define MUTE (3600 * SECOND)
    """
    int64_t SECOND
    int64_t MUTE  # how long a CPU that does not answer it is not asked for its mode again

cdef enum Phase:
    AWAY = 0
    CONNECTING = 1  # the connection request is sent
    SETTING_UP = 2  # the negotiation is sent
    READY = 3


cdef struct s7_t:
    session_t head
    reader_t reader
    setup_t granted
    uint16_t reference
    uint8_t phase
    uint8_t called     # which of the TSAPs
    uint8_t shorter    # how often the proposed PDU was halved
    uint8_t mode       # of the CPU, as it said last on this connection
    uint8_t strayed    # pieces of other bytes in this handshake
    uint8_t hung_up    # connections in a row that ended on the question for it
    int64_t ask_mode   # when to ask again
    int64_t mute_until  # not before
    int64_t owes_until  # an answer to a request that was given up may come until then


cdef inline const uint8_t *address(const s7_t *s) noexcept nogil:
    return s.head.stations[0].address


cdef inline void tell(s7_t *s, uint8_t mode) noexcept nogil:
    """For the driver (drivers/s7/learn): PDU, the CPU's mode, which TSAP, jobs."""
    s.mode = mode
    s.head.granted = (
        <uint32_t>s.granted.pdu << 16 | (mode & 15) << 12 | s.called << 8
        | min(s.granted.jobs, <uint16_t>255)
    )


cdef bint s7_enrol(void *session, void *station) noexcept nogil:
    cdef s7_t *s = <s7_t *>session
    cdef station_t *st = <station_t *>station
    cdef uint32_t called
    if st.address_size < ADDRESS_HEAD or s.head.stations[0] != st:
        return False
    called = st.address[ADDRESS_HEAD - 1]
    return (
        called != 0 and st.address_size == ADDRESS_HEAD + 2 * called and st.address[4] != 0
        and PDU_MIN <= be16(st.address + 2) <= PDU_MAX
    )


cdef int s7_begin(void *session, out_t *out, int64_t now) noexcept nogil:
    """The connection request. If the last connection ended during the handshake, another TSAP is
    called, or a shorter PDU is proposed.
    """
    cdef s7_t *s = <s7_t *>session
    if s.phase == CONNECTING:
        s.called = <uint8_t>((s.called + 1) % address(s)[ADDRESS_HEAD - 1])
    elif s.phase == SETTING_UP:
        s.shorter = <uint8_t>((s.shorter + 1) % 3)
    s.phase = CONNECTING
    s.head.window = 0
    s.mode = MODE_UNKNOWN
    s.ask_mode = now
    s.reader.kept = s.strayed = 0
    out.n = put_connect(
        be16(address(s)), be16(address(s) + ADDRESS_HEAD + 2 * s.called), out.p
    )
    return 1


cdef inline uint16_t proposed(const s7_t *s) noexcept nogil:
    """960, 480, 240, but never above what the file allows."""
    cdef uint32_t most = be16(address(s) + 2), pdu = 960 >> s.shorter
    return <uint16_t>(pdu if pdu < most else most)


cdef int s7_shake(
    void *session, const in_t *in_, size_t *used, out_t *out, int64_t now
) noexcept nogil:
    cdef s7_t *s = <s7_t *>session
    cdef frame_t frame
    cdef setup_t wanted
    cdef Met met = next_pdu(&s.reader, in_.p, in_.n, &frame)
    used[0] = frame.used
    if met == MET_MORE:
        return 1
    if met == MET_ADRIFT and s.strayed < STRAYED_MOST and in_.n <= PACKET_MAX:
        s.strayed += 1  # a heartbeat, perhaps, of whatever is between us and the CPU
        used[0] += 0 if frame.used else strayed(in_)
        return 1
    if met == MET_CONFIRM and s.phase == CONNECTING:
        s.phase = SETTING_UP
        wanted.jobs, wanted.pdu = address(s)[4], proposed(s)
        out.n = put_setup(s.reference, &wanted, out.p)
        return 1
    if met != MET_PDU or s.phase != SETTING_UP:
        return -1
    if match_setup(&frame.pdu, s.reference, &s.granted) != REPLY_ANSWER:
        return -1
    if not PDU_MIN <= s.granted.pdu <= proposed(s):
        return -1
    s.reference += 1
    s.phase = READY
    s.head.window = max(1, min(s.granted.jobs, <uint16_t>address(s)[4]))
    tell(s, MODE_UNKNOWN)
    return 0


cdef inline bint asks_mode(const s7_t *s, const flight_t *f, int64_t now) noexcept nogil:
    return (
        address(s)[5] != 0 and now >= s.ask_mode and now >= s.mute_until
        and f.request.spec[0] != 0 and not is_begun(f)
    )


cdef Prep s7_prepare(
    void *session, const plan_t *plan, flight_t *f, out_t *out, int64_t now
) noexcept nogil:
    cdef s7_t *s = <s7_t *>session
    cdef const request_t *r = f.request
    cdef asked_t asked
    if not sound(f.layout, r):
        out.quality, out.code = BAD_REFUSED, CODE_NONE
        return REFUSE
    if asks_mode(s, f, now):
        s.ask_mode = now + address(s)[5] * SECOND
        set_reference(f, s.reference)
        out.n, out.chars = put_state(s.reference, out.p), STATE_CHARS
        s.reference += 1
        return SEND_FIRST
    if r.spec[0] == 0:
        out.n = put_state(s.reference, out.p)
    elif choose(f, s.granted.pdu, &asked):
        out.n = put_read(s.reference, asked.items, asked.count, out.p)
    else:
        out.quality, out.code = BAD_REFUSED, CODE_TOO_LONG
        return REFUSE
    set_reference(f, s.reference)
    s.reference += 1
    return SEND


cdef Verdict take_mode(s7_t *s, const flight_t *f, const pdu_t *pdu, take_t *t) noexcept nogil:
    """The CPU's mode, for itself or for a tag. What a CPU does not tell stays unknown."""
    cdef uint8_t mode = MODE_UNKNOWN
    cdef Reply reply = match_state(pdu, &mode)
    if reply == REPLY_REFUSED or reply == REPLY_ANSWER:
        tell(s, mode)
        s.hung_up = 0
    if reply == REPLY_ANSWER:
        if f.purpose != OWN:
            put(f, 0, 0, &mode, 1)
            mark(f, 0, GOOD)
        return ANSWER
    if reply != REPLY_REFUSED:
        return FOREIGN_ANSWER
    t.quality, t.code = BAD_REFUSED, CODE_NO_MODE
    return IN_VAIN if f.purpose == OWN else REFUSED


cdef Verdict take_for(s7_t *s, const flight_t *f, const pdu_t *pdu, take_t *t) noexcept nogil:
    cdef Step step
    if f.purpose == OWN or f.request.spec[0] == 0:
        return take_mode(s, f, pdu, t)
    step = proceed(
        f, s.granted.pdu, pdu, UNCERTAIN_SOURCE_DOUBTS if s.mode == MODE_STOP else GOOD, t
    )
    if step == STEP_FOREIGN:
        return FOREIGN_ANSWER
    if step == STEP_ON:
        return PARTIAL
    if step == STEP_BUSY:
        return BUSY
    return ANSWER if step == STEP_DONE else REFUSED


cdef Verdict lost_inside(
    s7_t *s, const in_t *in_, size_t size, const flight_t *open_, int32_t n, take_t *t, int64_t now
) noexcept nogil:
    """Where the first TPKT lacks bytes: damage of the answer, or noise. MORE where that may be;
    ANSWER: it does not.
    """
    cdef int32_t own = -1
    cdef size_t at = 0
    cdef Front front
    if in_.n >= HEADS and begins_sent(in_.p, s.reference):
        s.reader.kept = 0  # no fragment goes on so: the rest of those before it was lost
        own = flight_of(open_, n, be16(in_.p + HEADS - 2))
    if n == 0 or (n == 1 and now >= s.owes_until):
        return ANSWER  # nothing else can come
    front = whole_front(s.reference, in_, size, open_, n, own, &at)
    if front == SHORT:
        s.reader.kept = 0
        t.used = at
        t.flight = max(own, 0)
        return DAMAGED if own >= 0 else NOISE
    if front == WHOLE or own < 0 or in_.n < size:
        return ANSWER
    t.used, t.flight = in_.n, own
    return DAMAGED if in_.last else MORE


cdef Verdict s7_take(
    void *session, const in_t *in_, flight_t *open_, int32_t n, take_t *t, int64_t now
) noexcept nogil:
    """Takes the first whole PDU. Fragments move from the input into the reader as they come: in
    fragments of one byte a PDU is eight times as long, more than the input has room for.
    """
    cdef s7_t *s = <s7_t *>session
    cdef frame_t frame
    cdef Met met
    cdef Verdict lost
    cdef size_t size = in_.n
    if in_.n >= TPKT and begins(in_.p, in_.n):
        size = min(size, <size_t>be16(in_.p + 2))
        lost = lost_inside(s, in_, be16(in_.p + 2), open_, n, t, now)
        if lost != ANSWER:
            return lost
    met = next_pdu(&s.reader, in_.p, size, &frame)
    t.used = frame.used
    if met == MET_MORE and frame.used == 0:
        t.at_least = 1
        return MORE
    if met == MET_CONFIRM or met == MET_MORE:
        return NOISE
    if met == MET_ADRIFT:
        if frame.used == 0:  # else: fragments came before it, and are in the reader now
            t.used = strayed(in_)
            t.adrift = t.used == in_.n
        return NOISE
    if met != MET_PDU:
        t.used = in_.n
        return BROKEN
    t.flight = flight_of(open_, n, frame.pdu.reference)
    return FOREIGN_ANSWER if t.flight < 0 else take_for(s, &open_[t.flight], &frame.pdu, t)


cdef bint s7_ended(void *session, const flight_t *f, Why why, int64_t now) noexcept nogil:
    """A missing answer about the CPU's mode is no fault. If two connections in a row ended on the
    question, the CPU may be hanging up because of it.
    """
    cdef s7_t *s = <s7_t *>session
    if why == NO_ANSWER:
        s.owes_until = now + 2 * max(s.head.timeout_ns, f.station.late_ns)
    if f.purpose != OWN:
        return False
    tell(s, MODE_UNKNOWN)
    if why == GARBLED:
        return True
    if why == CUT_OFF:
        s.hung_up += 1
    if why != CUT_OFF or s.hung_up >= 2:
        s.mute_until = now + MUTE
        s.hung_up = 0
    return True


cdef protocol_t TABLE
TABLE.abi = PROTOCOL_ABI
TABLE.session_bytes = sizeof(s7_t)
TABLE.station_bytes = sizeof(station_t)
TABLE.line = False
TABLE.name = "s7"
TABLE.enrol = s7_enrol
TABLE.begin = s7_begin
TABLE.shake = s7_shake
TABLE.prepare = s7_prepare
TABLE.take = s7_take
TABLE.ended = s7_ended
TABLE.may_begin = may_begin_s7
TABLE.listen = NULL

PROTOCOL = PyCapsule_New(&TABLE, "protocol_t", NULL)
