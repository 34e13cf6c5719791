"""What the loop asks of the kernel: epoll, an eventfd as its bell, sleeps of nanoseconds."""

from libc.stdint cimport uint64_t

from native.clock cimport timespec

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        uint64_t u64
    cdef struct epoll_event:
        unsigned int events
        epoll_data_t data
    int epoll_create1(int flags) noexcept
    int epoll_ctl(int ep, int op, int fd, epoll_event *e) noexcept
    int epoll_wait(int ep, epoll_event *e, int n, int ms) noexcept
    int epoll_pwait2(int ep, epoll_event *e, int n, const timespec *t, const void *mask) noexcept
    unsigned int EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP
    int EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CLOEXEC

cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd(unsigned int value, int flags) noexcept
    int EFD_NONBLOCK
    int EFD_CLOEXEC

cdef extern from "<poll.h>" nogil:
    cdef struct pollfd:
        int fd
        short events
        short revents
    int ppoll(pollfd *fds, unsigned long n, const timespec *t, const void *mask) noexcept
    short POLLIN

cdef extern from "<sys/prctl.h>" nogil:
    int prctl(int option, unsigned long value, ...) noexcept
    int PR_SET_TIMERSLACK

cdef extern from "<unistd.h>" nogil:
    int close(int fd) noexcept
    ssize_t write(int fd, const void *buf, size_t n) noexcept
    ssize_t read(int fd, void *buf, size_t n) noexcept
