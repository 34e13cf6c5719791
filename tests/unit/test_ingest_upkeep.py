"""What keeps a store true and bounded: its identity, backups, retention, read-only media."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import audit
from ingest.export import export_csv
from ingest.samples import Selection
from ingest.stores.api import Outcome, StoreError
from ingest.stores.backup import backup
from ingest.stores.opening import connect, connect_readonly
from ingest.stores.retention import Keep, let_go, parse_keep, used_bytes
from ingest.stores.sqlite import SqliteStore
from tests.contract import examples, streams
from tests.unit.test_ingest_store import blocks, put_catalog, tag_set


def opened(path: Path) -> SqliteStore:
    store = SqliteStore(path)
    store.put(tag_set())
    store.put(put_catalog()).result(30)
    return store


def put(store: SqliteStore, block: pb.Block) -> tuple[Outcome, ...]:
    return store.put(blocks(block)).result(30)


def rows(path: Path) -> int:
    sql = connect_readonly(path)
    try:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            return export_csv(sql, Selection(), nowhere)
    finally:
        sql.close()


# ---- Identity ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["store.db", "store.db-wal"])
def test_store_that_is_moved_away_acknowledges_nothing_any_more(tmp_path: Path, name: str) -> None:
    """field.md 5.14."""
    store = opened(tmp_path / "store.db")
    put(store, examples.block(1))
    away = tmp_path / "away"
    (tmp_path / name).rename(away)
    for _ in range(2):
        with pytest.raises(StoreError, match="nothing is acknowledged"):
            put(store, examples.block(2))
    assert not (tmp_path / name).exists() or name.endswith("wal")  # no new one is made in its place
    store.close()


def test_store_that_is_put_back_from_a_backup_under_the_receiver_is_noticed(tmp_path: Path) -> None:
    store = opened(tmp_path / "store.db")
    put(store, examples.block(1))
    backup(tmp_path / "store.db", tmp_path / "old.db")
    (tmp_path / "old.db").replace(tmp_path / "store.db")
    with pytest.raises(StoreError, match="replaced"):
        put(store, examples.block(2))
    store.close()


# ---- Backup and read-only media ---------------------------------------------------------------


def test_backup_of_a_store_that_is_written_is_whole_and_can_be_served(tmp_path: Path) -> None:
    store = opened(tmp_path / "store.db")
    put(store, examples.block(1))
    assert backup(tmp_path / "store.db", tmp_path / "copy.db") > 0
    put(store, examples.block(2))
    store.close()
    assert (rows(tmp_path / "copy.db"), rows(tmp_path / "store.db")) == (20, 40)
    restored = SqliteStore(tmp_path / "copy.db")
    assert put(restored, examples.block(1)) == (Outcome.DUPLICATE,)
    assert put(restored, examples.block(2)) == (Outcome.STORED,)
    restored.close()
    with pytest.raises(StoreError, match="is there already"):
        backup(tmp_path / "store.db", tmp_path / "copy.db")


def test_backup_that_fails_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    opened(tmp_path / "store.db").close()
    with pytest.raises(StoreError, match=r"backup to .* failed"):
        backup(tmp_path / "store.db", tmp_path / "nowhere" / "copy.db")
    assert not [path for path in tmp_path.iterdir() if "copy" in path.name]


def test_store_whose_directory_can_t_be_written_is_read_or_said_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """field.md 5.24. As SQLite says it there: root may write anywhere, so the answer is forced."""
    folder = tmp_path / "media"
    folder.mkdir()
    streams.store_of(folder / "store.db", [examples.block(1)])
    real = sqlite3.connect

    def refuses(name: str, *args: Any, **options: Any) -> sqlite3.Connection:
        if "immutable" not in str(name):
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorname = "SQLITE_CANTOPEN"
            raise error
        return real(name, *args, **options)

    monkeypatch.setattr(sqlite3, "connect", refuses)
    sql = connect_readonly(folder / "store.db")
    assert len(audit.epochs(sql)) == 1
    sql.close()
    (folder / "store.db-wal").write_bytes(b"something")
    with pytest.raises(StoreError, match="Copy both"):
        connect_readonly(folder / "store.db")
    shutil.rmtree(folder)


# ---- Retention --------------------------------------------------------------------------------


def test_payloads_are_let_go_and_their_names_never(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    streams.store_of(path, [examples.block(1), examples.bundle(2, 3)], utc_ns=lambda: 1000)
    sql = connect(path)
    before = audit.epochs(sql)
    assert not let_go(sql, Keep(age_ns=500), utc_ns=1400)
    assert let_go(sql, Keep(age_ns=500), utc_ns=1501)
    assert not let_go(sql, Keep(age_ns=500), utc_ns=1501)
    assert audit.epochs(sql) == before  # the books stand
    sql.close()
    assert rows(path) == 0
    streams.store_of(path, [examples.block(1), examples.block(3)])  # known: acknowledged again
    assert rows(path) == 0


def test_bytes_that_are_kept_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    counters = [number * 2654435761 % (1 << 32) for number in range(5000)]
    many = [examples.block(seq, ticks=5000, counters=counters) for seq in range(1, 30)]
    streams.store_of(path, many)
    sql = connect(path)
    keep = Keep(size=used_bytes(sql) // 2)
    while let_go(sql, keep, 0):
        pass
    assert used_bytes(sql) <= keep.size or sql.execute(
        "SELECT count(*) FROM payloads WHERE content IS NOT NULL"
    ).fetchone() == (0,)
    sql.close()


def test_keep_is_days_or_bytes() -> None:
    assert parse_keep(["400d", "2GiB"]) == Keep(400 * 86_400 * 10**9, 2 << 30)
    for text in ("400", "0d", "1e9", "5 weeks"):
        with pytest.raises(StoreError, match="400d or 200GiB"):
            parse_keep([text])


# ---- Readers beside the writer ----------------------------------------------------------------


def test_log_shrinks_again_after_a_reader_that_kept_it_long(tmp_path: Path) -> None:
    """field.md 5.19."""
    path = tmp_path / "store.db"
    store = opened(path)
    put(store, examples.block(1))
    reader = connect_readonly(path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM blocks").fetchone()
    fill = (
        "INSERT INTO payloads (gateway, epoch, first_seq, blocks, compression, size, content,"
        " received_utc_ns) VALUES ('gw-9', 1, 1, 0, 1, 1048576, randomblob(1048576), 1)"
    )
    for _ in range(25):
        store._submit(lambda sql: sql.execute(fill).lastrowid).result(30)
    log = path.with_name("store.db-wal")
    assert log.stat().st_size > 20 << 20
    reader.execute("COMMIT")
    reader.close()
    for seq in (2, 3, 4):
        put(store, examples.block(seq))
    assert log.stat().st_size <= 17 << 20
    store.close()
