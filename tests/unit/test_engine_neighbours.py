"""What stands beside the cases of the field, and was reported of nobody yet: devices, gateways and
lines that go wrong in ways of their own. Never a wrong good value, and what can be read is read. In
virtual time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from drivers.modbus.simulator.frames import FRAMINGS
from tests.kit.slave import HANG_UP, RESET, Asked, Step, answer, refusal
from tests.kit.talk import Ask, Talk
from tests.kit.wired import Wired

Answering = Callable[[Asked], Iterable[Step]]
LEARNED: dict[str, Any] = {"timeout_learned": True}


def honest(asked: Asked) -> Iterable[Step]:
    return [0.01, answer(asked)]


def wrong(talk: Talk) -> list[object]:
    return [row for row in talk.rows() if row.quality == 1 and row.value != row.address]


@dataclass
class Since:
    """When a script's connection began, and how often it was asked on it."""

    connection: int = -1
    asked: int = 0
    at_ns: int = 0

    def look(self, asked: Asked) -> None:
        if asked.connection != self.connection:
            self.connection, self.asked, self.at_ns = asked.connection, 0, asked.at_ns
        self.asked += 1


def hangs_up(after: int = 0, seconds: float = 0, step: Step = HANG_UP, first: bool = False) -> Any:
    """At request number `after` of a connection, or so many seconds after its first; `first`: at
    the first one of each other connection.
    """

    def make() -> Answering:
        since = Since()

        def script(asked: Asked) -> Iterable[Step]:
            since.look(asked)
            if first and asked.connection % 2 and since.asked == 1:
                return [step]
            if after and since.asked > after:
                return [step]
            if seconds and asked.at_ns - since.at_ns > seconds * 1e9:
                return [step]
            return honest(asked)

        return script

    return make


def every_other() -> Answering:
    """Ignores each request that it was not asked just before."""
    last: list[Asked] = []

    def script(asked: Asked) -> Iterable[Step]:
        again = bool(last) and (last[-1].address, last[-1].count) == (asked.address, asked.count)
        last.append(asked)
        return honest(asked) if again else []

    return script


def first_ignored(rest_s: float) -> Callable[[], Answering]:
    """Sleeps: the first request behind a rest wakes it, and is not answered."""

    def make() -> Answering:
        last: list[int] = [0]

        def script(asked: Asked) -> Iterable[Step]:
            rested = asked.at_ns - last[0] > rest_s * 1e9
            last[0] = asked.at_ns
            return [] if rested else honest(asked)

        return script

    return make


def spell(during: Answering, first_s: float, last_s: float) -> Callable[[], Answering]:
    """Well but for a while."""

    def make() -> Answering:
        begun: list[int] = []

        def script(asked: Asked) -> Iterable[Step]:
            begun.append(asked.at_ns)
            at_s = (asked.at_ns - begun[0]) / 1e9
            return during(asked) if first_s <= at_s < last_s else honest(asked)

        return script

    return make


@dataclass(frozen=True)
class Case:
    make: Callable[[], Answering]
    good: float = 1.0
    since_ms: float = 3_000
    framings: tuple[str, ...] = ("tcp", "rtu", "ascii")
    link: dict[str, Any] = field(default_factory=dict)
    every_ms: int = 500
    reads: tuple[int, ...] = (10, 20)
    until_ms: float = 180_000
    connections: int | None = None  # at the most


def always(script: Answering) -> Callable[[], Answering]:
    return lambda: script


