"""Anchors: when one is due, from which source, and with what error."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.clock import (
    ANCHOR_EVERY_NS,
    DRIFT_PPM,
    PLATFORM_ASKED_EVERY_NS,
    SYSTEM_ERROR_MIN_NS,
    UNKNOWN_ERROR_NS,
    Anchors,
    LastKnown,
    SystemClock,
    time_zone,
)
from gateway.messages import text

S = 10**9
HOUR = 3600 * S
UTC_2026 = 1_795_000_000 * S


class HandClock:
    """A clock that stands still until the test moves it."""

    boot_id = "05316703-62fe-470c-bc3f-c477ee035e2b"

    def __init__(self, utc_error_ns: int | None = None) -> None:
        self.boot_ns = 60 * S
        self.offset_ns = UTC_2026
        self.error_ns = utc_error_ns

    def now_ns(self) -> int:
        return self.boot_ns

    def utc_ns(self) -> int:
        return self.boot_ns + self.offset_ns

    def utc_error_ns(self) -> int | None:
        return self.error_ns

    async def sleep_until(self, boot_ns: int) -> None:
        self.boot_ns = max(self.boot_ns, boot_ns)


def due(anchors: Anchors, clock: HandClock, later_ns: int = 0) -> pb.Anchor | None:
    clock.boot_ns += later_ns
    return anchors.due(clock.boot_ns)


def test_utc_when_nothing_vouches_for_it_is_not_known_until_the_platform_says_it() -> None:
    clock = HandClock()
    anchors = Anchors(clock)
    assert anchors.utc_ns(clock.boot_ns) is None
    anchors.platform_said(UTC_2026, clock.boot_ns, clock.boot_ns)
    assert anchors.utc_ns(clock.boot_ns + S) == UTC_2026 + S


def test_platform_time_when_known_is_asked_for_again_after_ten_minutes_or_a_contradiction() -> None:
    clock = HandClock()
    anchors = Anchors(clock)

    def wants(later_ns: int = 0) -> bool:
        clock.boot_ns += later_ns
        return anchors.wants_platform(clock.boot_ns)

    def said(ahead_ns: int = 0) -> None:
        anchors.platform_said(UTC_2026 + clock.boot_ns + ahead_ns, clock.boot_ns, clock.boot_ns)

    assert wants()
    said()
    assert not wants() and not wants(PLATFORM_ASKED_EVERY_NS - 1) and wants(1)
    said(HOUR)
    assert wants(), "the platform contradicts itself: which of the two is it?"
    said(HOUR)
    assert not wants()
    said(-UTC_2026)
    assert wants(), "no time of this century"
    clock.error_ns = 30_000_000
    assert not wants(), "the kernel vouches for it"


def test_first_block_when_kernel_is_synchronised_then_system_anchor() -> None:
    clock = HandClock(utc_error_ns=30_000_000)
    assert due(Anchors(clock), clock) == pb.Anchor(
        boot_id=clock.boot_id,
        boot_time_ns=60 * S,
        utc_ns=UTC_2026 + 60 * S,
        source=pb.ANCHOR_SOURCE_SYSTEM,
        error_ns=30_000_000,
    )


def test_second_block_when_nothing_moved_then_no_anchor_until_the_hour() -> None:
    clock = HandClock(utc_error_ns=30_000_000)
    anchors = Anchors(clock)
    assert due(anchors, clock)
    assert due(anchors, clock, ANCHOR_EVERY_NS - 1) is None
    assert due(anchors, clock, 1)
    assert due(anchors, clock, 1) is None


@pytest.mark.parametrize("step_ns", [30_000_001, -30_000_001, 400 * 86400 * S, -3600 * S])
def test_utc_when_moved_by_more_than_its_error_then_anchor(step_ns: int) -> None:
    clock = HandClock(utc_error_ns=30_000_000)
    anchors = Anchors(clock)
    due(anchors, clock)
    clock.offset_ns += step_ns
    anchor = due(anchors, clock, S)
    assert anchor is not None
    assert anchor.utc_ns - anchor.boot_time_ns == UTC_2026 + step_ns


def test_utc_when_moved_within_its_error_then_no_anchor() -> None:
    clock = HandClock(utc_error_ns=30_000_000)
    anchors = Anchors(clock)
    due(anchors, clock)
    clock.offset_ns += 30_000_000
    assert due(anchors, clock, S) is None


def test_box_that_starts_in_1970_when_time_comes_then_unknown_platform_system() -> None:
    clock = HandClock()
    clock.offset_ns = 0
    anchors = Anchors(clock)
    first = due(anchors, clock)
    assert first is not None
    assert (first.source, first.error_ns) == (pb.ANCHOR_SOURCE_UNKNOWN, UNKNOWN_ERROR_NS)

    anchors.platform_said(UTC_2026 + 61 * S, asked_ns=61 * S - 20, answered_ns=61 * S + 20)
    second = due(anchors, clock, 1 * S)
    assert second is not None
    assert second.source == pb.ANCHOR_SOURCE_PLATFORM
    assert second.utc_ns - second.boot_time_ns == UTC_2026
    assert second.error_ns == 20

    clock.offset_ns, clock.error_ns = UTC_2026 + 5, SYSTEM_ERROR_MIN_NS
    third = due(anchors, clock, 1 * S)
    assert third is not None
    assert third.source == pb.ANCHOR_SOURCE_SYSTEM


def test_platform_time_when_system_is_synchronised_then_not_used() -> None:
    clock = HandClock(utc_error_ns=30_000_000)
    anchors = Anchors(clock)
    anchors.platform_said(UTC_2026 + 90 * S, asked_ns=60 * S, answered_ns=60 * S)
    anchor = due(anchors, clock)
    assert anchor is not None
    assert anchor.source == pb.ANCHOR_SOURCE_SYSTEM


def test_platform_time_when_old_then_its_error_grew_by_the_drift() -> None:
    clock = HandClock()
    anchors = Anchors(clock)
    anchors.platform_said(UTC_2026 + 60 * S, asked_ns=60 * S, answered_ns=60 * S + 10_000_000)
    anchor = due(anchors, clock, 1000 * S + 10_000_000)
    assert anchor is not None
    assert anchor.error_ns == 5_000_000 + 1000 * S * DRIFT_PPM // 1_000_000


def test_platform_time_when_a_slow_answer_follows_a_quick_one_then_the_quick_one_stays() -> None:
    clock = HandClock()
    anchors = Anchors(clock)
    anchors.platform_said(UTC_2026 + 60 * S, asked_ns=60 * S, answered_ns=60 * S)
    anchors.platform_said(UTC_2026 + 99 * S, asked_ns=61 * S, answered_ns=63 * S)
    anchor = due(anchors, clock, 3 * S)
    assert anchor is not None
    assert anchor.utc_ns - anchor.boot_time_ns == UTC_2026


def test_platform_time_when_answered_before_asked_then_refused() -> None:
    with pytest.raises(ValueError, match="before it was asked"):
        Anchors(HandClock()).platform_said(0, asked_ns=2, answered_ns=1)


def test_error_when_it_falls_to_a_quarter_then_anchor() -> None:
    clock = HandClock(utc_error_ns=8 * S)
    anchors = Anchors(clock)
    due(anchors, clock)
    clock.error_ns = 2 * S
    assert due(anchors, clock, S) is None
    clock.error_ns = 2 * S - 1
    assert due(anchors, clock, S)


def test_snapshot_when_unknown_then_said_so() -> None:
    clock = HandClock()
    snapshot = Anchors(clock).snapshot(clock.boot_ns)
    assert snapshot["source"] == "unknown"
    assert snapshot["utc_ns"] == UTC_2026 + 60 * S


def test_system_clock_when_read_then_boot_clock_and_utc_of_this_box() -> None:
    clock = SystemClock()
    first, second = clock.now_ns(), clock.now_ns()
    assert 0 < first <= second
    assert len(clock.boot_id) == 36
    error_ns = clock.utc_error_ns()
    assert error_ns is None or error_ns >= SYSTEM_ERROR_MIN_NS


def test_system_clock_when_slept_then_not_before_the_time() -> None:
    clock = SystemClock()
    until_ns = clock.now_ns() + 2_000_000

    async def main() -> None:
        await clock.sleep_until(until_ns)
        await clock.sleep_until(0)

    asyncio.run(main())
    assert clock.now_ns() >= until_ns


@pytest.mark.parametrize(
    "utc_ns", [2**63 - 1, -(2**63), 0, UTC_2026 // 10**6, UTC_2026 * 1000 % 2**63, 1]
)
def test_platform_time_when_no_calendar_has_it_is_refused_and_said(utc_ns: int) -> None:
    clock = HandClock()
    anchors = Anchors(clock)
    anchors.platform_said(utc_ns, asked_ns=60 * S, answered_ns=60 * S)
    anchor = due(anchors, clock)
    assert anchor is not None and anchor.source == pb.ANCHOR_SOURCE_UNKNOWN
    (said,) = anchors.warnings()
    assert said["id"] == "clock.platform_implausible"
    assert text(said["id"], "en", **said["args"])
    anchors.platform_said(UTC_2026 + 61 * S, asked_ns=61 * S, answered_ns=61 * S)
    assert anchors.warnings() == [] and anchors.utc_ns(61 * S) == UTC_2026 + 61 * S


def test_platform_time_when_before_the_certificate_was_issued_is_refused() -> None:
    anchors = Anchors(HandClock(), not_before_ns=lambda: UTC_2026)
    anchors.platform_said(UTC_2026 - 1, asked_ns=60 * S, answered_ns=60 * S)
    assert [said["id"] for said in anchors.warnings()] == ["clock.platform_implausible"]


def test_platform_time_when_off_the_synchronised_clock_is_refused_while_that_is_fresh() -> None:
    clock = HandClock(utc_error_ns=30_000_000)
    anchors = Anchors(clock)
    due(anchors, clock)
    clock.error_ns = None  # the network is gone, and with it the time server
    day_ahead = UTC_2026 + 86_400 * S
    clock.boot_ns += 3600 * S
    anchors.platform_said(day_ahead + clock.boot_ns, clock.boot_ns, clock.boot_ns)
    (said,) = anchors.warnings()
    assert (said["id"], said["args"]["seconds"]) == ("clock.platform_differs", 86_400)
    clock.boot_ns += 86_400 * S
    for _ in range(2):
        anchors.platform_said(day_ahead + clock.boot_ns, clock.boot_ns, clock.boot_ns)
    anchor = due(anchors, clock)
    assert anchor is not None and anchor.source == pb.ANCHOR_SOURCE_PLATFORM
    assert anchor.voids_earlier, "two days on, the platform knows better"


@pytest.mark.parametrize(("off_ns", "shown"), [(340_000_000, 0.3), (2 * S, 2), (20 * S, 20)])
def test_platform_time_when_little_off_the_synchronised_clock_then_told_by_how_much(
    off_ns: int, shown: float
) -> None:
    clock = HandClock(utc_error_ns=30_000_000)
    anchors = Anchors(clock)
    due(anchors, clock)
    anchors.platform_said(UTC_2026 + clock.boot_ns + off_ns, clock.boot_ns, clock.boot_ns)
    (said,) = anchors.warnings()
    assert (said["id"], said["args"]["seconds"]) == ("clock.platform_differs", shown)


def test_anchor_when_the_platform_was_a_day_ahead_and_is_right_again_voids_the_wrong_one() -> None:
    clock = HandClock()
    clock.offset_ns = 0
    anchors = Anchors(clock)

    def says(offset_ns: int) -> pb.Anchor | None:
        clock.boot_ns += 10 * S
        at = clock.boot_ns
        anchors.platform_said(at + offset_ns, at - 1_000_000, at)
        return due(anchors, clock)

    wrong = says(UTC_2026 + 86_400 * S)
    assert wrong is not None and not wrong.voids_earlier
    assert says(UTC_2026) is None, "once is a slip"
    right = says(UTC_2026)
    assert right is not None and right.voids_earlier
    assert abs(right.utc_ns - right.boot_time_ns - UTC_2026) <= S
    assert says(UTC_2026) is None


def test_anchor_when_its_block_was_lost_is_said_again() -> None:
    clock = HandClock(utc_error_ns=30_000_000)
    anchors = Anchors(clock)
    due(anchors, clock)
    assert due(anchors, clock, S) is None
    anchors.restate()
    again = due(anchors, clock, S)
    assert again is not None and not again.voids_earlier


def test_anchor_that_voids_when_it_may_be_lost_is_said_again_as_one_that_voids() -> None:
    clock = HandClock()
    clock.offset_ns = 0
    anchors = Anchors(clock)

    def says(offset_ns: int) -> pb.Anchor | None:
        clock.boot_ns += 10 * S
        anchors.platform_said(clock.boot_ns + offset_ns, clock.boot_ns - 1_000_000, clock.boot_ns)
        return due(anchors, clock)

    says(UTC_2026 + 3600 * S)
    says(UTC_2026)
    right = says(UTC_2026)
    assert right is not None and right.voids_earlier
    hourly = due(anchors, clock, ANCHOR_EVERY_NS)
    assert hourly is not None and not hourly.voids_earlier, "nothing was lost"
    for _ in range(2):  # the anchor that was said again may be lost as well
        anchors.restate()
        again = due(anchors, clock, S)
        assert again is not None and again.voids_earlier
    assert due(anchors, clock, S) is None
    hourly = due(anchors, clock, ANCHOR_EVERY_NS)
    assert hourly is not None and not hourly.voids_earlier


@pytest.mark.parametrize("was_set_forward", [False, True])
def test_box_that_starts_in_1970_when_it_knew_the_time_before_estimates(
    was_set_forward: bool,
) -> None:
    clock = HandClock()
    clock.offset_ns = UTC_2026 - 3 * S if was_set_forward else 0
    known = LastKnown(UTC_2026, "another boot", 5)
    anchors = Anchors(clock, known)
    anchor = due(anchors, clock)
    assert anchor is not None
    assert anchor.source == pb.ANCHOR_SOURCE_LAST_KNOWN
    assert anchor.utc_ns == UTC_2026 + 60 * S
    assert anchors.utc_ns(clock.boot_ns) is None, "nothing vouches for it"
    assert anchors.snapshot(clock.boot_ns)["source"] == "last_known"
    anchors.platform_said(UTC_2026 + 999 * S, clock.boot_ns, clock.boot_ns)
    better = due(anchors, clock, S)
    assert better is not None and better.source == pb.ANCHOR_SOURCE_PLATFORM
    assert not better.voids_earlier, "an estimate contradicts nothing"


def test_box_with_a_battery_when_it_starts_goes_by_its_own_clock() -> None:
    clock = HandClock()
    anchors = Anchors(clock, LastKnown(UTC_2026 - 86_400 * S, "another boot", 5))
    anchor = due(anchors, clock)
    assert anchor is not None and anchor.source == pb.ANCHOR_SOURCE_UNKNOWN
    assert anchor.utc_ns == UTC_2026 + 60 * S


def test_time_zone_when_the_link_names_it_is_that(tmp_path: Path) -> None:
    link = tmp_path / "localtime"
    assert time_zone(link) == ""
    link.symlink_to("../usr/share/zoneinfo/Asia/Shanghai")
    assert time_zone(link) == "Asia/Shanghai"
