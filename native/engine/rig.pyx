"""A link without a wire and without a clock: bytes in, bytes out, in virtual time.

For tests: the same machine as in the scan thread, with memory in place of the port and a number in
place of the clock. Nothing here waits, so a conversation that lasts minutes takes microseconds, and
goes the same way each time.
"""

cimport cython
from libc.errno cimport ECONNREFUSED
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memmove

from native.engine.link cimport Link
from native.engine.machine cimport link_due, link_finish, link_open, link_readable, link_time
from native.engine.scan cimport link_lost
from native.engine.state cimport UP, link_t, member_t
from native.wire.transport cimport counters_t, ops_t, port_t

cdef enum:
    ROOM = 65536


cdef struct memory_t:
    uint8_t arrived[ROOM]
    size_t arrived_size
    uint8_t sent[ROOM]
    size_t sent_size
    bint refuses          # nobody listens


cdef int memory_open(port_t *p) noexcept nogil:
    return -ECONNREFUSED if (<memory_t *>p.session).refuses else 0


cdef int memory_finish(port_t *p) noexcept nogil:
    return 0


cdef ssize_t memory_read(port_t *p, uint8_t *buffer, size_t room) noexcept nogil:
    cdef memory_t *m = <memory_t *>p.session
    cdef size_t n = min(room, m.arrived_size)
    memcpy(buffer, m.arrived, n)
    m.arrived_size -= n
    memmove(m.arrived, m.arrived + n, m.arrived_size)
    return <ssize_t>n


cdef ssize_t memory_write(port_t *p, const uint8_t *data, size_t n) noexcept nogil:
    cdef memory_t *m = <memory_t *>p.session
    if n > ROOM - m.sent_size:
        return 0
    memcpy(m.sent + m.sent_size, data, n)
    m.sent_size += n
    return <ssize_t>n


cdef void memory_flush(port_t *p) noexcept nogil:
    (<memory_t *>p.session).arrived_size = 0


cdef void memory_close(port_t *p) noexcept nogil:
    memory_flush(p)


cdef int memory_count(port_t *p, counters_t *c) noexcept nogil:
    return -1


cdef ops_t OPS
OPS.open, OPS.finish, OPS.read, OPS.write = memory_open, memory_finish, memory_read, memory_write
OPS.await_read, OPS.packets = NULL, False
OPS.flush, OPS.close, OPS.counters = memory_flush, memory_close, memory_count


@cython.no_gc_clear  # the link must be there until its port is its own again
cdef class Rig:
    """Drives `link` from `now` on, in nanoseconds; its first ticks are due then. The link is the
    rig's from here on: no loop may have it.
    """

    cdef Link link
    cdef const ops_t *own  # of the link's port
    cdef memory_t memory
    cdef int64_t time
    cdef list ticks       # of each group: the one that is due next

    def __cinit__(self, Link link not None, int64_t now=10**9):
        cdef link_t *machine = &link.l
        cdef int32_t i
        self.link = link
        self.time = now
        self.ticks = [0] * machine.member_count
        self.own = machine.port.ops
        self.own.close(machine.port)
        machine.port.ops = &OPS
        machine.port.session = &self.memory
        machine.clock = &self.time
        machine.random = 88172645463325252  # the same each time
        machine.session.seed = machine.random
        for i in range(machine.member_count):
            machine.members[i].g.start_ns = now

    def __dealloc__(self):
        cdef link_t *machine = &self.link.l
        machine.port.session = NULL
        machine.port.ops = self.own
        machine.clock = NULL

    @property
    def now(self) -> int:
        """The time, in nanoseconds."""
        return self.time

    def refuse(self, bint refuses) -> None:
        """Whether nobody listens at the other end, from the next attempt on."""
        self.memory.refuses = refuses

    def open(self) -> None:
        """Connect, now."""
        link_open(&self.link.l, self.time)

    def hang_up(self, int error) -> None:
        """The connection is lost, for the errno `error`."""
        link_lost(&self.link.l, error, self.time)
        link_time(&self.link.l, self.time)

    def feed(self, bytes data) -> None:
        """These bytes arrive now. Raises ValueError for more than 64 KiB that wait."""
        cdef memory_t *m = &self.memory
        if len(data) > ROOM - <Py_ssize_t>m.arrived_size:
            raise ValueError(f"{len(data)} bytes more than there is room for")
        memcpy(m.arrived + m.arrived_size, <const uint8_t *>data, len(data))
        m.arrived_size += len(data)
        # As epoll is told of a line on which nothing is awaited for a while.
        if self.link.l.state == UP and not self.link.l.deaf_until:
            link_readable(&self.link.l, self.time)
            self.settle()

    def wait(self, int64_t until) -> bytes:
        """Let time pass until the link sends something, at most until `until`; what it sent."""
        cdef int64_t due
        self.settle()
        while self.memory.sent_size == 0:
            due = min(self.link.l.due, self.next_tick())
            if due > until:
                self.time = max(self.time, until)
                break
            self.time = max(self.time, due)
            self.begin_ticks()
            if self.link.l.due <= self.time:
                link_time(&self.link.l, self.time)
            self.settle()
        sent = self.memory.sent[:self.memory.sent_size]
        self.memory.sent_size = 0
        return sent

    def finish(self) -> None:
        """End as a loop does: what is open and what is due is accounted."""
        link_finish(&self.link.l, self.time, self.time)

    cdef int64_t next_tick(self):
        cdef member_t *m
        cdef int64_t first = INT64_MAX
        for i in range(self.link.l.member_count):
            m = &self.link.l.members[i]
            if not m.scan.awaited:
                first = min(first, m.g.start_ns + <int64_t>self.ticks[i] * m.g.period_ns)
        return first

    cdef begin_ticks(self):
        for i in range(self.link.l.member_count):
            if not self.link.l.members[i].scan.awaited:
                self.tick(i)

    cdef tick(self, int32_t i):
        """The newest tick of a group that is due, if one is: as `native.engine.loop` does."""
        cdef member_t *m = &self.link.l.members[i]
        cdef uint64_t tick
        if m.g.start_ns + <int64_t>self.ticks[i] * m.g.period_ns > self.time:
            return
        tick = max(<uint64_t>((self.time - m.g.start_ns) // m.g.period_ns), self.ticks[i])
        link_due(&self.link.l, i, tick, self.time)
        if not m.scan.awaited:
            self.ticks[i] = tick + 1

    cdef settle(self):
        """Ticks that came due while their group's last scan ran."""
        cdef link_t *machine = &self.link.l
        while machine.ended_count:
            machine.ended_count -= 1
            self.tick(machine.ended[machine.ended_count])
