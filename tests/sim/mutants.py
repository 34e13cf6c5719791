"""Planted bugs: worlds of which one part breaks the promise. The promise must find each."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import Buffer
from gateway.buffer.gaps import Loss
from gateway.buffer.ranges import RangeSet
from gateway.sealing import Sealing
from ingest.inline import InlineStore
from ingest.stores.api import Known, Outcome, Outcomes, Put, PutBlocks, Speaker
from native.block.bundle import bundle
from tests.contract.encode import crc32c
from tests.kit.fake_disk import FakeDisk
from tests.kit.short import short_reader
from tests.sim.receiver import Receiver
from tests.sim.world import World

# ---- the box -------------------------------------------------------------------------------


class SameEpochAgain(Buffer):
    """A run takes the number of the run before."""

    def open_epoch(
        self, boot_id: str, now_ns: int, random_bits: Callable[[int], int] = lambda bits: 7
    ) -> int:
        self.to_tell.state.run = self.to_tell.state.highest = 0
        found, self.index.epochs = self.index.epochs, {}
        epoch = super().open_epoch(boot_id, now_ns, lambda bits: 7)
        self.index.epochs |= {number: e for number, e in found.items() if number != epoch}
        self._writer.sets.names.pop(epoch, None)
        return epoch


class NoGapAfterCrash(Buffer):
    """What RAM held is forgotten."""

    def _conclude(self, epoch: int) -> None:
        if epoch not in self.to_tell.state.epochs or self.index.epochs[epoch].live:
            return
        if epoch != self.epoch:
            del self.to_tell.state.epochs[epoch]


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


class ForgivesThePlatform(Buffer):
    """What the platform acknowledged once it is believed to hold for ever."""

    def welcome(self, epoch: int, held: RangeSet, closed: bool) -> None:
        known = RangeSet(held)
        if epoch in self.index.epochs:
            known.update(self.index.epochs[epoch].acked)
        super().welcome(epoch, known, closed)


class DurableBeforeSync(Buffer):
    """Blocks count as durable once they are written."""

    @classmethod
    async def open(cls, disk: Any, *args: Any) -> Buffer:
        return await super().open(Unsynced(disk), *args)


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


class GapsInRamOnly(Buffer):
    """Segments are dropped, and their gaps are never written to the state file."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.to_tell.unsettled = lambda more: []  # type: ignore[method-assign]  # the planted bug


class ForgetsPushedValues(Buffer):
    """Of a block that is dropped only the ticks are announced."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        lose = self.to_tell.lose

        def lose_ticks(reason: pb.GapReason.ValueType, epoch: int, loss: Loss) -> None:
            loss.events.clear()
            lose(reason, epoch, loss)

        self.to_tell.lose = lose_ticks  # type: ignore[method-assign]  # the planted bug


class DeafToLoss(Sealing):
    """Tags that are reported on change are not said again after a loss."""

    def seal(self, *, end: bool = False) -> None:
        self._buffer.take_loss()
        super().seal(end=end)


def _opened(
    blocks: Sequence[bytes], features: Collection[int]
) -> tuple[pb.Bundle, pb.BundlePayload]:
    made = pb.Bundle.FromString(bundle(blocks, features))
    payload = short_reader().UNPACK[made.compression](made.payload)
    return made, pb.BundlePayload.FromString(payload)


def _sealed(made: pb.Bundle, whole: pb.BundlePayload) -> bytes:
    made.payload, made.compression = whole.SerializeToString(), pb.COMPRESSION_NONE
    made.payload_size, made.payload_crc32c = len(made.payload), crc32c(made.payload)
    return made.SerializeToString()


def loses_extras(blocks: Sequence[bytes], features: Collection[int] = ()) -> bytes:
    """A bundle without what its blocks say beside their runs: gaps, anchors, the end."""
    made, whole = _opened(blocks, features)
    whole.ClearField("extras")
    return _sealed(made, whole)


def shifts_a_tick(blocks: Sequence[bytes], features: Collection[int] = ()) -> bytes:
    """A bundle in which the first tick of a second block is the first one's."""
    made, whole = _opened(blocks, features)
    for one in whole.runs:
        if len(one.block_ticks) > 1 and one.block_ticks[1]:
            one.block_ticks[0] += 1
            one.block_ticks[1] -= 1
            break
    return _sealed(made, whole)


# ---- the platform --------------------------------------------------------------------------


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


class LetsClonesIn(InlineStore):
    """Whoever says Hello takes the id over."""

    def hello(self, speaker: Speaker) -> Known:
        self.heard(speaker.gateway, 0)
        return super().hello(replace(speaker, bound_heard_ns=0))


class ClonesEndRuns(InlineStore):
    """What a clone says of a run that is another machine's ends that run."""

    def put(self, item: Put) -> Outcomes:
        outcomes = super().put(item)
        self._sql.execute(
            "UPDATE epochs SET closed = 1 WHERE (gateway, epoch) IN"
            " (SELECT gateway, epoch FROM gaps WHERE foreign_machine)"
        )
        return outcomes


def _world(**parts: object) -> type[World]:
    return type("Planted", (World,), parts)


def _store(store: type[InlineStore]) -> type[World]:
    return _world(receiver_class=type("Planted", (Receiver,), {"store_class": store}))


MUTANTS = {
    "same epoch again": _world(buffer_class=SameEpochAgain),
    "no gap after a crash": _world(buffer_class=NoGapAfterCrash),
    "trims to the highest ack": _world(buffer_class=TrimsToHighestAck),
    "trims what is older than an ack": _world(buffer_class=CumulativeAck),
    "forgives the platform": _world(buffer_class=ForgivesThePlatform),
    "durable before the sync": _world(buffer_class=DurableBeforeSync),
    "gaps in RAM only": _world(buffer_class=GapsInRamOnly),
    "forgets pushed values": _world(buffer_class=ForgetsPushedValues),
    "deaf to loss": _world(sealing_class=DeafToLoss),
    "loses what is beside the runs": _world(join=staticmethod(loses_extras)),
    "gives a tick to another block": _world(join=staticmethod(shifts_a_tick)),
    "acknowledges unstored": _store(AcknowledgesUnstored),
    "takes a part of a bundle for all": _store(TakesTheFirstOfABundle),
    "lets clones in": _store(LetsClonesIn),
    "lets clones end runs": _store(ClonesEndRuns),
}
