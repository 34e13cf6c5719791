"""The simulated DTU: dials, registers, is a pipe to its bus, and dials again."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.modbus.simulator import PseudoTerminal, Simulator
from drivers.simulate import main
from tests.kit.wire import SMALL
from tests.unit.test_simulator_command import say, simulating

#: Two registers of unit 1, holding:0, where the counter lies.
ASK = bytes.fromhex("010300000002c40b")
ANSWER = bytes.fromhex("010304000000013bf3")


@contextmanager
def gateway() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        yield listener


def taken(listener: socket.socket) -> socket.socket:
    sock, _ = listener.accept()
    sock.settimeout(10)
    return sock


def received(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            break
        data += more
    return data


@contextmanager
def dtu(path: Path, port: int, *, every_s: float = 30.0) -> Iterator[Simulator]:
    simulator = Simulator()
    bus = simulator.add_bus([simulator.unit(1, SMALL)], PseudoTerminal(path), baud=115_200)
    simulator.add_dtu(bus, "127.0.0.1", port, register=b"JX007", heartbeat=b"\xfe", every_s=every_s)
    with simulator:
        yield simulator


def test_dtu_when_it_dials_in_registers_and_carries_what_its_bus_says(tmp_path: Path) -> None:
    with (
        gateway() as listener,
        dtu(tmp_path / "bus", listener.getsockname()[1]),
        taken(listener) as sock,
    ):
        assert received(sock, 5) == b"JX007"
        sock.sendall(ASK)
        assert received(sock, 9) == ANSWER


def test_dtu_when_idle_sends_its_heartbeat(tmp_path: Path) -> None:
    with (
        gateway() as listener,
        dtu(tmp_path / "bus", listener.getsockname()[1], every_s=0.02),
        taken(listener) as sock,
    ):
        assert received(sock, 8) == b"JX007\xfe\xfe\xfe"


def test_dtu_when_its_connection_is_gone_dials_again(tmp_path: Path) -> None:
    with gateway() as listener, dtu(tmp_path / "bus", listener.getsockname()[1]) as simulator:
        with taken(listener) as sock:
            assert received(sock, 5) == b"JX007"
        with taken(listener) as sock:  # we hung up
            assert received(sock, 5) == b"JX007"
            simulator.command("drop")
            assert received(sock, 1) == b""
        with taken(listener) as sock:
            assert received(sock, 5) == b"JX007"
            simulator.command("close")
            assert received(sock, 1) == b""
            simulator.command("open")
        with taken(listener) as sock:
            assert received(sock, 5) == b"JX007"
            sock.sendall(ASK)
            assert received(sock, 2) == b"\x01\x03"


def test_dtu_when_nobody_listens_yet_dials_until_somebody_does(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        with dtu(tmp_path / "bus", listener.getsockname()[1]):
            listener.settimeout(10)
            listener.listen()
            with taken(listener) as sock:
                assert received(sock, 5) == b"JX007"


def test_program_when_it_dials_says_so_and_leaves_nothing_behind(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with gateway() as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        arguments = ("acrel-dtsd1352", "--dial", address, "--baud", "115200")
        packets = ("--register", "hex:4a58303037", "--heartbeat", "hex:fe")
        with simulating(project, *arguments, *packets, "--counter", "holding:0") as (
            program,
            ready,
        ):
            assert ready["dial"] == address and len(list(tmp_path.iterdir())) == 1
            with taken(listener) as sock:
                assert received(sock, 5) == b"JX007"
                sock.sendall(ASK)
                assert received(sock, 9) == ANSWER
            assert say(program, "counters") == "unit-1=1"
            program.send_signal(signal.SIGTERM)
            assert program.wait(timeout=10) == 0
    assert not list(tmp_path.iterdir())


def test_program_when_its_packet_makes_no_sense_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["acrel-dtsd1352", "--dial", "127.0.0.1:6000", "--register", "JX007"]) == 1
    assert "'JX007' is no packet; for example text:JX007 or hex:fe" in capsys.readouterr().err
