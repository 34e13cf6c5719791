"""Values that a source pushed, from the host's batch to what a reader of the block sees."""

from __future__ import annotations

import contextlib
import math
import random
import struct
import sys
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers.api import DeviceSpec, GroupPlan, LinkSpec, TagSpec
from drivers.host.events import Event, batch
from drivers.host.values import encode, lay_out, row_bytes
from native.block.bundle import bundle
from tests.contract.checking import check, layout
from tests.contract.encode import crc32c
from tests.kit.scans import START_NS, Box, unpacked

SECOND, MS = 10**9, 10**6
EVENTS = frozenset({pb.FEATURE_EVENTS, pb.FEATURE_SOURCE_TIME})
KINDS: dict[str, Any] = {
    "bool": st.booleans(), "int16": st.integers(-(2**15), 2**15 - 1),
    "uint32": st.integers(0, 2**32 - 1), "int64": st.integers(-(2**63), 2**63 - 1),
    "uint64": st.integers(0, 2**64 - 1), "float32": st.floats(width=32).filter(math.isfinite),
    "float64": st.floats().filter(math.isfinite),
    "string": st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=12),
}  # fmt: skip


def tags(**more: Any) -> tuple[TagSpec, ...]:
    return tuple(
        TagSpec(kind, kind, kind, SECOND, length=12 if kind == "string" else 0, **more)  # type: ignore[arg-type]
        for kind in KINDS
    )


def plan_of(made: tuple[TagSpec, ...]) -> GroupPlan:
    link = LinkSpec("l", "tcp", host="127.0.0.1")
    (plan,) = lay_out(DeviceSpec("d", link, "mtconnect", made))
    return plan


class Pushing:
    """One group, a row each second, and what is pushed between."""

    def __init__(
        self,
        made: tuple[TagSpec, ...] = tags(),
        features: frozenset[int] = EVENTS,
        period_ns: int = SECOND,
    ) -> None:
        self.tags = made
        self.box = Box([replace(plan_of(made), period_ns=period_ns)])
        self.group = self.box.groups[0]
        self.box.sealer.features = features
        self.tick = 0

    def row(self) -> None:
        size = row_bytes(self.tags)
        status = [139] * len(self.tags)
        self.box.push(0, self.tick, bytes(size), status=status)
        self.tick += 1

    def push(self, *events: Event, lost: int = 0) -> bool:
        return self.group.push_events(*batch(self.tags, events), lost)

    def pushed(self) -> list[tuple[str, int, int, str | None, int]]:
        """Tag, when it was taken, the source's time, value and quality of what the block holds."""
        before = len(self.box.runs)
        self.box.seal()
        block = pb.StreamRequest(block=self.box.blocks[-1])
        found = [entry[2:] for entry in self.box.read(block)]
        rows = {START_NS + tick * SECOND for tick in range(self.tick)}
        assert len(self.box.runs) > before
        return [entry for entry in found if entry[1] not in rows]


def event(
    made: tuple[TagSpec, ...], kind: str, value: Any, at_ns: int, source_ns: int = 0
) -> Event:
    index = next(i for i, one in enumerate(made) if one.name == kind)
    quality, data = encode(made[index], value)
    return Event(index, at_ns, source_ns, quality, data)


