"""What goes with blocks that are dropped. Runs in the disk's thread where it reads."""

from __future__ import annotations

from collections.abc import Sequence

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import log, segment
from gateway.buffer.block import BlockKey, SealedBlock
from gateway.buffer.gaps import Decompress, Loss, loss_of, read_payload
from gateway.buffer.index import Place
from gateway.ports import Disk


def read_losses(
    disk: Disk, places: Sequence[tuple[BlockKey, Place]], decompress: Decompress
) -> tuple[dict[int, Loss], list[pb.Gap]]:
    """What is gone with the blocks at `places`; of one that can't be read, its number only."""
    blocks: list[SealedBlock] = []
    lost: dict[int, Loss] = {}
    for key, place in places:
        try:
            block = log.read_block(disk, key, place)
        except OSError:
            block = None
        if block is None:
            lost.setdefault(key.epoch, Loss()).blocks.add(key.seq, key.seq)
        else:
            blocks.append(block)
    losses, carried = losses_of(blocks, decompress)
    for epoch, loss in lost.items():
        losses.setdefault(epoch, Loss()).update(loss)
    return losses, carried


def losses_of(
    blocks: Sequence[SealedBlock], decompress: Decompress
) -> tuple[dict[int, Loss], list[pb.Gap]]:
    """What is gone with these blocks, an epoch, and the gaps that they carried."""
    losses: dict[int, Loss] = {}
    carried: list[pb.Gap] = []
    for block in blocks:
        try:
            payload = read_payload(block.data, decompress)
        except ValueError:  # checksummed on disk, so sealed wrongly: at least its number is said
            payload = pb.BlockPayload()
        losses.setdefault(block.epoch, Loss()).update(loss_of(block.seq, payload))
        carried.extend(payload.gaps)
    return losses, carried


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
