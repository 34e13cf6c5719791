"""`listen_only`: another master's questions and answers become rows, and nothing is sent. In
virtual time; on a real port: tests/fault/test_wire_overheard.py, tests/peer.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from drivers.modbus.simulator.frames import FRAMINGS
from tests.kit.other_master import ASKS, SAME, SAME_PLANS, Overheard, listen
from tests.kit.slave import Asked, Script, Step, answer, honest, refusal

NO_ANSWER, REFUSED, NOT_ASKED = 129, 133, 138
DEVICE_SILENT = 2


def assert_good(bus: Overheard) -> None:
    """But for the beginning, and for what the other master did not ask in time."""
    bad = [row for row in bus.rows if row.quality != 1]
    assert {row.quality for row in bad} <= {NOT_ASKED}
    assert len(bad) <= len(bus.rows) // 5


def test_bus_when_another_master_asks_is_read_and_nothing_is_sent() -> None:
    bus = listen(honest)
    assert_good(bus)
    assert {(row.device, row.tag) for row in bus.rows} == {
        ("d1", "0"),
        ("d1", "100"),
        ("d2", "0"),
    }
    assert bus.book["requests"] - bus.book["answers"] in (0, 1)
    assert bus.book["bytes_out"] == 0


def test_bus_when_it_carries_writes_and_other_functions_too_is_read() -> None:
    """Frames of the functions 5, 6, 15, 16, 22, 23, 43 and 100, in both directions."""
    build = FRAMINGS["rtu"].build
    other = [
        build(1, 0, bytes.fromhex(text))
        for text in (
            "050003ff00", "0600010003", "0f0013000801cd", "0f00130008", "100001000204000a0102",
            "1000010002", "16000400f20025", "1700030006000e00030600ff00ff00ff", "2b0e0100",
            "6401020304", "8302", "03020102",
        )
    ]  # fmt: skip

    def busy(asked: Asked) -> Iterable[Step]:
        extra = other[asked.number % len(other)]
        return [answer(asked), 0.002, extra]

    bus = listen(busy)
    assert_good(bus)


@pytest.mark.parametrize("junk", [b"\x00", b"\xff\xff", b"\x01\x03\x04"])
@pytest.mark.parametrize("where", ["before", "between", "after"])
def test_noise_when_around_answers_on_a_bus_that_is_overheard_costs_nothing(
    junk: bytes, where: str
) -> None:
    def noisy(asked: Asked) -> Iterable[Step]:
        if where == "before":
            return [junk + answer(asked)]
        return [junk, 0.002, answer(asked)] if where == "between" else [answer(asked) + junk]

    bus = listen(noisy)
    assert_good(bus)


def test_bus_when_anything_is_damaged_is_never_read_wrong() -> None:
    """One bit in each second frame, pieces left out, frames cut, at random."""
    chance = random.Random(11)

    def damaged(asked: Asked) -> Iterable[Step]:
        frame = bytearray(answer(asked))
        match chance.randrange(40):
            case 0:
                frame[chance.randrange(len(frame))] ^= 1 << chance.randrange(8)
            case 1:
                del frame[chance.randrange(len(frame)) :]
            case 2:
                at = chance.randrange(len(frame))
                del frame[at : at + 1 + chance.randrange(3)]
            case 3:
                frame += frame[chance.randrange(len(frame)) :]
            case 4:
                return [bytes(frame[:3]), 0.02, bytes(frame[3:])]
        return [bytes(frame)]

    bus = listen(damaged, rest_s=0.06, enough=lambda bus: bus.good() >= 200)
    assert bus.book["damaged"] >= 2


@pytest.mark.parametrize("wait_s", [0.0, 0.005, 0.04, 0.09])
@pytest.mark.parametrize("comes", [True, False])
def test_answer_when_late_on_a_bus_that_is_overheard_is_not_taken_for_the_next(
    wait_s: float, comes: bool
) -> None:
    """The other master gave up after `wait_s` and asks for another register; then the old answer
    `comes` first, or never.
    """
    kept: list[Asked] = []

    def late(asked: Asked) -> Iterable[Step]:
        if kept:
            old = answer(kept.pop())
            return [old, 0.002, answer(asked)] if comes else honest(asked)
        if asked.number % 100 == 0:
            kept.append(asked)
            return [wait_s]
        return honest(asked)

    bus = listen(late, asks=SAME, devices=SAME_PLANS, rest_s=0.06)
    assert bus.book["late"] >= 1 and bus.book["timeouts"] >= 1


def shifted() -> Script:
    """From the hundredth request on each answer is that to the request before."""
    owed: list[Asked] = []

    def script(asked: Asked) -> Iterable[Step]:
        owed.append(asked)
        if len(owed) == 1 and asked.number < 100:
            return [answer(owed.pop())]
        return [answer(owed.pop(0))] if len(owed) > 1 else []

    return script


def test_answers_when_each_is_of_the_request_before_are_never_believed() -> None:
    """The master gave up once and asks on without a pause: from then on all are shifted by one."""
    bus = listen(
        shifted(),
        asks=SAME,
        devices=SAME_PLANS,
        enough=lambda bus: len(bus.asked) > 500,
    )
    assert bus.good() >= 20 and bus.book["late"] > 300
    assert bus.link.devices()[0]["owed"]


def test_request_when_spoilt_for_us_alone_and_answered_late_harms_no_other() -> None:
    """Our receiver lost a byte of it; its answer comes behind the next request."""
    owed: list[Asked] = []

    def script(asked: Asked) -> Iterable[Step]:
        if asked.number % 50 == 0:
            owed.append(asked)
            return []
        return [answer(owed.pop())] if owed else honest(asked)

    bus = listen(
        script, asks=SAME, devices=SAME_PLANS, rest_s=0.06,
        heard=lambda asked: asked.frame[: 8 - (asked.number % 50 == 0)],
        enough=lambda bus: len(bus.asked) > 500,
    )  # fmt: skip
    assert bus.good() >= 100 and bus.book["wrong"] >= 5


def test_device_when_the_master_no_longer_asks_it_is_bad_then_a_gap_and_comes_back() -> None:
    bus = Overheard()
    bus.until(lambda: bus.good(device="d2") >= 20)
    bus.asks = ASKS[:2]
    bus.until(lambda: bus.gaps(2)[DEVICE_SILENT] >= 20)
    told = bus.link.devices()[1]
    assert told["silent"] and told["quality"] == NOT_ASKED
    bus.asks = ASKS
    since_ns = bus.rig.now
    bus.until(lambda: bus.good(device="d2", after_ns=since_ns) >= 20)
    bus.finish()
    assert bus.gaps(1)[DEVICE_SILENT] == 0
    assert any(row.quality == NOT_ASKED for row in bus.rows if row.device == "d2")


def test_device_when_it_refuses_another_master_is_bad_with_that_cause() -> None:
    def refuses(asked: Asked) -> Iterable[Step]:
        return [refusal(asked, 2)] if asked.address == 90 else honest(asked)

    bus = listen(refuses, enough=lambda bus: bus.qualities()[REFUSED] >= 50)
    tags = {row.tag for row in bus.rows if row.quality == REFUSED}
    assert tags == {"100"}


def test_device_when_it_does_not_answer_another_master_is_bad_with_that_cause() -> None:
    def mute(asked: Asked) -> Iterable[Step]:
        return [] if asked.unit == 2 else honest(asked)

    bus = listen(mute, enough=lambda bus: bus.qualities()[NO_ANSWER] >= 20)
    assert {row.device for row in bus.rows if row.quality == NO_ANSWER} == {"d2"}
    assert bus.good(device="d1") >= 20
