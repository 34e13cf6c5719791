"""A port: one table of functions for each kind of wire, so that nothing above needs to know the
kind.
"""

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum Kind:
    SERIAL = 0
    STREAM = 1    # TCP
    DATAGRAM = 2  # UDP
    DIALIN = 3    # TCP that the device makes: see `dialin`


cdef struct counters_t:
    uint32_t frame
    uint32_t parity
    uint32_t overrun
    uint32_t breaks


cdef struct line_t:
    # What both ends of a serial wire must be set to.
    uint32_t baud
    uint8_t data_bits
    uint8_t parity         # 0 none, 1 even, 2 odd
    uint8_t stop_bits


cdef inline bint is_same_line(const line_t *a, const line_t *b) noexcept nogil:
    return (
        a.baud == b.baud and a.data_bits == b.data_bits and a.parity == b.parity
        and a.stop_bits == b.stop_bits
    )


cdef enum:
    PACKET_MAX = 64  # bytes of a registration or heartbeat packet
    PACKETS = 2


cdef struct packet_t:
    uint8_t bytes[PACKET_MAX]
    size_t size            # 0: there is none


cdef enum:
    ADDRESSES = 8  # how many addresses of one name are tried


cdef struct target_t:
    uint8_t address[28]    # struct sockaddr_in or sockaddr_in6
    uint32_t size


cdef struct targets_t:
    # The addresses of a name.
    target_t each[ADDRESSES]
    int count              # 0: not resolved


cdef struct race_t:
    # Attempts to connect to several addresses: see `connecting`.
    int epoll              # -1: none
    int timer              # when the next address is tried
    int fds[ADDRESSES]     # -1: not tried, or given up
    int begun              # addresses tried
    int under_way
    int error              # why the last attempt failed


cdef struct port_t:
    Kind kind
    int fd                 # -1: closed
    const ops_t *ops
    # serial
    char path[256]
    line_t line            # as it is, or will be opened
    bint rs485
    bint low_latency       # what the kernel granted
    # sockets
    targets_t targets[2]   # the newest list, and the one before, which `open` may be reading
    int target             # atomic: which of them is the newest
    int list               # which of them `turn` is an index of
    int turn               # the address that is tried first
    uint64_t host[16]      # UDP: who is asked, a struct sockaddr_storage
    unsigned int host_size
    bint in_vain           # UDP: nothing has come from that address
    race_t race
    void *session          # of `tls`; NULL: not encrypted
    # of a device that dials in
    int offered            # atomic: a connection that waits to be taken; -1: none
    packet_t packets[PACKETS]  # its packets that are no frames, the longer first
    int64_t heard          # when its last byte came
    uint64_t swallowed     # packets taken out of the stream


cdef enum:
    # What `open` and `finish` wait for.
    WAIT_WRITE = 1
    WAIT_READ = 2
    WAIT_RACE = 3  # for reading, while connections to several addresses are under way

cdef extern from *:
    """
    /* Why a secured port failed, beside errno, which ends at 4095 (MAX_ERRNO of the kernel). */
    enum {
        TLS_FILES = 4097, /* our own certificate files can't be used */
        TLS_UNTRUSTED,    /* the peer's certificate is from another authority */
        TLS_DATES,        /* it has expired, or is not valid yet */
        TLS_NAME,         /* it is for another name or address */
        TLS_WEAK,         /* its key or its digest is too weak */
        TLS_REFUSED,      /* the peer refused ours */
        TLS_NO_COMMON,    /* no version or cipher that both have */
        TLS_NOT,          /* what the peer sends is not TLS */
        TLS_HUNG_UP,      /* the peer closed the connection before it sent any data */
        TLS_TIMEOUT,      /* the handshake did not end in time */
        TLS_FAILED,       /* another reason: see OpenSSL's text in `detail` of `tls` */
    };
    """
    int TLS_FILES
    int TLS_UNTRUSTED
    int TLS_DATES
    int TLS_NAME
    int TLS_WEAK
    int TLS_REFUSED
    int TLS_NO_COMMON
    int TLS_NOT
    int TLS_HUNG_UP
    int TLS_TIMEOUT
    int TLS_FAILED

cdef extern from *:
    """
    /* For numbers that one thread writes and another reads. */
    static inline int load_int(const int *slot)
    {
        return __atomic_load_n(slot, __ATOMIC_ACQUIRE);
    }

    static inline void store_int(int *slot, int value)
    {
        __atomic_store_n(slot, value, __ATOMIC_RELEASE);
    }
    """
    int load_int(const int *) noexcept nogil
    void store_int(int *, int) noexcept nogil

cdef enum:
    AWAIT_MS = 1  # rounded up by the kernel to its timer ticks, so below AWAIT_MOST_MS
    AWAIT_MOST_MS = 15


# All return 0 or a count, or -errno (or a negative TLS_*). Only `await_read` ever waits. `finish`
# may change the descriptor.
cdef struct ops_t:
    int (*open)(port_t *) noexcept nogil      # WAIT_*: not finished, wait for it, then `finish`
    int (*finish)(port_t *) noexcept nogil    # the same again, until 0
    # 0: nothing is there; -EAGAIN: nothing for us so far, and enough was read for one turn
    ssize_t (*read)(port_t *, uint8_t *, size_t) noexcept nogil
    bint packets  # a read returns one packet or record, so only a read of 0 means empty
    # Waits up to AWAIT_MS for input; NULL: this kind can't.
    ssize_t (*await_read)(port_t *, uint8_t *, size_t) noexcept nogil
    ssize_t (*write)(port_t *, const uint8_t *, size_t) noexcept nogil
    void (*flush)(port_t *) noexcept nogil    # discard what arrived
    int (*tune)(port_t *, const line_t *) noexcept nogil  # other baud or parity; NULL: not serial
    void (*close)(port_t *) noexcept nogil
    # The errno behind epoll's EPOLLERR; 0: none that counts; NULL: a read tells it.
    int (*trouble)(port_t *) noexcept nogil
    int (*counters)(port_t *, counters_t *) noexcept nogil


cdef inline ssize_t outcome(ssize_t n) noexcept nogil:
    """A count, 0 for "not now", or -errno."""
    if n >= 0:
        return n
    if errno == EAGAIN or errno == EINTR:
        return 0
    return -errno
