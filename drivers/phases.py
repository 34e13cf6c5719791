"""When in their period devices are read: spread, so that many of one period do not fire together.

A phase follows from the device's name, so that it is the same after each start with nothing kept.
All groups of a device have one phase: what it is asked every second and every ten seconds comes
together. No first value waits longer than SPREAD_NS for it.

Phases lie on a grid, so that the few devices of one step share the daemon's wake-ups: with phases
anywhere, a thousand devices of a second each woke it four times a second, and it took 18 % of a
core in place of 10. A step is a sixteenth of the period, and at least STEP_NS: what is closer comes
together on any network, and each step of a fast device is a wake-up more in each of its periods.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Protocol

from drivers.api import DevicePlan

#: The longest that a first tick is put off.
SPREAD_NS = 1_000_000_000
#: The most phases that there are.
STEPS = 16
#: The least that two phases are apart.
STEP_NS = 2_500_000


def phase_ns(device: str, periods_ns: Iterable[int]) -> int:
    """How long after the first ticks of all those of `device` are due, whose groups have these
    periods.
    """
    spread = min(SPREAD_NS, max(periods_ns, default=0))
    steps = min(STEPS, max(1, spread // STEP_NS))
    share = int.from_bytes(hashlib.blake2b(device.encode(), digest_size=4).digest(), "big")
    return (share * steps >> 32) * spread // steps


def phase_of(plan: DevicePlan) -> int:
    """Phase of a planned device, in ns; 0 where its ticks are aligned, as they lie on the clock's
    grid.
    """
    periods = (group.period_ns for group in plan.groups)
    return 0 if plan.spec.align else phase_ns(plan.spec.name, periods)


class Aligned(Protocol):
    """What of native.rows.group.Group is used here."""

    def know_utc(self, ahead_ns: int) -> None: ...


def telling(groups: Iterable[Aligned]) -> Callable[[int], None]:
    """What tells these groups how far UTC is ahead of the boot clock, in ns."""
    aligned = list(groups)

    def tell(ahead_ns: int) -> None:
        for group in aligned:
            group.know_utc(ahead_ns)

    return tell
