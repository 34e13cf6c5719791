"""Where blocks become durable. `open_store` turns the URL of `--store` into a Store."""

from __future__ import annotations

from pathlib import Path

from ingest.messages import said
from ingest.stores.api import StoreError


def sqlite_path(url: str) -> Path:
    """The file that `sqlite:PATH` names. Raises StoreError in words for anything else."""
    scheme, colon, path = url.partition(":")
    if not colon:
        raise StoreError(said("store_no_scheme", url=url))
    if scheme != "sqlite":
        raise StoreError(said("store_sqlite_only", url=url))
    if not path or path.startswith(":"):
        raise StoreError(said("store_in_memory", url=url))
    if "?" in path:
        raise StoreError(said("store_options", url=url))
    return Path(path)
