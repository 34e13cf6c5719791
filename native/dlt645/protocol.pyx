"""DL/T 645 as a protocol of the engine. One meter is asked at a time; an answer is recognised by
its meter's address and its data identifier.

A station's address is the meter's six bytes in wire order (six times AA: the only meter on its
line), then the number of FE bytes to send before a request. A meter of unknown address is asked for
it first. If it does not answer that, it is asked for data under AA…AA, then once more under the
address it answered with, which is used from then on.

An error answer does not say which data it is about. So after a time-out that meter is not asked
again until the late answer came, or can no longer come: a late error or value is never taken for
the answer to the next request.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memcpy, memset

from cpython.pycapsule cimport PyCapsule_New

from native.dlt645.codec cimport (
    ADDRESS_BYTES,
    ANSWER as FOUND_ANSWER,
    ANY,
    ANY_SIZE,
    DAMAGED as FOUND_DAMAGED,
    FOREIGN_ANSWER as FOUND_FOREIGN_ANSWER,
    FOREIGN_REQUEST as FOUND_FOREIGN_REQUEST,
    FRAMES_MAX,
    Found,
    MORE as FOUND_MORE,
    OVERHEAD,
    PARTIAL as FOUND_PARTIAL,
    PREAMBLE_MAX,
    READ,
    READ_1997,
    READ_ADDRESS,
    READ_MORE,
    REFUSED as FOUND_REFUSED,
    REQUEST_MAX,
    WRONG_SIZE as FOUND_WRONG_SIZE,
    answer_chars,
    answers,
    ask_t,
    find_answer,
    frame_t,
    is_address,
    plain,
    put_request,
)
from native.dlt645.shape cimport VALUE_MAX, row_bytes, shape_value
from native.dlt645.words cimport ABSENT, read_words, words_t
from native.engine.protocol cimport (
    AGAIN,
    ANSWER,
    DAMAGED,
    FOREIGN_ANSWER,
    FOREIGN_REQUEST,
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
    WAIT,
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
    BAD_NO_VALUE,
    BAD_REFUSED,
    BAD_WRONG_ANSWER,
)
from native.rows.store cimport request_t

cdef enum:
    GATHERED_MAX = 256        # bytes of an answer of several frames
    NO_SUCH_DATA = 2          # in an error word
    WRONG_SIZE = 0x100        # our own code beside the error words: the answer's length was wrong
    # After a time-out, the answer may still come for at least so long.
    OWED_LEAST_NS = 1000000000


cdef struct meter_t:
    station_t head
    uint8_t known[ADDRESS_BYTES]  # its address as it told it, if the file has none
    bint is_known
    ask_t owed                # the request that timed out last; answerable until `owes_until`
    bint is_shy               # it did not tell its address: ask it for data under AA…AA
    const request_t *going_on  # the request whose answer comes in several frames
    uint8_t sequence          # of the frame that is asked for next
    uint16_t gathered_size
    uint8_t gathered[GATHERED_MAX]


cdef inline bint is_any(const uint8_t *address) noexcept nogil:
    cdef size_t i
    for i in range(<size_t>ADDRESS_BYTES):
        if address[i] != ANY:
            return False
    return True


cdef bint enrol(void *session, void *station) noexcept nogil:
    cdef meter_t *m = <meter_t *>station
    if m.head.address_size != ADDRESS_BYTES + 1:
        return False
    return m.head.address[ADDRESS_BYTES] <= PREAMBLE_MAX


cdef int begin(void *session, out_t *out, int64_t now) noexcept nogil:
    (<session_t *>session).window = 1
    return 0


cdef inline const uint8_t *called(const meter_t *m) noexcept nogil:
    if m.is_known:
        return m.known
    return m.head.address


cdef Prep prepare(
    void *session, const plan_t *plan, flight_t *f, out_t *out, int64_t now
) noexcept nogil:
    cdef meter_t *m = <meter_t *>f.station
    cdef ask_t *ask = <ask_t *>f.own
    cdef uint32_t preamble = m.head.address[ADDRESS_BYTES]
    cdef words_t w
    if not read_words(f.request, &w):
        out.quality, out.code = BAD_REFUSED, 0
        return REFUSE
    if m.head.owes_until > now:
        out.until = m.head.owes_until
        return WAIT
    m.head.owes_until = 0
    memset(ask, 0, sizeof(ask_t))
    memcpy(ask.address, called(m), ADDRESS_BYTES)
    if is_any(ask.address) and not m.is_shy:
        ask.control = READ_ADDRESS
        ask.data_bytes = ADDRESS_BYTES
        out.n = put_request(ask, preamble, out.p)
        out.chars = <uint32_t>out.n + answer_chars(0, ADDRESS_BYTES)
        return SEND_FIRST
    memcpy(ask.id, w.id, w.id_bytes)
    ask.id_bytes = w.id_bytes
    ask.control = READ if w.id_bytes == 4 else READ_1997
    ask.data_bytes = ANY_SIZE if w.open else <uint16_t>(w.items * w.item_bytes)
    if m.going_on == f.request and m.sequence and w.id_bytes == 4:
        ask.control = READ_MORE
        ask.sequence = m.sequence
    else:
        m.going_on, m.sequence, m.gathered_size = NULL, 0, 0
    out.n = put_request(ask, preamble, out.p)
    return SEND


cdef inline station_t *meter_of(session_t *s, const uint8_t *address) noexcept nogil:
    """The station with this address; NULL: none of ours."""
    cdef int32_t i
    for i in range(s.station_count):
        if is_address(called(<meter_t *>s.stations[i]), address):
            return s.stations[i]
    return NULL


cdef Verdict refused(take_t *t, uint8_t quality, uint16_t code) noexcept nogil:
    t.quality, t.code = quality, code
    return REFUSED


cdef Verdict wrong_size(take_t *t, const words_t *w) noexcept nogil:
    """A block of unexpected length counts as refused, so that its items are read one by one; a
    single value of unexpected length is a wrong answer.
    """
    return refused(t, BAD_REFUSED if w.items > 1 else BAD_WRONG_ANSWER, WRONG_SIZE)


cdef bint fill(
    const flight_t *f, const words_t *w, const uint8_t *data, size_t size
) noexcept nogil:
    """Puts an answer's data into the row; False if they are not what was asked for."""
    cdef uint8_t value[VALUE_MAX]
    cdef uint32_t i, k, at, item
    cdef uint8_t quality, kind, length
    if size < <size_t>w.items * w.item_bytes or size % w.item_bytes or (
        not w.open and size != <size_t>w.items * w.item_bytes
    ):
        return False
    for i in range(w.parts):
        if w.part[2 * i + 1] & ABSENT:
            mark(f, i, BAD_NO_VALUE)
            continue
        item = w.part[2 * i]
        at = item * w.item_bytes
        for k in range(w.part[2 * i + 1]):
            at += w.value[2 * k + 1]
        kind, length = w.value[2 * w.part[2 * i + 1]], w.value[2 * w.part[2 * i + 1] + 1]
        quality = shape_value(kind, data + at, length, value)
        if not put(f, i, 0, value, row_bytes(kind, length)) or not mark(f, i, quality):
            return False
    return True


