"""Stories in which an answer and its request could part company, or a tick its account.

Each was seen to fail before its fix: the values tell which address they were read from.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path
from threading import Event, Thread

import pytest

from drivers.api import DeviceSpec, LinkSpec
from drivers.modbus.station import station_of
from native.engine.link import Link
from native.engine.loop import Loop
from tests.kit.scanner import Scanner, pairs
from tests.kit.scans import Box
from tests.kit.slave import Asked, SerialSlave, TcpSlave, answer
from tests.kit.wire import serial_bus

#: A frame that begins like the answer to one register of unit 1 and is broken.
BROKEN = {"ascii": b":010300000\n", "rtu": bytes.fromhex("01030200000000")}
SLOW_S = 0.04


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


def test_stop_when_a_link_is_down_ends_at_once() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen: refused at once, again and again
        spec = LinkSpec("l", "tcp", host="127.0.0.1", tcp_port=closed.getsockname()[1])
        box = Box([pairs((0,))])
        device = DeviceSpec("d1", spec, "modbus", box.groups[0].plan.tags)
        link = Link(spec, [(station_of(device), box.groups)])
        loop = Loop([link])
        thread = Thread(target=loop.run)
        thread.start()
        pause = Event()
        while link.snapshot()["state"] != "down":
            pause.wait(0.01)
        pause.wait(0.5)  # its time to reopen lies before or within the loop's last moments
        loop.stop()
        thread.join(20)
        assert not thread.is_alive()
        due, accounted = box.groups[0].scanned()
        assert due == accounted > 0


def test_port_when_pulled_between_two_ticks_is_noticed_without_a_spin(tmp_path: Path) -> None:
    with serial_bus(tmp_path / "com1") as wire:
        spec = LinkSpec("l", "serial", port=str(wire.path), baud=115_200)
        plan = pairs((2,), period_ns=2_000_000_000)
        box = Box([plan])
        device = DeviceSpec("d1", spec, "modbus", plan.tags, framing="rtu")
        link = Link(spec, [(station_of(device), box.groups)])
        loop = Loop([link])
        thread = Thread(target=loop.run)
        thread.start()
        pause = Event()
        while link.snapshot()["answers"] == 0:
            pause.wait(0.01)
        before = loop.wakeups
        wire.simulator.command("close")
        while link.snapshot()["state"] != "down":
            pause.wait(0.01)
        loop.stop()
        thread.join()
        assert loop.wakeups - before < 1000


def test_link_when_of_no_known_type_is_refused_in_words() -> None:
    plan = pairs((0,))
    spec = LinkSpec("l", "carrier pigeon")  # type: ignore[arg-type]
    device = DeviceSpec("d", spec, "modbus", plan.tags)
    with pytest.raises(ValueError, match="no type of link: 'carrier pigeon'"):
        Link(spec, [(station_of(device), Box([plan]).groups)])


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
