"""Controllers that misbehave, with the Modbus driver, which learns: limits, holes, a connection
that another has. Refusals, busy ones and lies: tests/unit/test_engine_devices.py.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from drivers import registry
from drivers.api import DeviceSpec, LinkSpec, TagSpec
from drivers.modbus.simulator import now_ns
from drivers.scan import open_links
from native.block.seal import Sealer
from native.modbus.codec import Codec
from tests.kit.scanner import LOOK_S, LOOKS, PERIOD_NS
from tests.kit.slave import Asked, Script, Step, TcpSlave, answer, refusal
from tests.kit.wire import serial_bus, tcp_units

NO_ANSWER, REFUSED, FAILURE, BUSY, GATEWAY, NOT_ASKED = 129, 133, 134, 135, 136, 138
REPLANNED = 4
SECOND_NS = 1_000_000_000


def refusing(address: int, code: int) -> Script:
    """Exception `code` for requests that touch `address`."""

    def script(asked: Asked) -> Iterable[Step]:
        touched = asked.address <= address < asked.address + asked.count
        return [refusal(asked, code) if touched else answer(asked)]

    return script


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
