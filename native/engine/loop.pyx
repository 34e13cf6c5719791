"""The scan thread: one epoll loop that drives one serial link or many TCP links, without the GIL.

Everything that is due lies in one heap: a group's next tick at its absolute deadline (`due_of`, so
lateness never adds up), and for each link the next time its state machine wants to be
called. The thread sleeps until the earlier of the heap's top and input on a port; it is woken once
for many answers.
"""

from libc.errno cimport EINTR, EIO, errno
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from native.clock cimport NEVER, boot_ns, timespec
from native.engine.connection cimport CONNECTING, DOWN, UP
from native.engine.guests cimport GUESTS, take_guests
from native.engine.kernel cimport (
    EFD_CLOEXEC,
    EFD_NONBLOCK,
    EPOLLERR,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    EPOLL_CLOEXEC,
    EPOLL_CTL_ADD,
    EPOLL_CTL_MOD,
    POLLIN,
    PR_SET_TIMERSLACK,
    close,
    epoll_create1,
    epoll_ctl,
    epoll_event,
    epoll_pwait2,
    epoll_wait,
    eventfd,
    pollfd,
    ppoll,
    prctl,
    read,
    write,
)
from native.engine.link cimport Link
from native.engine.machine cimport (
    DRAIN_FOR,
    link_announced,
    link_connect,
    link_finish,
    link_idle,
    link_offered,
    link_time,
    link_wants_read,
)
from native.engine.reading cimport await_port, read_port
from native.engine.scan cimport link_lost
from native.engine.state cimport link_t, member_t, shell_t
from native.engine.ticking cimport begin_awaited, tick_due
from native.engine.timers cimport free_timers, make_timers, set_timer
from native.rows.group cimport Group
from native.rows.store cimport group_t
from native.wire.dialin cimport dial_offer
from native.wire.transport cimport AWAIT_MOST_MS, DIALIN, WAIT_WRITE

cdef enum:
    BATCH = 64          # events taken at once
    BELL_MARK = -1

cdef extern from *:
    """
    #define START_AFTER INT64_C(50000000)
    #define START_MOST INT64_C(1500000000)
    #define OPEN_APART INT64_C(200000)
    #define POLL_AFTER INT64_C(50000000)
    """
    int64_t POLL_AFTER   # a loop that awaits answers in the read looks for a stop this often
    int64_t START_AFTER  # from the thread's start to the first tick, at least
    int64_t START_MOST   # the same, at most, where links are still connecting
    int64_t OPEN_APART   # between the openings of links at the start: a switch drops fewer packets


cdef inline unsigned int interest(link_t *l) noexcept nogil:
    """What epoll is to report of the link's port; errors and hang-ups it always does."""
    if l.conn.state == CONNECTING:
        return EPOLLOUT if l.conn.waits_for == WAIT_WRITE else EPOLLIN
    return 0 if l.bus.deaf_until else EPOLLIN


cdef void watch_port(loop_t *p, link_t *l) noexcept nogil:
    """Have the port's descriptor in the epoll set as the link wants it; closing took it out."""
    cdef epoll_event e
    cdef unsigned int wanted
    if l.conn.state == DOWN or l.port.fd < 0:
        return
    wanted = interest(l)
    if l.shell.registered and wanted == l.shell.watched:
        return
    e.events = wanted
    e.data.u64 = <uint64_t>l.shell.index
    epoll_ctl(p.epoll, EPOLL_CTL_MOD if l.shell.registered else EPOLL_CTL_ADD, l.port.fd, &e)
    l.shell.registered = True
    l.shell.watched = wanted


cdef void settle_link(loop_t *p, link_t *l, int64_t now) noexcept nogil:
    """After each call into a link: begin scans that were waited for, watch its port as it is now,
    set its timer.
    """
    cdef shell_t *s = &l.shell
    begin_awaited(l, &p.timers, now)
    watch_port(p, l)
    # What TLS has read ahead is in the socket no more, and epoll does not announce it.
    set_timer(&p.timers, p.slot_count + s.index, now + 1 if s.more and l.port.session else s.due)


cdef void time_link(loop_t *p, link_t *l, int64_t now) noexcept nogil:
    """A link's timer is due."""
    if link_wants_read(l, now):
        now = read_port(l)
    link_time(l, now)
    settle_link(p, l, now)


