"""S7 communication over ISO on TCP: the reading services. No function here can encode a write.

Sources: RFC 1006 (TPKT), ISO 8073 class 0 (connection request, confirm, data, disconnect). Siemens
has never published the S7 PDU; this code agrees byte for byte with the Snap7 server and with
nodes7, against which the tests run.

An answer belongs to a request if reference, function, number of items and the length of each item
match. The caller compares the reference, this module everything else. A failed item has a head and
no data, whatever length it names. An item of odd length is followed by a fill byte of any value;
the last item may have one or none.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

from native.bytes cimport be16, put_be16

cdef enum:
    DATA = 0xF0
    CONFIRM = 0xD0
    DISCONNECT = 0x80
    TPDU_ERROR = 0x70
    READ = 0x04
    SETUP = 0xF0
    SIZE_BYTE = 0x02
    SIZE_COUNTER = 0x1C
    SIZE_TIMER = 0x1D


cdef inline size_t put_head(
    uint8_t kind, uint16_t reference, uint32_t params, uint32_t data, uint8_t *out
) noexcept nogil:
    """TPKT, COTP and S7 head of what is sent; returns where its parameters begin."""
    out[0], out[1] = 3, 0
    put_be16(out + 2, 17 + params + data)
    out[4], out[5], out[6] = 2, DATA, 0x80
    out[7], out[8], out[9], out[10] = 0x32, kind, 0, 0
    put_be16(out + 11, reference)
    put_be16(out + 13, params)
    put_be16(out + 15, data)
    return 17


cdef size_t put_connect(uint16_t local, uint16_t remote, uint8_t *out) noexcept nogil:
    """The connection request: 1,024 bytes a TPDU, our TSAP and the one that is called."""
    out[0], out[1], out[2], out[3] = 3, 0, 0, 22
    out[4], out[5] = 17, 0xE0
    memset(out + 6, 0, 5)
    out[9] = 1
    out[11], out[12], out[13] = 0xC0, 1, 10
    out[14], out[15] = 0xC1, 2
    put_be16(out + 16, local)
    out[18], out[19] = 0xC2, 2
    put_be16(out + 20, remote)
    return 22


cdef size_t put_setup(uint16_t reference, const setup_t *wanted, uint8_t *out) noexcept nogil:
    cdef size_t at = put_head(1, reference, 8, 0, out)
    out[at], out[at + 1] = SETUP, 0
    put_be16(out + at + 2, wanted.jobs)
    put_be16(out + at + 4, wanted.jobs)
    put_be16(out + at + 6, wanted.pdu)
    return at + 8


cdef size_t put_read(
    uint16_t reference, const uint8_t *items, uint32_t count, uint8_t *out
) noexcept nogil:
    """Write a read of at most REQUEST_MAX bytes; the caller keeps JOB_HEAD + ITEM x count within
    the PDU.
    """
    cdef size_t at = put_head(1, reference, 2 + ITEM * count, 0, out)
    out[at], out[at + 1] = READ, <uint8_t>count
    memcpy(out + at + 2, items, ITEM * count)
    return at + 2 + ITEM * count


cdef size_t put_state(uint16_t reference, uint8_t *out) noexcept nogil:
    """Reads the system status list 0424, the CPU's mode."""
    cdef size_t at = put_head(7, reference, 8, 8, out)
    memcpy(out + at, b"\x00\x01\x12\x04\x11\x44\x01\x00\xff\x09\x00\x04\x04\x24\x00\x00", 16)
    return at + 16


cdef uint32_t item_bytes(const uint8_t *item) noexcept nogil:
    cdef uint32_t count = be16(item + 4)
    if item[0] != 0x12 or item[1] != 10 or item[2] != 0x10:
        return 0
    if item[3] == SIZE_BYTE:
        return count
    if item[3] == SIZE_COUNTER or item[3] == SIZE_TIMER:
        return 2 * count
    return 0


