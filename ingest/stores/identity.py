"""Whether the file that is open is still the one that its name says.

A store that was moved away, or put back from a backup, under a running receiver would go on taking
what nobody finds later. SQLite does not notice: an open file needs no name.
"""

from __future__ import annotations

from pathlib import Path

from ingest.messages import said
from ingest.stores.api import StoreError

_Identity = tuple[int, int]


def _identity(path: Path) -> _Identity | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


class FileIdentity:
    """Of a store's file, and of its log once there is one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(path.name + "-wal")
        self._file_is = _identity(path)
        self._log_is: _Identity | None = None
        self._lost: str | None = None

    def may_have_a_new_log(self) -> None:
        """A connection was closed or opened: who closes the last one removes the log."""
        self._log_is = None

    def check(self) -> None:
        """Raises StoreError when one of them is another, or none; then always."""
        if self._lost is None:
            try:
                self._look()
            except StoreError as error:
                self._lost = str(error)
        if self._lost is not None:
            raise StoreError(self._lost)

    def _look(self) -> None:
        if _identity(self._path) != self._file_is:
            raise StoreError(said("store_moved", path=self._path))
        log = _identity(self._log)
        if self._log_is is None:
            self._log_is = log
        elif log != self._log_is:
            raise StoreError(said("log_moved", path=self._log))
