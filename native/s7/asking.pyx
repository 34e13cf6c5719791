"""A read, which may take several questions: everything that can be read is read within the scan,
whatever else of the request is refused.

A request's `spec`, made by drivers/s7/request:

    1 byte    number of items, 0: the CPU's state
    12 bytes  each item, as on the wire
    6 bytes   each part, in the order of the items and of where they begin: kind (native/s7/shape;
              0: bytes as they are), number of the item, then two bytes each: offset in the item,
              and how many bytes, or characters of a text

First all items are asked for, in one question if the PDU has room. If an item is refused, its
parts are asked for one by one, since the CPU does not say which of them can't be read. Besides:

* If an item does not fit the connection's PDU (the plan was made for a CPU that granted more), it
  is asked for as runs of its parts. No part is ever cut.
* If a read is refused as too long (85 00), half of its items are asked for, down to a single one.
  If that is refused as well, and is longer than what every CPU takes, it is asked for as runs of
  that length.
* If an answer holds only the first items, the rest is asked for, as many at once as came.
* Any other refusal (not permitted, protected) concerns every read and ends this one.

The state of a read in flight is kept in its own bytes. A part that is still to be asked for has the
quality BAD_NOT_ASKED in the row.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from native.bytes cimport be16, put_be16
from native.engine.protocol cimport TOLD_MOST, flight_t, mark, put, take_t
from native.reasons cimport (
    BAD_BUSY,
    BAD_DEVICE_FAILURE,
    BAD_NOT_A_VALUE,
    BAD_NOT_ASKED,
    BAD_REFUSED,
)
from native.rows.store cimport layout_t, request_t, row_status
from native.s7.codec cimport (
    ANSWER_HEAD,
    ITEM,
    ITEM_HEAD,
    ITEM_OK,
    ITEMS_MAX,
    JOB_HEAD,
    REPLY_FOREIGN,
    REPLY_REFUSED,
    Reply,
    item_bytes,
    item_t,
    match_read,
    next_item,
    pdu_t,
)
from native.s7.shape cimport reshape, row_bytes, text_most, wire_bytes

cdef enum:
    WORD = 6
    PDU_LEAST = 240   # every CPU takes it
    NO_BLOCK = 0x0A   # an item's code: nothing of it can be read


cdef struct own_t:
    # At most OWN_BYTES.
    uint16_t reference
    uint8_t begun
    uint8_t singly     # the items are done: now the parts that are left, one by one
    uint16_t next      # the first part that is asked for now
    uint16_t ahead     # the first part after those that are asked for now
    uint8_t most       # items at once, after a refusal; 0: as many as there is room for
    uint8_t cap        # how many items an incomplete answer held
    uint8_t flags
    uint16_t code      # of the last refusal

cdef enum Flag:
    GOT = 1   # something was read
    LEFT = 2  # parts are left to be asked for singly
    CUT = 4   # no longer than PDU_LEAST


cdef struct word_t:
    uint8_t kind
    uint8_t item
    uint16_t at
    uint16_t room      # bytes, or characters of a text
    uint32_t size      # bytes in the CPU


cdef inline own_t *own_of(const flight_t *f) noexcept nogil:
    return <own_t *>f.own


cdef void set_reference(flight_t *f, uint16_t reference) noexcept nogil:
    own_of(f).reference = reference
    own_of(f).begun = True


cdef uint16_t reference_of(const flight_t *f) noexcept nogil:
    return own_of(f).reference


cdef bint is_begun(const flight_t *f) noexcept nogil:
    return own_of(f).begun


cdef inline const uint8_t *item_of(const request_t *r, uint32_t item) noexcept nogil:
    return r.spec + 1 + ITEM * item


cdef inline void word_of(const request_t *r, uint32_t part, word_t *w) noexcept nogil:
    cdef const uint8_t *p = r.spec + 1 + ITEM * r.spec[0] + WORD * part
    w.kind, w.item, w.at, w.room = p[0], p[1], be16(p + 2), be16(p + 4)
    w.size = wire_bytes(w.kind, w.room) if w.kind else w.room


cdef bint sound(const layout_t *layout, const request_t *r) noexcept nogil:
    cdef uint32_t items, i, last = 0, at = 0
    cdef word_t w
    if r.spec_size < 1:
        return False
    items = r.spec[0]
    if items == 0:
        return r.spec_size == 1 and r.part_count == 1
    if r.spec_size != 1 + ITEM * items + WORD * r.part_count:
        return False
    for i in range(items):
        if item_bytes(item_of(r, i)) == 0:
            return False
    for i in range(r.part_count):
        word_of(r, i, &w)
        if w.item >= items or w.item < last or w.size == 0:
            return False
        if w.item == last and w.at < at:
            return False
        last, at = w.item, w.at
        if w.kind and w.room > text_most(w.kind):
            return False
        if w.at + w.size > item_bytes(item_of(r, w.item)):
            return False
        if is_numbered(item_of(r, w.item)) and (w.at & 1 or w.size & 1):
            return False
        if layout.parts[r.first_part + i].bytes < (
            row_bytes(w.kind, w.room) if w.kind else w.size
        ):
            return False
    return True


cdef inline bint is_numbered(const uint8_t *item) noexcept nogil:
    """Timers and counters: two bytes each, and counted."""
    return item[3] == item[8] and item[8] < 0x80


cdef void put_item(
    const uint8_t *item, uint32_t begin, uint32_t size, uint8_t *out
) noexcept nogil:
    """`size` bytes of an item, from `begin` on."""
    cdef uint32_t address = item[9] << 16 | item[10] << 8 | item[11]
    memcpy(out, item, ITEM)
    if is_numbered(item):
        put_be16(out + 4, size // 2)
        address += begin // 2
    else:
        put_be16(out + 4, size)
        address += 8 * begin
    out[9], out[10], out[11] = address >> 16 & 0xFF, address >> 8 & 0xFF, address & 0xFF


cdef inline uint8_t *status_of(const flight_t *f) noexcept nogil:
    return row_status(f.layout.scratch) + f.request.first_part


cdef uint32_t reach(
    const request_t *r, uint32_t part, bint singly, uint32_t longest, word_t *w, uint32_t *end
) noexcept nogil:
    """What one item may read from a part on: from `w.at` to `end`; and the next part after it."""
    cdef uint32_t behind = part + 1
    cdef word_t other
    cdef bint is_whole
    word_of(r, part, w)
    end[0] = w.at + w.size
    if singly:
        return behind
    if part:
        word_of(r, part - 1, &other)
    is_whole = (part == 0 or other.item != w.item) and item_bytes(item_of(r, w.item)) <= longest
    while behind < r.part_count:
        word_of(r, behind, &other)
        if other.item != w.item:
            break
        if not is_whole and max(end[0], other.at + other.size) - w.at > longest:
            break
        end[0] = max(end[0], other.at + other.size)
        behind += 1
    if is_whole:
        w.at, end[0] = 0, item_bytes(item_of(r, w.item))
    return behind


cdef bint choose(const flight_t *f, uint32_t pdu, asked_t *asked) noexcept nogil:
    cdef const request_t *r = f.request
    cdef own_t *own = own_of(f)
    cdef uint32_t part = own.next, behind, size, end = 0, used = ANSWER_HEAD, n = 0, most
    cdef word_t w
    if own.flags & CUT and pdu > PDU_LEAST:
        pdu = PDU_LEAST
    most = min(<uint32_t>ASKED_MOST, (pdu - JOB_HEAD) // ITEM)
    if own.most:
        most = min(most, <uint32_t>own.most)
    if own.cap:
        most = min(most, <uint32_t>own.cap)
    while n < most:
        if part >= r.part_count and not own.singly and n == 0 and own.flags & LEFT:
            own.singly = True
            part = 0
        if part >= r.part_count:
            break
        if own.singly and status_of(f)[part] != BAD_NOT_ASKED:
            part += 1
            continue
        behind = reach(r, part, own.singly, (pdu - ANSWER_HEAD - ITEM_HEAD) & ~1, &w, &end)
        size = end - w.at
        if ANSWER_HEAD + ITEM_HEAD + size > pdu:
            mark(f, part, BAD_REFUSED)  # it fits no answer
            own.code = CODE_TOO_LONG
            part = behind
            continue
        if n and used + ITEM_HEAD + size > pdu:
            break
        used += ITEM_HEAD + size + (size & 1)
        put_item(item_of(r, w.item), w.at, size, asked.items + ITEM * n)
        if n == 0:
            own.next = <uint16_t>part
        asked.first[n], asked.parts[n] = <uint16_t>part, <uint16_t>(behind - part)
        asked.begin[n] = w.at
        n += 1
        part = behind
    own.ahead = <uint16_t>part
    asked.count = n
    return n > 0


cdef void tell(take_t *t, uint32_t part, uint16_t code) noexcept nogil:
    """Tells the driver; if there is no room for more, a later answer tells it again."""
    if t.told_count < TOLD_MOST:
        t.told[t.told_count].part = <uint16_t>part
        t.told[t.told_count].code = code
        t.told_count += 1


cdef inline uint8_t quality_of(uint16_t code) noexcept nogil:
    """Quality for an item's return code: 01 is a hardware fault, all others are refusals."""
    return BAD_DEVICE_FAILURE if code == 1 else BAD_REFUSED


