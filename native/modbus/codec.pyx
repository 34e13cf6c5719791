"""Modbus RTU, ASCII and TCP frames of the four reading functions. No function here can encode a
write.

Sources: MODBUS Application Protocol V1.1b3 (PDU, functions 1-4, exceptions), MODBUS over Serial
Line V1.02 (RTU, ASCII), MODBUS Messaging on TCP/IP V1.0b (MBAP).

Nothing marks the end of an RTU answer but its CRC. It is accepted as soon as the length that its
third byte gives is there; pauses are not looked at, since USB adapters deliver in bursts. Bytes
before it (noise of a transceiver that turns on, a local echo, another unit's late answer) are
skipped if a frame with a good CRC follows.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memset

from native.bytes cimport be16, put_be16
from native.crc cimport crc16_of, lrc_of


cdef inline size_t put_pdu(const ask_t *ask, uint8_t *out) noexcept nogil:
    out[0] = ask.unit
    out[1] = ask.function
    put_be16(out + 2, ask.address)
    put_be16(out + 4, ask.count)
    return 6


cdef inline uint8_t hex_digit(uint32_t v) noexcept nogil:
    return <uint8_t>(48 + v if v < 10 else 55 + v)


cdef inline int hex_value(uint8_t c) noexcept nogil:
    if 48 <= c <= 57:
        return c - 48
    if 65 <= c <= 70:
        return c - 55
    if 97 <= c <= 102:  # lower case is against the standard, but some devices send it
        return c - 87
    return -1


cdef size_t put_request(Framing framing, const ask_t *ask, uint8_t *out) noexcept nogil:
    """Write the request, at most REQUEST_MAX bytes; returns its length."""
    cdef uint8_t pdu[8]
    cdef uint32_t crc
    cdef size_t i
    if framing == TCP:
        put_be16(out, ask.transaction)
        put_be16(out + 2, 0)
        put_be16(out + 4, 6)
        return 6 + put_pdu(ask, out + 6)
    if framing == RTU:
        put_pdu(ask, out)
        crc = crc16_of(out, 6)
        out[6] = <uint8_t>crc
        out[7] = <uint8_t>(crc >> 8)
        return 8
    put_pdu(ask, pdu)
    pdu[6] = lrc_of(pdu, 6)
    out[0] = 58
    for i in range(7):
        out[1 + 2 * i] = hex_digit(pdu[i] >> 4)
        out[2 + 2 * i] = hex_digit(pdu[i] & 15)
    out[15], out[16] = 13, 10
    return 17


cdef uint32_t request_chars(Framing framing) noexcept nogil:
    return 17 if framing == ASCII else 8


cdef uint32_t answer_chars(Framing framing, uint32_t data_bytes) noexcept nogil:
    return 11 + 2 * data_bytes if framing == ASCII else 5 + data_bytes


cdef Found match_answer(const frame_t *frame, const ask_t *ask) noexcept nogil:
    if frame.unit != ask.unit or (frame.function & 0x7F) != ask.function:
        return FOREIGN
    if frame.function & 0x80:
        return EXCEPTION if frame.size == 1 else FOREIGN
    # Byte count, then as many bytes; frame.data points behind the count.
    return ANSWER if frame.size == ask.data_bytes else FOREIGN


cdef bint rtu_good(const uint8_t *p, size_t n) noexcept nogil:
    """The low byte of the CRC comes first."""
    cdef uint16_t crc = crc16_of(p, n - 2)
    return p[n - 2] == (crc & 0xFF) and p[n - 1] == (crc >> 8)


cdef inline bint is_bare_refusal(const uint8_t *pdu) noexcept nogil:
    """Whether a PDU of two bytes is an exception whose function lacks the exception bit."""
    return 1 <= pdu[0] <= 4 and 1 <= pdu[1] <= EXCEPTION_LAST


cdef Found find_tcp(const uint8_t *p, size_t n, frame_t *frame) noexcept nogil:
    """The next MBAP frame. A header that can't be one means that the stream is lost (V1.0b,
    3.1.3).
    """
    cdef size_t length, whole
    if n < 6:
        return MORE
    length = be16(p + 4)
    frame.used = n
    if be16(p + 2) != 0 or length < 3 or length > MBAP_LENGTH_MAX:
        return BROKEN
    if n < 6 + length:
        return MORE
    frame.used = 6 + length
    whole = 3 if p[7] & 0x80 else 3 + <size_t>p[8]
    if length == whole + 2 and rtu_good(p + 6, length):
        length = whole  # a converter that passes the RTU frame on with its checksum
    frame.transaction = be16(p)
    frame.unit = p[6]
    frame.function = p[7]
    if length == 3 and is_bare_refusal(p + 7):
        frame.function |= 0x80
    if frame.function & 0x80:
        frame.code = p[8]
        frame.data = p + 8
        frame.size = length - 2
    elif p[8] != length - 3:
        # The byte count lies: no answer to anything.
        frame.data = p + 9
        frame.size = 0
    else:
        frame.data = p + 9
        frame.size = length - 3
    return FOREIGN


cdef inline size_t rtu_length(const uint8_t *p, size_t n) noexcept nogil:
    """Length of the answer that begins at p, from its header; 0: too short to say, or not an answer
    to us.
    """
    if n < 3:
        return 0
    if p[1] & 0x80:
        return 5
    if 1 <= p[1] <= 4 and p[2] <= 250:
        return 5 + <size_t>p[2]
    return 0


cdef inline size_t request_length(const uint8_t *p, size_t n) noexcept nogil:
    """Length of the whole frame at the beginning if it is a request of function 1 to 6, 15 or 16,
    or the answer to a write; else 0.
    """
    cdef size_t length
    if n < RTU_REQUEST or not (1 <= p[1] <= 6 or p[1] == 15 or p[1] == 16):
        return 0
    if rtu_good(p, RTU_REQUEST) and (p[1] > 4 or 1 <= be16(p + 4) <= BITS_MAX):
        return RTU_REQUEST
    length = 9 + <size_t>p[6]
    return length if p[1] > 6 and n >= length and rtu_good(p, length) else 0


cdef inline void asked(const uint8_t *p, frame_t *frame) noexcept nogil:
    """Fills in a request; its unit and function are at the beginning."""
    frame.unit, frame.function, frame.size = p[0], p[1], 0
    frame.address = be16(p + 2)
    frame.count = be16(p + 4) if p[1] <= 4 else 0


cdef bint is_expected(const uint8_t *p, size_t n, const ask_t *ask) noexcept nogil:
    return (
        n >= 3 and p[0] == ask.unit
        and ((p[1] == ask.function and p[2] == ask.data_bytes) or p[1] == (ask.function | 0x80))
    )


cdef inline bint is_own_unit(const uint8_t *p, const ask_t *ask) noexcept nogil:
    """Whether it has the unit and the function that were asked."""
    return ask.function != 0 and p[0] == ask.unit and p[1] == ask.function


cdef Found rtu_frame(
    const uint8_t *p, size_t start, size_t length, const ask_t *ask, frame_t *frame
) noexcept nogil:
    """Compares the whole answer that begins at `start` with what was asked."""
    frame.used = start + length
    frame.unit, frame.function = p[start], p[start + 1]
    frame.sum = be16(p + start + length - 2)
    if p[start + 1] & 0x80:
        frame.code = p[start + 2]
        frame.data = p + start + 2
        frame.size = 1
    else:
        frame.data = p + start + 3
        frame.size = length - 5
    return match_answer(frame, ask)


cdef bint is_echo(const uint8_t *p, const ask_t *ask) noexcept nogil:
    cdef uint8_t echo[REQUEST_MAX]
    put_request(RTU, ask, echo)
    return memcmp(p, echo, 8) == 0


cdef Found find_rtu(const uint8_t *p, size_t n, const ask_t *ask, frame_t *frame) noexcept nogil:
    cdef size_t start, length, request
    cdef bint is_good
    cdef bint expected = is_expected(p, n, ask)
    cdef Found found
    if n == RTU_REFUSAL and is_own_unit(p, ask) and is_bare_refusal(p + 1) and rtu_good(p, n):
        frame.used = n
        frame.unit, frame.function, frame.code = p[0], p[1] | 0x80, p[2]
        frame.sum = be16(p + 3)
        frame.data, frame.size = p + 2, 1
        # It may still be the beginning of the answer, with data that look like a checksum.
        return MORE if p[2] == ask.data_bytes else EXCEPTION
    if expected:
        length = rtu_length(p, n)
        if n < length:
            return MORE
        # 17 to 24 bits from 0x03xx on: an answer looks like its request, and is not believed.
        if length and rtu_good(p, length) and (length != 8 or not is_echo(p, ask)):
            return rtu_frame(p, 0, length, ask, frame)
    for start in range(n):
        # An answer with a zero behind it looks like a request, as CRCs do.
        length = rtu_length(p + start, n - start)
        is_good = length > 0 and start + length <= n and rtu_good(p + start, length)
        # So does our echo, as an answer one byte longer, where unit 0 answers behind it.
        if not is_good or length == 8 or (length == 9 and is_echo(p + start, ask)):
            request = request_length(p + start, n - start)
            if request:
                frame.used = start + request
                asked(p + start, frame)
                return REQUEST
        if not is_good:
            continue
        found = rtu_frame(p, start, length, ask, frame)
        # Far inside other bytes only the awaited answer counts: a CRC may match by chance.
        if found != FOREIGN or start == 0:
            return found
    frame.used = n
    length = 5 + <size_t>ask.data_bytes
    if n == length and is_own_unit(p, ask) and rtu_good(p, n):
        # Only its byte count is wrong: it answers nothing.
        frame.unit, frame.function, frame.size = p[0], p[1], 0
        return FOREIGN
    if expected:
        return DAMAGED
    # Noise longer than two frames: stop waiting for the answer behind it.
    frame.unit, frame.function, frame.size = 0, 0, 0
    return FOREIGN if n >= 2 * RTU_MAX else MORE


cdef inline size_t hex_bytes(const uint8_t *p, size_t n, uint8_t *out) noexcept nogil:
    """Decodes `n` hexadecimal characters, up to the first that is none."""
    cdef int high, low
    cdef size_t i
    for i in range(n // 2):
        high, low = hex_value(p[2 * i]), hex_value(p[2 * i + 1])
        if high < 0 or low < 0:
            return i
        out[i] = <uint8_t>(high << 4 | low)
    return n // 2


cdef inline bint is_own(const uint8_t *p, const ask_t *ask) noexcept nogil:
    cdef uint8_t pdu[8]
    put_pdu(ask, pdu)
    return memcmp(p, pdu, 6) == 0


cdef Found find_ascii(const uint8_t *p, size_t n, const ask_t *ask, frame_t *frame) noexcept nogil:
    """The frame between the last ':' and the first LF after it; the CR may be missing.

    What is no frame and does not begin like the answer is noise: the answer may still come.
    """
    cdef size_t start = 0, end = 0, size = 0
    while end < n and p[end] != 10:
        if p[end] == 58:
            start = end + 1
        end += 1
    frame.unit, frame.function, frame.size = 0, 0, 0
    if end == n:
        frame.used = n
        return FOREIGN if n > 2 * ASCII_MAX else MORE
    frame.used = end + 1
    if end > start and p[end - 1] == 13:
        end -= 1
    if start and end - start <= 2 * (RTU_MAX - 1):
        size = hex_bytes(p + start, end - start, frame.text)
    # The frame is whole; its bytes and its LRC add up to zero.
    if size < 4 or 2 * size != end - start or lrc_of(frame.text, size) != 0:
        if size > 1 and frame.text[0] == ask.unit and (frame.text[1] & 0x7F) == ask.function:
            return DAMAGED
        return FOREIGN
    frame.unit, frame.function = frame.text[0], frame.text[1]
    frame.sum = crc16_of(frame.text, size - 1)
    if size == 7 and 1 <= frame.function <= 6 and (
        frame.text[2] != 3 or not is_expected(frame.text, size, ask) or is_own(frame.text, ask)
    ):
        asked(frame.text, frame)
        return REQUEST
    if frame.function & 0x80:
        frame.code = frame.text[2]
        frame.data = frame.text + 2
        frame.size = size - 3
    elif size == 4 and is_bare_refusal(frame.text + 1):
        frame.function |= 0x80
        frame.code = frame.text[2]
        frame.data, frame.size = frame.text + 2, 1
    elif frame.text[2] == size - 4:
        frame.data = frame.text + 3
        frame.size = size - 4
    return match_answer(frame, ask)


cdef Found find_answer(
    Framing framing, const uint8_t *p, size_t n, const ask_t *ask, frame_t *frame
) noexcept nogil:
    if n == 0:
        return MORE
    if framing == TCP:
        return find_tcp(p, n, frame)
    if framing == RTU:
        return find_rtu(p, n, ask, frame)
    return find_ascii(p, n, ask, frame)


FRAMINGS = {"rtu": RTU, "ascii": ASCII, "tcp": TCP}


class ModbusExceptionError(Exception):
    """The device answered with an exception; `code` as in the Application Protocol V1.1b3, 7."""

    def __init__(self, code):
        super().__init__(f"Modbus exception {code}")
        self.code = code


cdef class Codec:
    """One exchange at a time, for tools and tests: `ask` gives a request's bytes, `feed` looks for
    its answer.
    """

    cdef Framing framing
    cdef ask_t asked
    cdef bytes input

    def __init__(self, str framing):
        self.framing = FRAMINGS[framing]
        self.input = b""
        memset(&self.asked, 0, sizeof(ask_t))

    def ask(self, int unit, int function, int address, int count, int transaction=1) -> bytes:
        """The bytes of a reading request. Raises ValueError for what the protocol can't ask."""
        cdef uint8_t out[REQUEST_MAX]
        cdef size_t n
        if not (
            0 <= unit <= 255 and 1 <= function <= 4 and 1 <= count <= <int>count_most(function)
            and 0 <= address and address + count <= 65536 and 0 <= transaction <= 65535
        ):
            raise ValueError(
                f"no request: unit {unit} function {function} address {address} count {count}"
            )
        self.asked.transaction, self.asked.unit = transaction, unit
        self.asked.function, self.asked.address, self.asked.count = function, address, count
        self.asked.data_bytes = bytes_of(function, count)
        self.input = b""
        n = put_request(self.framing, &self.asked, out)
        return out[:n]

    def feed(self, bytes data):
        """(result, data): "answer" with its data part, "more", "foreign", "damaged" or "broken"
        with b"".

        Raises ModbusExceptionError when the device refused. Call again with b"" after "foreign".
        """
        cdef frame_t frame
        cdef Found found
        cdef const uint8_t *p
        cdef size_t n
        self.input += data
        p, n = self.input, <size_t>len(self.input)
        memset(&frame, 0, sizeof(frame_t))
        found = find_answer(self.framing, p, n, &self.asked, &frame)
        if self.framing == TCP and found == FOREIGN and frame.transaction == self.asked.transaction:
            found = match_answer(&frame, &self.asked)
        result = frame.data[:frame.size] if found == ANSWER else b""
        if found != MORE:
            self.input = self.input[frame.used:]
        if found == EXCEPTION:
            raise ModbusExceptionError(frame.code)
        said = ("more", "answer", "exception", "foreign", "damaged", "broken", "foreign")
        return said[found], result
