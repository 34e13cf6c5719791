"""The checker checked: a true ledger passes, and each way to falsify it fails its rule."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard
from jiahe.ingest.v1 import ingest_pb2 as pb

from tests.contract import encode, examples
from tests.contract.examples import BOOT, EPOCH, PERIOD_NS
from tests.contract.streams import store_of
from tests.kit import ledger
from tests.kit.books import Sampled, read_sampled, read_stored

ROOT = Path(__file__).parents[2]
START_NS = 1_000_000_000_000


def sampled(ticks: Sequence[int]) -> list[Sampled]:
    """What a controller writes: asked 1 ms before the row's time, answered 1 ms after."""
    times = [(tick, START_NS + tick * PERIOD_NS) for tick in ticks]
    return [Sampled("robot-3", tick, time - 10**6, time + 10**6) for tick, time in times]


def report(
    path: Path, blocks: Sequence[pb.Block], book: list[Sampled], **options: int
) -> ledger.Report:
    stored = read_stored(store_of(path / "store.db", blocks))
    return ledger.check(book, stored, allow_ns=0, retries=options.get("retries", 0))


def rules(found: ledger.Report) -> set[str]:
    return {violation.split(":")[0] for violation in found.violations}


def gap(**fields: Any) -> pb.Gap:
    return pb.Gap(**{"reason": pb.GAP_REASON_EVICTED_OLDEST, "epoch": EPOCH, **fields})


def counted_gap(first_tick: int, count: int, block: int) -> pb.Gap:
    due = START_NS + first_tick * PERIOD_NS
    ticks = pb.GapTicks(
        group=1,
        first_tick=first_tick,
        count=count,
        first_due_ns=due,
        last_due_ns=due + (count - 1) * PERIOD_NS,
    )
    return gap(blocks=[pb.SeqRange(first=block, last=block)], ticks=[ticks])


def crash_gap(after_seq: int, until_tick: int) -> pb.Gap:
    return gap(
        reason=pb.GAP_REASON_CRASH,
        count_unknown=True,
        after_seq=after_seq,
        until_ns=START_NS + until_tick * PERIOD_NS,
        until_boot_id=BOOT,
    )


def test_true_ledger_passes_every_rule(tmp_path: Path) -> None:
    blocks = [examples.block(1), examples.block(2), examples.block(3, end=True)]
    found = report(tmp_path, blocks, sampled(range(30)))
    assert (found.violations, found.sampled, found.stored, found.missing) == ([], 30, 30, 0)


def test_sampled_but_not_stored_breaks_i1(tmp_path: Path) -> None:
    found = report(tmp_path, [examples.block(1)], sampled(range(11)))
    assert (rules(found), found.missing) == ({"I1"}, 1)


def test_row_stored_under_two_names_breaks_i2(tmp_path: Path) -> None:
    blocks = [examples.block(1), examples.block(2, first_tick=10, add=-10)]
    found = report(tmp_path, blocks, sampled(range(10)))
    assert found.twice == 10
    assert "I2" in rules(found)


def test_stored_but_never_sampled_breaks_i2(tmp_path: Path) -> None:
    found = report(tmp_path, [examples.block(1)], sampled(range(9)))
    assert rules(found) == {"I2"}


def test_time_outside_the_answer_breaks_i2(tmp_path: Path) -> None:
    book = sampled(range(10))
    book[4] = book[4]._replace(
        asked_ns=book[4].asked_ns + 3 * 10**6, answered_ns=book[4].answered_ns + 10**7
    )
    assert rules(report(tmp_path, [examples.block(1)], book)) == {"I2"}


@pytest.mark.parametrize(("half_span_us", "broken"), [(2000, set()), (1990, {"I2"})])
def test_time_outside_the_answer_is_as_far_off_as_its_row_says_or_breaks_i2(
    half_span_us: int, broken: set[str], tmp_path: Path
) -> None:
    book = sampled(range(10))
    book[4] = book[4]._replace(asked_ns=book[4].asked_ns + 3 * 10**6, answered_ns=1 << 60)
    payload = pb.BlockPayload.FromString(zstandard.decompress(examples.block(1).payload))
    payload.runs[0].half_span_us.extend([1000] * 4 + [half_span_us] + [1000] * 5)
    block = encode.block(EPOCH, 1, payload)
    assert rules(report(tmp_path, [block], book)) == broken


