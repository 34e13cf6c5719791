"""Sans-IO S7 communication over ISO on TCP: requests out, answers found in what came in. Nothing
here knows a port or a clock.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    # The longest PDU we propose. A CPU grants 240, 480 or 960, and that holds.
    PDU_MAX = 960
    # The shortest PDU we accept; no CPU is known to grant less.
    PDU_MIN = 64
    # RFC 1006: version, reserved, length; ISO 8073 class 0: length, type, end mark.
    TPKT = 4
    COTP_DATA = 3
    # The longest TPKT: the longest COTP header and a whole PDU.
    FRAME_MAX = TPKT + 256 + PDU_MAX
    # The longest request of any kind.
    REQUEST_MAX = TPKT + COTP_DATA + PDU_MAX
    # An item of a request: type 12, its length 0A, syntax 10, size, count, DB, area, address.
    ITEM = 12
    # S7 headers of a job and of its answer, each with function and number of items.
    JOB_HEAD = 12
    ANSWER_HEAD = 14
    # The code, the size and the length of an item in an answer.
    ITEM_HEAD = 4
    # The heads of an answer, up to its reference.
    HEADS = 13
    # References so far back belong to answers that may come late.
    SENT_LATELY = 64
    # How many items one request may ask for: the count is a byte.
    ITEMS_MAX = 255

cdef enum:
    # Return code of an item that was read.
    ITEM_OK = 0xFF

cdef enum Met:
    MET_MORE = 0      # no whole PDU yet; drop the first `used` bytes all the same
    MET_CONFIRM = 1   # the COTP connection is confirmed
    MET_PDU = 2       # an S7 PDU: `pdu`
    MET_HANG_UP = 3   # the CPU disconnects, or reports an error in what we sent
    MET_BROKEN = 4    # no ISO on TCP: the stream can't be followed any more
    MET_ADRIFT = 5    # the bytes after `used` begin no TPKT

cdef enum Reply:
    REPLY_ANSWER = 0   # every item asked for, each with its own return code
    REPLY_SHORT = 1    # only the first items, as if no more had been asked for
    REPLY_REFUSED = 2  # the CPU refuses the request as a whole: `error`
    REPLY_FOREIGN = 3  # not the answer to what was asked


cdef struct pdu_t:
    uint8_t kind         # 1 job, 2 acknowledgement, 3 with data, 7 user data
    uint16_t reference
    uint16_t error       # class and code, of an answer
    const uint8_t *params
    uint32_t params_n
    const uint8_t *data
    uint32_t data_n


cdef struct frame_t:
    size_t used          # bytes of the input that are done with
    pdu_t pdu            # points into the input, or into the reader: until its next call


cdef struct reader_t:
    # Of one connection: collects the fragments of a PDU until the last one is there.
    uint32_t kept
    uint8_t pdu[PDU_MAX]


cdef struct item_t:
    uint8_t code
    const uint8_t *data
    uint32_t size


cdef struct setup_t:
    uint16_t jobs
    uint16_t pdu


# Each writes a whole frame and returns its length.
cdef size_t put_connect(uint16_t local, uint16_t remote, uint8_t *out) noexcept nogil
cdef size_t put_setup(uint16_t reference, const setup_t *wanted, uint8_t *out) noexcept nogil
cdef size_t put_read(
    uint16_t reference, const uint8_t *items, uint32_t count, uint8_t *out
) noexcept nogil
cdef size_t put_state(uint16_t reference, uint8_t *out) noexcept nogil

# Whether a TPKT may begin with these bytes, at least one.
cdef bint begins(const uint8_t *p, size_t n) noexcept nogil
# Whether an answer that is no fragment may; whether HEADS bytes begin one to a request that was
# sent lately: `reference` is of the next.
cdef bint begins_pdu(const uint8_t *p, size_t n) noexcept nogil
cdef bint begins_sent(const uint8_t *p, uint16_t reference) noexcept nogil
cdef Met next_pdu(reader_t *reader, const uint8_t *p, size_t n, frame_t *frame) noexcept nogil
cdef Reply match_setup(const pdu_t *pdu, uint16_t reference, setup_t *granted) noexcept nogil
# Whether the PDU answers these items; the caller compares the reference, since it finds the request
# by it.
cdef Reply match_read(
    const pdu_t *pdu, const uint8_t *items, uint32_t count
) noexcept nogil
# The next item of an answer that `match_read` passed; `at` starts at 0.
cdef void next_item(const pdu_t *pdu, uint32_t *at, item_t *item) noexcept nogil
# Likewise of `put_state`: what the CPU calls its state, 8 run, 4 stop.
cdef Reply match_state(const pdu_t *pdu, uint8_t *state) noexcept nogil

# Bytes that an item brings; 0 where it is not one that reads.
cdef uint32_t item_bytes(const uint8_t *item) noexcept nogil
