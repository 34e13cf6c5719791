"""MBAP over UDP on real sockets. Spoilt datagrams: tests/unit/test_engine_stream.py."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.api import LinkSpec
from native.wire.port import Port
from tests.kit.scanner import Scanner
from tests.kit.slave import UdpSlave


@pytest.mark.parametrize("in_flight", [1, 4])
def test_answers_when_from_another_port_of_the_host_then_are_taken(in_flight: int) -> None:
    with UdpSlave(answers_from="127.0.0.1") as slave:
        scanner = Scanner(slave, (0, 100, 200, 300), in_flight=in_flight)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 40)
            slave.answers_from = ""
            scanner.until(lambda: scanner.good() >= 80)
    scanner.check()
    assert set(scanner.qualities()) == {1}


def test_answers_when_from_another_host_then_none_is_taken() -> None:
    with UdpSlave(answers_from="127.0.0.2") as slave:
        scanner = Scanner(slave, (0, 100))
        with scanner.running():
            scanner.until(lambda: len(slave.asked) >= 3)
            assert scanner.good() == 0
            slave.answers_from = ""
            scanner.until(lambda: scanner.good() >= 8)
    scanner.check()


def test_link_when_a_host_floods_that_is_not_its_device_then_reads_all_the_same() -> None:
    """Datagrams to the very port that we ask from."""
    with (
        socket.socket(type=socket.SOCK_DGRAM) as stranger,
        socket.socket(type=socket.SOCK_DGRAM) as device,
    ):
        stranger.bind(("127.0.0.2", 0))
        device.bind(("127.0.0.1", 0))
        own = device.getsockname()[1]
        port = Port(LinkSpec("l", "udp", host="127.0.0.1", tcp_port=own))
        port.open()
        port.write(b"x")
        with socket.socket(fileno=os.dup(port.fileno())) as ours:
            for _ in range(40):
                stranger.sendto(b"y", ("127.0.0.1", ours.getsockname()[1]))
        with pytest.raises(BlockingIOError):
            port.read()
        port.close()


def test_port_when_nobody_listens_there_then_refused_and_said() -> None:
    """The error comes between two requests: epoll tells it, no datagram does."""
    with UdpSlave() as slave:
        scanner = Scanner(slave, (0,))
    with scanner.running():
        scanner.until(lambda: scanner.link.snapshot()["errno"] == errno.ECONNREFUSED)


#: Answers each request 2 ms behind the one before, to a box that reads each answer 3 ms late.
HELD_UP = """
from tests.kit.scanner import Scanner
from tests.kit.slave import UdpSlave, answer

with UdpSlave(lambda asked: [answer(asked), 0.002]) as slave:
    scanner = Scanner(slave, (0, 100, 200, 300), in_flight=4)
    with scanner.running():
        scanner.until(lambda: scanner.good() >= 80)
scanner.check()
"""


def test_answer_when_the_loop_is_held_up_before_its_read_is_not_dated_before_its_request(
    tmp_path: Path, project: Path
) -> None:
    shim = tmp_path / "slow_recv.so"
    source = project / "tests" / "kit" / "slow_recv.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", shim, source], check=True)
    done = subprocess.run(
        [sys.executable, "-c", HELD_UP], cwd=project, env={**os.environ, "LD_PRELOAD": str(shim)},
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
