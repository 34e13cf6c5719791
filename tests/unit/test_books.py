"""The platform's book: gaps that name blocks without their ticks cover what lies between."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from tests.contract import examples
from tests.contract.examples import BOOT, EPOCH, PERIOD_NS
from tests.contract.streams import store_of
from tests.kit.books import BOOT_NS, OPEN_NS, Gap, Stored, read_sampled, read_stored

START_NS = 1_000_000_000_000
NEXT = EPOCH + (1 << 32)


def due_ns(tick: int) -> int:
    return START_NS + tick * PERIOD_NS


def stored(path: Path, *blocks: pb.Block) -> Stored:
    return read_stored(store_of(path / "store.db", blocks))


def lost(reason: pb.GapReason.ValueType, *seqs: int) -> pb.Gap:
    blocks = [pb.SeqRange(first=seq, last=seq) for seq in seqs]
    return pb.Gap(reason=reason, epoch=EPOCH, blocks=blocks)


def crash(after_seq: int, until_tick: int, *seqs: int) -> pb.Gap:
    gap = lost(pb.GAP_REASON_CRASH, *seqs)
    gap.count_unknown, gap.after_seq = True, after_seq
    gap.until_ns, gap.until_boot_id = due_ns(until_tick), BOOT
    return gap


@pytest.mark.parametrize("reason", ["damaged", "platform_lost"])
def test_block_gap_when_neighbours_are_held_then_it_lies_between_them(
    tmp_path: Path, reason: str
) -> None:
    gap = lost(pb.GapReason.Value(f"GAP_REASON_{reason.upper()}"), 2)
    found = stored(tmp_path, examples.block(1), examples.block(3, gaps=(gap,)))
    assert found.gaps == [Gap("robot-3", reason, due_ns(10), due_ns(20), 10)]
    assert found.lies == []


def test_block_gap_when_nothing_is_behind_then_its_end_is_open(tmp_path: Path) -> None:
    gap = lost(pb.GAP_REASON_DAMAGED, 1)
    found = stored(
        tmp_path, examples.block(2), examples.block(3, gaps=(lost(pb.GAP_REASON_DAMAGED, 4), gap))
    )
    assert found.gaps == [
        Gap("robot-3", "damaged", due_ns(30), OPEN_NS, None),
        Gap("robot-3", "damaged", 0, due_ns(10), None),
    ]


def test_block_gap_at_the_end_of_an_epoch_when_another_follows_then_it_ends_there(
    tmp_path: Path,
) -> None:
    later = examples.block(1, epoch=NEXT, first_tick=50, gaps=(lost(pb.GAP_REASON_DAMAGED, 3),))
    found = stored(tmp_path, examples.block(1), examples.block(2), later)
    assert found.gaps == [Gap("robot-3", "damaged", due_ns(20), due_ns(50), None)]


def test_crash_gap_when_it_names_holes_then_what_is_held_beyond_is_no_lie(tmp_path: Path) -> None:
    later = examples.block(1, epoch=NEXT, first_tick=50, gaps=(crash(1, 45, 2),))
    found = stored(tmp_path, examples.block(1), examples.block(3), later)
    assert found.lies == []
    assert found.gaps == [
        Gap("robot-3", "crash", due_ns(10), due_ns(20), 10),
        Gap("robot-3", "crash", due_ns(30), due_ns(45), None),
    ]


def test_crash_gap_when_it_names_none_then_a_block_behind_it_is_a_lie(tmp_path: Path) -> None:
    later = examples.block(1, epoch=NEXT, first_tick=50, gaps=(crash(1, 45),))
    found = stored(tmp_path, examples.block(1), examples.block(2), later)
    assert [lie.what for lie in found.lies] == ["block 2 is stored, the crash gap is after 1"]
    assert found.gaps == [Gap("robot-3", "crash", due_ns(10), due_ns(45), None)]


def test_box_when_started_twice_then_the_clocks_of_its_boots_are_told_apart(tmp_path: Path) -> None:
    """Both boots count from the same moment; the gap reaches from the one into the other."""
    gap = crash(1, 45)
    gap.until_boot_id = "second"
    later = examples.block(1, epoch=NEXT, first_tick=40, gaps=(gap,))
    path = store_of(tmp_path / "store.db", [examples.block(1), later])
    with closing(sqlite3.connect(path)) as sql, sql:
        sql.execute("UPDATE epochs SET boot_id = iif(epoch = ?, ?, 'second')", (EPOCH, BOOT))
    found = read_stored(path, [BOOT, "second"])
    assert found.gaps == [Gap("robot-3", "crash", due_ns(10), BOOT_NS + due_ns(45), None)]
    assert next(row.time_ns for row in found.rows if row.epoch == NEXT) == BOOT_NS + due_ns(40)
    assert next(row.time_ns for row in found.rows if row.epoch == EPOCH) == due_ns(0)
    sampled = tmp_path / "sampled"
    sampled.mkdir()
    for boot in ("boot-1", "boot-2"):
        (sampled / boot).write_text("robot 1 100 200\n")
    assert [one.asked_ns for one in read_sampled(sampled, by_boot=True)] == [100, BOOT_NS + 100]


def test_store_when_read_then_it_is_left_as_it_is(tmp_path: Path) -> None:
    stored(tmp_path, examples.block(1))
    before = (tmp_path / "store.db").read_bytes()
    read_stored(tmp_path / "store.db")
    assert (tmp_path / "store.db").read_bytes() == before
