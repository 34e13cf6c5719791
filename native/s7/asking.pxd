"""A read in flight: what to ask for next, what has come, what is left."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from native.engine.protocol cimport flight_t, take_t
from native.rows.store cimport layout_t, request_t
from native.s7.codec cimport ITEM, pdu_t

cdef enum:
    ASKED_MOST = 78  # items that the longest PDU has room for

    # What the driver is told besides the codes of CPUs, which are none of these.
    CODE_NONE = 0x0001   # the driver's request makes no sense; it was checked before
    CODE_NO_MODE = 0x00FC  # the CPU does not tell its mode
    CODE_APART = 0x00FD  # the item of that part was refused, so its parts are read one by one
    CODE_SPLIT = 0x00FE  # so many items at once were too long for the CPU, whatever it granted
    CODE_SHORT = 0x00FF  # the answer held only the first items: so many
    CODE_TOO_LONG = 0x8500

cdef enum Step:
    STEP_FOREIGN = 0
    STEP_ON = 1       # something is left to ask for
    STEP_DONE = 2
    STEP_REFUSED = 3  # all of it, or the connection: `code` and `quality` of the take
    STEP_BUSY = 4


cdef struct asked_t:
    # One read: for each item which parts it brings, and at which offset of the plan's item.
    uint32_t count
    uint8_t items[ITEM * ASKED_MOST]
    uint16_t first[ASKED_MOST]
    uint16_t parts[ASKED_MOST]
    uint16_t begin[ASKED_MOST]


# Whether the request's `spec` is one of this protocol and fits its parts, so that nothing is copied
# out of bounds later.
cdef bint sound(const layout_t *layout, const request_t *r) noexcept nogil
# Chooses what to ask for next, within `pdu` bytes; False: nothing is left to ask.
cdef bint choose(const flight_t *f, uint32_t pdu, asked_t *asked) noexcept nogil
# Takes the answer to what `choose` chose. `good`: the quality of what was read.
cdef Step proceed(
    const flight_t *f, uint32_t granted, const pdu_t *pdu, uint8_t good, take_t *t
) noexcept nogil
cdef void set_reference(flight_t *f, uint16_t reference) noexcept nogil
cdef uint16_t reference_of(const flight_t *f) noexcept nogil
cdef bint is_begun(const flight_t *f) noexcept nogil
