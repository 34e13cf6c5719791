"""The whole chain under seeded faults: the promise holds in every history, and planted bugs die."""

from __future__ import annotations

import os
import random
from collections.abc import Collection, Sequence

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import Buffer
from gateway.buffer.ranges import RangeSet
from gateway.sealing import Sealing
from ingest.inline import InlineStore
from ingest.stores.api import Outcome, Outcomes, Put, PutBlocks
from native.bundle import bundle
from tests.contract.encode import crc32c
from tests.kit.short import short_reader
from tests.kit.virtual_time import run
from tests.sim.promise import check
from tests.sim.receiver import Receiver
from tests.sim.whole import Whole

#: `make reliability SEEDS=100000` tries more.
SEEDS = int(os.environ.get("SEEDS", "400"))
EVENTS = 10
PARTS = 8


def history(seed: int, whole_class: type[Whole] = Whole) -> tuple[Whole, list[str]]:
    async def main() -> tuple[Whole, list[str]]:
        whole = whole_class(seed)
        await whole.run(EVENTS)
        wrong = check(whole)
        await whole.stop()
        return whole, wrong

    return run(main())


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(PARTS))
def test_promise_when_faults_come_at_random_then_the_whole_chain_keeps_it(part: int) -> None:
    for seed in range(part, SEEDS, PARTS):
        whole, wrong = history(seed)
        assert not wrong, f"seed {seed}: {wrong[:5]}, after {whole.faults}"


# ---- planted bugs: each must be found by the promise ---------------------------------------------


class DeafToLoss(Sealing):
    """Tags that are reported on change are not said again after a loss."""

    def seal(self, *, end: bool = False) -> None:
        self._buffer.take_loss()
        super().seal(end=end)


class ForgivesThePlatform(Buffer):
    """What the platform acknowledged once it is believed to hold for ever."""

    def welcome(self, epoch: int, held: RangeSet, closed: bool) -> None:
        known = RangeSet(held)
        if epoch in self.index.epochs:
            known.update(self.index.epochs[epoch].acked)
        super().welcome(epoch, known, closed)


class TrimsToHighestAck(Buffer):
    """An ack of a block is taken for one of all blocks of its epoch before it."""

    def acked(self, epoch: int, first: int, last: int) -> None:
        super().acked(epoch, 1, last)


class NoGapAfterCrash(Buffer):
    """What RAM held is forgotten."""

    def _conclude(self, epoch: int) -> None:
        if epoch not in self.ledger.state.epochs or self.index.epochs[epoch].live:
            return
        if epoch != self.epoch:
            del self.ledger.state.epochs[epoch]


class AcknowledgesUnstored(InlineStore):
    """Now and then a commit fails after it was believed to be done."""

    _chance = random.Random(1)

    def put(self, item: Put) -> Outcomes:
        if isinstance(item, PutBlocks) and self._chance.random() < 0.02:
            count = len(getattr(item.carried, "block_checks", ())) or 1
            return (Outcome.STORED,) * count
        return super().put(item)


class TakesTheFirstOfABundle(InlineStore):
    """A bundle of which some blocks are held is taken for one that is held."""

    def put(self, item: Put) -> Outcomes:
        outcomes = super().put(item)
        if Outcome.DUPLICATE in outcomes:
            self._sql.execute(
                "DELETE FROM blocks WHERE payload = (SELECT max(payload) FROM payloads)"
            )
        return outcomes


def opened(
    blocks: Sequence[bytes], features: Collection[int]
) -> tuple[pb.Bundle, pb.BundlePayload]:
    made = pb.Bundle.FromString(bundle(blocks, features))
    payload = short_reader().UNPACK[made.compression](made.payload)
    return made, pb.BundlePayload.FromString(payload)


def sealed(made: pb.Bundle, whole: pb.BundlePayload) -> bytes:
    made.payload, made.compression = whole.SerializeToString(), pb.COMPRESSION_NONE
    made.payload_size, made.payload_crc32c = len(made.payload), crc32c(made.payload)
    return made.SerializeToString()


def loses_extras(blocks: Sequence[bytes], features: Collection[int] = ()) -> bytes:
    """A bundle without what its blocks say beside their runs: gaps, anchors, the end."""
    made, whole = opened(blocks, features)
    whole.ClearField("extras")
    return sealed(made, whole)


def shifts_a_tick(blocks: Sequence[bytes], features: Collection[int] = ()) -> bytes:
    """A bundle in which the first tick of a second block is the first one's."""
    made, whole = opened(blocks, features)
    for one in whole.runs:
        if len(one.block_ticks) > 1 and one.block_ticks[1]:
            one.block_ticks[0] += 1
            one.block_ticks[1] -= 1
            break
    return sealed(made, whole)


def planted(**parts: object) -> type[Whole]:
    return type("Planted", (Whole,), parts)


def receiver_of(store: type[InlineStore]) -> type[Receiver]:
    return type("Planted", (Receiver,), {"store_class": store})


MUTANTS = {
    "deaf to loss": planted(sealing_class=DeafToLoss),
    "forgives the platform": planted(buffer_class=ForgivesThePlatform),
    "trims to the highest ack": planted(buffer_class=TrimsToHighestAck),
    "no gap after a crash": planted(buffer_class=NoGapAfterCrash),
    "acknowledges unstored": planted(receiver_class=receiver_of(AcknowledgesUnstored)),
    "takes a part of a bundle for all": planted(receiver_class=receiver_of(TakesTheFirstOfABundle)),
    "loses what is beside the runs": planted(join=staticmethod(loses_extras)),
    "gives a tick to another block": planted(join=staticmethod(shifts_a_tick)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_when_planted_is_found_within_200_seeds(name: str) -> None:
    for seed in range(200):
        try:
            _, wrong = history(seed, MUTANTS[name])
        except AssertionError:
            return
        if wrong:
            return
    raise AssertionError(f"{name}: survived")
