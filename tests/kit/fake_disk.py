"""A disk that keeps only what it was told to keep: un-synced bytes and names are forgotten.

`crash()` gives the directory as a power cut would leave it: of each file its synced bytes and a
seeded choice of the rest (a prefix, a torn or zeroed tail); creations, renames and unlinks only
where the directory was synced after them, or by chance.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable


class _Body:
    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)
        self.synced = bytes(data)
        self.bad: list[range] = []  # bytes that the medium refuses to read


class FakeFile:
    def __init__(self, disk: FakeDisk, body: _Body) -> None:
        self._disk, self._body = disk, body
        self._is_open = True

    def _step(self, operation: str) -> None:
        if not self._is_open:
            raise OSError(errno.EBADF, "Bad file descriptor")
        self._disk.step(operation)

    def append(self, data: bytes) -> None:
        self._step("append")
        room = self._disk.free_bytes()
        self._body.data += data[:room]
        self._disk.written_bytes += min(len(data), room)
        if len(data) > room:
            raise OSError(errno.ENOSPC, "No space left on device")

    def sync(self) -> None:
        self._step("sync")
        self._disk.syncs += 1
        self._body.synced = bytes(self._body.data)

    def read(self, offset: int, size: int) -> bytes:
        self._step("read")
        if any(offset < bad.stop and bad.start < offset + size for bad in self._body.bad):
            raise OSError(errno.EIO, "Input/output error")
        return bytes(self._body.data[offset : offset + size])

    def size(self) -> int:
        return len(self._body.data)

    def truncate(self, size: int) -> None:
        self._step("truncate")
        del self._body.data[size:]

    def close(self) -> None:
        self._is_open = False  # whatever close(2) says
        self._disk.step("close")


class FakeDisk:
    """`fail` is asked before each operation, by name, and may raise OSError (or end the world)."""

    def __init__(self, capacity_bytes: int = 1 << 40) -> None:
        self.capacity_bytes = capacity_bytes
        self.fail: Callable[[str], None] = lambda operation: None
        self.operations = self.syncs = self.written_bytes = self.written_utc_ns = 0
        self._names: dict[str, _Body] = {}
        self._durable: dict[str, _Body] = {}

    def step(self, operation: str) -> None:
        self.operations += 1
        self.fail(operation)

    def list(self, sub: str = "") -> list[str]:
        self.step("list")
        split = (name.rpartition("/") for name in self._names)
        return [base for folder, _, base in split if folder == sub]

    def open(self, name: str, *, create: bool = False) -> FakeFile:
        self.step("open")
        if create:
            if name in self._names:
                raise FileExistsError(errno.EEXIST, "File exists", name)
            self._names[name] = _Body()
        elif name not in self._names:
            raise FileNotFoundError(errno.ENOENT, "No such file", name)
        return FakeFile(self, self._names[name])

    def unlink(self, name: str) -> None:
        self.step("unlink")
        if self._names.pop(name, None) is None:
            raise FileNotFoundError(errno.ENOENT, "No such file", name)

    def rename(self, old: str, new: str) -> None:
        self.step("rename")
        self._names[new] = self._names.pop(old)

    def sync_dir(self, sub: str = "") -> None:
        self.step("sync_dir")
        prefix = f"{sub}/" if sub else ""
        names = self._names.keys() | self._durable.keys()
        for name in [n for n in names if _folder(n) == prefix]:
            if name in self._names:
                self._durable[name] = self._names[name]
            else:
                del self._durable[name]

    def last_write_utc_ns(self) -> int:
        return self.written_utc_ns

    def is_read_only(self) -> bool:
        return False

    def free_bytes(self) -> int:
        return max(0, self.capacity_bytes - sum(len(b.data) for b in self._names.values()))

    # ---- what tests do to it ---------------------------------------------------------------

    def crash(self, rng: random.Random | None = None) -> FakeDisk:
        """The disk after a power cut; without `rng` everything that was not synced is gone."""
        after = FakeDisk(self.capacity_bytes)
        after.written_utc_ns = self.written_utc_ns
        names = dict(self._durable)
        if rng is not None:
            for name in sorted(self._names.keys() | self._durable.keys()):
                if rng.random() < 0.5:
                    names.pop(name, None)
                    if name in self._names:
                        names[name] = self._names[name]
        for name, body in names.items():
            kept = body.synced if rng is None else _torn(body, rng)
            after._names[name] = after._durable[name] = _Body(kept)
        return after

    def contents(self) -> dict[str, bytes]:
        return {name: bytes(body.data) for name, body in self._names.items()}

    def replace(self, name: str, data: bytes) -> None:
        """Damage at rest."""
        self._names[name] = self._durable[name] = _Body(data)

    def spoil(self, name: str, offset: int, size: int) -> None:
        """The medium can't read these bytes any more."""
        self._names[name].bad.append(range(offset, offset + size))

    def copy(self) -> FakeDisk:
        """The directory as it is, all of it durable."""
        other = FakeDisk(self.capacity_bytes)
        for name, data in self.contents().items():
            other.replace(name, data)
        return other


def _folder(name: str) -> str:
    return "".join(name.rpartition("/")[:2])


def _torn(body: _Body, rng: random.Random) -> bytes:
    """The synced bytes and some of what came after them, as sectors land in any order."""
    data, synced = bytes(body.data), body.synced
    if data[: len(synced)] != synced:  # truncated since, not synced: either may be found
        return synced if rng.random() < 0.5 else data
    tail = data[len(synced) : len(synced) + rng.randint(0, len(data) - len(synced))]
    if tail and rng.random() < 0.3:
        hole = rng.randrange(len(tail))
        tail = tail[:hole] + bytes(len(tail) - hole)
    return synced + tail
