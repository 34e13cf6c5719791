"""Every tick of a group, exactly once: rows, gaps, a store that is full, and plans that change."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers.api import Field, GroupPlan, Request
from native.block import Sealer
from native.group import ROWS_MIN, Group
from tests.kit.scans import GOOD, PERIOD_NS, START_NS, Box, plan, registers, tag, unpacked

MEMORY_FULL = pb.GAP_REASON_MEMORY_FULL
REASONS = st.sampled_from(
    [pb.GAP_REASON_OVERRUN, pb.GAP_REASON_DEVICE_SILENT, pb.GAP_REASON_LINK_DOWN]
)
OPERATIONS = st.one_of(
    st.tuples(st.just("push"), st.integers(1, 5)),
    st.tuples(st.just("skip"), st.tuples(st.integers(0, 4), REASONS)),
    st.tuples(st.just("seal"), st.just(0)),
    st.tuples(st.just("replan"), st.booleans()),
)


def box_of(tags: int = 1, **more: Any) -> Box:
    return Box([plan([tag(f"t{i}") for i in range(tags)])], **more)


def word(number: int) -> bytes:
    return registers("uint16", "ABCD", number % 65536)


@given(st.lists(OPERATIONS, max_size=60), st.integers(1, 2))
def test_ticks_when_pushed_skipped_sealed_and_replanned_are_each_there_once(
    operations: list[tuple[str, Any]], groups: int
) -> None:
    """Against a list: what was done to each tick of each group, in order."""
    tags = [tag("a", "uint16"), tag("b", "uint16")]
    together, apart = plan(tags), plan(tags, apart=True)
    box = Box([plan(tags, device=str(i)) for i in range(groups)], seal_ns=100 * PERIOD_NS)
    told: list[int] = []  # reason of each tick, 0 for a row
    read: dict[str, list[str | None]] = {str(number): [] for number in range(groups)}
    for what, argument in [*operations, ("seal", 0)]:
        if what == "push":
            for _ in range(argument):
                for number in range(groups):
                    box.push(number, len(told), word(len(told)) + word(number))
                told.append(0)
        elif what == "skip":
            count, reason = argument
            for group in box.groups:
                group.skip(len(told) + count, reason)
                group.skip(len(told), reason)  # what is accounted stays so
            told += [reason] * count
        elif what == "replan":
            made = apart if argument else together
            for group in box.groups:
                group.replan(made.requests, made.fields)
        else:
            for entry in box.seal():
                if entry.tag == "a":
                    read[entry.device].append(entry.value)
    rows = [str(tick) for tick, reason in enumerate(told) if reason == 0]
    assert read == {str(number): rows for number in range(groups)}
    for number in range(groups):
        assert box.accounted(number + 1) == list(enumerate(told))
        assert box.groups[number].scanned() == (len(told), len(told))
        snapshot = box.groups[number].snapshot()
        assert snapshot["rows"] == len(rows)
        assert sum(snapshot["skipped"].values()) == len(told) - len(rows)
    for run in box.runs:
        assert all(
            a.reason != b.reason or a.first_tick + a.count < b.first_tick
            for a, b in pairwise(run.skipped)
        ), "two gaps that touch and have one reason are one"


def test_rows_when_the_store_is_full_become_a_gap_and_it_goes_on_after_the_seal() -> None:
    box = box_of(seal_ns=PERIOD_NS)
    for tick in range(20):
        box.push(0, tick, word(tick))
    box.groups[0].skip(22, pb.GAP_REASON_OVERRUN)
    assert [entry.value for entry in box.seal()] == [str(tick) for tick in range(ROWS_MIN)]
    box.push(0, 22, word(22))
    assert [entry.value for entry in box.seal()] == ["22"]
    full = [(tick, 0 if tick < ROWS_MIN else MEMORY_FULL) for tick in range(20)]
    over = pb.GAP_REASON_OVERRUN
    assert box.accounted(1) == [*full, (20, over), (21, over), (22, 0)]
    assert box.groups[0].snapshot()["skipped"] == {"memory_full": 12, "overrun": 2}


def test_store_when_half_full_rings_once_until_it_is_sealed() -> None:
    box = box_of(seal_ns=PERIOD_NS)
    rings = [_rings(box.sealer, partial(box.push, 0, tick, word(tick))) for tick in range(ROWS_MIN)]
    assert rings == [tick == ROWS_MIN // 2 - 1 for tick in range(ROWS_MIN)]
    box.seal()
    again = range(ROWS_MIN, 2 * ROWS_MIN)
    assert [_rings(box.sealer, partial(box.push, 0, tick, word(tick))) for tick in again] == rings


def _rings(sealer: Sealer, act: Callable[[], None]) -> bool:
    act()
    try:
        return os.read(sealer.wake_fd, 8) != b""
    except BlockingIOError:
        return False


def test_group_when_nothing_happened_seals_to_no_block() -> None:
    box = box_of()
    assert box.seal() == [] and box.blocks == []
    box.seal(always=True)
    assert len(box.blocks) == 1 and box.blocks[0].scans == 0
    box.push(0, 0, word(5))
    assert len(box.seal(always=True)) == 1 and len(box.blocks) == 2


def test_extra_when_given_stands_in_the_first_block_alone() -> None:
    box = box_of()
    extra = pb.BlockPayload(end_of_epoch=True)
    extra.anchors.add(boot_id="b", source=pb.ANCHOR_SOURCE_SYSTEM, utc_ns=5, error_ns=7)
    box.push(0, 0, word(1))
    (sealed,) = box.sealer.seal(1, 1, 1, extra.SerializeToString())
    block = pb.Block.FromString(sealed.data)
    payload = pb.BlockPayload.FromString(unpacked(block))
    assert payload.end_of_epoch and payload.anchors == extra.anchors and len(payload.runs) == 1
    with pytest.raises(ValueError, match="512 KiB"):
        box.sealer.seal(1, 2, 1, bytes(512 * 1024 + 1))


def test_first_due_when_many_ticks_are_behind_is_exact() -> None:
    box = box_of()
    box.groups[0].skip(2**32, pb.GAP_REASON_LINK_DOWN)
    box.push(0, 2**32, word(1))
    (entry,) = box.seal()
    assert entry.boot_ns == START_NS + 2**32 * PERIOD_NS
    assert box.runs[0].skipped[0].count == 2**32


def test_seal_when_groups_pass_768_kib_makes_more_blocks_each_below_1_mib() -> None:
    """Incompressible values: 8 groups of 60 tags and 250 rows of 8 bytes."""
    groups, tags, ticks = 8, 60, 250
    made = [tag(f"t{i}", "float64") for i in range(tags)]
    box = Box([plan(made, device=f"d{i}") for i in range(groups)], seal_ns=10**10)
    noise = random.Random(1)
    for group in range(groups):
        for tick in range(ticks):
            row = bytearray(noise.randbytes(8 * tags))
            row[::8] = b"\x3f" * tags  # no NaN among them
            box.push(group, tick, bytes(row))
    entries = box.seal()
    assert len(entries) == groups * tags * ticks
    assert all(entry.quality == GOOD for entry in entries)
    assert len(box.blocks) == 2
    assert max(len(block.SerializeToString()) for block in box.blocks) < 1 << 20
    assert sum(block.scans for block in box.blocks) == groups * ticks


def test_seal_when_each_run_is_near_half_a_mib_keeps_every_block_below_1_mib() -> None:
    """Runs that together would pass what a receiver takes, of bytes that can't be compressed."""
    made = [tag(f"t{i}", "float64") for i in range(51)]
    box = Box([plan(made, device=f"d{i}") for i in range(3)], seal_ns=10**12)
    noise = random.Random(2)
    for group in range(3):
        tick = 0
        while not box.groups[group].snapshot()["skipped"]:  # until its store is full
            box.push(group, tick, noise.randbytes(8 * len(made)))
            tick += 1
    box.seal()
    assert max(len(block.SerializeToString()) for block in box.blocks) < 1 << 20
    assert len(box.blocks) == 3


