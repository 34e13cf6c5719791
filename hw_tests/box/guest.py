"""Commands on the box, over SSH: the emulated one on loopback, or a real one."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

from hw_tests.box.machine import BoxError

#: Most commands; those that take longer say so. A box under emulation takes a second for most.
COMMAND_S_MAX = 60.0
BOOT_S_MAX = 240.0
_POLL_S = 0.5


class Guest:
    """A root shell of the box. `to`: the words of ssh(1) that lead to it."""

    def __init__(self, to: Sequence[str]) -> None:
        self._shared = Path(tempfile.mkdtemp(prefix="jiahe-ssh-")) / "line"
        self._ssh = [
            "ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR",
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "ServerAliveInterval=15", "-o", "ControlMaster=auto",
            "-o", f"ControlPath={self._shared}", "-o", "ControlPersist=600", *to,
        ]  # fmt: skip

    def run(
        self, command: str, *, given: bytes = b"", within_s: float = COMMAND_S_MAX
    ) -> subprocess.CompletedProcess[str]:
        """A line of sh(1), `given` on its standard input. Raises BoxError after `within_s`."""
        try:
            done = subprocess.run(
                [*self._ssh, command], input=given, capture_output=True, timeout=within_s
            )
        except subprocess.TimeoutExpired:
            raise BoxError(f"{command}: not within {within_s:.0f} s") from None
        out, err = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(command, done.returncode, out, err)

    def do(self, command: str, *, given: bytes = b"", within_s: float = COMMAND_S_MAX) -> str:
        """What it says. Raises BoxError unless it ends with 0."""
        done = self.run(command, given=given, within_s=within_s)
        if done.returncode:
            raise BoxError(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def write(self, path: str, content: str | bytes, mode: str = "644") -> None:
        data = content.encode() if isinstance(content, str) else content
        self.do(f"cat > '{path}' && chmod {mode} '{path}'", given=data, within_s=120)

    def asked(self, command: str) -> Any:
        """The JSON that it says; None where it fails."""
        done = self.run(command)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def wait_for(self, what: str, ready: Callable[[], bool], within_s: float) -> float:
        """The seconds until `ready`, which may raise BoxError meanwhile. Raises BoxError."""
        start, tick, last = monotonic(), Event(), ""
        while (passed := monotonic() - start) < within_s:
            try:
                if ready():
                    return passed
            except BoxError as error:
                last = f": {error}"
            tick.wait(_POLL_S)
        raise BoxError(f"{what}: not within {within_s:.0f} s{last}")

    def wait_up(self) -> float:
        """Until it is booted: every unit was started, or failed."""
        self.hang_up()
        probe = "systemctl is-system-running"
        up = ("running", "degraded")
        return self.wait_for(
            "the box's boot", lambda: self.run(probe).stdout.strip() in up, BOOT_S_MAX
        )

    def hang_up(self) -> None:
        """The shared connection ends; the next command makes another."""
        if self._shared.exists():
            subprocess.run([*self._ssh, "-O", "exit"], capture_output=True, timeout=COMMAND_S_MAX)
        self._shared.unlink(missing_ok=True)
