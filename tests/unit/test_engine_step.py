"""Modbus devices that answer one request behind: found out, said, and never believed; and what
finding that out costs those that don't. In virtual time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from drivers.api import Field, Request
from drivers.modbus.request import Read, request_of
from tests.kit.slave import HANG_UP, Asked, Step, answer, refusal
from tests.kit.talk import Ask, Talk
from tests.kit.wired import Wired

Answering = Callable[[Asked], Iterable[Step]]


def honest(asked: Asked) -> Iterable[Step]:
    return [0.01, answer(asked)]


def wrong(talk: Talk) -> list[object]:
    """Good values that are not what stands at their address."""
    sizes = {(ask.unit, at): ask.size for ask in talk.asks for at in ask.reads}
    return [
        row
        for row in talk.rows()
        if row.quality == 1
        and row.value is not None
        and (row.value >> 16 * (sizes[row.unit, row.address] - 1)) != row.address
    ]


def lagging(by: int = 1, since: int = 0, echo: bool = True) -> Answering:
    """Answers what it was asked `by` requests before, with the id of the newest; from request
    number `since` on.
    """
    before: list[Asked] = []

    def script(asked: Asked) -> Iterable[Step]:
        before.append(asked)
        if len(before) <= since:
            return [0.01, answer(asked)]
        old = before[max(0, len(before) - 1 - by)]
        return [0.01, answer(old, transaction=asked.transaction if echo else -1)]

    return script


PLANS = {
    "one": [Ask(1, (10,), 200)],
    "two alike": [Ask(1, (10, 20), 200)],
    "long ones": [Ask(1, (10, 20), 200, 2)],
    "unlike": [Ask(1, (10, 20), 200), Ask(1, (30,), 200, 2)],
    "two units": [Ask(1, (10, 20), 200), Ask(2, (30, 40), 200)],
}


@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize("by", [1, 2])
@pytest.mark.parametrize("plan", PLANS)
def test_device_when_one_request_behind_with_right_ids_then_found_out_at_once_and_said(
    plan: str, by: int, in_flight: int
) -> None:
    talk = Wired(PLANS[plan], lagging(by), link={"in_flight": in_flight})
    talk.run(30_000)
    assert [row for row in talk.rows(since_ms=1_000) if row.quality == 1] == []
    _, devices = talk.said()
    # Also of a unit that was never answered for itself.
    assert {device["cause"]["id"] for device in devices} == {"device.one_behind"}
    assert talk.native.snapshot()["reconnects"] == 0


@pytest.mark.parametrize("plan", PLANS)
def test_gateway_when_behind_after_a_late_answer_then_not_believed_until_it_is_in_step(
    plan: str,
) -> None:
    """One answer takes too long: from then on each comes with the next request's id."""
    talk = Talk(PLANS[plan], honest)
    behind = lagging()
    talk.at(10_050, lambda: setattr(talk, "script", lambda a: [*behind(a)][:0]))
    talk.at(10_250, lambda: setattr(talk, "script", behind))
    talk.at(20_050, lambda: setattr(talk, "script", honest))
    talk.run(40_000)
    talk.finish()
    assert wrong(talk) == []
    assert [row for row in talk.rows(10_500) if row.quality == 1 and row.at_ms < 20_000] == []
    assert talk.good(since_ms=22_000) == 1


@pytest.mark.parametrize("framing", ["tcp", "rtu", "ascii"])
@pytest.mark.parametrize("reads", [(10,), (10, 20), tuple(range(100, 900, 100))])
@pytest.mark.parametrize("size", [1, 2])
def test_device_when_in_step_then_a_check_costs_one_request(
    framing: str, reads: tuple[int, ...], size: int
) -> None:
    talk = Talk([Ask(1, reads, 500, size)], honest, framing)
    talk.run(60_000)
    assert talk.good() == 1
    assert len(talk.asked) - len(talk.rows()) <= 1 + len(reads)


def plans_of(sizes: tuple[int, ...]) -> list[tuple[tuple[Request, ...], tuple[Field, ...]]]:
    """Two tags, holding:10 and holding:20, in one request or in one each, of so many registers."""
    found = []
    for size in sizes:
        if size > 10:
            fields = tuple(Field(0, 20 * i, "uint16", "ABCD", 2, -1) for i in range(2))
            found.append(((request_of(Read(3, 10, size)),), fields))
        else:
            fields = tuple(Field(i, 0, "uint16", "ABCD", 2, -1) for i in range(2))
            requests = tuple(request_of(Read(3, at, size)) for at in (10, 20))
            found.append((requests, fields))
    return found