CASES = {
    # 2.1, 2.2: mute, or hanging up, otherwise than at an address
    "ignores each first asking": Case(every_other, 0.0, framings=("tcp",)),
    "sleeps and is woken by the first request": Case(first_ignored(2), 0.9, every_ms=5_000),
    "hangs up behind ten requests": Case(hangs_up(10), framings=("tcp",)),
    "hangs up behind two requests": Case(hangs_up(2), framings=("tcp",)),
    "breaks the connection behind three requests": Case(
        hangs_up(3, step=RESET), framings=("tcp",)
    ),
    "hangs up a minute after the first request": Case(hangs_up(seconds=60), framings=("tcp",)),
    "hangs up five seconds after the first request": Case(hangs_up(seconds=5), framings=("tcp",)),
    "hangs up at the first request of each other connection": Case(
        hangs_up(20, first=True), 0.95, framings=("tcp",)
    ),
    # 2.3: busy
    "busy for a minute": Case(
        spell(lambda a: [0.01, refusal(a, 6)], 30, 90), 1.0, since_ms=92_000
    ),
    "acknowledges for a minute": Case(
        spell(lambda a: [0.01, refusal(a, 5)], 30, 90), 1.0, since_ms=92_000
    ),
    "fails for a minute": Case(spell(lambda a: [0.01, refusal(a, 4)], 30, 90), since_ms=92_000),
    "refuses all for a minute": Case(
        spell(lambda a: [0.01, refusal(a, 2)], 30, 90), since_ms=95_000
    ),
    # 2.9: late
    "all late by two seconds for a minute": Case(
        spell(lambda a: [2.0, answer(a)], 30, 90), link=LEARNED, every_ms=5_000, since_ms=110_000
    ),
    "all late by two seconds for a minute, asked often": Case(
        spell(lambda a: [2.0, answer(a)], 30, 90), since_ms=110_000
    ),
    # 2.10: gateways
    "no path for a minute": Case(
        spell(lambda a: [0.01, refusal(a, 10)], 30, 90), since_ms=95_000
    ),
    # 2.11: ids
    "ids one ahead": Case(
        always(lambda a: [0.01, answer(a, transaction=a.transaction + 1 & 0xFFFF)]),
        framings=("tcp",), since_ms=5_000,
    ),
    "ids with their bytes swapped": Case(
        always(lambda a: [
            0.01,
            answer(a, transaction=(a.transaction & 255) << 8 | a.transaction >> 8),
        ]),
        framings=("tcp",), since_ms=5_000,
    ),
    # 2.12, 2.16: bytes around frames
    "padded to an even length of sixteen": Case(
        always(lambda a: [0.01, answer(a).ljust(16, b"\0")]), framings=("tcp",)
    ),
    "zeros in front": Case(always(lambda a: [0.01, bytes(2) + answer(a)])),
    "line ends between frames": Case(always(lambda a: [0.01, b"\r\n" + answer(a) + b"\r\n"])),
    "a greeting on each connection": Case(
        always(lambda a: [0.005, *([b"login: "] if a.number == 1 else []), 0.005, answer(a)])
    ),
    "no CR": Case(
        always(lambda a: [0.01, answer(a).replace(b"\r", b"")]), framings=("ascii",)
    ),
    "small letters": Case(always(lambda a: [0.01, answer(a).lower()]), framings=("ascii",)),
    # the answer in pieces and pauses
    "each byte by itself": Case(
        always(lambda a: [0.01, *(s for b in answer(a) for s in (bytes([b]), 0.002))])
    ),
    "half of it 50 ms later": Case(
        always(lambda a: [0.01, answer(a)[:4], 0.05, answer(a)[4:]])
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "framing"), [(name, one) for name, case in CASES.items() for one in case.framings]
)
def test_device_when_it_goes_wrong_in_its_own_way_then_is_read_and_never_wrong(
    name: str, framing: str
) -> None:
    case = CASES[name]
    asks = [Ask(1, case.reads, case.every_ms)]
    wire = {"type": "tcp"} if framing == "tcp" or case.link else {}
    talk = Talk(asks, case.make(), framing, wire | case.link)
    talk.run(case.until_ms)
    talk.finish()
    assert wrong(talk) == []
    assert talk.good(since_ms=case.since_ms) >= case.good
    assert case.connections is None or talk.connections <= case.connections


