"""Sans-IO Modbus frames: requests out, answers found in what arrived. Nothing here knows a port or
a clock.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from native.bytes cimport be16
from native.reasons cimport BAD_BUSY, BAD_DEVICE_FAILURE, BAD_GATEWAY, BAD_REFUSED
from native.rows.store cimport request_t

cdef enum Framing:
    RTU = 0
    ASCII = 1
    TCP = 2

cdef enum:
    # Modbus Application Protocol V1.1b3, 4.1: PDU 253; RTU ADU 253 + 1 + 2.
    PDU_MAX = 253
    RTU_MAX = 256
    # A unit, a PDU, and the RTU checksum, which some converters leave in.
    MBAP_LENGTH_MAX = PDU_MAX + 3
    # Serial line V1.02, 2.5.2.1: ':' + 2 x (unit, PDU, LRC) + CR LF.
    ASCII_MAX = 513
    REQUEST_MAX = 24  # ASCII: 1 + 2 x 7 + 2
    RTU_REQUEST = 8
    RTU_REFUSAL = 5
    EXCEPTION_LAST = 11  # of the codes that there are
    # What one read can ask for (Application Protocol V1.1b3, 6.1 to 6.4).
    BITS_MAX = 2000
    REGISTERS_MAX = 125


cdef enum Found:
    MORE = 0       # no whole frame yet; `size` is set if it is a refusal unless more comes
    ANSWER = 1     # the answer asked for: `data`, `size`
    EXCEPTION = 2  # the device's exception to what was asked: `code`
    FOREIGN = 3    # a whole frame that answers something else
    DAMAGED = 4    # it looks like the answer, but its checksum is wrong
    BROKEN = 5     # the stream can't be followed any more
    REQUEST = 6    # RTU, ASCII: somebody asks, or what was sent comes back


cdef struct ask_t:
    # What was asked, to compare an answer with.
    uint16_t transaction
    uint8_t unit
    uint8_t function
    uint16_t address
    uint16_t count
    uint16_t data_bytes


cdef struct frame_t:
    size_t used           # bytes of the input that are done with, any result but MORE
    uint16_t transaction  # TCP
    uint8_t unit
    uint8_t function      # as received, with bit 7 for an exception
    uint8_t code          # exception code
    uint16_t address      # of a REQUEST that reads
    uint16_t count        # likewise; 0: it does something else
    uint16_t sum          # RTU, ASCII: a checksum over all of an answer
    const uint8_t *data   # into the input, or into `text`
    size_t size
    uint8_t text[RTU_MAX]  # ASCII, decoded


cdef size_t put_request(Framing framing, const ask_t *ask, uint8_t *out) noexcept nogil
# RTU and ASCII: searches for the answer to `ask`. TCP: takes the next frame; the caller finds its
# request.
cdef Found find_answer(
    Framing framing, const uint8_t *p, size_t n, const ask_t *ask, frame_t *frame
) noexcept nogil
# Whether a whole TCP frame answers `ask`: ANSWER, EXCEPTION or FOREIGN. The transaction is not
# looked at.
cdef Found match_answer(const frame_t *frame, const ask_t *ask) noexcept nogil
# Whether `n` bytes, at least two, end in their CRC.
cdef bint rtu_good(const uint8_t *p, size_t n) noexcept nogil
# Characters on the wire of a request, and of its answer.
cdef uint32_t request_chars(Framing framing) noexcept nogil
cdef uint32_t answer_chars(Framing framing, uint32_t data_bytes) noexcept nogil


cdef inline bint is_short(const frame_t *frame, const ask_t *ask) noexcept nogil:
    """The right answer, but with fewer registers than asked: the device has an unstated limit."""
    return (
        frame.unit == ask.unit and frame.function == ask.function
        and 0 < frame.size < ask.data_bytes
    )


cdef inline uint32_t count_most(uint8_t function) noexcept nogil:
    """The most that one read by this function can ask for, in bits or registers."""
    return BITS_MAX if function <= 2 else REGISTERS_MAX


cdef inline uint16_t bytes_of(uint8_t function, uint32_t count) noexcept nogil:
    """Bytes of data in the answer to a read of `count` bits or registers."""
    return <uint16_t>(2 * count if function > 2 else (count + 7) // 8)


cdef inline void ask_of(const request_t *r, ask_t *ask) noexcept nogil:
    """Fills in function, address and count of a plan's request; the rest of `ask` stays."""
    ask.function = r.spec[0]
    ask.address = be16(r.spec + 1)
    ask.count = be16(r.spec + 3)
    ask.data_bytes = bytes_of(ask.function, ask.count)


cdef inline uint8_t quality_of(uint8_t code) noexcept nogil:
    """Application Protocol V1.1b3, 7: exception codes to qualities."""
    if 1 <= code <= 3:
        return BAD_REFUSED
    if code == 5 or code == 6:
        return BAD_BUSY
    if code == 10 or code == 11:
        return BAD_GATEWAY
    return BAD_DEVICE_FAILURE
