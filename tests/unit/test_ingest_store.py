"""The embedded store: durable before it says so, one content a name, ranges of what it holds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.catalog import compile_catalog
from ingest.layouts import next_chain
from ingest.session import FEATURES
from ingest.stores import hello, sqlite_path, write
from ingest.stores.api import Known, Outcome, PutBlocks, PutCatalog, PutTagSet, Speaker, StoreError
from ingest.stores.opening import connect, connect_readonly
from ingest.stores.schema import SCHEMA
from ingest.stores.sqlite import SqliteStore
from tests.contract import checking, examples
from tests.contract.examples import EPOCH


def tag_set() -> PutTagSet:
    content = examples.tag_set().content
    return PutTagSet("gw-1", examples.content_id(content), content)


def put_catalog(one: pb.Catalog | None = None) -> PutCatalog:
    said = one or examples.catalog()
    compiled = checking.finished(compile_catalog(said.content, FEATURES))
    chain = next_chain(b"", compiled.id)
    return PutCatalog("gw-1", said.epoch, said.revision, chain, compiled, said.content)


def blocks(carried: pb.Block | pb.Bundle) -> PutBlocks:
    first = carried.seq if isinstance(carried, pb.Block) else carried.first_seq
    return PutBlocks("gw-1", carried, first, put_catalog().chain, checking.check(carried), 1)


def speaker(
    gateway: str = "gw-1", epoch: int = EPOCH, earlier: tuple[int, ...] = (), boot: str = "boot-a"
) -> Speaker:
    return Speaker(
        gateway, epoch, boot, examples.INSTALLATION, examples.MACHINE, "test", (),
        tuple((one, ()) for one in earlier), "10.0.0.1:5000", 1,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "store.db")
    opened.put(tag_set())
    opened.put(put_catalog())
    yield opened
    opened.close()


def put(store: SqliteStore, block: pb.Block) -> Outcome:
    (outcome,) = store.put(blocks(block)).result(30)
    return outcome


def said_hello(store: SqliteStore, *arguments: Any, **options: Any) -> Known:
    return store.hello(speaker(*arguments, **options)).result(30)


def held(store: SqliteStore, *earlier: int) -> list[pb.EpochHeld]:
    return list(said_hello(store, earlier=earlier).held)


def test_block_put_thrice_is_stored_once_and_its_other_content_changes_nothing(
    store: SqliteStore, tmp_path: Path
) -> None:
    assert put(store, examples.block(1)) is Outcome.STORED
    assert put(store, examples.block(1)) is Outcome.DUPLICATE
    assert put(store, examples.block(1, add=1)) is Outcome.CONFLICT
    sql = connect_readonly(tmp_path / "store.db")
    assert sql.execute("SELECT count(*) FROM blocks").fetchone() == (1,)
    assert sql.execute("SELECT duplicates FROM epochs").fetchone() == (1,)
    sql.close()


def test_lane_of_a_block_is_no_part_of_its_content(store: SqliteStore) -> None:
    put(store, examples.block(1))
    again = examples.block(1)
    again.lane = pb.LANE_BACKFILL
    assert put(store, again) is Outcome.DUPLICATE


def in_memory() -> sqlite3.Connection:
    sql = sqlite3.connect(":memory:", isolation_level=None)
    for statement in SCHEMA.split(";\n"):
        sql.execute(statement)
    return sql


@given(st.lists(st.integers(1, 12), max_size=12, unique=True))
def test_held_ranges_in_any_order_of_arrival_are_the_set(seqs: list[int]) -> None:
    sql = in_memory()
    for seq in seqs:
        write.extend_held(sql, "gw-1", EPOCH, seq, seq)
    (known,) = hello.held(sql, "gw-1", [EPOCH])
    ranges = [(r.first, r.last) for r in known.held]
    assert [seq for first, last in ranges for seq in range(first, last + 1)] == sorted(seqs)
    assert all(after[0] > before[1] + 1 for before, after in pairwise(ranges))
    sql.close()


def test_range_is_added_by_index_however_many_there_are() -> None:
    """field.md 5.9: every other seq, 40,000 ranges. Rows that SQLite looks at, not time."""
    sql = in_memory()
    sql.executemany(
        "INSERT INTO held VALUES ('gw-1', 1, ?, ?)", ((seq, seq) for seq in range(2, 80_000, 2))
    )
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    sql.set_progress_handler(count, 100)
    write.extend_held(sql, "gw-1", 1, 40_001, 40_001)
    sql.set_progress_handler(None, 0)
    assert steps < 10
    sql.close()


def test_bundle_is_stored_once_and_its_new_blocks_refer_to_their_place(
    store: SqliteStore, tmp_path: Path
) -> None:
    put(store, examples.block(2))
    S, D = Outcome.STORED, Outcome.DUPLICATE  # noqa: N806
    assert store.put(blocks(examples.bundle(1, 4))).result(30) == (S, D, S, S)
    assert store.put(blocks(examples.bundle(3, 4))).result(30) == (D, D, S, S)
    sql = connect_readonly(tmp_path / "store.db")
    runs = sql.execute("SELECT first_tick, ticks, rows, first_seq, last_seq FROM runs").fetchall()
    assert runs == [(0, 10, 10, 1, 1), (10, 10, 10, 2, 2), (20, 20, 20, 3, 4), (40, 20, 20, 5, 6)]
    assert sql.execute("SELECT sum(scans), sum(samples) FROM blocks").fetchone() == (60, 120)
    assert sql.execute("SELECT count(*) FROM payloads").fetchone() == (3,)
    sql.close()
    assert [(r.first, r.last) for r in held(store)[0].held] == [(1, 6)]


def test_epoch_when_it_ended_cleanly_or_by_a_crash_gap_is_closed(store: SqliteStore) -> None:
    crash = pb.Gap(reason=pb.GAP_REASON_CRASH, epoch=5, count_unknown=True, after_seq=3)
    put(store, examples.block(1, gaps=(crash,)))
    assert [one.closed for one in held(store, 5)] == [False, True]
    put(store, examples.block(2, end=True))
    assert [one.closed for one in held(store, 5)] == [True, True]


def test_epoch_when_a_gap_names_its_last_block_is_closed(store: SqliteStore) -> None:
    gone = pb.Gap(reason=pb.GAP_REASON_EXPIRED, epoch=5, blocks=[pb.SeqRange(first=1, last=3)])
    put(store, examples.block(1, gaps=(gone,)))
    assert [one.closed for one in held(store, 5)] == [False, False]
    gone.end_of_epoch = True
    put(store, examples.block(2, gaps=(gone,)))
    assert [one.closed for one in held(store, 5)] == [False, True]


def test_highest_epoch_is_that_before_the_hello_and_counts_those_that_hello_names(
    store: SqliteStore,
) -> None:
    assert said_hello(store, "gw-9", 10, (3, 99)).highest_epoch == 0
    assert said_hello(store, "gw-9", 100).highest_epoch == 99
    assert said_hello(store, "gw-9", 100).highest_epoch == 100


def test_epochs_that_hello_only_names_cost_no_row(store: SqliteStore, tmp_path: Path) -> None:
    put(store, examples.block(1))
    known = said_hello(store, earlier=(*range(1, 501), EPOCH))
    assert [one.epoch for one in known.held] == [EPOCH, *range(1, 501)]
    assert [(r.first, r.last) for r in known.held[0].held] == [(1, 1)]
    assert known.held[0].catalog_revision == 1
    sql = connect_readonly(tmp_path / "store.db")
    assert sql.execute("SELECT count(*) FROM epochs").fetchone() == (1,)
    sql.close()


def test_boot_of_an_epoch_that_never_said_hello_is_read_from_its_anchors(
    store: SqliteStore, tmp_path: Path
) -> None:
    put(store, examples.block(1))
    sql = connect_readonly(tmp_path / "store.db")
    assert sql.execute("SELECT boot_id FROM epochs").fetchall() == [(examples.BOOT,)]
    sql.close()


def test_catalog_when_put_again_with_other_content_is_a_conflict(store: SqliteStore) -> None:
    made = examples.content()
    made.site = "elsewhere"
    other = put_catalog(examples.catalog(made=made))
    assert store.put(other).result(30) == (Outcome.CONFLICT,)
    name = examples.catalog().id
    assert store.revisions("gw-1", EPOCH, 5).result(30) == [name]
    assert store.content(name).result(30) == examples.catalog().content
    assert store.content(b"x" * 16).result(30) is None


def test_catalog_is_stored_only_with_all_that_it_needs(tmp_path: Path) -> None:
    """An Ack implies that its catalog and tag sets are durable."""
    opened = SqliteStore(tmp_path / "bare.db")
    assert opened.put(put_catalog()).result(30) == (Outcome.UNKNOWN,)
    assert opened.put(blocks(examples.block(1))).result(30) == (Outcome.UNKNOWN,)
    opened.put(tag_set())
    assert opened.put(put_catalog()).result(30) == (Outcome.STORED,)
    assert opened.put(blocks(examples.block(1))).result(30) == (Outcome.STORED,)
    opened.close()


def test_commit_that_fails_acknowledges_nothing_and_the_next_is_good(
    store: SqliteStore, tmp_path: Path
) -> None:
    put(store, examples.block(1))
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("ALTER TABLE blocks RENAME TO elsewhere")
    with pytest.raises(StoreError, match=r"store\.db"):
        put(store, examples.block(2))
    other.execute("ALTER TABLE elsewhere RENAME TO blocks")
    other.close()
    assert put(store, examples.block(2)) is Outcome.STORED


def test_block_that_was_checked_with_another_catalog_is_not_stored(store: SqliteStore) -> None:
    item = replace(blocks(examples.block(1)), chain=bytes(16))
    assert store.put(item).result(30) == (Outcome.UNKNOWN,)


@contextlib.contextmanager
def one_batch(store: SqliteStore, path: Path) -> Iterator[None]:
    """What is asked within waits for the disk, and is then done in one transaction."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        store.hello(speaker("gw-0", 1))  # the writer waits with this one
        yield
    finally:
        other.close()


