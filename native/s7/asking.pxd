"""A flight of a read: what of its request is asked for now, what has come, what is left."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from native.engine.protocol cimport flight_t, take_t
from native.rows.store cimport layout_t, request_t
from native.s7.codec cimport ITEM, pdu_t

cdef enum:
    ASKED_MOST = 78  # items that the longest PDU has room for

    # What the driver is told besides the codes of CPUs, which are none of these.
    CODE_NONE = 0x0001   # words that are none; they are checked where they enter
    CODE_NO_MODE = 0x00FC  # it does not tell its mode
    CODE_APART = 0x00FD  # the item of that part was refused as it was, and is asked for by parts
    CODE_SPLIT = 0x00FE  # so many items at once were too long for it, whatever was granted
    CODE_SHORT = 0x00FF  # the answer had the first items only: so many
    CODE_TOO_LONG = 0x8500

cdef enum Step:
    STEP_FOREIGN = 0
    STEP_ON = 1       # something is left to ask for
    STEP_DONE = 2
    STEP_REFUSED = 3  # all of it, or the connection: `code` and `quality` of the take
    STEP_BUSY = 4


cdef struct asked_t:
    # One read: for each item the parts that it brings, and where in the plan's item it begins.
    uint32_t count
    uint8_t items[ITEM * ASKED_MOST]
    uint16_t first[ASKED_MOST]
    uint16_t parts[ASKED_MOST]
    uint16_t begin[ASKED_MOST]


# Whether a request's words are of this protocol and agree with its parts: everything that is copied
# later lies within them.
cdef bint sound(const layout_t *layout, const request_t *r) noexcept nogil
# What is asked for next, within `pdu` bytes; False: nothing is left.
cdef bint choose(const flight_t *f, uint32_t pdu, asked_t *asked) noexcept nogil
# The answer to what `choose` chose. `good`: the quality of what was read.
cdef Step proceed(
    const flight_t *f, uint32_t granted, const pdu_t *pdu, uint8_t good, take_t *t
) noexcept nogil
cdef void set_reference(flight_t *f, uint16_t reference) noexcept nogil
cdef uint16_t reference_of(const flight_t *f) noexcept nogil
cdef bint is_begun(const flight_t *f) noexcept nogil
