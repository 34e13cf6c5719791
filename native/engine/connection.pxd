"""A link's connection: whether it is there, what was learned of how the device treats one."""

from libc.stdint cimport int32_t, int64_t, uint32_t

from native.clock cimport MS

cdef extern from *:
    """
    #define REOPEN_FIRST (250 * MS)
    #define REOPEN_LAST (3000 * MS)
    #define CONNECT_LEAST (1500 * MS)
    #define IDLE_LEAST (1000 * MS)
    #define QUIET_FIRST (1000 * MS)
    #define QUIET_LAST (3000 * MS)
    """
    int64_t REOPEN_FIRST   # wait before a port or connection is opened again, doubling to the last
    int64_t REOPEN_LAST
    int64_t CONNECT_LEAST  # how long connecting may take, at least
    int64_t IDLE_LEAST     # unused for less than this, no connection is taken to be forgotten
    int64_t QUIET_FIRST    # silence after connecting that is tried where connections bring no
    #                        answer; then QUIET_LAST, then none
    int64_t QUIET_LAST

cdef enum:
    FRUITLESS_LAST = 2   # so many connections in a row without an answer: a new one does not help

cdef enum LinkState:
    DOWN = 0
    CONNECTING = 1
    UP = 2


cdef struct connection_t:
    LinkState state
    bint greeting         # connected: the protocol's handshake is under way
    bint shaking          # connecting: the handshake of TLS is under way
    int waits_for         # while CONNECTING: WAIT_*
    bint renewing         # lost, and a new one is made at once for the requests under way
    bint resting          # lost while idle: a new one is made when something is to be asked
    uint32_t asked        # requests on this connection
    uint32_t answers      # likewise
    int32_t timeouts_in_a_row
    int32_t fruitless     # connections in a row that brought no answer
    int64_t used_at       # when something was last asked or answered
    int64_t idle_ns       # how long it was unused before the last request
    int64_t idle_fine     # the longest time that it was unused and answered all the same
    int64_t idle_tried    # it was unused for so long before a request without an answer
    int64_t idle_most     # learned: unused for longer, the device has forgotten it; 0: not known
    int64_t quiet_ns      # silence on a new connection before the first request
    int64_t quiet_good    # a silence after which the device has answered
    bint quiet_told       # the configuration says how long the silence is: nothing is learned
    bint quiet_sure       # a shorter silence was tried, and brought no answer
    int64_t quiet_until   # connected: the handshake begins then; 0: it has begun
    int64_t deadline      # when connecting, or the handshake, is given up
    int64_t reopen_at     # while DOWN: when to open again
    int64_t backoff_ns    # between attempts to open
    int64_t since         # of its present state
    int error             # errno, or TLS_*, of why it is down
    bint unwelcome        # the last one ended in its protocol's handshake


cdef inline bint is_stale(const connection_t *c) noexcept nogil:
    """Whether the device has forgotten the connection by now, as was learned."""
    return c.idle_most > 0 and c.answers > 0 and c.idle_ns >= c.idle_most - c.idle_most // 4


cdef inline bint is_rested(const connection_t *c) noexcept nogil:
    """Whether the device may have forgotten it: it has never rested for so long without harm."""
    return c.idle_ns >= IDLE_LEAST and c.idle_ns > c.idle_fine and c.answers > 0


cdef inline void connection_answers(
    connection_t *c, bint is_ours, bint rested, int64_t now
) noexcept nogil:
    """It brought an answer. `is_ours`: we dialled it; `rested`: it had been unused before the
    request for longer than ever without harm.
    """
    c.timeouts_in_a_row = 0
    c.backoff_ns = REOPEN_FIRST
    if c.answers == 0 and is_ours:
        c.fruitless = 0
        if not c.quiet_told and (c.quiet_ns != c.quiet_good or c.quiet_ns == 0):
            c.quiet_good, c.quiet_sure = c.quiet_ns, c.quiet_ns == 0
        if c.idle_tried:
            # The repeat is answered on a new connection: the old one was unused for too long.
            c.idle_most, c.idle_tried = c.idle_tried, 0
    elif rested:
        c.idle_fine = c.idle_ns
        if c.idle_fine >= c.idle_most:
            c.idle_most = 0
    c.answers += 1
    c.used_at = now


cdef inline void connection_ended(connection_t *c) noexcept nogil:
    """One that was up is lost: learn how long a silence the device wants after connecting."""
    if c.answers:
        if not (c.quiet_told or c.quiet_sure):
            c.quiet_ns = 0  # without silence the next one shows whether it was needed
        return
    c.fruitless += 1
    if c.quiet_told or c.asked == 0 or (c.quiet_sure and c.quiet_good == 0):
        return
    if c.quiet_good and c.quiet_ns == 0 and not c.quiet_sure:
        c.quiet_sure = True
        c.quiet_ns = c.quiet_good
    elif c.fruitless > FRUITLESS_LAST:
        c.quiet_ns = QUIET_FIRST if c.quiet_ns == 0 else (
            QUIET_LAST if c.quiet_ns < QUIET_LAST else 0
        )
