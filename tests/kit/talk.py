"""A link and the devices on it in virtual time: the scripts of `tests.kit.slave`, without a wire.

    talk = Talk([Ask(unit=1, reads=(10, 20), every_ms=200)], honest)
    talk.run(60_000)
    talk.rows()

Devices work their requests off one by one, as one on a wire does: a wait in a script holds up what
was asked after it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any, NamedTuple

from drivers.api import DeviceSpec, Field, GroupPlan, LinkSpec, TagSpec
from drivers.modbus.request import Read, request_of
from drivers.modbus.simulator.frames import FRAMINGS
from drivers.modbus.station import station_of
from native.engine.link import Link
from native.engine.rig import Rig
from tests.kit.scans import Box
from tests.kit.slave import HANG_UP, RESET, Asked, Script

MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Ask:
    """A device's group: a request of `size` registers for each address in `reads`."""

    unit: int = 1
    reads: tuple[int, ...] = (10, 20)
    every_ms: int = 200
    size: int = 1
    function: int = 3


class Row(NamedTuple):
    """One tag's entry: its unit, its address, when its scan was, its value or None, its quality."""

    unit: int
    address: int
    at_ms: float
    value: int | None
    quality: int


class Stage:
    """A link's other end in virtual time: what is asked, `script` answers."""

    script: Script
    framing: str
    asked: list[Asked]
    seal_ms: int = 500
    distance_ms: float = 0.0

    def collect(self) -> None:
        """Seal what was scanned. Each `seal_ms`."""
        raise NotImplementedError

    def begin(self, native: Link) -> None:
        """Connect, and let the first ticks be due."""
        self.native = native
        self.rig = Rig(native)
        self.start_ns = self.rig.now
        self.connected_ms = 0.0
        self._events: list[tuple[int, int, int, Callable[[], None]]] = []
        self._order = count()
        self._free_ns = 0
        self._bytes = bytearray()
        self._connections = 0
        self._next_seal_ns = self.start_ns
        self.rig.open()

    @property
    def now_ms(self) -> float:
        """Since the first tick."""
        return (self.rig.now - self.start_ns) / MS

    @property
    def busy_until_ms(self) -> float:
        """Until when the devices work on what they were asked so far."""
        return (max(self._free_ns, self.rig.now) - self.start_ns) / MS

    @property
    def connections(self) -> int:
        """How many were made, ours or not."""
        return self.rig.opened

    def at(self, ms: float, act: Callable[[], None]) -> None:
        """Call `act` then."""
        self._at_ns(self.start_ns + round(ms * MS), act, -1)

    def _at_ns(self, ns: int, act: Callable[[], None], connection: int) -> None:
        heappush(self._events, (ns, next(self._order), connection, act))

    def run(self, until_ms: float) -> None:
        """Until then, since the first tick, or until a loop that was stopped is over."""
        until = self.start_ns + round(until_ms * MS)
        while self.rig.now < until and not self.rig.over:
            self._look()
            first = min(until, self._events[0][0] if self._events else until, self._next_seal_ns)
            sent = self.rig.wait(max(first, self.rig.now))
            self._look()
            if sent:
                self._bytes += sent
                for one in FRAMINGS[self.framing].split(self._bytes):
                    address, size = int.from_bytes(one.pdu[1:3]), int.from_bytes(one.pdu[3:5])
                    asked = Asked(
                        len(self.asked) + 1, one.unit, one.pdu[0], address, size, one.transaction,
                        self.rig.now, sent, self._connections, self.framing,
                    )  # fmt: skip
                    self.work(asked)
            self._due()
            if self.rig.now >= self._next_seal_ns:
                self._next_seal_ns = self.rig.now + self.seal_ms * MS
                self.collect()

    def _look(self) -> None:
        """A new connection, which nothing of the older ones comes to."""
        if self.rig.opened != self._connections:
            self._connections = self.rig.opened
            self.connected_ms = self.now_ms
            self._bytes.clear()
            self._free_ns = 0

    def _due(self) -> None:
        while self._events and self._events[0][0] <= self.rig.now:
            _, _, connection, act = heappop(self._events)
            self._look()
            if connection in (-1, self._connections):
                act()

    def work(self, asked: Asked) -> None:
        """Have the devices do what the script says, behind what they were asked before."""
        self.asked.append(asked)
        at = max(self._free_ns, self.rig.now)
        for step in self.script(asked):
            if isinstance(step, float):
                at += round(step * 1e9)
            elif isinstance(step, bytes):
                there = at + round(self.distance_ms * MS)
                self._at_ns(there, lambda data=step: self.rig.feed(data), self._connections)
            else:
                number = errno.ECONNRESET if step == RESET else 0
                assert step in (HANG_UP, RESET)
                self._at_ns(at, lambda n=number: self.rig.hang_up(n), self._connections)
        self._free_ns = at


