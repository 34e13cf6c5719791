"""Somebody else asks on the same line: what is not proven ours is never good (field cases 1.1 to
1.3). In virtual time, minutes and hours of it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest

from tests.kit.slave import Asked, Step, answer, refusal
from tests.kit.talk import Ask, Talk

UNCERTAIN, REFUSED = 66, 133
#: A serial server that works off one request at a time, and shows each answer to all its clients.
SERVER: dict[str, Any] = {"type": "tcp"}


def slow(asked: Asked) -> Iterable[Step]:
    return [0.02, answer(asked)]


def wrong(talk: Talk) -> list[Any]:
    """Good values that were read from another address."""
    size = talk.asks[0].size
    return [
        row
        for row in talk.rows()
        if row.quality == 1
        and row.value is not None
        and (row.value if size == 1 else row.value >> 16) != row.address
    ]


def with_other(
    rng: random.Random,
    *,
    visible: bool,
    ours: tuple[int, ...] = (10,),
    size: int = 1,
    his_size: int = 1,
    every_s: tuple[float, float] = (0.1, 0.3),
    framing: str = "rtu",
    until_ms: float = 120_000,
    gone_ms: float | None = None,
) -> Talk:
    """We ask unit 1 each 300 ms, the other one its holding:50 now and then."""
    talk = Talk([Ask(1, ours, 300, size)], slow, framing, {} if visible else SERVER)

    def ask() -> None:
        talk.foreign(1, 50, his_size, visible=visible)
        at_ms = talk.now_ms + 1000 * rng.uniform(*every_s)
        if gone_ms is None or at_ms < gone_ms:
            talk.at(at_ms, ask)

    talk.at(77, ask)
    talk.run(until_ms)
    talk.finish()
    return talk


@pytest.mark.parametrize("framing", ["rtu", "ascii"])
@pytest.mark.parametrize("ours", [(10,), (10, 20)])
@pytest.mark.parametrize("visible", [False, True])
def test_values_when_another_asks_for_as_much_then_are_never_good_and_another_s(
    rng: random.Random, ours: tuple[int, ...], framing: str, visible: bool
) -> None:
    talk = with_other(rng, visible=visible, ours=ours, framing=framing, until_ms=1_200_000)
    assert wrong(talk) == []
    seen = talk.native.others(talk.rig.now)
    assert seen is not None
    assert seen["heard"] == visible
    assert seen["every_s"] == pytest.approx(0.2, abs=0.1)
    if not visible:  # nothing tells whose an answer is
        assert {row.quality for row in talk.rows() if 1e3 < row.at_ms < 1.199e6} == {UNCERTAIN}


def test_values_when_another_is_heard_asking_then_are_good_but_where_both_ask_at_once(
    rng: random.Random,
) -> None:
    talk = with_other(rng, visible=True, ours=(10, 20), every_s=(0.2, 0.6), until_ms=600_000)
    assert wrong(talk) == []
    assert talk.good() >= 0.95


@pytest.mark.parametrize(("size", "his_size"), [(2, 1), (1, 2)])
def test_values_when_another_asks_for_more_or_less_then_are_good(
    rng: random.Random, size: int, his_size: int
) -> None:
    """His shorter answer is no limit of the device either."""
    talk = with_other(
        rng, visible=False, ours=(10, 20), size=size, his_size=his_size, until_ms=600_000
    )
    assert wrong(talk) == []
    assert talk.good() >= 0.95
    assert REFUSED not in {row.quality for row in talk.rows()}
    assert talk.native.snapshot()["exceptions"] == 0


def test_values_when_the_other_is_gone_for_a_minute_then_are_good_again(
    rng: random.Random,
) -> None:
    talk = with_other(rng, visible=False, gone_ms=60_000, until_ms=180_000)
    assert wrong(talk) == []
    assert {row.quality for row in talk.rows() if 1_000 < row.at_ms < 119_000} == {UNCERTAIN}
    assert talk.good(since_ms=121_000) == 1.0
    assert talk.native.others(talk.rig.now) is None


@pytest.mark.parametrize("visible", [False, True])
def test_refusals_when_the_other_is_refused_then_are_not_ours(
    rng: random.Random, visible: bool
) -> None:
    talk = Talk(
        [Ask(1, (10, 20), 300)],
        lambda a: [0.02, refusal(a, 2) if a.address == 50 else answer(a)],
        "rtu",
        {} if visible else SERVER,
    )

    def ask() -> None:
        talk.foreign(1, 50, 1, visible=visible)
        talk.at(talk.now_ms + 1000 * rng.uniform(0.1, 0.3), ask)

    talk.at(77, ask)
    talk.run(300_000)
    assert wrong(talk) == []
    assert talk.good() >= 0.95
    taken = [row for row in talk.rows() if row.quality == REFUSED]
    assert len(taken) <= 1  # before he was found out
    assert talk.native.refusals() == [] or len(talk.native.refusals()) <= 1


def test_refusal_when_another_asks_and_is_refused_too_then_is_said_without_being_learned(
    rng: random.Random,
) -> None:
    """What is ours is not there: that is bad, whoever else is refused."""
    talk = Talk([Ask(1, (10, 20), 300)], slow, "rtu", SERVER)
    talk.script = lambda a: [0.02, answer(a) if a.address == 10 else refusal(a, 2)]

    def ask() -> None:
        talk.foreign(1, 50, 1, visible=False)
        talk.at(talk.now_ms + 1000 * rng.uniform(0.1, 0.3), ask)

    talk.at(77, ask)
    talk.run(60_000)
    assert {row.quality for row in talk.rows(2_000, 20)} == {REFUSED}
    assert talk.good(2_000, 10) >= 0.8
    talk.native.refusals()
    talk.run(120_000)
    assert talk.native.refusals() == []


def test_echo_when_the_line_has_one_then_is_nobody_else_s_request() -> None:
    talk = Talk([Ask(1, (10, 20), 300, 2)], lambda a: [a.frame, 0.01, answer(a)], "rtu")
    talk.run(30_000)
    assert talk.good() == 1.0
    assert talk.native.others(talk.rig.now) is None


def test_answer_when_it_comes_twice_then_is_nobody_else_s() -> None:
    talk = Talk([Ask(1, (10, 20), 300, 2)], lambda a: [0.01, answer(a), 0.001, answer(a)], "rtu")
    talk.run(30_000)
    assert wrong(talk) == []
    assert talk.good() == 1.0
    assert talk.native.others(talk.rig.now) is None


def polite(rng: random.Random, takes_s: float, *, mute: bool = False, framing: str = "rtu") -> Talk:
    """Another master that waits for his answer, for half a second at the most. His holding:50 takes
    the device `takes_s`, or brings nothing; ours 20 ms.
    """

    def script(asked: Asked) -> Iterable[Step]:
        if asked.address == 50:
            return [] if mute else [takes_s, answer(asked)]
        return [0.02, answer(asked)]

    talk = Talk([Ask(1, (10, 20), 300)], script, framing)

    def ask() -> None:
        talk.foreign(1, 50, 1, visible=True)
        waits_ms = 500.0 if mute else talk.busy_until_ms - talk.now_ms
        talk.at(talk.now_ms + waits_ms + 1000 * rng.uniform(0.1, 0.3), ask)

    talk.at(77, ask)
    talk.run(600_000)
    talk.finish()
    return talk


@pytest.mark.parametrize("framing", ["rtu", "ascii"])
@pytest.mark.parametrize("takes_s", [0.001, 0.1, 0.2, 0.29])
def test_values_when_another_s_answers_take_long_then_none_is_taken_for_ours(
    rng: random.Random, takes_s: float, framing: str
) -> None:
    """Ours are asked for before his have come."""
    talk = polite(rng, takes_s, framing=framing)
    assert wrong(talk) == []
    assert talk.good() >= 0.95


@pytest.mark.parametrize("framing", ["rtu", "ascii"])
def test_values_when_another_asks_what_is_never_answered_then_ours_are_read(
    rng: random.Random, framing: str
) -> None:
    """His request claims no answer of ours for long."""
    talk = polite(rng, 0, mute=True, framing=framing)
    assert wrong(talk) == []
    assert talk.good() >= 0.95


#: What he asks: function, address, count. None fits ours, though the last has as many bytes.
ELSE = {
    "another function": (4, 50, 1),
    "our address, more of it": (3, 10, 2),
    "as many bits": (1, 0, 16),
    "another unit": (3, 50, 1),
}


@pytest.mark.parametrize("framing", ["rtu", "ascii"])
@pytest.mark.parametrize("visible", [False, True])
@pytest.mark.parametrize("what", ELSE)
def test_values_when_another_asks_what_cannot_be_ours_then_are_all_good(
    rng: random.Random, what: str, visible: bool, framing: str
) -> None:
    talk = Talk([Ask(1, (10, 20), 300)], slow, framing, {} if visible else SERVER)
    function, address, size = ELSE[what]

    def ask() -> None:
        unit = 2 if what == "another unit" else 1
        talk.foreign(unit, address, size, visible=visible, function=function)
        talk.at(talk.now_ms + 1000 * rng.uniform(0.1, 0.3), ask)

    talk.at(77, ask)
    talk.run(300_000)
    talk.finish()
    assert wrong(talk) == []
    assert talk.good() == 1


def test_probe_when_its_answer_is_late_then_tells_of_nobody_else() -> None:
    """It is our own question, asked once to learn whether the device answers such."""
    talk = Talk(
        [Ask(1, (10, 20), 300)],
        lambda a: [0.45 if a.function == 4 else 0.01, answer(a)],
        "rtu",
        {"timeout_ns": 300_000_000},
    )
    talk.run(60_000)
    talk.finish()
    assert talk.native.others(talk.rig.now) is None
    assert UNCERTAIN not in {row.quality for row in talk.rows()}
    assert talk.good(since_ms=5_000) == 1
