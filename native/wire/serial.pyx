"""Serial ports through termios: non-blocking, closed without waiting.

A port is opened raw, at any baud rate (termios2, BOTHER), and exclusively in two ways: TIOCEXCL
stops others from opening it, flock stops those who look for a lock. Low latency is set if the
driver has it (it switches off a USB adapter's 16 ms timer), and the kernel's RS-485 switching if
the link asks for it. There is no RTS switching by the program: that would be 75-115 us late.

A name that udev made is refused while two ports claim it, as two adapters of one serial number do:
which of them it leads to is chance. udev keeps in /run/udev/data which device claims which names:
a file a device, a line `S:NAME` a name (systemd's src/libsystemd/sd-device/device-private.c).
"""

from libc.errno cimport errno
from libc.stdint cimport uint8_t

from native.wire.transport cimport counters_t, line_t, ops_t, outcome, port_t

cdef extern from *:
    """
    #include <asm/termbits.h>
    #include <dirent.h>
    #include <errno.h>
    #include <fcntl.h>
    #include <linux/serial.h>
    #include <string.h>
    #include <sys/file.h>
    #include <sys/ioctl.h>
    #include <unistd.h>

    /* Whether an entry of udev's database names the link; `at` is the folder. */
    static int serial_claimed(int at, const char *entry, const char *link)
    {
        char said[8192];
        size_t length = strlen(link);
        int fd = openat(at, entry, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, said, sizeof said - 1);
        if (fd >= 0)
            close(fd);
        if (n < 0)
            return 0;
        said[n] = 0;
        for (char *line = said; line; line = strchr(line, '\\n')) {
            line += *line == '\\n';
            if (strncmp(line, "S:", 2) == 0 && strncmp(line + 2, link, length) == 0
                && line[2 + length] == '\\n')
                return 1;
        }
        return 0;
    }

    static int serial_is_one(const char *path)
    {
        DIR *known;
        struct dirent *entry;
        int count = 0;
        if (strncmp(path, "/dev/", 5) != 0 || !(known = opendir("/run/udev/data")))
            return 0;
        while ((entry = readdir(known)))
            if (entry->d_name[0] == 'c') /* a character device: c188:0 */
                count += serial_claimed(dirfd(known), entry->d_name, path + 5);
        closedir(known);
        return count > 1 ? -ENOTUNIQ : 0;
    }

    static int serial_line(int fd, unsigned baud, int data_bits, int parity, int stop_bits)
    {
        struct termios2 t;
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
        return ioctl(fd, TCSETS2, &t) < 0 ? -errno : 0;
    }

    static int serial_setup(int fd, int rs485, int *low_latency)
    {
        struct serial_struct s;
        *low_latency = 0;
        if (rs485) {
            struct serial_rs485 r;
            memset(&r, 0, sizeof r);
            r.flags = SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND;
            if (ioctl(fd, TIOCSRS485, &r) < 0)
                return -errno;
        }
        /* Only this flag: changing others needs privileges. A driver may not have it. */
        if (ioctl(fd, TIOCGSERIAL, &s) == 0) {
            s.flags |= ASYNC_LOW_LATENCY;
            *low_latency = ioctl(fd, TIOCSSERIAL, &s) == 0;
        }
        ioctl(fd, TCFLSH, TCIOFLUSH);
        return 0;
    }

    static int serial_own(int fd)
    {
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
            return -EBUSY;
        return ioctl(fd, TIOCEXCL) < 0 ? -errno : 0;
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
    """
    int serial_is_one(const char *) noexcept nogil
    int serial_own(int) noexcept nogil
    int serial_line(int, unsigned, int, int, int) noexcept nogil
    int serial_setup(int, int, int *) noexcept nogil
    int serial_counters(int, unsigned *, unsigned *, unsigned *, unsigned *) noexcept nogil
    void serial_flush(int, int) noexcept nogil
    int c_open "open"(const char *, int) noexcept nogil
    int c_close "close"(int) noexcept nogil
    ssize_t c_read "read"(int, void *, size_t) noexcept nogil
    ssize_t c_write "write"(int, const void *, size_t) noexcept nogil
    int O_RDWR, O_NOCTTY, O_NONBLOCK, O_CLOEXEC


cdef inline int set_line(int fd, const line_t *line) noexcept nogil:
    return serial_line(fd, line.baud, line.data_bits, line.parity, line.stop_bits)


cdef int serial_open(port_t *p) noexcept nogil:
    cdef int fd, granted = 0
    cdef int result = serial_is_one(p.path)
    if result < 0:
        return result
    fd = c_open(p.path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
    if fd < 0:
        return -errno
    result = serial_own(fd)
    if result == 0:
        result = set_line(fd, &p.line)
    if result == 0:
        result = serial_setup(fd, p.rs485, &granted)
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
    # With VMIN = VTIME = 0 a read returns 0 if nothing is there; if the port is gone it fails with
    # EIO (or hangs up: see the loop).
    return outcome(n)


cdef ssize_t serial_write(port_t *p, const uint8_t *data, size_t n) noexcept nogil:
    return outcome(c_write(p.fd, data, n))


cdef int serial_tune(port_t *p, const line_t *line) noexcept nogil:
    cdef int result = set_line(p.fd, line)
    if result == 0:
        p.line = line[0]
    return result


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


cdef ops_t OPS
OPS.open, OPS.finish = serial_open, no_finish
OPS.read, OPS.write, OPS.await_read = serial_read, serial_write, NULL
OPS.flush, OPS.close, OPS.counters = serial_discard, serial_close, serial_count
OPS.tune = serial_tune


cdef const ops_t *serial_ops() noexcept nogil:
    return &OPS