def test_texts_when_long_take_their_bytes_from_the_store_s_rows() -> None:
    made = [tag(f"t{i}", "string", length=250) for i in range(40)]
    box = Box([plan(made)], seal_ns=10**12)
    noise = random.Random(3)
    tick = 0
    while not box.groups[0].snapshot()["skipped"]:
        row = bytes(noise.choice(b"0123456789abcdefghijklmnopqrstuv") for _ in range(250)) * 40
        box.push(0, tick, row[tick % 200 :] + row[: tick % 200])
        tick += 1
    box.seal()
    assert box.blocks[0].payload_size < 1 << 20


def test_gaps_when_more_than_their_list_holds_lose_a_reason_and_no_tick() -> None:
    """Reasons that take turns, then gaps between rows: the list is bounded, ticks stay exact."""
    box = box_of(seal_ns=100 * PERIOD_NS)
    group, tick = box.groups[0], 0
    for turn in range(2000):
        group.skip(tick + 1, 1 + turn % 3)
        tick += 1
    rows = []
    for _ in range(300):
        box.push(0, tick, word(tick))
        rows.append(tick)
        group.skip(tick + 2, 1 + tick % 3)
        tick += 2
    values = [int(entry.value or -1) for entry in box.seal()]
    assert values == rows[: len(values)] and len(values) == 204
    assert [number for number, _ in box.accounted(1)] == list(range(tick))
    assert [number for number, reason in box.accounted(1) if not reason] == values
    assert box.accounted(1)[:50] == [(turn, 1 + turn % 3) for turn in range(50)]