@pytest.mark.parametrize("framing", ["tcp", "rtu", "ascii"])
@pytest.mark.parametrize("code", [1, 2, 3])
def test_refusal_when_its_function_lacks_the_bit_then_is_a_refusal(framing: str, code: int) -> None:
    def script(asked: Asked) -> Iterable[Step]:
        if asked.address == 10:
            return honest(asked)
        return [0.01, answer(asked, pdu=bytes([asked.function, code]))]

    talk = Talk([Ask(1, (10, 20), 200)], script, framing)
    talk.run(30_000)
    assert talk.good(since_ms=2_000, address=10) == 1
    assert {row.quality for row in talk.rows(2_000, 20)} == {133}


@pytest.mark.parametrize("framing", ["tcp", "rtu", "ascii"])
@pytest.mark.parametrize("count", [1, 3, 200])
def test_answer_when_its_count_of_bytes_is_wrong_and_its_length_right_then_said(
    framing: str, count: int
) -> None:
    """Registers in place of bytes, one too many, or anything."""
    talk = Wired(
        [Ask(5, (10,), 500)],
        lambda a: [0.01, answer(a, pdu=bytes([a.function, count]) + a.data())],
        framing,
    )
    talk.run(30_000)
    assert wrong(talk) == []
    _, (device,) = talk.said()
    assert device["cause"]["id"] in ("device.wrong_length", "device.wrong_size")


@pytest.mark.parametrize("code", [10, 11])
def test_units_when_a_gateway_has_no_path_to_some_then_the_others_lose_nothing(code: int) -> None:
    talk = Talk(
        [Ask(unit, (10 * unit,), 200) for unit in (1, 2, 3, 4)],
        lambda a: [0.01, refusal(a, code) if a.unit in (2, 3) else answer(a)],
    )
    talk.run(60_000)
    for unit in (1, 4):
        assert talk.good(since_ms=2_000, address=10 * unit) == 1
    assert {device["quality"] for device in talk.native.devices()} == {0, 136}


@pytest.mark.parametrize("unit", [0, 255])
@pytest.mark.parametrize("says", [0, 255, 1])
def test_unit_when_a_gateway_answers_as_another_then_that_is_said(unit: int, says: int) -> None:
    talk = Wired([Ask(unit, (10,), 500)], lambda a: [0.01, answer(a, unit=says)])
    talk.run(30_000)
    if unit == says:
        assert talk.good() == 1
        return
    _, (device,) = talk.said()
    assert device["cause"] == {"id": "device.wrong_unit", "args": {"answers": says}}


@pytest.mark.parametrize("way", ["mbap", "rtu"])
def test_framing_when_it_is_the_other_one_then_is_named(way: str) -> None:
    """What is asked in one is answered in the other."""
    framing, said = ("tcp", "rtu") if way == "mbap" else ("rtu", "tcp")

    def script(asked: Asked) -> Iterable[Step]:
        one = Asked(
            asked.number, asked.unit, asked.function, asked.address, asked.count,
            asked.transaction, asked.at_ns, asked.frame, asked.connection, said,
        )  # fmt: skip
        return [0.01, answer(one)]

    talk = Wired([Ask(1, (10, 20), 500)], script, framing, {"type": "tcp"})
    talk.run(30_000)
    link, (device,) = talk.said()
    ids = {each["id"] for each in (*link["warnings"], device["cause"], link["cause"]) if each}
    assert "device.other_framing" in ids
    assert device["cause"]["args"]["framing"] == said


def test_gateway_when_full_and_late_with_a_dead_unit_then_the_others_lose_a_twentieth() -> None:
    """Three units that take all of the link, one that is dead, which is said after a second."""
    alive = [Ask(unit, (10 * unit,), 60) for unit in (1, 2, 3)]
    dead = [Ask(9, (90,), 500)]

    def script(asked: Asked) -> Iterable[Step]:
        return [1.0, refusal(asked, 11)] if asked.unit == 9 else [0.02, answer(asked)]

    talk = Talk([*dead, *alive], script)
    talk.run(30_000)
    before = sum(row.quality == 1 for row in talk.rows())
    talk.run(330_000)
    good = sum(row.quality == 1 for row in talk.rows()) - before
    assert good >= 0.95 * 300_000 / 20


