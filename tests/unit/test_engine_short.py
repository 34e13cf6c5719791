"""Answers that lost bytes on the way, with several requests in flight: never a wrong value, and
read all the same. In virtual time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest

from tests.kit.slave import Asked, Step, answer
from tests.kit.talk import Ask, Talk
from tests.unit.test_engine_step import wrong

GOOD = 1
SIX = [Ask(1, (10, 20), 200), Ask(1, (30, 40), 200, 2), Ask(2, (50,), 200, 2), Ask(2, (60,), 200)]


def losing(most: int, seed: int) -> Callable[[Asked], Iterable[Step]]:
    """A serial server that loses one to `most` bytes inside one answer of ten."""
    rng = random.Random(seed)

    def script(asked: Asked) -> Iterable[Step]:
        whole = answer(asked)
        if rng.randrange(10):
            return [0.01, whole]
        lost = rng.randint(1, min(most, len(whole) - 9))
        at = rng.randint(9, len(whole) - lost)
        return [0.01, whole[:at] + whole[at + lost :]]

    return script


@pytest.mark.parametrize("most", [1, 2, 4])
@pytest.mark.parametrize("in_flight", [2, 4, 8])
def test_answers_when_bytes_inside_are_lost_then_none_is_filled_up_with_the_next(
    in_flight: int, most: int
) -> None:
    talk = Talk(SIX, losing(most, in_flight * most), link={"in_flight": in_flight})
    talk.run(60_000)
    rows = talk.rows()
    assert wrong(talk) == []
    assert sum(row.quality == GOOD for row in rows) >= 0.75 * len(rows)
    talk.script = lambda asked: [0.01, answer(asked)]
    talk.run(70_000)
    assert {row.quality for row in talk.rows(since_ms=65_000)} == {GOOD}


def test_answers_when_padded_behind_their_length_are_read_with_several_in_flight() -> None:
    """Each is followed by bytes that no frame begins with."""
    talk = Talk(SIX, lambda asked: [0.01, answer(asked) + b"\0\0\0\0"], link={"in_flight": 4})
    talk.run(20_000)
    rows = talk.rows(since_ms=2_000)
    assert wrong(talk) == []
    assert sum(row.quality == GOOD for row in rows) >= 0.9 * len(rows)


def test_answers_when_their_headers_say_too_much_are_read_with_several_in_flight() -> None:
    """By their own count of bytes, two in one segment, without being asked for once more."""
    waiting: list[bytes] = []

    def script(asked: Asked) -> Iterable[Step]:
        whole = answer(asked)
        waiting.append(whole[:4] + (len(whole) + 9).to_bytes(2) + whole[6:])
        if len(waiting) < 2:
            return []
        both, waiting[:] = b"".join(waiting), []
        return [0.01, both]

    talk = Talk([Ask(1, (10, 20), 200, 2)], script, link={"in_flight": 2})
    talk.at(1_000, waiting.clear)
    talk.run(20_000)
    assert wrong(talk) == []
    assert {row.quality for row in talk.rows(since_ms=3_000)} == {GOOD}
    assert talk.native.snapshot()["damaged"] == 0
