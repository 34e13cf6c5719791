"""The audit and the export of stores whose truth is known."""

from __future__ import annotations

import io
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import audit, samples
from ingest.completeness import days
from ingest.export import export_csv
from ingest.samples import Selection
from ingest.stores.opening import connect_readonly
from tests.contract import encode, examples, streams
from tests.contract.examples import BOOT, EPOCH, PERIOD_NS, START_NS, UTC_NS

NOW_NS = UTC_NS + 3600 * 10**9


def filled(path: Path, blocks: Sequence[pb.Block | pb.Bundle]) -> sqlite3.Connection:
    streams.store_of(path / "store.db", blocks)
    return connect_readonly(path / "store.db")


def books(path: Path, *blocks: pb.Block) -> list[dict[str, Any]]:
    sql = filled(path, blocks)
    try:
        return audit.epochs(sql)
    finally:
        sql.close()


def evicted(first_tick: int, count: int, seq: int) -> pb.Gap:
    due = START_NS + first_tick * PERIOD_NS
    ticks = pb.GapTicks(
        group=1, first_tick=first_tick, count=count,
        first_due_ns=due, last_due_ns=due + (count - 1) * PERIOD_NS,
    )  # fmt: skip
    blocks = [pb.SeqRange(first=seq, last=seq)]
    reason = pb.GAP_REASON_EVICTED_OLDEST
    return pb.Gap(reason=reason, epoch=EPOCH, blocks=blocks, ticks=[ticks])


def crash(after_seq: int) -> pb.Gap:
    return pb.Gap(
        reason=pb.GAP_REASON_CRASH, epoch=EPOCH, count_unknown=True, after_seq=after_seq,
        until_ns=START_NS + 10**9, until_boot_id=BOOT,
    )  # fmt: skip


def lost(reason: pb.GapReason.ValueType, *seqs: int) -> pb.Gap:
    """Blocks that the box could not read any more: their ticks are not known to it."""
    blocks = [pb.SeqRange(first=seq, last=seq) for seq in seqs]
    return pb.Gap(reason=reason, epoch=EPOCH, blocks=blocks)


def test_hole_between_blocks_is_missing_in_ticks_and_blocks(tmp_path: Path) -> None:
    (book,) = books(tmp_path, examples.block(1), examples.block(4))
    assert (book["missing"], book["missing_blocks"], book["twice"]) == (20, 2, 0)


def test_first_block_that_never_came_is_missing(tmp_path: Path) -> None:
    (book,) = books(tmp_path, examples.block(3))
    assert (book["missing"], book["missing_blocks"]) == (20, 2)


def test_bundle_counts_as_its_blocks(tmp_path: Path) -> None:
    (book,) = books(tmp_path, examples.block(2), examples.bundle(1, 4), examples.block(6))
    assert (book["blocks"], book["scans"], book["samples"]) == (5, 50, 100)
    assert (book["missing"], book["missing_blocks"], book["duplicates"]) == (10, 1, 1)


def test_hole_under_a_gap_is_not_missing_and_counted_by_reason(tmp_path: Path) -> None:
    (book,) = books(tmp_path, examples.block(1), examples.block(3, gaps=(evicted(10, 10, 2),)))
    assert (book["missing"], book["missing_blocks"]) == (0, 0)
    assert book["gaps"] == {"evicted_oldest": {"ticks": 10, "events": 0, "blocks": 1, "unknown": 0}}


def test_gap_that_is_one_tick_short_leaves_one_missing(tmp_path: Path) -> None:
    (book,) = books(tmp_path, examples.block(1), examples.block(3, gaps=(evicted(10, 9, 2),)))
    assert book["missing"] == 1


@pytest.mark.parametrize("reason", ["damaged", "platform_lost"])
def test_ticks_of_an_announced_block_follow_from_its_neighbours(
    tmp_path: Path, reason: str
) -> None:
    gap = lost(pb.GapReason.Value(f"GAP_REASON_{reason.upper()}"), 2)
    (book,) = books(tmp_path, examples.block(1), examples.block(3, gaps=(gap,)))
    assert (book["missing"], book["missing_blocks"]) == (0, 0)
    assert book["gaps"] == {reason: {"ticks": 10, "events": 0, "blocks": 1, "unknown": 0}}


def test_announced_block_does_not_explain_ticks_elsewhere(tmp_path: Path) -> None:
    gap = lost(pb.GAP_REASON_DAMAGED, 2)
    late = examples.block(4, first_tick=37, gaps=(gap,))
    (book,) = books(tmp_path, examples.block(1), examples.block(3), late)
    assert book["missing"] == 7
    assert book["gaps"]["damaged"]["ticks"] == 10


def test_announced_last_block_leaves_the_end_open(tmp_path: Path) -> None:
    after = examples.block(1, epoch=EPOCH + 1, gaps=(lost(pb.GAP_REASON_DAMAGED, 3),))
    old, _ = books(tmp_path, examples.block(1), examples.block(2), after)
    assert (old["missing"], old["missing_blocks"]) == (0, 0)
    assert old["gaps"] == {"damaged": {"ticks": 0, "events": 0, "blocks": 1, "unknown": 0}}


