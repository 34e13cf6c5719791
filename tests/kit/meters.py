"""Simulated meters on one serial line in virtual time, with the driver in it.

    meters = Meters([Meter("000000000161")], {"m": {"meter": "000000000161"}}, ["02010100"])
    meters.run(10_000)
    meters.rows()

The meters are drivers/dlt645/simulator's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Any, NamedTuple

from drivers.api import DeviceSpec, LinkSpec, TagSpec
from drivers.dlt645.planner import known, plan_device, row_type
from drivers.dlt645.simulator import Meter
from drivers.dlt645.simulator.line import Line
from drivers.scan import NativeRunner, open_links
from native.engine.rig import Rig
from tests.kit.scans import Box

MS = 1_000_000
SEAL_MS = 250


class Row(NamedTuple):
    """One tag's entry: device, tag, when its scan was, its value or None, its quality."""

    device: str
    tag: str
    at_ms: float
    value: str | None
    quality: int


class Meters:
    """`devices`: the own keys of each; all have tags at these `addresses`. `kept`: what an earlier
    one had `learned`. `link`: more of the link's specification.
    """

    def __init__(
        self,
        meters: Sequence[Meter],
        devices: Mapping[str, Mapping[str, Any]],
        addresses: Sequence[str],
        every_ms: int = 1000,
        *,
        kept: Mapping[str, Any] | None = None,
        link: Mapping[str, Any] | None = None,
    ) -> None:
        self.line = Line(meters)
        #: Whether a request that comes so many ms after the line's last answer is heard at all.
        self.hears: Callable[[float], bool] = lambda _: True
        told: dict[str, Any] = {"baud": 9600, "parity": "even", "timeout_ns": 500 * MS}
        spec = LinkSpec("com1", "serial", port="/dev/null", **(told | dict(link or {})))
        tags = tuple(
            TagSpec(text, text, row_type(known(text)), every_ms * MS, scale=known(text).scale)
            for text in addresses
        )
        plans = [
            plan_device(DeviceSpec(name, spec, "dlt645", tags, own=tuple(own.items())))
            for name, own in devices.items()
        ]
        self.opened = open_links([(spec, plans)], 1, kept or {})
        (runner,) = self.opened.runners
        assert isinstance(runner, NativeRunner)
        self.runner = runner
        groups = [group for plan in plans for group in plan.groups]
        self.box = Box(groups, groups=self.opened.groups)
        self.rig = Rig(runner.buses[0].link)
        self.start_ns = self.rig.now
        self._said_ns = 0
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._found: list[Row] = []
        self.at(SEAL_MS, self._learn)
        self.rig.open()

    @property
    def now_ms(self) -> float:
        """Since the first tick."""
        return (self.rig.now - self.start_ns) / MS

    def at(self, ms: float, act: Callable[[], None]) -> None:
        """Call `act` then, since the first tick."""
        heappush(self._events, (self.start_ns + round(ms * MS), next(self._order), act))

    def run(self, until_ms: float) -> None:
        """Until then, since the first tick."""
        until = self.start_ns + round(until_ms * MS)
        while self.rig.now < until:
            sent = self.rig.wait(max(min(until, self._events[0][0]), self.rig.now))
            if sent and self.hears((self.rig.now - self._said_ns) / MS):
                wire_ms = len(sent) * 11 / 9.6
                for wait_s, data in self.line.hear(sent):
                    there_ms = wire_ms + 1000 * wait_s + len(data) * 11 / 9.6
                    self.at(self.now_ms + there_ms, lambda data=data: self._say(data))
            while self._events[0][0] <= self.rig.now:
                heappop(self._events)[2]()

    def rows(self, since_ms: float = 0) -> list[Row]:
        """Of scans since then."""
        self._seal()
        return [row for row in self._found if row.at_ms >= since_ms]

    def finish(self) -> None:
        """End as a loop does: each tick is a row or in a gap."""
        self.rig.finish()
        self._seal()
        for number, group in enumerate(self.box.groups):
            due, accounted = group.scanned()
            assert due == accounted
            assert [tick for tick, _ in self.box.accounted(number + 1)] == list(range(due))

    def learned(self, device: int = 0) -> list[str]:
        """Ids of what `jiahe links -v` says was learned of it."""
        return [each["id"] for each in self.runner.devices()[device]["learned"]]

    def _say(self, data: bytes) -> None:
        self._said_ns = self.rig.now
        self.rig.feed(data)

    def _learn(self) -> None:
        self._seal()
        self.runner.buses[0].learn(self.rig.now)
        self.at(self.now_ms + SEAL_MS, self._learn)

    def _seal(self) -> None:
        for one in self.box.seal():
            at_ms = (one.boot_ns - self.start_ns) / MS
            self._found.append(Row(one.device, one.tag, at_ms, one.value, one.quality))
