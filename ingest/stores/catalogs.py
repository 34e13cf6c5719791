"""Tag sets and catalogs in the tables. Functions of an open transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ingest.catalog import content_id
from ingest.layouts import next_chain
from ingest.messages import said
from ingest.stores.api import Outcome, Outcomes, PutCatalog, PutTagSet, StoreError
from ingest.stores.epochs import epoch_row


def revisions(sql: sqlite3.Connection, gateway: str, epoch: int, revision: int) -> list[bytes]:
    """See Store.revisions."""
    return [
        name
        for (name,) in sql.execute(
            "SELECT catalog FROM catalogs WHERE gateway = ? AND epoch = ? AND revision <= ?"
            " ORDER BY revision",
            (gateway, epoch, revision),
        )
    ]


def content(sql: sqlite3.Connection, name: bytes) -> bytes | None:
    """See Store.content. Raises StoreError when the bytes in the store are not those named."""
    row = sql.execute(
        "SELECT content FROM tag_sets WHERE tag_set = ?1"
        " UNION ALL SELECT content FROM contents WHERE catalog = ?1",
        (name,),
    ).fetchone()
    if row is None:
        return None
    if content_id(bytes(row[0])) != name:
        raise StoreError(said("content_damaged", name=name.hex()))
    return bytes(row[0])


def put_tag_set(sql: sqlite3.Connection, item: PutTagSet) -> Outcomes:
    old = sql.execute("SELECT gateway FROM tag_sets WHERE tag_set = ?", (item.id,)).fetchone()
    if old is None:
        sql.execute("INSERT INTO tag_sets VALUES (?, ?, ?)", (item.id, item.content, item.gateway))
        return (Outcome.STORED,)
    if old[0] != item.gateway:
        sql.execute("UPDATE tag_sets SET gateway = ? WHERE tag_set = ?", (item.gateway, item.id))
    return (Outcome.DUPLICATE,)


def put_catalog(sql: sqlite3.Connection, item: PutCatalog) -> Outcomes:
    """Bind the revision, and keep its content if it is new. What it was checked with (`chain`) must
    be what is held."""
    name = (item.gateway, item.epoch)
    old = held_chain(sql, *name, item.revision)
    if old is not None:
        return (Outcome.DUPLICATE if old == item.chain else Outcome.CONFLICT,)
    before = held_chain(sql, *name, item.revision - 1) if item.revision > 1 else b""
    if before is None or next_chain(before, item.catalog.id) != item.chain:
        return (Outcome.CONFLICT,)
    if not _is_held(sql, "contents", "catalog", item.catalog.id):
        if item.content is None or _lacks_tag_sets(sql, item):
            return (Outcome.UNKNOWN,)  # what it was compiled from was let go, or never stored
        _put_content(sql, item)
    epoch_row(sql, *name)
    _bind(sql, *name, item.revision, item.catalog.id, item.chain)
    return (Outcome.STORED,)


def _lacks_tag_sets(sql: sqlite3.Connection, item: PutCatalog) -> bool:
    names = {group.tag_set for group in item.catalog.groups}
    return not all(_is_held(sql, "tag_sets", "tag_set", name) for name in names)


def _is_held(sql: sqlite3.Connection, table: str, key: str, name: bytes) -> bool:
    query = {
        ("contents", "catalog"): "SELECT 1 FROM contents WHERE catalog = ?",
        ("tag_sets", "tag_set"): "SELECT 1 FROM tag_sets WHERE tag_set = ?",
    }[table, key]
    return sql.execute(query, (name,)).fetchone() is not None


def _put_content(sql: sqlite3.Connection, item: PutCatalog) -> None:
    one = item.catalog
    sql.execute(
        "INSERT INTO contents VALUES (?, ?, ?, ?)", (one.id, item.content, one.site, one.time_zone)
    )
    sql.executemany(
        "INSERT INTO catalog_groups VALUES (?, ?, ?, ?, ?, ?)",
        ((one.id, g.id, g.device, g.driver, g.period_ns, g.tag_set) for g in one.groups),
    )
    sql.executemany("INSERT INTO catalog_ends VALUES (?, ?, ?)", ((one.id, *e) for e in one.ended))


def held_chain(sql: sqlite3.Connection, gateway: str, epoch: int, revision: int) -> bytes | None:
    row = sql.execute(
        "SELECT chain FROM catalogs WHERE gateway = ? AND epoch = ? AND revision = ?",
        (gateway, epoch, revision),
    ).fetchone()
    return None if row is None else bytes(row[0])


def _bind(
    sql: sqlite3.Connection, gateway: str, epoch: int, revision: int, name: bytes, chain: bytes
) -> None:
    sql.execute(
        "INSERT INTO catalogs VALUES (?, ?, ?, ?, ?)", (gateway, epoch, revision, name, chain)
    )
    sql.execute(
        "UPDATE epochs SET catalog_revision = max(catalog_revision, ?)"
        " WHERE gateway = ? AND epoch = ?",
        (revision, gateway, epoch),
    )


def bind_known(sql: sqlite3.Connection, gateway: str, epoch: int, names: Sequence[bytes]) -> bool:
    """Bind the revisions that a Hello names and whose contents are held, so that they need not come
    again. Whether one that it names is not held.

    Contents that followed each other in any epoch may do so here. Contents that never did are
    bound when the catalog comes: then a session checks what the one changes in the other.
    """
    chain = b""
    for revision, name in enumerate(names, 1):
        chain = next_chain(chain, name)
        held = held_chain(sql, gateway, epoch, revision)
        if held is None:
            if not sql.execute("SELECT 1 FROM catalogs WHERE chain = ?", (chain,)).fetchone():
                break
            _bind(sql, gateway, epoch, revision, name, chain)
        elif held != chain:
            break  # two contents: its blocks are refused, whatever is sent
    return any(name and not _is_held(sql, "contents", "catalog", name) for name in names)
