"""A request that brings no answer starves no other (field cases 2.1 to 2.3), in virtual time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest

from drivers.modbus.request import Read, request_of
from tests.kit.slave import HANG_UP, RESET, Asked, Step, answer, honest, refusal
from tests.kit.talk import Ask, Talk

MUTE = 0
Bad = Callable[[Asked], Iterable[Step]]


def but(address: int, bad: Bad, unit: int = 1) -> Callable[[Asked], Iterable[Step]]:
    """Answers after 10 ms, at all addresses but one."""
    return lambda a: bad(a) if (a.unit, a.address) == (unit, address) else [0.01, answer(a)]


BAD: dict[str, Bad] = {
    "mute": lambda a: [],
    "hangs up": lambda a: [HANG_UP],
    "resets": lambda a: [0.005, RESET],
    "busy": lambda a: [0.01, refusal(a, 6)],
    "refused": lambda a: [0.01, refusal(a, 2)],
}


@pytest.mark.parametrize("place", [0, 1, 3])
@pytest.mark.parametrize(
    ("framing", "how"),
    [*(("tcp", how) for how in BAD), *(("rtu", how) for how in ("mute", "busy", "refused"))],
)
def test_tags_when_one_request_brings_nothing_then_all_others_are_read(
    framing: str, how: str, place: int
) -> None:
    reads = (4, 900, 2000, 4000)
    talk = Talk([Ask(1, reads, 200)], but(reads[place], BAD[how]), framing)
    talk.run(60_000)
    talk.finish()
    for address in reads:
        # What it is asked first decides how soon it is known to be there at all.
        share = talk.good(since_ms=0 if place else 8_000, address=address)
        assert share == (0 if address == reads[place] else 1), address


@pytest.mark.parametrize("how", ["mute", "hangs up"])
def test_request_when_it_brings_nothing_then_is_asked_rarely_and_the_driver_is_told(
    how: str,
) -> None:
    talk = Talk([Ask(1, (0, 900), 200)], but(900, BAD[how]))
    talk.run(60_000)
    asked = [a for a in talk.asked if a.address == 900]
    assert 3 <= len(asked) <= 20  # of 300 ticks
    assert {code for _, _, _, code in talk.native.refusals()} == {MUTE}


def test_request_when_it_is_answered_again_then_is_read_again_soon() -> None:
    talk = Talk([Ask(1, (0, 900), 200)], but(900, BAD["mute"]))
    talk.at(1_000, lambda: setattr(talk, "script", but(-1, BAD["mute"])))
    talk.at(30_000, lambda: setattr(talk, "script", but(900, BAD["mute"])))
    talk.at(60_000, lambda: setattr(talk, "script", but(-1, BAD["mute"])))
    talk.run(90_000)
    assert talk.good(address=0) == 1
    assert talk.good(since_ms=66_000, address=900) == 1


def test_groups_when_the_fast_one_is_mute_then_the_slow_one_is_read() -> None:
    talk = Talk([Ask(1, (0,), 100), Ask(1, (20,), 10_000)], but(0, BAD["mute"]))
    talk.run(120_000)
    assert talk.good(address=20) == 1


def test_device_when_its_first_request_was_never_answered_then_the_others_are_read() -> None:
    """All that it has been asked is mute: another request is tried."""
    talk = Talk([Ask(1, (0, 10, 20, 30), 200)], lambda a: [] if a.address < 30 else [answer(a)])
    talk.run(60_000)
    assert talk.good(since_ms=10_000, address=30) == 1


def test_unit_when_it_hangs_up_then_its_neighbours_are_read() -> None:
    """Behind a gateway, which closes the connection when it is asked."""
    talk = Talk(
        [Ask(unit, (10 * unit,), 200) for unit in (1, 2, 3)], but(20, BAD["hangs up"], unit=2)
    )
    talk.run(60_000)
    assert talk.good(address=10) == talk.good(address=30) == 1
    assert talk.connections <= 40


def test_device_when_it_is_silent_then_costs_little_and_is_back_at_once() -> None:
    """Dead from 10 s to 60 s, with four requests a scan."""
    talk = Talk([Ask(1, (0, 10, 20, 30), 200)], but(-1, BAD["mute"]))
    talk.at(10_000, lambda: setattr(talk, "script", lambda a: []))
    talk.at(60_000, lambda: setattr(talk, "script", but(-1, BAD["mute"])))
    talk.run(70_000)
    talk.finish()
    while_dead = [a for a in talk.asked if 11e9 < a.at_ns - talk.start_ns < 60e9]
    assert len(while_dead) <= 30
    assert talk.good(since_ms=62_500) == 1


@pytest.mark.parametrize("what", ["mute", "garbage"])
def test_device_when_it_never_answered_on_a_line_then_is_asked_rarely_and_is_back_in_two_seconds(
    what: str,
) -> None:
    noise = random.Random(1)
    talk = Talk(
        [Ask(1, (0, 10), 50)], lambda a: [] if what == "mute" else [noise.randbytes(20)], "rtu"
    )
    talk.run(20_000)
    told = talk.native.devices()[0]
    assert told["silent"] and not told["ever"] and len(talk.asked) <= 25
    talk.script = honest
    talk.run(25_000)
    talk.finish()
    assert min(row.at_ms for row in talk.rows() if row.quality == 1) <= 22_500


def test_device_when_mute_to_functions_that_its_plan_has_not_then_is_back_in_two_seconds() -> None:
    """One register at a time: what is late could be told by another function only."""
    talk = Talk([Ask(1, (2, 100), 50)], lambda a: honest(a) if a.function == 3 else [], "rtu")
    talk.at(5_000, lambda: setattr(talk, "script", lambda a: []))
    talk.at(20_000, lambda: setattr(talk, "script", lambda a: honest(a) if a.function == 3 else []))
    talk.run(30_000)
    talk.finish()
    assert not [row for row in talk.rows(5_500) if row.quality == 1 and row.at_ms < 20_000]
    assert min(row.at_ms for row in talk.rows(20_000) if row.quality == 1) <= 22_500
    assert talk.good(since_ms=23_000) == 1


EVENTS = 62  # that are kept for the driver: of 64 two may be torn while they are read


def test_refusals_when_more_than_are_kept_then_the_newest_in_order_and_each_once() -> None:
    """A driver that comes late learns from the last of them; none is told twice, and none that may
    be written over while it is read.
    """
    talk = Talk([Ask(1, tuple(range(0, 200, 10)), 200)], lambda a: [refusal(a, 2)])
    talk.run(500)
    told = [spec for _, spec, _, _ in talk.native.refusals()]
    asked = [request_of(Read(a.function, a.address, a.count), "tcp").spec for a in talk.asked]
    assert told == asked and 40 <= len(asked) <= EVENTS
    before = len(asked)
    while len(talk.asked) < before + 100:
        talk.run(talk.now_ms + 1)
    told = [spec for _, spec, _, _ in talk.native.refusals()]
    asked = [request_of(Read(a.function, a.address, a.count), "tcp").spec for a in talk.asked]
    assert told == asked[-EVENTS:]
    assert talk.native.refusals() == []
