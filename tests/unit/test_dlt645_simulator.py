"""The simulated meters, asked by native.dlt645.codec, which shares no code with them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import serial

from drivers.dlt645.identifiers import block_of, value_of
from drivers.dlt645.simulator import Faults, Frame, Line, Meter, Served, build
from native.dlt645.codec import Codec, MeterRefusedError

A, B = "123456789012", "000000000007"


def ask(line: Line, meter: str, identifier: str) -> tuple[str, bytes]:
    """The result of one whole exchange, of several frames where the meter says so."""
    codec = Codec()
    request = codec.ask(meter, identifier)
    for _ in range(20):
        said = line.hear(request)
        if not said:
            return "silence", b""
        result, data = codec.feed(said[0][1])
        if result != "partial":
            return result, data
        request = codec.more()
    raise AssertionError("it never ends")


def number(data: bytes, identifier: str) -> float:
    value = value_of(identifier)
    assert value is not None
    sign = -1 if value.signed and data[-1] & 0x80 else 1
    digits = bytes([*data[:-1], data[-1] & (0x7F if value.signed else 0xFF)])[::-1].hex()
    return float(sign * int(digits) * value.scale)


def test_meters_when_on_one_line_then_each_answers_to_its_own_address() -> None:
    line = Line([Meter(A, seed="a"), Meter(B, seed="b")])
    got = {meter: ask(line, meter, "02010100") for meter in (A, B)}
    assert all(result == "answer" for result, _ in got.values())
    assert all(200 < number(data, "02010100") < 240 for _, data in got.values())
    assert ask(line, "000000000008", "02010100") == ("silence", b"")


@pytest.mark.parametrize("identifier", ["0201FF00", "0001FF00", "020A01FF", "040005FF", "B61F"])
def test_block_when_asked_then_its_items_in_order(identifier: str) -> None:
    block = block_of(identifier)
    assert block is not None
    items = block.items[: 5 if block.open else len(block.items)]
    whole = ask(Line([Meter(A)]), A, identifier)[1]
    singly = b"".join(ask(Line([Meter(A)]), A, item)[1] for item in items)
    assert whole == singly


def test_address_when_asked_then_told() -> None:
    codec = Codec()
    said = Line([Meter(A)]).hear(codec.ask_address())
    assert codec.feed(said[0][1]) == ("answer", bytes.fromhex(A)[::-1])


def test_address_when_two_meters_tell_it_then_they_collide() -> None:
    codec = Codec()
    said = Line([Meter(A), Meter(B)]).hear(codec.ask_address())
    assert codec.feed(said[0][1])[0] in ("damaged", "more")


def test_answer_when_longer_than_a_frame_then_it_comes_in_several() -> None:
    small = Line([Meter(A, faults=Faults(piece=7))])
    assert ask(small, A, "020A01FF") == ask(Line([Meter(A)]), A, "020A01FF")


def test_data_when_the_meter_has_none_then_it_says_so() -> None:
    line = Line([Meter(A, faults=Faults(refuses=frozenset({"02800003"})))])
    with pytest.raises(MeterRefusedError) as refused:
        ask(line, A, "02800003")
    assert refused.value.code == 2


@pytest.mark.parametrize("control", [0x08, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1B, 0x1C])
def test_frame_when_it_would_set_something_then_no_answer(control: int) -> None:
    assert Line([Meter(A)]).hear(build(Frame(A, control, bytes(12)))) == []


def test_line_when_on_a_port_then_it_serves_connections() -> None:
    served = Served([Meter(A, faults=Faults(answer_ms=1))])
    served.start()
    try:
        codec = Codec()
        with socket.create_connection((served.host, served.port), 5) as connection:
            connection.sendall(codec.ask(A, "02010100"))
            result, data = "more", b""
            while result == "more":
                result, data = codec.feed(connection.recv(64))
        assert result == "answer" and 200 < number(data, "02010100") < 240
    finally:
        served.stop()


def test_line_when_on_a_pseudo_terminal_then_it_serves_it(tmp_path: Path) -> None:
    served = Served([Meter(A, faults=Faults(answer_ms=1))], path=tmp_path / "meter")
    served.start()
    try:
        codec = Codec()
        with serial.Serial(str(tmp_path / "meter"), timeout=5) as port:
            port.write(codec.ask(A, "02010100"))
            result = "more"
            while result == "more":
                result, _ = codec.feed(port.read(1))
        assert result == "answer"
    finally:
        served.stop()
    assert not (tmp_path / "meter").exists()


def test_command_when_a_meter_is_muted_then_it_says_nothing_until_cleared() -> None:
    with Served([Meter(A), Meter(B)]) as served:
        line = Line(served._meters)
        assert served.command(f"mute {A}") == "ok"
        assert ask(line, A, "02010100")[0] == "silence"
        assert ask(line, B, "02010100")[0] == "answer"
        assert served.command("clear *") == "ok"
        assert ask(line, A, "02010100")[0] == "answer"
        assert served.command("stats") == f"{A}=1 {B}=1"
        assert served.command("mute 7").startswith("error: ")


def test_program_when_given_a_meter_profile_then_meters_answer() -> None:
    command = [sys.executable, "-m", "drivers.simulate", "dlt645-3p", "--tcp", "127.0.0.1:0"]
    with subprocess.Popen(
        [*command, "--units", "7", "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        assert program.stdin and program.stdout
        ready = json.loads(program.stdout.readline())
        host, _, port = ready["where"].rpartition(":")
        codec = Codec()
        with socket.create_connection((host, int(port)), 5) as connection:
            connection.sendall(codec.ask(B, "02010100"))
            result = "more"
            while result == "more":
                result, _ = codec.feed(connection.recv(64))
        program.stdin.close()
        assert (result, program.wait(10)) == ("answer", 0)
