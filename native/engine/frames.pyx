"""What has arrived is cut into frames: the protocol whose request is open says what is in front,
and where it knows no such frame, the line's other protocols.

Packets in the stream of a device that dials in
-----------------------------------------------
Where a frame may begin, its registration and heartbeats are swallowed, unless the awaited answer
may begin with the same bytes. What is let through is noise before a frame. Inside an answer
nothing is taken out: its checksum fails and it is asked for once more. Where frames have no
checksum the bytes that were pushed out behind the frame give it away, where they came with it, and
the connection is given up. Where they come later nothing tells; a DTU that speaks such a protocol
makes its frames itself and does not cut them.

A heartbeat that the configuration does not know is told (`native.engine.beats`). By itself it does
not end a connection that it was heard on before, nor one that can't be made anew from here.
"""

from libc.errno cimport EPROTO
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memmove, memset

from native.engine.answer cimport (
    ask_later,
    damaged,
    damaged_inside,
    stray,
    take_answer,
    take_refusal,
)
from native.engine.ask cimport send_more, transmit
from native.engine.beats cimport beat_like, beat_pends, keep_beat
from native.engine.bus cimport await_rest
from native.engine.connection cimport UP
from native.engine.doubt cimport doubt_station, other_asked
from native.engine.protocol cimport (
    AGAIN,
    ANSWER,
    ASK_MAX,
    BROKEN,
    BUSY,
    DAMAGED,
    FOREIGN_ANSWER,
    FOREIGN_REQUEST,
    IN_VAIN,
    MORE,
    NOISE,
    PARTIAL,
    PLANNED,
    REFUSED,
    UNREACHED,
    Verdict,
    in_t,
    mark_all,
    out_t,
    session_t,
    take_t,
)
from native.engine.scan cimport link_lost
from native.engine.state cimport link_t
from native.engine.told cimport tell_parts
from native.reasons cimport BAD_NOT_ASKED, BAD_WRONG_ANSWER
from native.wire.dialin cimport packet_at
from native.wire.transport cimport DIALIN, STREAM


cdef inline session_t *speaking(link_t *l) noexcept nogil:
    """The session whose request is in flight; the first where none is."""
    return l.flights.open[0].station.session if l.flights.count else l.sessions[0]


cdef inline bint has_packets(const link_t *l) noexcept nogil:
    return l.port.kind == DIALIN or l.port.packets[0].size > 0


cdef bint may_begin(link_t *l, const uint8_t *p, size_t n) noexcept nogil:
    cdef session_t *s = speaking(l)
    return s.protocol.may_begin == NULL or (
        s.protocol.may_begin(s, l.flights.open, l.flights.count, p, n)
    )


cdef bint swallow(link_t *l, size_t *at) noexcept nogil:
    """Move `at` behind the packets that the input has there; True when nothing is left to look at
    before more has arrived.
    """
    cdef size_t n
    cdef ssize_t size
    while at[0] < l.input.size:
        n = l.input.size - at[0]
        if may_begin(l, l.input.bytes + at[0], n):
            return False
        size = packet_at(l.port, l.input.bytes + at[0], n)
        if size <= 0:
            return size < 0
        at[0] += <size_t>size
        l.port.swallowed += 1
    return True


cdef bint is_torn(link_t *l, size_t at) noexcept nogil:
    """Whether a frame without a checksum, that ends at `at`, holds bytes that are not its own,
    because what lies behind it can begin nothing.
    """
    cdef size_t n
    cdef ssize_t size
    while at < l.input.size:
        n = l.input.size - at
        # A lone byte tells little; with no other request open it is no header's.
        if (n > 1 or l.flights.count > 1) and may_begin(l, l.input.bytes + at, n):
            return False
        size = packet_at(l.port, l.input.bytes + at, n)
        if size <= 0:
            return size == 0
        at += <size_t>size
    return False


cdef bint greet(link_t *l, int64_t now) noexcept nogil:
    """Go on with the protocol's handshake; False when more has to arrive first."""
    cdef uint8_t bytes[ASK_MAX]
    cdef out_t out
    cdef in_t arrived
    cdef size_t at = 0, used = 0
    cdef int result = 1
    out.p = bytes
    out.n = 0
    if not (has_packets(l) and swallow(l, &at)):
        arrived.p, arrived.n, arrived.last = l.input.bytes + at, l.input.size - at, False
        result = l.sessions[0].protocol.shake(l.sessions[0], &arrived, &used, &out, now)
    if result < 0:
        link_lost(l, EPROTO, now)
        return False
    l.conn.greeting = result > 0
    l.input.size -= at + used
    memmove(l.input.bytes, l.input.bytes + at + used, l.input.size)
    if out.n:
        transmit(l, &out, now)
    return at + used > 0


