"""`jiahe buffer export`: what waits on the disk, as a file that `jiahe-ingest import` takes.

Reads only, so beside a running daemon too: what that still has in RAM is not in the file, and what
it drops meanwhile is left out. The file is described in proto/README.md, "Export files".
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import log, recovery, segment, sets
from gateway.buffer.block import BlockKey
from gateway.buffer.disk import OsFile
from gateway.buffer.index import BlockLocation
from gateway.ports import File
from native.crc import crc32c

_T = TypeVar("_T")

MAGIC = b"JIAHEEX1"
_HEAD = struct.Struct("<II")


class Exported(NamedTuple):
    """`left_out`: blocks that are damaged, or whose catalog is; not what a daemon dropped. `newer`:
    segments of a later version, whose blocks only that one can export.
    """

    blocks: int
    bytes: int
    left_out: int
    newer: tuple[str, ...] = ()


class ReadOnlyDisk:
    """A directory of which nothing is changed, and that is not locked."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def list(self, sub: str = "") -> list[str]:
        try:
            with os.scandir(self._path / sub) as entries:
                return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        except FileNotFoundError:
            if sub:
                return []
            raise

    def open(self, name: str, *, create: bool = False) -> File:
        if create:
            raise _read_only()
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
        return _ReadOnlyFile(os.open(self._path / name, flags))

    def unlink(self, name: str) -> None:
        raise _read_only()

    def rename(self, old: str, new: str) -> None:
        raise _read_only()

    def sync_dir(self, sub: str = "") -> None:
        raise _read_only()

    def free_bytes(self) -> int:
        return 0

    def is_read_only(self) -> bool:
        return True

    def last_write_utc_ns(self) -> int:
        return 0


class _ReadOnlyFile(OsFile):
    def append(self, data: bytes) -> None:
        raise _read_only()

    def truncate(self, size: int) -> None:
        raise _read_only()


def _read_only() -> OSError:
    return OSError(errno.EROFS, "only read")


def export(directory: Path, gateway: str, software: str, machine: bytes, file: Path) -> Exported:
    """Write everything that `directory` keeps for this gateway. Raises OSError, and
    BufferUnusableError for another gateway's files.
    """
    disk = ReadOnlyDisk(directory)
    found, known = recovery.recover(disk, gateway)
    epochs = sorted(number for number, epoch in found.index.epochs.items() if epoch.live)
    newest = known.now
    hello = pb.Hello(
        protocol_min=1,
        protocol_max=1,
        gateway=gateway,
        epoch=newest.epoch if newest else max(epochs, default=0),
        boot_id=newest.boot_id if newest else "",
        installation=known.installation,
        machine=machine,
        software=software,
    )
    writer = _Writer(file)
    try:
        writer.add(pb.StreamRequest(hello=hello))
        kept = _Kept(disk, found)
        for epoch in epochs:
            for request in kept.of(epoch):
                writer.add(request)
        size = writer.finish()
    except BaseException:
        writer.abandon()
        raise
    newer = tuple(name for name in found.newer if segment.number(name) is not None)
    return Exported(kept.blocks, size, kept.left_out, newer)


class _Kept:
    """The blocks of a buffer, each after what it needs."""

    def __init__(self, disk: ReadOnlyDisk, found: recovery.Recovered) -> None:
        self._disk, self._found = disk, found
        self._sets: set[bytes] = set()
        self._revisions: set[tuple[int, int]] = set()
        self.blocks = self.left_out = 0

    def of(self, epoch: int) -> Iterator[pb.StreamRequest]:
        for seq in self._found.index.epochs[epoch].live.numbers():
            key = BlockKey(epoch, seq)
            lies = self._found.index.location(key)
            block = None if lies is None else _read(partial(log.read_block, self._disk, key, lies))
            needed = None if block is None else list(self._needed(epoch, block.catalog_revision))
            if block is None or needed is None or None in needed:
                self.left_out += self._is_kept(lies)
                continue
            yield from (request for request in needed if request is not None)
            self.blocks += 1
            yield pb.StreamRequest(block=pb.Block.FromString(block.data))

    def _is_kept(self, location: BlockLocation | None) -> bool:
        """A daemon removes a file once nothing of it is needed, and catalogs after that."""
        return location is not None and segment.name(location.segment) in self._disk.list()

    def _needed(self, epoch: int, revision: int) -> Iterator[pb.StreamRequest | None]:
        """What is not in the file yet; None: it is gone."""
        names = self._found.names.get(epoch, ())
        for number in range(1, revision + 1):
            if (epoch, number) in self._revisions:
                continue
            name = names[number - 1] if number <= len(names) else b""
            content = _read(partial(sets.read, self._disk, name))
            if content is None:
                yield None
                return
            for tag_set in sorted(sets.tag_sets_of(content) - self._sets):
                tags = _read(partial(sets.read, self._disk, tag_set))
                if tags is None:
                    yield None
                    return
                self._sets.add(tag_set)
                yield pb.StreamRequest(tag_set=pb.TagSet(content=tags))
            self._revisions.add((epoch, number))
            catalog = pb.Catalog(epoch=epoch, revision=number, id=name, content=content)
            yield pb.StreamRequest(catalog=catalog)


def _read(call: Callable[[], _T | None]) -> _T | None:
    """What is there; None where the disk does not give it."""
    try:
        return call()
    except OSError:
        return None


class _Writer:
    """The file, under another name until it is whole."""

    def __init__(self, file: Path) -> None:
        self._file, self._part = file, file.with_name(f"{file.name}.part")
        self._opened = self._part.open("wb")
        self._opened.write(MAGIC)
        self._count = 0

    def add(self, request: pb.StreamRequest) -> None:
        data = request.SerializeToString()
        self._opened.write(_HEAD.pack(len(data), crc32c(data)) + data)
        self._count += 1

    def finish(self) -> int:
        """The size of the file."""
        self._opened.write(_HEAD.pack(0, self._count))
        self._opened.flush()
        os.fsync(self._opened.fileno())
        size = self._opened.tell()
        self._opened.close()
        self._part.replace(self._file)
        return size

    def abandon(self) -> None:
        self._opened.close()
        self._part.unlink(missing_ok=True)
