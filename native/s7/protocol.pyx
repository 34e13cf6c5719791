"""S7 as a protocol of the engine: one CPU a link, as many requests in flight as it grants.

A request's words, made by drivers/s7/request:

    1 byte    number of items, 0: the CPU's state
    12 bytes  each item, as on the wire
    6 bytes   each value to be put in shape: kind (native/s7/shape), number of the item, then two
              bytes each: offset in it, room of a text

Its parts are the items' data, then a part of its own for each value that is put in shape.

The station's address is what a session needs to begin:

    2 bytes   our TSAP
    2 bytes   the longest PDU to propose
    1 byte    the most requests at once
    1 byte    number of called TSAPs
    2 bytes   each: the first is tried until the CPU hangs up on it or says nothing, then the next

No reference repeats within 65,536 requests of a link, over all its connections: a late answer finds
no flight.
"""

from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

from native.bytes cimport be16, put_be16
from native.engine.protocol cimport (
    ANSWER,
    BROKEN,
    FOREIGN_ANSWER,
    MORE,
    NOISE,
    PROTOCOL_ABI,
    REFUSE,
    REFUSED,
    SEND,
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
from native.reasons cimport (
    BAD_DEVICE_FAILURE,
    BAD_NOT_A_VALUE,
    BAD_REFUSED,
    GOOD,
)
from native.rows.store cimport request_t
from native.s7.codec cimport (
    ANSWER_HEAD,
    ITEM,
    ITEM_HEAD,
    ITEM_OK,
    JOB_HEAD,
    MET_CONFIRM,
    MET_MORE,
    MET_PDU,
    PDU_MAX,
    PDU_MIN,
    REPLY_ANSWER,
    REPLY_FOREIGN,
    REPLY_REFUSED,
    Met,
    Reply,
    frame_t,
    item_bytes,
    item_t,
    match_read,
    match_setup,
    match_state,
    next_item,
    next_pdu,
    pdu_t,
    put_connect,
    put_read,
    put_setup,
    put_state,
    reader_t,
    setup_t,
)
from native.s7.shape cimport reshape, row_bytes, text_most, wire_bytes

cdef enum:
    FIX = 6
    #: What an answer that lacks items is refused with: no CPU says so of itself.
    CODE_SHORT = 0x00FF
    CODE_TOO_LONG = 0x8500
    CODE_NONE = 0x0001   # words that are none; they are checked where they enter
    ADDRESS_HEAD = 6

cdef enum Phase:
    AWAY = 0
    CONNECTING = 1  # the connection request is out
    SETTING_UP = 2  # the negotiation is out
    READY = 3


cdef struct s7_t:
    session_t head
    reader_t reader
    setup_t granted
    uint16_t reference
    uint8_t phase
    uint8_t called     # which of the TSAPs
    uint8_t shorter    # by how many steps the PDU that is proposed is under the longest


cdef struct fix_t:
    uint8_t kind
    uint32_t item
    uint32_t at
    uint32_t text


cdef inline const uint8_t *address(const s7_t *s) noexcept nogil:
    return s.head.stations[0].address


cdef inline uint32_t fixes_of(const request_t *r, uint32_t items) noexcept nogil:
    return (r.spec_size - 1 - ITEM * items) // FIX


cdef inline void fix_of(const request_t *r, uint32_t items, uint32_t n, fix_t *fix) noexcept nogil:
    cdef const uint8_t *p = r.spec + 1 + ITEM * items + FIX * n
    fix.kind, fix.item, fix.at, fix.text = p[0], p[1], be16(p + 2), be16(p + 4)


cdef bint sound(const request_t *r) noexcept nogil:
    """Whether the words are of this protocol and agree with the parts: everything that is copied
    later lies within them.
    """
    cdef uint32_t items, i
    cdef fix_t fix
    if r.spec_size < 1:
        return False
    items = r.spec[0]
    if items == 0:
        return r.spec_size == 1 and r.part_count == 1
    if r.spec_size < 1 + ITEM * items or (r.spec_size - 1 - ITEM * items) % FIX:
        return False
    for i in range(items):
        if item_bytes(r.spec + 1 + ITEM * i) == 0:
            return False
    if r.part_count != items + fixes_of(r, items):
        return False
    for i in range(fixes_of(r, items)):
        fix_of(r, items, i, &fix)
        if fix.item >= items or wire_bytes(fix.kind, fix.text) == 0:
            return False
        if fix.text > text_most(fix.kind):
            return False
        if fix.at + wire_bytes(fix.kind, fix.text) > item_bytes(r.spec + 1 + ITEM * fix.item):
            return False
    return True


cdef bint fits(const request_t *r, uint32_t pdu) noexcept nogil:
    """Whether request and answer are within the PDU that this connection was granted."""
    cdef uint32_t items = r.spec[0], i, size, answer = ANSWER_HEAD
    if JOB_HEAD + ITEM * items > pdu:
        return False
    for i in range(items):
        size = item_bytes(r.spec + 1 + ITEM * i)
        answer += ITEM_HEAD + size + (size & 1 if i + 1 < items else 0)
    return answer <= pdu


cdef bint s7_enrol(void *session, void *station) noexcept nogil:
    cdef s7_t *s = <s7_t *>session
    cdef station_t *st = <station_t *>station
    cdef uint32_t called
    if st.address_size < ADDRESS_HEAD or s.head.stations[0] != st:
        return False
    called = st.address[5]
    return (
        called != 0 and st.address_size == ADDRESS_HEAD + 2 * called and st.address[4] != 0
        and PDU_MIN <= be16(st.address + 2) <= PDU_MAX
    )


cdef int s7_begin(void *session, out_t *out, int64_t now) noexcept nogil:
    """The connection request. Where the last connection ended in the middle of this, another TSAP
    is called, or a shorter PDU proposed.
    """
    cdef s7_t *s = <s7_t *>session
    if s.phase == CONNECTING:
        s.called = <uint8_t>((s.called + 1) % address(s)[5])
    elif s.phase == SETTING_UP:
        s.shorter = <uint8_t>((s.shorter + 1) % 3)
    s.phase = CONNECTING
    s.head.window = 0
    s.reader.kept = 0
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
    return 0


cdef Prep s7_prepare(
    void *session, const plan_t *plan, flight_t *f, out_t *out, int64_t now
) noexcept nogil:
    cdef s7_t *s = <s7_t *>session
    cdef const request_t *r = f.request
    if not sound(r) or not fits(r, s.granted.pdu):
        out.quality = BAD_REFUSED
        out.code = CODE_TOO_LONG if sound(r) else CODE_NONE
        return REFUSE
    put_be16(f.own, s.reference)
    if r.spec[0]:
        out.n = put_read(s.reference, r.spec + 1, r.spec[0], out.p)
    else:
        out.n = put_state(s.reference, out.p)
    s.reference += 1
    return SEND


cdef inline uint8_t quality_of(uint8_t code) noexcept nogil:
    """Of an item's return code: 01 is a fault of the hardware, all others a refusal."""
    return BAD_DEVICE_FAILURE if code == 1 else BAD_REFUSED


cdef void put_fixes(const flight_t *f, const uint8_t **data, const uint8_t *codes) noexcept nogil:
    """The values that are put in shape, each in its own part."""
    cdef const request_t *r = f.request
    cdef uint32_t items = r.spec[0], i
    cdef uint8_t value[256]
    cdef fix_t fix
    for i in range(fixes_of(r, items)):
        fix_of(r, items, i, &fix)
        if codes[fix.item] != ITEM_OK:
            mark(f, items + i, quality_of(codes[fix.item]))
        elif not reshape(fix.kind, data[fix.item] + fix.at, value, fix.text):
            mark(f, items + i, BAD_NOT_A_VALUE)
        elif put(f, items + i, 0, value, row_bytes(fix.kind, fix.text)):
            mark(f, items + i, GOOD)


cdef void take_read(const flight_t *f, const pdu_t *pdu, take_t *t) noexcept nogil:
    cdef uint32_t items = f.request.spec[0], i, at = 0
    cdef const uint8_t *data[256]
    cdef uint8_t codes[256]
    cdef item_t item
    for i in range(items):
        next_item(pdu, &at, &item)
        data[i], codes[i] = item.data, item.code
        if item.code != ITEM_OK:
            mark(f, i, quality_of(item.code))
            t.code = item.code
        elif put(f, i, 0, item.data, item.size):
            mark(f, i, GOOD)
    put_fixes(f, data, codes)


cdef Verdict take_for(const flight_t *f, const pdu_t *pdu, take_t *t) noexcept nogil:
    cdef const request_t *r = f.request
    cdef uint8_t state = 0
    cdef Reply reply
    if r.spec[0]:
        reply = match_read(pdu, r.spec + 1, r.spec[0])
    else:
        reply = match_state(pdu, &state)
    if reply == REPLY_FOREIGN:
        return FOREIGN_ANSWER
    if reply == REPLY_ANSWER and r.spec[0]:
        take_read(f, pdu, t)
        return ANSWER
    if reply == REPLY_ANSWER:
        put(f, 0, 0, &state, 1)
        mark(f, 0, GOOD)
        return ANSWER
    t.quality = BAD_REFUSED
    if reply != REPLY_REFUSED:
        t.code = CODE_SHORT
    else:
        t.code = pdu.error if pdu.kind != 7 else be16(pdu.params + 10)
    return REFUSED


cdef Verdict s7_take(
    void *session, const in_t *in_, flight_t *open_, int32_t n, take_t *t, int64_t now
) noexcept nogil:
    """The first whole PDU in front; fragments are put together anew until the last one is there."""
    cdef s7_t *s = <s7_t *>session
    cdef frame_t frame
    cdef int32_t i
    cdef Met met
    s.reader.kept = 0
    met = next_pdu(&s.reader, in_.p, in_.n, &frame)
    if met == MET_MORE:
        t.at_least = 1
        return MORE
    t.used = frame.used
    if met == MET_CONFIRM:
        return NOISE
    if met != MET_PDU:
        t.used = in_.n
        return BROKEN
    for i in range(n):
        if be16(open_[i].own) == frame.pdu.reference:
            t.flight = i
            return take_for(&open_[i], &frame.pdu, t)
    return FOREIGN_ANSWER


cdef bint s7_ended(void *session, const flight_t *f, Why why, int64_t now) noexcept nogil:
    return False  # no request is ever its own


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
TABLE.may_begin = NULL
TABLE.listen = NULL

PROTOCOL = PyCapsule_New(&TABLE, "protocol_t", NULL)
