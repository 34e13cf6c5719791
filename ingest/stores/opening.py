"""Opening the file of the embedded store, for writing or for reading beside a writer."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from ingest.messages import said
from ingest.stores.api import StoreError
from ingest.stores.schema import APPLICATION_ID, SCHEMA, VERSION

_BUSY_MS = 30_000
#: The write-ahead log shrinks to this once a reader that kept it long has let go.
_LOG_BYTES_KEPT = 16 << 20


def connect(path: Path) -> sqlite3.Connection:
    """Open for writing, make the tables in a new file, check that commits will be durable.

    Raises StoreError.
    """
    new = not path.exists()
    try:
        sql = sqlite3.connect(path, isolation_level=None)
    except sqlite3.Error as error:
        raise StoreError(said("store_unopened", path=path, error=error)) from error
    try:
        sql.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        journal = sql.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        sql.execute("PRAGMA synchronous = FULL")
        sql.execute("PRAGMA wal_autocheckpoint = 1000")
        sql.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES_KEPT}")
        synchronous = sql.execute("PRAGMA synchronous").fetchone()[0]
        if journal != "wal" or synchronous < 2:
            raise StoreError(
                said("store_not_durable", path=path, journal=journal, synchronous=synchronous)
            )
        sql.execute("BEGIN IMMEDIATE")
        if _check_version(sql, path):
            for statement in SCHEMA.split(";\n"):  # executescript would end the transaction
                sql.execute(statement)
            sql.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            sql.execute(f"PRAGMA user_version = {VERSION}")
        sql.execute("COMMIT")
        if new:
            sync_directory(path.absolute().parent)
    except (sqlite3.Error, OSError, StoreError) as error:
        sql.close()
        if isinstance(error, StoreError):
            raise
        raise StoreError(said("store_error", path=path, error=error)) from error
    return sql


def connect_readonly(path: Path) -> sqlite3.Connection:
    """Open for reading, beside a receiver that writes. Raises StoreError."""
    if not path.is_file():
        raise StoreError(said("store_none", path=path))
    try:
        return _open_readonly(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname not in _NOT_WRITABLE:
            raise StoreError(said("store_error", path=path, error=error)) from error
    except sqlite3.Error as error:
        raise StoreError(said("store_error", path=path, error=error)) from error
    return _connect_immutable(path)


#: What SQLite says where it can't make the shared memory of its log beside a file.
_NOT_WRITABLE = ("SQLITE_CANTOPEN", "SQLITE_READONLY_DIRECTORY", "SQLITE_READONLY_CANTINIT")


def _connect_immutable(path: Path) -> sqlite3.Connection:
    """For a store on read-only media, or in a directory that may not be written."""
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size > 0:
        raise StoreError(said("store_log_apart", path=path, log=log.name))
    try:
        return _open_readonly(path, "mode=ro&immutable=1")
    except sqlite3.Error as error:
        raise StoreError(said("store_unread", path=path, error=error)) from error


def _open_readonly(path: Path, how: str) -> sqlite3.Connection:
    sql = sqlite3.connect(f"file:{_quoted(path)}?{how}", uri=True, isolation_level=None)
    try:
        sql.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        if _check_version(sql, path):
            raise StoreError(said("store_empty", path=path))
    except (sqlite3.Error, StoreError):
        sql.close()
        raise
    return sql


def _quoted(path: Path) -> str:
    """As SQLite's URI filenames want it (sqlite.org/uri.html section 3.1)."""
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _check_version(sql: sqlite3.Connection, path: Path) -> bool:
    """Whether the file is empty. Raises StoreError when it is not ours, or of another version."""
    version = sql.execute("PRAGMA user_version").fetchone()[0]
    application = sql.execute("PRAGMA application_id").fetchone()[0]
    tables = sql.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if not tables and not application:
        return True
    if application != APPLICATION_ID:
        raise StoreError(said("store_foreign", path=path))
    if version != VERSION:
        raise StoreError(said("store_format", path=path, version=version, ours=VERSION))
    return False


def sync_directory(directory: Path) -> None:
    """Make the new file's name durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