def test_number_that_no_check_should_let_through_fails_alone_in_its_batch(
    store: SqliteStore, tmp_path: Path
) -> None:
    with one_batch(store, tmp_path / "store.db"):
        before = store.hello(speaker("gw-2", 1))
        guilty = [store.hello(speaker(f"gw-{n}", 1 << 64)) for n in (3, 4)]
        between = store.hello(speaker("gw-5", 5))
        guilty.append(store.hello(speaker("gw-6", 1 << 64)))
    for one in guilty:
        with pytest.raises(StoreError, match="internal fault"):
            one.result(30)
    assert before.result(30).held[0].epoch == 1
    assert between.result(30).held[0].epoch == 5
    assert put(store, examples.block(1)) is Outcome.STORED
    sql = connect_readonly(tmp_path / "store.db")
    names = [name for (name,) in sql.execute("SELECT gateway FROM gateways ORDER BY gateway")]
    sql.close()
    assert names == ["gw-0", "gw-1", "gw-2", "gw-5"]


def test_catalog_that_is_damaged_at_rest_fails_alone_and_says_what_to_do(
    store: SqliteStore, tmp_path: Path
) -> None:
    put(store, examples.block(1))
    other = sqlite3.connect(tmp_path / "store.db")
    other.execute("UPDATE contents SET content = x'ff'")
    other.commit()
    other.close()
    with one_batch(store, tmp_path / "store.db"):
        sick = store.content(examples.catalog().id)
        well = store.hello(speaker("gw-2", 1))
    with pytest.raises(StoreError, match=r"is damaged in the store.*backup"):
        sick.result(30)
    assert well.result(30).held[0].epoch == 1
    assert put(store, examples.block(2)) is Outcome.STORED


