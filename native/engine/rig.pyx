"""A shell without a wire and without a clock: bytes in, bytes out, in virtual time.

For tests: the same machine as in the scan thread, with memory in place of the port and a number in
place of the clock. Nothing here waits, so a conversation that lasts minutes takes microseconds, and
goes the same way each time. What `native.engine.loop` does between system calls is done here in the
same order.
"""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove, memset

from native.engine.connection cimport CONNECTING, UP
from native.engine.link cimport Link
from native.engine.machine cimport (
    link_arrived,
    link_connect,
    link_due,
    link_finish,
    link_open,
    link_room,
    link_time,
    link_wants_read,
)
from native.engine.scan cimport link_lost
from native.engine.state cimport link_t, member_t
from native.rows.ticks cimport due_of, group_align, tick_at
from native.wire.transport cimport WAIT_WRITE, counters_t, line_t, ops_t, port_t


cdef int memory_open(port_t *p) noexcept nogil:
    cdef rig_t *r = <rig_t *>p.session
    r.arrived_size = 0
    r.hung_up = 0
    r.opened += 1
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
    return -1


cdef ops_t OPS
OPS.open, OPS.finish, OPS.read, OPS.write = memory_open, memory_finish, memory_read, memory_write
OPS.await_read, OPS.packets = NULL, False
OPS.flush, OPS.close, OPS.counters = memory_flush, memory_close, memory_count
OPS.tune = memory_tune


cdef bint rig_begin(rig_t *r, link_t *l, int64_t now) noexcept nogil:
    cdef int32_t i
    memset(r, 0, sizeof(rig_t))
    r.ticks = <uint64_t *>calloc(l.member_count, sizeof(uint64_t))
    r.parked = <bint *>calloc(l.member_count, sizeof(bint))
    if r.ticks == NULL or r.parked == NULL:
        free(r.ticks)
        free(r.parked)
        r.ticks = NULL
        return False
    r.l, r.now = l, now
    r.own = l.port.ops
    r.own.close(l.port)
    l.port.ops = &OPS
    l.port.session = r
    l.random = 88172645463325252  # the same each time
    for i in range(l.session_count):
        l.sessions[i].seed = l.random
    for i in range(l.member_count):
        l.members[i].g.start_ns = now + l.members[i].g.phase_ns
    return True


cdef void rig_end(rig_t *r) noexcept nogil:
    r.l.port.session = NULL
    r.l.port.ops = r.own
    free(r.ticks)
    free(r.parked)
    r.ticks = NULL


cdef void tick(rig_t *r, int32_t i) noexcept nogil:
    """The newest tick of a group that is due, if one is."""
    cdef member_t *m = &r.l.members[i]
    cdef uint64_t newest
    if due_of(m.g, r.ticks[i]) > r.now:
        return
    newest = max(tick_at(m.g, r.now), r.ticks[i])
    link_due(r.l, i, newest, r.now)
    r.parked[i] = m.scan.awaited
    if not r.parked[i]:
        r.ticks[i] = newest + 1
        group_align(m.g, r.ticks[i])


cdef void settle(rig_t *r) noexcept nogil:
    """Ticks that came due while their group's last scan ran."""
    while r.l.shell.ended_count:
        r.l.shell.ended_count -= 1
        r.parked[r.l.shell.ended[r.l.shell.ended_count]] = False
        tick(r, r.l.shell.ended[r.l.shell.ended_count])


cdef void read_all(rig_t *r) noexcept nogil:
    """As `read_port` of the loop, or as `await_port`."""
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


cdef void rig_connected(rig_t *r) noexcept nogil:
    if r.l.conn.state == CONNECTING:
        link_connect(r.l, r.now)
        settle(r)


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
    read_all(r)
    settle(r)
    return True


cdef bint rig_feed(rig_t *r, const uint8_t *p, size_t n) noexcept nogil:
    cdef bint is_room = rig_lay(r, p, n)
    rig_look(r)
    return is_room


cdef int64_t rig_next(rig_t *r) noexcept nogil:
    cdef member_t *m
    cdef int64_t first = r.l.shell.due
    cdef int32_t i
    for i in range(r.l.member_count):
        m = &r.l.members[i]
        if not r.parked[i]:
            first = min(first, due_of(m.g, r.ticks[i]))
    return first


cdef void rig_due(rig_t *r) noexcept nogil:
    cdef int32_t i
    for i in range(r.l.member_count):
        if not r.parked[i]:
            tick(r, i)
            settle(r)
    if r.l.shell.due <= r.now:
        if link_wants_read(r.l, r.now):
            read_all(r)
        link_time(r.l, r.now)
        settle(r)


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
        if self.r.ticks != NULL:
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
    def opened(self) -> int:
        """How many connections the link began."""
        return self.r.opened

    def refuse(self, int error) -> None:
        """What attempts to connect end with from now on, an errno; 0: somebody listens."""
        self.r.refusal = error

    def open(self) -> None:
        """Connect, now."""
        link_open(&self.link.l, self.r.now)

    def hang_up(self, int error) -> None:
        """The connection is lost, for the errno `error`: the shell is told at once."""
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
        """As `feed`, while the shell is kept from looking."""
        if not rig_lay(&self.r, data, <size_t>len(data)):
            raise ValueError(f"{len(data)} bytes more than there is room for")

    def slow(self, bint slow) -> None:
        """Whether connections are under way, until `connected`, from the next one on."""
        self.r.slow = slow

    def connected(self) -> None:
        """A connection that is under way is made, or fails as `refuse` says."""
        rig_connected(&self.r)

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
        while self.r.sent_size == 0:
            due = rig_next(&self.r)
            if due > self.r.now and rig_look(&self.r):
                continue
            if due > until:
                self.r.now = max(self.r.now, until)
                break
            self.r.now = max(self.r.now, due)
            rig_due(&self.r)
        n = min(most, self.r.sent_size) if most else self.r.sent_size
        sent = self.r.sent[:n]
        self.r.sent_size -= n
        memmove(self.r.sent, self.r.sent + n, self.r.sent_size)
        return sent

    def finish(self) -> None:
        """End as a loop does: what is open and what is due is accounted."""
        link_finish(&self.link.l, self.r.now, self.r.now)
