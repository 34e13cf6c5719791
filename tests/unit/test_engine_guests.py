"""Single readings beside a link's plan, and the copy of what goes over its wire; in virtual time.
With a thread and a wire: tests/fault/test_wire_guests.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from drivers import once, registry
from drivers.api import BusyError, DeviceSpec, LinkSpec, TagSpec
from drivers.modbus.planner import plan_device
from drivers.modbus.station import station_of
from native.block.latest import latest
from native.engine.link import Link
from native.engine.loop import Loop
from native.rows.group import Group
from tests.kit.scanner import pairs
from tests.kit.slave import Asked, Script, Step, answer, refusal
from tests.kit.talk import Ask, Talk

GOOD, NO_ANSWER, LINK_DOWN, REFUSED, NOT_ASKED = 1, 129, 130, 133, 138


class Visit:
    """Somebody who wants a single reading of `count` registers at each address, of the device with
    that number.
    """

    def __init__(self, talk: Talk, *addresses: int, device: int = 0, count: int = 2) -> None:
        self.talk = talk
        self.group = Group(0, pairs(addresses, count=count))
        self.is_let_in = talk.rig.welcome(device, self.group)
        self.came_ms = talk.now_ms

    def read(self, within_ms: float) -> list[tuple[Any, int]]:
        """The (value, quality) pairs, as soon as they are there."""
        until_ms = self.talk.now_ms + within_ms
        while latest(self.group) is None and self.talk.now_ms < until_ms:
            self.talk.run(self.talk.now_ms + 1)
        row = latest(self.group)
        assert row is not None, f"not read within {within_ms} ms"
        return row[1]

    def go(self) -> None:
        self.talk.rig.dismiss(self.group)


def quick(asked: Asked) -> Iterable[Step]:
    return [0.005, answer(asked)]


def but(address: int, steps: Callable[[Asked], Iterable[Step]]) -> Script:
    return lambda asked: steps(asked) if asked.address == address else quick(asked)


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_registers_when_read_once_then_are_theirs_and_the_plan_goes_on(framing: str) -> None:
    talk = Talk([Ask(1, (10, 20)), Ask(2, (10, 20))], quick, framing)
    talk.run(1_000)
    for number in range(20):
        visit = Visit(talk, 300, 600 + 2 * number, device=1)
        for (value, quality), address in zip(
            visit.read(1_000), (300, 600 + 2 * number), strict=True
        ):
            assert (value >> 16, quality) == (address, GOOD)
        visit.go()
        talk.run(talk.now_ms + 70)
    talk.finish()
    once_only = [asked for asked in talk.asked if asked.address >= 300]
    assert {asked.unit for asked in once_only} == {2}
    assert len(once_only) == 40, "read once each"
    assert talk.good(since_ms=1_000) == 1


def test_reading_when_the_device_is_silent_then_is_tried_and_its_back_off_goes_on() -> None:
    talk = Talk([Ask(1, (10, 20))], lambda asked: [])
    talk.run(20_000)
    assert talk.native.devices()[0]["silent"]
    asked = len(talk.asked)
    visit = Visit(talk, 500)
    assert visit.read(4_000) == [(None, NO_ANSWER)]  # a new connection may want silence first
    assert [one.address for one in talk.asked[asked:]].count(500) == 1
    visit.go()
    # Whoever wants single readings all the time: it is tried for its plan as often as before.
    while talk.now_ms < 40_000:
        visit = Visit(talk, 500)
        talk.run(talk.now_ms + 300)
        visit.go()
    tries = [one for one in talk.asked[asked:] if one.address != 500]
    assert 5 <= len(tries) <= 14


def test_reading_when_refused_then_its_reader_is_told_and_nothing_is_learned_of_it() -> None:
    talk = Talk([Ask(1, (10, 20))], but(500, lambda asked: [refusal(asked, 2)]))
    talk.run(1_000)
    for _ in range(5):
        visit = Visit(talk, 500)
        assert visit.read(1_000) == [(None, REFUSED)]
        visit.go()
        talk.run(talk.now_ms + 1)
    assert talk.native.refusals() == []
    talk.run(5_000)
    assert talk.good() == 1


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_readings_when_never_answered_then_the_device_is_not_silent_and_keeps_its_connection(
    framing: str,
) -> None:
    """Its plan asks once a minute: nothing else is answered meanwhile."""
    talk = Talk([Ask(1, (10,), 60_000)], but(500, lambda asked: []), framing)
    talk.run(1_000)
    for _ in range(8):
        visit = Visit(talk, 500)
        ((value, quality),) = visit.read(5_000)
        assert value is None and quality in (NO_ANSWER, NOT_ASKED)  # it may owe an answer first
        visit.go()
        talk.run(talk.now_ms + 1)
    assert not talk.native.devices()[0]["silent"]
    assert talk.connections == 1
    talk.run(180_500)
    talk.finish()
    assert talk.good() == 1


def test_reading_when_the_unit_must_be_left_alone_first_then_waits_and_is_read() -> None:
    """One that is mute to probes owes an answer: until that can't come any more nothing is asked.
    A tick is given up meanwhile; a guest has no other.
    """

    def script(asked: Asked) -> Iterable[Step]:
        if asked.function != 3 or (asked.address == 20 and talk.now_ms > 5_000):
            return []
        return quick(asked)

    talk = Talk([Ask(1, (10,), 60_000), Ask(1, (20,), 10_000)], script, "rtu")
    talk.run(10_150)  # the time-out of its second tick is over, and what it owes may still come
    asked = len(talk.asked)
    assert talk.native.devices()[0]["owed"]
    visit = Visit(talk, 300, count=1)
    assert visit.read(10_000) == [(300, GOOD)]
    (one,) = talk.asked[asked:]
    assert (one.at_ns - talk.start_ns) / 1e6 > 10_400, "not before it was left alone"
    visit.go()


@pytest.mark.parametrize("every_ms", [100, 1_000])
def test_reading_when_a_silent_unit_must_be_left_alone_first_then_waits_and_is_tried(
    every_ms: int,
) -> None:
    """Whether its plan has been told so already, or not."""

    def script(asked: Asked) -> Iterable[Step]:
        return quick(asked) if asked.function == 3 and talk.now_ms < 5_000 else []

    talk = Talk([Ask(1, (10,), every_ms)], script, "rtu")
    while not (talk.native.devices()[0]["silent"] and talk.native.devices()[0]["owed"]):
        talk.run(talk.now_ms + 10)
    asked = len(talk.asked)
    visit = Visit(talk, 300, count=1)
    assert visit.read(5_000) == [(None, NO_ANSWER)]
    assert [one.address for one in talk.asked[asked:]].count(300) == 1
    visit.go()


def test_link_when_it_is_down_then_the_reader_is_told_at_once() -> None:
    talk = Talk([Ask(1, (10,))], quick)
    talk.run(1_000)
    talk.rig.refuse(111)
    talk.rig.hang_up(104)
    talk.run(5_000)
    visit = Visit(talk, 300)
    assert visit.read(1) == [(None, LINK_DOWN)]
    visit.go()


def test_guests_when_there_are_more_than_a_link_has_room_for_then_the_next_is_not_let_in() -> None:
    talk = Talk([Ask(1, (10,))], but(500, lambda asked: []))
    talk.run(1_000)
    first, second, third = (Visit(talk, 500) for _ in range(3))
    assert (first.is_let_in, second.is_let_in, third.is_let_in) == (True, True, False)
    second.read(5_000)
    second.go()
    assert Visit(talk, 300).is_let_in
    with pytest.raises(ValueError, match="no device 7"):
        Visit(talk, 300, device=7)


@pytest.mark.parametrize("after_ms", [0, 3, 50])
def test_guest_when_gone_before_it_is_answered_then_its_place_is_free_and_the_plan_unharmed(
    after_ms: int,
) -> None:
    """Gone before its turn, while its request flies, and when it waits in vain."""
    talk = Talk([Ask(1, (10, 20), 100)], but(500, lambda asked: []))
    talk.run(1_000)
    for _ in range(10):
        visit = Visit(talk, 500, 600)
        assert visit.is_let_in
        talk.run(talk.now_ms + after_ms)
        visit.go()
        talk.run(talk.now_ms + 2_500)
    talk.finish()
    assert talk.native.devices()[0]["groups"][0]["rows"] > 200
    assert talk.connections == 1


def test_guest_when_the_loop_stops_then_is_answered_yet() -> None:
    talk = Talk([Ask(1, (10,), 10_000)], but(500, lambda asked: [0.05, answer(asked)]))
    talk.run(500)
    visit = Visit(talk, 500)
    talk.run(510)
    talk.rig.stop()
    late = Visit(talk, 600)
    talk.run(5_000)
    assert talk.now_ms < 600
    talk.finish()
    row = latest(visit.group)
    assert row is not None and row[1][0][1] == GOOD
    assert latest(late.group) is None, "nothing new is begun"


def test_reading_when_nobody_scans_then_ends_by_itself_and_frees_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Five seconds, unless a test has no time; two at once, and the next is told to wait."""
    monkeypatch.setattr(once, "MOST_S", 0.01)
    spec = LinkSpec("l", "tcp", host="127.0.0.1", tcp_port=1)
    tag = TagSpec("t", "holding:0", "uint16", 10**9)
    device = DeviceSpec("d", spec, "modbus", (tag,))
    (plan,) = plan_device(device).groups
    link = Link(spec, [(station_of(device), [Group(1, plan)])])
    loop = Loop([link])
    for _ in range(2):
        with pytest.raises(TimeoutError):
            once.read(registry.get("modbus"), device, [tag], loop, link, 0)
    with pytest.raises(BusyError):
        once.read(registry.get("modbus"), device, [tag], loop, link, 0)
    loop.stop()
    loop.run()  # takes leave of both


