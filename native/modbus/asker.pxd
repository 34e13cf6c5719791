"""Another asker of the same units: which answers are his.

He is a second master on the bus, or another client of a serial server that shows every answer to
all its clients.

If his request is heard, it claims the next answer that fits it. While that answer is due, an answer
that fits both his request and ours proves nothing, and ours is asked again; this ends when an
answer came that can only be ours (`native.modbus.line`: devices answer in order).

If his requests are not heard (a serial server shows only answers), he is noticed because there are
more answers than we asked for. From then on, until a minute after the last of those, an answer is
surely ours only if none of his had its function and size; else it is uncertain. A refusal has no
size, so it counts as ours only if he is not refused himself.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t
from libc.string cimport memcpy, memset

from native.modbus.codec cimport ask_t, frame_t
from native.modbus.unit cimport (
    CLAIMS,
    DOUBT_ALL,
    DOUBT_REFUSAL,
    FUNCTIONS,
    claim_t,
    modbus_t,
    unit_t,
)

cdef extern from *:
    """
    #define DOUBT_FOR INT64_C(60000000000)
    """
    int64_t DOUBT_FOR


cdef inline bint is_read(uint8_t function) noexcept nogil:
    return 1 <= (function & 0x7F) <= FUNCTIONS


cdef inline bint is_others(
    const unit_t *u, uint8_t function, uint16_t size, int64_t now
) noexcept nogil:
    """Whether an answer with so many bytes of data may be his."""
    cdef uint64_t both
    if now >= u.doubt_until or not is_read(function):
        return False
    both = u.others[0][function - 1][size >> 6 & 3] | u.others[1][function - 1][size >> 6 & 3]
    return (both >> (size & 63)) & 1


cdef inline bint is_others_refusal(const unit_t *u, uint8_t function, int64_t now) noexcept nogil:
    return now < u.doubt_until and ((u.refusing[0] | u.refusing[1]) >> function) & 1


cdef inline void begin_doubt(unit_t *u, int64_t now) noexcept nogil:
    """He was heard now. What he last asked more than two minutes ago is forgotten."""
    if now >= u.doubt_until:
        memset(u.others, 0, sizeof(u.others))
        u.refusing[0] = u.refusing[1] = 0
        u.turned_at = now
    elif now - u.turned_at > DOUBT_FOR:
        memcpy(u.others[1], u.others[0], sizeof(u.others[0]))
        memset(u.others[0], 0, sizeof(u.others[0]))
        u.refusing[1] = u.refusing[0]
        u.refusing[0] = 0
        u.turned_at = now
    u.doubt_until = now + DOUBT_FOR


cdef inline void heard_answer(
    unit_t *u, uint8_t function, uint16_t size, int64_t now
) noexcept nogil:
    """An answer or refusal came that nobody was heard to ask for. `function`: with exception bit.
    """
    begin_doubt(u, now)
    if function & 0x80:
        u.refusing[0] |= <uint8_t>(1 << (function & 0x7F))
    else:
        u.others[0][function - 1][size >> 6 & 3] |= <uint64_t>1 << (size & 63)


cdef inline void claim(
    modbus_t *s, const frame_t *frame, uint16_t data_bytes, int64_t now, int64_t until
) noexcept nogil:
    """His request was heard. If there are too many, the oldest is forgotten."""
    cdef claim_t *c
    if s.claim_count == CLAIMS:
        drop_claim(s, 0)
    c = &s.claims[s.claim_count]
    c.unit, c.function, c.data_bytes = frame.unit, frame.function, data_bytes
    c.heard, c.until = now, until
    s.claim_count += 1


cdef inline void drop_claim(modbus_t *s, int32_t i) noexcept nogil:
    s.claim_count -= 1
    while i < s.claim_count:
        s.claims[i] = s.claims[i + 1]
        i += 1


cdef inline uint8_t doubts_of(const modbus_t *s, const ask_t *ask, int64_t now) noexcept nogil:
    """DOUBT_*: whether the answer to a request sent now may belong to an earlier one of his."""
    cdef const claim_t *c
    cdef uint8_t doubt = 0
    cdef int32_t i
    for i in range(s.claim_count):
        c = &s.claims[i]
        if now < c.until and c.unit == ask.unit and c.function == ask.function:
            doubt = max(doubt, doubt_of(ask, c.data_bytes))
    return doubt


cdef inline uint8_t doubt_of(const ask_t *ask, uint16_t data_bytes) noexcept nogil:
    """The same, where his answer has so many bytes and is by the same function."""
    return DOUBT_ALL if data_bytes == ask.data_bytes else DOUBT_REFUSAL


cdef inline bint is_due_to_him(
    const modbus_t *s, uint8_t unit, uint16_t data_bytes, int64_t now
) noexcept nogil:
    """Whether an answer of this size is."""
    cdef const claim_t *c
    cdef int32_t i
    for i in range(s.claim_count):
        c = &s.claims[i]
        if now < c.until and c.unit == unit and c.data_bytes == data_bytes:
            return True
    return False


cdef inline bint stays_due(
    modbus_t *s, const ask_t *ask, int64_t now, int64_t until
) noexcept nogil:
    """Whether an answer by this function is due to him, which it is until then at least."""
    cdef claim_t *c
    cdef int32_t i
    cdef bint found = False
    for i in range(s.claim_count):
        c = &s.claims[i]
        if now < c.until and c.unit == ask.unit and c.function == ask.function:
            c.until = max(c.until, until)
            found = True
    return found


cdef inline void settle_claims(modbus_t *s, uint8_t unit, int64_t sent) noexcept nogil:
    """What we asked then is answered, so whatever he asked before is answered too, or never is."""
    cdef int32_t i = 0
    while i < s.claim_count:
        if s.claims[i].unit == unit and s.claims[i].heard <= sent:
            drop_claim(s, i)
        else:
            i += 1


cdef inline bint is_his(const claim_t *c, const frame_t *frame) noexcept nogil:
    """Whether an answer fits his request."""
    return (
        c.unit == frame.unit and c.function == (frame.function & 0x7F)
        and (frame.function & 0x80 or c.data_bytes == frame.size)
    )


cdef inline bint claimed(
    modbus_t *s, const frame_t *frame, bint keep, int64_t now
) noexcept nogil:
    """Whether a whole answer is the one to a request of his. That request is then done with, unless
    `keep`: the answer may still be someone else's.
    """
    cdef int32_t i = 0
    while i < s.claim_count:
        if now >= s.claims[i].until:
            drop_claim(s, i)
            continue
        if is_his(&s.claims[i], frame):
            if not keep:
                drop_claim(s, i)
            return True
        i += 1
    return False
