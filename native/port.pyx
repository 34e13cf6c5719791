"""Serial ports by our own termios, and sockets. Both non-blocking, both closed without waiting.

Serial: exclusive twice over (TIOCEXCL stops other openers, flock those that ask), raw, any baud
rate (termios2, BOTHER), low latency where the driver has it (it ends a USB adapter's 16 ms timer),
the kernel's RS-485 switching where asked. User-space RTS switching is not offered: it is 75-115 us
late.
"""

from libc.errno cimport EAGAIN, ECONNRESET, EINTR, errno
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset

import os
import socket
import struct

cdef extern from *:
    """
    #include <asm/termbits.h>
    #include <errno.h>
    #include <fcntl.h>
    #include <linux/serial.h>
    #include <string.h>
    #include <sys/file.h>
    #include <sys/ioctl.h>
    #include <sys/socket.h>
    #include <netinet/in.h>
    #include <netinet/tcp.h>
    #include <unistd.h>

    static int serial_setup(int fd, unsigned baud, int data_bits, int parity, int stop_bits,
                            int rs485, int *low_latency)
    {
        struct termios2 t;
        struct serial_struct s;
        *low_latency = 0;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
            return -EBUSY;
        if (ioctl(fd, TIOCEXCL) < 0)
            return -errno;
        if (ioctl(fd, TCGETS2, &t) < 0)
            return -errno;
        t.c_iflag = parity ? INPCK : 0;
        t.c_oflag = 0;
        t.c_lflag = 0;
        t.c_cflag = CREAD | CLOCAL | BOTHER | (BOTHER << IBSHIFT);
        t.c_cflag |= data_bits == 7 ? CS7 : CS8;
        if (parity)
            t.c_cflag |= PARENB | (parity == 2 ? PARODD : 0);
        if (stop_bits == 2)
            t.c_cflag |= CSTOPB;
        t.c_ispeed = t.c_ospeed = baud;
        memset(t.c_cc, 0, sizeof t.c_cc);
        if (ioctl(fd, TCSETS2, &t) < 0)
            return -errno;
        if (rs485) {
            struct serial_rs485 r;
            memset(&r, 0, sizeof r);
            r.flags = SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND;
            if (ioctl(fd, TIOCSRS485, &r) < 0)
                return -errno;
        }
        /* Only this flag: changing others needs privileges. Drivers without it lose nothing. */
        if (ioctl(fd, TIOCGSERIAL, &s) == 0) {
            s.flags |= ASYNC_LOW_LATENCY;
            *low_latency = ioctl(fd, TIOCSSERIAL, &s) == 0;
        }
        ioctl(fd, TCFLSH, TCIOFLUSH);
        return 0;
    }

    static int serial_counters(int fd, unsigned *frame, unsigned *parity, unsigned *overrun,
                               unsigned *breaks)
    {
        struct serial_icounter_struct c;
        memset(&c, 0, sizeof c);
        if (ioctl(fd, TIOCGICOUNT, &c) < 0)
            return -errno;
        *frame = c.frame, *parity = c.parity, *breaks = c.brk;
        *overrun = c.overrun + c.buf_overrun;
        return 0;
    }

    static void serial_flush(int fd, int both) { ioctl(fd, TCFLSH, both ? TCIOFLUSH : TCIFLUSH); }

    static int socket_open(int stream, const void *address, unsigned size)
    {
        int on = 1, limit = 3000, family = ((const struct sockaddr *)address)->sa_family;
        int fd = socket(family, (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC,
        0); if (fd < 0)
            return -errno;
        if (stream) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
            /* Unacknowledged data for so long: the connection leads nowhere, make a new one. */
            setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit);
        }
        if (connect(fd, (const struct sockaddr *)address, size) < 0 && errno != EINPROGRESS) {
            int error = errno;
            close(fd);
            return -error;
        }
        return fd;
    }

    static int socket_error(int fd)
    {
        int error = 0;
        socklen_t size = sizeof error;
        return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? errno : error;
    }

    /* Connected: from here on only a recv without MSG_DONTWAIT waits, and no longer than this. */
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
    int serial_setup(int, unsigned, int, int, int, int, int *) noexcept nogil
    int serial_counters(int, unsigned *, unsigned *, unsigned *, unsigned *) noexcept nogil
    void serial_flush(int, int) noexcept nogil
    int socket_open(int, const void *, unsigned) noexcept nogil
    int socket_error(int) noexcept nogil
    int socket_awaitable(int, int) noexcept nogil
    int c_open "open"(const char *, int) noexcept nogil
    int c_close "close"(int) noexcept nogil
    ssize_t c_read "read"(int, void *, size_t) noexcept nogil
    ssize_t c_write "write"(int, const void *, size_t) noexcept nogil
    ssize_t recv(int, void *, size_t, int) noexcept nogil
    ssize_t send(int, const void *, size_t, int) noexcept nogil
    int O_RDWR, O_NOCTTY, O_NONBLOCK, O_CLOEXEC, MSG_NOSIGNAL, MSG_DONTWAIT


cdef inline ssize_t outcome(ssize_t n) noexcept nogil:
    """A count, 0 for "not now", or -errno."""
    if n >= 0:
        return n
    if errno == EAGAIN or errno == EINTR:
        return 0
    return -errno


# ---- Serial


cdef int serial_open(port_t *p) noexcept nogil:
    cdef int fd = c_open(p.path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
    cdef int result, granted = 0
    if fd < 0:
        return -errno
    result = serial_setup(fd, p.baud, p.data_bits, p.parity, p.stop_bits, p.rs485, &granted)
    if result < 0:
        c_close(fd)
        return result
    p.low_latency = granted
    p.fd = fd
    return 0


cdef int no_finish(port_t *p) noexcept nogil:
    return 0


cdef ssize_t serial_read(port_t *p, uint8_t *buffer, size_t room) noexcept nogil:
    cdef ssize_t n = c_read(p.fd, buffer, room)
    # With VMIN = VTIME = 0 a read of nothing is 0; a port that is gone says EIO (or hangs up: see
    # the loop).
    return outcome(n)


cdef ssize_t serial_write(port_t *p, const uint8_t *data, size_t n) noexcept nogil:
    return outcome(c_write(p.fd, data, n))


cdef void serial_discard(port_t *p) noexcept nogil:
    serial_flush(p.fd, False)


cdef void serial_close(port_t *p) noexcept nogil:
    # Unsent bytes at 1,200 baud would make close() wait for seconds: throw them away first.
    if p.fd >= 0:
        serial_flush(p.fd, True)
        c_close(p.fd)
        p.fd = -1


cdef int serial_count(port_t *p, counters_t *c) noexcept nogil:
    return serial_counters(p.fd, &c.frame, &c.parity, &c.overrun, &c.breaks)


# ---- Sockets


cdef int net_open(port_t *p) noexcept nogil:
    cdef int fd
    if p.address_size == 0:
        return -99  # EADDRNOTAVAIL: the name is not resolved
    fd = socket_open(p.kind == STREAM, p.address, p.address_size)
    if fd < 0:
        return fd
    p.fd = fd
    return 1 if p.kind == STREAM else 0


cdef int net_finish(port_t *p) noexcept nogil:
    cdef int error = socket_error(p.fd)
    return -error if error else socket_awaitable(p.fd, AWAIT_MS)


cdef ssize_t net_read(port_t *p, uint8_t *buffer, size_t room) noexcept nogil:
    cdef ssize_t n = recv(p.fd, buffer, room, MSG_DONTWAIT)
    if n == 0 and p.kind == STREAM:
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
    if p.fd >= 0:
        c_close(p.fd)
        p.fd = -1


cdef int no_count(port_t *p, counters_t *c) noexcept nogil:
    return -25  # ENOTTY


cdef ops_t SERIAL_OPS
cdef ops_t STREAM_OPS
cdef ops_t DATAGRAM_OPS
SERIAL_OPS.open, SERIAL_OPS.finish = serial_open, no_finish
SERIAL_OPS.read, SERIAL_OPS.write = serial_read, serial_write
SERIAL_OPS.flush, SERIAL_OPS.close, SERIAL_OPS.counters = serial_discard, serial_close, serial_count
SERIAL_OPS.await_read = NULL
STREAM_OPS.open, STREAM_OPS.finish = net_open, net_finish
STREAM_OPS.read, STREAM_OPS.await_read, STREAM_OPS.write = net_read, net_await, net_write
STREAM_OPS.flush, STREAM_OPS.close, STREAM_OPS.counters = net_discard, net_close, no_count
DATAGRAM_OPS = STREAM_OPS
DATAGRAM_OPS.await_read = NULL


cdef void port_init(port_t *p, Kind kind) noexcept nogil:
    memset(p, 0, sizeof(port_t))
    p.kind = kind
    p.fd = -1
    if kind == SERIAL:
        p.ops = &SERIAL_OPS
    else:
        p.ops = &STREAM_OPS if kind == STREAM else &DATAGRAM_OPS


cdef class Port:
    """A wire as `drivers.api.LinkSpec` describes it. For tools and tests; a link owns one of its
    own.

    Raises ValueError for a path or address that can't be one. Host names are looked up by
    `resolve`.
    """

    def __cinit__(self, object spec):
        kinds = {"serial": SERIAL, "tcp": STREAM, "udp": DATAGRAM}
        port_init(&self.p, SERIAL)
        if spec.type not in kinds:
            raise ValueError(f"no type of link: {spec.type!r}")
        port_init(&self.p, kinds[spec.type])
        if self.p.kind == SERIAL:
            path = os.fsencode(spec.port)
            if not 0 < len(path) < <Py_ssize_t>sizeof(self.p.path):
                raise ValueError(f"no path of a serial port: {spec.port!r}")
            memcpy(self.p.path, <const char *>path, len(path))
            self.p.baud, self.p.data_bits = spec.baud, spec.data_bits
            self.p.parity = ("none", "even", "odd").index(spec.parity)
            self.p.stop_bits, self.p.rs485 = spec.stop_bits, spec.rs485
        else:
            self.resolve(spec.host, spec.tcp_port, numeric=True)

    def __dealloc__(self):
        self.p.ops.close(&self.p)

    def resolve(self, str host, int port, *, bint numeric=False) -> bool:
        """Look the host's name up; False when that fails. May wait for the name server for long,
        unless `numeric` says to take addresses only.
        """
        kind = socket.SOCK_STREAM if self.p.kind == STREAM else socket.SOCK_DGRAM
        flags = socket.AI_NUMERICHOST if numeric else 0
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=kind, flags=flags)[0]
        except (OSError, UnicodeError):  # UnicodeError: no name at all, like "a..b"
            return False
        packed = pack_address(family, address)
        memcpy(self.p.address, <const uint8_t *>packed, len(packed))
        self.p.address_size = <uint32_t>len(packed)
        return True

    @property
    def low_latency(self) -> bool:
        """Whether the kernel granted low latency at the last open."""
        return self.p.low_latency

    def open(self) -> None:
        """Open, or for TCP begin to connect (`finish` when writable). Raises OSError."""
        if self.p.fd >= 0:
            return
        cdef int result = self.p.ops.open(&self.p)
        if result < 0:
            raise OSError(-result, os.strerror(-result))

    def finish(self) -> None:
        """After the socket became writable: raises OSError when the connection failed."""
        cdef int result = self.p.ops.finish(&self.p)
        if result < 0:
            raise OSError(-result, os.strerror(-result))

    def fileno(self) -> int:
        return self.p.fd

    def read(self, size_t room=512) -> bytes:
        """What has arrived, b"" for nothing. Raises OSError when the wire is gone."""
        cdef uint8_t buffer[4096]
        cdef ssize_t n = self.p.ops.read(&self.p, buffer, min(room, <size_t>sizeof(buffer)))
        if n < 0:
            raise OSError(-n, os.strerror(-n))
        return buffer[:n]

    def write(self, bytes data) -> int:
        """How many bytes the kernel took; it may be none. Raises OSError."""
        cdef ssize_t n = self.p.ops.write(&self.p, data, <size_t>len(data))
        if n < 0:
            raise OSError(-n, os.strerror(-n))
        return n

    def flush(self) -> None:
        """Discard what has arrived."""
        self.p.ops.flush(&self.p)

    def counters(self):
        """{"frame", "parity", "overrun", "breaks"} since the driver was loaded; None: not counted
        here.
        """
        cdef counters_t c
        memset(&c, 0, sizeof(c))
        if self.p.fd < 0 or self.p.ops.counters(&self.p, &c) < 0:
            return None
        return {"frame": c.frame, "parity": c.parity, "overrun": c.overrun, "breaks": c.breaks}

    def close(self) -> None:
        """Close without waiting for unsent bytes. Again does nothing."""
        self.p.ops.close(&self.p)


cdef bytes pack_address(int family, tuple address):
    """struct sockaddr_in or sockaddr_in6 in the host's layout."""
    if family == socket.AF_INET:
        return (
            struct.pack("=H", family) + struct.pack(">H", address[1])
            + socket.inet_aton(address[0]) + bytes(8)
        )
    return (
        struct.pack("=H", family) + struct.pack(">HI", address[1], address[2])
        + socket.inet_pton(family, address[0]) + struct.pack("=I", address[3])
    )