cdef bint parse_pdu(const uint8_t *p, uint32_t n, pdu_t *pdu) noexcept nogil:
    """Splits an S7 PDU; False where its own lengths do not fit into it."""
    cdef uint32_t head = 10
    if n < 10 or p[0] != 0x32:
        return False
    pdu.kind = p[1]
    pdu.reference = be16(p + 4)
    pdu.error = 0
    if p[1] == 2 or p[1] == 3:
        head = 12
        if n < 12:
            return False
        pdu.error = be16(p + 10)
    elif p[1] != 1 and p[1] != 7:
        return False
    pdu.params_n = be16(p + 6)
    pdu.data_n = be16(p + 8)
    if head + pdu.params_n + pdu.data_n > n:
        return False
    pdu.params = p + head
    pdu.data = p + head + pdu.params_n
    return True


cdef Met take_tpkt(
    reader_t *reader, const uint8_t *p, size_t length, frame_t *frame
) noexcept nogil:
    """One whole TPKT; MORE if it is a fragment, or empty."""
    cdef size_t head = <size_t>p[4] + 1
    cdef uint8_t kind = p[5] & 0xF0
    cdef const uint8_t *payload = p + TPKT + head
    cdef size_t size
    cdef bint is_joined = False
    if head < 3 or TPKT + head > length:
        return MET_BROKEN
    if kind == CONFIRM:
        return MET_CONFIRM
    if kind == DISCONNECT or kind == TPDU_ERROR:
        return MET_HANG_UP
    if kind != DATA:
        return MET_BROKEN
    size = length - TPKT - head
    if reader.kept + size > PDU_MAX:
        return MET_BROKEN
    if reader.kept or not p[6] & 0x80:
        memcpy(reader.pdu + reader.kept, payload, size)
        reader.kept += <uint32_t>size
        if not p[6] & 0x80:
            return MET_MORE
        payload, size = reader.pdu, reader.kept
        reader.kept = 0
        is_joined = True
    if size == 0:
        return MET_MORE
    if not parse_pdu(payload, <uint32_t>size, &frame.pdu):
        return MET_BROKEN
    # Fragments that are longer than what they make are not of one PDU.
    if is_joined and frame.pdu.data + frame.pdu.data_n != payload + size:
        return MET_BROKEN
    return MET_PDU


cdef bint begins(const uint8_t *p, size_t n) noexcept nogil:
    cdef uint8_t kind
    if p[0] != 3 or (n > 1 and p[1] != 0):
        return False
    if n >= TPKT and not TPKT + 3 <= be16(p + 2) <= FRAME_MAX:
        return False
    if n < TPKT + 2:
        return True
    kind = p[5] & 0xF0
    return kind == DATA or kind == CONFIRM or kind == DISCONNECT or kind == TPDU_ERROR


cdef bint begins_pdu(const uint8_t *p, size_t n) noexcept nogil:
    """The heads of an answer that is no fragment, or what there is of them. A COTP head has two
    bytes behind its length.
    """
    return (
        begins(p, n) and (n <= 4 or p[4] == 2) and (n <= 5 or p[5] == DATA)
        and (n <= 7 or p[7] == 0x32) and (n <= 8 or p[8] == 2 or p[8] == 3 or p[8] == 7)
    )


cdef bint begins_sent(const uint8_t *p, uint16_t reference) noexcept nogil:
    return begins_pdu(p, HEADS) and (
        <uint16_t>(reference - 1 - be16(p + HEADS - 2)) < SENT_LATELY
    )


cdef Met next_pdu(reader_t *reader, const uint8_t *p, size_t n, frame_t *frame) noexcept nogil:
    """Takes in TPKTs until one of them completes a PDU, or is something else."""
    cdef size_t length
    cdef Met met
    frame.used = 0
    while n:
        if not begins(p, n):
            return MET_ADRIFT
        if n < TPKT:
            return MET_MORE
        length = be16(p + 2)
        if n < length:
            return MET_MORE
        met = take_tpkt(reader, p, length, frame)
        frame.used += length
        if met != MET_MORE:
            return met
        p += length
        n -= length
    return MET_MORE


