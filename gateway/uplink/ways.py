"""Which way to the platform: the first of the file that works, and back to it once it works again.

A way fails when no connection can be made on it, or when a stream breaks that never lasted. Then
the next one of the file is tried at once. While a stream goes by a later way, the earlier ones are
tried each PROBE_NS with a connection that carries nothing; one that could always be reached for
GOOD_NS is taken again. When no way is left, the back-off begins, and then all are tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.ports import Channel, Clock
from gateway.report.snapshot import Said, WaySnapshot
from gateway.uplink.history import SessionError
from gateway.uplink.keptbudget import NoBudget

PROBE_NS = 30 * 10**9
GOOD_NS = 600 * 10**9
#: A connection that is not made within this is none.
PROBE_S_MAX = 6.0
#: What such a connection costs on a SIM card: TCP's opening and end, of IPv6.
PROBE_BYTES = 600


_NO_BUDGET = NoBudget()


class Leaving(Protocol):
    """What a connection leaves by, and what it carried: gateway.uplink.bound.Interface."""

    name: str
    sent: int
    received: int

    async def reaches(self, timeout_s: float) -> bool: ...


@dataclass(frozen=True, slots=True)
class Way:
    """`name`: of [uplinks.NAME]; "" where the file has none. `budget`: what it may carry."""

    channel: Channel
    budget: NoBudget = _NO_BUDGET
    name: str = ""
    interface: Leaving | None = None
    metered: bool = False


class Ways:
    """In the order of the file, which is that of preference. Times are boot time."""

    def __init__(self, ways: Sequence[Way], good_ns: int = GOOD_NS) -> None:
        self._ways, self._good_ns = tuple(ways), good_ns
        self._now = 0
        self._failed = [False] * len(ways)
        self._good_since_ns: list[int | None] = [None] * len(ways)
        self._tried: set[int] = set()

    @property
    def now(self) -> Way:
        """The one that is used, or was last."""
        return self._ways[self._now]

    def __iter__(self) -> Iterator[Way]:
        return iter(self._ways)

    # ---- which one -------------------------------------------------------------------------

    def shut_until_ns(self, opening: int) -> int | None:
        """As NoBudget.shut_until_ns, over all ways: None where at least one may be used."""
        shut = [way.budget.shut_until_ns(opening) for way in self._ways]
        return min((ns for ns in shut if ns is not None), default=None) if all(shut) else None

    def choose(self, opening: int) -> bool:
        """Take the best one that may be used and was not tried since `again`; False: none is left.
        `opening`: as of NoBudget.shut_until_ns.
        """
        left = self._left(opening)
        if left:
            self._now = min(left, key=lambda number: (self._failed[number], number))
        return bool(left)

    def failed(self, opening: int) -> bool:
        """The present one did. Whether another one may be tried at once."""
        self._failed[self._now], self._good_since_ns[self._now] = True, None
        self._tried.add(self._now)
        return bool(self._left(opening))

    def again(self) -> None:
        """Those that were tried may be tried again."""
        self._tried.clear()

    def lasted(self) -> None:
        """A stream went by the present one, and brought something."""
        self._failed[self._now] = False
        self._tried.clear()

    def _left(self, opening: int) -> list[int]:
        return [
            number
            for number, way in enumerate(self._ways)
            if number not in self._tried and way.budget.shut_until_ns(opening) is None
        ]

    # ---- back to an earlier one ------------------------------------------------------------

    async def look_back(self, clock: Clock) -> None:
        """While a stream goes by a later way: raises SessionError when an earlier one is to be
        taken again.
        """
        earlier = list(enumerate(self._ways[: self._now]))
        if not earlier:
            await asyncio.get_running_loop().create_future()  # for as long as the stream lasts
        while True:
            await clock.sleep_until(clock.now_ns() + PROBE_NS)
            for number, way in earlier:
                if way.budget.shut_until_ns(0) is None and await self._is_good(number, clock):
                    raise SessionError("uplink.returns", is_ours=True, way=way.name)

    async def _is_good(self, number: int, clock: Clock) -> bool:
        way = self._ways[number]
        await way.budget.pay(PROBE_BYTES)
        if way.interface is None or not await way.interface.reaches(PROBE_S_MAX):
            self._failed[number], self._good_since_ns[number] = True, None
            return False
        since_ns = self._good_since_ns[number] or clock.now_ns()
        self._good_since_ns[number] = since_ns
        self._failed[number] = clock.now_ns() - since_ns < self._good_ns
        return not self._failed[number]

    # ---- what status shows -----------------------------------------------------------------

    def warnings(self) -> list[Said]:
        """What the budgets say, and which way is used in place of which."""
        said = [each for way in self._ways for each in way.budget.warnings()]
        for number, way in enumerate(self._ways[: self._now]):
            if self._failed[number] and way.interface and self.now.interface:
                args = {
                    "name": way.name, "interface": way.interface.name, "other": self.now.name,
                    "other_interface": self.now.interface.name,
                }  # fmt: skip
                said.append(Said(id="uplink.by_another", args=args))
        return said

    def snapshot(self) -> list[WaySnapshot]:
        return [
            WaySnapshot(
                name=way.name,
                interface=way.interface.name,
                metered=way.metered,
                used=number == self._now,
                failed=self._failed[number],
                sent_bytes=way.interface.sent,
                received_bytes=way.interface.received,
                budget=way.budget.snapshot(),
            )
            for number, way in enumerate(self._ways)
            if way.interface is not None
        ]
