"""Sans-IO frames of DL/T 645-2007 and -1997: requests out, answers found in what arrived. Nothing
here knows a port or a clock.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    ADDRESS_BYTES = 6
    # DL/T 645-2007, 5.2.5: at most 200 bytes of data where they are read.
    DATA_MAX = 200
    # 68, address, 68, control, length, data, sum, 16.
    OVERHEAD = 12
    FRAME_MAX = OVERHEAD + DATA_MAX
    # FE bytes sent before a frame wake the receiver; they are not part of the frame.
    PREAMBLE_MAX = 4
    REQUEST_MAX = PREAMBLE_MAX + OVERHEAD + 5
    # Frames that one answer may take.
    FRAMES_MAX = 20

# The control codes that may be sent: all of them read.
cdef enum Control:
    READ_1997 = 0x01
    READ = 0x11
    READ_MORE = 0x12
    READ_ADDRESS = 0x13

cdef enum:
    CONTROL_ANSWER = 0x80   # set in what a meter says
    CONTROL_REFUSED = 0x40
    CONTROL_MORE = 0x20     # further frames follow
    CONTROL_CODE = 0x1F

cdef enum:
    ANY = 0xAA              # in an address: matches any byte
    ANY_SIZE = 0xFFFF


cdef enum Found:
    MORE = 0             # no whole frame yet; the first `used` bytes belong to no frame
    ANSWER = 1           # what was asked for: `data`, `size`
    PARTIAL = 2          # the same, and more frames follow
    REFUSED = 3          # the meter's error answer to what was asked: `code`
    FOREIGN_ANSWER = 4   # a whole frame of a meter that answers something else
    FOREIGN_REQUEST = 5  # a whole frame that asks: another master's, or an echo of ours
    DAMAGED = 6          # it looks like the answer, but its checksum or end byte is wrong
    WRONG_SIZE = 7       # the data asked for, but of another length


cdef struct ask_t:
    # What was asked, to compare an answer with.
    uint8_t address[ADDRESS_BYTES]  # as on the wire, low digits first
    uint8_t control
    uint8_t sequence                # of READ_MORE, from 1
    uint8_t id[4]                   # as on the wire: DI0 first
    uint8_t id_bytes                # 4; 2 in the edition of 1997
    uint16_t data_bytes             # behind the identifier; ANY_SIZE: unknown


cdef struct frame_t:
    size_t skip           # bytes before the frame that belong to no frame
    size_t used           # bytes of the input up to the end of the frame
    size_t rest           # MORE: bytes that the awaited answer, which has begun, still lacks
    const uint8_t *address
    uint8_t control
    uint8_t code          # error word of a refusal
    const uint8_t *body   # data field into the input, each byte +33H
    size_t body_size
    const uint8_t *data   # the part of the body behind identifier and before sequence
    size_t size


# Writes the request, at most REQUEST_MAX bytes; returns its length.
cdef size_t put_request(const ask_t *ask, uint32_t preamble, uint8_t *out) noexcept nogil
# Finds the first whole frame in `p` and compares it with `ask` (NULL: we await no answer).
cdef Found find_answer(
    const uint8_t *p, size_t n, const ask_t *ask, frame_t *frame
) noexcept nogil
# Whether a whole frame that was found answers `ask`, with data or an error; fills in `data`.
cdef bint answers(frame_t *frame, const ask_t *ask) noexcept nogil
# Characters on the wire, with the FE bytes before the frame.
cdef uint32_t request_chars(const ask_t *ask, uint32_t preamble) noexcept nogil
cdef uint32_t answer_chars(uint32_t id_bytes, uint32_t data_bytes) noexcept nogil
# Whether the address that answered matches the one asked for, in which AA matches any byte.
cdef bint is_address(const uint8_t *asked, const uint8_t *answered) noexcept nogil


cdef inline void plain(const uint8_t *p, size_t n, uint8_t *out) noexcept nogil:
    """Undoes the wire encoding: subtracts 33H from each byte."""
    cdef size_t i
    for i in range(n):
        out[i] = <uint8_t>(p[i] - 0x33)
