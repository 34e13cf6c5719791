"""Blocks that the platform refused: kept for people to look at, the newest hundred.

A file `rejected/<epoch>-<seq>.block` holds the serialized Reject's length (4 bytes, little-endian),
the Reject, and the serialized Block. They are bounded in number and bytes; the oldest make room.
"""

from __future__ import annotations

import struct
from contextlib import suppress

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer.block import BlockKey, SealedBlock
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