cdef Verdict claimed(
    link_t *l, const session_t *owner, const in_t *arrived, Verdict verdict, take_t *t, int64_t now
) noexcept nogil:
    """Bytes that are no frame of `owner` may be one of another protocol on the line: a late answer,
    or another master's request. Where none of them has a whole frame, `verdict` of `owner` holds;
    where no request flies, bytes that may become a frame of another are kept.
    """
    cdef take_t other
    cdef Verdict found
    cdef session_t *s
    cdef int32_t i
    cdef bint is_open = False
    if t.begun or verdict == FOREIGN_REQUEST or (
        verdict == FOREIGN_ANSWER and t.whose != NULL
    ):
        return verdict
    if verdict != MORE and verdict != NOISE and verdict != FOREIGN_ANSWER and verdict != DAMAGED:
        return verdict
    for i in range(l.session_count):
        s = l.sessions[i]
        if s == owner:
            continue
        memset(&other, 0, sizeof(take_t))
        found = s.protocol.take(s, arrived, NULL, 0, &other, now)
        if found == FOREIGN_REQUEST or (found == FOREIGN_ANSWER and other.whose != NULL):
            t[0] = other
            return found
        is_open = is_open or found == MORE
    if l.flights.count == 0 and is_open:
        t.at_least = 0
        return MORE
    return verdict


cdef bint may_be_beat(link_t *l, size_t at, size_t used, int64_t now) noexcept nogil:
    """Whether bytes that make no frame may be a heartbeat: they came by themselves, and they were
    heard before, or hanging up costs more than to wait for what comes behind them.
    """
    cdef const uint8_t *p = l.input.bytes
    cdef size_t n = l.input.size
    if at or n != l.beats.fresh or used != n or may_begin(l, p, n):
        return False
    if l.port.kind != STREAM and l.port.kind != DIALIN:
        return False
    beat_pends(&l.beats, p, n, now)
    return l.port.kind == DIALIN or beat_like(&l.beats, p, n) != NULL


cdef inline bint ends_stream(const link_t *l, size_t at) noexcept nogil:
    """Whether bytes that make no frame are the end of a connection: where an answer is awaited, and
    they are not what a frame before them was too long by.
    """
    return not l.line and l.flights.count > 0 and at == 0


cdef bint take_frame(link_t *l, size_t *at, int64_t now) noexcept nogil:
    """Act on the frame at `at` and move behind it; False when more has to arrive first."""
    cdef in_t arrived
    cdef take_t t
    cdef Verdict verdict
    cdef session_t *s
    memset(&t, 0, sizeof(take_t))
    arrived.p, arrived.n = l.input.bytes + at[0], l.input.size - at[0]
    arrived.last = l.input.last
    s = speaking(l)
    verdict = s.protocol.take(s, &arrived, l.flights.open, l.flights.count, &t, now)
    if l.session_count > 1:
        verdict = claimed(l, s, &arrived, verdict, &t, now)
    if verdict == MORE:
        if t.adrift:
            may_be_beat(l, at[0], arrived.n, now)
        if l.flights.count:
            await_rest(&l.bus, t.at_least, now)
        return False
    if verdict == NOISE:
        if t.adrift and not may_be_beat(l, at[0], t.used, now) and ends_stream(l, at[0]):
            keep_beat(&l.beats)
            verdict = BROKEN
    else:
        l.beats.framed_at = now
    at[0] += t.used
    if t.asked != NULL or verdict == FOREIGN_REQUEST:
        other_asked(l, &t, verdict == FOREIGN_REQUEST, now)
    if t.behind != NULL:
        doubt_station(l, t.behind, BAD_WRONG_ANSWER, now)
    if has_packets(l) and not l.line and is_torn(l, at[0]):
        if verdict == ANSWER and l.flights.open[t.flight].purpose == PLANNED:
            mark_all(&l.flights.open[t.flight], BAD_NOT_ASKED)
        verdict = BROKEN
    if t.told_count and t.flight < l.flights.count:
        tell_parts(l, &t)
    if verdict == ANSWER:
        take_answer(l, t.flight, now)
    elif verdict == PARTIAL:
        send_more(l, t.flight, now)
    elif verdict == AGAIN:
        ask_later(l, &t, now)
    elif verdict == REFUSED or verdict == BUSY or verdict == UNREACHED or verdict == IN_VAIN:
        take_refusal(l, verdict, &t, now)
    elif verdict == DAMAGED and not l.line:
        damaged_inside(l, t.flight, now)
    elif verdict == DAMAGED:
        if l.flights.count:
            damaged(l, now)
        l.input.size = 0
    elif verdict == BROKEN:
        l.counts.wrong += 1
        link_lost(l, EPROTO, now)
    elif verdict != NOISE or l.line:  # a few bytes before a frame of a stream do no harm
        stray(l, &t, now)
    return True


cdef void take_input(link_t *l, int64_t now) noexcept nogil:
    """Take every whole frame out of the input."""
    cdef size_t at = 0
    while l.conn.greeting and not l.conn.quiet_until and l.input.size:
        if not greet(l, now):
            break
    while at < l.input.size and l.conn.state == UP and not l.conn.greeting:
        if has_packets(l) and swallow(l, &at):
            break
        if not take_frame(l, &at, now):
            break
    if l.conn.state != UP or at >= l.input.size:
        l.input.size = 0
    elif at:
        l.input.size -= at
        memmove(l.input.bytes, l.input.bytes + at, l.input.size)


cdef void look_last(link_t *l, int64_t now) noexcept nogil:
    """Before requests of a stream are given up: what has arrived may answer one, and have waited
    for more.
    """
    cdef int32_t i
    if l.line or l.input.size == 0:
        return
    for i in range(l.flights.count):
        if now >= l.flights.open[i].deadline:
            l.input.last = True
            take_input(l, now)
            l.input.last = False
            return
