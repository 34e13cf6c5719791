"""A shell without a wire and without a clock: bytes in, bytes out, in virtual time.

For tests: the same machine as in the scan thread, with memory in place of the port and a number in
place of the clock. Nothing here waits, so a conversation that lasts minutes takes microseconds, and
goes the same way each time. What `native.engine.loop` does between system calls is done here in the
same order.
"""

cimport cython
from libc.errno cimport ENOTCONN
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy, memmove, memset

from native.clock cimport MS
from native.engine.connection cimport CONNECTING, UP
from native.engine.guests cimport GUESTS, take_guests
from native.engine.link cimport Link
from native.engine.machine cimport (
    DRAIN_FOR,
    link_announced,
    link_arrived,
    link_connect,
    link_finish,
    link_idle,
    link_offered,
    link_open,
    link_room,
    link_time,
    link_wants_read,
)
from native.engine.scan cimport link_lost
from native.engine.state cimport link_t
from native.engine.ticking cimport begin_awaited, tick_due
from native.engine.timers cimport free_timers, make_timers, set_timer
from native.rows.group cimport Group
from native.wire.transport cimport DIALIN, WAIT_WRITE, counters_t, line_t, ops_t, port_t

cdef enum:
    TURNS_MOST = 1000         # things due at one time: more is a link that is due for ever
    A_CALLER = 0x7FFFFFFE     # in place of a descriptor: no process has that many

cdef int64_t LOOK_EACH = 100 * MS  # the loop comes out of epoll at least so often


cdef int memory_open(port_t *p) noexcept nogil:
    cdef rig_t *r = <rig_t *>p.session
    r.arrived_size = 0
    r.hung_up = 0
    if p.kind == DIALIN and p.offered < 0:
        return -ENOTCONN
    r.opened += 1
    if p.kind == DIALIN:
        p.offered = -1
        p.heard = r.now
        return 0
    if r.slow:
        return WAIT_WRITE
    return -r.refusal


cdef int memory_finish(port_t *p) noexcept nogil:
    return -(<rig_t *>p.session).refusal


cdef ssize_t memory_read(port_t *p, uint8_t *buffer, size_t room) noexcept nogil:
    cdef rig_t *r = <rig_t *>p.session
    cdef size_t n = min(room, r.arrived_size)
    if n == 0:
        return -r.hung_up
    memcpy(buffer, r.arrived, n)
    r.arrived_size -= n
    memmove(r.arrived, r.arrived + n, r.arrived_size)
    p.heard = r.now
    return <ssize_t>n


cdef ssize_t memory_write(port_t *p, const uint8_t *data, size_t n) noexcept nogil:
    cdef rig_t *r = <rig_t *>p.session
    if r.stuck or n > ROOM - r.sent_size:
        return 0
    memcpy(r.sent + r.sent_size, data, n)
    r.sent_size += n
    return <ssize_t>n


cdef void memory_flush(port_t *p) noexcept nogil:
    (<rig_t *>p.session).arrived_size = 0


cdef int memory_tune(port_t *p, const line_t *line) noexcept nogil:
    p.line = line[0]
    return 0


cdef void memory_close(port_t *p) noexcept nogil:
    memory_flush(p)


cdef int memory_count(port_t *p, counters_t *c) noexcept nogil:
    memset(c, 0, sizeof(counters_t))
    c.overrun = (<rig_t *>p.session).overrun
    return 0


cdef ops_t OPS
OPS.open, OPS.finish, OPS.read, OPS.write = memory_open, memory_finish, memory_read, memory_write
OPS.await_read, OPS.packets = NULL, False
OPS.flush, OPS.close, OPS.counters = memory_flush, memory_close, memory_count
OPS.tune = memory_tune


cdef bint rig_begin(rig_t *r, link_t *l, int64_t now) noexcept nogil:
    cdef int32_t i
    memset(r, 0, sizeof(rig_t))
    if not make_timers(&r.timers, l.resident_count + GUESTS + 1):
        free_timers(&r.timers)
        r.timers.heap = NULL
        return False
    r.l, r.now, r.empty_at = l, now, now
    r.own = l.port.ops
    r.own.close(l.port)
    l.port.ops = &OPS
    l.port.session = r
    l.shell.first_slot = 0
    l.random = 88172645463325252  # the same each time
    for i in range(l.session_count):
        l.sessions[i].seed = l.random
    for i in range(l.resident_count):
        l.members[i].g.start_ns = now + l.members[i].g.phase_ns
        set_timer(&r.timers, i, l.members[i].g.start_ns)
    set_link_timer(r)
    return True


