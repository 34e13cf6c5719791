"""`in_flight = "auto"`: more at once where that brings more, one where not, fewer after harm; in
virtual time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest

from drivers.api import IN_FLIGHT_AUTO
from tests.kit.slave import Asked, Script, Step, answer, honest, refusal
from tests.kit.talk import MS, Ask, Talk

AUTO: dict[str, Any] = {"in_flight": IN_FLIGHT_AUTO, "in_flight_learned": True}


def many(script: Script) -> Talk:
    """Forty requests each 20 ms, of a device 4 ms away: there is always one that waits."""
    return Talk([Ask(1, tuple(range(0, 400, 10)), 20)], script, link=AUTO, distance_ms=4.0)


def learned(talk: Talk) -> int:
    """How many at once."""
    return int(talk.native.snapshot()["in_flight"])


def test_link_when_its_answers_travel_far_then_learns_to_ask_many_at_once() -> None:
    talk = many(honest)
    talk.run(5_000)
    assert 8 <= learned(talk) <= IN_FLIGHT_AUTO
    assert {row.quality for row in talk.rows()} == {1}
    talk.finish()


def test_device_when_it_works_its_requests_off_one_by_one_then_is_asked_one_by_one() -> None:
    talk = many(lambda asked: [0.002, answer(asked)])
    talk.distance_ms = 0.0
    seen = set()
    for ms in range(100, 10_000, 10):
        talk.run(ms)
        seen.add(learned(talk))
    assert learned(talk) == 1 and max(seen) <= 2
    assert {row.quality for row in talk.rows()} == {1}
    talk.finish()


@pytest.mark.parametrize("harm", ["busy", "silent"])
def test_device_when_many_requests_are_too_many_then_is_asked_fewer_at_once(harm: str) -> None:
    """From the sixth request within its time on it says so (exception 6), or is silent."""
    recent: list[int] = []

    def overloaded(asked: Asked) -> Iterable[Step]:
        recent[:] = [at_ns for at_ns in recent if asked.at_ns - at_ns < 4 * MS]
        recent.append(asked.at_ns)
        if len(recent) <= 5:
            return honest(asked)
        return [refusal(asked, 6)] if harm == "busy" else []

    talk = many(overloaded)
    talk.run(4_000)
    assert {row.quality for row in talk.rows()} > {1}
    assert learned(talk) <= 4
    talk.run(60_000)
    assert learned(talk) <= 5 and talk.good(since_ms=10_000) > 0.1
    talk.finish()


def test_device_when_a_second_request_chokes_it_then_is_tried_ever_more_rarely() -> None:
    """It is dead for 0.3 s whenever two requests come at once: 5 s later, 10 s, and so on."""
    dead_until, before = [0], [0]
    choked: list[float] = []

    def weak(asked: Asked) -> Iterable[Step]:
        at_once = asked.at_ns - before[0] < 2 * MS
        before[0] = asked.at_ns
        if asked.at_ns < dead_until[0]:
            return []
        if at_once:
            choked.append(talk.now_ms)
            dead_until[0] = asked.at_ns + 300 * MS
            return []
        return honest(asked)

    talk = many(weak)
    talk.run(120_000)
    apart = [after - one for one, after in itertools.pairwise(choked) if after - one > 1000]
    assert 3 <= len(apart) <= 6
    assert all(after > 1.5 * one for one, after in itertools.pairwise(apart)), apart
    assert sum(row.quality == 1 for row in talk.rows()) > 5_000
    talk.finish()


def test_device_when_it_was_gone_then_is_learned_anew() -> None:
    """It takes many again soon after."""
    talk = many(honest)
    talk.run(5_000)
    assert learned(talk) >= 6
    talk.script = lambda asked: []
    talk.run(15_000)
    assert learned(talk) == 1 and talk.native.devices()[0]["silent"]
    talk.script = honest
    talk.run(40_000)
    assert learned(talk) >= 6
    talk.finish()
