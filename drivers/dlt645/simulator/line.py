"""Meters on a line: a TCP port, as behind a serial server, or a pseudo-terminal."""

from __future__ import annotations

import os
import select
import socket
import time
import tty
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Thread
from typing import Self

from drivers.dlt645.simulator.frames import build, parse
from drivers.dlt645.simulator.meter import Meter
from drivers.simulate_said import said

_KEPT = 512


def obey(meters: Sequence[Meter], line: str) -> str:
    """`mute METER`, `clear METER`, `stats`; what came of it. METER: its address, or *."""
    what, _, which = line.partition(" ")
    chosen = [meter for meter in meters if which in ("*", meter.address)]
    if what == "stats" and not which:
        return " ".join(f"{meter.address}={meter.step}" for meter in meters)
    if what not in ("mute", "clear") or not chosen:
        return said("error", error=said("no_meter_command", line=line))
    for meter in chosen:
        meter.faults.mute = what == "mute"
    return "ok"


class Line:
    """What all meters on one line hear and say, without a wire."""

    def __init__(self, meters: Iterable[Meter]) -> None:
        self.meters = list(meters)
        self.asked = 0  # whole frames that were heard
        self._heard = b""

    def hear(self, data: bytes) -> list[tuple[float, bytes]]:
        """The answers to what is whole now, each with the seconds that its meter takes. Where two
        meters answer at once, their characters meet on the wire.
        """
        said: list[tuple[float, bytes]] = []
        self._heard = (self._heard + data)[-_KEPT:]
        while True:
            frame, self._heard = parse(self._heard)
            if frame is None:
                return said
            self.asked += 1
            answers = [
                (meter.faults, build(answer, meter.faults.preamble))
                for meter in self.meters
                if (answer := meter.answer(frame))
            ]
            if answers:
                faults, whole = answers[0]
                for _, other in answers[1:]:
                    whole = bytes(a & b for a, b in zip(whole, other, strict=False))
                if faults.damage:
                    whole = whole[:-3] + bytes([whole[-3] ^ 0x10]) + whole[-2:]
                said.append((faults.answer_ms / 1000, whole))


class Served:
    """Lines behind a TCP port, a line a connection, or one on a pseudo-terminal at `path`. A
    thread serves them between `start` and `stop`.
    """

    def __init__(
        self, meters: Iterable[Meter], *, host: str = "127.0.0.1", port: int = 0,
        path: Path | None = None,
    ) -> None:  # fmt: skip
        self._meters = list(meters)
        self._lines: dict[int, Line] = {}
        self._sockets: dict[int, socket.socket] = {}
        self._listener: socket.socket | None = None
        self._path = path
        self._slave = -1
        if path is None:
            self._listener = socket.create_server((host, port))
            self.host, self.port = self._listener.getsockname()[:2]
        else:
            master, self._slave = os.openpty()
            tty.setraw(self._slave)
            if path.is_symlink():  # of one that was killed
                path.unlink()
            path.symlink_to(os.ttyname(self._slave))
            self._lines[master] = Line(self._meters)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = Thread(target=self._run, name="sim-dlt645", daemon=True)

    def start(self) -> None:
        """Serve from now on. Once."""
        self._thread.start()

    def stop(self) -> None:
        """Close everything; the thread has ended when this returns. After `start`."""
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        for fd in list(self._lines):
            self._close(fd)
        if self._listener:
            self._listener.close()
        if self._path:
            self._path.unlink(missing_ok=True)
            os.close(self._slave)
        os.close(self._wake)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def command(self, line: str) -> str:
        """As `obey`."""
        return obey(self._meters, line)

    def _run(self) -> None:
        while True:
            watched = [self._wake, *self._lines]
            if self._listener:
                watched.append(self._listener.fileno())
            ready, _, _ = select.select(watched, [], [])
            if self._wake in ready:
                return
            for fd in ready:
                if self._listener and fd == self._listener.fileno():
                    made, _ = self._listener.accept()
                    self._sockets[made.fileno()] = made
                    self._lines[made.fileno()] = Line(self._meters)
                else:
                    self._serve(fd)

    def _serve(self, fd: int) -> None:
        try:
            data = os.read(fd, 4096)
            for delay, answer in self._lines[fd].hear(data) if data else ():
                time.sleep(delay)
                os.write(fd, answer)
        except OSError:  # the other side hung up: as if it had closed
            data = b""
        if not data and fd in self._sockets:
            self._close(fd)

    def _close(self, fd: int) -> None:
        del self._lines[fd]
        if connection := self._sockets.pop(fd, None):
            connection.close()
        else:
            os.close(fd)
