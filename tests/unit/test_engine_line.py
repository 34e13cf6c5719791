"""Serial faults W1 to W13, in virtual time: never a wrong value, every tick once, and back.

Each story ends with `Scanner.check`. The slaves' values tell which request they answer, so that a
late or a foreign answer that was taken for the right one is found whatever it cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice

import pytest

from drivers.api import DeviceSpec, Field, GroupPlan, TagSpec
from drivers.modbus.request import Read, request_of
from drivers.modbus.station import station_of
from native.engine.link import Link
from tests.kit.scanner import PERIOD_NS, TIMEOUT_NS, pairs
from tests.kit.scans import Box
from tests.kit.slave import HANG_UP, Asked, Step, answer, honest, refusal
from tests.kit.virtual import Scanner, SerialSlave, TcpSlave, now_ns

NO_ANSWER, DAMAGED = 129, 131
OVERRUN, DEVICE_SILENT = 1, 2
#: A device that returned is good again within 2 s (contract), when it returned while a request
#: was still waiting, after that one's time-out; and a few periods for the next tick.
BACK_NS = 2_000_000_000 + TIMEOUT_NS + 5 * PERIOD_NS


class Sometimes:
    """`fault` on each `every`th request after `first` good ones, with the number of the time; until
    `times` are through.
    """

    def __init__(self, fault: Callable[[Asked, int], Iterable[Step]], times: int, every: int = 7):
        self.fault, self.times, self.every = fault, times, every
        self.struck = 0

    def __call__(self, asked: Asked) -> Iterable[Step]:
        if asked.number % self.every or self.struck >= self.times:
            return honest(asked)
        self.struck += 1
        return self.fault(asked, self.struck - 1)

    @property
    def over(self) -> bool:
        return self.struck >= self.times


def story(script: Sometimes, framing: str = "rtu") -> Scanner:
    """The faults, then twenty good rows."""
    with SerialSlave(script, framing) as slave:
        scanner = Scanner(slave)
        with scanner.running():
            scanner.until(lambda: script.over)
            since_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=since_ns) >= 40)
    scanner.check()
    return scanner


def flipped(frame: bytes, bit: int) -> bytes:
    spoilt = bytearray(frame)
    spoilt[bit // 8] ^= 1 << bit % 8
    return bytes(spoilt)


def test_answer_when_its_header_is_flipped_costs_that_scan_alone() -> None:
    """W1: its length can't be told any more, so its time-out ends it."""
    scanner = story(Sometimes(lambda a, n: [flipped(answer(a), 5 * n)], 5))
    assert scanner.qualities()[NO_ANSWER] <= 2 * 5
    assert scanner.qualities().keys() <= {1, NO_ANSWER, DAMAGED, 138}


def test_answer_when_damaged_twice_is_bad_and_says_so() -> None:
    def spoil(asked: Asked) -> Iterable[Step]:
        return [flipped(answer(asked), 40)] if asked.number in (8, 9) else honest(asked)

    with SerialSlave(spoil) as slave:
        scanner = Scanner(slave)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 40)
    scanner.check()
    assert scanner.qualities()[DAMAGED] == 1 and scanner.qualities().keys() == {1, DAMAGED}
    assert scanner.book["damaged"] == 2 and scanner.book["retries"] == 1


def test_answer_when_cut_short_at_each_byte_costs_that_scan_alone() -> None:
    """W3: 0 to 8 of its 9 bytes."""
    scanner = story(Sometimes(lambda a, n: [answer(a)[:n]], 9))
    bad = {row.tick for row in scanner.rows if row.quality != 1}
    assert len(bad) == 9
    assert scanner.book["timeouts"] == 9


def bus(asked: Asked, what: str) -> Iterable[Step]:
    """A slave with holding registers only, that answers others with data, a refusal, or nothing."""
    if asked.function == 3 or what == "data":
        return honest(asked)
    return [refusal(asked, 1)] if what == "refusal" else []


