"""Connections that devices make: 4G DTUs, which have no address that could be dialled.

`drivers/listener.py` accepts them and tells by their first bytes whose they are. Here the port of a
link of type "listen": its `open` takes what was offered, the newest one, and says ENOTCONN while
there is none. A DTU that lost its 4G dials in anew while its old connection still looks alive, so
an offer replaces the connection that is there, at once.

Packets in the stream
---------------------
A DTU puts heartbeats between the frames, and some put their registration before each. Where a frame
may begin they are swallowed, unless the answer that is awaited may begin with the same bytes:

* RTU: with its unit, its function, and no more bytes than were asked for. So a heartbeat FE never
  eats the first byte of an answer of unit 254. What is let through is noise before a frame, which
  `modbus` skips, since an answer's CRC must hold whatever was taken away before it.
* ASCII: with its colon.
* TCP: with the id of a request of this connection, and a header that can be one.

Inside an answer nothing is taken out: its checksum fails and it is asked for once more. TCP has no
checksum: there the bytes that were pushed out behind the frame give it away, where they came with
it, and the connection is given up. Where they come later nothing tells; a DTU that speaks Modbus
TCP makes its frames itself and does not cut them.

A link that hears nothing but time-outs is not hung up on as long as its DTU is heard, or was within
SILENT_TIMEOUTS: the devices behind it may be off, and it can't be dialled again from here. A TCP
stream in which half a frame lies meanwhile is out of step, and given up as any other.
"""

from libc.errno cimport ENOTCONN
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcmp

from native.bytes cimport be16
from native.clock cimport boot_ns
from native.modbus.codec cimport PDU_MAX, RTU, TCP, ask_t
from native.wire.sockets cimport stream_ops, stream_options
from native.engine.state cimport link_t, was_sent
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
    # On 4G acknowledgements may stay away through a handover; what is dead any longer was mostly
    # replaced before.
    UNACKED_MS = 20000
    SILENT_TIMEOUTS = 40
    SENT_PAGES = 4  # the thousand ids that `was_sent` knows have one of five first bytes


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
OPS.await_read = NULL  # answers take a hundred times what it would wait


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


cdef bint dial_is_useless(link_t *l, int64_t now) noexcept nogil:
    """Whether nothing, not even a heartbeat, was heard for longer than any should take; or the
    stream is out of step.
    """
    if l.framing == TCP and l.input_size:
        return True
    return now - l.port.heard > SILENT_TIMEOUTS * l.timeout_ns


cdef bint may_be_rtu(const ask_t *ask, const uint8_t *p, size_t n) noexcept nogil:
    if p[0] != ask.unit:
        return False
    if n > 1 and (p[1] & 0x7F) != ask.function:
        return False
    return n < 3 or p[1] & 0x80 or 0 < p[2] <= ask.data_bytes


cdef bint may_be_tcp(link_t *l, const uint8_t *p, size_t n) noexcept nogil:
    if not l.no_tid:
        if l.sent_here == 0:
            return False
        if n == 1:
            return <uint8_t>((l.transaction >> 8) - p[0]) <= SENT_PAGES
        if not was_sent(l, be16(p)):
            return False
    if n > 3 and be16(p + 2) != 0:
        return False
    return n < 6 or 3 <= be16(p + 4) <= PDU_MAX + 1


cdef bint may_be_answer(link_t *l, const uint8_t *p, size_t n) noexcept nogil:
    """Whether `n` bytes, at least one, may begin an answer that is awaited."""
    if l.framing == TCP:
        return may_be_tcp(l, p, n)
    if l.flying == 0:
        return False
    return may_be_rtu(&l.flights[0].ask, p, n) if l.framing == RTU else p[0] == 58


cdef ssize_t packet_at(const port_t *port, const uint8_t *p, size_t n) noexcept nogil:
    """Bytes of the packet that begins at p; 0: none does; -1: one may, when more has arrived."""
    cdef const packet_t *packet
    cdef int32_t i
    for i in range(PACKETS):
        packet = &port.packets[i]
        if packet.size and memcmp(p, packet.bytes, min(n, packet.size)) == 0:
            return <ssize_t>packet.size if packet.size <= n else -1
    return 0


cdef bint swallow(link_t *l, size_t *at) noexcept nogil:
    """Move `at` behind the packets that the input has there; True when nothing is left to look at
    before more has arrived.
    """
    cdef size_t n
    cdef ssize_t size
    while at[0] < l.input_size:
        n = l.input_size - at[0]
        if may_be_answer(l, l.input + at[0], n):
            return False
        size = packet_at(l.port, l.input + at[0], n)
        if size <= 0:
            return size < 0
        at[0] += <size_t>size
        l.port.swallowed += 1
    return True


cdef bint is_torn(link_t *l, size_t at) noexcept nogil:
    """Whether a TCP frame that ends at `at` holds bytes that are not its own, because what lies
    behind it can begin nothing.
    """
    cdef size_t n
    cdef ssize_t size
    while at < l.input_size:
        n = l.input_size - at
        # A lone byte tells little; with no other request open it is no header's.
        if (n > 1 or l.flying > 1) and may_be_tcp(l, l.input + at, n):
            return False
        size = packet_at(l.port, l.input + at, n)
        if size <= 0:
            return size == 0
        at += <size_t>size
    return False
