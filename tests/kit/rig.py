"""The process rig: the real programs around one box, each in a process of its own.

    simulators ── jiahe run ── Relay ── jiahe-ingest serve ── store.db
    sampled/*.csv                       (mutual TLS)

`make demo` and the fault tests play their stories on it. Everything lies in one folder, which is
kept for a look: gateway.toml, pki/, buffer/, store.db, sampled/ (the simulators' books) and a log
a program. Leaving the `with` block ends every process that is left.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from cryptography import x509

from gateway.control.client import ControlClient, ControlError
from tests.contract.pki import Authority
from tests.kit.relay import Relay

BIN = Path(sys.executable).parent
#: The most that any step may take; none takes a fifth of it on a slow machine.
STEP_S_MAX = 60.0
POLL_S = 0.1


class StepError(Exception):
    """The story can't go on; says at which step and why."""


def wait_for(what: str, ready: Callable[[], bool], *, within_s: float = STEP_S_MAX) -> None:
    """Until `ready`, asked every POLL_S. Raises StepError."""
    tick = threading.Event()
    for _ in range(int(within_s / POLL_S)):
        if ready():
            return
        tick.wait(POLL_S)
    raise StepError(f"{what}: not within {within_s:.0f} s")


class Program:
    """A child process that says one JSON line when it is ready."""

    def __init__(
        self,
        name: str,
        *arguments: str,
        log: Path,
        ready_line: bool = True,
        within: Sequence[str] = (),
    ) -> None:
        """`within`: a command that runs the program in its own place, such as unshare(1)."""
        self.name, self.log = name, log
        environment = {key: value for key, value in os.environ.items() if key != "JIAHE_CONFIG"}
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [*within, str(BIN / name), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if ready_line else subprocess.DEVNULL,
                stderr=errors,
                env=environment,
            )
        self.pid = self.process.pid
        self.ready: dict[str, Any] = json.loads(self._first_line()) if ready_line else {}

    def _first_line(self) -> bytes:
        assert self.process.stdout is not None
        line = b""
        if select.select([self.process.stdout], [], [], STEP_S_MAX)[0]:
            line = self.process.stdout.readline()
        if not line:
            self.stop(signal.SIGKILL)
            raise StepError(f"{self.name} did not start, see {self.log}")
        return line

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal it unless it has ended; its exit status. Raises StepError if it stays."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STEP_S_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise StepError(f"{self.name} did not stop, see {self.log}") from None
        finally:
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    pipe.close()


_HEAD = """\
version = 1

[gateway]
id       = "{gateway}"
site     = "tests"
language = "en"
control  = "control.sock"

[platform]
address = "{host}:{port}"
ca   = "pki/ca.pem"
cert = "pki/box.pem"
key  = "pki/box.key"
{platform}

[buffer]
path = "buffer"
{buffer}
"""


class Rig:
    """Simulators, relay and receiver; the daemon comes and goes as the story wants."""

    #: The addresses by which a box knows the receiver.
    reached: tuple[str, ...] = ("127.0.0.1",)
    #: Where the receiver listens.
    host = "127.0.0.1"

    def __init__(self, folder: Path, gateway: str) -> None:
        self.folder, self.gateway = folder, gateway
        self.config = folder / "gateway.toml"
        self.store = folder / "store.db"
        self.sampled = folder / "sampled"
        self.daemon: Program | None = None
        self._receiver: Program | None = None
        self._receiver_port = 0
        self._simulators: list[Program] = []

    def __enter__(self) -> Self:
        self.sampled.mkdir(parents=True)
        authority = Authority(self.folder / "pki", "test CA")
        identity = x509.UniformResourceIdentifier(f"urn:jiahe:gateway:{self.gateway}")
        authority.issue("box", "box", [identity])
        self._security = authority.receiver(reached=self.reached)
        self.start_receiver()
        self.relay = Relay(self._receiver_port)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.ExitStack() as ending:
            for program in (self._receiver, *self._simulators, self.daemon):
                if program is not None:
                    ending.callback(program.stop)
            ending.callback(self.relay.close)

    def head(self, *, platform: str = "", buffer: str = "") -> str:
        """What a gateway.toml of this rig begins with, and more lines of two sections."""
        return _HEAD.format(
            gateway=self.gateway, host=self.host, port=self.way_in, platform=platform, buffer=buffer
        )

    @property
    def way_in(self) -> int:
        """The port at which the box finds the platform."""
        return self.relay.port

    # ---- the machines ----------------------------------------------------------------------

    def simulate(self, name: str, made: str, *more: str, pty: bool = False, dial: str = "") -> str:
        """A simulated machine with its book; returns what a link's `address` or `port` says.

        `made`: a shipped profile or a map file. `pty`: on a serial bus; `dial`: behind a DTU that
        dials there; else on TCP.
        """
        bus = self.folder / name
        place = ("--pty", str(bus)) if pty else ("--tcp", "127.0.0.1:0")
        place = ("--dial", dial) if dial else place
        book = self.sampled / f"{name}.csv"
        program = Program(
            "jiahe-sim", made, *place, "--name", name, *more, "--json", "--book", str(book),
            log=self.folder / "simulators.log",
        )  # fmt: skip
        self._simulators.append(program)
        return str(bus) if pty else dial or str(program.ready["tcp"][0])

    def stop_simulators(self) -> None:
        """Their books are complete and written. Raises StepError if one failed."""
        while self._simulators:
            program = self._simulators.pop()
            if program.stop() != 0:
                raise StepError(f"{program.name} failed, see {program.log}")

    # ---- the platform ----------------------------------------------------------------------

    def start_receiver(self, within: Sequence[str] = ()) -> None:
        """On the same store, and after the first time on the same port."""
        self._receiver = Program(
            "jiahe-ingest", "serve", "--listen", f"{self.host}:{self._receiver_port}",
            "--store", f"sqlite:{self.store}", "--json", *self._security,
            log=self.folder / "receiver.log", within=within,
        )  # fmt: skip
        self._receiver_port = int(str(self._receiver.ready["address"]).rpartition(":")[2])

    def stop_receiver(self, number: int = signal.SIGTERM) -> int:
        assert self._receiver is not None
        return self._receiver.stop(number)

    @property
    def receiver_port(self) -> int:
        return self._receiver_port

    @property
    def receiver_pid(self) -> int:
        assert self._receiver is not None
        return self._receiver.pid

    # ---- the box ---------------------------------------------------------------------------

    def start_daemon(self, within: Sequence[str] = ()) -> None:
        assert self.daemon is None or self.daemon.process.returncode is not None, "one at a time"
        self.daemon = Program(
            "jiahe", "run", "--config", str(self.config),
            log=self.folder / "daemon.log", ready_line=False, within=within,
        )  # fmt: skip

    def stop_daemon(self, number: int = signal.SIGTERM) -> int:
        """Its exit status; minus the signal's number where that ended it."""
        assert self.daemon is not None
        return self.daemon.stop(number)

    def status(self) -> dict[str, Any] | None:
        """What `jiahe status --json` shows; None while no daemon answers."""
        try:
            with ControlClient(self.folder / "control.sock") as client:
                found: dict[str, Any] = client.call("status")
                return found
        except ControlError:
            return None
