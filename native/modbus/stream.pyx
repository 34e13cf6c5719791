"""Modbus TCP: which bytes of a stream are frames.

Bytes that are no frame are skipped up to where an awaited answer begins; all of them if none is
awaited. If the header says more bytes than there are, that does not matter as long as the answer's
own byte count is what was asked for.

Whether an answer lost bytes on the way: see `native.engine.stream`. That is not asked of datagrams,
which stand for themselves.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from native.bytes cimport be16
from native.engine cimport protocol
from native.engine.protocol cimport Verdict, flight_t, in_t, take_t
from native.engine.stream cimport Front, judge_front, may_be_first, stream_t
from native.modbus.codec cimport ASCII, MBAP_LENGTH_MAX, RTU, TCP, Framing, ask_t, frame_t, rtu_good
from native.modbus.exchange cimport other_framing
from native.modbus.unit cimport FUNCTIONS, modbus_t, own_t, unit_of

cdef enum:
    FRONT = 9           # bytes of an answer before its data
    SURE = 8            # bytes by which the beginning of an answer is told from data
    SENT_PAGES = 4      # the last thousand ids have at most five different first bytes


cdef int32_t flight_of(
    const flight_t *open_, int32_t n, uint16_t transaction
) noexcept nogil:
    cdef int32_t i
    for i in range(n):
        if (<const own_t *>open_[i].own).ask.transaction == transaction:
            return i
    return -1


cdef bint was_sent(const modbus_t *s, uint16_t transaction) noexcept nogil:
    """Whether an id is one of the last thousand of this connection."""
    return <uint16_t>(s.transaction - transaction) < min(s.sent_here, <uint32_t>1024)


cdef bint begins(
    const uint8_t *p, size_t size, const flight_t *open_, int32_t n, int32_t but=-1
) noexcept nogil:
    """Whether the answer to a request in flight, other than number `but`, may begin with these
    bytes, at least one.
    """
    cdef const ask_t *ask
    cdef int32_t i
    if size == 1:
        for i in range(n):
            if i != but and (<const own_t *>open_[i].own).ask.transaction >> 8 == p[0]:
                return True
        return False
    i = flight_of(open_, n, be16(p))
    if i < 0 or i == but or (size > 3 and be16(p + 2) != 0) or (size > 5 and be16(p + 4) < 3):
        return False
    ask = &(<const own_t *>open_[i].own).ask
    return (size < 7 or p[6] == ask.unit) and (size < 8 or (p[7] & 0x7F) == ask.function)


cdef Verdict strayed(
    const in_t *arrived, const flight_t *open_, int32_t n, take_t *t
) noexcept nogil:
    """Bytes that are no frame: a heartbeat, a checksum perhaps. An awaited answer may follow them.
    """
    cdef Framing framing
    cdef size_t i
    for i in range(1, arrived.n):
        if begins(arrived.p + i, arrived.n - i, open_, n):
            t.used = i
            return protocol.NOISE
    framing = of_line(arrived, &(<const own_t *>open_[0].own).ask) if n else TCP
    if framing != TCP:
        t.flight = 0
        return other_framing(t, framing)
    t.adrift = True
    return protocol.NOISE


cdef inline Framing of_line(const in_t *arrived, const ask_t *ask) noexcept nogil:
    """In which other framing the bytes are an answer; TCP: in none."""
    cdef const uint8_t *p = arrived.p
    if p[0] == 58 and p[arrived.n - 1] == 10:
        return ASCII
    if p[0] == ask.unit and (p[1] & 0x7F) == ask.function and rtu_good(p, arrived.n):
        return RTU
    return TCP


cdef bint told_too_long(
    const in_t *arrived, const flight_t *open_, int32_t n, frame_t *frame
) noexcept nogil:
    """Whether the input begins with a whole answer by its own byte count, though the header says
    more; all else fits a request in flight.
    """
    cdef const uint8_t *p = arrived.p
    cdef const ask_t *ask
    cdef size_t size
    cdef int32_t i
    if arrived.n < FRONT or be16(p + 2) != 0:
        return False
    size = FRONT + <size_t>p[8]
    i = flight_of(open_, n, be16(p))
    if i < 0 or arrived.n < size or HEADER + <size_t>be16(p + 4) <= size:
        return False
    ask = &(<const own_t *>open_[i].own).ask
    if p[6] != ask.unit or p[7] != ask.function or p[8] != ask.data_bytes:
        return False
    frame.used = size
    frame.transaction, frame.unit, frame.function = be16(p), p[6], p[7]
    frame.data, frame.size = p + FRONT, p[8]
    return True


cdef bint is_other(const stream_t *f, const uint8_t *p, size_t size) noexcept nogil:
    return begins(p, size, f.open, f.count, f.own)


cdef bint is_older(const stream_t *f, const uint8_t *p, size_t room) noexcept nogil:
    cdef modbus_t *s = <modbus_t *>f.session
    return (
        was_sent(s, be16(p)) and be16(p + 2) == 0 and 3 <= be16(p + 4) <= MBAP_LENGTH_MAX
        and 1 <= (p[7] & 0x7F) <= FUNCTIONS and unit_of(s, p[6]) != NULL
        and HEADER + <size_t>be16(p + 4) >= room
    )


cdef Front whole_front(
    modbus_t *s, const in_t *arrived, size_t size, const flight_t *open_, int32_t n, int32_t own,
    size_t *at
) noexcept nogil:
    cdef stream_t f
    cdef int32_t i
    memset(&f, 0, sizeof(stream_t))
    f.session, f.open, f.count, f.own, f.sure = s, open_, n, own, SURE
    f.may_begin, f.is_other, f.is_older = may_begin_tcp, is_other, is_older
    for i in range(SENT_PAGES + 1):
        may_be_first(&f, <uint8_t>((s.transaction >> 8) - i))
    return judge_front(
        &f, arrived, size,
        arrived.n >= size + 2 and rtu_good(arrived.p + HEADER, size - HEADER + 2), at,
    )


cdef bint may_begin_tcp(
    void *session, const flight_t *open_, int32_t n, const uint8_t *p, size_t size
) noexcept nogil:
    """Whether the bytes have the id of a request of this connection and a possible header."""
    cdef const modbus_t *s = <const modbus_t *>session
    if not s.head.single:
        if s.sent_here == 0:
            return False
        if size == 1:
            return <uint8_t>((s.transaction >> 8) - p[0]) <= SENT_PAGES
        if not was_sent(s, be16(p)):
            return False
    if size > 3 and be16(p + 2) != 0:
        return False
    return size < 6 or 3 <= be16(p + 4) <= MBAP_LENGTH_MAX