def claiming(half_spans_us: list[int], columns: Sequence[pb.Column] = ()) -> pb.Block:
    """Ten rows with these half spans."""
    payload = pb.BlockPayload.FromString(zstandard.decompress(examples.block(1).payload))
    payload.runs[0].half_span_us.extend(half_spans_us)
    for at, column in enumerate(columns):
        payload.runs[0].columns[at].CopyFrom(column)
    return encode.block(EPOCH, 1, payload)


def test_row_that_claims_more_than_its_scan_can_have_taken_breaks_i2(tmp_path: Path) -> None:
    """Each row could be of any time, and none would be found wrong."""
    assert rules(report(tmp_path, [claiming([5001] * 10)], sampled(range(10)))) == set()
    (tmp_path / "store.db").unlink()
    assert rules(report(tmp_path, [claiming([5006] * 10)], sampled(range(10)))) == {"I2"}


def test_bad_row_is_one_answer_that_was_read_as_bad_however_much_it_claims(tmp_path: Path) -> None:
    without_5 = [tick for tick in range(10) if tick != 5]
    bad = encode.column(without_5, order=1, qualities=[1] * 5 + [129] + [1] * 4)
    book = [*sampled(range(10)), Sampled("robot-3", 99, START_NS, START_NS + 1)]
    found = report(tmp_path, [claiming([0] * 5 + [60_000] + [0] * 4, [bad])], book)
    assert (found.read_as_bad, found.missing) == (1, 0)
    assert found.retried == 1


def test_gap_over_missing_ticks_when_announced_passes(tmp_path: Path) -> None:
    blocks = [examples.block(1), examples.block(3, gaps=(counted_gap(10, 10, 2),))]
    found = report(tmp_path, blocks, sampled(range(30)))
    assert (found.violations, found.in_gaps) == ([], {"evicted_oldest": 10})


def test_gap_over_stored_ticks_breaks_i3(tmp_path: Path) -> None:
    blocks = [
        examples.block(1),
        examples.block(2),
        examples.block(3, gaps=(counted_gap(10, 10, 9),)),
    ]
    assert rules(report(tmp_path, blocks, sampled(range(30)))) == {"I3"}


def test_gap_naming_a_stored_block_breaks_i3(tmp_path: Path) -> None:
    blocks = [
        examples.block(1),
        examples.block(2, gaps=(gap(blocks=[pb.SeqRange(first=1, last=1)]),)),
    ]
    assert rules(report(tmp_path, blocks, sampled(range(20)))) == {"I3"}


def test_crash_gap_over_a_lost_tail_passes(tmp_path: Path) -> None:
    after = examples.block(1, epoch=EPOCH + 1, first_tick=50, add=-27, gaps=(crash_gap(2, 50),))
    again = [one._replace(counter=one.counter - 27) for one in sampled(range(50, 60))]
    book = [*sampled(range(23)), *again]
    found = report(tmp_path, [examples.block(1), examples.block(2), after], book)
    assert (found.violations, found.in_gaps) == ([], {"crash": 3})


def test_crash_gap_after_a_block_that_is_not_the_last_breaks_i3(tmp_path: Path) -> None:
    after = examples.block(1, epoch=EPOCH + 1, first_tick=50, gaps=(crash_gap(1, 50),))
    found = report(
        tmp_path,
        [examples.block(1), examples.block(2), after],
        sampled([*range(20), *range(50, 60)]),
    )
    assert rules(found) == {"I3"}


def test_sampled_before_the_crash_gap_begins_breaks_i1(tmp_path: Path) -> None:
    early = examples.block(1, skipped=())
    after = examples.block(1, epoch=EPOCH + 1, first_tick=50, gaps=(crash_gap(1, 50),))
    book = [*sampled([*range(10), *range(50, 60)]), Sampled("robot-3", 99, START_NS, START_NS + 1)]
    assert rules(report(tmp_path, [early, after], book)) == {"I1"}


