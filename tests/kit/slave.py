"""Slaves that answer by script: on a pseudo-terminal, TCP or UDP, each in a thread of its own.

A script is a function from what was asked to what comes back: bytes to send, a number of seconds to
wait, `HANG_UP` to close the connection, `RESET` to break it. `answer` makes the honest frame.

The values tell whose they are. An even register holds its own address, the odd one behind it the
number of the request that it was read by, so a 32-bit value names both, and a value taken from
another request's answer gives itself away.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import tty
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Protocol, Self

from drivers.modbus.simulator import now_ns
from drivers.modbus.simulator.frames import FRAMINGS, StreamLostError

HANG_UP = "hang up"
RESET = "reset"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived, the `number`th of its slave, on its `connection`th connection."""

    number: int
    unit: int
    function: int
    address: int
    count: int
    transaction: int
    at_ns: int
    frame: bytes
    connection: int
    framing: str

    def data(self) -> bytes:
        """Registers that tell: addresses and the request's number. Bits are all off."""
        if self.function <= 2:
            return bytes((self.count + 7) // 8)
        words = [
            self.number & 0xFFFF if address % 2 else address
            for address in range(self.address, self.address + self.count)
        ]
        return struct.pack(f">{self.count}H", *words)


class Wire(Protocol):
    """A connection: a socket, or what looks like one."""

    def fileno(self) -> int: ...
    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> None: ...
    def setsockopt(self, level: int, option: int, value: bytes, /) -> None: ...
    def close(self) -> None: ...


Step = bytes | float | str
Script = Callable[[Asked], Iterable[Step]]


def answer(asked: Asked, *, pdu: bytes = b"", unit: int = -1, transaction: int = -1) -> bytes:
    """The frame that answers `asked`, or one that has a part of it changed."""
    data = asked.data()
    return FRAMINGS[asked.framing].build(
        asked.unit if unit < 0 else unit,
        asked.transaction if transaction < 0 else transaction,
        pdu or bytes([asked.function, len(data)]) + data,
    )


def refusal(asked: Asked, code: int) -> bytes:
    """Exception `code` for `asked`."""
    return answer(asked, pdu=bytes([asked.function | 0x80, code]))


def honest(asked: Asked) -> Iterable[Step]:
    return [answer(asked)]


class _Slave:
    """A thread that reads requests and does what `script` says; swap the script at any time."""

    def __init__(self, framing: str, script: Script) -> None:
        self.framing = framing
        self.script = script
        self.asked: list[Asked] = []
        self._stop_read, self._stop_write = os.pipe()
        self._thread = Thread(target=self._run, name="slave")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._stop_write, b"x")
        self._thread.join()
        os.close(self._stop_read)
        os.close(self._stop_write)
        self._close()

    def _run(self) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError

    def _wait(self, fds: list[int], seconds: float | None) -> list[int] | None:
        """Those that are readable; None when the slave is to stop."""
        ready, _, _ = select.select([self._stop_read, *fds], [], [], seconds)
        return None if self._stop_read in ready else ready

    def _take(self, buffer: bytearray, connection: int) -> list[Asked]:
        before = bytes(buffer)
        at_ns = now_ns()
        found = []
        for one in FRAMINGS[self.framing].split(buffer):
            address, count = struct.unpack(">HH", one.pdu[1:5])
            found.append(
                Asked(
                    len(self.asked) + 1, one.unit, one.pdu[0], address, count, one.transaction,
                    at_ns, before, connection, self.framing,
                )
            )  # fmt: skip
            self.asked.append(found[-1])
        return found


class SerialSlave(_Slave):
    """On a pseudo-terminal: open `path` as a serial port. `HANG_UP` pulls the adapter, for good."""

    def __init__(self, script: Script = honest, framing: str = "rtu") -> None:
        super().__init__(framing, script)
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = Path(os.ttyname(self._slave))
        self.terminal = self._slave  # for tcflow

    def send(self, data: bytes) -> None:
        """Unasked bytes. Any thread."""
        os.write(self._master, data)

    def _run(self) -> None:
        buffer = bytearray()
        while (ready := self._wait([self._master], None)) is not None:
            if not ready:
                continue
            buffer += os.read(self._master, 4096)
            for asked in self._take(buffer, 0):
                for step in self.script(asked):
                    if isinstance(step, bytes):
                        os.write(self._master, step)
                    elif step == HANG_UP:
                        self._pull()
                        return
                    elif isinstance(step, float) and self._wait([], step) is None:
                        return

    def _pull(self) -> None:
        os.close(self._master)
        self._master = -1

    def _close(self) -> None:
        if self._master >= 0:
            self._pull()
        os.close(self._slave)


