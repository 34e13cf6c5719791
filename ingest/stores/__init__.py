"""Where blocks become durable. `open_store` turns the URL of `--store` into a Store."""

from __future__ import annotations

from pathlib import Path

from ingest.stores.api import StoreError


def sqlite_path(url: str) -> Path:
    """The file that `sqlite:PATH` names. Raises StoreError in words for anything else."""
    scheme, colon, path = url.partition(":")
    if not colon:
        raise StoreError(f"--store {url!r} has no scheme; write sqlite:PATH, e.g. sqlite:ingest.db")
    if scheme != "sqlite":
        raise StoreError(f"--store {url!r}: this version has sqlite only; write sqlite:PATH")
    if not path or path.startswith(":"):
        raise StoreError(
            f"--store {url!r}: a store in memory would forget what it acknowledged; name a file"
        )
    if "?" in path:
        raise StoreError(
            f"--store {url!r}: sqlite has no options (it always commits with synchronous=FULL); "
            "leave out what follows '?'"
        )
    return Path(path)
