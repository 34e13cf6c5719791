"""How the loop reads a port for its link, once input is announced or while it waits for it."""

from libc.errno cimport EAGAIN
from libc.stdint cimport int64_t, uint8_t

from native.clock cimport boot_ns
from native.engine.connection cimport UP
from native.engine.machine cimport link_arrived, link_room
from native.engine.state cimport link_t

cdef enum:
    READS_MOST = 8  # of one port before the others have their turn


cdef inline int64_t read_port(link_t *l) noexcept nogil:
    """Take what has arrived; on a stream a short read means that nothing is left. A peer that
    floods is left for the next turn, so that its neighbours are served. Returns the time.
    """
    cdef int64_t now = 0
    cdef uint8_t *at
    cdef size_t room = 0
    cdef ssize_t n
    cdef int reads = 0
    l.shell.more = True
    while l.shell.more and reads < READS_MOST and l.conn.state == UP:
        reads += 1
        at = link_room(l, &room)
        n = l.port.ops.read(l.port, at, room)
        if n == -EAGAIN:
            n = 0
            reads = READS_MOST
        else:
            l.shell.more = n > 0 and (l.port.ops.packets or <size_t>n == room)
        # Not the time of the wake-up: what is here may have come, and been asked for, since then.
        now = boot_ns()
        link_arrived(l, n, l.shell.more and reads < READS_MOST, now)
    return now


cdef inline int64_t await_port(link_t *l) noexcept nogil:
    """Wait for input within the read itself, one system call instead of two; returns the time."""
    cdef size_t room = 0
    cdef uint8_t *at = link_room(l, &room)
    cdef ssize_t n = l.port.ops.await_read(l.port, at, room)
    cdef int64_t now = boot_ns()
    if n:
        link_arrived(l, n, False, now)
    return now
