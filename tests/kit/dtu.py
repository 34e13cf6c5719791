"""A 4G DTU that dials in, by script, and the antechamber in front of the scanners that it is for.

with Dtu(free_port(), register=b"JX007", heartbeat=b"\xfe") as dtu:
    scanner = Scanner(dtu)
    with listening(scanner):
        scanner.until(lambda: scanner.good() >= 20)
    scanner.check()
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING

from drivers.listener import Listener
from tests.kit.slave import HANG_UP, RESET, Script, Step, _Slave, honest

if TYPE_CHECKING:
    from tests.kit.scanner import Scanner

REDIAL_S = 0.05


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Dtu(_Slave):
    """Dials 127.0.0.1:`port` until somebody answers, says `hello` (its registration packet), then
    answers what is asked by `script`. Dials again whenever its connection is gone.
    """

    def __init__(
        self,
        port: int,
        script: Script = honest,
        framing: str = "rtu",
        *,
        register: bytes = b"JX007",
        heartbeat: bytes = b"\xfe",
    ) -> None:
        super().__init__(framing, script)
        self.port, self.register, self.heartbeat = port, register, heartbeat
        self.hello: Iterable[Step] = [register]
        #: Said behind the next registration, and that one only.
        self.behind_hello: Iterable[Step] = ()
        self.connections = 0
        self.away = False
        self.dropped: list[socket.socket] = []  # left open: to the gateway they look alive
        self._buffer = bytearray()
        self._socket: socket.socket | None = None
        self._wake_read, self._wake_write = os.pipe()
        self._dial_anew = False

    def send(self, data: bytes) -> None:
        """Unasked bytes on the present connection. Any thread."""
        if self._socket is not None:
            self._socket.sendall(data)

    def dial_anew(self) -> None:
        """Lose the connection as 4G does: the other side hears nothing of it. Any thread."""
        self._dial_anew = True
        os.write(self._wake_write, b"x")

    def leave(self) -> None:
        """Lose power: reset, and not dial until `come_back`. Any thread."""
        self.away = True
        os.write(self._wake_write, b"x")

    def come_back(self) -> None:
        self.away = False
        os.write(self._wake_write, b"x")

    def _run(self) -> None:
        while True:
            if self._socket is None and not self.away:
                self._dial()
            fds = [self._wake_read] if self._socket is None else [
                self._wake_read, self._socket.fileno(),
            ]  # fmt: skip
            idle = self._socket is None and not self.away
            ready = self._wait(fds, REDIAL_S if idle else None)
            if ready is None:
                return
            if self._wake_read in ready:
                os.read(self._wake_read, 64)
                if self._socket is not None and self._dial_anew:
                    self.dropped.append(self._socket)
                    self._socket = None
                if self.away:
                    self._hang_up(RESET)
                self._dial_anew = False
            elif ready and not self._serve():
                return

    def _dial(self) -> None:
        sock = socket.socket()
        if sock.connect_ex(("127.0.0.1", self.port)):
            sock.close()
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections += 1
        self._socket = sock
        self._buffer.clear()
        behind, self.behind_hello = self.behind_hello, ()
        self._perform([*self.hello, *behind])

    def _serve(self) -> bool:
        """False when the slave is to stop."""
        assert self._socket is not None
        try:
            data = self._socket.recv(4096)
        except OSError:
            data = b""
        if not data:
            self._hang_up()
            return True
        self._buffer += data
        return all(
            self._perform(self.script(asked))
            for asked in self._take(self._buffer, self.connections)
        )

    def _perform(self, steps: Iterable[Step]) -> bool:
        for step in steps:
            if isinstance(step, float):
                if self._wait([], step) is None:
                    return False
            elif self._socket is None:
                return True
            elif isinstance(step, bytes):
                try:
                    self._socket.sendall(step)
                except OSError:  # the other side closed first
                    self._hang_up()
            else:
                self._hang_up(step)
        return True

    def _hang_up(self, how: str = HANG_UP) -> None:
        if self._socket is not None:
            if how == RESET:
                self._socket.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            self._socket.close()
            self._socket = None

    def _close(self) -> None:
        self._hang_up()
        for sock in self.dropped:
            sock.close()
        os.close(self._wake_read)
        os.close(self._wake_write)


@contextmanager
def listening(*scanners: Scanner) -> Iterator[Listener]:
    """The scanners run, and what dials in is brought to them."""
    listener = Listener([(each.spec, partial(_offer, each)) for each in scanners])
    thread = Thread(target=listener.run, name="listener")
    with ExitStack() as running:
        for each in scanners:
            running.enter_context(each.running())
        thread.start()
        try:
            yield listener
        finally:
            listener.stop()
            thread.join()


def _offer(scanner: Scanner, fd: int, peer: str) -> None:
    scanner.peers.append(peer)
    scanner.loop.offer(scanner.link, fd)
