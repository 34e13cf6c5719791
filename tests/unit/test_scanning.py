"""Host names of links: looked up where nobody waits, and found when the name server is back."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from drivers.api import DeviceSpec, LinkSpec, TagSpec
from drivers.host.runner import HostRunner
from gateway.config.model import BufferConfig, GatewayConfig, PlatformConfig
from gateway.scanning import Scanning
from tests.kit.slave import TcpSlave

PERIOD_NS = 50_000_000
LOOKS, LOOK_S = 1500, 0.02


class NameServer:
    """The system's look-up, made dark; addresses in figures need none, as on a real system."""

    def __init__(self) -> None:
        self.asked_by: set[str] = set()
        self.asked, self.back, self.answered = (threading.Event() for _ in range(3))
        self.knows = False
        self._real = socket.getaddrinfo

    def getaddrinfo(self, host: str, port: int, **more: Any) -> Any:
        if more.get("flags", 0) & socket.AI_NUMERICHOST or host != "plc.example":
            return self._real(host, port, **more)
        self.asked_by.add(threading.current_thread().name)
        self.asked.set()
        self.back.wait()
        if not self.knows:
            self.knows = True
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        self.answered.set()
        return self._real("127.0.0.1", port, **more)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo)
    yield server
    server.back.set()
    for thread in threading.enumerate():
        if thread.name == "look-up":
            thread.join()


def config(port: int, *hosts: str) -> GatewayConfig:
    links = tuple(
        LinkSpec(f"l{i}", "tcp", host=host, tcp_port=port) for i, host in enumerate(hosts)
    )
    tags = (TagSpec("t", "holding:0", "uint16", PERIOD_NS),)
    devices = tuple(DeviceSpec(f"d-{link.name}", link, "modbus", tags) for link in links)
    return GatewayConfig(
        "gw-1", PlatformConfig("127.0.0.1:1", insecure=True), BufferConfig(), links, devices
    )


@contextmanager
def scanning(made: Scanning) -> Iterator[Scanning]:
    made.start(None)
    try:
        yield made
    finally:
        assert made.stop()


def until_up(made: Scanning, name: str) -> None:
    pause = threading.Event()
    for _ in range(LOOKS):
        if {link["name"]: link["state"] for link in made.links()}[name] == "up":
            return
        pause.wait(LOOK_S)
    raise AssertionError(f"{name} never came up: {made.links()}")


def until_said(made: Scanning, message: str) -> None:
    """Of the first link."""
    pause = threading.Event()
    for _ in range(LOOKS):
        if (cause := made.links()[0]["cause"]) and cause["id"] == message:
            return
        assert cause is None, cause
        pause.wait(LOOK_S)
    raise AssertionError(made.links())


def test_names_when_the_server_is_dark_hold_up_neither_start_nor_learning_nor_neighbours(
    names: NameServer,
) -> None:
    with TcpSlave() as slave:
        made = Scanning(config(slave.port, "plc.example", "127.0.0.1"), {})
        assert not names.asked_by
        with scanning(made):
            names.asked.wait()
            made.learn()  # would not return
            until_up(made, "l1")
            assert made.dead_threads() == []
            until_said(made, "link.no_name")
        assert names.asked_by == {"look-up"}
        names.back.set()


def test_link_when_its_name_is_found_at_the_second_try_comes_up(names: NameServer) -> None:
    names.back.set()
    with TcpSlave() as slave, scanning(Scanning(config(slave.port, "plc.example"), {})) as made:
        until_up(made, "l0")
        assert names.answered.is_set()


def test_link_when_its_interface_is_not_there_then_said() -> None:
    with scanning(Scanning(config(502, "fe80::1%nowhere0"), {})) as made:
        until_said(made, "link.no_interface")
        (link,) = made.links()
    assert link["target"] == "[fe80::1%nowhere0]:502"
    assert link["cause"]["args"]["interface"] == "nowhere0"


def test_links_when_all_have_addresses_need_no_thread_for_names() -> None:
    with TcpSlave() as slave, scanning(Scanning(config(slave.port, "127.0.0.1"), {})) as made:
        until_up(made, "l0")
        assert "look-up" not in {thread.name for thread in threading.enumerate()}


def test_scanning_when_it_starts_then_a_driver_in_python_knows_utc_before_its_first_tick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    happened: list[object] = []
    monkeypatch.setattr(HostRunner, "know_utc", lambda _, ahead_ns: happened.append(ahead_ns))
    monkeypatch.setattr(HostRunner, "run", lambda _: happened.append("run"))
    link = LinkSpec("l", "tcp", host="127.0.0.1", tcp_port=1)
    tags = (TagSpec("t", "x", "float64", PERIOD_NS),)
    device = DeviceSpec("d", link, "mtconnect", tags, align=True)
    made = Scanning(replace(config(1), links=(link,), devices=(device,)), {})
    made.start(5)
    assert made.stop()
    assert happened == [5, "run"]


def test_meter_when_shown_then_by_the_number_that_its_line_knows() -> None:
    one = config(1, "127.0.0.1")
    tags = (TagSpec("t", "02010100", "uint16", PERIOD_NS),)
    meters = tuple(
        DeviceSpec(name, one.links[0], "dlt645", tags, own=own)
        for name, own in (("m1", (("meter", "012345678901"),)), ("any", ()))
    )
    with scanning(Scanning(replace(one, devices=meters), {})) as made:
        shown = {found["name"]: found.get("called") for found in made.devices()}
    assert shown == {"m1": "012345678901", "any": ""}