def test_ticks_evicted_beside_a_damaged_block_are_counted_once(tmp_path: Path) -> None:
    gaps = (lost(pb.GAP_REASON_DAMAGED, 2), evicted(20, 10, 3))
    (book,) = books(tmp_path, examples.block(1), examples.block(4, gaps=gaps))
    assert (book["missing"], book["missing_blocks"]) == (0, 0)
    assert [book["gaps"][name]["ticks"] for name in ("damaged", "evicted_oldest")] == [10, 10]


def test_crash_gap_that_names_holes_counts_them_and_what_is_held_beyond(tmp_path: Path) -> None:
    gap = crash(1)
    gap.blocks.add(first=2, last=2)
    after = examples.block(1, epoch=EPOCH + 1, gaps=(gap,))
    held = (examples.block(1), examples.block(3), examples.block(4, first_tick=32))
    old, _ = books(tmp_path, *held, after)
    assert (old["missing"], old["missing_blocks"]) == (2, 0)
    assert old["gaps"] == {"crash": {"ticks": 10, "events": 0, "blocks": 1, "unknown": 1}}


def pushed(seq: int, gaps: Sequence[pb.Gap] = ()) -> pb.Block:
    """Block `seq` with pushed value number seq - 1 beside its ticks."""
    payload = pb.BlockPayload(runs=[examples.run((seq - 1) * 10, 10)], gaps=gaps)
    events = payload.runs[0].events.add(first=seq - 1, count=1, time_us=[0])
    events.columns.add(tag=0, column=encode.column([seq], rows=[0]))
    return encode.block(EPOCH, seq, payload, needs=[pb.FEATURE_EVENTS])


def test_pushed_values_when_nothing_says_where_they_are_then_missing(tmp_path: Path) -> None:
    (book,) = books(tmp_path, pushed(1), pushed(3))
    assert (book["missing_events"], book["events"]) == (1, 2)


def test_pushed_values_when_their_block_is_announced_then_they_follow_from_its_neighbours(
    tmp_path: Path,
) -> None:
    gap = lost(pb.GAP_REASON_DAMAGED, 2)
    (book,) = books(tmp_path, pushed(1), pushed(3, [gap]))
    assert (book["missing"], book["missing_events"]) == (0, 0)
    assert book["gaps"] == {"damaged": {"ticks": 10, "events": 1, "blocks": 1, "unknown": 0}}


def test_skipped_ticks_are_gaps_by_reason_and_no_scans(tmp_path: Path) -> None:
    (book,) = books(tmp_path, examples.block(1, skipped=((3, 2, pb.GAP_REASON_OVERRUN),)))
    assert (book["scans"], book["missing"]) == (8, 0)
    assert book["gaps"]["overrun"]["ticks"] == 2


def test_crash_gap_closes_the_epoch_and_takes_its_tail(tmp_path: Path) -> None:
    after = examples.block(1, epoch=EPOCH + 1, gaps=(crash(2),))
    old, new = books(tmp_path, examples.block(1), examples.block(2), after)
    assert (old["open"], old["missing"], old["missing_blocks"]) == (False, 0, 0)
    assert old["gaps"] == {"crash": {"ticks": 0, "events": 0, "blocks": 0, "unknown": 1}}
    assert new["open"]


def test_block_before_a_crash_gap_that_is_not_held_is_missing(tmp_path: Path) -> None:
    after = examples.block(1, epoch=EPOCH + 1, gaps=(crash(3),))
    old, _ = books(tmp_path, examples.block(1), after)
    assert old["missing_blocks"] == 2


def test_ticks_in_two_blocks_are_said_twice(tmp_path: Path) -> None:
    (book,) = books(tmp_path, examples.block(1), examples.block(2, first_tick=5))
    assert book["twice"] == 5


@pytest.mark.parametrize(
    "poison",
    [
        "UPDATE blocks SET scans = 9223372036854775807, samples = 9223372036854775807",
        "INSERT INTO skipped SELECT gateway, epoch, grp, value, 9223372036854775807, 2, payload, 0"
        " FROM runs, json_each('[1001, 1002, 1003]')",
        "UPDATE gap_blocks SET last = 9223372036854775807",
        "UPDATE gap_ticks SET count = 9223372036854775807",
        "UPDATE runs SET ticks = 9223372036854775807",
        "UPDATE held SET last = 9223372036854775807",
    ],
)
def test_numbers_of_one_gateway_at_the_end_of_their_range_leave_the_books_of_the_others(
    tmp_path: Path, poison: str
) -> None:
    """As a damaged row, or one that an older receiver took."""
    filled(tmp_path, [examples.block(1), examples.block(3, gaps=(evicted(10, 10, 2),))]).close()
    sql = sqlite3.connect(tmp_path / "store.db")
    for table in ("gateways", "epochs", "blocks", "runs", "held"):
        sql.execute(f"CREATE TEMP TABLE copy AS SELECT * FROM {table}")
        sql.execute("UPDATE copy SET gateway = 'gw-2'")
        sql.execute(f"INSERT INTO {table} SELECT * FROM copy")
        sql.execute("DROP TABLE copy")
    sql.execute(poison + " WHERE true" if "gap_" in poison else f"{poison} WHERE gateway = 'gw-1'")
    sql.commit()
    sql.close()
    read = connect_readonly(tmp_path / "store.db")
    books = {book["gateway"]: book for book in audit.epochs(read)}
    read.close()
    assert (books["gw-2"]["blocks"], books["gw-2"]["scans"]) == (2, 20)
    assert all(isinstance(books["gw-1"][key], int) for key in ("scans", "missing", "twice"))


