"""One receiver a store: a second one would acknowledge what the first knows nothing of."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ingest.messages import said
from ingest.stores.api import StoreError


class StoreLock:
    """Held until `close`, or until the process ends in whatever way.

    It is a file of its own beside the store: closing any descriptor of the database file itself
    would drop the locks that SQLite holds on it (fcntl(2), "Advisory record locking"). The file
    stays, with the number of the last process in it: removing it would let two processes lock two
    files of one name.
    """

    def __init__(self, store: Path) -> None:
        """Raises StoreError when another process holds the store, or the file can't be made."""
        real = store.resolve()
        path = real.with_name(real.name + "-lock")
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise StoreError(
                said("lock_failed", store=store, lock=path.name, error=error)
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(file, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(file)
            raise StoreError(said("store_in_use", store=store, pid=pid)) from None
        os.ftruncate(file, 0)
        os.pwrite(file, b"%d\n" % os.getpid(), 0)
        self._file: int | None = file

    def close(self) -> None:
        """Let another receiver have the store. Idempotent."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
