"""How a connection is begun.

Several addresses
-----------------
If a name has several addresses, a small version of RFC 8305 is used: the next address is tried when
one is refused, or after 250 ms. The first connection that is made is kept, the others are closed.

All attempts are in an epoll set of their own, so the loop waits for one descriptor, whether there
is one attempt or many. A timerfd in that set starts the next attempt, so nothing above keeps that
time.

The address that worked is tried first the next time. If there was no time to try all, the next
attempt begins with the first address that was not tried.
"""

from libc.stdint cimport uint64_t
from libc.string cimport memcmp

from native.wire.transport cimport ADDRESSES, STREAM, WAIT_RACE, port_t, race_t, target_t, targets_t

cdef extern from *:
    """
    #include <errno.h>
    #include <netinet/in.h>
    #include <netinet/tcp.h>
    #include <sys/epoll.h>
    #include <sys/socket.h>
    #include <sys/timerfd.h>
    #include <unistd.h>

    /* No delay, keep-alive; data unacknowledged for longer than `limit` ms end the connection. */
    static void options_of(int fd, int limit)
    {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit);
    }

    static int begin_to(int stream, const void *address, unsigned size)
    {
        int family = ((const struct sockaddr *)address)->sa_family;
        int fd = socket(family,
                        (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
            return -errno;
        if (stream)
            options_of(fd, 3000);
        if (connect(fd, (const struct sockaddr *)address, size) < 0 && errno != EINPROGRESS) {
            int error = errno;
            close(fd);
            return -error;
        }
        return fd;
    }

    static int error_of(int fd)
    {
        int error = 0;
        socklen_t size = sizeof error;
        return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? errno : error;
    }

    #define RACE_TIMER 1000

    static int race_watch(int epoll, int fd, unsigned events, int mark)
    {
        struct epoll_event event = {.events = events, .data.u64 = (unsigned)mark};
        return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
    }

    /* The next address is due 250 ms from now, each further one 250 ms later. */
    static void race_wind(int timer)
    {
        const struct itimerspec every = {{0, 250000000}, {0, 250000000}};
        timerfd_settime(timer, 0, &every, NULL);
    }

    static int race_timer(int epoll)
    {
        int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        int error;
        if (timer < 0)
            return -errno;
        race_wind(timer);
        error = race_watch(epoll, timer, EPOLLIN, RACE_TIMER);
        if (error) {
            close(timer);
            return error;
        }
        return timer;
    }

    static int race_set(void)
    {
        int epoll = epoll_create1(EPOLL_CLOEXEC);
        return epoll < 0 ? -errno : epoll;
    }

    /* Writes the marks of what is ready; returns how many. */
    static int race_ready(int epoll, int *marks, int room)
    {
        struct epoll_event events[16];
        int n = epoll_wait(epoll, events, room < 16 ? room : 16, 0);
        for (int i = 0; i < n; i++)
            marks[i] = (int)events[i].data.u64;
        return n < 0 ? 0 : n;
    }

    /* Whether the error comes from the host: that tells more than a missing network. */
    static int race_tells(int error)
    {
        return error != ENETUNREACH && error != EHOSTUNREACH && error != EADDRNOTAVAIL &&
               error != EAFNOSUPPORT;
    }
    """
    void options_of(int fd, int limit) noexcept nogil
    int begin_to(int stream, const void *address, unsigned int size) noexcept nogil
    int error_of(int fd) noexcept nogil
    int RACE_TIMER, EPOLLOUT
    int race_set() noexcept nogil
    int race_timer(int epoll) noexcept nogil
    void race_wind(int timer) noexcept nogil
    int race_watch(int epoll, int fd, unsigned int events, int mark) noexcept nogil
    int race_ready(int epoll, int *marks, int room) noexcept nogil
    bint race_tells(int error) noexcept nogil
    int c_close "close"(int) noexcept nogil
    ssize_t c_read "read"(int, void *, size_t) noexcept nogil


cdef void stream_options(int fd, int unacked_ms) noexcept nogil:
    options_of(fd, unacked_ms)


