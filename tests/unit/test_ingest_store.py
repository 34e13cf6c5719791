"""The embedded store: durable before it says so, one content a name, ranges of what it holds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest.validate import check_block, check_name
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.stores import sqlite_path, write
from ingest.stores.api import Outcome, PutBlock, PutCatalog, StoreError
from ingest.stores.schema import SCHEMA
from ingest.stores.sqlite import SqliteStore, connect, connect_readonly
from tests.contract import examples
from tests.contract.examples import EPOCH


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "store.db")
    opened.put(PutCatalog("gw-1", examples.catalog()))
    yield opened
    opened.close()


def put(store: SqliteStore, block: pb.Block) -> Outcome:
    item = PutBlock("gw-1", block, check_block(block, examples.catalog()))
    return store.put(item).result(30)


def held(store: SqliteStore, *earlier: int) -> list[pb.EpochHeld]:
    return list(store.hello("gw-1", EPOCH, "boot-a", "test", earlier).result(30).held)


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


@given(st.lists(st.integers(1, 12), max_size=12, unique=True))
def test_held_ranges_in_any_order_of_arrival_are_the_set(seqs: list[int]) -> None:
    sql = sqlite3.connect(":memory:", isolation_level=None)
    for statement in SCHEMA.split(";\n"):
        sql.execute(statement)
    write.put_catalog(sql, PutCatalog("gw-1", examples.catalog()))
    for seq in seqs:
        write.put_block(sql, PutBlock("gw-1", examples.block(seq), pb.BlockPayload()))
    known = write.hello(sql, "gw-1", EPOCH, "boot-a", "", ())
    ranges = [(r.first, r.last) for r in known.held[0].held]
    assert [seq for first, last in ranges for seq in range(first, last + 1)] == sorted(seqs)
    assert all(after[0] > before[1] + 1 for before, after in pairwise(ranges))
    sql.close()


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


def test_run_when_another_spoke_since_is_superseded(store: SqliteStore) -> None:
    def superseded(epoch: int, boot: str) -> bool:
        return store.hello("gw-1", epoch, boot, "", ()).result(30).superseded

    assert not superseded(10, "boot-a")
    assert not superseded(10, "boot-a")
    assert superseded(10, "boot-b")  # one epoch, two boots
    assert not superseded(4, "boot-b")  # a new run, be its number lower: a disk was lost
    assert superseded(10, "boot-a")
    assert not superseded(4, "boot-b")


def test_highest_epoch_counts_those_that_hello_only_names(store: SqliteStore) -> None:
    known = store.hello("gw-9", 10, "boot-a", "", (3, 99)).result(30)
    assert known.highest_epoch == 99
    assert store.hello("gw-8", 1, "boot-a", "", ()).result(30).highest_epoch == 1


def test_epochs_that_hello_only_names_cost_no_row(store: SqliteStore, tmp_path: Path) -> None:
    put(store, examples.block(1))
    known = store.hello("gw-1", EPOCH, "boot-a", "test", (*range(1, 3001), EPOCH)).result(30)
    assert [one.epoch for one in known.held] == [EPOCH, *range(1, 3001)]
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
    other = examples.catalog()
    other.site = "elsewhere"
    assert store.put(PutCatalog("gw-1", other)).result(30) is Outcome.CONFLICT
    assert store.catalog("gw-1", EPOCH, 1).result(30) == examples.catalog()
    assert store.catalog("gw-1", EPOCH, 2).result(30) is None


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


def test_block_of_a_group_that_the_held_catalog_has_not_is_a_conflict(store: SqliteStore) -> None:
    block = examples.block(1, revision=2)
    item = PutBlock("gw-1", block, check_block(block, examples.catalog(revision=2)))
    assert store.put(item).result(30) is Outcome.CONFLICT


@contextlib.contextmanager
def one_batch(store: SqliteStore, path: Path) -> Iterator[None]:
    """What is asked within waits for the disk, and is then done in one transaction."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        store.hello("gw-0", 1, "boot-a", "", ())  # the writer waits with this one
        yield
    finally:
        other.close()