def replanning(talk: Talk, sizes: tuple[int, ...], first_ms: float, every_ms: float) -> None:
    """From `first_ms` on each of those plans in turn."""
    (group,) = talk.box.groups
    turn = iter(range(1, 1000))

    def replan() -> None:
        plans = plans_of(sizes)
        group.replan(*plans[next(turn) % len(plans)])
        talk.at(talk.now_ms + every_ms, replan)

    talk.at(first_ms, replan)


@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize("by", [1, 2])
@pytest.mark.parametrize("sizes", [(11, 1), (1, 2, 3), (11, 12), (4, 1)])
@pytest.mark.parametrize("every_ms", [130, 490, 1700])
def test_device_when_one_request_behind_and_replanned_then_never_good(
    every_ms: float, sizes: tuple[int, ...], by: int, in_flight: int
) -> None:
    talk = Talk(PLANS["two alike"], lagging(by), link={"in_flight": in_flight}, seal_ms=100)
    replanning(talk, sizes, 10, every_ms)
    talk.run(30_000)
    assert [row for row in talk.rows(since_ms=1_000) if row.quality == 1] == []


@pytest.mark.parametrize("offset_ms", range(0, 100, 5))
def test_row_when_begun_under_the_plan_before_is_not_believed_either(offset_ms: int) -> None:
    """A unit lags, and nothing shows it until it is asked for other sizes. The scan that is under
    way at the seal has its row in a store of its own; then the first sign comes.
    """
    talk = Talk([Ask(1, (10, 20), 100)], lagging(1, 20), seal_ms=100_000)
    (group,) = talk.box.groups
    talk.at(4_000, lambda: group.replan(*plans_of((2,))[0]))
    talk.at(4_000 + offset_ms, talk.collect)
    talk.run(10_000)
    assert [row for row in talk.rows(4_000 + offset_ms - 10) if row.quality == 1] == []


@pytest.mark.parametrize("sizes", [(11, 1), (1, 2, 3)])
def test_device_when_replanned_while_behind_then_good_again_once_in_step(
    sizes: tuple[int, ...],
) -> None:
    talk = Talk(PLANS["two alike"], lagging(), seal_ms=100)
    replanning(talk, sizes, 5_000, 1_000)
    talk.at(20_050, lambda: setattr(talk, "script", honest))
    talk.run(40_000)
    talk.finish()
    assert wrong(talk) == []
    assert talk.good(since_ms=24_000) == 1


ODD: dict[str, Answering] = {
    "refuses what is not as long as usual": lambda a: [
        0.01, refusal(a, 3) if a.count != 1 else answer(a),
    ],
    "is mute to what is not as long as usual": lambda a: [0.01, answer(a)] if a.count == 1 else [],
    "hangs up at what is not as long as usual": lambda a: [
        0.01, *([answer(a)] if a.count == 1 else [HANG_UP]),
    ],
    "gives always as much": lambda a: [0.01, answer(replace(a, count=1))],
    "is busy at first": lambda a: [0.01, refusal(a, 6) if a.number in range(2, 9) else answer(a)],
}  # fmt: skip


@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize("how", ODD)
def test_device_when_it_does_not_take_checks_then_is_read_all_the_same(
    how: str, in_flight: int
) -> None:
    talk = Talk([Ask(1, (10, 20), 200)], ODD[how], link={"in_flight": in_flight})
    talk.run(60_000)
    talk.finish()
    assert wrong(talk) == []
    assert talk.good(since_ms=3_000) == 1


@pytest.mark.parametrize("framing", ["rtu", "ascii"])
@pytest.mark.parametrize("size", [1, 8, 20])
def test_device_when_one_request_behind_on_a_line_then_nothing_is_wrong_once_it_is_known(
    framing: str, size: int
) -> None:
    talk = Talk([Ask(1, (10, 60), 200, size)], lagging(), framing)
    talk.run(120_000)
    assert [row for row in talk.rows(since_ms=1_500) if row.quality == 1] == []
