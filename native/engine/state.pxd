"""What a link is, as data, and the small questions about it. No system call, no clock.

Its parts have files of their own: `bus` (the wire that its devices share), `connection`, `flights`
(requests in flight), `counts` (what it tells). `scan` accounts rows and gaps, `ask` sends, `answer`
receives, `machine` ties them together.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memmove

from native.clock cimport MS
from native.engine.beats cimport beats_t
from native.engine.bus cimport bus_t, others_t, touch
from native.engine.connection cimport connection_t
from native.engine.counts cimport counts_t, events_t
from native.engine.flights cimport IN_FLIGHT_MAX, flights_t
from native.engine.protocol cimport session_t, station_t
from native.engine.tap cimport tap_t
from native.reasons cimport BAD_GATEWAY
from native.rows.store cimport group_t, layout_t
from native.wire.transport cimport STREAM, line_t, port_t

cdef extern from *:
    """
    #define MS INT64_C(1000000)
    #define NEVER INT64_MAX
    #define LATENCY_FLOOR (100 * MS)
    #define DIALIN_FLOOR (1000 * MS)
    #define BACKOFF_FIRST (250 * MS)
    #define BACKOFF_LAST (2000 * MS)
    #define BUSY_FOR (100 * MS)
    #define REFUSED_FOR (600000 * MS)
    #define REFUSED_SOON (1000 * MS)
    #define ASIDE_FIRST (2000 * MS)
    #define ASIDE_MOST (4000 * MS)
    #define SILENT_WAITS (500 * MS)
    #define SLEEP_LEAST (1000 * MS)
    #define WAIT_MOST (3000 * MS)
    """
    int64_t LATENCY_FLOOR  # the shortest wait for an answer
    int64_t DIALIN_FLOOR   # the same over 4G, where one in a hundred takes ten times as long
    int64_t BACKOFF_FIRST  # between tries of a silent device, doubling up to BACKOFF_LAST
    int64_t BACKOFF_LAST
    int64_t BUSY_FOR       # a device that says "busy" is not asked for so long
    int64_t REFUSED_FOR    # retry delay for a refused request
    int64_t REFUSED_SOON   # the same for one that once succeeded or can be split
    int64_t ASIDE_FIRST    # retry delay for a request that brings no answer, the first time
    int64_t ASIDE_MOST     # and later; longer where waiting for it takes over a twentieth of that
    int64_t WAIT_MOST      # longest learned wait for an answer, where the file has no `timeout`
    int64_t SILENT_WAITS   # a silent device's turn comes after so long, though others never rest
    int64_t SLEEP_LEAST    # a device that is left alone for so long may have to be woken

cdef enum:
    REFUSALS_LAST = 3    # refusals in a row after which an address is set aside
    FAILURES_SILENT = 2  # so many scans in a row without an answer: the device is silent
    MISSES_LAST = 2      # so often one request got no answer, while others did: it is set aside
    MISSED_LAST = 2      # so many requests in a row without an answer end a scan
    BUSY_LAST = 2        # so many in a row refused as busy: the whole device is left alone
    WAIT_SHARE = 20      # waiting in vain takes at most one part in so many of the time

cdef enum:
    INPUT_ROOM = 4096    # bytes of input that are kept


cdef struct scan_t:
    bint active
    bint queued
    uint64_t tick
    # Requests are numbered from 0 in their layout; "1 + number" is 0 where there is none.
    int32_t again         # how many requests are to be repeated
    int32_t redone        # 1 + number of the request that is being repeated
    int32_t answered      # requests that were answered or refused
    int32_t missed        # requests in a row without an answer
    int32_t busy          # requests in a row that were refused as busy
    int32_t mute          # 1 + number of a request known to get no answer, which is asked last
    int32_t tried         # 1 + number of a request that was asked before its turn: see try_another
    bint awaited          # the next tick came due while it ran: scan that when this one ends
    int64_t due_ns
    int32_t next_request  # its number
    int32_t open          # requests in flight
    int64_t step          # ns between two of its requests, spread evenly over the period
    int64_t turn          # when its next request is wanted, at the pace of the link: see `ask`
    int64_t first_sent    # 0: nothing was
    int64_t last_received  # 0: nothing was
    bint asked            # a request of the plan was sent, not only the protocol's own
    bint failed           # given up: its other requests are not asked
    uint8_t fail_status   # why, as a quality
    layout_t *layout


cdef struct member_t:
    # A group on this link.
    group_t *g
    int32_t device
    int64_t served        # its next scan is wanted then, at the pace of the link: see `ask`
    uint64_t next_tick    # the shell's: the tick that is waited for
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
    int32_t failures      # scans in a row without an answer
    bint ever             # it has answered since the link was made
    bint silent           # it has not answered for FAILURES_SILENT scans
    int64_t backoff_ns    # between tries while it is silent
    int64_t next_try      # while it is silent: when to try it
    uint32_t tries        # scans that tried whether it is back
    int64_t latency_ns    # the slowest answer lately, without the wire's time; 0: not known
    int64_t wait_ns       # the longest wait for an answer
    int64_t given_up      # when the request was sent that was given up last; 0: none was
    int64_t late_ns       # how long the last answer took that came too late; 0: none did
    int64_t try_ns        # the longest wait while it is silent
    int64_t asked_at      # when it was asked last; 0: never
    int64_t heard_at      # when it was last heard too late; 0: never
    int64_t busy_until    # it said "busy": not asked before
    int64_t wait_until    # its protocol wants it left alone until then
    int64_t since         # of its present state
    int64_t last_good     # when it last answered with data; 0: never
    uint8_t cause         # of its last trouble, as a quality; 0: none
    uint16_t code         # of the last refusal, as its protocol numbers them
    # Counters:
    uint64_t requests
    uint64_t answers
    uint64_t timeouts
    uint64_t damaged
    uint64_t exceptions
    uint64_t late
    int64_t answer_ns     # time from request to answer, a moving average
    int64_t answer_max_ns


cdef struct shell_t:
    # What passes between a link and the loop that drives it.
    int64_t due           # when the loop must call link_time
    int32_t *ended        # members whose scan has ended and whose next tick is due already
    int32_t ended_count
    int32_t index         # in the loop
    int32_t first_slot    # of its members in the loop
    bint registered       # the fd is in the loop's epoll
    uint32_t watched      # the events that the loop's epoll looks for
    bint more             # the last read ended before the port was empty
    int64_t empty_at      # the port was seen empty: what is there came later


cdef struct input_t:
    # What has arrived and is not taken yet.
    size_t size
    bint last             # as in in_t
    uint8_t bytes[INPUT_ROOM]


cdef struct link_t:
    # What every request touches comes first and together; the large parts come last.
    port_t *port
    tap_t *tap            # who looks on; NULL: nobody ever did
    session_t **sessions  # one a protocol; several only where `line` holds
    int32_t session_count
    bint line             # one request at a time, whoever is asked
    bint listen_only      # another master asks: see `listening`
    bint draining         # the loop is ending: no scan begins any more
    int64_t timeout_ns    # wait for an answer until a longer one is learned
    int64_t wait_least_ns  # no answer is given up before
    int64_t wait_most_ns  # no longer wait is learned
    device_t *devices
    member_t *members
    group_t **station_groups  # what `groups` of the devices show
    int32_t device_count
    int32_t member_count  # those of the configuration, and guests behind them
    int32_t resident_count
    uint64_t random
    shell_t shell
    bus_t bus
    connection_t conn
    others_t others
    counts_t counts
    flights_t flights
    events_t events
    beats_t beats
    input_t input


cdef inline int32_t may_fly(link_t *l) noexcept nogil:
    """How many requests may fly: what is good for the device, and what its protocol takes now."""
    cdef int32_t most = min(
        l.flights.limit, <int32_t>min(l.sessions[0].window, <uint32_t>IN_FLIGHT_MAX)
    )
    return min(most, 1) if l.flights.careful_until else most


cdef inline bint is_connection(const link_t *l) noexcept nogil:
    """Whether it can be made anew at once, by us."""
    return l.port.kind == STREAM


cdef inline int64_t jitter(link_t *l, int64_t ns) noexcept nogil:
    """Between three quarters of `ns` and all of it (xorshift64)."""
    l.random ^= l.random << 13
    l.random ^= l.random >> 7
    l.random ^= l.random << 17
    return ns - <int64_t>(l.random % <uint64_t>(ns // 4 + 1))


cdef inline int64_t held_ns(const device_t *d) noexcept nogil:
    """How long its gateway takes to say that it does not answer, with a margin, as it has said so
    too late; 0: it has not. Whatever else is asked meanwhile waits there.
    """
    return min(d.late_ns + d.late_ns // 8, WAIT_MOST) if d.cause == BAD_GATEWAY else 0


cdef inline int64_t longest_wait(const device_t *d) noexcept nogil:
    return max(min(d.wait_ns, d.try_ns), held_ns(d)) if d.silent else d.wait_ns


cdef inline bint is_left(const scan_t *s) noexcept nogil:
    """Whether something of it is still to be asked."""
    return s.next_request < s.layout.request_count or s.again > 0 or s.mute > 0


cdef inline int64_t patience(link_t *l, device_t *d, int64_t wire_ns) noexcept nogil:
    """How long to wait for an answer, from the moment the request was handed to the kernel on;
    `wire_ns`: what request and answer take on the wire.
    """
    cdef int64_t wait = longest_wait(d)
    if d.latency_ns and 3 * d.latency_ns < wait and not (d.silent and held_ns(d)):
        wait = min(wait, max(3 * d.latency_ns, l.wait_least_ns))
    return wait + wire_ns


cdef inline void enqueue(link_t *l, int32_t member) noexcept nogil:
    """A scan has begun: its requests wait for their turns."""
    cdef member_t *m = &l.members[member]
    cdef int64_t start = m.scan.due_ns
    if l.bus.queue_count or l.flights.count:
        start = min(start, max(m.served, l.bus.pace))
    else:
        l.bus.pace = max(l.bus.pace, start)  # nobody waits: the link keeps up with the clock
    m.served = start + m.g.period_ns
    m.scan.step = m.g.period_ns // max(1, m.scan.layout.request_count)
    m.scan.turn = start + m.scan.step
    l.bus.queue[l.bus.queue_count] = member
    l.bus.queue_count += 1
    l.members[member].scan.queued = True


cdef inline void unqueue(link_t *l, int32_t member) noexcept nogil:
    """Take a member's scan out; the others keep the order in which they began."""
    cdef int32_t *queue = l.bus.queue
    cdef int32_t at = 0
    if not l.members[member].scan.queued:
        return
    while queue[at] != member:
        at += 1
    l.bus.queue_count -= 1
    memmove(&queue[at], &queue[at + 1], <size_t>(l.bus.queue_count - at) * sizeof(int32_t))
    l.members[member].scan.queued = False


cdef inline void clear_queue(link_t *l) noexcept nogil:
    while l.bus.queue_count:
        l.bus.queue_count -= 1
        l.members[l.bus.queue[l.bus.queue_count]].scan.queued = False


cdef inline void touch_device(link_t *l, device_t *d, int64_t now) noexcept nogil:
    """The wire was in use until `now`; and the device's station wants its pause."""
    touch(&l.bus, now)
    d.station.pause.over_at = l.bus.free_at + d.station.pause.ns
