"""A 4G DTU in front of a bus: it dials a gateway, says its registration packet, and is a pipe.

What the gateway sends goes to the bus's terminal as it comes, what the bus answers goes back in the
pieces that it comes in, and a heartbeat is sent each `every_s` whatever else goes on, as rudely as
the real ones do. Whenever the connection is gone it dials again.
"""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread

from drivers.modbus.simulator.book import now_ns

REDIAL_S = 1.0
_CONNECT_S = 3.0
_READ = 4096


class Dtu:
    """Dials `host`:`port` from `start` to `stop`; `bus` is the path of a bus's terminal."""

    def __init__(
        self,
        bus: Path,
        host: str,
        port: int,
        *,
        register: bytes = b"",
        heartbeat: bytes = b"",
        every_s: float = 30.0,
    ) -> None:
        self.host, self.port = host, port
        self.register, self.heartbeat = register, heartbeat
        self.every_s = every_s
        self.connections = 0
        self._bus = bus
        self._socket: socket.socket | None = None
        self._terminal = -1
        self._dial_ns = 0  # when to dial next
        self._beat_ns = 0  # when the next heartbeat is due
        self._off = self._running = False
        self._calls: deque[Callable[[], None]] = deque()
        self._thread = Thread(target=self._run, name="sim-dtu", daemon=True)

    def start(self) -> None:
        """Dial from now on. Once."""
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._running = True
        self._thread.start()

    def stop(self) -> None:
        """Close everything; the thread has ended when this returns. After `start`."""
        self.call(self._end)
        self._thread.join()
        self.drop()
        self._close_terminal()
        os.close(self._wake)

    def call(self, what: Callable[[], None]) -> None:
        """Run `what` in the DTU's thread, soon. Any thread."""
        self._calls.append(what)
        os.eventfd_write(self._wake, 1)

    def drop(self) -> None:
        """Lose the connection; it dials again at once. In the DTU's thread."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        """The same, and not dial until `open`. In the DTU's thread."""
        self._off = True
        self.drop()

    def open(self) -> None:
        self._off = False

    def _end(self) -> None:
        self._running = False

    def _run(self) -> None:
        while self._running:
            now = now_ns()
            if self._socket is None and not self._off and now >= self._dial_ns:
                self._dial()
            if self._terminal < 0:
                self._open_terminal()
            if self._socket is not None and self.heartbeat and now >= self._beat_ns:
                self._beat_ns = now + int(self.every_s * 1e9)
                self._send(self.heartbeat)
            self._carry()
            while self._calls:
                self._calls.popleft()()

    def _carry(self) -> None:
        """What comes from either side, to the other; until something else is due."""
        sources = [self._wake]
        if self._socket is not None:
            sources.append(self._socket.fileno())
        if self._terminal >= 0:
            sources.append(self._terminal)
        ready, _, _ = select.select(sources, [], [], self._rest_s())
        if self._wake in ready:
            os.eventfd_read(self._wake)
        if self._terminal in ready:
            try:
                data = os.read(self._terminal, _READ)
            except OSError:
                data = b""
            if data:
                self._send(data)
            else:  # the bus was pulled
                self._close_terminal()
        if self._socket is not None and self._socket.fileno() in ready:
            try:
                data = self._socket.recv(_READ)
            except OSError:
                data = b""
            if not data:
                self.drop()
            elif self._terminal >= 0:
                with suppress(OSError):  # nobody at the other end: lost, as on a wire
                    os.write(self._terminal, data)

    def _rest_s(self) -> float | None:
        """Seconds until it dials, sends a heartbeat, or looks for its bus again."""
        now = now_ns()
        times = []
        if self._socket is None:
            times += [] if self._off else [self._dial_ns]
        elif self.heartbeat:
            times.append(self._beat_ns)
        if self._terminal < 0:
            times.append(now + int(REDIAL_S * 1e9))
        return max(0.0, (min(times) - now) / 1e9) if times else None

    def _dial(self) -> None:
        try:
            sock = socket.create_connection((self.host, self.port), _CONNECT_S)
        except OSError:  # refused, or no way there: in a moment again
            self._dial_ns = now_ns() + int(REDIAL_S * 1e9)
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections += 1
        self._socket = sock
        # A gateway that hangs up at once is not stormed.
        self._dial_ns = now_ns() + int(REDIAL_S * 1e9)
        self._beat_ns = now_ns() + int(self.every_s * 1e9)
        self._send(self.register)

    def _send(self, data: bytes) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendall(data)
        except OSError:
            self.drop()

    def _open_terminal(self) -> None:
        with suppress(OSError):  # not there yet
            self._terminal = os.open(
                self._bus, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
            )

    def _close_terminal(self) -> None:
        if self._terminal >= 0:
            os.close(self._terminal)
            self._terminal = -1
