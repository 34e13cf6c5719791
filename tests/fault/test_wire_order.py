"""Stories in which an answer and its request could part company, or a tick its account.

Each was seen to fail before its fix: the values tell which address they were read from.
"""

from __future__ import annotations

import socket
from pathlib import Path
from threading import Event, Thread

import pytest

from drivers.api import DeviceSpec, LinkSpec
from drivers.modbus.station import station_of
from native.engine.link import Link
from native.engine.loop import Loop
from tests.kit.scanner import pairs
from tests.kit.scans import Box
from tests.kit.wire import serial_bus


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