cdef int wait_events(loop_t *p, epoll_event *events, int64_t now) noexcept nogil:
    cdef int64_t due = p.timers.heap[0].due
    cdef int64_t ns
    cdef timespec t
    cdef pollfd one
    cdef int n = 0
    if not p.ticking:
        due = min(due, p.start_least if now < p.start_least else p.start_most)
    ns = max(<int64_t>0, min(due - now, <int64_t>100000000))
    t.tv_sec = 0
    t.tv_nsec = <long>ns
    if not p.old_kernel:
        n = epoll_pwait2(p.epoll, events, BATCH, &t, NULL)
        # Before Linux 5.11, or under a filter of system calls that does not know it.
        p.old_kernel = n < 0 and errno != EINTR
    if p.old_kernel:
        # epoll_wait rounds its wait to milliseconds, so another call waits.
        one.fd, one.events, one.revents = p.epoll, POLLIN, 0
        n = ppoll(&one, 1, &t, NULL)
        if n > 0:
            n = epoll_wait(p.epoll, events, BATCH, 0) or -1
    p.wakeups += 1
    if n == 0:
        p.empty_at = now + ns  # not the time by now: something may have come since the wait ended
    return n


cdef bint may_await(loop_t *p, int64_t now) noexcept nogil:
    """Whether the only thing that can happen soon is the answer on the only link."""
    cdef link_t *link = p.links[0]
    return (
        p.link_count == 1 and link.conn.state == UP and link.flights.count > 0
        and link.port.ops.await_read != NULL
        and p.timers.heap[0].due - now > AWAIT_MOST_MS * <int64_t>1000000
    )


cdef void port_event(loop_t *p, link_t *l, unsigned int events, int64_t now) noexcept nogil:
    cdef int error
    if l.conn.state == CONNECTING:
        link_connect(l, now)
    elif l.conn.state == UP:
        if events & EPOLLIN:
            link_announced(l, p.empty_at, now)
            read_port(l)
        if l.conn.state == UP and events & (EPOLLERR | EPOLLHUP):
            error = EIO if l.port.ops.trouble == NULL else l.port.ops.trouble(l.port)
            if error:
                link_lost(l, error, now)
                link_time(l, now)
    settle_link(p, l, now)


cdef void take_offers(loop_t *p, int64_t now) noexcept nogil:
    cdef int32_t i
    for i in range(p.link_count):
        if link_offered(p.links[i], now):
            settle_link(p, p.links[i], now)


cdef void loop_begin(loop_t *p) noexcept nogil:
    cdef int32_t i
    cdef member_t *m
    cdef int64_t now = boot_ns()
    p.start_least = now + START_AFTER
    p.start_most = now + p.link_count * OPEN_APART + START_MOST
    for i in range(p.slot_count):
        m = &p.slots[i].link.members[p.slots[i].member]
        if m.g != NULL:
            m.g.start_ns = p.start_most  # a stop before that finds no tick due
            m.next_tick = 0
    for i in range(p.link_count):
        p.links[i].conn.reopen_at = now + i * OPEN_APART
        set_timer(&p.timers, p.slot_count + i, p.links[i].conn.reopen_at)


cdef bint may_tick(loop_t *p, int64_t now) noexcept nogil:
    """Whether each link is up, or can't be soon."""
    cdef int32_t i
    if now < p.start_least:
        return False
    for i in range(p.link_count if now < p.start_most else 0):
        if p.links[i].conn.state == CONNECTING or (
            p.links[i].conn.state == DOWN and p.links[i].conn.error == 0
        ):
            return False
    return True


cdef void begin_ticks(loop_t *p, int64_t now) noexcept nogil:
    """Tick 0 of each group is due in its phase."""
    cdef int32_t i
    cdef group_t *g
    p.ticking = True
    for i in range(p.slot_count):
        if p.slots[i].member < p.slots[i].link.resident_count:
            g = p.slots[i].link.members[p.slots[i].member].g
            g.start_ns = now + g.phase_ns
            set_timer(&p.timers, i, g.start_ns)


cdef bint loop_idle(loop_t *p) noexcept nogil:
    cdef int32_t i
    for i in range(p.link_count):
        if not link_idle(p.links[i]):
            return False
    return True


