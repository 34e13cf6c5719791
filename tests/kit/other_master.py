"""A bus that belongs to another master, for the tests of `listen_only`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from drivers.modbus.simulator import now_ns
from drivers.modbus.simulator.frames import FRAMINGS
from tests.kit.scanner import PERIOD_NS, Scanner, pairs
from tests.kit.slave import Asked, Script, SerialSlave, honest

Ask = tuple[int, int, int, int]  # unit, function, address, count
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


class OtherMaster(SerialSlave):
    """Asks `asks` in turn, for ever; the answers are the script's."""

    def __init__(
        self, script: Script = honest, asks: Sequence[Ask] = ASKS, rest_s: float = 0.003
    ) -> None:
        """`rest_s`: behind each round. `heard`: what we hear of a request."""
        super().__init__(script)
        self.asks = asks
        self.heard: Callable[[Asked], bytes] = lambda asked: asked.frame
        self.rest_s = rest_s
        self.spoken = b""

    def _run(self) -> None:
        while True:
            for unit, function, address, count in self.asks:
                pdu = bytes([function, *address.to_bytes(2, "big"), *count.to_bytes(2, "big")])
                frame = FRAMINGS["rtu"].build(unit, 0, pdu)
                number = len(self.asked) + 1
                asked = Asked(number, unit, function, address, count, 0, now_ns(), frame, 0, "rtu")
                self.asked.append(asked)
                for step in (self.heard(asked), 0.001, *self.script(asked), 0.003):
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


def listen(
    script: Script,
    *,
    asks: Sequence[Ask] = ASKS,
    enough: Callable[[Scanner], bool] = lambda scanner: scanner.good() >= 120,
    rest_s: float = 0.003,
    heard: Callable[[Asked], bytes] = lambda asked: asked.frame,
    **more: object,
) -> Scanner:
    """Until `enough`; with all promises of reading."""
    with OtherMaster(script, asks, rest_s) as master:
        master.heard = heard
        told: dict[str, Any] = {"devices": PLANS, "listen_only": True, "timeout_ns": QUIET_NS}
        scanner = Scanner(master, **told | more)
        with scanner.running():
            scanner.until(lambda: enough(scanner))
    scanner.check()
    assert master.spoken == b"", "a link that only listens has spoken"
    return scanner