def single_registers(what: str, late_s: Sequence[float]) -> tuple[Scanner, SerialSlave]:
    """W4 where no read has an answer of another size: two registers, one request each; a third in
    another group. So late are answers after a time-out, one story each.
    """
    late = iter(late_s)
    left = [next(late)]

    def script(asked: Asked) -> Iterable[Step]:
        if not left or asked.number % 9 or asked.function != 3:
            return bus(asked, what)
        wait_s = left.pop()
        left.extend(islice(late, 1))
        return [TIMEOUT_NS / 1e9 + wait_s, *bus(asked, what)]

    with SerialSlave(script) as slave:
        plans = {1: [pairs((2, 100), count=1), pairs((4,), count=1, period_ns=3 * PERIOD_NS)]}
        scanner = Scanner(slave, devices=plans)
        with scanner.running():
            scanner.until(lambda: not left)
            since_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=since_ns) >= 40)
    scanner.check()
    return scanner, slave


@pytest.mark.parametrize("what", ["data", "refusal"])
def test_answer_of_one_register_when_late_is_told_by_a_foreign_function(what: str) -> None:
    """How much later than a time-out does not matter: a probe is answered in turn."""
    scanner, slave = single_registers(what, [0.001, 0.05, 0.09, 0.11, 0.15, 0.25, 0.4, 0.7])
    assert {asked.function for asked in slave.asked} >= {3, 4}
    assert scanner.book["late"] >= 3


@pytest.mark.parametrize("what", ["damaged", "gateway", "hang up"])
def test_device_when_it_answers_a_foreign_function_badly_is_read_all_the_same(what: str) -> None:
    """A refusal with a wrong CRC, a multiplexer's exception 11, or a hang-up: it is asked once."""

    def script(asked: Asked) -> Iterable[Step]:
        if asked.function == 3:
            return honest(asked)
        frame = refusal(asked, 11 if what == "gateway" else 1)
        spoilt = flipped(frame, 30) if what == "damaged" else frame
        return [HANG_UP] if what == "hang up" else [spoilt]

    with TcpSlave(script, "rtu") if what == "hang up" else SerialSlave(script) as slave:
        scanner = Scanner(slave, devices={1: [pairs((2, 100), count=1)]})
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 60)
    scanner.check()
    assert sum(asked.function != 3 for asked in slave.asked) <= 2


def test_devices_when_two_have_one_unit_share_what_it_may_still_say() -> None:
    """The late answer to one is never the other's value."""
    late = Sometimes(lambda a, _: [TIMEOUT_NS / 1e9 + 0.05, answer(a)], 4, every=9)
    with SerialSlave(late) as slave:
        scanner = Scanner(slave, devices={1: [pairs((2,), count=1)]})
        spec = scanner.spec
        plans = [pairs((2,), count=1, device="d1"), pairs((100,), count=1, device="d2")]
        box = Box(plans)
        link = Link(
            spec,
            [
                (station_of(DeviceSpec(plan.device, spec, "modbus", plan.tags, 1, "rtu")), [group])
                for plan, group in zip(plans, box.groups, strict=True)
            ],
        )
        scanner.box, scanner.link = box, link
        scanner.types = {"2": "uint16", "100": "uint16"}
        with scanner.running():
            scanner.until(lambda: late.over)
            since_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=since_ns) >= 40)
    scanner.check()


@pytest.mark.parametrize("late_s", [0.01, 0.03, 0.06, 0.09])
def test_answer_of_one_register_when_late_is_waited_for_in_quarantine(late_s: float) -> None:
    """And the device is mute to functions that it has not: it rests for one time-out."""
    scanner, slave = single_registers("nothing", [late_s] * 3)
    assert sum(asked.function != 3 for asked in slave.asked) == 1  # it is learned once
    assert scanner.book["timeouts"] >= 1


@pytest.mark.parametrize("apart_s", [0.0, 0.004])
def test_request_when_echoed_by_the_adapter_is_skipped(apart_s: float) -> None:
    """W5: a two-wire adapter gives back what was sent."""

    def echo(asked: Asked) -> Iterable[Step]:
        return [asked.frame, apart_s, answer(asked)] if apart_s else [asked.frame + answer(asked)]

    with SerialSlave(echo) as slave:
        scanner = Scanner(slave)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 60)
    scanner.check()
    assert scanner.qualities().keys() == {1} and scanner.book["timeouts"] == 0