@given(st.data())
def test_events_when_pushed_then_each_with_its_times_and_value(data: st.DataObject) -> None:
    pushing = Pushing()
    wanted, events, at_ns = [], [], START_NS + 5 * MS
    for _ in range(data.draw(st.integers(1, 12))):
        kind = data.draw(st.sampled_from(sorted(KINDS)))
        value = data.draw(KINDS[kind])
        source_ns = data.draw(st.sampled_from([0, 1, 1_700_000_000_123_456_789]))
        at_ns += 1000 * data.draw(st.integers(1, 10**5))
        events.append(event(pushing.tags, kind, value, at_ns, source_ns))
        wanted.append((kind, at_ns, source_ns, value))
    pushing.row()
    assert pushing.push(*events)
    found = pushing.pushed()
    assert [(kind, at, source) for kind, at, source, _, _ in sorted(found, key=lambda e: e[1])] == [
        (kind, at, source) for kind, at, source, _ in wanted
    ]
    for (kind, _, _, value), (_, _, _, text, quality) in zip(
        wanted, sorted(found, key=lambda e: e[1]), strict=True
    ):
        assert quality == 1 and text is not None
        if kind == "bool":
            assert text in ("true", "false", "1", "0") and (text in ("true", "1")) == value
        elif kind == "string":
            assert text == value
        elif kind.startswith("float"):
            code = ">f" if kind == "float32" else ">d"
            assert struct.pack(code, float(text)) == struct.pack(code, value + 0.0)
        else:
            assert int(text) == value


def test_events_when_in_several_batches_then_numbered_on_with_what_was_lost() -> None:
    pushing = Pushing()
    made = pushing.tags
    pushing.row()
    assert pushing.push(
        event(made, "int16", 1, START_NS + MS), event(made, "int16", 2, START_NS + 2 * MS)
    )
    assert pushing.push(event(made, "int16", 3, START_NS + 3 * MS), lost=5)
    pushing.box.seal()
    pushing.row()
    assert pushing.push(event(made, "string", "", START_NS + 4 * MS))
    pushing.box.seal()
    runs = [each for run in pushing.box.runs for each in run.events]
    assert [(run.first, run.count) for run in runs] == [(0, 2), (2, 6), (8, 1)]
    assert [(gap.first_tick, gap.count, gap.reason) for gap in runs[1].lost] == [(2, 5, 1)]
    assert all(set(block.needs) == {2, 4} for block in pushing.box.blocks)


def test_events_when_the_platform_does_not_know_them_then_they_wait_and_no_block_needs_it() -> None:
    pushing = Pushing(features=frozenset())
    pushing.row()
    assert pushing.push(event(pushing.tags, "int16", 1, START_NS + MS))
    pushing.box.seal()
    assert not pushing.box.runs[-1].events and not pushing.box.blocks[-1].needs
    pushing.box.sealer.features = EVENTS
    assert [entry[3] for entry in pushing.pushed()] == ["1"]


def test_events_when_no_tick_is_due_then_they_do_not_wait_for_one() -> None:
    pushing = Pushing()
    assert pushing.push(event(pushing.tags, "int16", 1, START_NS + MS, 7))
    assert pushing.pushed() == [("int16", START_NS + MS, 7, "1", 1)]
    assert (pushing.box.blocks[-1].scans, pushing.box.blocks[-1].samples) == (0, 1)


def test_events_when_too_many_wait_then_refused_until_they_are_sealed() -> None:
    pushing = Pushing(features=frozenset())
    full = [event(pushing.tags, "string", "x" * 12, START_NS + MS) for _ in range(1000)]
    taken = 0
    while pushing.push(*full):
        taken += 1
    assert 0 < taken < 1000
    pushing.box.sealer.features = EVENTS
    pushing.row()
    pushing.box.seal()
    assert sum(each.count for each in pushing.box.runs[-1].events) == 1000 * taken
    assert pushing.push(*full)


def test_event_when_outside_its_tag_s_bounds_then_uncertain() -> None:
    made = (TagSpec("load", "load", "float64", SECOND, min=0, max=100),)  # type: ignore[arg-type]
    pushing = Pushing(made)
    pushing.row()
    pushing.push(
        event(made, "load", 50.5, START_NS + MS), event(made, "load", 101.0, START_NS + 2 * MS)
    )
    assert [entry[3:] for entry in pushing.pushed()] == [("50.5", 1), ("101", 65)]


