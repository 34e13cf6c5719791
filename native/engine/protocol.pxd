"""What a protocol is to the engine: one table of functions, and how much memory they want.

The engine owns memory, time, sending, deadlines, learned waits, retries, back-off, windows, silence
between frames, rows, gaps, quality and counters. A protocol says what a frame means, what proves an
answer, and what must be asked to prove it. It calls no clock and no system, allocates nothing and
counts nothing; time comes as an argument, in nanoseconds of the boot clock.

Three scopes, each with memory of its own, zeroed by the engine when the link is made:

* a session: this protocol on this link, over all its connections. Its memory begins with session_t.
  Protocols of which `line` holds may share a link: one request flies there at a time, and its
  session is shown first what arrives.
* a station: an address on the link; devices with the same address share it. Begins with station_t.
* a flight: a request on its way, with 24 bytes for what the protocol must know of it.

A protocol offers its table to Python as a capsule named PROTOCOL (see `drivers.api.Station`).
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from native.rows.store cimport group_t, layout_t, part_t, request_t, row_data, row_status

cdef enum:
    PROTOCOL_ABI = 1
    ASK_MAX = 1024      # bytes of the longest request of any protocol
    ADDRESS_MAX = 16    # bytes of a station's address
    OWN_BYTES = 24


cdef struct protocol_t
cdef struct session_t


cdef struct pause_t:
    # Silence that a station wants between requests, over the link's; its neighbours may be asked.
    int64_t ns            # told or learned: see `pause`
    int64_t told          # by the file
    int64_t learned
    int64_t before        # a shorter one is being tried; 0: none is
    int64_t review        # not to be thought over before
    int64_t review_ns     # since the last time that was in vain; 0: none was
    int64_t answered_at   # last
    uint32_t hurried      # requests in a row that came soon after an answer, and brought nothing
    uint32_t hurried_well  # that came as soon, and were answered
    int64_t over_at       # the station may be asked from then on


cdef struct station_t:
    # The head of a station's memory. The engine fills in session and address; `owes_until` is the
    # protocol's: how long an answer to an older request may still come; 0: none can.
    session_t *session
    uint8_t address[ADDRESS_MAX]
    uint8_t address_size
    int64_t owes_until
    int64_t late_ns       # the engine's: how long behind its request an answer may still come
    pause_t pause         # the engine's


cdef struct session_t:
    # The head of a session's memory. The protocol's are `window`, `granted` and `single`.
    const protocol_t *protocol
    int64_t char_ns       # the longest of a character on a serial wire; 0: not a serial wire
    int64_t timeout_ns    # the longest wait for an answer of a device that is not known to be slow
    station_t **stations
    int32_t station_count
    uint64_t seed         # of what should not be the same each time
    bint packets          # what arrives are datagrams, whole frames each
    uint32_t window       # requests that may fly on this connection now
    uint32_t granted      # what the last connection was granted, in its own words; 0: nothing
    bint single           # learned: never more than one at a time, and nothing tells a late answer


cdef enum Purpose:
    PLANNED = 0           # a request of the plan, for a row
    OWN = 1               # the protocol's own, sent before it, to find out what can be believed


cdef struct flight_t:
    const request_t *request  # of the plan. OWN: the one that waits behind it
    layout_t *layout
    station_t *station
    Purpose purpose
    uint8_t attempt       # 0, then 1 when it is repeated after damage
    bint full             # as many flew as may, and others waited
    int32_t member        # the engine's: which group, and which request of its plan
    int32_t number
    int64_t sent
    int64_t deadline
    int64_t wire_ns       # what request and answer take on the wire
    uint8_t own[OWN_BYTES]  # the protocol's; behind an int64_t, so that its words may be as long
    bint redone           # it was asked before in this scan, and not for damage
    bint rested           # nothing was asked or heard for a while before it
    # What was heard of its station instead of an answer. If nothing better comes in time, it is
    # that; 0: nothing.
    uint8_t seen_quality
    bint seen_surely      # and it was that device's
    uint16_t seen_code


cdef struct in_t:
    # What has arrived and is not done with.
    const uint8_t *p
    size_t n
    bint last             # the time of a request in flight is up: for that one nothing more comes


cdef struct out_t:
    # What `prepare` and the handshake want sent.
    uint8_t *p            # room for ASK_MAX bytes
    size_t n
    uint32_t chars        # of an OWN request and its answer, on the wire
    int64_t until         # WAIT: until then
    uint8_t quality       # REFUSE: what the row says
    uint16_t code
    bint flush            # throw away what has arrived before sending


cdef struct plan_t:
    # What a station is asked, as far as a protocol wants to choose a request of its own from it.
    layout_t *layout      # of the group whose turn it is
    group_t **groups      # all groups of the station, on this link
    int32_t group_count


cdef enum Prep:
    SEND = 0        # `out` holds the plan's request
    SEND_FIRST = 1  # `out` holds a request of the protocol's own; the plan's is still to be sent
    WAIT = 2        # the station can't be asked before `until`: as one that does not answer
    REFUSE = 3      # this connection can't carry that request: `quality` and `code`


cdef enum Verdict:
    MORE = 0            # no whole frame yet; `at_least` bytes are still to come
    ANSWER = 1          # to `flight`: whole, and in its row
    PARTIAL = 2         # to `flight`, in its row: more of it must be asked for
    REFUSED = 3         # `flight` was refused: `quality` and `code`
    BUSY = 4            # `flight` was refused, for now
    UNREACHED = 5       # something on the way says that the station of `flight` can't be reached
    IN_VAIN = 6         # `flight`, an OWN request, has come to nothing, and that is no fault
    FOREIGN_ANSWER = 7  # a whole frame that answers no open request; `whose` owed it, or NULL
    FOREIGN_REQUEST = 8  # another master asks
    NOISE = 9           # no frame
    # What should be the answer to `flight` fails its check. It is asked for once more: on a line as
    # soon as that has fallen silent, on a stream `used` bytes are done with.
    DAMAGED = 10
    BROKEN = 11         # the stream can't be followed any more: a new connection
    AGAIN = 12          # to `flight`, perhaps; asked once more, behind `until`, it will be known


cdef enum:
    TOLD_MOST = 8


cdef struct told_t:
    # What the driver may learn from an answer of which not all is well, in the protocol's words.
    uint16_t part         # of the request
    uint16_t code


cdef struct take_t:
    # About one frame in front of the input. The engine zeroes it.
    size_t used           # bytes that are done with, any verdict but MORE
    size_t at_least       # MORE: so many more bytes come before anything can be told
    bint begun            # MORE: the awaited answer has; what lies inside it is nobody else's frame
    int32_t flight        # which of the open ones
    # MORE, NOISE: no frame begins with these bytes. By themselves they end the connection where one
    # is awaited on a stream, unless they may be a heartbeat.
    bint adrift
    station_t *whose
    station_t *asked      # somebody else asks it
    station_t *behind     # it answers what it was asked before: what it said lately is not believed
    int64_t until         # FOREIGN_REQUEST, AGAIN: its answer comes before, most likely
    uint8_t quality
    uint16_t code
    uint8_t told_count    # about `flight`, whatever the verdict
    told_t told[TOLD_MOST]


cdef enum Why:
    NO_ANSWER = 0
    GARBLED = 1    # an answer was damaged; the request may be repeated
    CUT_OFF = 2    # the connection was lost


cdef struct listen_t:
    # For a line that another master owns: nothing is ever sent. `link` is the engine's link_t.
    # Bytes are there that came since `empty_at`; they are read, and taken, right after.
    void (*arrived)(void *link, int64_t empty_at, int64_t now) noexcept nogil
    # What has arrived, and what did not come by now: see native.engine.listening.
    void (*take)(void *link, int64_t now) noexcept nogil
    # Whether the exchange heard last covers what `f` asks for; its `data` go into the row, or it
    # has none where that is NULL.
    bint (*fill)(void *session, const flight_t *f, const uint8_t *data) noexcept nogil


cdef struct protocol_t:
    uint16_t abi                 # PROTOCOL_ABI
    uint16_t session_bytes
    uint16_t station_bytes
    # Frames on a line that one asks at a time: what lies there when nothing is awaited is thrown
    # away, and other protocols may be spoken on it. Else a stream.
    bint line
    const char *name
    # Once, when the link is made; False: the station's address is none of this protocol's.
    bint (*enrol)(void *session, void *station) noexcept nogil
    # Connected. 0: ready; > 0: `out` begins a handshake, which `shake` goes on with, on a stream;
    # < 0: broken.
    int (*begin)(void *session, out_t *out, int64_t now) noexcept nogil
    # Of a handshake: as `begin`; `used` bytes of the input are done with. NULL: there is none.
    int (*shake)(
        void *session, const in_t *in_, size_t *used, out_t *out, int64_t now
    ) noexcept nogil
    # The plan's request `f.request`, for the station `f.station`, or what must be asked before it.
    # A second `attempt` is the same request again.
    Prep (*prepare)(
        void *session, const plan_t *plan, flight_t *f, out_t *out, int64_t now
    ) noexcept nogil
    # The frame in front of the input, held against `n` open flights, the oldest first; there may
    # be none, also while another protocol's request flies on the line. An answer's data go into
    # the row by `put` and `mark`.
    Verdict (*take)(
        void *session, const in_t *in_, flight_t *open_, int32_t n, take_t *t, int64_t now
    ) noexcept nogil
    # A flight that `take` did not end. True: an OWN request whose failure is no fault: go on.
    bint (*ended)(void *session, const flight_t *f, Why why, int64_t now) noexcept nogil
    # Whether an awaited frame may begin with these bytes, at least one; NULL: it always may. What
    # devices that dial in say between frames is told apart by it.
    bint (*may_begin)(
        void *session, const flight_t *open_, int32_t n, const uint8_t *p, size_t size
    ) noexcept nogil
    const listen_t *listen       # NULL: can't listen only
    # Whether an answer to that request may be the one that somebody else asked for, or that was
    # asked for before; NULL: never.
    bint (*doubts)(
        void *session, const station_t *station, const request_t *request, int64_t now
    ) noexcept nogil


cdef inline bint put_part(
    layout_t *layout, uint32_t part, uint32_t at, const uint8_t *p, size_t n
) noexcept nogil:
    """Bytes of an answer into the row in progress; False, and nothing written, outside the part."""
    cdef const part_t *one
    if part >= <uint32_t>layout.part_count:
        return False
    one = &layout.parts[part]
    if at > one.bytes or n > one.bytes - at:
        return False
    memcpy(row_data(layout, layout.scratch) + one.offset + at, p, n)
    return True


cdef inline bint mark_part(layout_t *layout, uint32_t part, uint8_t quality) noexcept nogil:
    """How good a part of the row in progress is; False: there is no such part."""
    if part >= <uint32_t>layout.part_count:
        return False
    row_status(layout.scratch)[part] = quality
    return True


cdef inline bint put(
    const flight_t *f, uint32_t part, uint32_t at, const uint8_t *p, size_t n
) noexcept nogil:
    """Bytes of the answer to `f` into part number `part` of its request."""
    return part < f.request.part_count and put_part(
        f.layout, f.request.first_part + part, at, p, n
    )


cdef inline bint mark(const flight_t *f, uint32_t part, uint8_t quality) noexcept nogil:
    """How good part number `part` of the request of `f` is."""
    return part < f.request.part_count and mark_part(
        f.layout, f.request.first_part + part, quality
    )


cdef inline void mark_all(const flight_t *f, uint8_t quality) noexcept nogil:
    """The same for all parts of the request."""
    cdef uint32_t i
    for i in range(f.request.part_count):
        mark_part(f.layout, f.request.first_part + i, quality)