def test_group_when_its_tags_fit_no_block_is_refused_with_the_way_out() -> None:
    made = GroupPlan(
        "d", PERIOD_NS, tuple(tag(str(i), "bool") for i in range(30_000)),
        tuple(Request(1, 2000 * i, 2000) for i in range(15)),
        tuple(Field(i // 2000, i % 2000, "bool", "ABCD", 1, -1) for i in range(30_000)), 0,
    )  # fmt: skip
    with pytest.raises(ValueError, match="another period"):
        Group(1, made)


def test_replan_when_the_requests_ask_too_much_is_refused_and_the_old_ones_stay() -> None:
    box = box_of(2)
    group = box.groups[0]
    field = Field(0, 0, "int16", "ABCD", 2, -1)
    for requests in (
        [Request(3, 0, 100)], [Request(3, 0, 1)] * 3, [], [Request(3, 0, 126)],
        [Request(6, 0, 1)], [Request(3, 65535, 2)], [Request(1, 0, 2001)],
    ):  # fmt: skip
        with pytest.raises(ValueError, match="request"):
            group.replan(requests, [field, field])
    with pytest.raises(ValueError, match="outside"):
        group.replan([Request(3, 0, 1)], [field, Field(0, 1, "int16", "ABCD", 2, -1)])
    with pytest.raises(ValueError, match="names no request"):
        group.replan([Request(3, 0, 1)], [field, Field(1, 0, "int16", "ABCD", 2, -1)])
    box.push(0, 0, word(1) + word(2))
    assert [entry.value for entry in box.seal()] == ["1", "2"]


def test_scan_when_it_does_not_fit_the_plan_is_refused() -> None:
    box = box_of()
    group = box.groups[0]
    with pytest.raises(ValueError, match="1 statuses and 2 bytes"):
        group.push(0, START_NS, 0, b"\x01\x01", b"\0\0")
    with pytest.raises(ValueError, match="1 statuses and 2 bytes"):
        group.push(0, START_NS, 0, b"\x01", b"\0\0\0")
    with pytest.raises(ValueError, match="the next one is 0"):
        group.push(1, START_NS, 0, b"\x01", b"\0\0")
    for reason in (0, 6, 12):
        with pytest.raises(ValueError, match="not a reason"):
            group.skip(5, reason)
    assert group.scanned() == (0, 0) and box.seal() == []


@pytest.mark.parametrize("period_ns", [0, -1])
def test_group_when_its_plan_can_t_be_followed_is_refused(period_ns: int) -> None:
    made = plan([tag("t")], period_ns=PERIOD_NS)
    with pytest.raises(ValueError, match="period"):
        Group(1, GroupPlan("d", period_ns, made.tags, made.requests, made.fields, 0))
    with pytest.raises(ValueError, match="one field a tag"):
        Group(1, GroupPlan("d", PERIOD_NS, made.tags, made.requests, (), 0))


def test_read_when_some_requests_failed_names_the_good_ones_of_the_newest_row() -> None:
    box = Box([plan([tag("a"), tag("b")], apart=True)])
    assert box.groups[0].read() == []
    box.push(0, 0, word(1) + word(2), status=[GOOD, 133])
    assert box.groups[0].read() == [(3, 0, 1)]
    box.push(0, 1, word(1) + word(2), status=[130, GOOD])
    assert box.groups[0].read() == [(3, 1000, 1)]


def test_read_when_the_collector_runs_within_holds_no_lock() -> None:
    """A lock held while Python objects are made would stop the scan thread for a collection, and
    for ever where that asks the group again. In a process of its own: that would hang with the GIL.
    """
    script = """
import gc
from tests.kit.scans import Box, plan, registers, tag
box = Box([plan([tag(f"t{i}") for i in range(60)], apart=True)])
box.push(0, 0, registers("uint16", "ABCD", 7) * 60)
inside = []
def again(phase, info):
    if not inside:
        inside.append(phase)
        inside.append(len(box.groups[0].read()))
gc.collect()
gc.set_threshold(1)
gc.callbacks.append(again)
assert len(box.groups[0].read()) == 60
print(inside)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "['start', 60]\n", done.stderr