def test_number_that_no_check_should_let_through_fails_alone_in_its_batch(
    store: SqliteStore, tmp_path: Path
) -> None:
    with one_batch(store, tmp_path / "store.db"):
        before = store.hello("gw-2", 1, "boot-a", "", ())
        guilty = [store.hello(f"gw-{n}", 1 << 64, "boot-a", "", ()) for n in (3, 4)]
        between = store.hello("gw-5", 5, "boot-a", "", ())
        guilty.append(store.hello("gw-6", 1 << 64, "boot-a", "", ()))
    for one in guilty:
        with pytest.raises(StoreError, match="internal fault"):
            one.result(30)
    assert before.result(30).highest_epoch == 1
    assert between.result(30).highest_epoch == 5
    assert put(store, examples.block(1)) is Outcome.STORED
    sql = connect_readonly(tmp_path / "store.db")
    names = [name for (name,) in sql.execute("SELECT gateway FROM gateways ORDER BY gateway")]
    sql.close()
    assert names == ["gw-0", "gw-1", "gw-2", "gw-5"]


def test_catalog_that_is_damaged_at_rest_fails_alone_and_says_whose_and_what_to_do(
    store: SqliteStore, tmp_path: Path
) -> None:
    put(store, examples.block(1))
    other = sqlite3.connect(tmp_path / "store.db")
    other.execute("UPDATE catalogs SET message = x'ff'")
    other.commit()
    other.close()
    with one_batch(store, tmp_path / "store.db"):
        sick = store.catalog("gw-1", EPOCH, 1)
        again = store.put(PutCatalog("gw-1", examples.catalog()))
        well = store.hello("gw-2", 1, "boot-a", "", ())
    for one in (sick, again):
        with pytest.raises(StoreError, match=rf"epoch {EPOCH} of gateway 'gw-1'.*backup"):
            one.result(30)
    assert well.result(30).highest_epoch == 1
    assert put(store, examples.block(2)) is Outcome.STORED


def test_seq_at_its_end_is_stored_beside_its_neighbour(store: SqliteStore) -> None:
    last = limits.SEQ_END - 1
    for seq in (last, last - 1):
        block = examples.block(1)
        block.seq = seq
        check_name(block)
        assert put(store, block) is Outcome.STORED
    assert [(r.first, r.last) for r in held(store)[0].held] == [(last - 1, last)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_writer_that_ends_unasked_leaves_nobody_waiting_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(*_: object, **__: object) -> None:
        raise SystemExit

    monkeypatch.setattr(write, "hello", ends)
    broken = SqliteStore(tmp_path / "broken.db")
    with pytest.raises(StoreError, match="internal fault"):
        broken.hello("gw-1", 1, "boot-a", "", ()).result(30)
    with pytest.raises(StoreError, match="writer ended"):
        broken.broken.result(30)
    with pytest.raises(StoreError, match="closed"):
        broken.catalog("gw-1", 1, 1).result(30)
    broken.close()


def test_call_that_was_given_up_is_done_and_the_next_is_answered(
    store: SqliteStore, tmp_path: Path
) -> None:
    """As when a box hangs up while the disk is slow."""
    store.put(PutCatalog("gw-1", examples.catalog())).result(30)
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # nothing can be written until it ends

    async def give_up() -> None:
        waiting = asyncio.wrap_future(store.hello("gw-1", EPOCH, "boot-a", "test", ()))
        waiting.cancel()
        (ended,) = await asyncio.gather(waiting, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError)

    asyncio.run(give_up())
    other.close()
    assert put(store, examples.block(1)) is Outcome.STORED
    assert store.hello("gw-1", 7, "boot-b", "test", ()).result(30).highest_epoch == EPOCH


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
    sql.execute("PRAGMA user_version = 2")
    sql.close()
    with pytest.raises(StoreError, match="format 2"):
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