def test_request_of_coils_when_its_echo_looks_like_an_answer_is_not_taken_for_it() -> None:
    """W5: 24 coils from 0x0300 on are three bytes, and the echo's third byte says three."""
    tags = tuple(TagSpec(str(i), "coil:768", "bool", PERIOD_NS) for i in range(24))
    fields = tuple(Field(0, i // 8, "bool", "ABCD", 1, i % 8) for i in range(24))
    plan = GroupPlan("d1", PERIOD_NS, tags, (request_of(Read(1, 0x0300, 24)),), fields, 0)

    def echo(asked: Asked) -> Iterable[Step]:
        return [asked.frame, 0.004, answer(asked, pdu=b"\x01\x03\xff\xff\xff")]

    def enough(scanner: Scanner) -> bool:
        return scanner.good() >= 24 * 5

    for framing in ("rtu", "ascii"):
        with SerialSlave(echo, framing) as slave:
            scanner = Scanner(slave, devices={1: [plan]})
            with scanner.running():
                scanner.until(partial(enough, scanner))
        assert {(row.value, row.quality) for row in scanner.rows} == {("1", 1)}


@pytest.mark.parametrize("noise", [b"\x00\n", b"x\r\n", b":0\r\n", b"\xff" * 1100])
def test_ascii_answer_when_slow_and_behind_lines_of_noise_is_the_only_one(noise: bytes) -> None:
    """W2: a line of noise is no damaged answer: a repeat would be answered twice, and the second
    answer taken for the next request's.
    """
    scanner = story(Sometimes(lambda a, _: [noise, 0.03, answer(a)], 6), "ascii")
    assert scanner.book["retries"] == 0


def test_answer_when_from_another_unit_is_refused_and_the_right_one_is_taken() -> None:
    """W7: first a stranger's, then the right one; then only the stranger's."""
    scanner = story(Sometimes(lambda a, _: [answer(a, unit=9), answer(a)], 5))
    assert scanner.qualities().keys() == {1} and scanner.book["wrong"] == 5
    scanner = story(Sometimes(lambda a, _: [answer(a, unit=9)], 3))
    assert scanner.qualities()[NO_ANSWER] >= 3 and scanner.book["wrong"] == 3


def test_device_when_it_falls_silent_turns_bad_within_a_period_and_a_time_out() -> None:
    with SerialSlave() as slave:
        scanner = Scanner(slave)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 20)
            slave.script = lambda _: []
            silent_ns = now_ns()
            scanner.until(lambda: scanner.qualities()[NO_ANSWER] >= 1)
    scanner.check()
    bad = next(row for row in scanner.rows if row.quality == NO_ANSWER)
    assert bad.due_ns - silent_ns <= 2 * PERIOD_NS + TIMEOUT_NS
    after = [row for row in scanner.rows if row.tick > bad.tick and row.quality == 1]
    assert after == []


def test_device_when_dead_leaves_its_neighbours_their_period() -> None:
    """W13: one of six answers nothing; the others miss only the ticks of its rare time-outs."""
    dead = 4

    def bus(asked: Asked) -> Iterable[Step]:
        return [] if asked.unit == dead and not alive else [answer(asked)]

    alive: list[int] = []
    plans = {u: [pairs((0,), device=f"d{u}", period_ns=2 * PERIOD_NS)] for u in range(1, 7)}
    with SerialSlave(bus) as slave:
        scanner = Scanner(slave, devices=plans)
        with scanner.running():
            scanner.until(lambda: scanner.good(device="d6") >= 60)
            alive.append(1)
            back_ns = now_ns()
            scanner.until(lambda: scanner.good(device=f"d{dead}") >= 10)
    scanner.check()
    tries = scanner.link.devices()[dead - 1]["timeouts"]
    for unit in plans:
        if unit != dead:
            bad = [row for row in scanner.rows if row.device == f"d{unit}" and row.quality != 1]
            assert bad == []
            # A try holds the bus for one time-out: so many ticks are overrun by it, and no more
            # but for the odd one on a busy machine.
            allowed = tries * (1 + TIMEOUT_NS // PERIOD_NS // 2) + len(scanner.rows) // 100
            assert scanner.gaps(unit).keys() <= {OVERRUN}
            assert scanner.gaps(unit)[OVERRUN] <= allowed
    first = min(r.due_ns for r in scanner.rows if r.device == f"d{dead}" and r.quality == 1)
    assert first - back_ns <= BACK_NS + 2 * PERIOD_NS


@pytest.mark.parametrize("unit", [0, 248, 255])
def test_unit_when_the_standard_reserves_it_then_read_all_the_same(unit: int) -> None:
    with SerialSlave() as slave:
        scanner = Scanner(slave, devices={unit: [pairs((0, 100), device=f"d{unit}")]})
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 20)
    scanner.check()
