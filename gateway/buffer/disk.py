"""The real disk: one directory, one daemon."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from gateway.buffer.block import BufferUnusableError

_LOCK = "lock"


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
        os.close(self._descriptor)


class OsDisk:
    """A directory, made if missing (mode 0700), and locked against a second daemon while open."""

    def __init__(self, path: Path) -> None:
        """Raises BufferUnusableError("buffer.locked", path, pid) or OSError."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._lock = os.open(path / _LOCK, flags, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip()
            os.close(self._lock)
            raise BufferUnusableError("buffer.locked", path=str(path), pid=pid or "?") from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, b"%d\n" % os.getpid(), 0)

    def close(self) -> None:
        """Let another daemon in. Nothing may be used afterwards."""
        os.close(self._lock)

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
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        if create:
            flags |= os.O_CREAT | os.O_EXCL
            if path.parent != self._path:
                path.parent.mkdir(mode=0o700, exist_ok=True)
        return OsFile(os.open(path, flags, 0o600))

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

    def free_bytes(self) -> int:
        found = os.statvfs(self._path)
        return found.f_bavail * found.f_frsize
