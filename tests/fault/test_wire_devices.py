"""Controllers that misbehave, C1 to C5: refusals, busy ones, lies about what was asked, limits.

The first half scans with the native loop alone, the second with the Modbus driver, which learns.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from drivers import registry
from drivers.api import DeviceSpec, Field, LinkSpec, TagSpec
from drivers.modbus.request import Read, request_of
from drivers.modbus.simulator import now_ns
from drivers.scan import open_links
from native.block.seal import Sealer
from native.modbus.codec import Codec
from tests.kit.scanner import LOOK_S, LOOKS, PERIOD_NS, Scanner
from tests.kit.slave import Asked, Script, SerialSlave, Step, TcpSlave, answer, honest, refusal
from tests.kit.wire import serial_bus, tcp_units

NO_ANSWER, REFUSED, FAILURE, BUSY, GATEWAY, NOT_ASKED = 129, 133, 134, 135, 136, 138
REPLANNED = 4
SECOND_NS = 1_000_000_000

#: Application Protocol V1.1b3 section 7, and codes that it does not know.
QUALITIES = {1: REFUSED, 2: REFUSED, 3: REFUSED, 4: FAILURE, 5: BUSY, 6: BUSY, 7: FAILURE,
             8: FAILURE, 10: GATEWAY, 11: GATEWAY, 12: FAILURE, 255: FAILURE}  # fmt: skip


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


# ---- With the driver, which learns


def link_to(port: int) -> LinkSpec:
    return LinkSpec("l", "tcp", host="127.0.0.1", tcp_port=port, timeout_ns=10**8)


@contextmanager
def driven(link: LinkSpec, addresses: Iterable[int]) -> Iterator[Callable[[Any], Any]]:
    """The driver on a device with a uint16 tag at each address; yields `until(enough)`, which gives
    the good raw values and what was learned once `enough` of both.
    """
    tags = tuple(TagSpec(str(a), f"holding:{a}", "uint16", PERIOD_NS) for a in addresses)
    driver = registry.get("modbus")
    framing: Any = "rtu" if link.type == "serial" else "tcp"
    spec = DeviceSpec("d", link, "modbus", tags, framing=framing)
    opened = open_links([(link, [driver.plan(spec)])], 0, {})
    (runner,) = opened.runners
    sealer, pause = Sealer(opened.groups), Event()

    def until(enough: Callable[[dict[str, Any], list[Any]], bool]) -> Any:
        good: dict[str, Any] = {}
        learned: list[Any] = []
        for _ in range(LOOKS):
            runner.learn()
            sealer.seal(1, 1, 1)
            values = opened.latest("d")
            good = {v["tag"].name: v["raw"] for v in values if v["quality"] == 1}
            learned = runner.devices()[0]["learned"]
            if enough(good, learned):
                return good, learned
            pause.wait(LOOK_S)
        raise AssertionError(f"never enough: {good} {learned}")

    thread = Thread(target=runner.run)
    thread.start()
    try:
        yield until
    finally:
        runner.stop()
        thread.join()


EVEN = range(0, 80, 2)  # registers that hold their own address


@pytest.mark.parametrize("code", [2, 3])
@pytest.mark.parametrize("limit", [10, 32, 64])
def test_limit_of_a_device_when_it_refuses_longer_reads_is_learned(code: int, limit: int) -> None:
    """C4: every tag is read, and no request is longer than the device takes any more."""

    def short(asked: Asked) -> Iterable[Step]:
        return [answer(asked) if asked.count <= limit else refusal(asked, code)]

    def done(good: dict[str, Any], learned: list[Any]) -> bool:
        return len(good) == 80 and [one["id"] for one in learned] == ["learned.max_registers"]

    with TcpSlave(short) as slave, driven(link_to(slave.port), range(80)) as until:
        until(done)
        told = len(slave.asked)
        good, learned = until(lambda *both: done(*both) and len(slave.asked) >= told + 40)
    assert {name: good[name] for name in map(str, EVEN)} == {str(a): a for a in EVEN}
    assert max(asked.count for asked in slave.asked[told + 20 :]) <= limit
    assert limit // 2 <= learned[0]["args"]["count"] <= limit


def test_limit_of_a_device_when_it_answers_short_is_learned() -> None:
    """C4: asked for more than 20 registers, it gives 20 and says nothing."""

    def short(asked: Asked) -> Iterable[Step]:
        data = asked.data()[:40]
        return [answer(asked, pdu=bytes([3, len(data)]) + data)]

    with TcpSlave(short) as slave, driven(link_to(slave.port), EVEN) as until:
        good, _ = until(lambda good, learned: len(good) == len(EVEN) and learned)
    assert good == {str(a): a for a in EVEN}


def test_hole_in_a_device_when_it_refuses_a_register_is_learned() -> None:
    """C1: one tag's address is not there; every other tag is read, by requests around it."""
    with TcpSlave(refusing(40, 2)) as slave, driven(link_to(slave.port), EVEN) as until:
        good, _ = until(lambda good, learned: len(good) == len(EVEN) - 1 and learned)
        told = len(slave.asked)
        until(lambda *_: len(slave.asked) >= told + 20)
    assert good == {str(a): a for a in EVEN if a != 40}
    touching = [a for a in slave.asked[told:] if a.address <= 40 < a.address + a.count]
    assert {asked.count for asked in touching} <= {1} and len(touching) <= 6


def test_refusal_when_forged_once_by_noise_costs_nothing_for_long() -> None:
    """An address that answered an exception once is asked again at once."""
    forged: list[int] = []

    def noisy(asked: Asked) -> Iterable[Step]:
        if asked.number == 10:
            forged.append(asked.number)
            return [refusal(asked, 2)]
        return [answer(asked)]

    with TcpSlave(noisy) as slave, driven(link_to(slave.port), EVEN) as until:
        until(lambda good, _: bool(forged))
        good, learned = until(
            lambda good, _: len(good) == len(EVEN) and len(slave.asked) > forged[0] + 10
        )
    assert good == {str(a): a for a in EVEN} and learned == []


def test_port_when_pulled_is_opened_again_by_its_name(tmp_path: Path) -> None:
    """W9, W12: the adapter goes under way and comes back as another terminal."""
    with serial_bus(tmp_path / "com1") as wire:
        link = LinkSpec("l", "serial", port=str(wire.path), baud=115_200, timeout_ns=10**8)
        with driven(link, [2]) as until:
            until(lambda good, _: good)
            wire.simulator.command("close")
            until(lambda good, _: not good)
            wire.simulator.command("open")
            good, _ = until(lambda good, _: good)
    assert good.keys() == {"2"}


def test_connection_when_another_client_holds_the_only_one_waits_without_a_storm() -> None:
    """W18: the controller hangs up on the second; the first leaves, and ours is next."""
    with tcp_units() as wire:
        wire.simulator.command("connections 1")
        with socket.create_connection((wire.host, wire.port)) as other:
            other.sendall(Codec("tcp").ask(1, 3, 2, 1))
            assert other.recv(64)
            with driven(link_to(wire.port), [2]) as until:
                began_ns = now_ns()
                until(lambda good, _: now_ns() - began_ns > 2 * SECOND_NS)
                (ended,) = wire.simulator.endpoints
                assert len(ended.connections) == 1
                other.close()
                good, _ = until(lambda good, _: good)
    assert good.keys() == {"2"}
