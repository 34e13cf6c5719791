"""Catalogs and tag sets: kept once a box, named by their content.

A file `sets/<32 hex digits>` holds one content twice, as records (see `record`), a page between
them, so that neither a damaged bit nor a page that can't be read costs what many blocks need. Its
name is the first 16 bytes of SHA-256 of the content, so a file is never changed: a run with an
unchanged configuration finds its own there. Segments name the catalogs that their blocks need; a
file that nothing names any more is removed.
"""

from __future__ import annotations

import errno
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from functools import partial

from google.protobuf.message import DecodeError
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import record, segment
from gateway.buffer.disk import DiskThread, Failures
from gateway.catalog import ID_BYTES, content_id
from gateway.ports import Clock, Disk

SUB = "sets"
#: Number of catalogs whose periods are cached: blocks that are lost together are mostly of one
#: epoch.
_PERIODS_MAX = 4


def found(disk: Disk) -> dict[bytes, int]:
    """What is there, with the size of each file. Raises OSError."""
    sizes = {}
    for name in disk.list(SUB):
        if (key := _key(name)) is None:
            continue
        try:
            with closing(disk.open(_name(key))) as file:
                sizes[key] = file.size()
        except OSError as error:
            if error.errno not in segment.MEDIUM_ERRORS:
                raise
            sizes[key] = 0
    return sizes


def file_bytes(size: int) -> int:
    """What a content of `size` bytes takes."""
    return 2 * (record.HEADER_BYTES + size) + segment.PAGE_BYTES


def read(disk: Disk, key: bytes) -> bytes | None:
    """The content of this name; None if there is none, or none that is whole. Raises OSError if
    that is not known.
    """
    refused: OSError | None = None
    try:
        with closing(disk.open(_name(key))) as file:
            for location in segment.scan(file, bodies=False, around=True):
                if isinstance(location, segment.Damage):
                    if location.unread:
                        refused = OSError(errno.EIO, "the medium refuses a page")
                    continue
                if location.header.kind != record.CONTENT:
                    continue
                try:
                    whole = segment.read_record(file, location.offset)
                except OSError as error:  # the other copy may be whole
                    refused = error
                    continue
                if whole is not None and content_id(whole[1]) == key:
                    return whole[1]
    except FileNotFoundError:
        return None
    if refused is not None:
        raise refused
    return None


def write(disk: Disk, key: bytes, content: bytes) -> int:
    """Make it durable, but for its name; the size of the file. Raises OSError."""
    framed = record.pack(record.CONTENT, content)
    data = framed + bytes(segment.PAGE_BYTES) + framed
    with suppress(FileNotFoundError):
        disk.unlink(_name(key))
    with closing(disk.open(_name(key), create=True)) as file:
        file.append(data)
        file.sync()
    return len(data)


def tag_sets_of(content: bytes) -> frozenset[bytes]:
    """The tag sets that a catalog's groups name."""
    try:
        return frozenset(group.tag_set for group in pb.CatalogContent.FromString(content).groups)
    except DecodeError:  # its name says that it is what was put
        return frozenset()