def test_seq_at_its_end_is_stored_beside_its_neighbour(store: SqliteStore) -> None:
    last = limits.SEQ_END - 1
    for first_tick, seq in ((10, last), (0, last - 1)):
        block = examples.block(2, first_tick=first_tick)
        block.seq = seq
        assert put(store, block) is Outcome.STORED
    assert [(r.first, r.last) for r in held(store)[0].held] == [(last - 1, last)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_writer_that_ends_unasked_leaves_nobody_waiting_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(*_: object, **__: object) -> None:
        raise SystemExit

    monkeypatch.setattr(hello, "hello", ends)
    broken = SqliteStore(tmp_path / "broken.db")
    with pytest.raises(StoreError, match="internal fault"):
        broken.hello(speaker()).result(30)
    with pytest.raises(StoreError, match="writer ended"):
        broken.broken.result(30)
    with pytest.raises(StoreError, match="closed"):
        broken.content(b"x").result(30)
    broken.close()


def test_call_that_was_given_up_is_done_and_the_next_is_answered(
    store: SqliteStore, tmp_path: Path
) -> None:
    """As when a box hangs up while the disk is slow."""
    store.put(put_catalog()).result(30)
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # nothing can be written until it ends

    async def give_up() -> None:
        waiting = asyncio.wrap_future(store.hello(speaker()))
        waiting.cancel()
        (ended,) = await asyncio.gather(waiting, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError)

    asyncio.run(give_up())
    other.close()
    assert put(store, examples.block(1)) is Outcome.STORED
    assert said_hello(store, epoch=7, boot="boot-b").highest_epoch == EPOCH


def test_store_when_opened_commits_with_full_synchronisation(tmp_path: Path) -> None:
    sql = connect(tmp_path / "store.db")
    assert sql.execute("PRAGMA synchronous").fetchone() == (2,)
    assert sql.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    sql.close()


def test_store_in_use_is_refused_with_the_pid_of_who_has_it(
    store: SqliteStore, tmp_path: Path
) -> None:
    (tmp_path / "other name.db").symlink_to(tmp_path / "store.db")
    for name in ("store.db", "other name.db"):
        with pytest.raises(StoreError, match=f"in use by pid {os.getpid()};"):
            SqliteStore(tmp_path / name)
    assert put(store, examples.block(1)) is Outcome.STORED


def test_receivers_one_after_the_other_keep_each_block_once(
    store: SqliteStore, tmp_path: Path
) -> None:
    assert put(store, examples.block(1)) is Outcome.STORED
    store.close()
    other = SqliteStore(tmp_path / "store.db")
    assert put(other, examples.block(1)) is Outcome.DUPLICATE
    other.close()


def test_file_that_is_not_ours_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    sql = sqlite3.connect(path)
    sql.execute("CREATE TABLE t (x)")
    sql.close()
    with pytest.raises(StoreError, match="not a store"):
        connect(path)
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match=r"other\.db"):
        connect(path)


def test_store_of_another_version_is_refused(tmp_path: Path) -> None:
    sql = connect(tmp_path / "store.db")
    sql.execute("PRAGMA user_version = 9")
    sql.close()
    with pytest.raises(StoreError, match="format 9"):
        connect(tmp_path / "store.db")


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("postgresql://host/db", "sqlite only"),
        ("nats://host", "sqlite only"),
        ("ingest.db", "scheme"),
        ("sqlite::memory:", "forget"),
        ("sqlite:", "forget"),
        ("sqlite:a.db?synchronous=normal", "options"),
    ],
)
def test_store_url_that_could_lose_what_it_acknowledges_is_refused(url: str, word: str) -> None:
    with pytest.raises(StoreError, match=word):
        sqlite_path(url)
