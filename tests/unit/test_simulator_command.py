"""`jiahe-sim` as a program: says when it is ready, obeys, refuses what is unsafe, ends cleanly."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from drivers.dlt645.simulator import Frame, build, parse
from drivers.modbus.simulator.faults import NAMES
from drivers.modbus.simulator.frames import Rtu
from drivers.simulate import main
from drivers.simulate_said import SAID
from drivers.simulate_words import COMMANDS, HELP
from tests.kit.authority import Authority

_COMMAND = (sys.executable, "-m", "drivers.simulate")
_REQUEST = bytes.fromhex("000100000006010300000002")


@contextmanager
def simulating(project: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """The program, and its ready line as JSON."""
    with subprocess.Popen(
        [*_COMMAND, *arguments, "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=project,
    ) as program:
        try:
            assert program.stdout is not None
            yield program, json.loads(program.stdout.readline())
        finally:
            program.kill()


def say(program: subprocess.Popen[str], line: str) -> str:
    assert program.stdin is not None and program.stdout is not None
    program.stdin.write(line + "\n")
    program.stdin.flush()
    return program.stdout.readline().strip()


def ask(address: str) -> bytes:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as sock:
        sock.sendall(_REQUEST)
        return sock.recv(64)


def test_program_on_tcp_answers_obeys_and_writes_its_book(project: Path, tmp_path: Path) -> None:
    book = tmp_path / "book"
    arguments = ("acrel-dtsd1352", "--tcp", "127.0.0.1:0", "--counter", "holding:0")
    with simulating(project, *arguments, "--book", str(book)) as (program, ready):
        (address,) = ready["tcp"]
        assert ready["counters"] == {"holding": 0}
        assert ask(address).hex() == "00010000000701030400000001"
        assert say(program, "exception 1 6") == "ok"
        assert ask(address).hex() == "000100000003018306"
        assert say(program, "fly 1").startswith("error: ")
        assert say(program, "counters") == "unit-1=1"
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=10) == 0
    assert book.read_text(encoding="ascii").startswith("unit-1 1 ")


def test_program_with_several_ports_has_a_device_on_each(project: Path) -> None:
    arguments = ("universal-robots", "--tcp", "127.0.0.1:0", "--tcp", "127.0.0.1:0")
    with simulating(project, *arguments) as (_, ready):
        assert ready["devices"] == ["1/unit-1", "2/unit-1"]
        assert all(ask(address)[7:9] == b"\x03\x04" for address in ready["tcp"])


def test_program_on_a_terminal_leaves_no_link_when_its_input_ends(
    project: Path, tmp_path: Path
) -> None:
    path = tmp_path / "com1"
    arguments = ("eastron-sdm630", "--pty", str(path), "--units", "1-4", "--dead", "4")
    with simulating(project, *arguments) as (program, ready):
        assert ready["units"] == [1, 2, 3, 4]
        assert path.is_symlink()
        assert program.stdin is not None
        program.stdin.close()
        assert program.wait(timeout=10) == 0
    assert not path.is_symlink()


def _heard(fd: int, asked: bytes, within_s: float = 5.0) -> bytes:
    os.write(fd, asked)
    heard = b""
    while select.select([fd], [], [], within_s if not heard else 0.3)[0]:
        heard += os.read(fd, 256)
    return heard


def test_line_when_meters_are_beside_controllers_then_each_protocol_is_answered(
    project: Path, tmp_path: Path
) -> None:
    path, meter = tmp_path / "com1", "012345678901"
    modbus = Rtu().build(2, 0, bytes.fromhex("0300000001"))
    dlt645 = build(Frame(meter, 0x11, bytes.fromhex("02010100")[::-1]))
    arguments = ("chint-dtsu666", "--pty", str(path), "--units", "1-2", "--meters", meter)
    with simulating(project, *arguments) as (program, ready):
        assert (ready["units"], ready["meters"]) == ([1, 2], [meter])
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(fd)
        said, _ = parse(_heard(fd, dlt645))
        assert said is not None and (said.meter, said.control) == (meter, 0x91)
        assert Rtu().check(_heard(fd, modbus)) is not None
        assert say(program, f"mute {meter}") == "ok"
        assert _heard(fd, dlt645, 0.5) == b""
        assert Rtu().check(_heard(fd, modbus)) is not None
        assert [say(program, line) for line in ("mute *", "clear 2")] == ["ok", "ok"]
        assert _heard(fd, dlt645, 0.5) == b""
        assert Rtu().check(_heard(fd, modbus)) is not None
        assert say(program, "clear *") == "ok"
        assert parse(_heard(fd, dlt645))[0] is not None
        assert say(program, "stats").endswith(f"{meter}=2")
        os.close(fd)


def test_port_when_wired_to_a_master_then_answered_from_the_number_given_and_booked_at_once(
    project: Path, tmp_path: Path
) -> None:
    """In pieces, as an adapter hands a frame over; `book` is a pipe, which somebody reads along."""
    book = tmp_path / "book"
    os.mkfifo(book)
    read = os.open(book, os.O_RDONLY | os.O_NONBLOCK)
    request = Rtu().build(1, 0, bytes.fromhex("0300000002"))
    ours, theirs = os.openpty()
    arguments = ("acrel-dtsd1352", "--port", os.ttyname(theirs), "--counter", "holding:0")
    more = ("--counter-from", "70001", "--baud", "115200", "--book", str(book))
    with simulating(project, *arguments, *more) as (program, ready):
        assert ready["port"] == os.ttyname(theirs)
        tty.setraw(theirs)
        os.write(ours, request[:3])
        heard = Rtu().check(_heard(ours, request[3:]))
        assert heard is not None and int.from_bytes(heard.pdu[2:], "big") == 70_001
        assert select.select([read], [], [], 5)[0]
        assert os.read(read, 256).startswith(b"unit-1 70001 ")
        os.close(theirs)
        os.close(ours)
        assert say(program, "counters") == "unit-1=70001"  # the adapter was pulled: it goes on
    os.close(read)


def test_meters_when_a_killed_program_left_its_link_then_it_is_taken_over(
    project: Path, tmp_path: Path
) -> None:
    path = tmp_path / "com1"
    path.symlink_to("/nowhere")
    arguments = ("dlt645-3p", "--pty", str(path), "--meters", "012345678901")
    with simulating(project, *arguments) as (_, ready):
        assert ready["meters"] == ["012345678901"]
        assert path.exists()


def test_program_told_to_end_while_an_answer_is_on_the_wire_ends(
    project: Path, tmp_path: Path
) -> None:
    path = tmp_path / "com1"
    arguments = ("eastron-sdm630", "--pty", str(path), "--baud", "1200", "--answer-ms", "0")
    with simulating(project, *arguments) as (program, _):
        assert [say(program, line) for line in ("close", "open")] == ["ok", "ok"]
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        os.write(fd, Rtu().build(1, 0, bytes.fromhex("0400000028")))  # 85 characters: 0.7 s
        os.read(fd, 1)  # the answer has begun
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=20) == 0
        os.close(fd)
    assert not path.is_symlink()


def test_command_that_the_system_refuses_is_answered_with_the_reason(
    project: Path, tmp_path: Path
) -> None:
    path = tmp_path / "com1"
    with simulating(project, "eastron-sdm630", "--pty", str(path)) as (program, _):
        assert say(program, "close") == "ok"
        path.mkdir()
        assert say(program, "open").startswith("error: ")
        path.rmdir()
        assert say(program, "open") == "ok"
        assert path.is_symlink()


@pytest.mark.parametrize("slip", ["unmute 1", "mutes 1", "mute", "slow 1 2 3"])
def test_command_that_there_is_not_is_answered_with_those_there_are(
    project: Path, slip: str
) -> None:
    with simulating(project, "delta-ms300", "--tcp", "127.0.0.1:0") as (program, _):
        answer = say(program, slip)
        assert answer.startswith("error: ") and slip in answer
        assert all(words in answer for words in ("clear 2", "mute 2", "help", *NAMES))
        assert [say(program, line) for line in ("mute 1", "clear 1")] == ["ok", "ok"]


@pytest.mark.parametrize("text", COMMANDS)
def test_help_among_the_commands_names_every_fault_and_every_command(text: str) -> None:
    verbs = {"clear", "close", "open", "connections", "stats", "counters", "flush", "quit"}
    assert set(NAMES) | verbs <= set(re.findall(r"[a-z_]+", text))


@pytest.mark.parametrize(
    ("environment", "heads"),
    [
        ({"LANG": "zh_CN.UTF-8"}, ["用法：", "参数:", "选项:"]),
        ({"LANG": "zh_CN.UTF-8", "JIAHE_LANG": "en"}, ["usage: ", "positional ", "options:"]),
        ({"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, ["usage: ", "positional ", "options:"]),
    ],
)
def test_help_of_the_program_is_in_the_language_of_the_environment(
    project: Path, environment: dict[str, str], heads: list[str]
) -> None:
    shown = subprocess.run(
        [*_COMMAND, "--help"], cwd=project, env={"PYTHONUTF8": "1", **environment},
        capture_output=True, encoding="utf-8", check=True,
    ).stdout  # fmt: skip
    assert [head for head in heads if f"\n{head}" in f"\n{shown}"] == heads
    assert ("positional" in shown or "show this" in shown) == (heads[0] == "usage: ")


def test_words_of_the_program_exist_in_both_languages() -> None:
    for zh, en in HELP.values():
        assert re.search(r"[\u4e00-\u9fff]", zh) and not re.search(r"[\u4e00-\u9fff]", en)


def test_what_the_program_says_is_the_same_in_both_languages_and_somebody_says_it(
    project: Path,
) -> None:
    code = "".join(file.read_text("utf-8") for file in (project / "drivers").rglob("*.py"))
    places = re.compile(r"\{[^}]*\}")
    for key, (zh, en) in SAID.items():
        assert sorted(places.findall(zh)) == sorted(places.findall(en)), key
        is_word = bool(re.search(r"[A-Za-z]{2}", places.sub("", en)))
        assert bool(re.search(r"[\u4e00-\u9fff]", zh)) == is_word, key
        assert not re.search(r"[\u4e00-\u9fff]", en)
        assert re.search(rf'[(\s]"{key}"(?!: Words)', code), key


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("perpetuum", "--tcp", "127.0.0.1:0"), "没有模板 'perpetuum'"),
        (("delta-ms300", "--tcp", "127.0.0.1"), "不是 地址:端口"),
        (("delta-ms300", "--tcp", "127.0.0.1:0", "--units", "300"), "0 到 255"),
        (("delta-ms300", "--tcp", "127.0.0.1:0", "--dead", "9"), "没有站号 '9'"),
        (("delta-ms300", "--tcp", "127.0.0.1:0", "--tls", "a", "b", "c"), "--tls a b c：它不存在"),
        (("delta-ms300", "--pty", "/nowhere/com1"), "/nowhere/com1：它不存在，或它的文件夹不存在"),
        (("delta-ms300", "--port", "/nowhere/com1", "--baud", "12"), "串口没有这个波特率"),
        (("delta-ms300", "--tcp", "192.0.2.1:0", "--allow-remote"), "本机没有这个地址"),
        (("/nowhere/map.toml", "--tcp", "127.0.0.1:0"), "/nowhere/map.toml：它不存在"),
        (("delta-ms300", "--tcp", "127.0.0.1:0", "--baud", "x"), "--baud 要一个整数"),
        (("delta-ms300", "--fly"), "不认识 --fly"),
    ],
)
def test_program_in_chinese_says_what_cannot_be_in_chinese(
    arguments: tuple[str, ...], says: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("JIAHE_LANG", "zh")
    with suppress(SystemExit):
        assert main(arguments) == 1
    assert says in capsys.readouterr().err


def test_program_whose_port_is_taken_says_so_with_the_port(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        assert main(("delta-ms300", "--tcp", where)) == 1
    assert f"{where}: another program has it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "ready"),
    [
        (("delta-ms300", "--units", "2-3"), "就绪：台达 MS300 变频器，站号 2,3，在 {path}\n"),
        (("dlt645-3p", "--units", "7"), "就绪：DL/T 645，表号 000000000007，在 {path}\n"),
    ],
)
def test_program_in_chinese_is_ready_and_obeys_in_chinese(
    project: Path, tmp_path: Path, arguments: tuple[str, ...], ready: str
) -> None:
    path = str(tmp_path / "com1")
    with subprocess.Popen(
        [*_COMMAND, *arguments, "--pty", path], cwd=project,
        env={**os.environ, "JIAHE_LANG": "zh", "PYTHONUTF8": "1"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
    ) as program:  # fmt: skip
        assert program.stdin is not None and program.stdout is not None
        said = program.stdout.readline()
        assert said == ready.format(path=path)
        program.stdin.write("dance\n")
        program.stdin.flush()
        assert program.stdout.readline().startswith("错误：")
        program.stdin.close()
    assert program.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("perpetuum", "--tcp", "127.0.0.1:0"), "no profile 'perpetuum'"),
        (("delta-ms300", "--tcp", "0.0.0.0:0"), "--allow-remote"),
        (("delta-ms300", "--tcp", "localhost:0"), "no IP address"),
        (("delta-ms300", "--tcp", "127.0.0.1"), "no ADDRESS:PORT"),
        (("delta-ms300", "--tcp", "127.0.0.1:0", "--units", "3-"), "units '3-'"),
        (("delta-ms300", "--tcp", "127.0.0.1:0", "--units", "300"), "from 0 to 255"),
        (("delta-ms300", "--tcp", "127.0.0.1:0", "--counter", "coil:3"), "registers only"),
        (("delta-ms300", "--tcp", "127.0.0.1:0", "--dead", "9"), "no unit '9'"),
        (("delta-ms300", "--pty", "/nowhere/com1"), "/nowhere/com1"),
        (("delta-ms300", "--pty", "/nowhere/com1", "--meters", "8"), "meter '8': twelve digits"),
        (("delta-ms300", "--port", "/nowhere/com1", "--baud", "12"), "--baud 12: no rate"),
        (("delta-ms300", "--port", "/nowhere/com1"), "/nowhere/com1: there is no such file"),
    ],
)
def test_program_asked_for_what_cannot_be_says_how_to_mend_it(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert says in capsys.readouterr().err


def test_program_without_a_place_to_listen_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as caught:
        main(("delta-ms300",))
    assert caught.value.code == 2


def test_program_with_tls_answers_clients_with_a_certificate_alone(
    project: Path, tmp_path: Path
) -> None:
    plant = Authority(tmp_path, "plant")
    plc, ours = plant.files("plc"), plant.files("gateway", ())
    files = (str(plc.cert), str(plc.key), str(plc.ca))
    arguments = ("acrel-dtsd1352", "--tcp", "127.0.0.1:0", "--tls", *files)
    context = ssl.create_default_context(cafile=plant.ca)
    with simulating(project, *arguments, "--counter", "holding:0") as (_, ready):
        host, _, port = ready["tcp"][0].rpartition(":")
        for shown in (False, True):
            if shown:
                context.load_cert_chain(ours.cert, ours.key)
            with (
                socket.create_connection((host, int(port)), timeout=5) as plain,
                context.wrap_socket(plain, server_hostname=host) as secured,
            ):
                if shown:
                    secured.sendall(_REQUEST)
                    assert secured.recv(64).hex() == "00010000000701030400000001"
                else:
                    gone = r"(?i)certificate.required|EOF|reset|pipe"
                    with pytest.raises(OSError, match=gone):
                        while True:
                            secured.sendall(_REQUEST)
                            secured.recv(64)


def test_program_with_meters_on_a_network_port_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["delta-ms300", "--tcp", "127.0.0.1:0", "--meters", "012345678901"])
    assert ended.value.code == 2


def test_program_with_tls_on_a_terminal_is_refused(tmp_path: Path) -> None:
    files = ("a", "b", "c")
    with pytest.raises(SystemExit) as ended:
        main(["acrel-dtsd1352", "--pty", str(tmp_path / "com1"), "--tls", *files])
    assert ended.value.code == 2
