"""Completeness in time, along the chain of runs: what was said of each nanosecond adds up."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import audit
from ingest.chain import runs_of
from ingest.completeness import CLASSES, days
from ingest.inline import Inline, InlineStore
from ingest.stores.opening import connect
from tests.contract import examples, receiver, streams
from tests.contract.examples import BOOT, EPOCH, PERIOD_NS, START_NS, UTC_NS

S = 10**9
DAY_NS = 86_400 * S
BLOCK_NS = 10 * PERIOD_NS
NEXT, THIRD = EPOCH + (1 << 32), EPOCH + (2 << 32)


class Platform:
    """A store and a stream to it. Block 1 of a run is due at `START_NS` plus what `after` says."""

    def __init__(self, path: Path) -> None:
        self.sql = connect(path / "store.db")
        self.now_ns = UTC_NS

    def stream(self, epoch: int) -> Inline:
        one = streams.stream(InlineStore(self.sql))
        streams.said(one, receiver.hello(epoch), *examples.opening(epoch))
        return one

    def run(self, epoch: int, *payloads: tuple[int, pb.BlockPayload], zone: str = "") -> None:
        """Blocks (seq, payload) of a run."""
        one = streams.stream(InlineStore(self.sql))
        made = examples.content()
        made.time_zone = zone
        catalog = pb.StreamRequest(catalog=examples.catalog(epoch, made=made))
        streams.said(one, receiver.hello(epoch), examples.opening()[0], catalog)
        for seq, payload in payloads:
            block = examples.encode.block(epoch, seq, payload)
            answers = streams.said(one, pb.StreamRequest(block=block))
            assert answers[-1].HasField("ack"), answers

    def day(self, now_ns: int, **options: Any) -> dict[str, Any]:
        """All days added up, after each of them was held against its own sum."""
        total = dict.fromkeys(("configured_s", *(f"{name}_s" for name in CLASSES)), 0.0)
        for book in days(self.sql, now_ns, **options):
            parts = sum(book[f"{name}_s"] for name in CLASSES)
            assert parts == pytest.approx(book["configured_s"], abs=1e-6)
            for key in total:
                total[key] += book[key]
        return {key: round(value, 3) for key, value in total.items() if value}


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    made = Platform(tmp_path)
    yield made
    made.sql.close()


def payload(
    block: int, *, at_ns: int = 0, blocks: int = 1, end: bool = False,
    gaps: tuple[pb.Gap, ...] = (), begin: pb.Begin | None = None,
    skipped: tuple[tuple[int, int, int], ...] = (), boot: str = BOOT,
) -> pb.BlockPayload:  # fmt: skip
    """Ten ticks a block, from block number `block` (from 0) on, of a run that began `at_ns` after
    START_NS."""
    run = examples.run(block * 10, blocks * 10, skipped=skipped)
    run.first_due_ns += at_ns
    anchor = examples.anchor()
    anchor.boot_id = boot
    return pb.BlockPayload(anchors=[anchor], runs=[run], end_of_epoch=end, gaps=gaps, begin=begin)


def begin(previous: int, last_seq: int, until_ns: int, began_ns: int) -> pb.Begin:
    return pb.Begin(
        previous_epoch=previous, previous_last_seq=last_seq, sampled_until_ns=START_NS + until_ns,
        previous_boot_id=BOOT, ended=pb.RUN_END_STOPPED, began_ns=START_NS + began_ns,
    )  # fmt: skip


def test_time_after_the_last_word_is_awaited(platform: Platform) -> None:
    platform.run(EPOCH, (1, payload(0)))
    assert platform.day(UTC_NS + S) == {
        "configured_s": 1.0, "complete_s": 0.1, "awaited_s": 0.9,
    }  # fmt: skip


def test_clean_stop_of_40_s_is_stopped_time_and_never_complete(platform: Platform) -> None:
    """field.md 5.7."""
    platform.run(EPOCH, (1, payload(0, end=True)))
    after = begin(EPOCH, 1, BLOCK_NS, 40 * S)
    platform.run(NEXT, (1, payload(0, at_ns=40 * S, begin=after)))
    assert platform.day(UTC_NS + 40 * S + BLOCK_NS) == {
        "configured_s": 40.1, "complete_s": 0.2, "stopped_s": 39.9,
    }  # fmt: skip
    out = io.StringIO()
    options: dict[str, Any] = {"as_json": False, "now_ns": UTC_NS + 40 * S + BLOCK_NS}
    assert audit.say_days(platform.sql, out, **options) == 0
    assert audit.say_days(platform.sql, out, expect=99.9, **options) == 1
    assert audit.say_days(platform.sql, out, expect=0.4, **options) == 0


def test_holes_skipped_ticks_and_gaps_stand_apart(platform: Platform) -> None:
    gone = pb.Gap(reason=pb.GAP_REASON_DAMAGED, epoch=EPOCH, blocks=[pb.SeqRange(first=2, last=2)])
    late = payload(4, skipped=((41, 3, pb.GAP_REASON_OVERRUN),))
    platform.run(EPOCH, (1, payload(0)), (3, payload(2, gaps=(gone,))), (5, late))
    assert platform.day(UTC_NS + 5 * BLOCK_NS) == {
        "configured_s": 0.5, "complete_s": 0.27, "gaps_s": 0.13, "missing_s": 0.1,
    }  # fmt: skip


def test_hole_at_the_head_of_a_run_is_missing(platform: Platform) -> None:
    """field.md 5.14."""
    platform.run(EPOCH, (3, payload(2)))
    assert platform.day(UTC_NS + 3 * BLOCK_NS) == {
        "configured_s": 0.3, "complete_s": 0.1, "missing_s": 0.2,
    }  # fmt: skip


def test_run_that_the_chain_names_and_that_is_not_here_is_missing_and_said(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    """field.md 5.13: a restored store. Runs 1 and 3 are here, both look clean."""
    platform.run(EPOCH, (1, payload(0, end=True)))
    after = begin(NEXT, 9, 30 * S, 40 * S)
    platform.run(THIRD, (1, payload(0, at_ns=40 * S, begin=after)))
    assert platform.day(UTC_NS + 40 * S + BLOCK_NS) == {
        "configured_s": 40.1, "complete_s": 0.2, "missing_s": 39.9,
    }  # fmt: skip
    assert audit.say_epochs(platform.sql, io.StringIO(), as_json=False) == 1
    assert "run 8" in capsys.readouterr().err
    lost = pb.Gap(
        reason=pb.GAP_REASON_PLATFORM_LOST, epoch=NEXT, blocks=[pb.SeqRange(first=1, last=9)],
        end_of_epoch=True,
    )  # fmt: skip
    platform.run(THIRD, (2, payload(1, at_ns=40 * S, gaps=(lost,))))
    assert audit.say_epochs(platform.sql, io.StringIO(), as_json=False) == 0


def test_order_of_runs_is_their_chain_and_never_their_number(platform: Platform) -> None:
    """A box that lost its disk takes a lower number."""
    low = 5
    platform.run(EPOCH, (1, payload(0, end=True)))
    after = begin(EPOCH, 1, BLOCK_NS, 10 * S)
    platform.run(low, (1, payload(0, at_ns=10 * S, begin=after)))
    assert platform.day(UTC_NS + 10 * S + BLOCK_NS) == {
        "configured_s": 10.1, "complete_s": 0.2, "stopped_s": 9.9,
    }  # fmt: skip


def test_crash_is_a_gap_until_it_surely_sampled_and_stopped_after(platform: Platform) -> None:
    platform.run(EPOCH, (1, payload(0)))
    crash = pb.Gap(
        reason=pb.GAP_REASON_CRASH, epoch=EPOCH, count_unknown=True, after_seq=1,
        until_ns=START_NS + S, until_boot_id=BOOT,
    )  # fmt: skip
    after = begin(EPOCH, 1, S, 5 * S)
    platform.run(NEXT, (1, payload(0, at_ns=5 * S, gaps=(crash,), begin=after)))
    assert platform.day(UTC_NS + 5 * S + BLOCK_NS) == {
        "configured_s": 5.1, "complete_s": 0.2, "gaps_s": 0.9, "stopped_s": 4.0,
    }  # fmt: skip


def test_last_blocks_that_never_came_are_missing_where_the_next_run_tells_them(
    platform: Platform,
) -> None:
    platform.run(EPOCH, (1, payload(0)))
    after = begin(EPOCH, 3, 3 * BLOCK_NS, S)
    platform.run(NEXT, (1, payload(0, at_ns=S, begin=after)))
    assert platform.day(UTC_NS + S + BLOCK_NS) == {
        "configured_s": 1.1, "complete_s": 0.2, "missing_s": 0.2, "stopped_s": 0.7,
    }  # fmt: skip
    (old, _) = audit.epochs(platform.sql)
    assert old["missing_blocks"] == 2


def test_days_are_those_of_the_site_s_zone(platform: Platform) -> None:
    to_midnight = -(UTC_NS + 8 * 3600 * S) % DAY_NS
    platform.run(EPOCH, (1, payload(0)), zone="Asia/Shanghai")
    now_ns = UTC_NS + to_midnight + S
    yesterday, today = days(platform.sql, now_ns)
    assert today["configured_s"] == 1.0
    assert yesterday["configured_s"] == pytest.approx(to_midnight / S)
    assert [yesterday["day"], today["day"]] == ["2026-11-18", "2026-11-19"]


def test_range_of_time_is_kept_to(platform: Platform) -> None:
    platform.run(EPOCH, (1, payload(0, blocks=100)))
    options = {"start_ns": UTC_NS + S, "end_ns": UTC_NS + 3 * S}
    assert platform.day(UTC_NS + 20 * S, **options) == {"configured_s": 2.0, "complete_s": 2.0}


def test_group_that_ended_is_configured_until_then(platform: Platform) -> None:
    one = platform.stream(EPOCH)
    streams.said(one, pb.StreamRequest(block=examples.block(1)))
    ends = examples.content([], [pb.GroupEnd(id=1, last_tick=19)])
    catalog = examples.catalog(EPOCH, revision=2, made=ends)
    streams.said(one, pb.StreamRequest(catalog=catalog))
    assert platform.day(UTC_NS + S) == {
        "configured_s": 0.2, "complete_s": 0.1, "missing_s": 0.1,
    }  # fmt: skip


def test_two_groups_of_a_device_count_alike(platform: Platform) -> None:
    one = streams.stream(InlineStore(platform.sql))
    made = examples.content([examples.group(1), examples.group(2)])
    catalog = pb.StreamRequest(catalog=examples.catalog(made=made))
    streams.said(one, receiver.hello(EPOCH), examples.opening()[0], catalog)
    run = [examples.run(0, 10), examples.run(0, 5, group=2)]
    sealed = examples.encode.block(EPOCH, 1, pb.BlockPayload(runs=run, anchors=[examples.anchor()]))
    assert streams.said(one, pb.StreamRequest(block=sealed))
    assert platform.day(UTC_NS + BLOCK_NS) == {
        "configured_s": 0.1, "complete_s": 0.075, "awaited_s": 0.025,
    }  # fmt: skip


def lost(*, ticks: int = 0, blocks: int = 4) -> pb.Gap:
    """All of run NEXT, which began a second after the first; its ticks where `ticks` says them."""
    gap = pb.Gap(reason=pb.GAP_REASON_EVICTED_OLDEST, epoch=NEXT, end_of_epoch=True)
    gap.blocks.add(first=1, last=blocks)
    if ticks:
        due_ns = START_NS + S
        last_ns = due_ns + (ticks - 1) * PERIOD_NS
        gap.ticks.add(group=1, first_tick=0, count=ticks, first_due_ns=due_ns, last_due_ns=last_ns)
    return gap


@pytest.mark.parametrize(
    ("said_hello", "boot"), [(False, BOOT), (True, BOOT), (False, "boot-b")],
    ids=["unheard of", "said Hello", "of a boot without anchors"],
)  # fmt: skip
def test_run_when_all_its_blocks_were_evicted_and_announced_then_it_is_in_gaps(
    platform: Platform, said_hello: bool, boot: str
) -> None:
    platform.run(EPOCH, (1, payload(0, end=True)))
    if said_hello:
        platform.run(NEXT)
    after = begin(NEXT, 4, 39 * S, 40 * S)
    after.previous_boot_id = boot
    platform.run(THIRD, (1, payload(0, at_ns=40 * S, begin=after, gaps=(lost(ticks=3800),))))
    assert platform.day(UTC_NS + 40 * S + BLOCK_NS) == {
        "configured_s": 40.1, "complete_s": 0.2, "gaps_s": 38.0, "stopped_s": 1.9,
    }  # fmt: skip


def test_run_when_nothing_says_since_when_it_had_blocks_then_all_until_its_end_is_in_gaps(
    platform: Platform,
) -> None:
    platform.run(EPOCH, (1, payload(0, end=True)))
    after = begin(NEXT, 4, 39 * S, 40 * S)
    platform.run(THIRD, (1, payload(0, at_ns=40 * S, begin=after, gaps=(lost(),))))
    told = {"configured_s": 40.1, "complete_s": 0.2, "gaps_s": 38.9, "stopped_s": 1.0}
    assert platform.day(UTC_NS + 40 * S + BLOCK_NS) == told


def test_run_when_not_all_its_blocks_are_announced_then_it_is_missing(platform: Platform) -> None:
    platform.run(EPOCH, (1, payload(0, end=True)))
    after = begin(NEXT, 4, 39 * S, 40 * S)
    platform.run(THIRD, (1, payload(0, at_ns=40 * S, begin=after, gaps=(lost(blocks=3),))))
    told = {"configured_s": 40.1, "complete_s": 0.2, "missing_s": 38.9, "stopped_s": 1.0}
    assert platform.day(UTC_NS + 40 * S + BLOCK_NS) == told


def test_run_when_it_said_hello_and_crashed_without_a_block_then_the_order_stands(
    platform: Platform,
) -> None:
    platform.run(EPOCH, (1, payload(0, end=True)))
    platform.run(NEXT)
    crash = pb.Gap(
        reason=pb.GAP_REASON_CRASH, epoch=NEXT, count_unknown=True, until_ns=START_NS + 40 * S,
        until_boot_id=BOOT,
    )  # fmt: skip
    after = begin(NEXT, 0, 20 * S, 40 * S)
    first = payload(0, at_ns=40 * S, begin=after, gaps=(crash,))
    platform.run(THIRD, (1, first), (2, payload(1, at_ns=40 * S)))
    assert platform.day(UTC_NS + 40 * S + 2 * BLOCK_NS) == {
        "configured_s": 40.2, "complete_s": 0.3, "stopped_s": 39.9,
    }  # fmt: skip


def test_run_when_it_said_no_more_than_hello_then_the_one_before_is_awaited(
    platform: Platform,
) -> None:
    platform.run(EPOCH, (1, payload(0)))
    platform.run(NEXT)
    assert platform.day(UTC_NS + S) == {
        "configured_s": 1.0, "complete_s": 0.1, "awaited_s": 0.9,
    }  # fmt: skip


def test_gateway_when_it_said_no_more_than_hello_then_its_books_are_empty(
    platform: Platform,
) -> None:
    platform.run(EPOCH)
    assert runs_of(platform.sql, "gw-1") == [] and platform.day(UTC_NS + S) == {}


@pytest.mark.parametrize("evicted", [False, True])
def test_runs_when_two_name_the_same_one_before_then_no_time_counts_twice(
    platform: Platform, evicted: bool
) -> None:
    """The box could not note its second run, so the third too says that the first was before it.
    `evicted`: nothing of the second came, and the third announces it."""
    platform.run(EPOCH, (1, payload(0, end=True)))
    gaps = (lost(ticks=10),) if evicted else ()
    if not evicted:
        after = begin(EPOCH, 1, BLOCK_NS, 10 * S)
        platform.run(NEXT, (1, payload(0, at_ns=10 * S, begin=after)))
    after = begin(EPOCH, 1, BLOCK_NS, 40 * S)
    platform.run(THIRD, (1, payload(0, at_ns=40 * S, begin=after, gaps=gaps)))
    told = platform.day(UTC_NS + 40 * S + BLOCK_NS)
    assert told == {"configured_s": 40.1} | (
        {"complete_s": 0.2, "gaps_s": 0.1, "stopped_s": 39.8}
        if evicted
        else {"complete_s": 0.3, "stopped_s": 9.9, "missing_s": 29.9}
    )


def test_order_when_a_run_in_a_broken_chain_has_a_wrong_clock_then_it_is_that_of_the_chain(
    platform: Platform,
) -> None:
    """Run NEXT began in 2036 by its clock; the one behind it, and one that names nobody, didn't."""
    platform.run(EPOCH, (1, payload(0, end=True)))
    wrong = payload(0, at_ns=S, begin=begin(EPOCH, 1, BLOCK_NS, S), end=True, boot="boot-w")
    wrong.anchors[0].utc_ns += 3652 * DAY_NS
    platform.run(NEXT, (1, wrong))
    after = begin(NEXT, 1, S + BLOCK_NS, 2 * S)
    after.previous_boot_id = "boot-w"
    platform.run(THIRD, (1, payload(0, at_ns=2 * S, begin=after, end=True)))
    lone = THIRD + (1 << 32)
    platform.run(lone, (1, payload(0, at_ns=3 * S)))
    order = [run.epoch for run in runs_of(platform.sql, "gw-1")]
    assert order == [EPOCH, NEXT, THIRD, lone]


def test_epochs_that_name_each_other_in_a_circle_are_ordered_somehow(platform: Platform) -> None:
    platform.run(EPOCH, (1, payload(0, begin=begin(NEXT, 1, 0, 0))))
    platform.run(NEXT, (1, payload(0, at_ns=S, begin=begin(EPOCH, 1, 0, S))))
    assert platform.day(UTC_NS + 2 * S)["complete_s"] == 0.2
    assert isinstance(platform.sql, sqlite3.Connection)
