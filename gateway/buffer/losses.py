"""What goes with blocks that are dropped. Runs in the disk's thread where it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import log, segment
from gateway.buffer.block import BlockKey, SealedBlock
from gateway.buffer.gaps import Decompress, GapSet, Loss, loss_of, read_payload
from gateway.buffer.index import BlockLocation
from gateway.buffer.ranges import RangeSet
from gateway.ports import Disk

#: The periods of an epoch's groups, as far as a block of this (epoch, revision) needs them.
Periods = Callable[[int, int], Mapping[int, int]]


class BlockLoss(NamedTuple):
    """What is gone with one block, and the gaps that it carried."""

    key: BlockKey
    loss: Loss
    carried: tuple[pb.Gap, ...]


def read_losses(
    disk: Disk,
    locations: Sequence[tuple[BlockKey, BlockLocation]],
    decompress: Decompress,
    periods: Periods,
) -> list[BlockLoss]:
    """What is gone with the blocks at `locations`; of one that can't be read, its number only."""
    losses = []
    for key, location in locations:
        try:
            block = log.read_block(disk, key, location)
        except OSError:
            block = None
        if block is None:
            losses.append(unread_loss(key))
        else:
            losses.append(block_loss(block, decompress, periods))
    return losses


def unread_loss(key: BlockKey) -> BlockLoss:
    """What is gone with a block that can't be read: its number is all that is known."""
    return BlockLoss(key, Loss(RangeSet([(key.seq, key.seq)])), ())


def block_loss(block: SealedBlock, decompress: Decompress, periods: Periods) -> BlockLoss:
    """What is gone with a block at hand."""
    try:
        payload = read_payload(block.data, decompress)
    except ValueError:  # checksummed on disk, so sealed wrongly: at least its number is said
        payload = pb.BlockPayload()
    key = BlockKey(block.epoch, block.seq)
    known = periods(block.epoch, block.catalog_revision)
    return BlockLoss(key, loss_of(block.seq, payload, known), tuple(payload.gaps))


def by_epoch(losses: Iterable[BlockLoss]) -> dict[int, Loss]:
    """Joined, an epoch."""
    joined: dict[int, Loss] = {}
    for key, loss, _ in losses:
        joined.setdefault(key.epoch, Loss()).update(loss)
    return joined


def gaps_of(reason: pb.GapReason.ValueType, losses: Sequence[BlockLoss]) -> GapSet:
    """The gaps that announce these losses; the state file must have them before the blocks are
    removed.
    """
    gaps = GapSet(gap for _, _, carried in losses for gap in carried)
    for epoch, loss in by_epoch(losses).items():
        gaps.lose(reason, epoch, loss)
    return gaps


def intact_blocks(disk: Disk, number: int) -> set[tuple[BlockKey, int]]:
    file = disk.open(segment.name(number))
    try:
        return {
            (BlockKey(found.header.epoch, found.header.seq), found.offset)
            for found in segment.scan(file, bodies=True)
            if isinstance(found, segment.Found) and found.intact
        }
    finally:
        file.close()
