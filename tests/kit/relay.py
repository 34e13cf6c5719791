"""The wire between box and platform, with a switch and a meter: TCP forwarded byte for byte.

States, each of the real 5G link:

    up        bytes pass
    slow      what is read at once takes that long on its way: a round trip of twice as much
    cut       every connection breaks at once, none can be made
    half-open what is connected stays connected and carries nothing, in one direction or both;
              neither end is told. New connections work

The meter has two readings: what TCP carried, and what the IP packets came to that carried it.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass

_CHUNK_BYTES = 65536
_END_S_MAX = 5.0
#: Segments of the size that they have on a 5G link; loopback's own are 64 KB.
_SEGMENT_BYTES = 1400
#: IPv4 and TCP headers (RFC 791, RFC 9293) with the timestamp option (RFC 7323).
_HEADER_BYTES = 20 + 20 + 12
#: `struct tcp_info` of linux/tcp.h as far as its last two fields here: segments out and in.
_TCP_INFO = struct.Struct("8B24I4Q2I")


@dataclass(slots=True)
class _Pair:
    """One connection of the box and its other half."""

    box: socket.socket
    platform: socket.socket
    dead_up: bool = False
    dead_down: bool = False

    def segments(self) -> int:
        """TCP segments between box and relay so far, both directions; 0 once it is closed."""
        if self.box.fileno() < 0:
            return 0
        said = self.box.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        sent, received = _TCP_INFO.unpack(said)[-2:]
        return int(sent + received)

    def shut(self) -> None:
        for end in (self.box, self.platform):
            with contextlib.suppress(OSError):  # it is gone already
                end.shutdown(socket.SHUT_RDWR)


class Relay:
    """Listens on a free port of loopback, the same for its life. Any thread; `close` ends it."""

    def __init__(self, target: int) -> None:
        """`target`: the platform's port on loopback; nobody has to listen there yet."""
        self._target = ("127.0.0.1", target)
        self._lock = threading.Lock()
        self._pairs: list[_Pair] = []
        self._threads: list[threading.Thread] = []
        self._listener = _listen(0)
        self.port: int = self._listener.getsockname()[1]
        self.bytes_up = self.bytes_down = 0
        self._segments = 0  # of connections that have ended
        self._delay_s = 0.0
        self._closed = threading.Event()
        self._start(self._accept, self._listener)

    def cut(self) -> None:
        """The link goes down: every connection breaks, none can be made. Again: nothing."""
        with contextlib.suppress(OSError):  # cut already
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for pair in self._pairs:
                pair.shut()

    def mend(self) -> None:
        """The link is back, at the same address."""
        self._listener = _listen(self.port)
        self._start(self._accept, self._listener)

    def slow(self, delay_s: float) -> None:
        """From now on, until it is said again; 0: not slow."""
        self._delay_s = delay_s

    def half_open(self, *, up: bool, down: bool) -> None:
        """The connections of now carry nothing any more in these directions, and stay open."""
        with self._lock:
            for pair in self._pairs:
                pair.dead_up |= up
                pair.dead_down |= down

    def ip_bytes(self) -> int:
        """Both directions, with the headers of TCP and IPv4, handshakes and bare acks too."""
        with self._lock:
            segments = self._segments + sum(pair.segments() for pair in self._pairs)
        return self.bytes_up + self.bytes_down + segments * _HEADER_BYTES

    def close(self) -> None:
        """Cut for good; every thread has ended."""
        self._closed.set()
        self.cut()
        for thread in self._threads:
            thread.join(_END_S_MAX)

    # ---- within ----------------------------------------------------------------------------

    def _start(self, target: object, *args: object) -> None:
        assert callable(target)
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                box, _ = listener.accept()
            except OSError:  # cut
                return
            try:
                platform = socket.create_connection(self._target)
            except OSError:  # the platform is down: the box is hung up on
                box.close()
                continue
            pair = _Pair(box, platform)
            with self._lock:
                self._pairs.append(pair)
            ended = threading.Semaphore(0)
            for upwards in (True, False):
                self._start(self._pump, pair, upwards, ended)
            self._start(self._bury, pair, ended)
            if listener.fileno() < 0:  # cut meanwhile
                pair.shut()

    def _pump(self, pair: _Pair, upwards: bool, ended: threading.Semaphore) -> None:
        source, sink = (pair.box, pair.platform) if upwards else (pair.platform, pair.box)
        with contextlib.suppress(OSError):  # either end is gone
            while data := source.recv(_CHUNK_BYTES):
                if pair.dead_up if upwards else pair.dead_down:
                    continue
                if self._delay_s:
                    self._closed.wait(self._delay_s)
                if upwards:
                    self.bytes_up += len(data)
                else:
                    self.bytes_down += len(data)
                sink.sendall(data)
        if not (pair.dead_up if upwards else pair.dead_down):  # else the other end is not told
            pair.shut()
        ended.release()

    def _bury(self, pair: _Pair, ended: threading.Semaphore) -> None:
        """Close both ends once neither pump uses them."""
        for _ in range(2):
            ended.acquire()
        with self._lock:
            self._segments += pair.segments()
            self._pairs.remove(pair)
        pair.box.close()
        pair.platform.close()


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT_BYTES)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    return listener
