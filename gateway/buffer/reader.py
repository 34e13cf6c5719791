"""Blocks read back for sending: from RAM, or verified from the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from gateway.buffer import log
from gateway.buffer.block import BlockKey, SealedBlock
from gateway.buffer.disk import DiskThread, Failures
from gateway.buffer.index import BlockLocation, Index
from gateway.ports import Clock, Disk


class Reader:
    """`damaged` is told of blocks that can't be read any more."""

    def __init__(
        self,
        disk: Disk,
        clock: Clock,
        disk_thread: DiskThread,
        index: Index,
        damaged: Callable[[BlockKey], None],
    ) -> None:
        self._disk, self._disk_thread, self._index = disk, disk_thread, index
        self._damaged = damaged
        self._failures = Failures(clock)

    async def read(self, keys: Sequence[BlockKey]) -> list[SealedBlock | None]:
        """Each block; None if it is live no more, damaged, or unreadable for now."""
        found: dict[BlockKey, SealedBlock | None] = {}
        wanted = []
        for key in keys:
            epoch = self._index.epochs.get(key.epoch)
            if epoch is None or key.seq not in epoch.live:
                found[key] = None
            elif key.seq in epoch.ram:
                found[key] = epoch.ram[key.seq]
            else:
                location = epoch.location(key.seq)
                assert location is not None, f"block {key} is live and nowhere"
                wanted.append((key, location))
        if wanted:
            read = await self._disk_thread(partial(log.read_blocks, self._disk, wanted))
            for (key, location), result in zip(wanted, read, strict=True):
                found[key] = self._was_read(key, location, result)
        return [found[key] for key in keys]

    def _was_read(
        self, key: BlockKey, location: BlockLocation, block: SealedBlock | OSError | None
    ) -> SealedBlock | None:
        if isinstance(block, OSError):
            if not (self._failures.is_gone(key, block) and self._index.is_live(key)):
                return None
            block = None
        self._failures.forget(key)
        if block is None and self._index.is_live(key) and self._index.location(key) == location:
            self._damaged(key)
        return block
