"""`jiahe run` under a service manager of our own, with calls that hang while a test wants it."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.control.client import ControlClient, ControlError
from tests.kit.rig import BIN

CONFIG = """
version = 1
[gateway]
id = "gw-1"
control = "control.sock"
language = "en"
[platform]
address = "{platform}"
insecure = true
[buffer]
path = "buffer"
flush_every = "{flush_every}"
[links.l]
type = "tcp"
address = "127.0.0.1:1"
[devices.d]
link = "l"
driver = "modbus"
every = "100 ms"
[devices.d.tags]
t = {{ address = "holding:0", type = "uint16" }}
"""


class Box:
    """What runs, and what it told its service manager."""

    def __init__(
        self, folder: Path, process: subprocess.Popen[bytes], notices: socket.socket
    ) -> None:
        self.folder, self.process, self._notices = folder, process, notices
        self._control = folder / "control.sock"
        self.log = folder / "log"

    def hangs(self, call: str) -> Path:
        """While this file is there `call` of tests/kit/hung_calls.c does not come back."""
        return self.folder / call

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = ControlClient(self._control).call("status")
        return found

    def buffer(self) -> dict[str, Any]:
        found: dict[str, Any] = self.status()["buffer"]
        return found

    def shows(self, what: Callable[[dict[str, Any]], bool]) -> bool:
        """Whether `what` is true of its status, if it answers at all."""
        try:
            return what(self.status())
        except ControlError:
            return False

    def is_up(self) -> bool:
        return self.shows(lambda status: bool(status["buffer"]["flushes"] > 0))

    def children(self) -> list[int]:
        """Pids of the processes that it started."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for task in tasks for pid in task.read_text().split()]

    def told(self, notice: bytes) -> bool:
        """The service manager was told so since the last call of this or of `pinged`."""
        told = False
        while True:
            try:
                told |= notice in self._notices.recv(4096).split(b"\n")
            except BlockingIOError:
                return told

    def pinged(self) -> bool:
        """The watchdog was fed since the last call."""
        return self.told(b"WATCHDOG=1")


@contextmanager
def running(
    folder: Path,
    project: Path,
    *,
    flush_every: str = "200 ms",
    platform: str = "127.0.0.1:1",
    more: str = "",
    watchdog_s: int = 60,
    command: Sequence[str | Path] = (BIN / "jiahe", "run", "--config"),
) -> Iterator[Box]:
    """`command` is followed by the configuration's path; `more` stands at the end of that file."""
    shim = folder / "hung_calls.so"
    source = project / "tests" / "kit" / "hung_calls.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True)
    config = folder / "gateway.toml"
    config.write_text(CONFIG.format(flush_every=flush_every, platform=platform) + more)
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices,
        (folder / "log").open("wb") as log,
    ):
        notices.bind(str(folder / "notify"))
        notices.setblocking(False)
        environ = {
            **os.environ,
            "LD_PRELOAD": str(shim),
            "HANGS_IN": str(folder),
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": str(watchdog_s * 1_000_000),
        }
        process = subprocess.Popen([*command, config], env=environ, stderr=log, stdout=log)
        try:
            yield Box(folder, process, notices)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