def test_gap_of_another_device_does_not_excuse(tmp_path: Path) -> None:
    blocks = [examples.block(1), examples.block(3, gaps=(counted_gap(10, 10, 2),))]
    stray = Sampled("lathe-1", 1, START_NS + 15 * PERIOD_NS, START_NS + 15 * PERIOD_NS + 1)
    assert rules(report(tmp_path, blocks, [*sampled(range(30)), stray])) == {"I1"}


def test_gap_over_more_than_the_fault_explains_breaks_i4(tmp_path: Path) -> None:
    blocks = [examples.block(1, skipped=((3, 2, pb.GAP_REASON_OVERRUN),))]
    stored = read_stored(store_of(tmp_path / "store.db", blocks))
    book = sampled([0, 1, 2, 5, 6, 7, 8, 9])
    assert not ledger.check(book, stored, gap_ticks_max={"overrun": 2}).violations
    assert rules(ledger.check(book, stored, gap_ticks_max={"overrun": 1})) == {"I4"}
    assert rules(ledger.check(book, stored, gap_ticks_max={})) == {"I4"}


def test_hole_in_the_seqs_breaks_i5(tmp_path: Path) -> None:
    blocks = [examples.block(1), examples.block(3, first_tick=10)]
    assert rules(report(tmp_path, blocks, sampled(range(20)))) == {"I5"}


def test_answer_lost_on_the_wire_and_asked_again_is_allowed_only_when_said(tmp_path: Path) -> None:
    """Answer 4 was damaged; answer 5 to the same tick made the row."""
    book = [one._replace(counter=one.counter + (one.counter >= 4)) for one in sampled(range(10))]
    book.append(book[4]._replace(counter=4))
    payload = [tick + (tick >= 4) for tick in range(10)]
    blocks = [examples.block(1, counters=payload)]
    assert rules(report(tmp_path, blocks, book)) == {"I1"}
    assert not ledger.check(book, read_stored(tmp_path / "store.db"), retries=1).violations


def test_spoilt_answer_need_not_be_stored_and_must_not(tmp_path: Path) -> None:
    book = sampled(range(11))
    book[10] = book[10]._replace(spoilt=True)
    found = report(tmp_path, [examples.block(1)], book)
    assert (found.violations, found.spoilt) == ([], 1)
    book[3] = book[3]._replace(spoilt=True)
    assert rules(ledger.check(book, read_stored(tmp_path / "store.db"))) == {"I2"}


def test_book_of_the_simulators_is_read_with_its_marks(tmp_path: Path) -> None:
    (tmp_path / "book").write_text("press-1 1 2 3\npress-1 0 4 5\npress-1 2 6 7 spoilt\n")
    assert read_sampled(tmp_path) == [
        Sampled("press-1", 1, 2, 3),
        Sampled("press-1", 2, 6, 7, spoilt=True),
    ]


def test_box_that_believes_more_acknowledged_than_is_stored_breaks_i9(tmp_path: Path) -> None:
    stored = read_stored(store_of(tmp_path / "store.db", [examples.block(1)]))
    good = {"epoch": EPOCH, "counters": {"acked_scans": 10}}
    bad = {"epoch": EPOCH, "counters": {"acked_scans": 11}}
    assert not ledger.check(sampled(range(10)), stored, box=good).violations
    assert rules(ledger.check(sampled(range(10)), stored, box=bad)) == {"I9"}


@pytest.mark.parametrize(("ticks", "status"), [(20, 0), (21, 1)])
def test_ledger_command_of_a_run_exits_by_what_it_finds(
    tmp_path: Path, ticks: int, status: int
) -> None:
    store_of(tmp_path / "store.db", [examples.block(1, add=1), examples.block(2, add=1)])
    (tmp_path / "sampled").mkdir()
    lines = "".join(
        f"{one.device} {one.counter + 1} {one.asked_ns} {one.answered_ns}\n"
        for one in sampled(range(ticks))
    )
    (tmp_path / "sampled" / "robot-3.book").write_text(lines)
    done = subprocess.run(
        [sys.executable, "-m", "tests.kit.ledger", tmp_path, "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert json.loads(done.stdout)["missing"] == status


def test_broken_line_of_a_sampled_book_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("robot-3,1,2,3\nrobot-3 x 2 3\n")
    with pytest.raises(ValueError, match=r"a\.csv:2"):
        read_sampled(tmp_path)
