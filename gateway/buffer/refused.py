"""Blocks that the platform refuses, judged by the box: set aside only where it is their own fault.

The platform holds another content under the name, or the box's own check of the block fails: then
it is set aside, announced, and never sent again. Whatever else a platform says, the block is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer.aside import Aside
from gateway.buffer.block import BlockKey, SealedBlock
from gateway.buffer.gaps import Decompress, read_payload
from gateway.buffer.reader import Reader
from gateway.buffer.thread import DiskThread
from gateway.ports import Disk


class Refused:
    """Those that wait to be judged. `lose` announces a block that is set aside."""

    def __init__(
        self,
        disk: Disk,
        disk_thread: DiskThread,
        reader: Reader,
        decompress: Decompress,
        lose: Callable[[SealedBlock], None],
    ) -> None:
        self._disk_thread, self._reader = disk_thread, reader
        self._decompress, self._lose = decompress, lose
        self._aside = Aside(disk)
        self._rejects: dict[BlockKey, pb.Reject] = {}

    def again(self, keys: Iterable[BlockKey]) -> None:
        """Set aside before, but the process ended before that was announced."""
        reason = pb.REJECT_REASON_CONFLICT
        for key in keys:
            self._rejects[key] = pb.Reject(epoch=key.epoch, seq=key.seq, reason=reason)

    def add(self, key: BlockKey, reject: pb.Reject) -> None:
        self._rejects[key] = reject

    def forget(self, key: BlockKey) -> None:
        """It was acknowledged after all."""
        self._rejects.pop(key, None)

    def __contains__(self, key: object) -> bool:
        return key in self._rejects

    async def judge(self) -> None:
        for key, reject in list(self._rejects.items()):
            (block,) = await self._reader.read([key])
            conflict = reject.reason == pb.REJECT_REASON_CONFLICT
            if block is not None and (conflict or not self._is_sound(block)):
                await self._disk_thread(partial(self._aside.keep, block, reject))
                self._lose(block)
            self._rejects.pop(key, None)

    def _is_sound(self, block: SealedBlock) -> bool:
        try:
            read_payload(block.data, self._decompress)
        except ValueError:
            return False
        return True
