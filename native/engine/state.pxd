"""What a link is, as data, and the small questions about it. No system call, no clock.

`scan` accounts rows and gaps, `ask` sends, `answer` receives, `link` ties them together.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memmove

from native.engine.protocol cimport flight_t, session_t, station_t
from native.engine.tap cimport tap_t
from native.rows.store cimport group_t, layout_t
from native.wire.transport cimport line_t, port_t

cdef extern from *:
    """
    #define MS INT64_C(1000000)
    #define NEVER INT64_MAX
    #define LATENCY_FLOOR (100 * MS)
    #define DIALIN_FLOOR (1000 * MS)
    #define BACKOFF_FIRST (250 * MS)
    #define BACKOFF_LAST (2000 * MS)
    #define REOPEN_FIRST (250 * MS)
    #define REOPEN_LAST (3000 * MS)
    #define CONNECT_LEAST (1500 * MS)
    #define SETTLE_LEAST (5 * MS)
    #define BUSY_FOR (100 * MS)
    #define DEAF_LEAST (1 * MS)
    #define DEAF_MARGIN MS
    #define REFUSED_FOR (600000 * MS)
    #define REFUSED_SOON (1000 * MS)
    """
    int64_t MS
    int64_t NEVER
    int64_t LATENCY_FLOOR  # the shortest wait for an answer
    int64_t DIALIN_FLOOR   # the same over 4G, where one in a hundred takes ten times as long
    int64_t BACKOFF_FIRST  # of a silent device, doubling to the last
    int64_t BACKOFF_LAST
    int64_t REOPEN_FIRST   # of a port or connection, likewise
    int64_t REOPEN_LAST
    int64_t CONNECT_LEAST
    int64_t SETTLE_LEAST   # silence after damage, at least
    int64_t DEAF_LEAST     # shorter waits are not worth two system calls
    int64_t DEAF_MARGIN    # listen so long before the last character: adapters bring bursts
    int64_t BUSY_FOR       # a device that says "busy" is not asked for so long
    int64_t REFUSED_FOR    # ten minutes, then a refused address is asked again
    int64_t REFUSED_SOON   # what answered before, and what may be split

cdef enum:
    REFUSALS_LAST = 3    # refusals in a row after which an address is set aside
    FAILURES_SILENT = 2  # scans in a row without an answer: the device is silent

cdef enum LinkState:
    DOWN = 0
    CONNECTING = 1
    UP = 2

cdef enum:
    IN_FLIGHT_MAX = 32
    INPUT_ROOM = 4096
    EVENTS = 64


cdef struct scan_t:
    bint active
    bint queued
    uint64_t tick
    bint awaited          # a tick came due while it ran: the loop asks again at its end
    int64_t due_ns
    int32_t next_request
    int32_t open          # requests in flight
    int64_t turn          # when its next request is wanted, at the pace of the link: see `ask`
    int64_t first_sent
    int64_t last_received
    bint failed           # no answer: the rest is not asked
    uint8_t fail_status
    layout_t *layout


cdef struct member_t:
    # A group on this link.
    group_t *g
    int32_t device
    int64_t served        # its ticks up to here have had, or have, a scan, at the link's pace
    uint64_t next_tick    # that is due
    int presence          # of a guest: see `guests`
    bint told             # its newest row says that the device does not answer
    scan_t scan


cdef struct device_t:
    station_t *station    # devices with one address share it
    group_t **groups      # all of the station
    int32_t group_count
    line_t line           # of a serial wire, as this device has it
    int64_t char_ns       # of a character on it; 0: not a serial wire
    int64_t silence_ns    # between frames, with the link's pause
    int64_t pause_ns      # silence that it wants, over that
    int64_t free_at       # it may be asked again
    int32_t failures      # scans in a row without an answer
    bint ever             # it has answered since the link was made
    bint silent
    int64_t backoff_ns
    int64_t next_try
    int64_t latency_ns    # the slowest answer lately, without the wire's time; 0: not known
    int64_t busy_until    # it said "busy"
    int64_t wait_until    # its protocol has it left alone until then
    int64_t since         # of its present state
    int64_t last_good
    uint8_t cause         # quality code of the last failure
    uint16_t code         # of the last refusal, in its protocol's words
    # Counters:
    uint64_t requests
    uint64_t answers
    uint64_t timeouts
    uint64_t damaged
    uint64_t exceptions
    uint64_t late
    int64_t answer_ns     # moving average
    int64_t answer_max_ns


cdef struct event_t:
    # A request was refused, or a part of it, for the driver to learn from.
    int32_t member
    uint32_t layout       # its serial
    int32_t request
    int32_t part          # -1: the whole
    uint16_t code


cdef struct link_t:
    # What every request touches comes first and together; the large parts come last.
    port_t *port
    tap_t *tap            # who looks on; NULL: nobody ever did
    session_t **sessions  # one a protocol; several only where `line` holds
    int32_t session_count
    bint line             # its protocols are asked one request at a time
    LinkState state
    int64_t due           # when the loop must call link_time
    int64_t free_at       # the wire is silent long enough from then on
    int64_t silence_ns    # between frames, with the link's pause, as the line is now
    int64_t char_ns       # 0: not a serial wire
    int64_t pace          # ticks up to here have had their turn: behind the clock where there is
    #                       more to ask than the link can carry
    int64_t timeout_ns
    int64_t wait_least_ns  # never give an answer up before
    device_t *devices
    member_t *members
    group_t **station_groups  # what `groups` of the devices show
    int32_t *queue        # members with requests to send, in the order their scans began: see `ask`
    int32_t *ended        # members whose awaited scan has ended; the loop takes them
    int32_t device_count
    int32_t member_count  # those of the configuration, and guests behind them
    int32_t resident_count
    int32_t queue_count
    int32_t ended_count
    int32_t flying
    int32_t in_flight_max
    int32_t index         # in the loop
    int32_t first_slot    # of its members in the loop
    int32_t timeouts_in_a_row
    bint greeting         # connected: the protocol's handshake is under way
    bint draining         # no new scans: the loop is ending
    bint registered       # the fd is in the loop's epoll
    uint32_t watched      # the events that the loop's epoll looks for
    int waits_for         # while CONNECTING: WAIT_*
    bint shaking          # connected: a handshake is under way
    bint settle           # damaged: wait until the line is silent, then repeat
    bint more             # the shell's last read ended before the port was empty
    int64_t deaf_until    # a slow wire cannot bring the rest before; 0: listen
    int64_t settle_until
    int64_t backoff_ns
    size_t input_size
    # Counters:
    uint64_t requests
    uint64_t answers
    uint64_t bytes_in
    uint64_t bytes_out
    int64_t busy_ns
    uint64_t timeouts
    uint64_t damaged
    uint64_t wrong
    uint64_t late
    uint64_t exceptions
    uint64_t retries
    uint64_t reconnects
    # Of its connection:
    int64_t reopen_at
    int64_t connect_deadline
    int64_t since
    int error             # errno, or TLS_*, of why it is down
    bint unwelcome        # it ended in its protocol's handshake
    # What native.engine.flights learns:
    int32_t flights_most  # the most that the file allows; 0: in_flight_max is said, not learned
    int32_t flights_good  # more did not pay, or did harm
    int32_t sampled
    int64_t sampled_ns
    double answers_a_second
    bint trying           # twice as many as were good
    int64_t try_at        # not more than flights_good before
    int64_t harm_at       # when more than one in flight last did harm
    int64_t harm_wait
    int64_t flights_since
    bint listen_only      # another master asks: the protocol's `listen` has the link
    int64_t empty_at      # the port was seen empty: what is there came later
    uint64_t random
    flight_t flights[IN_FLIGHT_MAX]
    # Events for the driver; a ring that forgets its oldest.
    uint64_t event_count
    event_t events[EVENTS]
    uint8_t input[INPUT_ROOM]


cdef inline int32_t may_fly(link_t *l) noexcept nogil:
    """How many requests may fly: what is good for the device, and what its protocol takes now."""
    return min(l.in_flight_max, <int32_t>min(l.sessions[0].window, <uint32_t>IN_FLIGHT_MAX))


cdef inline int64_t jitter(link_t *l, int64_t ns) noexcept nogil:
    """Between three quarters of `ns` and all of it (xorshift64)."""
    l.random ^= l.random << 13
    l.random ^= l.random >> 7
    l.random ^= l.random << 17
    return ns - <int64_t>(l.random % <uint64_t>(ns // 4 + 1))


cdef inline int64_t patience(link_t *l, device_t *d, int64_t wire_ns) noexcept nogil:
    """How long to wait for an answer, from the moment the request was handed to the kernel."""
    cdef int64_t wait = l.timeout_ns
    if d.latency_ns and 3 * d.latency_ns < wait:
        wait = 3 * d.latency_ns
        if wait < l.wait_least_ns:
            wait = l.wait_least_ns
    if wait > l.timeout_ns:
        wait = l.timeout_ns
    return wait + wire_ns


cdef inline void enqueue(link_t *l, int32_t member) noexcept nogil:
    """A scan has begun: it waits for its turns."""
    cdef member_t *m = &l.members[member]
    cdef int64_t start = m.scan.due_ns
    if l.queue_count or l.flying:
        start = min(start, max(m.served, l.pace))
    else:
        l.pace = max(l.pace, start)  # nothing waits: the link keeps up with the clock
    m.served = start + m.g.period_ns
    m.scan.turn = start + m.g.period_ns // max(1, m.scan.layout.request_count)
    l.queue[l.queue_count] = member
    l.queue_count += 1
    l.members[member].scan.queued = True


cdef inline void unqueue(link_t *l, int32_t member) noexcept nogil:
    """Take a member out; the others keep the order in which their scans began."""
    cdef int32_t at = 0
    if not l.members[member].scan.queued:
        return
    while l.queue[at] != member:
        at += 1
    l.queue_count -= 1
    memmove(&l.queue[at], &l.queue[at + 1], <size_t>(l.queue_count - at) * sizeof(int32_t))
    l.members[member].scan.queued = False


cdef inline void clear_queue(link_t *l) noexcept nogil:
    while l.queue_count:
        l.queue_count -= 1
        l.members[l.queue[l.queue_count]].scan.queued = False


cdef inline void drop_flight(link_t *l, int32_t i) noexcept nogil:
    """Keeps the others in the order they were sent."""
    l.flying -= 1
    memmove(&l.flights[i], &l.flights[i + 1], <size_t>(l.flying - i) * sizeof(flight_t))


cdef inline void touch(link_t *l, int64_t now) noexcept nogil:
    """The wire was in use until `now`: it is free after the silence."""
    if now + l.silence_ns > l.free_at:
        l.free_at = now + l.silence_ns


cdef inline void touch_device(link_t *l, device_t *d, int64_t now) noexcept nogil:
    """Likewise; and the device wants its pause, while its neighbours may be asked."""
    touch(l, now)
    d.free_at = l.free_at + d.pause_ns


cdef inline void await_rest(link_t *l, size_t bytes, int64_t now) noexcept nogil:
    """On a serial wire, sleep through the characters that are still to come of a frame that began.

    One wake-up instead of one each millisecond.
    """
    cdef int64_t rest = <int64_t>bytes * l.char_ns - DEAF_MARGIN
    if l.flying and rest > DEAF_LEAST:
        l.deaf_until = now + rest
