"""A story's world: one link, its machines, the weather on their wire, and what was said."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from native.engine.rig cimport rig_t
from native.rows.store cimport group_t
from tests.stories.machines cimport FRAME_MAX, Kind, asked_t

cdef enum:
    DEVICES_MAX = 4
    EVENTS_MAX = 256
    ASKED_MAX = 65536
    MUTED_MAX = 4
    ASKS_MAX = 32    # of another master
    GUESTS_MAX = 6

cdef enum:  # faults
    LATE = 0       # the answer comes when its time is up
    DAMAGED = 1    # a byte of it is another one
    CUT = 2        # its end is missing
    PIECES = 3     # it comes in pieces
    LOST = 4       # it never comes
    REFUSED = 5
    BUSY = 6       # refused for now, or something on the way says that it can't be reached
    FOREIGN = 7    # before it comes one for nobody here
    NOISE = 8      # before it come bytes that mean nothing
    HANG_UP = 9    # instead of it the connection ends
    MUTE = 10      # and none for a while, of this device
    HUSH = 11      # none for a while, of all
    SHY = 12       # none for a while, to this request
    BABBLE = 13    # somebody talks without end for a while
    REFUSAL = 14   # the connection ends, and nobody listens for a while
    STARVED = 15   # the shell's thread is kept from running
    STUCK = 16     # the port takes no more bytes for a while
    HEARTBEAT = 17  # before it comes what a device that dials in says when nothing is asked
    REDIAL = 18    # a device dials in anew, while its old connection still looks alive
    GUEST = 19     # no fault: somebody wants a single reading
    OVERRUN = 20   # the kernel loses what comes for a while, and counts it
    # Where an answer names its request:
    SHORT = 21     # bytes inside it are missing; of a stream
    TWICE = 22     # it comes a second time
    SWAPPED = 23   # it comes behind the next one
    FAULTS = 24

cdef enum What:
    BYTES = 0
    ENDS = 1       # the connection
    MADE = 2       # the connection is
    DIALS = 3      # a device does
    ASKS = 4       # another master does
    ANSWERS = 5    # a machine, to another master's request, which the event holds
    GUESTS_COME = 6
    GUEST_GOES = 7  # the one whose number is `serial`


cdef struct event_t:
    int64_t at
    What what
    uint32_t connection
    uint32_t serial    # of the request
    size_t size
    uint8_t bytes[FRAME_MAX]


cdef struct said_t:
    # A read request, and what became of it.
    int64_t at
    int64_t done_at    # when its answer has come
    uint64_t key
    uint8_t spec[5]    # of Modbus: what is read
    int32_t device
    bint answered      # with data
    bint refused


cdef struct ask_t:
    # What another master asks again and again.
    uint8_t unit
    uint8_t function
    uint16_t address
    uint16_t count


cdef struct master_t:
    # Another master, on a line that is only listened to.
    ask_t asks[ASKS_MAX]
    int32_t ask_count
    int32_t next_ask
    int64_t patience       # what it waits for an answer
    bint careless          # it takes any answer of the unit that it asked last
    bint waits             # for the answer to
    uint32_t serial        # this request,
    uint8_t unit           # of this unit
    bint calmed            # it has made a pause since the last fault


cdef struct visit_t:
    # A guest: see `native.engine.guests`.
    group_t *group
    int32_t device
    int32_t place          # among the link's guests; -1: it has not come, or has gone
    bint came
    bint went
    int64_t at             # it came


cdef struct world_t:
    rig_t rig
    Kind kind
    bint listens           # another master asks
    master_t master
    visit_t guests[GUESTS_MAX]
    int32_t guests_most    # that may come,
    int32_t guest_count    # and have
    bint line              # half a duplex, frames with a check: noise, damage and cuts are told
    uint64_t random
    int64_t timeout_ns
    int64_t char_ns
    int64_t calm_at        # no new faults from then on
    int32_t devices
    uint32_t rate[FAULTS]  # of a thousand answers
    uint32_t happened[FAULTS]
    int64_t ready_at[DEVICES_MAX]  # machines answer in the order they are asked
    int64_t mute_until[DEVICES_MAX]
    int64_t stream_at      # the last byte that is planned comes then: none comes before it,
    uint32_t stream        # on this connection
    int64_t hush_until
    uint64_t muted[MUTED_MAX]      # requests that get no answer
    int64_t muted_until[MUTED_MAX]
    int64_t refuse_until
    int64_t stuck_until
    int64_t lost_from      # what comes between is lost by the kernel
    int64_t lost_until
    bint was_short         # bytes inside the last answer are missing
    uint32_t held_on       # an answer that waits for the next one: its connection,
    size_t held_size
    uint8_t held[FRAME_MAX]
    event_t *events
    int32_t event_count
    said_t *said
    uint32_t said_count
    uint64_t bytes_heard   # that the link has sent, all told
    const char *broken     # what must not be; NULL: all is well
    void *notes            # a list of lines, where the story is told; NULL: it is not
    void *guests_told      # and of guests, in the words of head_of in plans.py


# The kind, the seed and the rig's link decide everything that follows. False: no memory.
cdef bint world_begin(world_t *w, uint64_t seed) noexcept nogil
cdef void world_end(world_t *w) noexcept nogil
# What happens until then, faults and all, or until a loop that was stopped is over.
cdef void world_run(world_t *w, int64_t until) noexcept nogil
