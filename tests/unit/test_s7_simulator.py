"""The simulated CPU on its port, and `jiahe-sim` with a map of it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drivers.s7.address import parse
from drivers.s7.simulator import FaultError, SimTag, Simulator, load_map
from drivers.s7.simulator.plc import NAMES
from drivers.s7.simulator.values import encode
from drivers.s7.stretch import Stretch
from drivers.simulate_words import S7_COMMANDS
from native.s7.codec import S7RefusedError
from tests.kit.s7_client import Client, HungUpError

SPEED = SimTag("speed", parse("DB12.DBD4"), "float32")
ITEM = Stretch("DB", 12, 4, 8)
MAP = """
[profile]
title = "Press PLC"
driver = "s7"
[tags]
speed = { address = "DB12.DBD4", type = "float32" }
name = { address = "DB12.DBB10", type = "string", length = 8 }
state = { address = "cpu_state", type = "uint8" }
"""


def test_value_when_read_then_it_moves_with_each_request() -> None:
    with Simulator([SPEED]) as sim, Client(sim.port) as client:
        for counter in range(1, 70):
            assert client.read(ITEM) == [(0xFF, encode(SPEED, counter))]
        assert sim.command("stats") == "requests=69 connections=1"


@pytest.mark.parametrize("faults", [["fragment 9"], ["split 5"], ["bare"], ["fill"]])
def test_answer_when_in_an_odd_form_then_the_same_values(faults: list[str]) -> None:
    with Simulator([SPEED]) as sim:
        for fault in faults:
            sim.command(fault)
        with Client(sim.port) as client:
            odd = Stretch("DB", 12, 4, 7)
            assert client.read(odd) == [(0xFF, encode(SPEED, 1)[:3])]
            assert client.read(ITEM, odd)[1] == (0xFF, encode(SPEED, 2)[:3])


def test_read_when_the_cpu_refuses_then_each_refusal_in_its_place() -> None:
    with Simulator([SPEED]) as sim, Client(sim.port) as client:
        sim.command("optimised 12")
        assert client.read(ITEM) == [(0x05, b"")]
        sim.command("clear")
        sim.command("missing 12")
        assert client.read(ITEM) == [(0x0A, b"")]
        sim.command("refuse 8104")
        with pytest.raises(S7RefusedError, match="8104"):
            client.read(ITEM)


def test_negotiation_when_it_lies_then_longer_requests_are_refused() -> None:
    with Simulator([SPEED]) as sim:
        sim.plc.grow("DB", 12, 900)
        sim.command("grant 480")
        sim.command("real 240")
        with Client(sim.port) as client:
            assert client.pdu == 480
            assert client.read(Stretch("DB", 12, 0, 222))[0][0] == 0xFF
            with pytest.raises(S7RefusedError, match="8500"):
                client.read(Stretch("DB", 12, 0, 223))


def test_answer_when_slow_or_dropped_then_so() -> None:
    with Simulator([SPEED]) as sim, Client(sim.port) as client:
        sim.command("slow 60")
        began = time.monotonic()
        client.read(ITEM)
        assert time.monotonic() - began >= 0.06
        sim.command("clear")
        sim.plc.faults.set("drop")
        with pytest.raises(HungUpError):
            client.read(ITEM)


def test_connection_when_the_tsap_is_wrong_or_all_slots_are_taken_then_hung_up_on() -> None:
    with Simulator([SPEED]) as sim:
        sim.command("tsap 0302")
        with pytest.raises((HungUpError, ConnectionError)):
            Client(sim.port)
        with Client(sim.port, called=0x0302) as client:
            sim.command("connections 1")
            with pytest.raises((HungUpError, ConnectionError)):
                Client(sim.port, called=0x0302)
            assert client.read(ITEM)[0][0] == 0xFF


def test_port_when_closed_and_opened_then_clients_come_back() -> None:
    with Simulator([SPEED]) as sim:
        with Client(sim.port) as client:
            sim.command("close")
            with pytest.raises((HungUpError, ConnectionError)):
                client.read(ITEM)
        with pytest.raises(ConnectionRefusedError):
            Client(sim.port)
        sim.command("open")
        with Client(sim.port) as client:
            assert client.read(ITEM) == [(0xFF, encode(SPEED, 1))]


def test_write_when_asked_for_then_denied_and_nothing_changes() -> None:
    """A client of others that writes learns that this CPU's memory is protected."""
    with Simulator([SPEED]) as sim, Client(sim.port) as client:
        client.read(ITEM)
        before = bytes(sim.plc.memory["DB", 12])
        client.socket.sendall(
            bytes.fromhex("0300002702F080" "32010000FFFF000E0008" "0501")
            + ITEM.encode() + bytes.fromhex("0004002000000000")
        )  # fmt: skip
        assert client.socket.recv(64)[-1:] == b"\x03"
        assert bytes(sim.plc.memory["DB", 12]) == before


