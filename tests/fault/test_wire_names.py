"""A host's name with several addresses: every one is tried, the next when one is refused or after
250 ms, and the one that works first the next time.

The slave listens on 127.0.0.1 only. Its port on 127.0.0.2 refuses; on 127.0.0.3 it is a black hole:
a listener whose queue is full, where the kernel drops what else wants to connect.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from drivers.api import LinkSpec
from drivers.modbus.simulator import now_ns
from native.wire.port import Port
from tests.kit.authority import Authority
from tests.kit.scanner import Scanner
from tests.kit.slave import TcpSlave, UdpSlave
from tests.kit.tls_slave import TlsSlave

HERE, REFUSES, BLACK_HOLE = "127.0.0.1", "127.0.0.2", "127.0.0.3"
#: Multicast: no stream goes there, and the kernel says so at once.
NO_NETWORK = "224.0.0.1"
SIX = "::1"  # nobody listens there, or there is no IPv6: an error either way


class Names:
    """A name server: what the next look-up finds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)

    def _look_up(self, host: str, port: int, **more: Any) -> list[Any]:
        if more.get("flags", 0) & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "a name")
        return [
            (socket.AF_INET6, more["type"], 0, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, more["type"], 0, "", (address, port))
            for address in self.addresses
        ]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@contextmanager
def black_hole(port: int) -> Iterator[None]:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((BLACK_HOLE, port))
        listener.listen(0)
        for _ in range(4):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex((BLACK_HOLE, port))
        yield


def scan(names: Names, addresses: list[str], slave: TcpSlave | UdpSlave, **more: Any) -> Scanner:
    """Scanned by name until rows are good."""
    names.addresses = addresses
    scanner = Scanner(slave, host="plc.test", **more)
    assert scanner.link.resolve()
    with scanner.running():
        scanner.until(lambda: scanner.good() >= 10)
    scanner.check()
    return scanner


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(
    "addresses",
    [
        [REFUSES, HERE],
        [SIX, HERE],
        [SIX, NO_NETWORK, REFUSES, HERE],
        [HERE, REFUSES],
        [BLACK_HOLE, HERE],
        [BLACK_HOLE, SIX, REFUSES, HERE],
    ],
)
def test_name_when_some_of_its_addresses_lead_nowhere_then_another_is_taken(
    names: Names, addresses: list[str]
) -> None:
    open_before = open_files()
    with TcpSlave() as slave, black_hole(slave.port):
        scanner = scan(names, addresses, slave)
        assert scanner.book["reconnects"] == 0
        assert slave.connections == 1
        del scanner
    assert open_files() <= open_before + 2  # the short reader's pipes


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_name_when_secured_then_the_handshake_is_with_the_address_that_connects(
    names: Names, tmp_path: Path, newest: ssl.TLSVersion
) -> None:
    plant = Authority(tmp_path, "plant")
    files = plant.files("plc", [x509.DNSName("plc.test")])
    with TlsSlave(files, newest=newest) as slave, black_hole(slave.port):
        scan(names, [REFUSES, BLACK_HOLE, HERE], slave, tls=plant.files("gateway", ()))


def test_name_when_udp_and_the_first_address_refuses_then_the_next_is_asked(names: Names) -> None:
    with UdpSlave() as slave:
        scanner = scan(names, [REFUSES, HERE], slave)
        assert {asked.unit for asked in slave.asked} == {1}
    assert scanner.qualities()[1] >= 10


def opened(port: Port) -> str:
    """The address that a connection of `port` is made to."""
    poll = select.poll()
    waits_for = port.open()
    while waits_for:
        poll.register(port.fileno(), select.POLLOUT if waits_for == 1 else select.POLLIN)
        assert poll.poll(5000)
        poll.unregister(port.fileno())
        waits_for = port.finish()
    with socket.socket(fileno=os.dup(port.fileno())) as ours:
        return str(ours.getpeername()[0])


def test_name_when_connected_again_then_the_address_that_worked_comes_first(names: Names) -> None:
    with TcpSlave() as slave, black_hole(slave.port):
        names.addresses = [BLACK_HOLE, REFUSES, HERE]
        port = Port(LinkSpec("l", "tcp", host="plc.test", tcp_port=slave.port))
        assert port.resolve("plc.test", slave.port)
        assert opened(port) == HERE
        port.close()
        for order in ([BLACK_HOLE, REFUSES, HERE], [REFUSES, HERE, BLACK_HOLE], [NO_NETWORK, HERE]):
            names.addresses = order
            assert port.resolve("plc.test", slave.port)
            begun_ns = now_ns()
            assert opened(port) == HERE
            assert now_ns() - begun_ns < 200_000_000  # 250 ms: nobody else was waited for
            port.close()


def test_name_when_every_address_fails_then_it_is_said_what_tells_most(names: Names) -> None:
    with socket.socket() as held:
        held.bind((REFUSES, 0))  # and nobody listens
        number = held.getsockname()[1]
        port = Port(LinkSpec("l", "tcp", host="plc.test", tcp_port=number))
        for order in ([NO_NETWORK, REFUSES], [REFUSES, NO_NETWORK], [SIX, NO_NETWORK, REFUSES]):
            names.addresses = order
            assert port.resolve("plc.test", number)
            with pytest.raises(OSError, match=r".*") as failed:
                opened(port)
            assert failed.value.errno == errno.ECONNREFUSED
            assert port.fileno() == -1


def test_name_when_there_is_no_time_for_all_then_the_next_attempt_begins_with_the_rest(
    names: Names,
) -> None:
    with TcpSlave() as slave, black_hole(slave.port):
        names.addresses = [BLACK_HOLE, HERE]
        port = Port(LinkSpec("l", "tcp", host="plc.test", tcp_port=slave.port))
        assert port.resolve("plc.test", slave.port)
        port.open()
        port.close()  # given up before the second had its time
        begun_ns = now_ns()
        assert opened(port) == HERE
        assert now_ns() - begun_ns < 200_000_000
        port.close()


def test_name_when_it_has_more_addresses_than_are_tried_then_eight_of_both_families(
    names: Names,
) -> None:
    with TcpSlave() as slave:
        names.addresses = [SIX, *(f"::{n}" for n in range(2, 12)), HERE]
        port = Port(LinkSpec("l", "tcp", host="plc.test", tcp_port=slave.port))
        assert port.resolve("plc.test", slave.port)
        assert opened(port) == HERE  # the families take turns
        port.close()
