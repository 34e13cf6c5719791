"""TCP sockets: non-blocking, closed without waiting."""

from libc.errno cimport ECONNRESET
from libc.stdint cimport uint8_t

from native.wire.connecting cimport (
    connect_error,
    connect_to,
    place_of,
    race_end,
    race_on,
    race_open,
)
from native.wire.transport cimport (
    AWAIT_MS,
    WAIT_WRITE,
    counters_t,
    load_int,
    ops_t,
    outcome,
    port_t,
    targets_t,
)

cdef extern from *:
    """
    #include <errno.h>
    #include <fcntl.h>
    #include <sys/socket.h>
    #include <unistd.h>

    /* Once connected: a recv without MSG_DONTWAIT waits so long at most; nothing else waits. */
    static int socket_awaitable(int fd, int milliseconds)
    {
        struct timeval limit = {0, milliseconds * 1000};
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
            fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
            return -errno;
        return 0;
    }
    """
    int socket_awaitable(int, int) noexcept nogil
    int c_close "close"(int) noexcept nogil
    ssize_t recv(int, void *, size_t, int) noexcept nogil
    ssize_t send(int, const void *, size_t, int) noexcept nogil
    int MSG_NOSIGNAL, MSG_DONTWAIT


cdef int net_open(port_t *p) noexcept nogil:
    cdef int newest = load_int(&p.target)
    cdef const targets_t *targets = &p.targets[newest]
    cdef int fd
    if targets.count == 0:
        return -99  # EADDRNOTAVAIL: the name is not resolved
    if p.list != newest:
        p.turn = place_of(targets, &p.targets[p.list].each[p.turn])
        p.list = newest
    p.turn %= targets.count
    if targets.count > 1:
        return race_open(p)
    fd = connect_to(p, &targets.each[p.turn])
    if fd < 0:
        return fd
    p.fd = fd
    return WAIT_WRITE


cdef int net_connected(port_t *p) noexcept nogil:
    """0: connected. WAIT_RACE: not yet."""
    return -connect_error(p.fd) if p.race.epoll < 0 else race_on(p)


cdef int net_finish(port_t *p) noexcept nogil:
    cdef int result = net_connected(p)
    return result if result else socket_awaitable(p.fd, AWAIT_MS)


cdef ssize_t net_read(port_t *p, uint8_t *buffer, size_t room) noexcept nogil:
    cdef ssize_t n = recv(p.fd, buffer, room, MSG_DONTWAIT)
    if n == 0:
        return -ECONNRESET
    return outcome(n)


cdef ssize_t net_await(port_t *p, uint8_t *buffer, size_t room) noexcept nogil:
    cdef ssize_t n = recv(p.fd, buffer, room, 0)
    if n == 0:
        return -ECONNRESET
    return outcome(n)


cdef ssize_t net_write(port_t *p, const uint8_t *data, size_t n) noexcept nogil:
    return outcome(send(p.fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT))


cdef void net_discard(port_t *p) noexcept nogil:
    cdef uint8_t scrap[512]
    cdef int _round
    for _round in range(16):
        if recv(p.fd, scrap, sizeof(scrap), MSG_DONTWAIT) <= 0:
            return


cdef void net_close(port_t *p) noexcept nogil:
    if p.race.epoll >= 0:
        race_end(p)
    if p.fd >= 0:
        c_close(p.fd)
        p.fd = -1


cdef int no_count(port_t *p, counters_t *c) noexcept nogil:
    return -25  # ENOTTY


cdef ops_t STREAM_OPS
STREAM_OPS.open, STREAM_OPS.finish = net_open, net_finish
STREAM_OPS.read, STREAM_OPS.await_read, STREAM_OPS.write = net_read, net_await, net_write
STREAM_OPS.flush, STREAM_OPS.close, STREAM_OPS.counters = net_discard, net_close, no_count
STREAM_OPS.trouble = NULL


cdef const ops_t *stream_ops() noexcept nogil:
    return &STREAM_OPS