def test_command_when_it_means_nothing_then_said_what_there_is() -> None:
    sim = Simulator([SPEED])
    with sim:
        for line in ("", "grant", "grant x", "mute maybe", "fly", "connections -1"):
            with pytest.raises(FaultError):
                sim.command(line)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tags", "not TOML"), ("tags = 1", "no table"), ("[tags]\na = 1", "no address"),
        ("[tags]\na = { address = 'what', type = 'int16' }", "no address: what"),
        ("[tags]\na = { address = 'MW0', type = 'int17' }", "one of"),
        ("[tags]\na = { address = 'MW0', type = 'string' }", "1 to 254"),
    ],
)  # fmt: skip
def test_map_when_it_is_none_then_said_where(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        load_map(path)


def test_help_when_asked_then_every_fault_is_in_it_in_both_languages() -> None:
    for text in S7_COMMANDS:
        assert [name for name in NAMES if name not in text] == []


def test_jiahe_sim_when_given_a_map_of_s7_then_a_cpu_that_obeys(
    tmp_path: Path, project: Path
) -> None:
    path = tmp_path / "press.toml"
    path.write_text(MAP)
    command = [sys.executable, "-m", "drivers.simulate", str(path), "--json"]
    with subprocess.Popen(
        [*command, "--tcp", "127.0.0.1:0", "--tcp", "127.0.0.1:0"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=project,
    ) as program:  # fmt: skip
        try:
            assert program.stdin is not None and program.stdout is not None
            ready = json.loads(program.stdout.readline())
            assert ready["title"] == "Press PLC"
            ports = [int(where.rpartition(":")[2]) for where in ready["tcp"]]
            with Client(ports[0]) as one, Client(ports[1]) as two:
                assert one.read(ITEM) == two.read(ITEM) == [(0xFF, encode(SPEED, 1))]
                program.stdin.write("missing 12\nwhat\n")
                program.stdin.flush()
                assert program.stdout.readline() == "ok\n"
                assert "optimised" in program.stdout.readline()
                assert one.read(ITEM) == two.read(ITEM) == [(0x0A, b"")]
            program.send_signal(signal.SIGTERM)
            assert program.wait(5) == 0
        finally:
            program.kill()


def test_jiahe_sim_when_s7_has_no_tcp_address_then_usage(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "press.toml"
    path.write_text(MAP)
    done = subprocess.run(
        [sys.executable, "-m", "drivers.simulate", str(path), "--pty", str(tmp_path / "tty")],
        capture_output=True, text=True, cwd=project,
    )  # fmt: skip
    assert done.returncode == 2 and "--tcp" in done.stderr


def test_server_when_it_gets_nonsense_then_it_hangs_up_and_serves_others() -> None:
    with Simulator([SPEED]) as sim:
        for junk in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x03\0\0\x04",
            bytes(30),
            b"\x03\0\0\x07\x02\xf0\x80",
        ):
            with socket.create_connection(("127.0.0.1", sim.port), timeout=5) as sock:
                sock.sendall(junk)
                try:
                    assert sock.recv(10) == b""
                except ConnectionResetError:
                    continue
        with Client(sim.port) as client:
            assert client.read(ITEM)[0][0] == 0xFF