@pytest.mark.parametrize("framing", ["rtu", "tcp"])
def test_device_when_it_restarts_with_other_limits_then_is_read_by_them(framing: str) -> None:
    """At most 45 registers, then 10, away for 20 s in between."""
    reads = tuple(range(0, 44, 4))

    def limited(most: int) -> Answering:
        return lambda a: [0.01, refusal(a, 2) if a.count > most else answer(a)]

    talk = Wired([Ask(1, reads, 1_000)], limited(45), framing)
    talk.at(60_000, lambda: setattr(talk, "script", lambda a: []))
    talk.at(80_000, lambda: setattr(talk, "script", limited(10)))
    talk.at(600_000, lambda: setattr(talk, "script", limited(45)))
    talk.run(1_800_000)
    talk.finish()
    assert wrong(talk) == []
    assert talk.good(since_ms=130_000) >= 0.99


#: What another master says, and what the device says to it (1.1 to 1.3): no reading.
WRITES = {
    "writes a register": (1, bytes.fromhex("06 0032 0001"), bytes.fromhex("06 0032 0001")),
    "writes registers": (
        1, bytes.fromhex("10 0032 0002 04 0001 0002"), bytes.fromhex("10 0032 0002"),
    ),
    "writes to all": (0, bytes.fromhex("10 0032 0001 02 0001"), b""),
    "asks who it is": (
        1, bytes.fromhex("2b 0e 01 00"), bytes.fromhex("2b 0e 01 01 00 00 01 00 01 41"),
    ),
    "reads and writes": (
        1, bytes.fromhex("17 0000 0001 0000 0001 02 0007"), bytes.fromhex("17 02 0001"),
    ),
    "is refused a writing": (1, bytes.fromhex("06 0032 0001"), bytes.fromhex("86 02")),
    "asks what nobody answers": (99, bytes.fromhex("03 0000 0001"), b""),
}  # fmt: skip


@pytest.mark.parametrize("framing", ["rtu", "ascii"])
@pytest.mark.parametrize("visible", [True, False])
@pytest.mark.parametrize("what", WRITES)
def test_values_when_another_master_does_not_read_then_ours_are_read(
    rng: random.Random, what: str, visible: bool, framing: str
) -> None:
    unit, asks, says = WRITES[what]
    talk = Talk([Ask(1, (10, 20), 300)], honest, framing)
    build = FRAMINGS[framing].build

    def ask() -> None:
        # Masters that hear each other wait until the line is free.
        if visible:
            talk.rig.feed(build(unit, 0, asks))
        if says:
            talk.at(talk.now_ms + 15, lambda: talk.rig.feed(build(unit, 0, says)))
        talk.at(talk.now_ms + rng.uniform(200, 600), ask)

    talk.at(77, ask)
    talk.run(180_000)
    talk.finish()
    assert wrong(talk) == []
    assert talk.good() >= 0.95


@pytest.mark.parametrize("visible", [True, False])
@pytest.mark.parametrize("his", [(50,), (50, 10), (50, 60, 70)])
def test_values_when_several_others_ask_then_none_is_wrong(
    rng: random.Random, his: tuple[int, ...], visible: bool
) -> None:
    """Each at his own pace, one of them what we ask."""
    talk = Talk([Ask(1, (10, 20), 300)], lambda a: [0.02, answer(a)], "rtu", {"type": "tcp"})

    def asking(address: int) -> Callable[[], None]:
        def ask() -> None:
            talk.foreign(1, address, 1, visible=visible)
            talk.at(talk.now_ms + rng.uniform(150, 500), ask)

        return ask

    for address in his:
        talk.at(50 + address, asking(address))
    talk.run(300_000)
    talk.finish()
    assert wrong(talk) == []