cdef Verdict whole(
    session_t *s, meter_t *m, flight_t *f, Found found, const frame_t *frame, take_t *t,
    int64_t now
) noexcept nogil:
    """Handles a frame that answers the request in flight."""
    cdef const ask_t *ask = <const ask_t *>f.own
    cdef words_t w
    t.flight = 0
    t.whose = f.station
    if f.purpose == OWN:
        if found != FOUND_ANSWER:
            m.is_shy = True
            return IN_VAIN
        plain(frame.data, ADDRESS_BYTES, m.known)
        # A meter that answers as AA…AA does so whatever address it is asked by.
        m.is_known = not is_any(m.known) and not is_any(frame.address)
        m.is_shy = not m.is_known
        return ANSWER
    if found == FOUND_REFUSED:
        m.going_on = NULL
        return refused(
            t, BAD_REFUSED if frame.code & NO_SUCH_DATA else BAD_DEVICE_FAILURE, frame.code
        )
    if not read_words(f.request, &w):
        return refused(t, BAD_WRONG_ANSWER, 0)
    if found == FOUND_WRONG_SIZE:
        m.going_on = NULL
        return wrong_size(t, &w)
    if is_any(ask.address):
        memcpy(m.known, frame.address, ADDRESS_BYTES)
        m.is_known = not is_any(m.known)
        if m.is_known:
            # Believe it only when asked by that address: two meters may have answered at once.
            t.until = now
            m.gathered_size = 0
            return AGAIN
    if frame.size > <size_t>(GATHERED_MAX - m.gathered_size):
        m.going_on = NULL
        return refused(t, BAD_WRONG_ANSWER, 0)
    plain(frame.data, frame.size, m.gathered + m.gathered_size)
    m.gathered_size += <uint16_t>frame.size
    if found == FOUND_PARTIAL:
        if w.id_bytes != 4 or m.sequence + 1 >= FRAMES_MAX:
            m.going_on = NULL
            return refused(t, BAD_WRONG_ANSWER, 0)
        m.going_on = f.request
        m.sequence += 1
        return PARTIAL
    m.going_on = NULL
    if not fill(f, &w, m.gathered, m.gathered_size):
        return wrong_size(t, &w)
    return ANSWER