cdef void fail(
    const flight_t *f, const asked_t *asked, uint32_t n, uint16_t code, take_t *t
) noexcept nogil:
    """An item was refused; its parts may still be read one by one."""
    cdef own_t *own = own_of(f)
    cdef uint32_t part
    cdef word_t w
    own.code = code
    word_of(f.request, asked.first[n], &w)
    if not own.singly and code != NO_BLOCK and item_bytes(asked.items + ITEM * n) > w.size:
        own.flags |= LEFT
        tell(t, asked.first[n], CODE_APART)
        return
    for part in range(asked.first[n], <uint32_t>asked.first[n] + asked.parts[n]):
        mark(f, part, quality_of(code))
    tell(t, asked.first[n], code)


cdef void store(
    const flight_t *f, const asked_t *asked, uint32_t n, const uint8_t *data, uint8_t good
) noexcept nogil:
    """The parts that an item brings."""
    cdef uint8_t value[256]
    cdef const uint8_t *p
    cdef uint32_t part
    cdef word_t w
    for part in range(asked.first[n], <uint32_t>asked.first[n] + asked.parts[n]):
        word_of(f.request, part, &w)
        p = data + w.at - asked.begin[n]
        if w.kind == 0:
            if put(f, part, 0, p, w.size):
                mark(f, part, good)
        elif not reshape(w.kind, p, value, w.room):
            mark(f, part, BAD_NOT_A_VALUE)
        elif put(f, part, 0, value, row_bytes(w.kind, w.room)):
            mark(f, part, good)
    own_of(f).flags |= GOT


