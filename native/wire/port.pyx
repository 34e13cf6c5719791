"""Makes a port from a link's specification: the functions of its kind, its address packed."""

cimport cython
from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset

from native.wire.datagrams cimport datagram_ops
from native.wire.dialin cimport dial_forget, dialin_ops
from native.wire.serial cimport serial_ops
from native.wire.sockets cimport stream_ops
from native.wire.transport cimport (
    ADDRESSES,
    DATAGRAM,
    DIALIN,
    PACKET_MAX,
    SERIAL,
    STREAM,
    TLS_DATES,
    TLS_FAILED,
    TLS_FILES,
    TLS_HUNG_UP,
    TLS_NAME,
    TLS_NOT,
    TLS_NO_COMMON,
    TLS_REFUSED,
    TLS_TIMEOUT,
    TLS_UNTRUSTED,
    TLS_WEAK,
    Kind,
    counters_t,
    line_t,
    port_t,
    store_int,
    targets_t,
)

from itertools import zip_longest
import os
import socket
import struct

#: Why a secured port failed, beside errno: name -> TLS_* of `transport.pxd`.
TLS_ERRORS = {
    "files": TLS_FILES,
    "untrusted": TLS_UNTRUSTED,
    "dates": TLS_DATES,
    "name": TLS_NAME,
    "weak": TLS_WEAK,
    "refused": TLS_REFUSED,
    "no_common": TLS_NO_COMMON,
    "not": TLS_NOT,
    "hung_up": TLS_HUNG_UP,
    "timeout": TLS_TIMEOUT,
    "failed": TLS_FAILED,
}


cdef void port_init(port_t *p, Kind kind) noexcept nogil:
    memset(p, 0, sizeof(port_t))
    p.kind = kind
    p.fd = p.offered = p.race.epoll = -1
    if kind == SERIAL:
        p.ops = serial_ops()
    elif kind == DIALIN:
        p.ops = dialin_ops()
    else:
        p.ops = stream_ops() if kind == STREAM else datagram_ops()


cdef line_t line_of(object spec):
    """Baud, parity and the like of a `drivers.api.LinkSpec`."""
    cdef line_t line
    line.baud, line.data_bits, line.stop_bits = spec.baud, spec.data_bits, spec.stop_bits
    line.parity = ("none", "even", "odd").index(spec.parity)
    return line


@cython.no_gc_clear  # `secured` must be there until the port is closed
cdef class Port:
    """A port as `drivers.api.LinkSpec` describes it. For tools and tests; each link has its own.

    Raises ValueError for a path or address that can't be one. Host names are looked up by
    `resolve`; every address of a name is tried.
    """

    def __cinit__(self, object spec):
        kinds = {"serial": SERIAL, "tcp": STREAM, "udp": DATAGRAM, "listen": DIALIN}
        port_init(&self.p, SERIAL)
        if spec.type not in kinds:
            raise ValueError(f"no type of link: {spec.type!r}")
        port_init(&self.p, kinds[spec.type])
        if self.p.kind == SERIAL:
            path = os.fsencode(spec.port)
            if not 0 < len(path) < <Py_ssize_t>sizeof(self.p.path):
                raise ValueError(f"no path of a serial port: {spec.port!r}")
            memcpy(self.p.path, <const char *>path, len(path))
            self.p.line, self.p.rs485 = line_of(spec), spec.rs485
        if self.p.kind == DIALIN or self.p.kind == STREAM:
            packets = sorted({spec.register, spec.heartbeat}, key=len, reverse=True)
            for i, packet in enumerate(packets):
                if len(packet) > PACKET_MAX:
                    raise ValueError(f"a packet of {len(packet)} bytes: at most {PACKET_MAX}")
                memcpy(self.p.packets[i].bytes, <const uint8_t *>packet, len(packet))
                self.p.packets[i].size = len(packet)
        if self.p.kind == STREAM or self.p.kind == DATAGRAM:
            self.resolve(spec.host, spec.tcp_port, numeric=True)
        if spec.tls is not None:
            # OpenSSL is loaded only when a link wants it.
            from native.wire.tls import Secured
            self.secured = Secured(spec)
            self.secured.attach(PyCapsule_New(&self.p, "port_t", NULL))

    def __dealloc__(self):
        self.p.ops.close(&self.p)
        dial_forget(&self.p)

    def resolve(self, str host, int port, *, bint numeric=False) -> bool:
        """Look the host's name up; False when that fails. May wait for the name server for long,
        unless `numeric` says to take addresses only.
        """
        kind = socket.SOCK_STREAM if self.p.kind == STREAM else socket.SOCK_DGRAM
        flags = socket.AI_NUMERICHOST if numeric else 0
        try:
            found = socket.getaddrinfo(host, port, type=kind, flags=flags)
        except (OSError, UnicodeError):  # UnicodeError: not a possible name, like "a..b"
            return False
        packed = in_turns(found)
        now = &self.p.targets[self.p.target]
        before = [now.each[i].address[:now.each[i].size] for i in range(now.count)]
        if sorted(packed) == sorted(before):
            return True  # the same addresses; their order changes with each lookup
        # Not over those in use: only the lookup after the next, seconds from now, overwrites them.
        cdef targets_t *targets = &self.p.targets[1 - self.p.target]
        memset(targets, 0, sizeof(targets_t))
        for i, address in enumerate(packed):
            memcpy(targets.each[i].address, <const uint8_t *>address, len(address))
            targets.each[i].size = <uint32_t>len(address)
        targets.count = <int>len(packed)
        store_int(&self.p.target, 1 - self.p.target)
        return True

    @property
    def low_latency(self) -> bool:
        """Whether the kernel granted low latency at the last open."""
        return self.p.low_latency

    def open(self) -> int:
        """Opens, or for TCP begins to connect; returns what to wait for, as `finish` does. Raises
        OSError; if TLS failed its errno is a TLS_* of `transport.pxd`. The same below.
        """
        if self.p.fd >= 0:
            return 0
        cdef int result = self.p.ops.open(&self.p)
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return result

    def finish(self) -> int:
        """To be called when what it waits for has come. Returns 0: it is open; 1: call again when
        `fileno`, which may have changed, is writable; 2 or 3: when it is readable. Raises OSError
        if the connection failed.
        """
        cdef int result = self.p.ops.finish(&self.p)
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return result

    def fileno(self) -> int:
        return self.p.fd

    def read(self, size_t room=512) -> bytes:
        """What has arrived, b"" for nothing. Raises OSError if the wire is gone; BlockingIOError if
        nothing of what was read is for us so far, and there is more.
        """
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
        """Errors {"frame", "parity", "overrun", "breaks"} since the driver was loaded; None: this
        port counts none.
        """
        cdef counters_t c
        memset(&c, 0, sizeof(c))
        if self.p.fd < 0 or self.p.ops.counters(&self.p, &c) < 0:
            return None
        return {"frame": c.frame, "parity": c.parity, "overrun": c.overrun, "breaks": c.breaks}

    def close(self) -> None:
        """Closes without waiting for unsent bytes; does nothing if it is closed."""
        self.p.ops.close(&self.p)


cdef list in_turns(list found):
    """Addresses as `socket.getaddrinfo` gives them, packed, the families by turns (RFC 8305 section
    4), the first of each name's family first.
    """
    packed = [(family, pack_address(family, address)) for family, _, _, _, address in found]
    first = [one for family, one in packed if family == packed[0][0]]
    other = [one for family, one in packed if family != packed[0][0]]
    mixed = [one for pair in zip_longest(first, other) for one in pair if one is not None]
    return list(dict.fromkeys(mixed))[:ADDRESSES]


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
