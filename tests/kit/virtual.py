"""The slaves and the scanner of `tests.kit.slave` and `tests.kit.scanner` in virtual time: the same
scripts and the same promises, without a wire, a thread or a wait.

Only one scanner runs at a time: `now_ns` is its clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

from drivers.api import DeviceSpec, GroupPlan, LinkSpec
from drivers.modbus.station import station_of
from native.engine.link import Link
from tests.kit.scanner import BAUD, TIMEOUT_NS, NeverError, Scanned, pairs
from tests.kit.slave import Asked, Script, honest
from tests.kit.talk import Stage

#: How far time passes between two looks, and how far at the most.
LOOK_MS, MOST_MS = 20.0, 600_000.0
_running: list[Scanner] = []


def now_ns() -> int:
    """The clock of the scanner that runs."""
    return _running[-1].rig.now


class Slave:
    """Swap the script at any time."""

    kind = "tcp"

    def __init__(self, script: Script = honest, framing: str = "tcp") -> None:
        self.script, self.framing = script, framing
        self.asked: list[Asked] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    @property
    def connections(self) -> int:
        """How many were made so far."""
        return _running[-1].connections


class TcpSlave(Slave):
    """One Modbus TCP server, or one of another framing on a stream."""


class UdpSlave(Slave):
    """One Modbus device over UDP: what it says at once is one datagram."""

    kind = "udp"


class SerialSlave(Slave):
    """All units of one serial line."""

    kind = "serial"

    def __init__(self, script: Script = honest, framing: str = "rtu") -> None:
        super().__init__(script, framing)


class Scanner(Scanned, Stage):
    """One link to one slave, with one device a unit; as `tests.kit.scanner.Scanner`."""

    seal_ms = 500

    def __init__(
        self,
        slave: Slave,
        addresses: Sequence[int] = (0, 100),
        *,
        devices: Mapping[int, Sequence[GroupPlan]] | None = None,
        **more: Any,
    ) -> None:
        plans = devices or {1: [pairs(addresses, device="d1")]}
        told: dict[str, Any] = {"type": slave.kind, "timeout_ns": TIMEOUT_NS}
        where = {"port": "/dev/null", "baud": BAUD} if slave.kind == "serial" else {
            "host": "127.0.0.1", "tcp_port": 1
        }  # fmt: skip
        Scanned.__init__(self, [plan for own in plans.values() for plan in own], slave.asked)
        self.slave, self.framing, self.asked = slave, slave.framing, slave.asked
        self.spec = spec = LinkSpec("l", **told | where | more)
        groups = iter(self.box.groups)
        framing: Any = slave.framing
        self.link = Link(
            spec,
            [
                (
                    station_of(DeviceSpec(f"d{u}", spec, "modbus", own[0].tags, u, framing)),
                    [next(groups) for _ in own],
                )
                for u, own in plans.items()
            ],
        )

    @property
    def script(self) -> Script:  # type: ignore[override]  # the slave's, as it is now
        return self.slave.script

    @contextmanager
    def running(self) -> Iterator[None]:
        _running[:] = [self]
        self.begin(self.link)
        yield
        self.rig.stop()
        self.run(self.now_ms + 1_000)
        self.rig.finish()
        self.collect()

    def until(self, enough: Callable[[], bool]) -> None:
        """Let time pass. Raises NeverError."""
        end_ms = self.now_ms + MOST_MS
        self.collect()
        while not enough():
            if self.now_ms > end_ms:
                raise NeverError(f"{self.qualities()} {self.book}")
            self.run(self.now_ms + LOOK_MS)
            self.collect()

    @property
    def book(self) -> dict[str, Any]:
        """The link's counters."""
        return self.link.snapshot()
