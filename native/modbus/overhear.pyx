"""A bus that belongs to another master: `listen_only`, see native.engine.listening.

On two wires both directions arrive as one stream. Times can't tell its frames apart (adapters bring
bytes in bursts), so the stream is searched for whole read requests by their CRC. An answer is taken
if it follows its request: same unit, function and size, its CRC right, at most JUNK_MOST bytes
between them (a driver that switches direction leaves a spike or two). All else (writes, other
functions, damage) is skipped. Whether an answer is believed: native.modbus.owed.

If we did not look for long (STALLED), the kernel lost bytes, or four bytes or more were no frame
(they may have been a request to anyone), nobody is believed for one `timeout` and the longest
frame; nor at the beginning. Two things can't be noticed: an answer that comes later than that, and
a master that was out of step before and takes one answer for another ever since.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memmove

from native.bytes cimport be16
from native.clock cimport MS
from native.crc cimport crc16_next
from native.engine.listening cimport listened_answer, listened_failure
from native.engine.protocol cimport flight_t, listen_t, mark, put
from native.engine.state cimport link_t
from native.modbus.codec cimport (
    RTU_MAX,
    RTU_REQUEST,
    ask_of,
    ask_t,
    bytes_of,
    count_most,
    quality_of,
    rtu_good,
)
from native.modbus.exchange cimport SPEC
from native.modbus.owed cimport (
    asked_since,
    h,
    owe,
    unit_answered,
    unit_asked,
    unit_unasked,
    wire_time,
)
from native.modbus.unit cimport doubt_ns, modbus_t, unit_of, unit_t
from native.reasons cimport BAD_DAMAGED, BAD_NO_ANSWER, GOOD
from native.wire.transport cimport counters_t

cdef enum:
    # Bytes between a request and its answer that belong to neither. Too few for another request,
    # whose answer would then be taken for that to the request before.
    JUNK_MOST = 3

cdef int64_t STALLED = 150 * MS  # between two looks; the loop looks each 100 ms


cdef bint is_request(const uint8_t *p, ask_t *ask) noexcept nogil:
    """RTU_REQUEST bytes that ask for a read."""
    ask.unit, ask.function, ask.address, ask.count = p[0], p[1], be16(p + 2), be16(p + 4)
    if ask.unit == 0 or not 1 <= ask.function <= 4:
        return False
    ask.data_bytes = bytes_of(ask.function, ask.count)
    return (
        1 <= ask.count <= count_most(ask.function)
        and <uint32_t>ask.address + ask.count <= 65536 and rtu_good(p, RTU_REQUEST)
    )


cdef size_t whole_frame(const uint8_t *p, size_t n) noexcept nogil:
    """Length of the frame, of any function, at the beginning; 0: none."""
    cdef uint16_t crc = 0xFFFF
    cdef size_t i
    if p[0] > 247:
        return 0
    for i in range(min(n, <size_t>RTU_MAX)):
        crc = crc16_next(crc, p[i])
        if crc == 0 and i >= 3:  # as it is behind bytes and their CRC
            return i + 1
    return 0


cdef size_t next_request(const uint8_t *p, size_t at, size_t n) noexcept nogil:
    """Where the first whole request from `at` on begins; `n`: nowhere."""
    cdef ask_t ask
    while at + RTU_REQUEST <= n:
        if is_request(p + at, &ask):
            return at
        at += 1
    return n


cdef void copy_bits(
    uint8_t *to, const uint8_t *data, uint32_t first, uint32_t count
) noexcept nogil:
    """Copies `count` bits from bit `first` of `data` on, the lowest first."""
    cdef uint32_t i, at
    for i in range(count):
        at = first + i
        if i % 8 == 0:
            to[i // 8] = 0
        to[i // 8] |= <uint8_t>((data[at // 8] >> (at % 8) & 1) << (i % 8))


cdef bint overheard(void *session, const flight_t *f, const uint8_t *data) noexcept nogil:
    """If the answer to `heard` covers what `f` asks for, puts its data into the row."""
    cdef const ask_t *ask = &(<modbus_t *>session).heard
    cdef uint8_t bits[RTU_MAX]
    cdef ask_t planned
    cdef uint32_t skip
    if f.request.spec_size != SPEC:
        return False
    ask_of(f.request, &planned)
    if (
        planned.function != ask.function or planned.address < ask.address
        or <uint32_t>planned.address + planned.count > <uint32_t>ask.address + ask.count
    ):
        return False
    if data == NULL:
        return True
    skip = <uint32_t>(planned.address - ask.address)
    if planned.function > 2:
        data += 2 * skip
    else:
        copy_bits(bits, data, skip, planned.count)
        data = bits
    if put(f, 0, 0, data, planned.data_bytes):
        mark(f, 0, GOOD)
    return True


cdef void asked(link_t *l, int64_t now) noexcept nogil:
    """A request was heard."""
    cdef unit_t *u = unit_of(h(l), h(l).heard.unit)
    h(l).hearing = True
    h(l).heard_at = now
    l.counts.requests += 1
    if u != NULL:
        unit_asked(l, u, now)


cdef void doubt(link_t *l, int64_t now) noexcept nogil:
    """Something unknown to us was asked and answered."""
    h(l).doubt_until = now + doubt_ns(l.sessions[0])


cdef void unexplained(link_t *l, size_t n, int64_t now) noexcept nogil:
    """`n` bytes that are no frame are skipped."""
    if n > JUNK_MOST:
        l.counts.wrong += 1
        doubt(l, now)


cdef void passed_by(link_t *l, const uint8_t *p, size_t n, int64_t now) noexcept nogil:
    """A frame that is no read request; an answer in doubt is one whose request was before it."""
    cdef unit_t *u = unit_of(h(l), p[0])
    if u == NULL or n < 5 or not 1 <= (p[1] & 0x7F) <= 4 or now < h(l).doubt_until:
        return
    unit_unasked(l, u, p[1], <uint16_t>(n - 5), now)


cdef void answered(link_t *l, const uint8_t *data, uint8_t code, int64_t now) noexcept nogil:
    """The last request heard was answered with `data`, or the exception `code`."""
    cdef unit_t *u = unit_of(h(l), h(l).heard.unit)
    cdef int64_t since = 0
    h(l).hearing = False
    l.counts.busy_ns += wire_time(l, h(l).heard.data_bytes if data != NULL else 0)
    if u == NULL:
        l.counts.answers += 1
        return
    if h(l).heard_at >= h(l).doubt_until:
        since = asked_since(l, u, data != NULL, now)
    else:
        unit_answered(l, u, now)
    listened_answer(l, &u.head, data, quality_of(code), code, h(l).heard_at, since, now)


cdef void failed(link_t *l, uint8_t cause, int64_t now) noexcept nogil:
    """The last request heard got no answer, or a damaged one. What its unit says soon may be that
    answer, late.
    """
    cdef unit_t *u = unit_of(h(l), h(l).heard.unit)
    h(l).hearing = False
    listened_failure(l, &u.head if u != NULL else NULL, cause, h(l).heard_at, now)
    if u != NULL and cause == BAD_DAMAGED:
        unit_answered(l, u, now)
    elif u != NULL:
        owe(l, u, &h(l).heard, h(l).heard_at)


cdef ssize_t damaged_there(
    link_t *l, const uint8_t *p, size_t at, size_t whole, size_t n, int64_t now
) noexcept nogil:
    """Whether a damaged answer of `whole` bytes begins at `at`: where it ends; 0: too early to
    tell; -1: no. If the next request is there, all of the answer that will come is before it.
    """
    cdef size_t behind = next_request(p, at, n)
    if behind < at + whole and behind < n:
        return -1  # what began was cut short, and the next request is among its bytes
    if behind == n and n != at + whole and n < at + whole + RTU_REQUEST:
        return 0
    if behind != at + whole and n != at + whole:
        return -1
    failed(l, BAD_DAMAGED, now)
    return <ssize_t>(at + whole)


cdef ssize_t find_heard(link_t *l, const uint8_t *p, size_t n, int64_t now) noexcept nogil:
    """Looks for the answer to `heard` at the beginning: its length; 0: not all there yet; -1: it
    does not come.
    """
    cdef size_t whole, at
    cdef ssize_t took
    for at in range(<size_t>JUNK_MOST + 1):
        if n < at + 3:
            return 0
        if p[at] != h(l).heard.unit:
            continue
        if p[at + 1] == h(l).heard.function and p[at + 2] == <uint8_t>h(l).heard.data_bytes:
            whole = 5 + <size_t>h(l).heard.data_bytes
        elif p[at + 1] == h(l).heard.function | 0x80:
            whole = 5
        else:
            continue
        if n >= at + whole and rtu_good(p + at, whole):
            if whole == 5 and p[at + 1] & 0x80:
                answered(l, NULL, p[at + 2], now)
            else:
                answered(l, p + at + 3, 0, now)
            return <ssize_t>(at + whole)
        took = damaged_there(l, p, at, whole, n, now)
        if took >= 0:
            return took
    # If the next request follows right after it, its head may be what is damaged. But a damaged
    # request to another unit may be as long, and so may another unit's sound answer.
    whole = 5 + <size_t>h(l).heard.data_bytes
    if whole == RTU_REQUEST or whole_frame(p, n) or next_request(p, 0, n) < min(whole, n):
        return -1
    return 0 if n == whole else damaged_there(l, p, 0, whole, n, now)


cdef bint is_over(link_t *l, int64_t now) noexcept nogil:
    """Whether the wait for the answer to `heard` is over."""
    return now - h(l).heard_at > l.timeout_ns + wire_time(l, h(l).heard.data_bytes)


cdef void overhear(void *link, int64_t now) noexcept nogil:
    """Takes what has arrived: requests, and the answers that follow them."""
    cdef link_t *l = <link_t *>link  # no-cython-lint
    cdef size_t at = 0, n, skip
    cdef ssize_t took
    while at < l.input.size:
        n = l.input.size - at
        if h(l).hearing:
            took = find_heard(l, l.input.bytes + at, n, now)
            if took > 0:
                at += <size_t>took
                continue
            if took == 0 and not is_over(l, now):
                break
            if took == 0 and n == 5 + <size_t>h(l).heard.data_bytes and n != RTU_REQUEST:
                failed(l, BAD_DAMAGED, now)  # in its head
                at += n
                break
            failed(l, BAD_NO_ANSWER, now)
        if n >= RTU_REQUEST and is_request(l.input.bytes + at, &h(l).heard):
            asked(l, now)
            at += RTU_REQUEST
            continue
        skip = whole_frame(l.input.bytes + at, n)
        if skip:
            passed_by(l, l.input.bytes + at, skip, now)  # at once: when it came counts
        elif n < RTU_REQUEST:
            break
        else:
            # Not all of it is here yet, or what is no frame ends where the next request begins.
            skip = next_request(l.input.bytes, at + 1, l.input.size) - at
            if skip == n:
                if n <= RTU_MAX + RTU_REQUEST:
                    break
                skip = n - RTU_MAX
            unexplained(l, skip, now)
        at += skip
    if h(l).hearing and at == l.input.size and is_over(l, now):
        failed(l, BAD_NO_ANSWER, now)
    l.input.size -= at
    memmove(l.input.bytes, l.input.bytes + at, l.input.size)


cdef void overhear_arrived(void *link, int64_t empty_at, int64_t now) noexcept nogil:
    """Called before bytes are read that came since `empty_at`: checks whether their time is known,
    and whether some were lost.
    """
    cdef link_t *l = <link_t *>link  # no-cython-lint
    cdef counters_t line
    if l.port.ops.counters(l.port, &line) == 0 and line.overrun != h(l).overruns:
        h(l).overruns = line.overrun
        doubt(l, now)
    if now - empty_at > STALLED:
        doubt(l, now)


cdef listen_t OVERHEAR
OVERHEAR.arrived, OVERHEAR.take, OVERHEAR.fill = overhear_arrived, overhear, overheard
