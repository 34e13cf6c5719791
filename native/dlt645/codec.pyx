"""Frames of DL/T 645-2007 (and -1997) that read. No function here can encode a frame that sets,
freezes or clears anything: `put_request` knows four control codes.

A frame is 68, six bytes of address, 68, control, length, data, sum, 16; 33H is added to each byte
of data, and all numbers go low byte first. FE bytes may come before it. Some meters send none, and
a transceiver that switches direction late cuts some off, so their number means nothing here. A
frame is accepted as soon as its last byte is there. It is searched for at every 68, because noise,
a truncated frame, or a frame of another protocol may come first, and 68 and 16 occur inside data.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset


cdef inline uint8_t sum_of(const uint8_t *p, size_t n) noexcept nogil:
    cdef uint32_t total = 0
    cdef size_t i
    for i in range(n):
        total += p[i]
    return <uint8_t>total


cdef size_t put_request(const ask_t *ask, uint32_t preamble, uint8_t *out) noexcept nogil:
    cdef size_t front = preamble if preamble < PREAMBLE_MAX else PREAMBLE_MAX
    cdef uint8_t *p = out + front
    cdef size_t i, n = 0
    memset(out, 0xFE, front)
    p[0] = 0x68
    for i in range(<size_t>ADDRESS_BYTES):
        p[1 + i] = ask.address[i]
    p[7] = 0x68
    p[8] = ask.control
    if ask.control != READ_ADDRESS:
        for n in range(ask.id_bytes):
            p[10 + n] = <uint8_t>(ask.id[n] + 0x33)
        n = ask.id_bytes
    if ask.control == READ_MORE:
        p[10 + n] = <uint8_t>(ask.sequence + 0x33)
        n += 1
    p[9] = <uint8_t>n
    p[10 + n] = sum_of(p, 10 + n)
    p[11 + n] = 0x16
    return front + OVERHEAD + n


cdef uint32_t request_chars(const ask_t *ask, uint32_t preamble) noexcept nogil:
    cdef uint32_t data = 0
    if ask.control != READ_ADDRESS:
        data = ask.id_bytes
    if ask.control == READ_MORE:
        data += 1
    return preamble + OVERHEAD + data


cdef uint32_t answer_chars(uint32_t id_bytes, uint32_t data_bytes) noexcept nogil:
    return PREAMBLE_MAX + OVERHEAD + id_bytes + data_bytes


cdef bint is_address(const uint8_t *asked, const uint8_t *answered) noexcept nogil:
    cdef size_t i
    for i in range(<size_t>ADDRESS_BYTES):
        if asked[i] != answered[i] and asked[i] != ANY:
            return False
    return True


cdef inline bint is_ours(const uint8_t *p, size_t n, const ask_t *ask) noexcept nogil:
    """Whether the frame at p, received at least up to its length, has the head of the answer to
    `ask`.
    """
    cdef uint32_t wanted
    if ask == NULL or not is_address(ask.address, p + 1):
        return False
    if p[8] == (ask.control | CONTROL_ANSWER | CONTROL_REFUSED):
        return p[9] <= 1
    if (p[8] & ~<uint32_t>CONTROL_MORE) != (ask.control | CONTROL_ANSWER):
        return False
    if p[8] & CONTROL_MORE or ask.data_bytes == ANY_SIZE or ask.control == READ_MORE:
        return True
    wanted = ask.data_bytes
    if ask.control != READ_ADDRESS:
        wanted += ask.id_bytes
    return p[9] == wanted


cdef Found judge(frame_t *frame, const ask_t *ask) noexcept nogil:
    """Classifies a whole frame whose checksum is right."""
    cdef size_t i, tail = 0, head
    if not frame.control & CONTROL_ANSWER:
        return FOREIGN_REQUEST
    if (
        ask == NULL or not is_address(ask.address, frame.address)
        or (frame.control & CONTROL_CODE) != ask.control
    ):
        return FOREIGN_ANSWER
    if frame.control & CONTROL_REFUSED:
        if frame.body_size > 1:
            return FOREIGN_ANSWER
        # Some send no error word: then the error is "other".
        frame.code = <uint8_t>(frame.body[0] - 0x33) if frame.body_size else 1
        return REFUSED
    head = 0 if ask.control == READ_ADDRESS else ask.id_bytes
    if ask.control == READ_MORE:
        tail = 1
    if frame.body_size < head + tail:
        return FOREIGN_ANSWER
    for i in range(head):
        if <uint8_t>(frame.body[i] - 0x33) != ask.id[i]:
            return FOREIGN_ANSWER
    if tail and <uint8_t>(frame.body[frame.body_size - 1] - 0x33) != ask.sequence:
        return FOREIGN_ANSWER
    frame.data = frame.body + head
    frame.size = frame.body_size - head - tail
    if frame.control & CONTROL_MORE:
        return PARTIAL
    if ask.data_bytes != ANY_SIZE and frame.size != ask.data_bytes and not tail:
        return WRONG_SIZE
    return ANSWER


cdef bint answers(frame_t *frame, const ask_t *ask) noexcept nogil:
    cdef Found found = judge(frame, ask)
    return found != FOREIGN_ANSWER and found != FOREIGN_REQUEST


cdef Found find_answer(
    const uint8_t *p, size_t n, const ask_t *ask, frame_t *frame
) noexcept nogil:
    cdef size_t start, length, left
    cdef size_t first = n     # where the first frame begins that is not complete yet
    cdef bint damaged = False
    memset(frame, 0, sizeof(frame_t))
    for start in range(n):
        if p[start] != 0x68:
            continue
        left = n - start
        if left < 10:
            if (left < 8 or p[start + 7] == 0x68) and start < first:
                first = start
            continue
        if p[start + 7] != 0x68 or p[start + 9] > DATA_MAX:
            continue
        length = OVERHEAD + <size_t>p[start + 9]
        if left < length:
            if start < first:
                first = start
            if is_ours(p + start, left, ask):
                frame.rest = length - left
                break  # a 68 inside it is data
            continue
        if p[start + length - 1] != 0x16 or p[start + length - 2] != sum_of(p + start, length - 2):
            damaged = damaged or is_ours(p + start, left, ask)
            continue
        frame.skip, frame.used = start, start + length
        frame.address = p + start + 1
        frame.control = p[start + 8]
        frame.body = p + start + 10
        frame.body_size = length - OVERHEAD
        return judge(frame, ask)
    if damaged:
        frame.used = n
        return DAMAGED
    frame.skip = frame.used = first
    return MORE


class MeterRefusedError(Exception):
    """The meter answered with an error; `code` is its error word, as in DL/T 645-2007, 7.1: bit 0
    other, 1 no such data, 2 password, 3 rate, 4 time zones, 5 time periods, 6 tariffs.
    """

    def __init__(self, code):
        super().__init__(f"DL/T 645 error word {code:02X}")
        self.code = code


cdef class Codec:
    """One exchange at a time, for tools and tests: `ask` gives a request's bytes, `feed` looks for
    its answer, `more` asks for the rest of an answer of several frames.
    """

    cdef ask_t asked
    cdef uint32_t preamble
    cdef bytes input, gathered
    cdef bint is_open  # a request waits for its frame
    cdef readonly str meter  # of the last frame that arrived: its twelve digits

    def __init__(self, int preamble=PREAMBLE_MAX):
        if not 0 <= preamble <= PREAMBLE_MAX:
            raise ValueError(f"preamble {preamble}: from 0 to {PREAMBLE_MAX} bytes")
        self.preamble = preamble
        self.input = self.gathered = b""
        self.meter = ""
        memset(&self.asked, 0, sizeof(ask_t))
        memset(self.asked.address, ANY, ADDRESS_BYTES)
        self.asked.control = READ_ADDRESS

    def ask(self, str meter, str identifier, size=None) -> bytes:
        """The bytes of a request for a data identifier (eight hexadecimal digits; four in the
        edition of 1997) of the meter with these twelve digits ("AA" for any two of them).
        `size`: bytes of data that must come. Raises ValueError for what the protocol can't ask.
        """
        address, name = bytes.fromhex(meter)[::-1], bytes.fromhex(identifier)[::-1]
        if len(address) != ADDRESS_BYTES or any(
            b != ANY and (b >> 4 > 9 or b & 15 > 9) for b in address
        ):
            raise ValueError(f"meter {meter}: twelve digits")
        if len(name) not in (2, 4):
            raise ValueError(f"identifier {identifier}: eight hexadecimal digits, or four")
        if size is not None and not 0 <= size <= DATA_MAX - len(name):
            raise ValueError(f"{size} bytes of data: at most {DATA_MAX - len(name)}")
        self._set(address, READ if len(name) == 4 else READ_1997, name)
        self.asked.data_bytes = ANY_SIZE if size is None else size
        return self._request()

    def ask_address(self) -> bytes:
        """The request for the address of the only meter on a line. The answer's data are its six
        bytes, low digits first.
        """
        self._set(bytes([ANY]) * ADDRESS_BYTES, READ_ADDRESS, b"")
        self.asked.data_bytes = ADDRESS_BYTES
        return self._request()

    def more(self) -> bytes:
        """After "partial": the request for the next frame. Raises ValueError where an answer never
        ends.
        """
        if self.asked.id_bytes != 4:
            raise ValueError("only answers of the edition of 2007 can be continued")
        if self.asked.sequence + 1 >= FRAMES_MAX:
            raise ValueError(f"an answer of more than {FRAMES_MAX} frames")
        self.asked.control = READ_MORE
        self.asked.sequence += 1
        self.input = b""
        return self._request()

    def feed(self, bytes data):
        """(result, data): "answer" with all its data in the wire's order, "more", "partial",
        "foreign answer", "foreign request", "damaged" or "wrong size" with b"".

        Raises MeterRefusedError when the meter refused. Call again with b"" after a foreign frame.
        """
        cdef frame_t frame
        cdef Found found
        cdef const uint8_t *p
        cdef size_t n
        cdef uint8_t out[DATA_MAX]
        self.input += data
        p, n = self.input, <size_t>len(self.input)
        found = find_answer(p, n, &self.asked if self.is_open else NULL, &frame)
        taken = b""
        if found == ANSWER or found == PARTIAL:
            plain(frame.data, frame.size, out)
            self.gathered += out[:frame.size]
            if found == ANSWER:
                taken, self.gathered = self.gathered, b""
        if frame.address != NULL:
            self.meter = frame.address[:ADDRESS_BYTES][::-1].hex()
        self.input = self.input[frame.used:]
        self.is_open = self.is_open and found in (MORE, FOREIGN_ANSWER, FOREIGN_REQUEST, DAMAGED)
        if found == REFUSED:
            raise MeterRefusedError(frame.code)
        return (
            "more", "answer", "partial", "refused", "foreign answer", "foreign request", "damaged",
            "wrong size",
        )[found], taken

    cdef void _set(self, bytes address, uint8_t control, bytes name):
        cdef size_t i
        memset(&self.asked, 0, sizeof(ask_t))
        for i in range(<size_t>ADDRESS_BYTES):
            self.asked.address[i] = address[i]
        for i in range(<size_t>len(name)):
            self.asked.id[i] = name[i]
        self.asked.id_bytes = <uint8_t>len(name)
        self.asked.control = control
        self.input = self.gathered = b""

    cdef bytes _request(self):
        cdef uint8_t out[REQUEST_MAX]
        self.is_open = True
        return out[:put_request(&self.asked, self.preamble, out)]