# ---- what goes over the wire ---------------------------------------------------------------------


def test_wire_when_somebody_looks_on_then_each_byte_is_there_with_its_time() -> None:
    talk = Talk([Ask(1, (10, 20), 100)], quick)
    talk.run(1_050)
    assert talk.native.seen() == ([], 0)
    talk.native.look_on(True)
    before = len(talk.asked)
    talk.run(3_050)
    records, lost = talk.native.seen()
    assert lost == 0
    wanted = []
    for asked in talk.asked[before:]:
        wanted.append((asked.at_ns, True, asked.frame))
        wanted.append((asked.at_ns + 5_000_000, False, answer(asked)))
    assert records == wanted[: len(records)]
    assert len(records) == 2 * 2 * 20
    talk.native.look_on(False)
    talk.run(4_050)
    assert talk.native.seen() == ([], 0)


def test_wire_when_nobody_reads_what_is_kept_of_it_then_what_has_no_room_is_counted() -> None:
    talk = Talk([Ask(1, (10, 20), 100)], quick)
    talk.native.look_on(True)
    talk.run(200_000)
    records, lost = talk.native.seen()
    kept = sum(12 + len(data) for _, _, data in records)
    assert 65_536 - 24 <= kept <= 65_536
    book = talk.native.snapshot()
    assert lost == book["bytes_in"] + book["bytes_out"] - sum(len(data) for _, _, data in records)
    talk.run(201_000)
    records, again = talk.native.seen()
    assert records and again == lost, "there is room again"
    assert talk.good() == 1