class TcpSlave(_Slave):
    """On a free port of loopback; any number of connections, served in turn."""

    def __init__(
        self, script: Script = honest, framing: str = "tcp", *, listening: bool = True
    ) -> None:
        super().__init__(framing, script)
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        if listening:
            self.listen()
        self.connections = 0
        #: Answers take so long on their way, any number of them at once.
        self.distance_s = 0.0
        self._on_way: deque[tuple[int, int, bytes]] = deque()
        self._open: dict[int, tuple[Wire, bytearray, int]] = {}

    def listen(self) -> None:
        """Take connections from now on; until then the port refuses them."""
        self._listener.listen()

    def _run(self) -> None:
        listener = self._listener.fileno()
        while (ready := self._wait([listener, *self._open], self._arrive())) is not None:
            for fd in ready:
                if fd == listener:
                    sock, _ = self._listener.accept()
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.connections += 1
                    if wire := self._wrap(sock):
                        self._open[wire.fileno()] = (wire, bytearray(), self.connections)
                elif fd in self._open and not self._serve(fd):
                    return

    def _arrive(self) -> float | None:
        """Deliver what has come; seconds until the next."""
        while self._on_way and self._on_way[0][0] <= now_ns():
            _, connection, data = self._on_way.popleft()
            for sock, _, number in self._open.values():
                if number == connection:
                    sock.sendall(data)
        return max(0.0, (self._on_way[0][0] - now_ns()) / 1e9) if self._on_way else None

    def _wrap(self, sock: socket.socket) -> Wire | None:
        """What the connection is spoken over; None: it is closed."""
        return sock

    def _serve(self, fd: int) -> bool:
        """False when the slave is to stop."""
        sock, buffer, connection = self._open[fd]
        try:
            data = sock.recv(4096)
            buffer += data
            requests = self._take(buffer, connection)
        except (OSError, StreamLostError):
            data, requests = b"", []
        if not data:
            del self._open[fd]
            sock.close()
            return True
        for asked in requests:
            for step in self.script(asked):
                if isinstance(step, float):
                    if self._wait([], step) is None:
                        return False
                elif not self._act(fd, step):
                    return True
        return True

    def _act(self, fd: int, step: Step) -> bool:
        """False when the connection is gone."""
        sock, _, connection = self._open[fd]
        try:
            if isinstance(step, bytes) and self.distance_s:
                self._on_way.append((now_ns() + int(self.distance_s * 1e9), connection, step))
                return True
            if isinstance(step, bytes):
                sock.sendall(step)
                return True
            if step == RESET:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:  # the other side closed first
            step = HANG_UP
        del self._open[fd]
        sock.close()
        return False

    def _close(self) -> None:
        for sock, _, _ in self._open.values():
            sock.close()
        self._listener.close()


class UdpSlave(_Slave):
    """On a free UDP port of loopback: each step's bytes are one datagram. It answers from there,
    or from a port of its own on the host `answers_from`, swapped at any time.
    """

    def __init__(
        self, script: Script = honest, framing: str = "tcp", *, answers_from: str = ""
    ) -> None:
        super().__init__(framing, script)
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.answers_from = answers_from
        self._others: dict[str, socket.socket] = {"": self._socket}

    def _answering(self) -> socket.socket:
        host = self.answers_from
        if host not in self._others:
            self._others[host] = socket.socket(type=socket.SOCK_DGRAM)
            self._others[host].bind((host, 0))
        return self._others[host]

    def _run(self) -> None:
        while self._wait([self._socket.fileno()], None) is not None:
            data, client = self._socket.recvfrom(4096)
            for asked in self._take(bytearray(data), 0):
                for step in self.script(asked):
                    if isinstance(step, bytes):
                        self._answering().sendto(step, client)
                    elif isinstance(step, float) and self._wait([], step) is None:
                        return

    def _close(self) -> None:
        for sock in self._others.values():
            sock.close()