cdef void rig_end(rig_t *r) noexcept nogil:
    r.l.port.session = NULL
    r.l.port.offered = -1
    r.l.port.ops = r.own
    free_timers(&r.timers)
    r.timers.heap = NULL


cdef inline void set_link_timer(rig_t *r) noexcept nogil:
    set_timer(&r.timers, r.timers.size - 1, r.l.shell.due)


cdef void settle(rig_t *r) noexcept nogil:
    """After any call into the link: overdue ticks begun, its next time known."""
    begin_awaited(r.l, &r.timers, r.now)
    set_link_timer(r)


cdef void read_all(rig_t *r) noexcept nogil:
    """Read as the loop's `read_port` does, or as its `await_port`."""
    cdef uint8_t *at
    cdef size_t room = 0, n
    cdef ssize_t got = 1
    while got > 0 and r.l.conn.state == UP:
        at = link_room(r.l, &room)
        got = OPS.read(r.l.port, at, room)
        n = <size_t>got if got > 0 else 0
        if got or not r.awaits:
            link_arrived(r.l, got, not r.awaits and n == room, r.now)
        if n < room:
            break


cdef void rig_open(rig_t *r) noexcept nogil:
    link_open(r.l, r.now)
    settle(r)


cdef void rig_connected(rig_t *r) noexcept nogil:
    if r.l.conn.state == CONNECTING:
        link_connect(r.l, r.now)
        settle(r)


cdef void rig_dialled(rig_t *r) noexcept nogil:
    r.l.port.offered = A_CALLER
    if link_offered(r.l, r.now):
        settle(r)


cdef void rig_pass(rig_t *r, int64_t now) noexcept nogil:
    if now > r.now and r.arrived_size == 0:
        r.empty_at += (now - r.empty_at) // LOOK_EACH * LOOK_EACH
    r.now = now


cdef bint rig_lay(rig_t *r, const uint8_t *p, size_t n) noexcept nogil:
    if n > ROOM - r.arrived_size:
        return False
    memcpy(r.arrived + r.arrived_size, p, n)
    r.arrived_size += n
    return True


cdef bint rig_look(rig_t *r) noexcept nogil:
    # Epoll announces nothing of a line on which nothing is awaited for a while.
    if r.l.conn.state != UP or r.l.bus.deaf_until or not (r.arrived_size or r.hung_up):
        return False
    link_announced(r.l, r.empty_at, r.now)
    read_all(r)
    r.empty_at = r.now
    settle(r)
    return True


cdef bint rig_feed(rig_t *r, const uint8_t *p, size_t n) noexcept nogil:
    cdef bint is_room = rig_lay(r, p, n)
    rig_look(r)
    return is_room


cdef int64_t rig_next(rig_t *r) noexcept nogil:
    return r.timers.heap[0].due


cdef void rig_due(rig_t *r) noexcept nogil:
    cdef int32_t item, turns = 0
    if r.arrived_size == 0:
        r.empty_at = r.now
    while r.timers.heap[0].due <= r.now and turns < TURNS_MOST:
        turns += 1
        item = r.timers.heap[0].item
        if item < r.timers.size - 1:
            tick_due(r.l, item, &r.timers, r.now)
        else:
            if link_wants_read(r.l, r.now):
                read_all(r)
            link_time(r.l, r.now)
        settle(r)
    if r.visited:
        rig_visited(r)


cdef void rig_visited(rig_t *r) noexcept nogil:
    r.visited = take_guests(r.l, &r.timers, r.now)


cdef void rig_stop(rig_t *r) noexcept nogil:
    r.l.draining = True
    r.stopped = r.now


cdef bint rig_is_over(rig_t *r) noexcept nogil:
    return r.l.draining and (link_idle(r.l) or r.now - r.stopped >= DRAIN_FOR)


cdef void rig_finish(rig_t *r) noexcept nogil:
    link_finish(r.l, r.stopped if r.l.draining else r.now, r.now)


