"""One serial line out of several: simulators of different drivers, each on a terminal of its own,
hang on one cable.

What the master sends reaches all of them, what any of them says reaches the master. Nothing is
slowed down: the simulators keep the time of a wire, or `baud` does for those that do not.
"""

from __future__ import annotations

import os
import select
import tty
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Self

from drivers.modbus.simulator import now_ns


class Tee:
    """`path` becomes a symbolic link to the master's terminal; `branches` are the simulators'. A
    thread carries bytes within `with`. `pace`: of a branch, nanoseconds of a character, for what
    comes from there.
    """

    def __init__(
        self, path: Path, branches: Sequence[Path], pace: Mapping[Path, int] | None = None
    ) -> None:
        self._path = path
        self._main, self._terminal = os.openpty()
        tty.setraw(self._terminal)
        path.symlink_to(os.ttyname(self._terminal))
        self._char_ns: dict[int, int] = {}
        for branch in branches:
            fd = os.open(branch, os.O_RDWR | os.O_NOCTTY)
            tty.setraw(fd)
            self._char_ns[fd] = (pace or {}).get(branch, 0)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = Thread(target=self._carry, name="tee")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        self._path.unlink()
        for fd in (*self._char_ns, self._main, self._terminal, self._wake):
            os.close(fd)

    def _carry(self) -> None:
        late: list[tuple[int, bytes]] = []  # due, and what the master hears then
        while True:
            wait_s = max(0.0, (late[0][0] - now_ns()) / 1e9) if late else None
            ready, _, _ = select.select([self._main, self._wake, *self._char_ns], [], [], wait_s)
            if self._wake in ready:
                return
            for fd in ready:
                data = os.read(fd, 4096)
                if fd == self._main:
                    for branch in self._char_ns:
                        os.write(branch, data)
                else:
                    late.append((now_ns() + len(data) * self._char_ns[fd], data))
            while late and late[0][0] <= now_ns():
                os.write(self._main, late.pop(0)[1])
