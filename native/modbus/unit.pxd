"""What Modbus remembers of a connection and of a unit, and small functions on it."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from native.engine.protocol cimport session_t, station_t
from native.modbus.codec cimport RTU_MAX, ask_t

cdef enum Probing:
    # Whether a unit answers probes: reads by a function that its plan does not use.
    UNKNOWN = 0
    ANSWERED = 1
    MUTE = 2
    NEEDLESS = 3  # its plan has enough different answer sizes without probes

cdef enum Step:
    # TCP: whether a unit answers what it is asked, or one request behind: see `native.modbus.step`.
    UNSURE = 0
    SURE = 1
    PUT_OFF = 2   # the last check got no answer: check again after the next answer
    SUSPECT = 3   # the last check got an answer that does not fit: more checks will tell
    BEHIND = 4    # a check got the answer to an earlier check
    NEVER = 5     # it answers no checks, or none rightly: it is believed without

cdef enum What:
    READ = 0    # of the plan
    RESYNC = 1  # a read of the plan whose answer can't be mistaken for a late one
    PROBE = 2   # a read by a function that the plan does not use, for the same purpose
    CHECK = 3   # TCP: a read whose answer can't be mistaken for that to the request before

cdef enum:
    FUNCTIONS = 4       # how many functions read
    ASKED = 8           # how many of the last requests are remembered, to find units that lag
    CLAIMS = 4

cdef enum:
    DOUBT_REFUSAL = 1   # a refusal may be another asker's
    DOUBT_ALL = 2       # an answer, too


cdef struct claim_t:
    uint8_t unit
    uint8_t function
    uint16_t data_bytes
    int64_t heard
    int64_t until


cdef struct own_t:
    # Of a flight.
    ask_t ask
    uint8_t what          # as What
    uint8_t echoed        # what was sent has come back
    uint8_t behind        # the answer to an earlier probe came meanwhile
    uint8_t doubted       # somebody else asked meanwhile: DOUBT_*
    uint8_t odd_function  # of an answer of its unit that did not fit; 0: none came
    uint16_t odd_bytes


cdef struct unit_t:
    station_t head        # `owes_until`: an answer of it may still come
    # Answers to older requests that may still come on a line without ids:
    uint64_t outstanding[4]  # data sizes of the answers that may come, a bit each
    Probing probing
    uint8_t probed        # functions of the probes that may still be answered, a bit each
    uint8_t given_up      # functions of other requests that may, likewise
    bint ever             # it has answered since the link was made
    uint16_t last_bytes   # of data in the last answer of its plan
    # TCP:
    int32_t in_vain       # how often in a row nothing followed an answer of another unit
    Step step             # on a line too, where it is not UNSURE: SURE or BEHIND
    int32_t lagging       # on a line: reads to be sure of it in a row that others' answers came to
    bint checking         # a check is in flight
    uint16_t checks[3]    # SUSPECT: kinds of the checks so far
    int32_t check_count
    bint cleared          # it looked behind, but was not
    int32_t unchecked     # checks in a row without an answer
    int64_t check_at      # BEHIND: no check before then
    int64_t quarantine    # until then nothing it says is believed
    int64_t overdue       # the last time-out after which an answer may still come
    # On a bus of another master (native.modbus.overhear). `overdue` is there when the unit was last
    # asked or heard.
    bint answered         # it was heard, not asked
    int32_t owed_count    # requests that may still be answered
    int64_t owed_since    # when the first of them was asked
    ask_t owed            # the request, if all of them are the same
    bint mixed            # they are not
    uint16_t owed_bytes   # of data in the largest answer that may come
    # Since it owes one: the longest that an answer in doubt may have taken, and silences after one.
    int64_t slow_ns
    uint8_t silences
    # Somebody else asks it, unheard (native.modbus.asker), until `doubt_until`: sizes of the
    # answers, a bit each, and functions of the refusals that were not ours; lately, and before.
    int64_t doubt_until
    int64_t lag_until     # the same, if it only looks as if it answered one request behind
    int64_t turned_at
    uint64_t others[2][FUNCTIONS][4]
    uint8_t refusing[2]
    int32_t insisted      # resyncs in a row while he goes on asking
    uint16_t last_sum     # checksum of its last answer to us
    bint excepted         # the last request, `exception_ask`, was refused
    ask_t exception_ask


cdef struct asked_t:
    # What an answer shows of its request.
    uint16_t kind         # as `kind_of`; 0: none was
    uint8_t unit


cdef struct modbus_t:
    session_t head
    # TCP:
    uint16_t transaction
    uint32_t sent_here    # requests on this connection
    uint32_t sent_lately  # requests on any, up to as many as matter
    int32_t wrong_in_a_row
    int32_t unanswered    # requests in a row without an answer
    int64_t owes_until    # an answer to one that was given up may come until then
    asked_t asked[ASKED]  # the last requests, a ring
    uint32_t asked_at     # how many were noted in it
    int32_t misses        # answers in a row that were right but for an id that was never sent
    int32_t matches       # answers in a row with the right id, of one that is matched by order
    # Requests of another master that still await their answers (native.modbus.asker):
    claim_t claims[CLAIMS]
    int32_t claim_count
    bint plain            # this line does not echo what we send
    # On a bus of another master (native.modbus.overhear):
    bint hearing          # `heard` was asked at `heard_at`, its answer has not come
    int64_t heard_at
    int64_t doubt_until   # answers to requests before then are not believed
    uint64_t overruns     # bytes that the kernel says it lost
    ask_t heard


cdef inline unit_t *unit_of(modbus_t *s, uint8_t number) noexcept nogil:
    """The unit with this number; NULL: it is none of ours."""
    cdef int32_t i
    for i in range(s.head.station_count):
        if s.head.stations[i].address[0] == number:
            return <unit_t *>s.head.stations[i]
    return NULL


cdef inline bint is_behind(const unit_t *u) noexcept nogil:
    return u.step == SUSPECT or u.step == BEHIND


cdef inline uint16_t kind_of(uint8_t function, size_t data_bytes) noexcept nogil:
    """An answer's function and size as one number, by which answers are told apart."""
    return <uint16_t>((function & 0x7F) << 8 | min(data_bytes, <size_t>255))


cdef inline int64_t doubt_ns(const session_t *s) noexcept nogil:
    """How long an answer of a device that is there can take, to its last character."""
    return s.timeout_ns + RTU_MAX * s.char_ns


cdef inline void mark_outstanding(
    const session_t *s, unit_t *u, uint16_t data_bytes, int64_t now
) noexcept nogil:
    """Notes that an answer of this size may still come."""
    u.overdue = now
    u.outstanding[data_bytes >> 6 & 3] |= <uint64_t>1 << (data_bytes & 63)
    u.head.owes_until = now + u.head.late_ns


cdef inline bint is_outstanding(const unit_t *u, uint16_t data_bytes) noexcept nogil:
    return (u.outstanding[data_bytes >> 6 & 3] >> (data_bytes & 63)) & 1


cdef inline void synced(unit_t *u) noexcept nogil:
    """No answer is believed to be under way any more."""
    memset(u.outstanding, 0, sizeof(u.outstanding))
    u.owed_count = u.owed_bytes = 0
    u.given_up = 0
    u.mixed = False
    u.slow_ns = u.silences = 0
    u.head.owes_until = 0
    u.quarantine = 0
