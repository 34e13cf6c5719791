"""The segments: appending to the newest, reading any.

Runs in the disk's thread, one call at a time but for `read_block` and `read_blocks`, which open the
files for themselves. Everything here may raise OSError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from gateway.buffer import record, segment
from gateway.buffer.block import BlockKey, SealedBlock
from gateway.buffer.index import BlockLocation
from gateway.buffer.segment import PAGE_BYTES
from gateway.ports import Disk, File

#: A damaged page must not cost all blocks of a segment: the names of the catalogs that they need
#: stand in it once more, so far behind the first.
_COPY_APART_BYTES = PAGE_BYTES

#: Names of an epoch's catalogs, by epoch: of revisions 1, 2, ...
CatalogNames = Mapping[int, Sequence[bytes]]


@dataclass(slots=True)
class Appended:
    """What one `append` made durable. `sizes` and `created_utc_ns` a segment that it touched."""

    blocks: list[tuple[BlockKey, BlockLocation]] = field(default_factory=list)
    sizes: dict[int, int] = field(default_factory=dict)
    created_utc_ns: dict[int, int] = field(default_factory=dict)
    written_bytes: int = 0

    def forget_unsynced(self) -> None:
        """After a failure: keep what was synced before it."""
        self.blocks = [(key, location) for key, location in self.blocks if self._has(location)]

    def _has(self, location: BlockLocation) -> bool:
        return location.offset + location.size <= self.sizes.get(location.segment, 0)


@dataclass(slots=True)
class _Copies:
    """Copies of one record of catalog names in a segment: where the first ends, how many there are,
    whether two of them are far enough apart.
    """

    first_end: int
    count: int = 1
    are_apart: bool = False


@dataclass(slots=True)
class _Active:
    """The segment that is being written. `size` counts what waits in `waiting` too."""

    number: int
    file: File
    created_utc_ns: int
    waiting: bytearray = field(default_factory=bytearray)
    size: int = 0
    synced: int = 0
    names: dict[tuple[int, int], _Copies] = field(default_factory=dict)


class Log:
    """The writing end. After an OSError call `abandon`: the next append begins a new segment."""

    def __init__(
        self, disk: Disk, gateway: str, utc_ns: Callable[[], int], segment_bytes: int, first: int
    ) -> None:
        self._disk, self._gateway, self._utc_ns = disk, gateway, utc_ns
        self._segment_bytes = segment_bytes
        self._next = first
        self._active: _Active | None = None

    @property
    def active(self) -> int | None:
        """The segment that the next append goes to, if it has room."""
        return self._active.number if self._active else None

    def append(
        self,
        batch: Sequence[SealedBlock],
        names: CatalogNames,
        done: Appended,
    ) -> None:
        """Write blocks, each after the names of its catalogs, and sync: all are durable and in
        `done`.

        If it raises, `done` has those that were synced with an earlier segment.
        """
        try:
            for block in batch:
                self._append(block, names, done)
            self._copy_names(names)
            self._sync(done)
        except OSError:
            done.forget_unsynced()
            raise

    def _append(self, block: SealedBlock, names: CatalogNames, done: Appended) -> None:
        if self._active is not None and self._active.size >= self._segment_bytes:
            self._copy_names(names)
            self._finish(done)
        active = self._active or self._begin(done)
        key = (block.epoch, block.catalog_revision)
        if block.epoch in names and key not in active.names:
            self._add_names(active, key, names)
            active.names[key] = _Copies(first_end=active.size)
        framed = record.pack(
            record.BLOCK,
            block.data,
            flags=record.FLAG_END_OF_EPOCH if block.end_of_epoch else 0,
            revision=block.catalog_revision,
            epoch=block.epoch,
            seq=block.seq,
            time_ns=block.oldest_ns,
            scans=block.scans,
            samples=block.samples,
        )
        location = self._add(active, framed, block.scans)
        done.blocks.append((BlockKey(block.epoch, block.seq), location))

    def _add_names(self, active: _Active, key: tuple[int, int], names: CatalogNames) -> None:
        body = b"".join(names[key[0]][: key[1]])
        self._add(active, record.pack(record.NAMES, body, epoch=key[0], revision=key[1]), 0)

    def _copy_names(self, names: CatalogNames) -> None:
        """Add the copies that are due before a sync.

        The second goes into the same sync as the first, behind its blocks: one damaged bit must
        never cost them all. Where that is too near, a third follows when enough lies between.
        """
        active = self._active
        if active is None:
            return
        for key, copies in active.names.items():
            is_far = active.size >= copies.first_end + _COPY_APART_BYTES
            if copies.count == 1 or (is_far and not copies.are_apart):
                self._add_names(active, key, names)
                copies.count += 1
                copies.are_apart = is_far

    def _finish(self, done: Appended) -> None:
        """Close the active segment; what waits in it is written and synced first."""
        self._sync(done)
        active, self._active = self._active, None
        if active is not None:
            active.file.close()

    def abandon(self) -> None:
        """Give the active segment up after an error, and cut what was never confirmed of it."""
        active, self._active = self._active, None
        if active is None:
            return
        # The disk has just failed: what it still refuses here, opening the buffer will mend.
        with suppress(OSError):
            active.file.truncate(active.synced)
        with suppress(OSError):
            active.file.close()
        if active.synced == 0:
            with suppress(OSError):
                self._disk.unlink(segment.name(active.number))

    def unlink(self, number: int) -> None:
        if self._active is not None and self._active.number == number:
            active, self._active = self._active, None
            active.file.close()
        with suppress(FileNotFoundError):  # somebody else emptied the directory
            self._disk.unlink(segment.name(number))
        self._disk.sync_dir()

    def _begin(self, done: Appended) -> _Active:
        number, self._next = self._next, self._next + 1
        utc_ns = self._utc_ns()
        file = self._disk.open(segment.name(number), create=True)
        active = self._active = _Active(number, file, utc_ns)
        framed = record.pack(record.SEGMENT, self._gateway.encode(), time_ns=utc_ns)
        self._add(active, framed, 0)
        done.created_utc_ns[number] = utc_ns
        return active

    def _add(self, active: _Active, framed: bytes, scans: int) -> BlockLocation:
        location = BlockLocation(active.number, active.size, len(framed), scans)
        active.waiting += framed
        active.size += len(framed)
        return location

    def _sync(self, done: Appended) -> None:
        active = self._active
        if active is None or not active.waiting:
            return
        active.file.append(bytes(active.waiting))
        active.file.sync()
        if active.synced == 0:
            self._disk.sync_dir()
        done.written_bytes += len(active.waiting)
        done.sizes[active.number] = active.size
        active.synced = active.size
        active.waiting.clear()


def read_block(disk: Disk, key: BlockKey, location: BlockLocation) -> SealedBlock | None:
    """The block at `location`; None if its record is damaged."""
    found = _read(disk, location)
    if found is None:
        return None
    head, body = found
    if (head.kind, head.epoch, head.seq) != (record.BLOCK, *key):
        return None
    ends = bool(head.flags & record.FLAG_END_OF_EPOCH)
    return SealedBlock(
        head.epoch, head.seq, head.revision, body, head.time_ns, head.scans, head.samples, ends
    )


def read_blocks(
    disk: Disk, wanted: Sequence[tuple[BlockKey, BlockLocation]]
) -> list[SealedBlock | OSError | None]:
    """`read_block` of each, or what it raised."""
    result: list[SealedBlock | OSError | None] = []
    for key, location in wanted:
        try:
            result.append(read_block(disk, key, location))
        except OSError as error:
            result.append(error)
    return result


def _read(disk: Disk, location: BlockLocation) -> tuple[record.Header, bytes] | None:
    file = disk.open(segment.name(location.segment))
    try:
        return segment.read_record(file, location.offset)
    finally:
        file.close()
