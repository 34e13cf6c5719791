"""The accounts of a Python driver: every tick a row or a part of a gap, whatever its host does."""

from __future__ import annotations

import random
import struct
from decimal import Decimal
from typing import Any

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers.api import DeviceSpec, LinkSpec, TagSpec
from drivers.host import frames
from drivers.host.accounts import TickAccount
from drivers.host.child import BACKOFF_S_MAX, backoff_s
from drivers.host.events import batch
from drivers.host.frames import Event, FrameError, Frames, Next, Row
from drivers.host.source import PUSHED_MAX, Pushed
from drivers.host.values import TYPES, encode, lay_out
from drivers.quality import BAD_LINK_DOWN, BAD_NO_ANSWER, BAD_NO_VALUE, BAD_NOT_A_VALUE, GOOD
from native.block.latest import latest
from native.block.seal import Sealer
from native.rows.group import Group
from tests.kit.scans import unpacked

PERIOD = 100_000_000
TAGS = (TagSpec("x", "X", "float64", PERIOD), TagSpec("s", "S", "string", PERIOD, length=6))
DEVICE = DeviceSpec("m", LinkSpec("l", "tcp"), "mtconnect", TAGS)
GOOD_DATA = encode(TAGS[0], 1.5)[1] + encode(TAGS[1], "AUTO")[1]


def made(*, align: bool = False) -> tuple[Group, TickAccount]:
    (plan,) = lay_out(DEVICE)
    group = Group(0, plan)
    accounts = TickAccount(group, PERIOD, TAGS, align=align)
    accounts.begin(1_000_000_000)
    return group, accounts


def row(tick: int, *status: int, then: Next | None = None) -> Row:
    mid_ns = 1_000_000_000 + tick * PERIOD
    then = then or Next(tick + 1)
    return Row(0, tick, mid_ns, 0, bytes(status or (GOOD, GOOD)), GOOD_DATA, then)


def skipped(group: Group) -> dict[str, int]:
    found: dict[str, int] = group.snapshot()["skipped"]
    return found


def test_row_when_it_comes_then_its_values_and_qualities_are_the_tags() -> None:
    group, accounts = made()
    accounts.row(row(0, GOOD, BAD_NO_VALUE))
    assert latest(group) == (1_000_000_000, [(1.5, GOOD), (None, BAD_NO_VALUE)])
    accounts.row(row(1))
    assert latest(group) == (1_100_000_000, [(1.5, GOOD), (b"AUTO", GOOD)])
    assert accounts.last_good_ns == 1_100_000_000


def test_row_when_ticks_lack_before_it_then_they_are_overrun() -> None:
    group, accounts = made()
    accounts.row(row(0))
    accounts.row(row(4))
    assert skipped(group) == {"overrun": 3}
    assert group.scanned() == (5, 5)


def test_row_when_its_tick_was_accounted_then_dropped_and_counted() -> None:
    group, accounts = made()
    accounts.settle(1_000_000_000 + 3 * PERIOD, 0, GOOD)
    accounts.row(row(2))
    assert (accounts.late, group.snapshot()["rows"], skipped(group)) == (1, 0, {"overrun": 4})


def test_events_when_they_find_no_room_then_said_with_the_next_that_do() -> None:
    group, accounts = made()
    accounts.row(row(0))
    accounts.events(0, [pushed(f"{number:06}") for number in range(40_000)])
    sealer = Sealer([group])
    sealer.features = frozenset({pb.FEATURE_EVENTS, pb.FEATURE_SOURCE_TIME})
    first = runs(sealer)
    taken = sum(run.count for run in first)
    assert 0 < taken < 40_000
    accounts.events(0, [pushed("NEXT")])
    (last,) = runs(sealer)
    assert (last.first, last.count) == (taken, 40_000 - taken + 1)
    assert [(gap.count, gap.reason) for gap in last.lost] == [(40_000 - taken, 5)]


@pytest.mark.parametrize(
    "bad",
    [
        Event(2, 1, 0, GOOD, b"x"),
        Event(0, 1, 0, GOOD, b"x"),
        Event(0, 1, 0, 0, bytes(8)),
        Event(0, -1, 0, GOOD, bytes(8)),
    ],
)
def test_event_when_it_does_not_fit_then_dropped_and_numbered_as_lost(bad: Event) -> None:
    group, accounts = made()
    accounts.row(row(0))
    accounts.events(3, [bad])
    sealer = Sealer([group])
    sealer.features = frozenset({pb.FEATURE_EVENTS, pb.FEATURE_SOURCE_TIME})
    assert (accounts.unfit, runs(sealer)) == (1, [])
    accounts.events(0, [pushed("AUTO")])
    (run,) = runs(sealer)
    assert [(gap.count, gap.reason) for gap in run.lost] == [(4, 1)], "three of them the host said"