@dataclass
class Talk(Stage):
    """`script`: what the devices do; `link`: more of the link's specification; `distance_ms`: what
    an answer is on its way for, whatever is asked meanwhile.
    """

    asks: list[Ask]
    script: Script
    framing: str = "tcp"
    link: dict[str, Any] = field(default_factory=dict)
    seal_ms: int = 500
    distance_ms: float = 0.0
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        plans: list[GroupPlan] = []
        for number, ask in enumerate(self.asks):
            kind: Any = "uint16" if ask.size == 1 else "uint32"
            tags = tuple(
                TagSpec(f"{ask.unit}:{at}", f"holding:{at}", kind, ask.every_ms * MS)
                for at in ask.reads
            )
            fields = tuple(
                Field(i, 0, kind, "ABCD", 2 if ask.size == 1 else 4, -1)
                for i in range(len(ask.reads))
            )
            told: Any = self.framing
            requests = tuple(request_of(Read(ask.function, at, ask.size), told) for at in ask.reads)
            plans.append(GroupPlan(f"d{number}", ask.every_ms * MS, tags, requests, fields, 0))
        self.box = Box(plans)
        spec = self.spec()
        units = sorted({ask.unit for ask in self.asks})
        framing: Any = self.framing
        native = Link(
            spec,
            [
                (
                    station_of(DeviceSpec(f"u{unit}", spec, "modbus", (), unit, framing)),
                    [
                        group
                        for group, ask in zip(self.box.groups, self.asks, strict=True)
                        if ask.unit == unit
                    ],
                )
                for unit in units
            ],
        )
        self.begin(native)

    def begin(self, native: Link) -> None:
        self._found: list[Row] = []
        super().begin(native)

    def spec(self) -> LinkSpec:
        more: dict[str, Any] = {"type": "tcp" if self.framing == "tcp" else "serial", **self.link}
        return LinkSpec("l", port="/dev/null", host="127.0.0.1", **more)

    def foreign(
        self, unit: int, address: int, size: int, *, visible: bool, function: int = 3
    ) -> None:
        """Somebody else asks, now; we hear the answer, and `visible`: the request too."""
        one = Asked(
            len(self.asked) + 1, unit, function, address, size, 0, self.rig.now, b"",
            self._connections, self.framing,
        )  # fmt: skip
        if visible:
            pdu = bytes([function]) + address.to_bytes(2) + size.to_bytes(2)
            self.rig.feed(FRAMINGS[self.framing].build(unit, 0, pdu))
        self.work(one)

    def collect(self) -> None:
        for sample in self.box.seal():
            unit, address = sample.tag.split(":")
            at_ms = (sample.boot_ns - self.start_ns) / MS
            value = None if sample.value is None else int(sample.value)
            self._found.append(Row(int(unit), int(address), at_ms, value, sample.quality))

    def rows(self, since_ms: float = 0, address: int | None = None) -> list[Row]:
        """Of scans since then; those of one address."""
        self.collect()
        return [
            row for row in self._found if row.at_ms >= since_ms and address in (None, row.address)
        ]

    def good(self, since_ms: float = 0, address: int | None = None) -> float:
        """The share of the ticks since then that have good values."""
        due = sum(
            int((self.now_ms - since_ms) // ask.every_ms)
            for ask in self.asks
            for at in ask.reads
            if address in (None, at)
        )
        good = sum(row.quality == 1 for row in self.rows(since_ms, address))
        return min(1.0, good / due)

    def finish(self) -> None:
        """End as a loop does: each tick of each group is a row or in a gap."""
        self.rig.finish()
        self.collect()
        for number, group in enumerate(self.box.groups):
            due, accounted = group.scanned()
            assert due == accounted
            assert [tick for tick, _ in self.box.accounted(number + 1)] == list(range(due))