cdef Reply match_setup(const pdu_t *pdu, uint16_t reference, setup_t *granted) noexcept nogil:
    if (pdu.kind != 2 and pdu.kind != 3) or pdu.reference != reference:
        return REPLY_FOREIGN
    if pdu.error:
        return REPLY_REFUSED
    if pdu.params_n < 8 or pdu.params[0] != SETUP:
        return REPLY_FOREIGN
    granted.jobs = be16(pdu.params + 2)
    granted.pdu = be16(pdu.params + 6)
    return REPLY_ANSWER


cdef inline uint32_t said_bytes(const uint8_t *head) noexcept nogil:
    """Length in bytes that a good item's head says; sizes 3 to 5 say it in bits."""
    cdef uint32_t length = be16(head + 2)
    return (length + 7) // 8 if 3 <= head[1] <= 5 else length


cdef Reply match_read(const pdu_t *pdu, const uint8_t *items, uint32_t count) noexcept nogil:
    cdef uint32_t at = 0, i, size, told
    if pdu.kind != 2 and pdu.kind != 3:
        return REPLY_FOREIGN
    if pdu.error:
        return REPLY_REFUSED
    if pdu.params_n < 2 or pdu.params[0] != READ:
        return REPLY_FOREIGN
    told = pdu.params[1]
    if told == 0 or told > count:
        return REPLY_FOREIGN
    for i in range(told):
        if at + ITEM_HEAD > pdu.data_n:
            return REPLY_FOREIGN
        size = 0
        if pdu.data[at] == ITEM_OK:
            size = said_bytes(pdu.data + at)
            if size != item_bytes(items + ITEM * i) or at + ITEM_HEAD + size > pdu.data_n:
                return REPLY_FOREIGN
        at += ITEM_HEAD + size
        if i + 1 < told:
            at += size & 1
    # At most a fill byte may follow the last item: else the items were split at wrong places.
    if pdu.data_n - at > 1:
        return REPLY_FOREIGN
    return REPLY_ANSWER if told == count else REPLY_SHORT


cdef void next_item(const pdu_t *pdu, uint32_t *at, item_t *item) noexcept nogil:
    cdef const uint8_t *head = pdu.data + at[0]
    item.code = head[0]
    item.data = head + ITEM_HEAD
    item.size = said_bytes(head) if head[0] == ITEM_OK else 0
    at[0] += ITEM_HEAD + item.size + (item.size & 1)


cdef Reply match_state(const pdu_t *pdu, uint8_t *state) noexcept nogil:
    if pdu.kind != 7 or pdu.params_n < 12 or pdu.params[5] != 0x84:
        return REPLY_FOREIGN
    if be16(pdu.params + 10) or (pdu.data_n and pdu.data[0] != ITEM_OK):
        return REPLY_REFUSED
    # Head of the item, list, index, length and number of records; the fourth byte of the first.
    if pdu.data_n < 16 or be16(pdu.data + 4) != 0x0424:
        return REPLY_FOREIGN
    state[0] = pdu.data[15]
    return REPLY_ANSWER


class S7RefusedError(Exception):
    """The CPU refused the request as a whole; `code`: its error class and code."""

    def __init__(self, code):
        super().__init__(f"S7 error 0x{code:04X}")
        self.code = code