@pytest.mark.parametrize(
    "wrong", [(0, -1, 1, b""), (0, 1 << 63, 1, b""), (-1, 0, 1, b""), (0, 0, 0, b""),
              (0, 0, 256, b""), (0, 0, 1, bytes(1 << 16))],
)  # fmt: skip
def test_event_when_no_frame_could_hold_it_then_its_source_is_told(
    wrong: tuple[int, int, int, bytes],
) -> None:
    with pytest.raises(ValueError):
        Pushed().push(1, *wrong)


def test_events_when_the_daemon_does_not_read_then_counted_as_lost() -> None:
    pushing = Pushed()
    for number in range(PUSHED_MAX + 2):
        pushing.push(number % 2, 0, 0, GOOD, b"x")
    taken = pushing.take()
    assert [(group, lost, len(events)) for group, lost, events in taken] == [
        (0, 1, PUSHED_MAX // 2), (1, 1, PUSHED_MAX // 2),
    ]  # fmt: skip
    pushing.push(0, 0, 0, GOOD, b"x")
    pushing.drop()
    pushing.push(0, 0, 0, GOOD, b"y")
    ((_, lost, (event,)),) = pushing.take()
    assert (lost, event.data) == (1, b"y")


def test_events_when_lost_and_none_follows_then_said_all_the_same() -> None:
    pushing = Pushed()
    pushing.push(0, 0, 0, GOOD, b"x")
    pushing.drop()
    assert pushing.take() == [(0, 1, [])]
    assert pushing.take() == []
    group, accounts = made()
    accounts.row(row(0))
    accounts.events(1, [])
    accounts.settle(1_000_000_000, 0, GOOD)
    sealer = Sealer([group])
    sealer.features = frozenset({pb.FEATURE_EVENTS, pb.FEATURE_SOURCE_TIME})
    (run,) = runs(sealer)
    assert (run.first, run.count, len(run.columns)) == (0, 1, 0)
    assert [(gap.count, gap.reason) for gap in run.lost] == [(1, 1)]
    accounts.settle(1_000_000_000, 0, GOOD)
    assert runs(sealer) == []


def test_events_when_more_are_lost_than_any_host_counts_then_it_is_none_of_ours() -> None:
    _, accounts = made()
    with pytest.raises(FrameError):
        accounts.events(1 << 63, [])


@pytest.mark.parametrize("kind", TYPES)
def test_event_when_of_any_type_that_a_row_has_then_carried_with_its_value(kind: Any) -> None:
    tag = TagSpec("t", "T", kind, PERIOD, length=6 if kind == "string" else 0)
    value: Any = {"string": "1", "bool": True}.get(kind, 1)
    quality, data = encode(tag, value)
    made = batch([tag], [Event(0, 1, 0, quality, data)])
    (one,) = pb.EventRun.FromString(made.columns).columns
    assert (made.events, made.bad, len(one.column.quality)) == (1, 0, 0)
    bits = {"float32": ">i", "float64": ">q"}
    if kind == "string":
        assert [(run.count, run.text) for run in one.column.texts] == [(1, b"1")]
    else:
        said = struct.unpack(bits[kind], data) if kind in bits else (1,)
        assert tuple(one.column.values) == said


@pytest.mark.parametrize(
    ("kind", "data"),
    [("float64", struct.pack(">d", float("nan"))), ("float32", struct.pack(">f", float("inf"))),
     ("string", b"\xff\xfe")],
)  # fmt: skip
def test_event_when_its_bytes_are_no_value_of_the_type_then_not_good_as_in_a_row(
    kind: Any, data: bytes
) -> None:
    tag = TagSpec("t", "T", kind, PERIOD, length=2, max=Decimal(5))
    made = batch([tag], [Event(0, 1, 0, GOOD, data)])
    (one,) = pb.EventRun.FromString(made.columns).columns
    assert [(run.count, run.quality) for run in one.column.quality] == [(1, BAD_NOT_A_VALUE)]
    assert (made.bad, len(one.column.values), len(one.column.texts)) == (1, 0, 0)


def test_events_when_packed_then_the_same_behind_the_frames() -> None:
    events = [pushed("A"), Event(0, -5, 7, BAD_NO_VALUE, bytes(8))]
    ((kind, payload),) = Frames().feed(frames.pack_events(9, 4, events))
    assert kind == frames.EVENTS
    assert frames.unpack_events(payload) == (9, 4, events)
    for cut in range(len(payload)):
        if cut not in (12, 12 + 21 + 6):  # an end of an event
            with pytest.raises(FrameError):
                frames.unpack_events(payload[:cut])


def pushed(text: str) -> Event:
    return Event(1, 1_000_000_500, 0, *encode(TAGS[1], text))


def runs(sealer: Sealer) -> list[pb.EventRun]:
    found: list[pb.EventRun] = []
    for sealed in sealer.seal(1, 1, 1):
        payload = pb.BlockPayload.FromString(unpacked(pb.Block.FromString(sealed.data)))
        found += [events for run in payload.runs for events in run.events]
    return found


@pytest.mark.parametrize(
    "bad",
    [
        row(0)._replace(status=b"\1"),
        row(0)._replace(data=GOOD_DATA + b"x"),
        row(0)._replace(status=b"\1\0"),
        row(1 << 33)._replace(mid_ns=1),
        row(1 << 30)._replace(mid_ns=1_100_000_000),
        row(0, then=Next(0)),
        row(0, then=Next(9)),
        row(0, then=Next(1, 1)),
        row(0, then=Next(1, 0, 0)),
    ],
)
def test_row_when_it_does_not_fit_then_dropped_and_the_tick_is_still_owed(bad: Row) -> None:
    group, accounts = made()
    accounts.row(bad)
    assert (accounts.unfit, group.scanned()[1]) == (1, 0)
    accounts.row(row(0))
    assert group.snapshot()["rows"] == 1


def test_rows_when_the_link_is_down_then_one_bad_row_and_a_gap_behind_it() -> None:
    group, accounts = made()
    accounts.row(row(0))
    for tick in range(1, 6):
        accounts.row(row(tick, BAD_LINK_DOWN, BAD_LINK_DOWN))
    assert group.snapshot()["rows"] == 2
    assert skipped(group) == {"link_down": 4}
    newest = latest(group)
    assert newest is not None and [quality for _, quality in newest[1]] == [BAD_LINK_DOWN] * 2
    accounts.row(row(6))
    accounts.row(row(7, BAD_LINK_DOWN, BAD_LINK_DOWN))
    assert group.snapshot()["rows"] == 4, "each trouble has its row"


def test_rows_when_only_some_tags_are_bad_then_no_tick_is_left_out() -> None:
    group, accounts = made()
    for tick in range(3):
        accounts.row(row(tick, BAD_NO_ANSWER, GOOD))
    assert (group.snapshot()["rows"], skipped(group)) == (3, {})


def test_settle_when_the_host_is_gone_then_the_values_turn_bad_and_the_rest_is_a_gap() -> None:
    group, accounts = made()
    accounts.row(row(0))
    accounts.settle(1_000_000_000 + 5 * PERIOD, 0, BAD_LINK_DOWN)
    accounts.settle(1_000_000_000 + 9 * PERIOD, 0, BAD_LINK_DOWN)
    assert (group.snapshot()["rows"], skipped(group)) == (2, {"link_down": 8})
    newest = latest(group)
    assert newest is not None and newest[1][0] == (None, BAD_LINK_DOWN)
    assert group.scanned() == (10, 10)


def test_settle_when_within_the_grace_then_nothing_is_accounted() -> None:
    group, accounts = made()
    accounts.settle(1_000_000_000 + 5 * PERIOD, 10 * PERIOD, GOOD)
    assert group.scanned() == (0, 0)


def on_grid_ns(ahead_ns: int, tick: int) -> int:
    """The multiple of the period, in UTC, that tick 1 and those behind it come at."""
    first = 1_000_000_000
    return first + (-(first + ahead_ns)) % PERIOD + (tick - 1) * PERIOD


def test_rows_when_aligned_then_late_by_the_grid_and_those_of_a_dead_host_dated_on_it() -> None:
    group, accounts = made(align=True)
    ahead_ns = 1_790_000_000_012_345_678
    accounts.schedule.know_utc(ahead_ns)
    shift_ns = on_grid_ns(ahead_ns, 1) - 1_000_000_000 - PERIOD
    accounts.row(row(0, then=Next(1, 0, shift_ns)))
    assert accounts.told() == (1_000_000_000, 1, True, shift_ns)
    for tick in range(1, 4):
        at_ns = on_grid_ns(ahead_ns, tick) + 3_000_000
        accounts.row(row(tick, then=Next(tick + 1, 0, shift_ns))._replace(mid_ns=at_ns))
    assert 3000 <= group.snapshot()["late_us"]["max"] < 5000
    accounts.settle(on_grid_ns(ahead_ns, 4) - 1, 0, BAD_LINK_DOWN)
    assert group.scanned() == (4, 4)
    accounts.settle(on_grid_ns(ahead_ns, 4), 0, BAD_LINK_DOWN)
    newest = latest(group)
    assert newest is not None
    assert newest[0] == on_grid_ns(ahead_ns, 4)


def test_tick_when_no_multiple_falls_to_it_then_a_gap_of_its_own_reason() -> None:
    """The host does not wait for it, nor do the accounts count it as overrun."""
    group, accounts = made(align=True)
    accounts.row(row(0, then=Next(1, 0, 0)))
    accounts.row(row(1, then=Next(2, 0, 0)))
    accounts.row(row(2, then=Next(4, 3, -60_000_000)))
    assert accounts.told()[1] == 4, "three would come after its number"
    accounts.row(row(5, then=Next(6, 3, -60_000_000)))
    assert skipped(group) == {"replanned": 1, "overrun": 1}


@pytest.mark.parametrize("shift_ns", [1, -125_000_001, 1 << 62, -(1 << 62)])
def test_row_when_its_host_waits_for_no_time_that_it_may_then_dropped(shift_ns: int) -> None:
    _, accounts = made(align=True)
    accounts.row(row(0, then=Next(1, 0, shift_ns)))
    assert (accounts.unfit, accounts.told()[1]) == (1, 0)


@pytest.mark.parametrize("seed", range(20))
def test_books_when_anything_comes_in_any_order_then_every_tick_is_accounted_once(
    seed: int,
) -> None:
    chance = random.Random(seed)
    group, accounts = made()
    now = 1_000_000_000
    for _ in range(400):
        now += chance.randrange(2 * PERIOD)
        if chance.random() < 0.7:
            tick = max(0, (now - 1_000_000_000) // PERIOD - chance.randrange(3))
            away = chance.choice([BAD_LINK_DOWN, BAD_NO_ANSWER])
            accounts.row(row(tick, *chance.choice([(GOOD, GOOD), (away, away), (GOOD, away)])))
        else:
            accounts.settle(now, chance.randrange(4) * PERIOD, chance.choice([GOOD, BAD_LINK_DOWN]))
    shown = group.snapshot()
    assert shown["ticks"] == shown["rows"] + sum(shown["skipped"].values()) == accounts.next_tick


def test_frames_when_cut_anywhere_then_the_same_frames() -> None:
    stream = frames.pack_row(row(7)) + frames.pack(frames.READY) + frames.pack_json(5, {"名": 1})
    whole = Frames().feed(stream)
    assert frames.unpack_row(whole[0][1]) == row(7)
    assert (whole[1], frames.unpack_json(whole[2][1])) == ((frames.READY, b""), {"名": 1})
    for at in range(len(stream)):
        one = Frames()
        assert one.feed(stream[:at]) + one.feed(stream[at:]) == whole


@pytest.mark.parametrize("junk", [b"\xff\xff\xff\xff\4", b"HTTP/1.1 200 OK\r\n"])
def test_frames_when_the_length_is_absurd_then_refused(junk: bytes) -> None:
    with pytest.raises(FrameError):
        Frames().feed(junk)


@pytest.mark.parametrize("payload", [b"", b"\0" * 44, frames.pack_row(row(1))[5:-16]])
def test_row_frame_when_cut_short_then_refused(payload: bytes) -> None:
    with pytest.raises(FrameError):
        frames.unpack_row(payload)


@pytest.mark.parametrize(
    ("kind", "value", "quality", "data"),
    [
        ("int16", "-3", GOOD, b"\xff\xfd"),
        ("int16", "3.0", GOOD, b"\0\3"),
        ("int16", "3.5", 137, b"\0\0"),
        ("int16", "40000", 137, b"\0\0"),
        ("uint32", "-1", 137, bytes(4)),
        ("float32", "1e400", 137, bytes(4)),
        ("float64", "NaN", 137, bytes(8)),
        ("int64", "1E+999999999", 137, bytes(8)),
        ("float64", "0.5", GOOD, b"\x3f\xe0" + bytes(6)),
        ("bool", True, GOOD, b"\1"),
        ("bool", "maybe", 137, b"\0"),
        ("string", "主轴", 64, "主".encode()),
        ("string", "a\0b", GOOD, b"ab\0\0\0"),
    ],
)
def test_value_when_encoded_then_never_another_value(
    kind: str, value: bool | str, quality: int, data: bytes
) -> None:
    length = 5 if kind == "string" else 0
    tag = TagSpec("t", "T", kind, 1, length=length, encoding="utf-8")  # type: ignore[arg-type]
    assert encode(tag, value) == (quality, data.ljust(len(data) if not length else 5, b"\0"))


def test_backoff_when_failures_repeat_then_longer_and_never_over_five_seconds() -> None:
    waits = [backoff_s(failures, 1.0) for failures in range(2000)]
    assert waits == sorted(waits)
    assert waits[0] < 0.3
    assert waits[-1] == BACKOFF_S_MAX < 5
