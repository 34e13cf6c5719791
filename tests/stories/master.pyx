"""Another master, whose line is only listened to.

He asks in turn for what the link's plans want, or for more around it, and for what is none of ours;
waits for as long as he does, and asks the next. What we hear of a request may be damaged or cut, or
lost by the kernel, which counts it; fewer than four bytes that are left of one are not: nothing
would tell them from a spike. An answer may come when he has given it up; a careless master takes it
for the answer to his next request. After the last fault he makes one long pause, as the line is
believed again by that (native.modbus.overhear).
"""

from libc.stdint cimport UINT32_MAX, int32_t, int64_t, uint8_t, uint16_t
from libc.string cimport memcpy

from native.clock cimport MS
from native.engine.state cimport link_t
from native.rows.store cimport layout_t
from tests.stories.machines cimport RTU, answer, asked_t, crc, hear
from tests.stories.replies cimport (
    answer_at,
    is_read,
    pick,
    plan,
    reply,
    send,
    span,
    spoil,
    strikes,
)
from tests.stories.world cimport (
    ANSWERS,
    ASKS,
    ASKS_MAX,
    CUT,
    DAMAGED,
    OVERRUN,
    ask_t,
    event_t,
    master_t,
    world_t,
)

cdef enum:
    REQUEST = 8      # bytes
    STRANGER = 200   # a unit that is none of ours
    REGISTERS_MOST = 125


cdef void add_ask(world_t *w, uint8_t unit, const uint8_t *spec) noexcept nogil:
    """A planned read, or one of some registers more."""
    cdef master_t *m = &w.master
    cdef ask_t *ask = &m.asks[m.ask_count]
    cdef uint16_t more
    if m.ask_count == ASKS_MAX:
        return
    m.ask_count += 1
    ask.unit, ask.function = unit, spec[0]
    ask.address = <uint16_t>(spec[1] << 8 | spec[2])
    ask.count = <uint16_t>(spec[3] << 8 | spec[4])
    if ask.function > 2 and pick(w, 2):
        more = min(<uint16_t>pick(w, 4), ask.address)
        ask.address -= more
        ask.count = min(ask.count + more + <uint16_t>pick(w, 4), <uint16_t>REGISTERS_MOST)


cdef void master_begin(world_t *w) noexcept nogil:
    cdef link_t *link = w.rig.l
    cdef layout_t *layout
    cdef uint8_t other[5]
    cdef int32_t i, k
    for i in range(link.resident_count):
        layout = link.members[i].g.current
        for k in range(layout.request_count):
            add_ask(w, <uint8_t>(link.members[i].device + 1), layout.requests[k].spec)
    if pick(w, 2):
        other[0], other[1], other[2], other[3], other[4] = 3, 0, 7, 0, <uint8_t>(1 + pick(w, 20))
        add_ask(w, STRANGER, other)
    w.master.patience = span(w, w.timeout_ns // 2, 3 * w.timeout_ns)
    w.master.careless = pick(w, 3) == 0
    plan(w, ASKS, w.rig.now + span(w, 0, 100 * MS))


cdef void write_request(const ask_t *ask, uint8_t *out) noexcept nogil:
    cdef uint16_t sum_
    out[0], out[1] = ask.unit, ask.function
    out[2], out[3] = <uint8_t>(ask.address >> 8), <uint8_t>ask.address
    out[4], out[5] = <uint8_t>(ask.count >> 8), <uint8_t>ask.count
    sum_ = crc(out, 6)
    out[6], out[7] = <uint8_t>sum_, <uint8_t>(sum_ >> 8)


cdef void be_heard(world_t *w, const uint8_t *request) noexcept nogil:
    """What of a request comes to us."""
    cdef uint8_t heard[REQUEST]
    cdef int64_t at = w.rig.now + REQUEST * w.char_ns
    memcpy(heard, request, REQUEST)
    if strikes(w, DAMAGED):
        spoil(w, heard, REQUEST)
        send(w, at, heard, REQUEST)
    else:
        send(w, at, heard, 4 + pick(w, 4) if strikes(w, CUT) else REQUEST)
    if strikes(w, OVERRUN):
        # From the end of this request on, mostly up to within the next.
        w.lost_from = at + 1
        w.lost_until = at + span(w, 5 * MS, 200 * MS)


cdef void ask_next(world_t *w, int64_t at) noexcept nogil:
    """He asks then, and not when he meant to."""
    cdef int32_t i
    for i in range(w.event_count):
        if w.events[i].what == ASKS:
            w.events[i].at = at
            return
    plan(w, ASKS, at)


cdef void master_asks(world_t *w) noexcept nogil:
    cdef master_t *m = &w.master
    cdef uint8_t request[REQUEST]
    cdef uint8_t frame[1200]
    cdef int64_t now = w.rig.now
    cdef event_t *e
    cdef asked_t a
    if now >= w.calm_at and not m.calmed:
        m.calmed = True
        m.waits = False
        plan(w, ASKS, now + 6 * w.timeout_ns + 1000 * MS)
        return
    write_request(&m.asks[m.next_ask], request)
    m.next_ask = (m.next_ask + 1) % m.ask_count
    hear(RTU, request, REQUEST, w.devices, &a)
    be_heard(w, request)
    m.waits, m.unit, m.serial = True, request[0], UINT32_MAX
    ask_next(w, now + REQUEST * w.char_ns + m.patience)
    if a.device < 0:
        send(w, now + span(w, 12 * w.char_ns, 40 * w.char_ns), frame, answer(&a, 0, frame))
        ask_next(w, w.stream_at + span(w, 2 * MS, 20 * MS))
        return
    m.serial = w.said_count
    if is_read(w, &a):
        e = plan(w, ANSWERS, answer_at(w, &a))
        e.serial, e.size = m.serial, REQUEST
        memcpy(e.bytes, request, REQUEST)


cdef void master_is_answered(world_t *w, const event_t *e) noexcept nogil:
    cdef master_t *m = &w.master
    cdef asked_t a
    hear(RTU, e.bytes, e.size, w.devices, &a)
    reply(w, &a, w.rig.now, e.serial)
    if m.waits and (e.serial == m.serial or (m.careless and e.bytes[0] == m.unit)):
        m.waits = False
        ask_next(w, max(w.rig.now, w.stream_at) + span(w, 2 * MS, 20 * MS))