def test_gap_of_an_epoch_that_nobody_named_is_in_the_books(tmp_path: Path) -> None:
    gap = lost(pb.GAP_REASON_DAMAGED, 2)
    gap.epoch = 5
    named, _ = books(tmp_path, examples.block(1, gaps=(gap,)))
    assert (named["epoch"], named["gaps"]["damaged"]["blocks"]) == (5, 1)


def test_export_of_an_absurd_utc_ends_at_the_range_of_its_numbers(tmp_path: Path) -> None:
    filled(tmp_path, [examples.block(1)]).close()
    sql = sqlite3.connect(tmp_path / "store.db")
    sql.execute("UPDATE anchors SET utc_ns = 9223372036854775807")
    sql.commit()
    sql.close()
    read = connect_readonly(tmp_path / "store.db")
    assert export_csv(read, Selection(), io.StringIO()) == 20
    assert list(days(read, NOW_NS)) == days(read, NOW_NS)  # and no reader raises
    read.close()


def test_clean_end_closes_the_epoch(tmp_path: Path) -> None:
    (book,) = books(tmp_path, examples.block(1, end=True))
    assert not book["open"]


def test_audit_when_something_is_missing_exits_1_and_says_where(
    tmp_path: Path, capsys: Any
) -> None:
    sql = filled(tmp_path, [examples.block(1), examples.block(3)])
    out = io.StringIO()
    assert audit.say_epochs(sql, out, as_json=False) == 1
    assert "gw-1 run 7: 10 ticks" in capsys.readouterr().err
    assert "missing 10" in out.getvalue()
    sql.close()


def test_export_selects_by_device_tag_and_time(tmp_path: Path) -> None:
    sql = filled(tmp_path, [examples.block(1), examples.block(2)])
    utc = 1_795_000_000_000_000_000

    def count(**fields: Any) -> int:
        return export_csv(sql, Selection(**fields), io.StringIO())

    assert count() == 40
    assert count(device="robot-3", tag="joint1") == 20
    assert count(device="lathe-9") == count(gateway="gw-2") == 0
    assert count(tag="joint1", start_ns=utc + PERIOD_NS, end_ns=utc + 4 * PERIOD_NS) == 3
    sql.close()


@pytest.mark.parametrize("bundled", [False, True])
def test_export_of_a_short_time_opens_no_other_payload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundled: bool
) -> None:
    """field.md 5.18: by index, whatever the store's age."""
    blocks: list[pb.Block | pb.Bundle]
    if bundled:
        blocks = [examples.bundle(first, 10) for first in range(1, 401, 10)]
    else:
        blocks = [examples.block(seq) for seq in range(1, 401)]
    sql = filled(tmp_path, blocks)
    opened = []
    real = samples.decompress

    def counted(compression: int, carried: bytes, size: int) -> bytes:
        opened.append(size)
        return real(compression, carried, size)

    monkeypatch.setattr(samples, "decompress", counted)
    start_ns = UTC_NS + 2000 * PERIOD_NS
    one_block = Selection(tag="joint1", start_ns=start_ns, end_ns=start_ns + 10 * PERIOD_NS)
    assert export_csv(sql, one_block, io.StringIO()) == 10
    sql.close()
    assert len(opened) <= 4


def test_export_of_a_boot_without_anchors_marks_every_time_uncertain(tmp_path: Path) -> None:
    sql = filled(tmp_path, [examples.block(2)])
    out = io.StringIO()
    export_csv(sql, Selection(tag="joint1"), out)
    sql.close()
    assert {line.rsplit(",", 1)[1] for line in out.getvalue().splitlines()[1:]} == {
        "uncertain_time"
    }


@pytest.mark.parametrize("page", ["platform.md", "platform.zh-CN.md"])
def test_sql_and_fields_of_the_platform_page_are_those_of_the_store(
    tmp_path: Path, page: str
) -> None:
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    sql = filled(tmp_path, [examples.block(1)])
    (example,) = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    assert [row[:2] for row in sql.execute(example)] == [("gw-1", "robot-3")]
    tables = {
        name for (name,) in sql.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    } - {"sqlite_sequence"}
    (book,) = audit.epochs(sql)
    (day, *_) = days(sql, NOW_NS)
    sql.close()
    named = set(re.findall(r"`([a-z_]+)`", text))
    assert tables <= named
    assert (book.keys() | day.keys()) - {"gateway", "epoch", "device", "day"} <= named
