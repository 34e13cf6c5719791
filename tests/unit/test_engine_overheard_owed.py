"""`listen_only`, and an answer that another master did not get: what is believed until when. In
virtual time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.kit import other_master
from tests.kit.other_master import LONG_QUIET_NS, SAME, SAME_PLANS, Overheard, asked_for
from tests.kit.scanner import PERIOD_NS, pairs
from tests.kit.slave import Asked, Script, Step, answer, honest

NO_ANSWER = 129
ONE = [(1, 3, 0, 2)]
ONE_PLANS = {1: [pairs((0,), period_ns=2 * PERIOD_NS)]}
STRUCK = 20  # the request that a fault strikes


def listen(script: Script, **more: Any) -> Overheard:
    return other_master.listen(script, timeout_ns=LONG_QUIET_NS, **more)


def rows_behind(many: int) -> Callable[[Overheard], bool]:
    """So many good rows that were asked for behind the fault."""

    def enough(bus: Overheard) -> bool:
        asked = bus.asked
        if len(asked) <= STRUCK:
            return False
        return bus.good(after_ns=asked[STRUCK].at_ns) >= many

    return enough


def once(steps: Callable[[Asked], Iterable[Step]]) -> Script:
    return lambda asked: steps(asked) if asked.number == STRUCK else honest(asked)


def flipped(asked: Asked, at: int) -> Iterable[Step]:
    frame = bytearray(answer(asked))
    frame[at] ^= 1
    return [bytes(frame)]


@pytest.mark.parametrize("at", [0, 1, 2, 4, 8])
def test_answer_when_one_bit_of_it_flips_costs_one_row_and_blinds_nobody(at: int) -> None:
    """The master asks for one thing, without a pause: no other size and no silence ever comes."""
    bus = listen(
        once(lambda asked: flipped(asked, at)), asks=ONE, devices=ONE_PLANS, rest_s=0.03,
        enough=rows_behind(20),
    )  # fmt: skip
    assert bus.book["damaged"] == 1 and bus.book["timeouts"] == 0
    assert bus.qualities()[NO_ANSWER] == 0
    assert not bus.link.devices()[0]["owed"]


def test_device_when_asked_for_one_thing_only_is_read_on_after_an_answer_that_never_came() -> None:
    plans = {1: [pairs((0,), period_ns=50 * PERIOD_NS)]}
    bus = listen(once(lambda asked: []), asks=ONE, devices=plans, enough=rows_behind(3))
    assert bus.book["timeouts"] == 1
    assert bus.link.devices()[0]["owed"]


def test_answers_when_each_is_of_the_request_before_are_as_old_as_their_rows_say() -> None:
    """The same, and the answer that did not come is with the next request, and so on for ever."""
    owed: list[Asked] = []

    def shifted(asked: Asked) -> Iterable[Step]:
        owed.append(asked)
        if asked.number == STRUCK:
            return []
        return [answer(owed.pop(0))]

    plans = {1: [pairs((0,), period_ns=50 * PERIOD_NS)]}
    bus = listen(shifted, asks=ONE, devices=plans, enough=rows_behind(3), rest_s=0.03)
    assert bus.book["answers"] > STRUCK


@pytest.mark.parametrize("late", [True, False])
def test_unit_when_the_master_waits_for_its_answer_for_long_is_believed_again_at_once(
    late: bool,
) -> None:
    """The silence behind the request counts; so does an answer that comes late and alone."""

    def script(asked: Asked) -> Iterable[Step]:
        return [0.25, answer(asked), 0.002] if late else [0.6]

    bus = listen(once(script), asks=SAME, devices=SAME_PLANS, enough=rows_behind(20), rest_s=0.0)
    assert bus.book["timeouts"] == 1
    assert not bus.link.devices()[0]["owed"]


def test_answer_when_it_takes_longer_than_the_timeout_on_a_slow_bus_is_read() -> None:
    """60 registers at 2400 baud are 133 characters, request and all: 550 ms, and 150 to wait."""

    def slow(asked: Asked) -> Iterable[Step]:
        frame = answer(asked)
        return [0.1, frame[:50], 0.15, frame[50:100], 0.15, frame[100:]]

    plans = {1: [pairs((0,), count=60, period_ns=25 * PERIOD_NS)]}
    bus = listen(
        slow, asks=[(1, 3, 0, 60)], devices=plans, baud=2400, early_ns=450_000_000,
        enough=lambda bus: bus.good() >= 8,
    )  # fmt: skip
    assert bus.book["timeouts"] == 0
    # Dated from its request, which some ticks came behind.
    assert any(row.mid_ns < row.due_ns for row in bus.rows)


def test_request_when_repeated_looks_like_an_answer_s_head_and_is_not_waited_behind() -> None:
    """16 registers from 0x2000 on: the third byte of the request is that of the answer."""
    asks = [(1, 3, 0x2000, 16), (1, 3, 0x2000, 16), (2, 3, 0, 2)]
    plans = {2: [pairs((0,), device="d2", period_ns=2 * PERIOD_NS)]}
    bus = listen(
        lambda asked: [] if asked.unit == 1 else honest(asked),
        asks=asks, devices=plans, rest_s=0.3, enough=lambda bus: bus.good() >= 5,
    )  # fmt: skip
    assert bus.book["timeouts"] >= 10


def shifting(owed: list[Asked], shift: list[bool]) -> Script:
    """From when `shift` says so, each answer is that to the request before."""

    def script(asked: Asked) -> Iterable[Step]:
        if not shift:
            return [answer(asked)]
        owed.append(asked)
        return [answer(owed.pop(0))] if len(owed) > 1 else []

    return script


@pytest.mark.parametrize("stall_s", [0.14, 0.16, 0.4, 1.0, 30.0])
def test_answers_when_shifted_are_not_believed_after_a_stall_of_ours_either(stall_s: float) -> None:
    """The bytes of the stall lie in the kernel: they are no sign of a silence."""
    shift: list[bool] = []
    bus = Overheard(shifting([], shift), SAME, SAME_PLANS, timeout_ns=LONG_QUIET_NS)
    bus.until(lambda: bus.good() >= 20)
    shift.append(True)
    for _ in range(200):
        bus.round()
        until_ns = bus.rig.now + round(stall_s * 1e9)
        for ask in SAME:
            asked = asked_for(ask, len(bus.asked) + 1, bus.rig.now)
            bus.asked.append(asked)
            bus.rig.lay(asked.frame + b"".join(s for s in bus.script(asked) if type(s) is bytes))
        bus.rig.starve(until_ns)
    bus.finish()
    assert bus.book["late"] > 50


def test_answer_when_the_kernel_lost_what_was_before_it_is_not_taken_for_another_s() -> None:
    """Lost from the end of a request to the end of the next: its answer is of the right size."""

    def script(asked: Asked) -> Iterable[Step]:
        return [] if asked.number > 60 and asked.number % 20 == 0 else honest(asked)

    def heard(asked: Asked) -> bytes:
        if asked.number > 60 and asked.number % 20 == 1:
            bus.rig.lose(len(asked.frame))
            return b""
        return asked.frame

    bus = Overheard(script, SAME, SAME_PLANS, timeout_ns=LONG_QUIET_NS, rest_s=0.06, heard=heard)
    bus.until(lambda: len(bus.asked) > 400)
    bus.finish()
    assert bus.good() >= 20


def test_answer_when_late_alone_and_shorter_than_a_request_then_the_silence_behind_it_counts() -> (
    None
):
    """Seven bytes, to whom nobody was heard to ask, and a pause; then no pause ever comes again."""
    pause: list[float] = []

    def script(asked: Asked) -> Iterable[Step]:
        if STRUCK <= asked.number < STRUCK + 3:
            return [0.25]  # none of the three is answered in time
        if asked.number == STRUCK + 3:
            pause.append(1.0)
            return [0.25, answer(asked), *pause]
        return honest(asked)

    bus = listen(
        script, asks=SAME, devices=SAME_PLANS, rest_s=0.0, enough=rows_behind(20),
        heard=lambda asked: b"" if asked.number == STRUCK + 3 else asked.frame,
    )  # fmt: skip
    assert not bus.link.devices()[0]["owed"]
    assert bus.rig.now < 10 * 10**9
