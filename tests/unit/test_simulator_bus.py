"""The paced bus: it keeps a wire's time, loses what collides, and hangs up when it is pulled."""

from __future__ import annotations

import os
import select
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.modbus.simulator import now_ns
from drivers.modbus.simulator.frames import Ascii, Rtu
from tests.kit.wire import SerialWire, crossed_pair, serial_bus

_WAIT_S = 5.0
_REQUEST = Rtu().build(1, 0, bytes.fromhex("0300000002"))  # 8 bytes; the answer has 9


@contextmanager
def opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(fd)
        yield fd
    finally:
        os.close(fd)


def receive(fd: int, size: int) -> bytes:
    """That many bytes; fewer when nothing comes for long."""
    data = b""
    while len(data) < size and select.select([fd], [], [], _WAIT_S)[0]:
        data += os.read(fd, size - len(data))
    return data


def ask(fd: int, request: bytes = _REQUEST, size: int = 9) -> bytes:
    os.write(fd, request)
    return receive(fd, size)


def settled(wire: SerialWire) -> None:
    """The bus's thread has done everything that came before."""
    wire.simulator.command("open")


def test_answer_on_a_bus_takes_no_less_than_the_wire_would(tmp_path: Path) -> None:
    with (
        serial_bus(tmp_path / "com", baud=9600, answer_ms=2) as wire,
        opened(wire.path) as fd,
    ):
        start = now_ns()
        assert len(ask(fd)) == 9
        passed = (now_ns() - start) / 1e9
        char = 10 / 9600
        assert passed >= (8 + 9 + 3.5) * char + 0.002 - 1e-6


def test_answer_in_the_book_was_asked_when_its_last_character_passed(tmp_path: Path) -> None:
    book = tmp_path / "book"
    with serial_bus(tmp_path / "com", baud=9600, book=book) as wire, opened(wire.path) as fd:
        start = now_ns()
        ask(fd)
        end = now_ns()
        settled(wire)
        wire.simulator.command("flush")
        device, counter, asked, answered = book.read_text(encoding="ascii").split()
    assert (device, counter) == ("unit-1", "1")
    assert start + 8 * wire.bus.char_ns <= int(asked)
    assert int(asked) + 9 * wire.bus.char_ns <= int(answered) <= end + 10**9


def test_request_inside_the_silence_is_counted(tmp_path: Path) -> None:
    with serial_bus(tmp_path / "com", baud=1200) as wire, opened(wire.path) as fd:
        ask(fd)
        ask(fd)  # at once: 3.5 characters at 1200 baud are 29 ms
        assert wire.bus.early == 1


def test_dead_unit_is_silent_and_its_neighbour_answers(tmp_path: Path) -> None:
    with serial_bus(tmp_path / "com", units=2) as wire, opened(wire.path) as fd:
        wire.simulator.command("mute 1")
        os.write(fd, _REQUEST)
        settled(wire)
        other = Rtu().build(2, 0, bytes.fromhex("0300000002"))
        assert ask(fd, _REQUEST[:0], 0) == b""
        while not (answer := _answer_of(fd, other)):
            pass  # it fell together with the request to the dead unit: damaged, asked again
        assert answer[0] == 2


def _answer_of(fd: int, request: bytes) -> bytes:
    os.write(fd, request)
    ready, _, _ = select.select([fd], [], [], 0.2)
    return receive(fd, 9) if ready else b""


def test_damaged_request_is_ignored_and_counted(tmp_path: Path) -> None:
    with serial_bus(tmp_path / "com") as wire, opened(wire.path) as fd:
        os.write(fd, _REQUEST[:-1] + b"\0")
        while not (answer := _answer_of(fd, _REQUEST)):
            pass
        assert len(answer) == 9
        assert wire.bus.ignored >= 1


@pytest.mark.parametrize(
    ("fault", "size", "check"),
    [
        ("truncate 1 4", 4, lambda answer: answer == bytes.fromhex("01030400")),
        ("echo 1", 17, lambda answer: answer[:8] == _REQUEST and answer[8:10] == b"\1\3"),
        ("garbage 1 3", 15, lambda answer: Rtu().check(answer[3:12]) is not None),
        ("noise 1 1", 9, lambda answer: Rtu().check(answer) is None),
        ("wrong 1 unit", 9, lambda answer: answer[0] == 2),
        ("exception 1 6", 5, lambda answer: answer[:3] == b"\1\x83\6"),
    ],
)
def test_answer_on_a_bus_with_a_fault_is_damaged_as_it_says(
    fault: str, size: int, check: object, tmp_path: Path
) -> None:
    assert callable(check)
    with serial_bus(tmp_path / "com") as wire, opened(wire.path) as fd:
        wire.simulator.command(fault)
        answer = ask(fd, size=size)
        assert check(answer), answer.hex(" ")


def test_talking_into_an_answer_loses_it(tmp_path: Path) -> None:
    book = tmp_path / "book"
    with (
        serial_bus(tmp_path / "com", baud=9600, answer_ms=0, book=book) as wire,
        opened(wire.path) as fd,
    ):
        os.write(fd, Rtu().build(1, 0, bytes.fromhex("030000007D")))  # 255 bytes: 266 ms
        receive(fd, 5)
        os.write(fd, b"\0")
        receive(fd, 250)
        settled(wire)
        wire.simulator.command("flush")
        assert wire.bus.collisions == 1
        assert book.read_text(encoding="ascii").split()[4:] == ["spoilt"]


def test_bus_that_is_pulled_hangs_up_and_comes_back(tmp_path: Path) -> None:
    with serial_bus(tmp_path / "com") as wire:
        with opened(wire.path) as fd:
            assert len(ask(fd)) == 9
            wire.simulator.command("close")
            assert not wire.path.exists()
            with pytest.raises(OSError, match=r"\[Errno 5\]"):
                os.write(fd, _REQUEST)
        wire.simulator.command("open")
        with opened(wire.path) as fd:
            assert len(ask(fd)) == 9


def test_ascii_on_a_bus_is_answered_in_ascii(tmp_path: Path) -> None:
    with serial_bus(tmp_path / "com", framing="ascii") as wire, opened(wire.path) as fd:
        request = Ascii().build(1, 0, bytes.fromhex("0300000002"))
        answer = ask(fd, request, 19)
        asked = Ascii().check(answer)
        assert asked is not None and asked.pdu == bytes.fromhex("030400000001")


def test_crossed_pair_carries_bytes_both_ways() -> None:
    with crossed_pair(baud=115200) as pair, opened(pair.left) as a, opened(pair.right) as b:
        os.write(a, b"ping")
        assert receive(b, 4) == b"ping"
        os.write(b, b"pong!")
        assert receive(a, 5) == b"pong!"