cdef int connect_to(const port_t *p, const target_t *target) noexcept nogil:
    """Begins to connect to that address; the descriptor, or -errno."""
    return begin_to(p.kind == STREAM, target.address, target.size)


cdef int connect_error(int fd) noexcept nogil:
    return error_of(fd)


cdef int place_of(const targets_t *targets, const target_t *one) noexcept nogil:
    """The place of that address among these; the first if it is not there."""
    cdef int i
    for i in range(targets.count):
        if targets.each[i].size == one.size and (
            memcmp(targets.each[i].address, one.address, one.size) == 0
        ):
            return i
    return 0


cdef void give_up(race_t *r, int i, int error) noexcept nogil:
    """Connecting to an address failed."""
    if r.fds[i] >= 0:
        c_close(r.fds[i])
        r.fds[i] = -1
        r.under_way -= 1
    if r.error == 0 or race_tells(error):
        r.error = error


cdef bint begin_next(port_t *p) noexcept nogil:
    """Tries the next address, and further ones if it fails at once; False: none is left."""
    cdef race_t *r = &p.race
    cdef const targets_t *targets = &p.targets[p.list]
    cdef int i, fd
    while r.begun < targets.count:
        i = (p.turn + r.begun) % targets.count
        r.begun += 1
        fd = connect_to(p, &targets.each[i])
        if fd < 0:
            give_up(r, i, -fd)
            continue
        r.fds[i] = fd
        r.under_way += 1
        fd = race_watch(r.epoll, fd, <unsigned int>EPOLLOUT, i)
        if fd == 0:
            return True
        give_up(r, i, -fd)
    return False


cdef void race_end(port_t *p) noexcept nogil:
    """Closes all attempts when the port is closed."""
    cdef race_t *r = &p.race
    cdef int i
    for i in range(ADDRESSES):
        if r.fds[i] >= 0:
            c_close(r.fds[i])
    c_close(r.timer)
    c_close(r.epoll)
    r.epoll = -1
    p.fd = -1
    # Addresses that were given enough time come last the next time.
    if r.begun < p.targets[p.list].count:
        p.turn = (p.turn + r.begun) % p.targets[p.list].count


cdef int race_open(port_t *p) noexcept nogil:
    cdef race_t *r = &p.race
    cdef int i
    r.begun = r.under_way = r.error = 0
    for i in range(ADDRESSES):
        r.fds[i] = -1
    r.epoll = race_set()
    if r.epoll < 0:
        i = r.epoll
        r.epoll = -1
        return i
    r.timer = race_timer(r.epoll)
    if r.timer < 0:
        i = r.timer
        c_close(r.epoll)
        r.epoll = -1
        return i
    p.fd = r.epoll
    if begin_next(p):
        return WAIT_RACE
    race_end(p)
    return -r.error


cdef int win(port_t *p, int i) noexcept nogil:
    """Attempt `i` has connected: it becomes the connection, and the others are closed."""
    cdef int fd = p.race.fds[i]
    p.race.fds[i] = -1
    p.race.begun = ADDRESSES  # none is left untried
    race_end(p)
    p.turn, p.fd = i, fd
    return 0


cdef int race_on(port_t *p) noexcept nogil:
    """One of the attempts, or the timer, is ready. 0: connected; WAIT_RACE: not yet."""
    cdef race_t *r = &p.race
    cdef int marks[ADDRESSES + 1]
    cdef uint64_t rung
    cdef bint next_is_due = False
    cdef int i, error, n = race_ready(r.epoll, marks, ADDRESSES + 1)
    for i in range(n):
        if marks[i] == RACE_TIMER:
            next_is_due = c_read(r.timer, &rung, sizeof(rung)) > 0
            continue
        error = connect_error(r.fds[marks[i]])
        if error == 0:
            return win(p, marks[i])
        give_up(r, marks[i], error)
        race_wind(r.timer)
        next_is_due = True
    if next_is_due:
        begin_next(p)
    if r.under_way:
        return WAIT_RACE
    race_end(p)
    return -r.error
