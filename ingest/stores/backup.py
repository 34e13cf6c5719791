"""A copy of the embedded store that can be put back, taken while a receiver writes."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from ingest.messages import said
from ingest.stores.api import StoreError
from ingest.stores.opening import connect_readonly, sync_directory


def backup(store: Path, target: Path) -> int:
    """One state of the store, complete and durable in `target` when this returns; its bytes. A
    name that is taken stays as it is. Raises StoreError."""
    if target.exists():
        raise StoreError(said("backup_there", target=target))
    part = target.with_name(target.name + ".part")
    sql = connect_readonly(store)
    try:
        part.unlink(missing_ok=True)
        sql.execute("VACUUM INTO ?", (str(part),))
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
        sync_directory(target.absolute().parent)
    except (sqlite3.Error, OSError) as error:
        part.unlink(missing_ok=True)
        raise StoreError(said("backup_failed", target=target, error=error)) from error
    finally:
        sql.close()
    return target.stat().st_size
