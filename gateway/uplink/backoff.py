"""How long to wait before connecting again: doubling, with full jitter, so that a thousand boxes
that lost one platform do not come back in step. Counted from the begin of an attempt: one that was
given up after long has waited already.
"""

from __future__ import annotations

from collections.abc import Callable

FIRST_S = 0.5
#: A platform that refuses is asked so often, on average twice.
LAST_S = 12.0
#: A link that is not there costs nobody anything: a box is back within 10 s of it, with what a
#: connection takes.
UNREACHABLE_LAST_S = 4.0
#: Ways in which a connection fails of which the platform sees nothing.
UNREACHABLE = frozenset({"uplink.unreachable", "uplink.dns", "uplink.silent"})


class Backoff:
    """`uniform(a, b)` is the source of chance: random.Random().uniform."""

    def __init__(self, uniform: Callable[[float, float], float]) -> None:
        self._uniform = uniform
        self._limit_s = FIRST_S

    def next_ns(self, *, unreachable: bool = False) -> int:
        """The next wait: 0 to 0.5 s, then 0 to 1 s, ... 0 to 12 s, or 0 to 4 s."""
        last_s = UNREACHABLE_LAST_S if unreachable else LAST_S
        wait_s = self._uniform(0.0, min(last_s, self._limit_s))
        self._limit_s = min(LAST_S, self._limit_s * 2)
        return round(wait_s * 1e9)

    def reset(self) -> None:
        self._limit_s = FIRST_S