class Sets:
    """`sizes` is what `found` found; `names` of the catalogs of this run and of each epoch that has
    segments, of revisions 1, 2, ... The event loop's thread but where it says otherwise.
    """

    def __init__(
        self,
        disk: Disk,
        clock: Clock,
        disk_thread: DiskThread,
        sizes: dict[bytes, int],
        names: dict[int, tuple[bytes, ...]],
    ) -> None:
        self._disk, self._disk_thread, self._sizes = disk, disk_thread, sizes
        self.names = names
        self._collect_due = bool(sizes)
        self._failures = Failures(clock)
        self._gone: set[bytes] = set()  # what the medium has lost
        self._fresh: dict[bytes, bytes] = {}  # of this run, not yet on disk
        self._whole: set[bytes] = set()  # on disk, and read or written by this run
        self._named: dict[bytes, frozenset[bytes]] = {}  # by catalog
        self._own: dict[bytes, dict[int, int]] = {}  # periods of this run, whatever the disk does
        self._periods: OrderedDict[bytes, dict[int, int]] = OrderedDict()

    @property
    def disk_bytes(self) -> int:
        """What the files take."""
        return sum(self._sizes.values())

    def put(self, epoch: int, catalog: bytes, tag_sets: Mapping[bytes, bytes]) -> None:
        """The next revision of this run, and the tag sets that it names."""
        name = content_id(catalog)
        self.names[epoch] = (*self.names.get(epoch, ()), name)
        self._named[name] = tag_sets_of(catalog)
        self._own[name] = _periods(catalog)
        for key, content in ((name, catalog), *tag_sets.items()):
            self._gone.discard(key)
            if key not in self._whole:
                self._fresh[key] = content

    def forget(self, epoch: int) -> None:
        """Nothing is kept of an earlier epoch."""
        if self.names.pop(epoch, None) is not None:
            self._collect_due = True

    async def collect(self) -> None:
        """Remove what no kept epoch needs. Raises OSError."""
        if self._collect_due:
            needed = [name for names in self.names.values() for name in names]
            await self._disk_thread(partial(self._collect, needed))
            self._collect_due = False

    async def read(self, key: bytes) -> bytes | None:
        """A content; None if it is gone. Raises OSError while it can't be read."""
        if key in self._fresh:
            return self._fresh[key]
        if key in self._gone:
            return None
        try:
            content = await self._disk_thread(partial(read, self._disk, key))
        except OSError as error:
            if not self._failures.is_gone(key, error):
                raise
            self._gone.add(key)
            content = None
        self._failures.forget(key)
        return content

    # ---- in the disk's thread --------------------------------------------------------------

    def missing_bytes(self, epoch: int) -> int:
        """What `store` would add. Any thread."""
        return sum(
            file_bytes(len(self._fresh[key]))
            for key in self._with_tag_sets(self.names.get(epoch, ()))
            if key in self._fresh and key not in self._sizes
        )

    def store(self, epoch: int) -> int:
        """Make what this run's blocks need durable; the bytes written. Raises OSError."""
        written, made = 0, False
        needed = self._with_tag_sets(self.names.get(epoch, ()))
        keys = [key for key in needed if key in self._fresh]
        for key in keys:
            if key not in self._sizes or not self._is_whole(key):
                self._sizes[key] = size = write(self._disk, key, self._fresh[key])
                written, made = written + size, True
        if made:
            self._disk.sync_dir(SUB)
        for key in keys:
            self._whole.add(key)
            del self._fresh[key]
        return written

    def _collect(self, catalogs: Iterable[bytes]) -> None:
        """Nothing is removed while one of `catalogs` can't be read."""
        needed: set[bytes] = set()
        for key in catalogs:
            needed.add(key)
            try:
                needed |= self._tag_sets(key)
            except OSError:
                return
        gone = [key for key in self._sizes if key not in needed]
        for key in gone:
            with suppress(FileNotFoundError):
                self._disk.unlink(_name(key))
            del self._sizes[key]
            self._whole.discard(key)
            self._named.pop(key, None)
        if gone:
            self._disk.sync_dir(SUB)

    def periods(self, epoch: int, revision: int) -> dict[int, int]:
        """The period of each group that an epoch's revisions 1 to this one name, as far as they can
        be read. Any thread.
        """
        merged: dict[int, int] = {}
        for key in self.names.get(epoch, ())[:revision]:
            merged |= self._periods_of(key)
        return merged

    def _periods_of(self, key: bytes) -> dict[int, int]:
        known = self._own.get(key) or self._periods.get(key)
        if known is None:
            try:
                content = read(self._disk, key)
            except OSError:
                content = None
            known = _periods(content or b"")
            if content is not None:
                self._periods[key] = known
                while len(self._periods) > _PERIODS_MAX:
                    self._periods.popitem(last=False)
        return known

    def _tag_sets(self, catalog: bytes) -> frozenset[bytes]:
        known = self._named.get(catalog)
        if known is None:
            content = read(self._disk, catalog)
            known = frozenset() if content is None else tag_sets_of(content)
            if content is not None:
                self._named[catalog] = known
        return known

    def _with_tag_sets(self, catalogs: Iterable[bytes]) -> list[bytes]:
        """In the order in which a reader needs them."""
        keys: dict[bytes, None] = {}
        for key in catalogs:
            for tag_set in sorted(self._named.get(key, ())):
                keys[tag_set] = None
            keys[key] = None
        return list(keys)

    def _is_whole(self, key: bytes) -> bool:
        try:
            return read(self._disk, key) is not None
        except OSError:
            return False


def _periods(catalog: bytes) -> dict[int, int]:
    return {group.id: group.period_ns for group in pb.CatalogContent.FromString(catalog).groups}


def _name(key: bytes) -> str:
    return f"{SUB}/{key.hex()}"


def _key(name: str) -> bytes | None:
    try:
        key = bytes.fromhex(name)
    except ValueError:
        return None
    return key if len(key) == ID_BYTES else None
