"""When ticks are due: spread by device, on the clock's grid where a device is aligned, and no tick
lost to a change of its plan.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers.api import DeviceSpec, Field, LinkSpec, TagSpec
from drivers.modbus import DRIVER
from drivers.modbus.request import Read, request_of
from drivers.phases import SPREAD_NS, phase_ns
from drivers.scan import open_links
from ingest import audit
from ingest.inline import InlineStore
from ingest.stores.opening import connect
from native.rows.ticks import Schedule
from tests.contract import receiver, streams
from tests.kit.slave import Asked, Step, TcpSlave, answer, honest
from tests.kit.talk import MS, Ask, Talk

SECOND_NS = 1_000_000_000
#: 10:40 of some day, in nanoseconds since 1970.
MORNING_NS = 1_790_000_000 * SECOND_NS // (3600 * SECOND_NS) * 3600 * SECOND_NS + 2400 * SECOND_NS


def burst(times_ns: Iterable[int], within_ns: int) -> int:
    """The most of them within so long."""
    times = sorted(times_ns)
    return max(sum(0 <= b - a < within_ns for b in times) for a in times)


def test_phases_when_two_hundred_devices_have_one_period_then_few_of_them_come_together() -> None:
    phases = [phase_ns(f"press-{n:03}", [SECOND_NS]) for n in range(200)]
    assert phases == [phase_ns(f"press-{n:03}", [SECOND_NS]) for n in range(200)]
    assert all(0 <= phase < SECOND_NS for phase in phases)
    assert burst(phases, 10 * MS) <= 25  # 12.5 on the average
    tenths = Counter(phase // (100 * MS) for phase in phases)
    assert max(tenths.values()) <= 45  # 20, but for the grid


@pytest.mark.parametrize("periods", [[10 * MS], [10 * MS, SECOND_NS], [3600 * SECOND_NS]])
def test_phase_when_periods_are_long_or_short_then_no_first_value_waits_long(
    periods: list[int],
) -> None:
    assert all(phase_ns(f"d{n}", periods) < min(SPREAD_NS, max(periods)) for n in range(100))
    assert phase_ns("d", periods) == phase_ns("d", periods[::-1])


@pytest.mark.parametrize(("period_ms", "phases"), [(2, 1), (5, 2), (10, 4), (40, 16), (1000, 16)])
def test_phases_when_devices_are_fast_then_few_so_that_they_share_the_daemons_wake_ups(
    period_ms: int, phases: int
) -> None:
    met = {phase_ns(f"robot-{n}", [period_ms * MS]) for n in range(200)}
    assert met == {n * period_ms * MS // phases for n in range(phases)}


def test_requests_when_many_links_begin_together_then_spread_and_each_devices_groups_together() -> (
    None
):
    """On real sockets: the phase of the plan is what the wire sees."""
    with TcpSlave() as slave:
        links = []
        for n in range(30):
            link = LinkSpec(f"l{n}", "tcp", host="127.0.0.1", tcp_port=slave.port)
            tags = (
                TagSpec("a", "holding:0", "uint16", 300 * MS),
                TagSpec("b", "holding:500", "uint16", 600 * MS),
            )
            device = DeviceSpec(f"press-{n}", link, "modbus", tags, unit=n + 1)
            links.append((link, [DRIVER.plan(device)]))
        opened = open_links(links, 0, {})
        (runner,) = opened.runners
        thread = threading.Thread(target=runner.run)
        thread.start()
        looked = threading.Event()
        while len({one.unit for one in slave.asked if one.address == 500}) < 30:
            looked.wait(0.02)
        runner.stop()
        thread.join()
    first: dict[tuple[int, int], int] = {}
    for one in slave.asked:
        first.setdefault((one.unit, one.address), one.at_ns)
    begun = min(first.values())
    assert burst((at for (_, address), at in first.items() if address == 0), 20 * MS) <= 10
    for unit in range(1, 31):
        due = phase_ns(f"press-{unit - 1}", [600 * MS])
        assert abs(first[unit, 0] - first[unit, 500]) < 200 * MS
        assert first[unit, 0] - begun - due < 250 * MS  # a busy machine


def aligned(period_ms: int) -> Talk:
    talk = Talk([Ask(reads=(10,), every_ms=period_ms)], honest)
    talk.box.groups[0].set_phase(0, aligned=True)
    return talk


def past_grid_ms(talk: Talk, ahead_ns: int, period_ms: int) -> list[float]:
    """How long after a multiple of the period, in UTC, each request went out."""
    return [(one.at_ns + ahead_ns) % (period_ms * MS) / MS for one in planned(talk)]


def planned(talk: Talk) -> list[Asked]:
    """Requests of the plan: not of two registers, whether the device is in step."""
    return [one for one in talk.asked if one.count == 1]


def test_ticks_when_aligned_and_utc_is_known_then_at_once_then_at_whole_multiples() -> None:
    hour = 3_600_000
    talk = aligned(hour)
    ahead_ns = MORNING_NS - talk.start_ns
    talk.box.groups[0].know_utc(ahead_ns)
    talk.run(3 * hour)
    assert past_grid_ms(talk, ahead_ns, hour) == [2_400_000, 0, 0, 0]  # 10:40, 11:00, 12:00, 13:00
    talk.finish()


def test_ticks_when_utc_becomes_known_later_then_aligned_from_there_on() -> None:
    talk = aligned(1000)
    talk.run(2500)
    assert past_grid_ms(talk, -talk.start_ns, 1000) == [0, 0, 0]
    ahead_ns = MORNING_NS + 300 * MS - talk.start_ns
    talk.box.groups[0].know_utc(ahead_ns)
    talk.run(7000)
    # The one that is waited for already comes as it was to.
    assert past_grid_ms(talk, ahead_ns, 1000)[4:] == [0, 0, 0, 0]
    talk.finish()


@pytest.mark.parametrize("step_ms", [-400, -3, -0.001, 0.001, 3, 400])
def test_ticks_when_utc_is_corrected_then_follow_it_the_short_way(step_ms: float) -> None:
    """Neither is a tick due twice nor passed over, however little it was."""
    talk = aligned(1000)
    ahead_ns = MORNING_NS - talk.start_ns
    talk.box.groups[0].know_utc(ahead_ns)
    talk.run(3500)
    before = len(planned(talk))
    talk.box.groups[0].know_utc(ahead_ns + round(step_ms * MS))
    talk.run(9500)
    assert past_grid_ms(talk, ahead_ns + round(step_ms * MS), 1000)[before + 1 :] == [0] * (
        len(planned(talk)) - before - 1
    )
    steps = [(b.at_ns - a.at_ns) / MS for a, b in pairwise(planned(talk))]
    assert all(500 <= step <= 1500 for step in steps[before - 1 :])
    talk.finish()
    assert {row.quality for row in talk.rows()} == {1}


def off_grid_ms(at_ns: int, ahead_ns: int, period_ms: int) -> float:
    """How far from a multiple of the period, in UTC, either way."""
    past = (at_ns + ahead_ns) % (period_ms * MS)
    return min(past, period_ms * MS - past) / MS


@pytest.mark.parametrize("drift", [-0.02, 0.02])
def test_ticks_when_the_boot_clock_drifts_then_on_the_grid_and_as_many_as_their_schedule(
    drift: float,
) -> None:
    """Two hundred times as fast as clocks drift, so that ten minutes are more than a day. Readers
    count by the boot clock: at the end no tick of it lacks.
    """
    talk = aligned(1000)
    group = talk.box.groups[0]
    ahead_ns, told = MORNING_NS - talk.start_ns, {}
    group.know_utc(ahead_ns)
    for second in range(600):
        told[second] = ahead_ns
        ahead_ns += round(drift * 1000 * MS)
        talk.run(1000 * (second + 1) + 500)
        group.know_utc(ahead_ns)
        due, _ = group.scanned()
        assert -1 <= due - talk.now_ms / 1000 <= 2.25
    now_s = int(talk.now_ms // 1000)
    talk.finish()
    accounted = talk.box.accounted(1)
    # Of a clock that is 2 % fast twelve of six hundred numbers have no multiple.
    replanned = [tick for tick, reason in accounted if reason == 4]
    assert len(replanned) == pytest.approx(12, abs=1) if drift < 0 else replanned == []
    assert {reason for _, reason in accounted} <= {0, 4}
    assert len(accounted) > now_s
    assert {row.quality for row in talk.rows()} == {1}
    for one in planned(talk)[1:]:
        known = told[min(max(0, (one.at_ns - talk.start_ns) // SECOND_NS - 1), 599)]
        assert off_grid_ms(one.at_ns, known, 1000) <= 1000 * abs(drift) + 0.001
    rows = [tick for tick, reason in accounted if not reason]
    for tick, one in zip(rows, planned(talk), strict=True):
        early_ms = tick * 1000 - (one.at_ns - talk.start_ns) / MS
        assert 0 <= early_ms <= 1250, "a tick keeps to its number"


@pytest.mark.parametrize("drift", [-0.02, 0.02])
def test_platform_when_ticks_drifted_then_takes_every_block_and_misses_no_tick(
    drift: float, tmp_path: Path
) -> None:
    talk = aligned(1000)
    ahead_ns = MORNING_NS - talk.start_ns
    for second in range(200):
        talk.box.groups[0].know_utc(ahead_ns + round(second * drift * SECOND_NS))
        talk.run(1000 * second + 500)
    talk.finish()
    sql = connect(tmp_path / "store.db")
    one = streams.stream(InlineStore(sql))
    streams.said(one, receiver.hello(1), *talk.box.head)
    for block in talk.box.blocks:
        assert streams.said(one, pb.StreamRequest(block=block))[-1].HasField("ack")
    (book,) = audit.epochs(sql)
    sql.close()
    assert (book["missing"], book["missing_blocks"], book["twice"]) == (0, 0, 0)
    gone = book["gaps"].get("replanned", {}).get("ticks", 0)
    assert gone == pytest.approx(4 if drift < 0 else 0, abs=1)
    assert book["scans"] + gone >= 200


@pytest.mark.parametrize("ppm", [-100, -3, 3, 100])
def test_schedule_when_the_clock_drifts_for_thirty_days_then_a_number_a_period_of_it(
    ppm: int,
) -> None:
    period_ns = 10 * SECOND_NS
    schedule = Schedule(period_ns, True)
    schedule.begin(SECOND_NS)
    tick, passed, twice, last_ns = 0, 0, 0, -period_ns
    while tick < 30 * 8640:
        due_ns = SECOND_NS + tick * period_ns + (schedule.shift_ns or 0)
        assert due_ns == schedule.due_ns(tick)
        assert due_ns - last_ns > period_ns // 2
        twice += tick > 1 and due_ns - last_ns > 3 * period_ns // 2
        last_ns = due_ns
        # As a thread is told: each hundred seconds, not each tick.
        ahead_ns = MORNING_NS + due_ns // (100 * SECOND_NS) * 100_000 * ppm
        schedule.know_utc(ahead_ns)
        following = schedule.following(tick + 1)
        assert (schedule.due_ns(following) + ahead_ns) % period_ns == 0
        assert -5 * period_ns // 4 <= schedule.shift_ns <= 0
        passed += following - tick - 1
        assert schedule.passed < following
        tick = following
    moved = abs(ppm) * 30 * 86_400 / 1e6 / 10  # in periods
    assert passed == pytest.approx(moved if ppm < 0 else 0, abs=1.3)
    assert twice == pytest.approx(moved if ppm > 0 else 0, abs=1.3)


@pytest.mark.parametrize("period_s", [1, 3, 10, 60])
@pytest.mark.parametrize("steps_s", [(1, -1), (-1, 1), (-1, 0), (0.3, -0.3)])
def test_ticks_when_utc_steps_forth_and_back_then_at_most_one_number_is_without_a_row(
    period_s: int, steps_s: tuple[float, float]
) -> None:
    """A leap second is a step back; a server that is not sure steps forth and back."""
    talk = aligned(1000 * period_s)
    group = talk.box.groups[0]
    ahead_ns = MORNING_NS + 123 * MS - talk.start_ns
    group.know_utc(ahead_ns)
    for turn in range(40):
        talk.run(1000 * period_s * (5 * turn + 4.4))
        ahead_ns += round(steps_s[turn % 2] * SECOND_NS) if steps_s[1] or turn == 0 else 0
        group.know_utc(ahead_ns)
    talk.run(1000 * period_s * 210.0)
    assert off_grid_ms(planned(talk)[-1].at_ns, ahead_ns, 1000 * period_s) < 0.001
    talk.finish()
    reasons = [reason for _, reason in talk.box.accounted(1)]
    assert reasons.count(4) <= 1
    assert set(reasons) <= {0, 4}
    assert len(reasons) >= 210


def test_silent_device_when_a_neighbours_number_has_no_multiple_then_tried_as_before() -> None:
    """What is not due holds nobody up, and nobody looks at it a thousand times a second."""

    def one_is_off(asked: Asked) -> list[Step]:
        return [] if asked.unit == 2 else list(honest(asked))

    minute = 60_000
    asks = [Ask(unit=1, reads=(10,), every_ms=minute), Ask(unit=2, reads=(20,), every_ms=1000)]
    talk = Talk(asks, one_is_off, framing="rtu")
    group = talk.box.groups[0]
    group.set_phase(0, aligned=True)
    ahead_ns = -talk.start_ns % (minute * MS) + MORNING_NS // (minute * MS) * minute * MS
    group.know_utc(ahead_ns)
    talk.run(3.5 * minute)
    group.know_utc(ahead_ns - 2 * SECOND_NS)
    talk.run(7 * minute)
    tried = [sum(one.unit == 2 and minute * n <= (one.at_ns - talk.start_ns) / MS < minute * (n + 1)
                 for one in talk.asked) for n in range(1, 7)]  # fmt: skip
    assert min(tried) >= 0.8 * max(tried)
    talk.finish()
    assert [reason for _, reason in talk.box.accounted(1)].count(4) == 1


def test_ticks_when_not_aligned_then_utc_moves_none() -> None:
    talk = Talk([Ask(reads=(10,), every_ms=1000)], honest)
    talk.box.groups[0].know_utc(MORNING_NS)
    talk.run(3500)
    at = [one.at_ns - talk.start_ns for one in planned(talk)]
    assert at == [n * SECOND_NS for n in range(4)]


def test_plan_when_changed_under_a_scan_then_that_scan_is_a_row_too() -> None:
    def slowly(asked: Asked) -> list[Step]:
        return [0.03, answer(asked)]

    talk = Talk([Ask(reads=(10, 20), every_ms=100)], slowly, seal_ms=70)
    group = talk.box.groups[0]
    plan = group.plan
    swapped = [request_of(Read(3, at, 1)) for at in (20, 10)]
    fields = [Field(1 - i, 0, "uint16", "ABCD", 2, -1) for i in range(2)]
    for turn in range(20):
        talk.run(turn * 130 + 45)  # now within a scan, now between two
        group.replan(*((plan.requests, plan.fields) if turn % 2 else (swapped, fields)))
    talk.run(2990)
    talk.finish()
    assert not [reason for _, reason in talk.box.accounted(1) if reason]
    assert {(row.address, row.value, row.quality) for row in talk.rows()} == {
        (10, 10, 1), (20, 20, 1)
    }  # fmt: skip
    assert {one.address for one in planned(talk)[:4]} == {10, 20}
    assert group.layouts_kept <= 3