@pytest.mark.parametrize(
    "wrong", [(0, 0, 0, b"", b""), (0, 1, 2, b"", b""), (0, 1, 0, b"", bytes(300_000))]
)
def test_batch_when_it_can_be_none_then_refused(wrong: tuple[int, int, int, bytes, bytes]) -> None:
    with pytest.raises(ValueError):
        Pushing().group.push_events(*wrong)


@given(st.randoms(use_true_random=False))
def test_blocks_when_they_hold_events_then_their_bundle_says_the_same(rng: random.Random) -> None:
    """Blocks with rows, with events, with both, in any order; some events lost."""
    pushing = Pushing()
    for _ in range(rng.randint(1, 8)):
        for _ in range(rng.choice([0, 1, 1, 3])):
            pushing.row()
        for _ in range(rng.choice([0, 1, 2])):
            at_ns = START_NS + pushing.tick * SECOND - rng.randint(0, 10**9) // 1000 * 1000
            number = rng.randint(-5, 5)
            some = [
                event(pushing.tags, "int16", number, at_ns, rng.choice([0, 5])),
                event(pushing.tags, "string", rng.choice(["", "a", "bc"]), at_ns + 1000),
            ]
            assert pushing.push(*some, lost=rng.choice([0, 0, 3]))
        pushing.box.seal()
    if pushing.box.sealed:
        made = pushing.box.bundle(EVENTS)
        assert made.samples == sum(block.samples for block in pushing.box.blocks)
        known = layout(pb.TagSetContent.FromString(pushing.box.head[0].tag_set.content), SECOND)
        for carried in (made, *pushing.box.blocks):
            check(carried, known)  # the receiver takes it


@given(st.randoms(use_true_random=False))
def test_blocks_when_damaged_then_refused_or_joined_and_never_a_crash(rng: random.Random) -> None:
    """With a checksum that fits: what is damaged is the payload that it vouches for."""
    pushing = Pushing()
    for number in range(3):
        pushing.row()
        pushing.push(*(event(pushing.tags, "int16", number, START_NS + MS) for _ in range(3)))
        pushing.box.seal()
    block = pb.Block.FromString(pushing.box.sealed[1])
    payload = bytearray(unpacked(block))
    for _ in range(rng.randint(1, 4)):
        payload[rng.randrange(len(payload))] = rng.randrange(256)
    block.compression, block.payload = pb.COMPRESSION_NONE, bytes(payload)
    block.payload_size, block.payload_crc32c = len(payload), crc32c(bytes(payload))
    with contextlib.suppress(ValueError):
        bundle([pushing.box.sealed[0], block.SerializeToString(), pushing.box.sealed[2]], EVENTS)


def test_blocks_when_ticks_are_no_whole_microseconds_then_they_travel_one_by_one() -> None:
    pushing = Pushing(period_ns=SECOND + 1)
    for _ in range(2):
        pushing.row()
        pushing.push(event(pushing.tags, "int16", 1, START_NS + MS))
        pushing.box.seal()
    with pytest.raises(ValueError):
        bundle(pushing.box.sealed, EVENTS)


def test_seal_when_another_thread_keeps_the_lock_then_it_is_waited_for_once_a_block() -> None:
    """Two hundred groups: taken between each two, the interpreter's lock would cost ten seconds."""
    made = tags()
    box = Box([plan_of(made)] * 200)
    for group in range(200):
        box.push(group, 0, bytes(row_bytes(made)), status=[1] * len(made))
    ended, interval = threading.Event(), sys.getswitchinterval()

    def busy() -> None:
        while not ended.is_set():
            sum(range(1000))

    thread = threading.Thread(target=busy)
    sys.setswitchinterval(0.05)
    thread.start()
    try:
        begun = time.monotonic()
        sealed = box.sealer.seal(1, 1, 1)
        took_s = time.monotonic() - begun
    finally:
        ended.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert len(sealed) == 1 and sealed[0].scans == 200
    assert took_s < 2.0