cdef inline size_t dirt(const uint8_t *p, size_t n) noexcept nogil:
    """Bytes of noise before a frame that begins at n; the FE bytes right before it are none."""
    while n and p[n - 1] == 0xFE:
        n -= 1
    return n


cdef Verdict take(
    void *session, const in_t *in_, flight_t *open_, int32_t n, take_t *t, int64_t now
) noexcept nogil:
    cdef session_t *s = <session_t *>session
    cdef flight_t *f = open_ if n else NULL
    cdef const ask_t *ask = <const ask_t *>f.own if n else NULL
    cdef uint8_t echo[REQUEST_MAX]
    cdef frame_t frame
    cdef Found found = find_answer(in_.p, in_.n, ask, &frame)
    cdef size_t front = dirt(in_.p, frame.skip)
    if front:
        # Report the noise first; the next call looks at what comes after it.
        t.used = front
        t.adrift = True
        return NOISE
    if found == FOUND_MORE:
        t.begun = frame.rest > 0
        t.at_least = frame.rest if t.begun else (
            1 if in_.n - frame.skip >= 10 else OVERHEAD - (in_.n - frame.skip)
        )
        return MORE
    t.used = frame.used
    if found == FOUND_DAMAGED:
        t.flight = 0
        return DAMAGED
    if found == FOUND_FOREIGN_REQUEST:
        if ask != NULL and frame.used - frame.skip == put_request(ask, 0, echo) and memcmp(
            echo, in_.p + frame.skip, frame.used - frame.skip
        ) == 0:
            return NOISE  # the line's echo of what was sent
        t.whose = meter_of(s, frame.address)
        return FOREIGN_REQUEST
    if found == FOUND_FOREIGN_ANSWER:
        t.whose = meter_of(s, frame.address)
        # Only the late answer itself ends the wait: this may be an answer to another master.
        if t.whose != NULL and answers(&frame, &(<meter_t *>t.whose).owed):
            t.whose.owes_until = 0
        return FOREIGN_ANSWER
    return whole(s, <meter_t *>f.station, f, found, &frame, t, now)


cdef bint ended(void *session, const flight_t *f, Why why, int64_t now) noexcept nogil:
    cdef meter_t *m = <meter_t *>f.station
    cdef int64_t wait
    m.going_on = NULL
    if why != GARBLED:
        # Behind a serial server the late answer may even come on the next connection.
        wait = now - f.sent
        m.owed = (<const ask_t *>f.own)[0]
        m.head.owes_until = now + (wait if wait > OWED_LEAST_NS else OWED_LEAST_NS)
    if f.purpose == OWN:
        m.is_shy = True
        return True
    # The only meter may have been replaced by another one.
    if why == NO_ANSWER and is_any(m.head.address):
        m.is_known = m.is_shy = False
    return False


cdef bint may_begin(
    void *session, const flight_t *open_, int32_t n, const uint8_t *p, size_t size
) noexcept nogil:
    cdef size_t i = 0
    while i < size and p[i] == 0xFE:
        i += 1
    return i == size or (p[i] == 0x68 and (size - i < 8 or p[i + 7] == 0x68))


cdef protocol_t TABLE
memset(&TABLE, 0, sizeof(protocol_t))
TABLE.abi = PROTOCOL_ABI
TABLE.session_bytes = sizeof(session_t)
TABLE.station_bytes = sizeof(meter_t)
TABLE.line = True
TABLE.name = b"dlt645"
TABLE.enrol = enrol
TABLE.begin = begin
TABLE.prepare = prepare
TABLE.take = take
TABLE.ended = ended
TABLE.may_begin = may_begin

PROTOCOL = PyCapsule_New(<void *>&TABLE, "protocol_t", NULL)
