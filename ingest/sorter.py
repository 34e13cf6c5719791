"""Rows in order, in bounded memory: SQLite sorts them in a temporary file of its own."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ingest.messages import said


class SortError(Exception):
    """The rows can't be sorted; the text says why, and what to do."""


class Sorter:
    """A table of so many columns, in a temporary file; `close` lets it go."""

    def __init__(self, columns: int) -> None:
        self._sql = sqlite3.connect("", isolation_level=None)
        self._sql.execute("PRAGMA journal_mode = OFF")
        names = ", ".join(f"c{number}" for number in range(columns))
        self._sql.execute(f"CREATE TABLE row ({names})")
        self._sql.execute("BEGIN")
        marks = ", ".join("?" * columns)
        self._insert = f"INSERT INTO row VALUES ({marks})"  # noqa: S608 - marks only

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Raises SortError; whatever `rows` raises passes."""
        try:
            self._sql.executemany(self._insert, rows)
        except sqlite3.OperationalError as error:
            raise _worded(error) from error

    def sorted(self, *columns: int) -> Iterator[Any]:
        """All rows by these columns, equal ones in the order in which they were added."""
        order = ", ".join(f"c{number}" for number in columns)
        query = f"SELECT * FROM row ORDER BY {order}, rowid"  # noqa: S608 - numbers only
        try:
            yield from self._sql.execute(query)
        except sqlite3.OperationalError as error:
            raise _worded(error) from error

    def close(self) -> None:
        self._sql.close()


def _worded(error: sqlite3.OperationalError) -> SortError:
    folder = os.environ.get("SQLITE_TMPDIR") or tempfile.gettempdir()
    return SortError(said("sort_failed", folder=folder, error=error))