cdef void loop_run(loop_t *p) noexcept nogil:
    cdef epoll_event events[BATCH]
    cdef int64_t now, polled = 0, stopped = 0, stop_at = NEVER
    cdef uint64_t rung = 0
    cdef int32_t item, i
    cdef int n
    prctl(PR_SET_TIMERSLACK, 1)
    loop_begin(p)
    while True:
        p.turns += 1
        now = boot_ns()
        if not p.ticking and stop_at == NEVER and may_tick(p, now):
            begin_ticks(p, now)
        while p.timers.heap[0].due <= now:
            item = p.timers.heap[0].item
            if item < p.slot_count:
                tick_due(p.slots[item].link, p.slots[item].member, &p.timers, now)
                settle_link(p, p.slots[item].link, now)
            else:
                i = item - p.slot_count
                time_link(p, p.links[i], now)
        if stop_at != NEVER and (now >= stop_at or loop_idle(p)):
            break
        if stop_at == NEVER and now - polled < POLL_AFTER and may_await(p, now):
            settle_link(p, p.links[0], await_port(p.links[0]))
            continue
        polled = now
        n = wait_events(p, events, now)
        now = boot_ns()
        for i in range(n):
            if events[i].data.u64 == <uint64_t>BELL_MARK:
                read(p.bell, &rung, 8)
                continue
            port_event(p, p.links[events[i].data.u64], events[i].events, now)
        if n > 0:
            p.empty_at = now  # the ports were read since then
        if rung:
            # After the events, which are of the connections that were there before.
            rung = 0
            p.visited = True
            take_offers(p, now)
            if p.stopping and stop_at == NEVER:
                stopped = now
                stop_at = now + DRAIN_FOR
                for item in range(p.link_count):
                    p.links[item].draining = True
        if p.visited:
            p.visited = False
            for i in range(p.link_count):
                p.visited |= take_guests(p.links[i], &p.timers, now)
    now = boot_ns()
    for i in range(p.link_count):
        link_finish(p.links[i], stopped, now)


cdef class Loop:
    """Scans `links` (native.engine.link.Link) in the thread that calls `run`, until `stop`."""

    cdef loop_t p
    cdef list links

    def __cinit__(self, links):
        cdef Link link
        cdef int32_t at = 0, i
        cdef epoll_event e
        memset(&self.p, 0, sizeof(loop_t))
        self.p.epoll = self.p.bell = -1
        self.links = list(links)
        self.p.link_count = <int32_t>len(self.links)
        for link in self.links:
            self.p.slot_count += link.l.resident_count + GUESTS
        if self.p.slot_count == 0:
            raise ValueError("a loop needs links with groups")
        items = self.p.slot_count + self.p.link_count
        self.p.links = <link_t **>calloc(self.p.link_count, sizeof(link_t *))
        self.p.slots = <slot_t *>calloc(self.p.slot_count, sizeof(slot_t))
        if (
            self.p.links == NULL or self.p.slots == NULL
            or not make_timers(&self.p.timers, <int32_t>items)
        ):
            raise MemoryError
        for i, link in enumerate(self.links):
            link.l.shell.index = i
            link.l.shell.first_slot = at
            self.p.links[i] = &link.l
            for k in range(link.l.resident_count + GUESTS):
                self.p.slots[at].link = &link.l
                self.p.slots[at].member = k
                at += 1
        self.p.epoll = epoll_create1(EPOLL_CLOEXEC)
        self.p.bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        if self.p.epoll < 0 or self.p.bell < 0:
            raise OSError("no epoll or eventfd: too many open files")
        e.events = EPOLLIN
        e.data.u64 = <uint64_t>BELL_MARK
        epoll_ctl(self.p.epoll, EPOLL_CTL_ADD, self.p.bell, &e)

    def __dealloc__(self):
        if self.p.epoll >= 0:
            close(self.p.epoll)
        if self.p.bell >= 0:
            close(self.p.bell)
        free(self.p.links)
        free(self.p.slots)
        free_timers(&self.p.timers)

    def run(self) -> None:
        """Scan until `stop`; once, in the scan thread. Waits at most 0.6 s for answers under way at
        the end.
        """
        if self.p.running:
            raise RuntimeError("a loop runs once")
        self.p.running = True
        with nogil:
            loop_run(&self.p)

    def stop(self) -> None:
        """Ask `run` to return. Any thread, any time."""
        self.p.stopping = True
        self.ring()

    def offer(self, Link link, int fd) -> None:
        """Hand `link`, one of type "listen", a connection that its device made: it takes the place
        of the one that is there. `fd` belongs to the link from here on. Any thread, any time.
        """
        if link.l.port.kind != DIALIN:
            raise ValueError("a link that no device dials in to")
        dial_offer(link.l.port, fd)
        self.ring()

    def welcome(self, Link link, int device, Group group) -> bool:
        """Have `group` read once, as soon as its device's turn comes, beside the link's own; the
        newest row is the answer. False: the link has as many guests as it can have. `dismiss` it
        in any case. Any thread, while the loop runs.
        """
        if not link.invite(device, group):
            return False
        self.ring()
        return True

    def dismiss(self, Link link, Group group) -> None:
        """Remove a single reading's group from the link once nothing of it is in flight."""
        link.see_off(group)
        self.ring()

    cdef void ring(self):
        cdef uint64_t one = 1
        write(self.p.bell, &one, 8)

    @property
    def wakeups(self) -> int:
        """How often the thread was woken, for the benches."""
        return self.p.wakeups

    @property
    def turns(self) -> int:
        """Rises while the thread runs, at least ten times a second."""
        return self.p.turns
