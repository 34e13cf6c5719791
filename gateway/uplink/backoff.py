"""How long to wait before connecting again: doubling, with full jitter, so that a thousand boxes
that lost one platform do not come back in step."""

from __future__ import annotations

from collections.abc import Callable

FIRST_S = 0.5
#: A box is back on the platform within 15 s of its link: this, and the time to connect.
LAST_S = 12.0


class Backoff:
    """`uniform(a, b)` is the source of chance: random.Random().uniform."""

    def __init__(self, uniform: Callable[[float, float], float]) -> None:
        self._uniform = uniform
        self._limit_s = FIRST_S

    def next_ns(self) -> int:
        """The next wait: 0 to 0.5 s, then 0 to 1 s, ... 0 to 12 s."""
        wait_s = self._uniform(0.0, self._limit_s)
        self._limit_s = min(LAST_S, self._limit_s * 2)
        return round(wait_s * 1e9)

    def reset(self) -> None:
        self._limit_s = FIRST_S
