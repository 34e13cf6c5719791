"""Every tick of a group, exactly once: rows, gaps, a store that is full, and plans that change."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers.api import TYPE_BYTES, Field, GroupPlan
from drivers.modbus.request import Read, request_of
from native.block.latest import latest, qualities
from native.block.seal import Sealer
from native.rows.group import POOL_BYTES, Group, Pool
from native.rows.shape import STORE_BYTES_MAX, VALUE_BYTES_MAX
from tests.kit.scans import (
    GOOD,
    PERIOD_NS,
    START_NS,
    Box,
    data_bytes,
    plan,
    registers,
    tag,
    unpacked,
)

#: Of one row with one tag of 16 bits: its head, a status, two bytes, rounded up.
ROW_BYTES = 32
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
    box = Box([plan(tags, device=str(i)) for i in range(groups)])
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


def test_rows_when_the_memory_is_full_become_a_gap_and_it_goes_on_after_the_seal() -> None:
    box = box_of(pool_bytes=8 * ROW_BYTES)
    for _ in range(3):
        start = box.groups[0].scanned()[1]
        for tick in range(start, start + 20):
            box.push(0, tick, word(tick))
        box.groups[0].skip(start + 22, pb.GAP_REASON_OVERRUN)
        assert box.pool.used == 8 * ROW_BYTES
        assert [entry.value for entry in box.seal()] == [str(start + tick) for tick in range(8)]
        told = [0] * 8 + [MEMORY_FULL] * 12 + [pb.GAP_REASON_OVERRUN] * 2
        assert box.accounted(1)[start:] == list(enumerate(told, start))
    assert box.groups[0].snapshot()["skipped"] == {"memory_full": 36, "overrun": 6}
    assert box.groups[0].scanned() == (66, 66)


def test_memory_when_one_group_has_it_is_not_there_for_another_until_it_is_sealed() -> None:
    box = Box([plan([tag("t")], device=name) for name in "ab"], pool_bytes=10 * ROW_BYTES)
    for tick in range(8):
        box.push(0, tick, word(tick))
    for tick in range(8):
        box.push(1, tick, word(tick))
    found = box.seal()
    assert [sum(entry.device == name for entry in found) for name in "ab"] == [8, 2]
    assert box.groups[1].snapshot()["skipped"] == {"memory_full": 6}
    assert box.accounted(2) == list(enumerate([0] * 2 + [MEMORY_FULL] * 6))
    for tick in range(8, 13):
        box.push(1, tick, word(tick))
    assert len(box.seal()) == 5


def test_memory_when_the_rows_were_sealed_is_that_of_a_usual_seal() -> None:
    """What a stall took is given back; what each seal needs is kept."""
    box = box_of()
    tick = 0
    for rows in (20, 5000, 20, 20):
        for _ in range(rows):
            box.push(0, tick, word(tick))
            tick += 1
        assert box.pool.used >= rows * ROW_BYTES
        assert len(box.seal()) == rows
    assert box.pool.used <= 4 * 20 * ROW_BYTES


def test_group_when_it_is_dropped_gives_all_its_memory_back() -> None:
    pool = Pool()
    group = Group(1, plan([tag(f"t{i}", "float64") for i in range(60)]), pool)
    for tick in range(2000):
        group.push(tick, 0, 0, bytes([GOOD] * 2), bytes(480))
        group.skip(tick + 1, 1)
    assert pool.used > 2000 * 480
    del group
    assert pool.used == 0


def test_rows_when_more_than_a_block_takes_wait_in_several_stores_and_none_is_lost() -> None:
    """A sealer that is held up: 2,500 rows of 60 tags, of which a block surely takes 859."""
    made = [tag(f"t{i}", "int16") for i in range(60)]
    box = Box([plan(made)])
    for tick in range(2500):
        box.push(0, tick, word(tick) * 60)
    values = [entry.value for entry in box.seal() if entry.tag == "t0"]
    assert values == [str(tick) for tick in range(2500)]
    assert [run.ticks for run in box.runs] == [859, 859, 782]
    assert box.groups[0].snapshot()["skipped"] == {}


def test_memory_when_half_used_rings_once_until_it_is_sealed() -> None:
    box = box_of(pool_bytes=64 * ROW_BYTES)
    for _ in range(2):
        start = box.groups[0].scanned()[1]
        rings = [
            _rings(box.sealer, partial(box.push, 0, tick, word(tick)))
            for tick in range(start, start + 64)
        ]
        assert rings.count(True) == 1 and 16 <= rings.index(True) <= 32
        assert len(box.seal()) == 64


@given(st.lists(OPERATIONS, max_size=60), st.integers(1, 40))
def test_ticks_when_memory_is_short_are_each_there_once_and_counted(
    operations: list[tuple[str, Any]], rows: int
) -> None:
    """Rows that found no room are memory full; a gap may lose its reason then, never a tick."""
    box = box_of(pool_bytes=rows * ROW_BYTES)
    group, tick, pushed = box.groups[0], 0, 0
    for what, argument in [*operations, ("seal", 0)]:
        if what == "push":
            for _ in range(10 * argument):
                box.push(0, tick, word(tick))
                tick, pushed = tick + 1, pushed + 1
        elif what == "skip":
            group.skip(tick + argument[0], argument[1])
            tick += argument[0]
        elif what == "seal":
            box.seal()
            assert box.pool.used <= rows * ROW_BYTES
    told = box.accounted(1)
    assert [number for number, _ in told] == list(range(tick))
    snapshot = group.snapshot()
    assert snapshot["rows"] == sum(reason == 0 for _, reason in told)
    assert snapshot["rows"] + snapshot["skipped"].get("memory_full", 0) == pushed


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
    box = Box([plan(made, device=f"d{i}") for i in range(groups)])
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
    box = Box([plan(made, device=f"d{i}") for i in range(3)])
    noise = random.Random(2)
    for group in range(3):
        for tick in range(STORE_BYTES_MAX // (VALUE_BYTES_MAX * (len(made) + 1))):
            box.push(group, tick, noise.randbytes(8 * len(made)))
    box.seal()
    assert max(len(block.SerializeToString()) for block in box.blocks) < 1 << 20
    assert len(box.blocks) == 3


def test_texts_when_long_take_their_bytes_from_the_store_s_rows() -> None:
    made = [tag(f"t{i}", "string", length=250) for i in range(40)]
    box = Box([plan(made)])
    noise = random.Random(3)
    for tick in range(120):
        row = bytes(noise.choice(b"0123456789abcdefghijklmnopqrstuv") for _ in range(250)) * 40
        box.push(0, tick, row[tick % 200 :] + row[: tick % 200])
    assert len(box.seal()) == 120 * 40
    assert max(block.payload_size for block in box.blocks) < 1 << 20


def test_gaps_when_more_than_a_store_s_list_takes_go_on_in_the_next_one() -> None:
    """Reasons that take turns, then gaps between rows."""
    box = box_of()
    group, told = box.groups[0], []
    for turn in range(10_000):
        told.append(1 + turn % 3)
        group.skip(len(told), told[-1])
    for turn in range(10_000):
        box.push(0, len(told), word(len(told)))
        told += [0, 1 + turn % 3]
        group.skip(len(told), told[-1])
    box.seal()
    assert box.accounted(1) == list(enumerate(told))
    assert len(box.runs) == 5


def test_group_when_its_tags_fit_no_block_is_refused_with_the_way_out() -> None:
    made = GroupPlan(
        "d", PERIOD_NS, tuple(tag(str(i), "bool") for i in range(30_000)),
        tuple(request_of(Read(1, 2000 * i, 2000)) for i in range(15)),
        tuple(Field(i // 2000, i % 2000 // 8, "bool", "ABCD", 1, i % 8) for i in range(30_000)), 0,
    )  # fmt: skip
    with pytest.raises(ValueError, match="another period"):
        Group(1, made)


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
    made = plan([tag("a"), tag("b")], apart=True)
    box = Box([made])
    assert box.groups[0].read() == []
    box.push(0, 0, word(1) + word(2), status=[GOOD, 133])
    assert box.groups[0].read() == [(made.requests[0].spec, None)]
    box.push(0, 1, word(1) + word(2), status=[130, GOOD])
    assert box.groups[0].read() == [(made.requests[1].spec, None)]


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


@given(st.data())
def test_qualities_when_counted_are_those_of_the_newest_values(data: st.DataObject) -> None:
    """Of any types, with bytes that may be no value of theirs."""
    kinds = data.draw(st.lists(st.sampled_from(sorted(TYPE_BYTES)), min_size=1, max_size=8))
    tags = [
        tag(f"t{i}", kind, length=0 if TYPE_BYTES[kind] else 6, signed=i % 2 > 0, encoding="utf-8")
        for i, kind in enumerate(kinds)
    ]
    made = plan(tags, apart=True)
    box = Box([made])
    assert qualities(box.groups[0]) == {}
    size = data_bytes(made)
    raw = data.draw(st.binary(min_size=size, max_size=size))
    status = data.draw(st.lists(st.sampled_from([GOOD, 129, 133]), min_size=len(made.requests),
                                max_size=len(made.requests)))  # fmt: skip
    box.push(0, 0, raw, status=status)
    newest = latest(box.groups[0])
    assert newest is not None
    assert qualities(box.groups[0]) == Counter(quality for _, quality in newest[1])


@pytest.mark.parametrize(
    ("groups", "tags", "period_ms"), [(20, 10, 1), (8, 300, 10), (50, 47, 100), (1000, 300, 1000)]
)
def test_rows_when_no_seal_comes_for_5_s_all_wait_for_it(
    groups: int, tags: int, period_ms: int
) -> None:
    """Behind half a second of rows that waited already; in the memory that the box has for them."""
    made = plan([tag(f"t{i}") for i in range(tags)], period_ns=period_ms * 10**6)
    pool = Pool()
    box = [Group(number, made, pool) for number in range(groups)]
    sealer = Sealer(box)
    ticks = -(-5500 // period_ms)
    good = bytes([GOOD] * len(made.requests))
    for group in box:
        for tick in range(ticks):
            group.push(tick, tick * made.period_ns, 0, good, bytes(2 * tags))
    assert [group.snapshot()["skipped"] for group in box] == [{}] * groups
    assert sum(block.scans for block in sealer.seal(1, 1, 1)) == groups * ticks
    assert pool.used < POOL_BYTES / 2


def test_rows_of_10_s_wait_for_their_seal_and_nobody_is_rung_for() -> None:
    """`send_every = "10 s"`, 20 machines of 47 floats each 100 ms: one run of 100 rows each."""
    made = plan([tag(f"t{i}", "float32") for i in range(47)], period_ns=10**8)
    box = Box([replace(made, device=f"d{number}") for number in range(20)])
    data = registers("float32", "ABCD", 1.5) * 47
    for number in range(20):
        for tick in range(100):
            assert not _rings(box.sealer, partial(box.push, number, tick, data))
    assert len(box.seal()) == 20 * 47 * 100
    assert [run.ticks for run in box.runs] == [100] * 20 and len(box.blocks) == 1
