"""Blocks that the platform refuses, judged by the box: set aside only where it is their own fault.

The platform holds another content under the name, or the box's own check of the block fails: then
it is set aside, announced, and never sent again. Whatever else a platform says, the block is kept.

Those set aside are kept for people to look at, the newest hundred. A file
`rejected/<epoch>-<seq>.block` holds the serialized Reject's length (4 bytes, little-endian), the
Reject, and the serialized Block. They are bounded in number and bytes; the oldest make room.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer.block import BlockKey, SealedBlock
from gateway.buffer.disk import DiskThread
from gateway.buffer.gaps import Decompress, read_payload
from gateway.buffer.reader import Reader
from gateway.ports import Disk

SUB = "rejected"
FILES_MAX = 100
BYTES_MAX = 16 << 20


class Aside:
    """The directory of refused blocks. In the disk's thread."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def found(self) -> list[BlockKey]:
        """What is set aside, in order. Raises OSError."""
        return sorted(key for key in map(_key, self._disk.list(SUB)) if key is not None)

    def keep(self, block: SealedBlock, reject: pb.Reject) -> bool:
        """Set the block aside; False if the disk refuses: its gap is announced all the same."""
        said = reject.SerializeToString()
        data = struct.pack("<I", len(said)) + said + block.data
        name = _name(BlockKey(block.epoch, block.seq))
        try:
            if name.rpartition("/")[2] in self._disk.list(SUB):
                return True
            self._make_room(len(data))
            file = self._disk.open(name, create=True)
            try:
                file.append(data)
                file.sync()
            finally:
                file.close()
            self._disk.sync_dir(SUB)
        except OSError:
            with suppress(OSError):
                self._disk.unlink(name)
            return False
        return True

    def _make_room(self, size: int) -> None:
        keys = self.found()
        sizes = [self._size(key) for key in keys]
        while keys and (len(keys) >= FILES_MAX or sum(sizes) + size > BYTES_MAX):
            self._disk.unlink(_name(keys.pop(0)))
            sizes.pop(0)

    def _size(self, key: BlockKey) -> int:
        file = self._disk.open(_name(key))
        try:
            return file.size()
        finally:
            file.close()


def _name(key: BlockKey) -> str:
    return f"{SUB}/{key.epoch:014x}-{key.seq:016x}.block"


def _key(name: str) -> BlockKey | None:
    epoch, _, rest = name.partition("-")
    try:
        return BlockKey(int(epoch, 16), int(rest.removesuffix(".block"), 16))
    except ValueError:
        return None


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
