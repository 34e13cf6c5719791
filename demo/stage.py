"""The processes of the demonstration, each the real program, and the wire between box and platform."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cryptography import x509

from gateway.control.client import ControlClient, ControlError
from tests.contract.pki import Authority

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
GATEWAY = "demo-box"
#: The most that any step may take; none takes a fifth of it on a slow machine.
STEP_S_MAX = 60.0
POLL_S = 0.2

_CONFIG = """\
version = 1

[gateway]
id       = "{gateway}"
site     = "demonstration"
language = "en"
control  = "control.sock"

[platform]
address = "127.0.0.1:{relay}"
ca   = "pki/ca.pem"
cert = "pki/box.pem"
key  = "pki/box.key"

[buffer]
path = "buffer"

[links.robot]
type    = "tcp"
address = "127.0.0.1:{robot}"

[links.cnc]
type    = "tcp"
address = "127.0.0.1:{cnc}"

[links.rs485]
type    = "serial"
port    = "{bus}"
baud    = 9600
timeout = "300 ms"

[devices.robot]
link    = "robot"
driver  = "modbus"
profile = "universal-robots"
every   = "10 ms"

[devices.robot.tags]
serial_number = {{ address = "holding:128", type = "uint32" }}   # the demo's proof: counts the answers

[devices.cnc]
link    = "cnc"
driver  = "modbus"
profile = "{cnc_map}"

[devices."meter-{{unit}}"]
link    = "rs485"
driver  = "modbus"
unit    = "1-4"
profile = "chint-dtsu666"
every   = "2 s"

[devices."meter-{{unit}}".tags]
serial_number = {{ address = "holding:0x3000", type = "uint32" }}
"""


class StepError(Exception):
    """The demonstration can't go on; says at which step and why."""


def wait_for(what: str, ready: Callable[[], bool], tick: threading.Event) -> None:
    """Until `ready`, asked every POLL_S. Raises StepError after STEP_S_MAX."""
    for _ in range(int(STEP_S_MAX / POLL_S)):
        if ready():
            return
        tick.wait(POLL_S)
    raise StepError(f"{what}: not within {STEP_S_MAX:.0f} s")


class Program:
    """A child process that says one JSON line when it is ready."""

    def __init__(self, name: str, *arguments: str, log: Path, ready_line: bool = True) -> None:
        self.name, self.log = name, log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [BIN / name, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self.ready: dict[str, Any] = json.loads(self._first_line()) if ready_line else {}

    def _first_line(self) -> bytes:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], STEP_S_MAX)[0]:
            raise StepError(f"{self.name} did not start, see {self.log}")
        line = self.process.stdout.readline()
        if not line:
            raise StepError(f"{self.name} ended at once, see {self.log}")
        return line

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STEP_S_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise StepError(f"{self.name} did not stop, see {self.log}") from None


class Relay:
    """TCP between the box and the platform, with a switch and a meter: the 5G link of the demo."""

    def __init__(self, target: int) -> None:
        self._target = ("127.0.0.1", target)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._lock = threading.Lock()
        self.bytes_up = self.bytes_down = 0
        self._accept_from(self._listener)

    def _accept_from(self, listener: socket.socket) -> None:
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                box, _ = listener.accept()
                platform = socket.create_connection(self._target)
                with self._lock:
                    self._ends += (box, platform)
                threading.Thread(target=self._pump, args=(box, platform, True), daemon=True).start()
                threading.Thread(
                    target=self._pump, args=(platform, box, False), daemon=True
                ).start()

    def _pump(self, source: socket.socket, sink: socket.socket, upwards: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if upwards:
                    self.bytes_up += len(data)
                else:
                    self.bytes_down += len(data)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """The link goes down: every connection breaks, none can be made."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for end in self._ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
            self._ends.clear()

    def mend(self) -> None:
        """The link is back, at the same address."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._accept_from(self._listener)


class Stage:
    """Everything, in one folder; `with` starts it and leaves nothing running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._programs = contextlib.ExitStack()
        self.daemon: Program | None = None

    def __enter__(self) -> Stage:
        try:
            self._start()
        except BaseException:
            self._programs.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._programs.close()

    def _keep(self, program: Program) -> Program:
        self._programs.callback(program.stop)
        return program

    def _start(self) -> None:
        folder = self.folder
        (folder / "sampled").mkdir(parents=True)
        authority = Authority(folder / "pki", "demonstration CA")
        identity = x509.UniformResourceIdentifier(f"urn:jiahe:gateway:{GATEWAY}")
        authority.issue("box", "demonstration box", [identity])
        receiver = self._keep(
            Program(
                "jiahe-ingest",
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--store",
                f"sqlite:{folder / 'store.db'}",
                "--json",
                *authority.receiver(),
                log=folder / "receiver.log",
            )  # fmt: skip
        )
        self.relay = Relay(int(str(receiver.ready["address"]).rpartition(":")[2]))
        self._programs.callback(self.relay.cut)
        robot = self._simulate("robot", "universal-robots", "--counter", "holding:128")
        cnc = self._simulate("cnc", str(HERE / "cnc.toml"), "--counter", "holding:0")
        self._simulate("meter", "chint-dtsu666", "--counter", "holding:0x3000")
        self.config = folder / "gateway.toml"
        self.config.write_text(
            _CONFIG.format(
                gateway=GATEWAY, relay=self.relay.port, robot=robot, cnc=cnc,
                cnc_map=HERE / "cnc.toml", bus=self.folder / "bus",
            ),
            encoding="utf-8",
        )  # fmt: skip

    def _simulate(self, name: str, profile: str, *more: str) -> int:
        """One simulated machine, or the bus of meters; returns its TCP port."""
        place = ("--tcp", "127.0.0.1:0")
        if name == "meter":
            place = ("--pty", str(self.folder / "bus"))
            more = (*more, "--units", "1-4", "--dead", "4", "--name", "meter-{unit}")
        program = self._keep(
            Program(
                "jiahe-sim",
                profile,
                *place,
                "--name",
                name,
                *more,
                "--json",
                "--book",
                str(self.folder / "sampled" / f"{name}.csv"),
                log=self.folder / "simulators.log",
            )  # fmt: skip
        )
        return int(program.ready["tcp"][0].rpartition(":")[2]) if program.ready["tcp"] else 0

    def start_daemon(self) -> None:
        self.daemon = Program(
            "jiahe", "run", "--config", str(self.config),
            log=self.folder / "daemon.log", ready_line=False,
        )  # fmt: skip
        self._programs.callback(self.daemon.stop)

    def kill_daemon(self) -> None:
        assert self.daemon is not None
        self.daemon.stop(signal.SIGKILL)

    def stop_daemon(self) -> int:
        assert self.daemon is not None
        return self.daemon.stop()

    def status(self) -> dict[str, Any] | None:
        """What `jiahe status --json` shows; None while no daemon answers."""
        try:
            with ControlClient(self.folder / "control.sock") as client:
                found: dict[str, Any] = client.call("status")
                return found
        except ControlError:
            return None


@contextlib.contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """The stage in `folder`, which is kept for a look afterwards."""
    os.environ.pop("JIAHE_CONFIG", None)
    with Stage(folder) as made:
        yield made
