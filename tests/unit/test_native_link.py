"""What links and loops refuse, and what they leave behind."""

from __future__ import annotations

from dataclasses import replace
from threading import Thread

import pytest

from drivers.api import DeviceSpec, LinkSpec
from drivers.modbus.station import station_of
from native.engine.link import Link
from native.engine.loop import Loop
from native.rows.group import Group
from native.wire.port import Port
from tests.kit.scanner import Scanner, pairs
from tests.kit.slave import TcpSlave

TCP = LinkSpec("l", "tcp", host="127.0.0.1", tcp_port=1)


def link(spec: LinkSpec = TCP) -> Link:
    plan = pairs((0,))
    return Link(spec, [(station_of(DeviceSpec("d1", spec, "modbus", plan.tags)), [Group(1, plan)])])


def test_link_when_its_devices_differ_in_protocol_or_have_no_groups_or_address_is_refused() -> None:
    plan = pairs((0,))
    one = station_of(DeviceSpec("a", TCP, "modbus", plan.tags, framing="tcp"))
    other = station_of(DeviceSpec("b", TCP, "modbus", plan.tags, framing="rtu"))
    with pytest.raises(ValueError, match="shares a link with no other"):
        Link(TCP, [(one, [Group(1, plan)]), (other, [Group(2, plan)])])
    with pytest.raises(ValueError, match="link l: its devices need groups"):
        Link(TCP, [(one, [])])
    for address in (b"", b"\1\2", b"\1" * 17, 7):
        with pytest.raises(ValueError, match="link l: no address"):
            Link(TCP, [(replace(one, address=address), [Group(3, plan)])])


def test_loop_when_without_links_is_refused() -> None:
    with pytest.raises(ValueError, match="links with groups"):
        Loop([])


def test_loop_when_run_twice_is_refused() -> None:
    loop = Loop([link()])
    loop.stop()
    loop.run()
    with pytest.raises(RuntimeError, match="runs once"):
        loop.run()


def test_loop_when_stopped_before_and_while_it_runs_ends_with_its_ports_closed() -> None:
    """Descriptors and threads are counted after each test."""
    with TcpSlave() as slave:
        scanner = Scanner(slave)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 2)
        assert scanner.book["state"] == "down"
        scanner.check()
    early = Loop([link()])
    thread = Thread(target=early.run)
    early.stop()
    thread.start()
    thread.join()


def test_host_when_no_name_server_knows_it_leaves_the_link_down_and_says_so() -> None:
    nowhere = link(LinkSpec("l", "tcp", host="no-such-host.invalid"))
    assert nowhere.resolve() is False
    assert nowhere.snapshot()["state"] == "down"


@pytest.mark.parametrize("path", ["", "x" * 5000])
def test_port_when_its_path_can_t_be_one_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="no path of a serial port"):
        Port(LinkSpec("l", "serial", port=path))


def test_port_when_it_is_not_there_says_which_error() -> None:
    port = Port(LinkSpec("l", "serial", port="/nowhere/com1"))
    with pytest.raises(FileNotFoundError):
        port.open()
    port.close()
    assert port.fileno() == -1 and port.counters() is None