cdef class Codec:
    """One connection, one exchange at a time, for tools and tests: `connect`, `setup`, `read` and
    `state` return the bytes to send, `feed` finds the answer to the last of them.
    """

    cdef reader_t reader
    cdef bytes input
    cdef bytes asked
    cdef str what
    cdef uint16_t reference

    def __init__(self):
        self.input, self.asked, self.what = b"", b"", ""
        self.reference = 0xFFFF
        self.reader.kept = 0

    def connect(self, int local, int remote) -> bytes:
        """The connection request of two TSAPs, 0 to 65535."""
        cdef uint8_t out[22]
        if not (0 <= local <= 0xFFFF and 0 <= remote <= 0xFFFF):
            raise ValueError(f"no TSAP: {local}, {remote}")
        self.what = "connect"
        return out[:put_connect(local, remote, out)]

    def setup(self, int pdu=PDU_MAX, int jobs=1) -> bytes:
        """The negotiation: a PDU of `pdu` bytes (64 to 960) and `jobs` requests at once (1 up)."""
        cdef uint8_t out[25]
        cdef setup_t wanted
        if not (PDU_MIN <= pdu <= PDU_MAX and 1 <= jobs <= 0xFFFF):
            raise ValueError(f"nothing to propose: PDU {pdu}, {jobs} jobs")
        wanted.pdu, wanted.jobs = pdu, jobs
        self.what = "setup"
        self.reference += 1
        return out[:put_setup(self.reference, &wanted, out)]

    def read(self, bytes items) -> bytes:
        """A read of items as drivers.s7 encodes them, 12 bytes each. Raises ValueError for what is
        no item that reads, for none, and for more than the longest PDU holds.
        """
        cdef uint8_t out[REQUEST_MAX]
        cdef const uint8_t *p = items
        cdef uint32_t i, count = <uint32_t>(len(items) // ITEM)
        if len(items) % ITEM or not 1 <= count <= (PDU_MAX - JOB_HEAD) // ITEM:
            raise ValueError(f"{len(items)} bytes are no items of one request")
        for i in range(count):
            if item_bytes(p + ITEM * i) == 0:
                raise ValueError(f"item {i} reads nothing: {items[12 * i:12 * i + 12].hex()}")
        self.what, self.asked = "read", items
        self.reference += 1
        return out[:put_read(self.reference, p, count, out)]

    def state(self) -> bytes:
        """Asks for the CPU's mode."""
        cdef uint8_t out[33]
        self.what = "state"
        self.reference += 1
        return out[:put_state(self.reference, out)]

    def feed(self, bytes data):
        """(result, found), where found depends on what was sent last:

        "confirm"  of connect: None
        "setup"    (PDU bytes, jobs) granted
        "read"     [(return code, data)] of the items; fewer than asked for where the CPU cut them
        "state"    8 run, 4 stop, or what else the CPU says
        "more", "foreign", "hung up", "broken": None

        Raises S7RefusedError when the CPU refused the whole. Call again with b"" after "foreign".
        """
        cdef frame_t frame
        cdef const uint8_t *p
        cdef Met met
        self.input += data
        p = self.input
        met = next_pdu(&self.reader, p, <size_t>len(self.input), &frame)
        try:
            if met == MET_PDU:
                return self.judge(&frame.pdu)
        finally:
            self.input = self.input[frame.used:]
        if met == MET_CONFIRM:
            return ("confirm" if self.what == "connect" else "foreign"), None
        return ("more", "", "", "hung up", "broken", "broken")[met], None

    cdef object judge(self, const pdu_t *pdu):
        cdef Reply reply = REPLY_FOREIGN
        cdef setup_t granted = setup_t(0, 0)
        cdef uint8_t state = 0
        cdef const uint8_t *asked = self.asked
        found = None
        if self.what != "connect" and pdu.reference == self.reference:
            if self.what == "setup":
                reply = match_setup(pdu, self.reference, &granted)
                found = (granted.pdu, granted.jobs) if reply == REPLY_ANSWER else None
            elif self.what == "read":
                reply = match_read(pdu, asked, <uint32_t>(len(self.asked) // ITEM))
                found = items_of(pdu) if reply <= REPLY_SHORT else None
            elif self.what == "state":
                reply = match_state(pdu, &state)
                found = state
        if reply == REPLY_REFUSED:
            raise S7RefusedError(pdu.error or be16(pdu.params + 10) or pdu.data[0])
        return ("foreign", None) if reply == REPLY_FOREIGN else (self.what, found)


cdef list items_of(const pdu_t *pdu):
    cdef uint32_t at = 0
    cdef item_t item
    found = []
    for _ in range(pdu.params[1]):
        next_item(pdu, &at, &item)
        found.append((item.code, item.data[:item.size]))
    return found
