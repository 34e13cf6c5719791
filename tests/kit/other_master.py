"""A bus that belongs to another master, for the tests of `listen_only`.

`Overheard` is one in virtual time, with the link that listens to it; `OtherMaster` plays the same
script on a pseudo-terminal, in a thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drivers.api import DeviceSpec, GroupPlan, LinkSpec
from drivers.modbus.simulator import now_ns
from drivers.modbus.simulator.frames import FRAMINGS
from drivers.modbus.station import station_of
from native.engine.link import Link
from native.engine.rig import Rig
from tests.kit.scanner import BAUD, EARLY_NS, PERIOD_NS, NeverError, Scanned, pairs
from tests.kit.slave import Asked, Script, SerialSlave, honest

Ask = tuple[int, int, int, int]  # unit, function, address, count
Heard = Callable[[Asked], bytes]
#: The time-out: so long nobody is believed at the beginning, and a unit that may owe an answer.
QUIET_NS = 40_000_000
#: The same where a slow machine must not make silence of its own delays.
LONG_QUIET_NS = 150_000_000
#: Register 100 of unit 1 lies in the middle of what is asked for; 0 is asked for by itself.
ASKS: Sequence[Ask] = [(1, 3, 0, 2), (1, 3, 90, 20), (2, 3, 0, 2)]
PLANS = {
    1: [pairs((0, 100), period_ns=2 * PERIOD_NS)],
    2: [pairs((0,), device="d2", period_ns=2 * PERIOD_NS)],
}
#: All answers are of one size.
SAME: Sequence[Ask] = [(1, 3, address, 1) for address in (2, 100, 4)]
SAME_PLANS = {1: [pairs((2, 100, 4), count=1, period_ns=2 * PERIOD_NS)]}
#: The longest that a test in virtual time waits.
MOST_NS = 600 * 10**9
SEAL_EACH_NS = 500_000_000


def asked_for(ask: Ask, number: int, at_ns: int) -> Asked:
    unit, function, address, count = ask
    pdu = bytes([function, *address.to_bytes(2, "big"), *count.to_bytes(2, "big")])
    frame = FRAMINGS["rtu"].build(unit, 0, pdu)
    return Asked(number, unit, function, address, count, 0, at_ns, frame, 0, "rtu")


class Overheard(Scanned):
    """A master that asks `asks` in turn, for ever, with the script's answers; and who listens. A
    frame comes at once.
    """

    def __init__(
        self,
        script: Script = honest,
        asks: Sequence[Ask] = ASKS,
        devices: Mapping[int, Sequence[GroupPlan]] = PLANS,
        *,
        rest_s: float = 0.003,
        heard: Heard = lambda asked: asked.frame,
        early_ns: int = EARLY_NS,
        timeout_ns: int = QUIET_NS,
        baud: int = BAUD,
    ) -> None:
        """`rest_s`: behind each round. `heard`: what we hear of a request. `early_ns` as `Scanned`
        has it; the others as LinkSpec.
        """
        self.asked: list[Asked] = []
        super().__init__([plan for own in devices.values() for plan in own], self.asked, early_ns)
        self.script, self.asks, self.rest_s, self.heard = script, asks, rest_s, heard
        spec = LinkSpec(
            "l", "serial", port="/dev/null", baud=baud, timeout_ns=timeout_ns, listen_only=True
        )
        groups = iter(self.box.groups)
        self.link = Link(
            spec,
            [
                (
                    station_of(DeviceSpec(f"d{unit}", spec, "modbus", own[0].tags, unit, "rtu")),
                    [next(groups) for _ in own],
                )
                for unit, own in devices.items()
            ],
        )
        self.rig = Rig(self.link)
        self.rig.open()
        self._sealed_ns = self.rig.now

    def until(self, enough: Callable[[], bool]) -> None:
        """The master asks on, round by round. Raises NeverError."""
        end_ns = self.rig.now + MOST_NS
        self.collect()
        while not enough():
            if self.rig.now > end_ns:
                raise NeverError(f"{self.qualities()} {self.book}")
            self.round()

    def round(self) -> None:
        """Each request once."""
        for ask in self.asks:
            asked = asked_for(ask, len(self.asked) + 1, self.rig.now)
            self.asked.append(asked)
            for step in (self.heard(asked), 0.001, *self.script(asked), 0.003):
                if isinstance(step, bytes):
                    self.rig.feed(step)
                elif isinstance(step, float):
                    self.pass_(step)
        self.pass_(self.rest_s)

    def pass_(self, seconds: float) -> None:
        """Time, in which nothing may be sent."""
        sent = self.rig.wait(self.rig.now + round(seconds * 1e9))
        assert sent == b"", "a link that only listens has spoken"
        if self.rig.now - self._sealed_ns >= SEAL_EACH_NS:
            self._sealed_ns = self.rig.now
            self.collect()

    def finish(self) -> None:
        """End as a loop does; with all promises of reading."""
        self.rig.finish()
        self.collect()
        self.check()

    @property
    def book(self) -> dict[str, Any]:
        """The link's counters."""
        return self.link.snapshot()


def listen(
    script: Script,
    asks: Sequence[Ask] = ASKS,
    devices: Mapping[int, Sequence[GroupPlan]] = PLANS,
    *,
    enough: Callable[[Overheard], bool] = lambda bus: bus.good() >= 120,
    **more: Any,
) -> Overheard:
    """Until `enough`; with all promises of reading. `more` as Overheard has it."""
    bus = Overheard(script, asks, devices, **more)
    bus.until(lambda: enough(bus))
    bus.finish()
    return bus


class OtherMaster(SerialSlave):
    """The same master on a pseudo-terminal."""

    def __init__(
        self, script: Script = honest, asks: Sequence[Ask] = ASKS, rest_s: float = 0.003
    ) -> None:
        super().__init__(script)
        self.asks, self.rest_s = asks, rest_s
        self.spoken = b""

    def _run(self) -> None:
        while True:
            for ask in self.asks:
                asked = asked_for(ask, len(self.asked) + 1, now_ns())
                self.asked.append(asked)
                for step in (asked.frame, 0.001, *self.script(asked), 0.003):
                    if isinstance(step, bytes):
                        os.write(self._master, step)
                    elif isinstance(step, float) and self._pause(step):
                        return
            if self._pause(self.rest_s):
                return

    def _pause(self, seconds: float) -> bool:
        """Whether it is to stop."""
        until_ns = now_ns() + int(seconds * 1e9)
        while (left_ns := until_ns - now_ns()) > 0:
            ready = self._wait([self._master], left_ns / 1e9)
            if ready is None:
                return True
            if ready:
                self.spoken += os.read(self._master, 4096)
        return False
