"""Connections that devices make: 4G DTUs, which have no address to connect to.

`drivers/listener.py` accepts them and finds out by their first bytes which DTU it is. This is the
port of a link of type "listen". Its `open` takes the newest connection that was offered; it fails
with ENOTCONN while there is none. A DTU that lost its 4G dials in anew while its old connection
still looks alive, so a new offer replaces the connection at once.

Packets in the stream
---------------------
A DTU sends heartbeats between the frames; some send their registration before each. Where a frame
may begin, these packets are swallowed (`native.engine.frames`), unless the protocol says that the
awaited answer may begin with the same bytes.

If nothing but time-outs come, the connection is kept as long as the DTU was heard within
SILENT_TIMEOUTS: the devices behind it may be off, and we can't connect to it ourselves.
"""

from libc.errno cimport ENOTCONN
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcmp

from native.clock cimport boot_ns
from native.wire.connecting cimport stream_options
from native.wire.sockets cimport stream_ops
from native.wire.transport cimport PACKETS, load_int, ops_t, packet_t, port_t

cdef extern from *:
    """
    #include <unistd.h>

    static int swap_fd(int *slot, int fd)
    {
        return __atomic_exchange_n(slot, fd, __ATOMIC_ACQ_REL);
    }
    """
    int swap_fd(int *, int) noexcept nogil
    int c_close "close"(int) noexcept nogil

cdef enum:
    # On 4G acknowledgements may take a whole handover. A connection that is dead for longer was
    # mostly replaced by a new one before.
    UNACKED_MS = 20000
    SILENT_TIMEOUTS = 40


cdef int dial_open(port_t *p) noexcept nogil:
    cdef int fd = swap_fd(&p.offered, -1)
    if fd < 0:
        return -ENOTCONN
    stream_options(fd, UNACKED_MS)
    p.fd = fd
    p.heard = boot_ns()
    return 0


cdef int dial_finish(port_t *p) noexcept nogil:
    return 0


cdef ssize_t dial_read(port_t *p, uint8_t *buffer, size_t room) noexcept nogil:
    cdef ssize_t n = stream_ops().read(p, buffer, room)
    if n > 0:
        p.heard = boot_ns()
    return n


cdef ops_t OPS = stream_ops()[0]
OPS.open, OPS.finish, OPS.read = dial_open, dial_finish, dial_read
OPS.await_read = NULL  # answers take a hundred times as long as it may wait


cdef const ops_t *dialin_ops() noexcept nogil:
    return &OPS


cdef void dial_offer(port_t *p, int fd) noexcept nogil:
    cdef int older = swap_fd(&p.offered, fd)
    if older >= 0:
        c_close(older)


cdef bint dial_waits(port_t *p) noexcept nogil:
    return load_int(&p.offered) >= 0


cdef void dial_forget(port_t *p) noexcept nogil:
    dial_offer(p, -1)


cdef bint dial_is_silent(const port_t *p, int64_t timeout_ns, int64_t now) noexcept nogil:
    return now - p.heard > SILENT_TIMEOUTS * timeout_ns


cdef ssize_t packet_at(const port_t *port, const uint8_t *p, size_t n) noexcept nogil:
    cdef const packet_t *packet
    cdef int32_t i
    for i in range(PACKETS):
        packet = &port.packets[i]
        if packet.size and memcmp(p, packet.bytes, min(n, packet.size)) == 0:
            return <ssize_t>packet.size if packet.size <= n else -1
    return 0
