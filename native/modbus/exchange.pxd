"""What the framings have in common: writing a request, an answer into the row, a refusal."""

from libc.stdint cimport uint8_t, uint16_t

from native.engine.protocol cimport (
    ANSWER,
    BUSY,
    REFUSE,
    REFUSED,
    SEND,
    SEND_FIRST,
    UNREACHED,
    Prep,
    Verdict,
    flight_t,
    mark,
    out_t,
    put,
    take_t,
)
from native.modbus.codec cimport (
    Framing,
    answer_chars,
    ask_t,
    frame_t,
    put_request,
    quality_of,
    request_chars,
)
from native.modbus.unit cimport READ, own_t
from native.reasons cimport BAD_BUSY, BAD_GATEWAY, BAD_REFUSED, BAD_WRONG_ANSWER

cdef enum:
    ILLEGAL_VALUE = 3   # Application Protocol V1.1b3, 7
    SPEC = 5            # bytes of a request's `spec`: function, address, count
    # In the low byte of `wrong_code`; no request asks for so many bytes of data:
    OTHER_FRAMING = 252
    ONE_BEHIND = 253
    WRONG_LENGTH = 254
    WRONG_FUNCTION = 255


cdef inline Prep write_ask(
    Framing framing, const own_t *own, out_t *out
) noexcept nogil:
    out.n = put_request(framing, &own.ask, out.p)
    out.chars = request_chars(framing) + answer_chars(framing, own.ask.data_bytes)
    return SEND if own.what == READ else SEND_FIRST


cdef inline Prep not_ours(out_t *out) noexcept nogil:
    """Whether a request's `spec` is one that our planner never makes."""
    out.quality = BAD_REFUSED
    return REFUSE


cdef inline Verdict exception(take_t *t, uint8_t code) noexcept nogil:
    """A refusal of the request in flight."""
    t.code = code
    t.quality = quality_of(code)
    if t.quality == BAD_GATEWAY:
        return UNREACHED
    return BUSY if t.quality == BAD_BUSY else REFUSED


cdef inline uint16_t wrong_code(const frame_t *frame, const ask_t *ask) noexcept nogil:
    """A code for what is wrong with an answer. Below 256: the unit that it comes from. Else by the
    low byte: WRONG_FUNCTION (the function is in the high byte), WRONG_LENGTH (its own lengths
    contradict each other), ONE_BEHIND, OTHER_FRAMING; anything else: the high byte is how many
    bytes of data came, the low byte how many were asked for.
    """
    if frame.unit != ask.unit:
        return frame.unit
    if (frame.function & 0x7F) != ask.function:
        return <uint16_t>(<uint16_t>frame.function << 8 | WRONG_FUNCTION)
    if frame.size == 0 or frame.function & 0x80:
        return 1 << 8 | WRONG_LENGTH
    return <uint16_t>(min(frame.size, <size_t>255) << 8 | ask.data_bytes)


cdef inline Verdict wrong_answer(
    take_t *t, const frame_t *frame, const ask_t *ask
) noexcept nogil:
    t.quality, t.code = BAD_WRONG_ANSWER, wrong_code(frame, ask)
    return REFUSED


cdef inline Verdict other_framing(take_t *t, Framing framing) noexcept nogil:
    """It would be an answer in that other framing."""
    t.quality, t.code = BAD_WRONG_ANSWER, <uint16_t>((framing + 1) << 8 | OTHER_FRAMING)
    return REFUSED


cdef inline Verdict one_behind(take_t *t) noexcept nogil:
    """It is the answer to what was asked before."""
    t.quality, t.code = BAD_WRONG_ANSWER, 1 << 8 | ONE_BEHIND
    return REFUSED


cdef inline Verdict data(
    const flight_t *f, const frame_t *frame, uint8_t quality
) noexcept nogil:
    """Puts the answer's data into the row; they fill the part exactly."""
    if put(f, 0, 0, frame.data, frame.size):
        mark(f, 0, quality)
    return ANSWER
