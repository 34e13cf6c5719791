"""UDP: requests go to one port of a host; answers are taken from any port of that host.

The socket is not connected, because the kernel would then drop answers from another port than the
one asked, which some gateways send. Datagrams of other hosts are dropped here. Network errors
(nobody listens there) are fetched from the kernel's error queue (IP_RECVERR). Only those count that
a connected socket would be told of: if a router has no route for a moment, that is one lost
datagram like any other.
"""

from libc.stdint cimport uint8_t

from native.wire.connecting cimport connect_to, place_of
from native.wire.sockets cimport stream_ops
from native.wire.transport cimport load_int, ops_t, port_t, targets_t

cdef extern from *:
    """
    #include <errno.h>
    #include <netinet/in.h>
    #include <string.h>
    #include <sys/socket.h>
    #include <time.h>
    #include <unistd.h>
    #include <linux/errqueue.h>

    #define OF_OTHERS_MOST 16 /* datagrams of others and errors that are skipped in one read */

    /* While it is connected the kernel tells whether there is a route, and the host's full address.
       Then it is disconnected, so that any port of the host may answer. */
    static int datagrams_from_host(int fd, struct sockaddr_storage *host, unsigned *size)
    {
        const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
        const int on = 1;
        socklen_t room = sizeof *host;
        if (getpeername(fd, (struct sockaddr *)host, &room) < 0)
            return -errno;
        *size = room;
        if (host->ss_family == AF_INET6)
            setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
        setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
        return connect(fd, &nobody, sizeof nobody) < 0 ? -errno : 0;
    }

    static int is_of_host(const struct sockaddr_storage *from, const struct sockaddr_storage *host)
    {
        if (from->ss_family != host->ss_family)
            return 0;
        if (from->ss_family == AF_INET)
            return ((const struct sockaddr_in *)from)->sin_addr.s_addr ==
                   ((const struct sockaddr_in *)host)->sin_addr.s_addr;
        const struct sockaddr_in6 *a = (const void *)from, *b = (const void *)host;
        return memcmp(&a->sin6_addr, &b->sin6_addr, 16) == 0 &&
               a->sin6_scope_id == b->sin6_scope_id;
    }

    /* Whether an error is permanent. A router's "no route" is not, unless it is administratively
       prohibited. */
    static int error_counts(const struct sock_extended_err *e)
    {
        if (e->ee_origin == SO_EE_ORIGIN_ICMP && e->ee_type == 3)
            return e->ee_code == 2 || e->ee_code == 3 || e->ee_code == 9 || e->ee_code == 10 ||
                   e->ee_code == 13;
        if (e->ee_origin == SO_EE_ORIGIN_ICMP6 && e->ee_type == 1)
            return e->ee_code == 1 || e->ee_code == 4;
        return 0;
    }

    /* Takes the errors that the kernel keeps: the first that counts, as an errno; 0: none does. */
    static int datagram_errors(int fd)
    {
        union {
            struct cmsghdr head;
            char room[512];
        } control;
        int found = 0;
        for (;;) {
            struct msghdr m = {.msg_control = &control, .msg_controllen = sizeof control};
            if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
                return found;
            for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c))
                if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
                    const struct sock_extended_err *e = (const void *)CMSG_DATA(c);
                    if (found == 0 && error_counts(e))
                        found = (int)e->ee_errno;
                }
        }
    }

    /* A datagram of that host; 0: none is there; -EAGAIN: only others' were, more may be there. */
    static ssize_t datagram_of(int fd, void *buffer, size_t room,
                               const struct sockaddr_storage *host)
    {
        struct sockaddr_storage from;
        for (int i = 0; i < OF_OTHERS_MOST; i++) {
            socklen_t size = sizeof from;
            ssize_t n = recvfrom(fd, buffer, room, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
            if (n < 0) {
                int why = errno, error;
                if (why == EAGAIN || why == EINTR)
                    return 0;
                error = datagram_errors(fd);
                if (error)
                    return -error;
            } else if (n > 0 && is_of_host(&from, host)) {
                return n;
            }
        }
        return -EAGAIN;
    }

    static ssize_t datagram_to(int fd, const void *data, size_t n,
                               const struct sockaddr_storage *host, unsigned size)
    {
        const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
        ssize_t sent = sendto(fd, data, n, flags, (const struct sockaddr *)host, size);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            /* The error may be about an earlier datagram. */
            int error = datagram_errors(fd);
            if (error)
                return -error;
            sent = sendto(fd, data, n, flags, (const struct sockaddr *)host, size);
        }
        return sent < 0 ? (errno == EAGAIN || errno == EINTR ? 0 : -errno) : sent;
    }
    """
    struct sockaddr_storage:
        pass
    int datagrams_from_host(int, sockaddr_storage *, unsigned int *) noexcept nogil
    int datagram_errors(int) noexcept nogil
    ssize_t datagram_of(int, void *, size_t, const sockaddr_storage *) noexcept nogil
    ssize_t datagram_to(
        int, const void *, size_t, const sockaddr_storage *, unsigned int
    ) noexcept nogil
    int c_close "close"(int) noexcept nogil


cdef int datagram_open(port_t *p) noexcept nogil:
    """Turns to the name's next address if nothing came from this one."""
    cdef int newest = load_int(&p.target)
    cdef const targets_t *targets = &p.targets[newest]
    cdef int fd, result
    if targets.count == 0:
        return -99  # EADDRNOTAVAIL: the name is not resolved
    if p.list != newest:
        p.turn = place_of(targets, &p.targets[p.list].each[p.turn])
        p.list = newest
    p.turn = (p.turn + p.in_vain) % targets.count
    p.in_vain = True
    fd = connect_to(p, &targets.each[p.turn])
    if fd < 0:
        return fd
    result = datagrams_from_host(fd, <sockaddr_storage *>p.host, &p.host_size)
    if result < 0:
        c_close(fd)
        return result
    p.fd = fd
    return 0


cdef ssize_t datagram_read(port_t *p, uint8_t *buffer, size_t room) noexcept nogil:
    cdef ssize_t n = datagram_of(p.fd, buffer, room, <const sockaddr_storage *>p.host)
    if n > 0:
        p.in_vain = False
    return n


cdef ssize_t datagram_write(port_t *p, const uint8_t *data, size_t n) noexcept nogil:
    return datagram_to(p.fd, data, n, <const sockaddr_storage *>p.host, p.host_size)


cdef int datagram_trouble(port_t *p) noexcept nogil:
    return datagram_errors(p.fd)


cdef ops_t OPS = stream_ops()[0]
OPS.open, OPS.read, OPS.write = datagram_open, datagram_read, datagram_write
OPS.trouble, OPS.await_read, OPS.packets = datagram_trouble, NULL, True


cdef const ops_t *datagram_ops() noexcept nogil:
    return &OPS
