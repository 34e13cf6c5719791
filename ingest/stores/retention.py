"""What is let go of: payloads that are older, or more, than the platform wants to keep here.

Names, ranges and the books outlive them: a block that was let go is still held, so it is
acknowledged and never stored twice, and an audit still counts it. Only its values can't be read any
more.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

from ingest.messages import said
from ingest.stores.api import StoreError

_DAY_NS = 86_400 * 1_000_000_000
_BYTES = {"MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
#: Payloads of one transaction: others wait for no longer.
_STEP = 200


@dataclass(frozen=True, slots=True)
class Keep:
    """None: without limit. Bytes: of the file, less what is free in it."""

    age_ns: int | None = None
    size: int | None = None


def parse_keep(texts: list[str]) -> Keep:
    """Of "400d" and "200GiB". Raises StoreError."""
    age_ns = size = None
    for text in texts:
        match = re.fullmatch(r"(\d+)\s*(d|MiB|GiB|TiB)", text)
        if match is None or int(match[1]) == 0:
            raise StoreError(said("keep", text=text))
        if match[2] == "d":
            age_ns = int(match[1]) * _DAY_NS
        else:
            size = int(match[1]) * _BYTES[match[2]]
    return Keep(age_ns, size)


def let_go(sql: sqlite3.Connection, keep: Keep, utc_ns: int) -> bool:
    """Let some payloads go, the oldest first; whether there may be more. In an open transaction."""
    gone = 0
    if keep.age_ns is not None:
        gone = sql.execute(
            "UPDATE payloads SET content = NULL WHERE payload IN (SELECT payload FROM payloads"
            " WHERE content IS NOT NULL AND received_utc_ns < ? ORDER BY received_utc_ns LIMIT ?)",
            (utc_ns - keep.age_ns, _STEP),
        ).rowcount
    if gone == 0 and keep.size is not None and used_bytes(sql) > keep.size:
        gone = sql.execute(
            "UPDATE payloads SET content = NULL WHERE payload IN (SELECT payload FROM payloads"
            " WHERE content IS NOT NULL ORDER BY received_utc_ns LIMIT ?)",
            (_STEP,),
        ).rowcount
    return gone > 0


def used_bytes(sql: sqlite3.Connection) -> int:
    """Of the file: what is not free in it."""
    (pages,) = sql.execute("PRAGMA page_count").fetchone()
    (free,) = sql.execute("PRAGMA freelist_count").fetchone()
    (size,) = sql.execute("PRAGMA page_size").fetchone()
    return int(pages - free) * int(size)