cdef Step finished(const flight_t *f, uint32_t granted, take_t *t) noexcept nogil:
    cdef own_t *own = own_of(f)
    cdef asked_t rest
    if own.next < f.request.part_count or own.flags & LEFT:
        if choose(f, granted, &rest):
            return STEP_ON
    if own.flags & GOT:
        return STEP_DONE
    t.quality, t.code = quality_of(own.code), own.code
    return STEP_REFUSED


cdef Step refused(
    const flight_t *f, uint32_t granted, const asked_t *asked, uint16_t code, take_t *t
) noexcept nogil:
    """The read was refused as a whole: error class and code."""
    cdef own_t *own = own_of(f)
    cdef uint8_t kind = code >> 8
    if kind == 0x83:  # no resources now
        t.quality, t.code = BAD_BUSY, code
        return STEP_BUSY
    if kind != 0x82 and kind != 0x84 and kind != 0x85 and kind != 0x87:
        t.quality, t.code = BAD_REFUSED, code
        return STEP_REFUSED
    if asked.count > 1 or (
        code == CODE_TOO_LONG and granted > PDU_LEAST and not own.flags & CUT
        and ANSWER_HEAD + ITEM_HEAD + item_bytes(asked.items) > PDU_LEAST
    ):
        if code == CODE_TOO_LONG:
            tell(t, asked.count, CODE_SPLIT)
        if asked.count > 1:
            own.most = <uint8_t>(asked.count // 2)
        else:
            own.flags |= CUT
        return STEP_ON
    fail(f, asked, 0, code, t)
    own.next = own.ahead
    return finished(f, granted, t)


cdef Step proceed(
    const flight_t *f, uint32_t granted, const pdu_t *pdu, uint8_t good, take_t *t
) noexcept nogil:
    cdef own_t *own = own_of(f)
    cdef asked_t asked
    cdef uint32_t at = 0, n, told
    cdef item_t item
    cdef Reply reply
    if not choose(f, granted, &asked):
        return STEP_FOREIGN
    reply = match_read(pdu, asked.items, asked.count)
    if reply == REPLY_FOREIGN:
        return STEP_FOREIGN
    if reply == REPLY_REFUSED:
        return refused(f, granted, &asked, pdu.error, t)
    told = pdu.params[1]
    own.next = own.ahead if told == asked.count else asked.first[told]
    if told < asked.count:
        own.cap = <uint8_t>told
        tell(t, told, CODE_SHORT)
    if own.most:
        own.most = <uint8_t>min(2 * own.most, ITEMS_MAX)
    for n in range(told):
        next_item(pdu, &at, &item)
        if item.code == ITEM_OK:
            store(f, &asked, n, item.data, good)
        else:
            fail(f, &asked, n, item.code, t)
    return finished(f, granted, t)
