"""Seeded histories of faults; the promise holds in all of them, and planted bugs do not survive."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.buffer import Buffer
from tests.kit.fake_disk import FakeDisk
from tests.kit.virtual_time import run
from tests.sim.ledger import check
from tests.sim.world import World

SEEDS = 300
EVENTS = 12


def history(seed: int, buffer_class: type[Buffer] = Buffer) -> tuple[World, list[str]]:
    async def main() -> tuple[World, list[str]]:
        world = World(seed, buffer_class)
        await world.run(EVENTS)
        wrong = check(world)
        await world.stop()
        return world, wrong

    return run(main())


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_promise_when_faults_come_at_random_holds_for_every_seed(part: int) -> None:
    for seed in range(part, SEEDS, 10):
        world, wrong = history(seed)
        assert not wrong, f"seed {seed}: {wrong[:5]}, after {world.faults}"


class SameEpochAgain(Buffer):
    """A run takes the number of the run before."""

    def open_epoch(self, boot_id: str, now_ns: int, random_bits: object = None) -> int:
        self.ledger.state.run = self.ledger.state.highest = 0
        found, self.index.epochs = self.index.epochs, {}
        epoch = super().open_epoch(boot_id, now_ns, lambda bits: 7)
        self.index.epochs |= {number: e for number, e in found.items() if number != epoch}
        return epoch


class NoGapAfterCrash(Buffer):
    """What RAM held is forgotten."""

    def _conclude(self, epoch: int) -> None:
        if epoch not in self.ledger.state.epochs or self.index.epochs[epoch].live:
            return
        if epoch != self.epoch:
            del self.ledger.state.epochs[epoch]


class TrimsToHighestAck(Buffer):
    """An ack of a block is taken for one of all blocks of its epoch before it."""

    def acked(self, epoch: int, first: int, last: int) -> None:
        super().acked(epoch, 1, last)


class CumulativeAck(Buffer):
    """An ack of a block is taken for one of everything older, whatever its epoch."""

    def acked(self, epoch: int, first: int, last: int) -> None:
        for other in sorted(self.index.epochs):
            if other <= epoch:
                super().acked(other, 1, last if other == epoch else 1 << 60)


class DurableBeforeSync(Buffer):
    """Blocks count as durable once they are written."""

    @classmethod
    async def open(cls, disk: Any, *args: Any) -> Buffer:
        return await super().open(Unsynced(disk), *args)


class GapsInRamOnly(Buffer):
    """Segments are dropped, and their gaps are never written to the state file."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.ledger.unsettled = lambda more: []  # type: ignore[method-assign]  # the planted bug


class Unsynced:
    """A disk whose files sync nothing."""

    def __init__(self, disk: FakeDisk) -> None:
        self._disk = disk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._disk, name)

    def open(self, name: str, *, create: bool = False) -> Any:
        file = self._disk.open(name, create=create)
        if name.endswith(".seg"):
            file.sync = lambda: None  # type: ignore[method-assign]  # the planted bug
        return file


MUTANTS = [
    SameEpochAgain, NoGapAfterCrash, TrimsToHighestAck, CumulativeAck, DurableBeforeSync,
    GapsInRamOnly,
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutant_when_planted_is_found_within_200_seeds(mutant: type[Buffer]) -> None:
    for seed in range(200):
        try:
            _, wrong = history(seed, mutant)
        except AssertionError:
            return
        if wrong:
            return
    raise AssertionError(f"{mutant.__name__} survived")
