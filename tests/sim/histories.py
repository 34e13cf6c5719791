"""Histories of a world under seeded faults.

A file of tests is run by one worker (Makefile, SIDE_BY_SIDE), so four files share them out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from tests.kit.virtual_time import run
from tests.sim.promise import check
from tests.sim.world import NeverDrainedError, World

#: `make reliability SEEDS=100000` tries more.
SEEDS = int(os.environ.get("SEEDS", "2000"))
EVENTS = 6
PARTS = 5


def history(seed: int, world_class: type[World] = World) -> tuple[World, list[str]]:
    """The world of a seed at its end, and what is wrong with it."""

    async def main() -> tuple[World, list[str]]:
        world = world_class(seed)
        try:
            await world.run(EVENTS)
            wrong = check(world)
        except NeverDrainedError as error:
            wrong = [f"never drained: {error}"]
        finally:
            await world.stop()
        return world, wrong

    return run(main())


def quarter(number: int) -> list[range]:
    """A quarter of the seeds, 1 to 4, in a few parts."""
    return [range(first, SEEDS, 4 * PARTS) for first in range(number - 1, 4 * PARTS, 4)]


def keep_the_promise(seeds: Iterable[int]) -> None:
    for seed in seeds:
        world, wrong = history(seed)
        assert not wrong, f"seed {seed}: {wrong[:5]}, after {world.faults}"
