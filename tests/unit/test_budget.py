"""The data budget's rules: what may go, when a new budget is granted, what a crash may cost."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import SystemClock
from gateway.config.units import Per, Rate
from gateway.uplink.budget import (
    ANSWER_BYTES,
    BACKLOG_AHEAD,
    CONNECT_BYTES,
    RESERVE_BYTES,
    Budget,
    Note,
    message_bytes,
)
from gateway.uplink.keptbudget import NAME, NOTE_BYTES_MAX, NOTE_PART, RETRY_NS, KeptBudget, load
from gateway.uplink.periods import DAY_NS, LENGTH_NS, begin_ns, first_day, number
from tests.kit.fake_disk import FakeDisk
from tests.kit.virtual_time import VirtualClock, inline, run

S, HOUR = 10**9, 3600 * 10**9
LIMIT = 2_000_000
MONTH = Rate(LIMIT, "month")
#: 2026-11-15, noon in UTC+8.
NOON = 1_794_715_200 * S


class Life:
    """A budget on a boot clock and a UTC that the test moves apart."""

    def __init__(self, rate: Rate = MONTH, utc_ns: int | None = NOON) -> None:
        self.rate, self.now_ns, self.utc_ns = rate, 0, utc_ns
        self.budget = Budget(rate, None, 0, lambda now_ns: self.utc_ns)

    def after(self, ns: int) -> Life:
        self.now_ns += ns
        if self.utc_ns is not None:
            self.utc_ns += ns
        self.budget.look(self.now_ns)
        return self

    def jump(self, utc_ns: int | None) -> Life:
        self.utc_ns = utc_ns
        return self.after(0)

    def send(self, size: int, *, backlog: bool = False) -> bool:
        may = self.budget.may_send(size, 1, self.now_ns, backlog=backlog)
        if may:
            self.budget.count(message_bytes(size))
        return may

    def use_up(self) -> Life:
        while self.send(10_000):
            assert self.budget.used <= LIMIT
        return self


def test_period_when_the_clock_is_utc_begins_at_midnight_of_utc_8() -> None:
    for per, day in (("month", "2026-11-01"), ("day", "2026-11-15")):
        period = number(per, NOON)  # type: ignore[arg-type]  # of a Literal
        assert first_day(per, period).isoformat() == day  # type: ignore[arg-type]
        for edge in (period, period + 1):
            begin = begin_ns(per, edge)  # type: ignore[arg-type]
            assert number(per, begin) == edge == number(per, begin - 1) + 1  # type: ignore[arg-type]
            assert begin % DAY_NS == 16 * HOUR


def test_live_data_when_the_budget_is_used_up_stops_below_it_and_goes_on_next_month() -> None:
    life = Life().use_up()
    assert LIMIT - 2 * RESERVE_BYTES < life.budget.used <= LIMIT - RESERVE_BYTES
    assert life.budget.is_used_up and not life.send(1)  # nothing smaller slips by
    assert not life.budget.may_connect(life.now_ns)
    left = life.budget.ends_in_ns(life.now_ns)
    life.after(left - 1)
    assert not life.budget.may_connect(life.now_ns)
    life.after(1)
    assert life.budget.may_connect(life.now_ns) and life.budget.used == 0


def test_backlog_when_the_use_is_ahead_of_the_calendar_waits_and_live_data_goes() -> None:
    life = Life()
    while life.send(10_000, backlog=True):
        pass
    assert life.budget.is_holding and life.send(10_000)
    gone = 14.5 / 30
    assert abs(life.budget.used / LIMIT - (gone + BACKLOG_AHEAD)) < 0.02
    assert not life.send(10_000, backlog=True)
    assert life.after(DAY_NS).send(10_000, backlog=True) and not life.budget.is_holding


def test_clock_when_it_goes_forward_and_back_gives_no_second_budget() -> None:
    life = Life().use_up()
    november = life.budget.used
    life.jump(NOON + 40 * DAY_NS)
    assert life.send(10_000)  # it may be December
    life.jump(NOON)
    assert life.budget.used == november + message_bytes(10_000) and not life.send(1)
    life.jump(NOON + 40 * DAY_NS)
    assert not life.send(1)
    life.jump(NOON + 80 * DAY_NS)
    assert life.send(1)


def test_clock_when_it_was_decades_ahead_shuts_nobody_out_for_longer_than_a_month() -> None:
    life = Life().jump(NOON + 20_000 * DAY_NS).use_up().jump(NOON)
    assert not life.budget.may_connect(life.now_ns)
    life.after(LENGTH_NS["month"])
    assert life.budget.may_connect(life.now_ns)


def test_box_when_it_never_knows_the_time_gets_a_new_budget_after_the_longest_month() -> None:
    life = Life(utc_ns=None).use_up().after(LENGTH_NS["month"] - 1)
    assert not life.budget.may_connect(life.now_ns)
    assert life.after(1).budget.may_connect(life.now_ns)
    used = life.use_up().budget.used
    life.jump(NOON)
    assert life.budget.used == used and life.budget.is_used_up  # knowing the time grants nothing


def test_budget_when_changed_from_month_to_day_keeps_the_count_until_the_next_day() -> None:
    note = Note("month", used=LIMIT, period=number("month", NOON))
    life = Life(Rate(LIMIT, "day"))
    life.budget = Budget(life.rate, note, 0, lambda now_ns: life.utc_ns)
    assert life.budget.is_used_up
    assert life.after(12 * HOUR).budget.may_connect(life.now_ns)


def test_forecast_when_used_evenly_is_the_time_that_the_rest_lasts() -> None:
    life = Life()
    assert life.budget.lasts_ns() is None
    life.budget.count(LIMIT // 4)
    assert life.after(5 * DAY_NS).budget.lasts_ns() == 15 * DAY_NS


STEPS = st.one_of(
    st.tuples(st.just("after"), st.integers(0, 40 * DAY_NS)),
    st.tuples(st.just("jump"), st.none() | st.integers(0, 100 * 365 * DAY_NS)),
    st.tuples(st.just("use"), st.just(0)),
)


@given(st.sampled_from(["day", "month"]), st.lists(STEPS, max_size=30))
def test_budget_whatever_the_clock_says_is_granted_once_a_period_and_never_withheld_for_ever(
    per: Per, steps: Iterable[tuple[str, int | None]]
) -> None:
    life = Life(Rate(LIMIT, per), None)
    powered_ns, granted = 0, {}  # period: when, in powered time
    for what, amount in steps:
        before = life.budget.used
        if what == "use":
            life.use_up()
            continue
        if what == "after":
            assert amount is not None
            powered_ns += amount
            life.after(amount)
        else:
            life.jump(amount)
        period = life.budget.period
        if before and not life.budget.used and period is not None:
            since = granted.get(period)
            assert since is None or powered_ns - since >= LENGTH_NS[per]
            granted[period] = powered_ns
    assert life.use_up().after(LENGTH_NS[per]).budget.may_connect(life.now_ns)


@given(st.integers(0, 10**9), st.lists(st.sampled_from(["live", "backlog", "crash", "kill",
    "restart", "night", "reject"]), max_size=60), st.integers(LIMIT, 20 * LIMIT))  # fmt: skip
def test_count_when_power_is_cut_at_any_time_never_says_less_than_what_went(
    seed: int, events: list[str], limit: int
) -> None:
    run(_lives(random.Random(seed), events, Rate(limit, "day")))


async def _lives(rng: random.Random, events: list[str], rate: Rate) -> None:
    """What went is counted apart, a day at a time; a power cut may come after each payment."""
    disk, clock = FakeDisk(), VirtualClock(utc_at_boot_ns=NOON)

    async def start(disk: FakeDisk) -> KeptBudget:
        return await KeptBudget.open(rate, disk, inline, clock, lambda now_ns: NOON + now_ns)

    kept = await start(disk)
    went: dict[int, int] = {}
    for event in events:
        day = number("day", clock.utc_ns())
        if event in ("live", "backlog"):
            size = rng.randrange(rng.choice([300, 20_000, rate.size_bytes // 10]))
            if kept.may_send(size, 1, backlog=event == "backlog"):
                await kept.pay(message_bytes(size), 1)
                went[day] = went.get(day, 0) + message_bytes(size) + ANSWER_BYTES
                if rng.random() < 0.7:  # else its answer comes after the crash
                    kept.took(ANSWER_BYTES)
                else:
                    kept = await start(disk := disk.crash(rng))
        elif event in ("crash", "kill"):
            kept = await start(disk := disk.crash(rng) if event == "crash" else disk.copy())
        elif event == "restart":
            used = kept.snapshot()["used_bytes"]
            await kept.close()
            kept = await start(disk)
            assert kept.snapshot()["used_bytes"] == used
        elif event == "night":
            await clock.sleep_until(clock.now_ns() + rng.randrange(DAY_NS))
        else:
            await kept.pay(message_bytes(70), 1)
            kept.took(-message_bytes(70))
        day = number("day", clock.utc_ns())
        used = kept.snapshot()["used_bytes"]
        assert went.get(day, 0) <= used
        noted = load(disk.crash())
        assert went.get(day, 0) <= (noted.used if noted and noted.period == day else 0)
        assert went.get(day, 0) <= rate.size_bytes - RESERVE_BYTES + ANSWER_BYTES


@pytest.mark.parametrize(
    ("limit", "size", "ahead"), [(10**8, 1000, 10**8 // NOTE_PART), (10**9, 10**4, NOTE_BYTES_MAX)]
)
def test_note_when_a_budget_is_used_up_was_written_rarely_and_crashes_cost_little(
    limit: int, size: int, ahead: int
) -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        rate = Rate(limit, "month")
        kept = await KeptBudget.open(rate, disk, inline, clock, lambda now_ns: None)
        while kept.may_send(size, 1, backlog=False):
            await kept.pay(message_bytes(size), 1)
        assert disk.syncs <= limit // ahead + 1
        used = kept.snapshot()["used_bytes"]
        noted = load(disk.crash())
        assert noted is not None
        assert used <= noted.used <= used + ahead + ANSWER_BYTES

    run(main())


def test_disk_when_it_fails_keeps_nothing_back_and_the_note_comes_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        kept = await KeptBudget.open(MONTH, disk, inline, clock, lambda now_ns: None)

        def fail(operation: str) -> None:
            raise OSError(5, "Input/output error")

        disk.fail = fail
        await kept.pay(CONNECT_BYTES)
        await kept.pay(CONNECT_BYTES)
        assert len(caplog.records) == 1 and NAME in caplog.text
        disk.fail = lambda operation: None
        await clock.sleep_until(clock.now_ns() + RETRY_NS)
        await kept.pay(1)
        noted = load(disk.crash())
        assert noted is not None and noted.used > 2 * CONNECT_BYTES

    run(main())


def test_note_when_a_stop_comes_while_it_is_written_is_whole_before_the_last_one() -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), SystemClock()
        writing, go_on = threading.Event(), threading.Event()

        def slow(operation: str) -> None:
            if operation == "sync":
                writing.set()
                go_on.wait()

        kept = await KeptBudget.open(MONTH, disk, asyncio.to_thread, clock, lambda now_ns: None)
        await kept.pay(CONNECT_BYTES)
        disk.fail = slow
        paying = asyncio.create_task(kept.pay(CONNECT_BYTES))
        await asyncio.to_thread(writing.wait)
        paying.cancel()
        ended, _ = await asyncio.wait({paying}, timeout=0.05)
        go_on.set()
        assert not ended  # else the exact count would be written beside it, into one file
        await asyncio.wait({paying})
        assert paying.cancelled()
        await kept.close()
        noted = load(disk.crash())
        assert noted is not None and noted.used == 2 * CONNECT_BYTES

    asyncio.run(main())


def test_note_when_it_is_damaged_starts_anew_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        disk = FakeDisk()
        disk.replace(NAME, b"12345678 {}\n")
        kept = await KeptBudget.open(MONTH, disk, inline, VirtualClock(), lambda now_ns: None)
        assert kept.snapshot()["used_bytes"] == 0 and not kept.is_used_up
        assert NAME in caplog.text

    run(main())


def test_connection_when_nobody_answers_costs_little() -> None:
    async def main() -> None:
        kept = await KeptBudget.open(MONTH, FakeDisk(), inline, VirtualClock(), lambda now_ns: NOON)
        for why, most in (("uplink.refused", 500), ("uplink.unreachable", 2500),
                          ("certificate.expired", 0), ("uplink.tls", CONNECT_BYTES)):  # fmt: skip
            before = kept.snapshot()["used_bytes"]
            await kept.pay(CONNECT_BYTES)
            kept.not_connected(why)
            assert kept.snapshot()["used_bytes"] - before <= most

    run(main())


@pytest.mark.parametrize(
    ("per", "within"),
    [
        ("day", {"id": "budget.within_hours", "args": {"hours": 25}}),
        ("month", {"id": "budget.within", "args": {"days": 32}}),
    ],
)
def test_warning_when_the_time_is_unknown_says_within_what_the_count_begins_anew(
    per: Per, within: dict[str, Any]
) -> None:
    async def main() -> None:
        rate = Rate(LIMIT, per)
        kept = await KeptBudget.open(rate, FakeDisk(), inline, VirtualClock(), lambda now_ns: None)
        await kept.pay(LIMIT * 9 // 10)
        (near,) = kept.warnings()
        assert near["args"]["resets"] == within

    run(main())


def test_warning_when_80_percent_are_used_comes_with_the_day_and_the_forecast() -> None:
    async def main() -> None:
        clock = VirtualClock()
        kept = await KeptBudget.open(MONTH, FakeDisk(), inline, clock, lambda now: NOON + now)
        await kept.pay(LIMIT * 79 // 100)
        await clock.sleep_until(DAY_NS)
        assert kept.warnings() == []
        early = await KeptBudget.open(MONTH, FakeDisk(), inline, clock, lambda now: NOON + now)
        await early.pay(LIMIT * 85 // 100)
        assert early.warnings()[0]["args"]["forecast"] == {"id": "budget.too_early", "args": {}}
        await kept.pay(LIMIT // 100)
        (near,) = kept.warnings()
        assert near["id"] == "budget.near" and near["args"]["percent"] == "80"
        assert near["args"]["resets"] == {"id": "budget.on", "args": {"date": "2026-12-01"}}
        assert near["args"]["forecast"] == {"id": "budget.ends_in", "args": {"hours": "6"}}
        await kept.pay(LIMIT // 5)
        assert [said["id"] for said in kept.warnings()] == ["budget.used_up"]

    run(main())
