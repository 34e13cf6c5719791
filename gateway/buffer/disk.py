"""The real disk: one directory, one daemon. Its threads, as the event loop calls them; and what the
disk fails to read: asked again later, or gone for good.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections.abc import Callable, Hashable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from gateway.buffer.block import BufferUnusableError
from gateway.buffer.segment import MEDIUM_ERRORS
from gateway.ports import Clock, RunBlocking

#: What the medium fails to read so often counts as damaged; each time this long after the one
#: before, however often it is tried meanwhile: a card may refuse everything while it is reset.
READ_FAILURES_MAX, APART_NS = 3, 60 * 10**9
_LOCK = "lock"
_NOT_WRITABLE = frozenset({errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO})


_T = TypeVar("_T")


class OsFile:
    """A file by its descriptor. Any thread; appends are one at a time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def append(self, data: bytes) -> None:
        view = memoryview(data)
        offset = os.fstat(self._descriptor).st_size
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            if written == 0:
                raise OSError(errno.EIO, "the disk took nothing")
            offset += written
            view = view[written:]

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def read(self, offset: int, size: int) -> bytes:
        parts = []
        while size > 0:
            part = os.pread(self._descriptor, size, offset)
            if not part:
                break
            parts.append(part)
            offset, size = offset + len(part), size - len(part)
        return b"".join(parts)

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        # First, for the descriptor is another file's soon, also where closing it fails.
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)


class OsDisk:
    """A directory, made if missing (mode 0700), and locked against a second daemon while open.

    The directory itself is locked and a file in it. A disk that is full or read-only has perhaps no
    such file, and must not keep the daemon from running in RAM.
    """

    def __init__(self, path: Path) -> None:
        """Raises BufferUnusableError("buffer.locked", path, pid) or OSError."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        file = _open_lock(path)
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._locks = [directory] if file is None else [directory, file]
        try:
            for descriptor in self._locks:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise BufferUnusableError("buffer.locked", path=str(path), pid=_pid(path)) from None
        if file is not None:
            with suppress(OSError):  # it is for messages only
                os.ftruncate(file, 0)
                os.pwrite(file, b"%d\n" % os.getpid(), 0)

    def close(self) -> None:
        """Let another daemon in. Nothing may be used afterwards."""
        for descriptor in self._locks:
            os.close(descriptor)

    def list(self, sub: str = "") -> list[str]:
        try:
            with os.scandir(self._path / sub) as entries:
                return [e.name for e in entries if e.is_file(follow_symlinks=False)]
        except FileNotFoundError:
            if sub:
                return []  # made when it is first needed
            raise

    def open(self, name: str, *, create: bool = False) -> OsFile:
        path = self._path / name
        flags = os.O_CLOEXEC | os.O_NOFOLLOW
        if create:
            if path.parent != self._path and not path.parent.is_dir():
                path.parent.mkdir(mode=0o700)
                self.sync_dir()
            return OsFile(os.open(path, flags | os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            return OsFile(os.open(path, flags | os.O_RDWR))
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
            return OsFile(os.open(path, flags | os.O_RDONLY))

    def unlink(self, name: str) -> None:
        (self._path / name).unlink()

    def rename(self, old: str, new: str) -> None:
        (self._path / old).replace(self._path / new)

    def sync_dir(self, sub: str = "") -> None:
        descriptor = os.open(self._path / sub, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def last_write_utc_ns(self) -> int:
        with os.scandir(self._path) as entries:
            times = [e.stat(follow_symlinks=False).st_mtime_ns for e in entries if e.name != _LOCK]
        return max(times, default=0)

    def is_read_only(self) -> bool:
        return bool(os.statvfs(self._path).f_flag & os.ST_RDONLY)

    def free_bytes(self) -> int:
        found = os.statvfs(self._path)
        return found.f_bavail * found.f_frsize


def _open_lock(path: Path) -> int | None:
    """The lock file; None on a disk where there is none and none can be made."""
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path / _LOCK, flags | os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        if error.errno not in _NOT_WRITABLE:
            raise
    try:
        return os.open(path / _LOCK, flags | os.O_RDONLY)
    except OSError:
        return None


def _pid(path: Path) -> str:
    """Process id of the daemon that holds the lock; "?" if the lock file has none."""
    try:
        return (path / _LOCK).read_text("ascii", "replace").strip() or "?"
    except OSError:
        return "?"


class DiskThread:
    """Call it with what the disk is to do."""

    def __init__(self, run_blocking: RunBlocking, clock: Clock) -> None:
        self._run_blocking, self._clock = run_blocking, clock
        self._begun_ns: dict[int, int] = {}
        self._number = 0

    async def __call__(self, function: Callable[[], _T]) -> _T:
        """Run `function` in a thread; if cancelled, only after it has ended there."""
        result: list[_T] = []
        self._number += 1
        number = self._number
        self._begun_ns[number] = self._clock.now_ns()
        call = asyncio.ensure_future(self._run_blocking(lambda: result.append(function())))
        try:
            await asyncio.shield(call)
        except asyncio.CancelledError:
            await asyncio.wait([call])
            raise
        finally:
            del self._begun_ns[number]
        return result[0]

    @property
    def calls(self) -> int:
        """How often it was called."""
        return self._number

    def waits_ns(self) -> int:
        """For how long the disk has not answered; 0: nothing is asked of it."""
        oldest = min(self._begun_ns.values(), default=None)
        return 0 if oldest is None else self._clock.now_ns() - oldest


class Failures:
    """How often each thing, by its name, could not be read."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: dict[Hashable, tuple[int, int]] = {}  # how often, and when last

    def is_gone(self, name: Hashable, error: OSError) -> bool:
        """Count one more failure, if it is one; whether that was the last."""
        if isinstance(error, FileNotFoundError):  # somebody else removed it: as good as damaged
            return True
        if error.errno not in MEDIUM_ERRORS:
            return False
        now_ns = self._clock.now_ns()
        count, last_ns = self._failed.get(name, (0, 0))
        if count == 0 or now_ns - last_ns >= APART_NS:
            count += 1
            self._failed[name] = count, now_ns
        return count >= READ_FAILURES_MAX

    def forget(self, name: Hashable) -> None:
        """It was read, or is gone."""
        self._failed.pop(name, None)
