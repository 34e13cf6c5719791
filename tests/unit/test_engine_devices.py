"""Controllers that misbehave, C1 to C3, and where an answer and its request could part company, or
a tick its account; in virtual time. With the driver: tests/fault/test_wire_devices.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise

import pytest

from drivers.api import Field
from drivers.modbus.request import Read, request_of
from tests.kit.scanner import PERIOD_NS, pairs
from tests.kit.slave import Asked, Script, Step, answer, honest, refusal
from tests.kit.virtual import Scanner, SerialSlave, TcpSlave, now_ns

REFUSED, FAILURE, BUSY, GATEWAY = 133, 134, 135, 136
REPLANNED = 4
SECOND_NS = 1_000_000_000

#: Application Protocol V1.1b3 section 7, and codes that it does not know.
QUALITIES = {1: REFUSED, 2: REFUSED, 3: REFUSED, 4: FAILURE, 5: BUSY, 6: BUSY, 7: FAILURE,
             8: FAILURE, 10: GATEWAY, 11: GATEWAY, 12: FAILURE, 255: FAILURE}  # fmt: skip
#: A frame that begins like the answer to one register of unit 1 and is broken.
BROKEN = {"ascii": b":010300000\n", "rtu": bytes.fromhex("01030200000000")}
SLOW_S = 0.04


def refusing(address: int, code: int) -> Script:
    """Exception `code` for requests that touch `address`."""

    def script(asked: Asked) -> Iterable[Step]:
        touched = asked.address <= address < asked.address + asked.count
        return [refusal(asked, code) if touched else answer(asked)]

    return script


@pytest.mark.parametrize("wire", [TcpSlave, SerialSlave])
@pytest.mark.parametrize("code", sorted(QUALITIES))
def test_exception_when_answered_turns_that_tag_bad_and_its_neighbour_stays(
    wire: type[TcpSlave] | type[SerialSlave], code: int
) -> None:
    """C1, C2: also 10 and 11, which a gateway says for a device that is silent."""
    with wire() as slave:
        scanner = Scanner(slave, (0, 100))
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 10)
            slave.script = refusing(100, code)
            scanner.until(lambda: scanner.qualities()[QUALITIES[code]] >= 2)
            slave.script = honest
            since_ns = now_ns()
            scanner.until(lambda: scanner.good(tag="100", after_ns=since_ns) >= 5)
    scanner.check()
    bad = {row.quality for row in scanner.rows if row.tag == "100"} - {1}
    assert bad == {QUALITIES[code]}
    neighbour = {row.quality for row in scanner.rows if row.tag == "0"} - {1}
    # A busy device is not asked anything for 0.1 s.
    assert neighbour <= ({BUSY} if QUALITIES[code] == BUSY else set())


def test_address_when_refused_again_and_again_rests_and_is_tried_again() -> None:
    """C1: it answered once, so it rests for a second after each third refusal, not for good."""
    with TcpSlave() as slave:
        scanner = Scanner(slave, (0, 100))
        with scanner.running():
            scanner.until(lambda: scanner.good(tag="100") >= 3)
            slave.script = refusing(100, 2)
            since_ns = now_ns()
            scanner.until(lambda: scanner.qualities()[REFUSED] >= 3 * SECOND_NS // PERIOD_NS)
            asked = [a for a in slave.asked if a.address == 100 and a.at_ns >= since_ns]
            slave.script = honest
            back_ns = now_ns()
            scanner.until(lambda: scanner.good(tag="100", after_ns=back_ns) >= 3)
    scanner.check()
    # Three refusals and a second's rest, over three seconds and a bit: far from each period.
    assert 3 <= len(asked) <= 15
    assert {row.quality for row in scanner.rows if row.tag == "0"} == {1}


def test_device_when_busy_is_left_alone_for_a_tenth_of_a_second() -> None:
    """C2."""
    with TcpSlave() as slave:
        scanner = Scanner(slave, (0,))
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 3)
            slave.script = lambda a: [refusal(a, 6)]
            scanner.until(lambda: scanner.qualities()[BUSY] >= 20)
    scanner.check()
    refused = [one.at_ns for one in slave.asked][-3:]
    assert all(b - a >= SECOND_NS // 10 for a, b in pairwise(refused))


def test_plan_when_changed_under_a_scan_then_each_row_holds_answers_of_one_plan() -> None:

    def more(scanner: Scanner, enough: int) -> bool:
        return scanner.good() >= enough

    with TcpSlave(lambda a: [0.01, answer(a)]) as slave:
        scanner = Scanner(slave, (0, 100))
        group = scanner.box.groups[0]
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 10)
            for turn in range(6):
                enough = scanner.good() + 10
                swapped = [request_of(Read(3, (100, 0)[i], 2)) for i in range(2)]
                fields = [Field(1 - i, 0, "uint32", "ABCD", 4, -1) for i in range(2)]
                plan = group.plan
                group.replan(*((plan.requests, plan.fields) if turn % 2 else (swapped, fields)))
                scanner.until(partial(more, scanner, enough))
    scanner.check()
    assert REPLANNED not in scanner.gaps()
    assert scanner.qualities().keys() == {1}


LIES: dict[str, Callable[[Asked], bytes]] = {
    "another function": lambda a: answer(a, pdu=b"\x04\x04" + a.data()),
    "a count of registers": lambda a: answer(a, pdu=b"\x03\x02" + a.data()),
    "too much": lambda a: answer(a, pdu=b"\x03\x06" + a.data() + b"\0\0"),
    "nothing": lambda a: answer(a, pdu=b"\x03\x00"),
    "an odd count": lambda a: answer(a, pdu=b"\x03\x03" + a.data()[:3]),
    "exception of another function": lambda a: answer(a, pdu=b"\x84\x02"),
    "function 0": lambda a: answer(a, pdu=b"\x00" + a.data()),
}


@pytest.mark.parametrize("wire", [TcpSlave, SerialSlave])
@pytest.mark.parametrize("lie", sorted(LIES))
def test_answer_when_it_is_not_what_was_asked_never_becomes_a_value(
    wire: type[TcpSlave] | type[SerialSlave], lie: str
) -> None:
    """C3."""
    lied: list[int] = []

    def lying(asked: Asked) -> Iterable[Step]:
        lied.append(asked.number)
        return [LIES[lie](asked)]

    with wire() as slave:
        scanner = Scanner(slave, (0, 100))
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 10)
            slave.script = lying
            scanner.until(lambda: any(row.quality != 1 for row in scanner.rows))
            slave.script = honest
            since_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=since_ns) >= 10)
    scanner.check()
    taken = {int(row.value) % 65536 for row in scanner.rows if row.value is not None}
    assert lied and not taken.intersection(lied)


@pytest.mark.parametrize("framing", ["rtu", "ascii"])
def test_answer_when_a_broken_one_comes_before_it_is_not_taken_for_the_next(framing: str) -> None:
    broken = [BROKEN[framing]]

    def script(asked: Asked) -> Iterable[bytes | float]:
        if broken:
            yield broken.pop()
        yield SLOW_S
        yield answer(asked)

    with SerialSlave(script, framing) as slave:
        # All answers are of one size: only the order tells them apart.
        scanner = Scanner(slave, devices={1: [pairs((0, 100, 200), count=1)]})
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 30)
    scanner.check()
    assert scanner.link.snapshot()["damaged"] >= 1


def test_groups_of_a_device_when_it_falls_silent_then_each_has_a_bad_row() -> None:
    mute: list[bool] = []
    tags = ("0", "100", "200")

    def script(asked: Asked) -> Iterable[bytes | float]:
        if not mute:
            yield answer(asked)

    with TcpSlave(script) as slave:
        # The slower groups' ticks come when the device is silent already.
        plans = [pairs((100 * i,), period_ns=20_000_000 * (1 + 4 * i)) for i in range(3)]
        scanner = Scanner(slave, devices={1: plans})
        with scanner.running():
            scanner.until(lambda: min(scanner.good(tag=tag) for tag in tags) >= 2)
            mute.append(True)
            scanner.until(lambda: all(_newest_is_bad(scanner, tag) for tag in tags))
    scanner.check()


def _newest_is_bad(scanner: Scanner, tag: str) -> bool:
    newest = max((row for row in scanner.rows if row.tag == tag), key=lambda row: row.tick)
    return newest.value is None


def test_ticks_when_due_before_a_stop_are_all_accounted() -> None:
    def hole(asked: Asked) -> Iterable[bytes | float]:
        yield from ()

    with TcpSlave(hole) as slave:
        scanner = Scanner(slave, devices={1: [pairs((0,))]}, timeout_ns=400_000_000)
        with scanner.running():
            scanner.until(lambda: bool(slave.asked))
    scanner.check()


def test_devices_of_a_bus_when_due_together_then_read_in_the_same_order_each_time() -> None:
    """So their scans are evenly apart, and the times of the rows cost few bytes."""
    units, rounds = (1, 2, 3), 10
    with SerialSlave() as slave:
        plans = {
            unit: [pairs((100 * unit,), period_ns=100_000_000, device=f"d{unit}")] for unit in units
        }
        scanner = Scanner(slave, devices=plans)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= len(units) * rounds)
    scanner.check()
    ticks: dict[int, list[str]] = {}
    for row in sorted(scanner.rows, key=lambda row: row.mid_ns):
        ticks.setdefault(row.tick, []).append(row.device)
    whole = [devices for devices in ticks.values() if len(devices) == len(units)]
    assert len(whole) >= rounds // 2
    assert all(devices == [f"d{unit}" for unit in units] for devices in whole), whole
