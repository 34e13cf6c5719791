"""One link's state machine: which request goes out when, what an answer means, who is left alone
for a while.

No system call but the port's, no clock: `now` comes in, the next time something is due goes out.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from native.group cimport Group, group_t, layout_t
from native.modbus cimport Framing, ask_t, frame_t
from native.port cimport Port, port_t

cdef enum LinkState:
    DOWN = 0
    CONNECTING = 1
    UP = 2

cdef enum Purpose:
    SCAN = 0
    RESYNC = 1  # a short read whose answer can't be mistaken for a late one

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
    int64_t first_sent
    int64_t last_received
    bint failed           # no answer: the rest is not asked
    uint8_t fail_status
    layout_t *layout


cdef struct member_t:
    # A group on this link.
    group_t *g
    int32_t device
    scan_t scan


cdef struct device_t:
    uint8_t unit
    int64_t pause_ns
    int32_t failures      # scans in a row without an answer
    bint ever             # it has answered since the link was made
    bint silent
    int64_t backoff_ns
    int64_t next_try
    int64_t latency_ns    # the slowest answer lately, without the wire's time; 0: not known
    int64_t busy_until    # it said "busy"
    bint unsynced         # an answer of it may still come
    uint64_t outstanding[4]  # data sizes of the answers that may come, a bit each
    int64_t quarantine    # until then no byte of it is believed
    int64_t since         # of its present state
    int64_t last_good
    uint8_t cause         # quality code of the last failure
    uint8_t code          # exception code of the last refusal
    # Counters:
    uint64_t requests
    uint64_t answers
    uint64_t timeouts
    uint64_t damaged
    uint64_t exceptions
    uint64_t late
    int64_t answer_ns     # moving average
    int64_t answer_max_ns


cdef struct flight_t:
    ask_t ask
    int32_t member
    int32_t request
    Purpose purpose
    bint repeated         # after damage
    int64_t sent
    int64_t deadline
    int64_t wire_ns       # what request and answer take on the wire


cdef struct event_t:
    # A request was refused, for the driver to learn from.
    int32_t member
    uint16_t address
    uint16_t count
    uint8_t function
    uint8_t code


cdef struct link_t:
    port_t *port
    Framing framing
    LinkState state
    int32_t index         # in the loop
    int32_t first_slot    # of its members in the loop
    int32_t in_flight_max
    int64_t timeout_ns
    int64_t char_ns       # 0: not a serial wire
    int64_t silence_ns    # between frames, with the link's pause
    device_t *devices
    int32_t device_count
    member_t *members
    int32_t member_count
    int32_t *queue        # ring of members with a scan to send for
    int32_t queue_first
    int32_t queue_count
    int32_t *ended        # members whose awaited scan has ended; the loop takes them
    int32_t ended_count
    flight_t flights[IN_FLIGHT_MAX]
    int32_t flying
    uint16_t transaction
    int64_t free_at       # the wire is silent long enough from then on
    int64_t reopen_at
    int64_t connect_deadline
    int64_t backoff_ns
    int64_t since
    int32_t wrong_in_a_row
    int32_t timeouts_in_a_row
    bint no_tid           # learned: the device does not echo transaction ids
    int32_t tid_misses
    bint settle           # damaged: wait until the line is silent, then repeat
    int64_t settle_until
    int error             # errno of why it is down
    uint8_t input[INPUT_ROOM]
    size_t input_size
    uint64_t random
    bint draining         # no new scans: the loop is ending
    int64_t due           # when the loop must call link_time
    bint registered       # the fd is in the loop's epoll
    # Events for the driver; a ring that forgets its oldest.
    event_t events[EVENTS]
    uint64_t event_count
    # Counters:
    uint64_t requests
    uint64_t answers
    uint64_t timeouts
    uint64_t damaged
    uint64_t wrong
    uint64_t late
    uint64_t exceptions
    uint64_t retries
    uint64_t reconnects
    uint64_t bytes_in
    uint64_t bytes_out
    int64_t busy_ns


cdef void link_due(link_t *l, int32_t member, uint64_t tick, int64_t now) noexcept nogil
cdef void link_open(link_t *l, int64_t now) noexcept nogil
cdef void link_writable(link_t *l, int64_t now) noexcept nogil
cdef void link_readable(link_t *l, int64_t now) noexcept nogil
cdef int64_t link_await(link_t *l) noexcept nogil
cdef void link_lost(link_t *l, int error, int64_t now) noexcept nogil
cdef void link_time(link_t *l, int64_t now) noexcept nogil
cdef bint link_idle(link_t *l) noexcept nogil
cdef void link_finish(link_t *l, int64_t now) noexcept nogil


cdef class Link:
    cdef link_t l
    cdef Port port
    cdef object spec
    cdef list groups
    cdef list device_specs
    cdef uint64_t events_taken
    cdef int64_t busy_seen_ns
    cdef int64_t busy_seen_at