@cython.no_gc_clear  # the link must be there until its port is its own again
cdef class Rig:
    """Drives `link` from `now` on, in nanoseconds; its first ticks are due then, in their phases.
    The link is the rig's from here on: no loop may have it. `awaits`: bytes come while the shell
    waits within the read, as the loop does for the only link of a thread; else epoll announces
    them.
    """

    def __cinit__(self, Link link not None, int64_t now=10**9, bint awaits=False):
        self.link = link
        if not rig_begin(&self.r, &link.l, now):
            raise MemoryError
        self.r.awaits = awaits

    def __dealloc__(self):
        if self.r.timers.heap != NULL:
            rig_end(&self.r)

    @property
    def now(self) -> int:
        """The time, in nanoseconds."""
        return self.r.now

    @property
    def line(self) -> tuple:
        """(baud, parity, stop bits) of a serial wire as it is; parity 0 none, 1 even, 2 odd."""
        line = self.r.l.port.line
        return line.baud, line.parity, line.stop_bits

    @property
    def over(self) -> bool:
        """Whether it was stopped, and nothing is under way any more, or has been for too long."""
        return rig_is_over(&self.r)

    @property
    def opened(self) -> int:
        """How many connections the link began."""
        return self.r.opened

    def refuse(self, int error) -> None:
        """What attempts to connect end with from now on, an errno; 0: somebody listens."""
        self.r.refusal = error

    def open(self) -> None:
        """Connect, now; a link of type "listen" waits until a device dials in."""
        rig_open(&self.r)

    def hang_up(self, int error) -> None:
        """The connection is lost, for the errno `error`: the shell is told when it looks, which is
        at once unless the line is not looked at for a while.
        """
        if self.r.l.conn.state == UP and self.r.l.bus.deaf_until:
            self.r.hung_up = error
            return
        link_lost(&self.link.l, error, self.r.now)
        link_time(&self.link.l, self.r.now)
        settle(&self.r)

    def feed(self, bytes data) -> None:
        """These bytes arrive now. Raises ValueError for more than 64 KiB that wait."""
        if not rig_feed(&self.r, data, <size_t>len(data)):
            raise ValueError(f"{len(data)} bytes more than there is room for")

    def starve(self, int64_t until) -> None:
        """The thread is kept from running until then: what arrives meanwhile is laid down before,
        by `lay`.
        """
        self.r.now = max(self.r.now, until)

    def lay(self, bytes data) -> None:
        """As `feed`, but the shell does not look yet."""
        if not rig_lay(&self.r, data, <size_t>len(data)):
            raise ValueError(f"{len(data)} bytes more than there is room for")

    def slow(self, bint slow) -> None:
        """Whether connections are under way, until `connected`, from the next one on."""
        self.r.slow = slow

    def connected(self) -> None:
        """A connection that is under way is made, or fails as `refuse` says."""
        rig_connected(&self.r)

    def dial(self) -> None:
        """The device of a link of type "listen" dials in, be it anew."""
        rig_dialled(&self.r)

    def lose(self, int bytes) -> None:
        """The kernel tells of a serial port that it lost so many bytes more."""
        self.r.overrun += bytes

    def stick(self, bint stuck) -> None:
        """Whether the port takes no more bytes."""
        self.r.stuck = stuck

    def wait(self, int64_t until, size_t most=0) -> bytes:
        """Let time pass until the link sends something, at most until `until`; what it sent, or the
        first `most` bytes of it.
        """
        cdef int64_t due
        cdef size_t n
        settle(&self.r)
        if self.r.l.draining:
            until = min(until, self.r.stopped + DRAIN_FOR)
        while self.r.sent_size == 0 and not rig_is_over(&self.r):
            due = rig_next(&self.r)
            if due > self.r.now and rig_look(&self.r):
                continue
            if due > until:
                rig_pass(&self.r, max(self.r.now, until))
                break
            rig_pass(&self.r, max(self.r.now, due))
            rig_due(&self.r)
        n = min(most, self.r.sent_size) if most else self.r.sent_size
        sent = self.r.sent[:n]
        self.r.sent_size -= n
        memmove(self.r.sent, self.r.sent + n, self.r.sent_size)
        return sent

    def welcome(self, int device, Group group not None) -> bool:
        """See `native.engine.loop.Loop.welcome`."""
        if not self.link.invite(device, group):
            return False
        rig_visited(&self.r)
        return True

    def dismiss(self, Group group not None) -> None:
        """See `native.engine.loop.Loop.dismiss`."""
        self.link.see_off(group)
        rig_visited(&self.r)

    def stop(self) -> None:
        """Ask for the end: nothing new is asked. `wait` comes back once nothing is under way, or
        after 0.6 s; then `finish`.
        """
        rig_stop(&self.r)

    def finish(self) -> None:
        """End as a loop does: what is open and what is due is accounted."""
        rig_finish(&self.r)
