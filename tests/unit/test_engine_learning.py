"""What is learned of a device while it is scanned, and taken back (field cases 2.1, 2.14): with the
driver, in virtual time, over hours and restarts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.kit.slave import Asked, Step, answer, refusal
from tests.kit.talk import Ask
from tests.kit.wired import Wired

HOUR_MS = 3_600_000
#: A request of 45 registers, and what stands in it.
TOGETHER = (0, 2, 10, 12, 20, 22, 30, 32, 42, 44)


def within(asked: Asked, address: int) -> bool:
    return asked.address <= address < asked.address + asked.count


def honest(asked: Asked) -> Iterable[Step]:
    return [0.01, answer(asked)]


@pytest.mark.parametrize("code", [2, 3])
def test_limit_when_it_was_a_passing_trouble_then_is_taken_back_step_by_step(code: int) -> None:
    """Long reads are refused for 15 s, as by a device that starts."""
    talk = Wired(
        [Ask(1, TOGETHER, 1_000)],
        lambda a: [0.01, refusal(a, code) if a.count > 20 else answer(a)],
    )
    talk.at(25_000, lambda: setattr(talk, "script", honest))
    talk.run(30_000)
    assert talk.learned != {}
    assert max(a.count for a in talk.asked[-10:]) <= 20
    talk.run(HOUR_MS // 2)
    assert talk.learned == {}
    assert talk.asked[-1].count == TOGETHER[-1] + 1
    assert talk.good(since_ms=30_000) >= 0.999


def test_limit_when_the_device_was_swapped_while_we_were_off_then_is_taken_back() -> None:
    limited = Wired(
        [Ask(1, TOGETHER, 1_000)],
        lambda a: [0.01, refusal(a, 3) if a.count > 20 else answer(a)],
    )
    limited.run(60_000)
    kept: dict[str, Any] = limited.learned
    assert kept
    again = Wired([Ask(1, TOGETHER, 1_000)], honest, kept=kept)
    again.run(30_000)
    asked = [a for a in again.asked if a.at_ns > again.start_ns]  # the first tick is before a seal
    assert max(a.count for a in asked) <= 20  # it is kept over a restart,
    again.run(HOUR_MS // 2)
    assert again.learned == {}  # and unlearned all the same
    assert again.good(since_ms=2_000) >= 0.999


def test_limit_when_it_holds_then_is_tried_ever_more_rarely_and_costs_little() -> None:
    talk = Wired(
        [Ask(1, TOGETHER, 1_000)],
        lambda a: [0.01, refusal(a, 3) if a.count > 20 else answer(a)],
    )
    talk.run(HOUR_MS)
    tried = [a for a in talk.asked if a.count > 20 and a.at_ns - talk.start_ns > 60e9]
    assert 3 <= len(tried) <= 60
    assert talk.good(since_ms=60_000) >= 0.99


def test_device_when_swapped_for_one_of_other_limits_then_all_is_read() -> None:
    """One that takes 45 registers at once for one that takes 10, and back."""
    talk = Wired([Ask(1, TOGETHER, 1_000)], honest)

    def short(asked: Asked) -> Iterable[Step]:
        return [0.01, refusal(asked, 3) if asked.count > 10 else answer(asked)]

    talk.at(60_000, lambda: setattr(talk, "script", short))
    talk.at(600_000, lambda: setattr(talk, "script", honest))
    talk.run(HOUR_MS)
    talk.finish()
    assert [row for row in talk.rows() if row.quality == 1 and row.value != row.address] == []
    assert talk.good(since_ms=120_000) >= 0.99
    assert talk.learned == {}


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
@pytest.mark.parametrize("mute_at", [0, 20, 44])
def test_tags_when_the_device_is_mute_at_one_of_a_request_then_all_others_are_read(
    mute_at: int, framing: str
) -> None:
    """The request is cut in two again and again, until what is mute is asked by itself."""
    talk = Wired(
        [Ask(1, TOGETHER, 500), Ask(1, (900,), 500)],
        lambda a: [] if within(a, mute_at) else [0.01, answer(a)],
        framing,
    )
    talk.run(300_000)
    for address in (*TOGETHER, 900):
        if address != mute_at:
            assert talk.good(since_ms=120_000, address=address) >= 0.99, address
    assert talk.good(address=mute_at) == 0
    asked = [a for a in talk.asked if within(a, mute_at) and a.at_ns - talk.start_ns > 200e9]
    assert {a.count for a in asked} == {1}
