"""The simulated adapter, read by the driver and spoken to by hand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.api import TagSpec
from drivers.host.source import GroupAsked, LinkAsked, Source
from drivers.host.values import size_of
from drivers.mtconnect.check import check
from drivers.mtconnect.collect import open_source
from drivers.mtconnect.served import FaultError
from drivers.mtconnect.simulated_adapter import Adapter
from gateway.config import load
from tests.unit.test_mtconnect_collect import until
from tests.unit.test_mtconnect_reports import scanned

PERIOD_NS = 50_000_000
TAGS = (
    TagSpec("x", "Xabs", "float64", PERIOD_NS),
    TagSpec("message", "message", "string", PERIOD_NS, length=16),
    TagSpec("alarm", "system", "bool", PERIOD_NS),
    TagSpec("text", "system", "string", PERIOD_NS, length=64),
)
GROUP = GroupAsked(1, "lathe", PERIOD_NS, TAGS)
CONFIG = """version = 1
[gateway]
id = "box"
[platform]
address = "127.0.0.1:1"
insecure = true
[links.cell]
type = "tcp"
address = "127.0.0.1:{port}"
[devices.lathe]
link = "cell"
driver = "mtconnect"
framing = "shdr"
profile = "mtconnect-cnc"
every = "50 ms"
"""


def row(source: Source, group: GroupAsked = GROUP) -> dict[str, tuple[int, bytes]]:
    status, data = scanned(source, group)
    found, at = {}, 0
    for tag, quality in zip(group.tags, status, strict=True):
        found[tag.name] = quality, data[at : at + size_of(tag)].rstrip(b"\0")
        at += size_of(tag)
    return found


def test_adapter_when_it_is_commanded_then_the_driver_reads_what_it_says() -> None:
    async def story(adapter: Adapter) -> None:
        asked = LinkAsked("cell", "127.0.0.1", adapter.port, 10**9, "shdr", (GROUP,))
        source = open_source(asked)
        task = asyncio.create_task(source.follow())

        await until(lambda: row(source)["alarm"] == (1, b""))
        for line, name, quality, value in (
            ("set message a|b", "message", 1, b"a|b"),
            ("fault system 1010 EMERGENCY STOP", "text", 1, b"FAULT 1010 EMERGENCY STOP"),
            ("fault system 17 door", "text", 1, b"FAULT 1010 EMERGENCY STOP; FAULT 17 door"),
            ("normal system 1010", "text", 1, b"FAULT 17 door"),
            ("normal system", "text", 1, b"NORMAL"),
            ("unavailable", "message", 139, b""),
        ):
            assert adapter.command(line) == "ok"
            wanted = quality, value
            await until(lambda name=name, wanted=wanted: row(source)[name] == wanted)
        adapter.command("drop")
        await asyncio.wait([task], timeout=5)
        assert task.done() and not source.up

    with Adapter(moves=False) as adapter:
        asyncio.run(story(adapter))


def test_adapter_when_a_condition_is_not_available_then_whoever_connects_later_is_told_so() -> None:
    def told(adapter: Adapter) -> str:
        peer = socket.create_connection((adapter.host, adapter.port), 5)
        with peer, peer.makefile("r", encoding="utf-8") as lines:
            return next(line for line in lines if "|system|" in line).split("|", 2)[2].strip()

    with Adapter(moves=False) as adapter:
        adapter.command("fault system 17 door")
        assert told(adapter) == "FAULT|17|||door"
        adapter.command("unavailable")
        assert told(adapter) == "UNAVAILABLE||||"
        adapter.command("fault system 18 oil")
        assert told(adapter) == "FAULT|18|||oil"
        adapter.command("normal system")
        assert told(adapter) == "NORMAL||||"


def test_adapter_when_a_client_does_not_read_then_he_is_cut_and_nobody_waits_for_him() -> None:
    with Adapter(moves=False) as adapter:
        idle = socket.socket()
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        idle.connect((adapter.host, adapter.port))
        reading = socket.create_connection((adapter.host, adapter.port), 5)
        with idle, reading, reading.makefile("rb") as lines:
            stand = {b"logic", b"system"}  # conditions come last, in any order
            while stand:
                stand.discard(next(lines).split(b"|")[1])
            for number in range(20_000):
                adapter.command(f"set message {number} {'x' * 1000}")
                assert b"|message|" in next(lines)
            idle.settimeout(5)
            with contextlib.suppress(ConnectionResetError):
                while idle.recv(1 << 16):
                    pass


def test_adapter_when_it_is_mute_then_it_is_given_up() -> None:
    async def story(adapter: Adapter) -> None:
        asked = LinkAsked("cell", "127.0.0.1", adapter.port, 10**9, "shdr", (GROUP,))
        source = open_source(asked)
        task = asyncio.create_task(source.follow())
        await until(lambda: source.up)
        adapter.command("mute")
        await asyncio.wait([task], timeout=8)
        assert isinstance(task.exception(), TimeoutError)

    with Adapter(moves=False, beat_ms=600) as adapter:
        asyncio.run(story(adapter))


def test_profile_when_read_from_the_adapter_then_every_tag_is_good(tmp_path: Path) -> None:
    async def story(adapter: Adapter) -> None:
        file = tmp_path / "gateway.toml"
        file.write_text(CONFIG.format(port=adapter.port), encoding="utf-8")
        config = load(file).config
        assert config is not None
        (device,) = config.devices
        assert check(device) == []
        group = GroupAsked(1, device.name, PERIOD_NS, device.tags)
        source = open_source(LinkAsked("cell", "127.0.0.1", adapter.port, 10**9, "shdr", (group,)))
        task = asyncio.create_task(source.follow())
        await until(lambda: source.counters.answers >= 40)
        found = row(source, group)
        # There is no alarm: it has no code.
        assert {name for name, (quality, _) in found.items() if quality != 1} <= {"alarm_code"}
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with Adapter() as adapter:
        asyncio.run(story(adapter))


@pytest.mark.parametrize("line", ["", "set", "set nothing 1", "fault Xabs 1", "normal system 1 2"])
def test_command_when_there_is_none_such_then_said(line: str) -> None:
    with Adapter(moves=False) as adapter, pytest.raises(FaultError):
        adapter.command(line)


def test_jiahe_sim_when_its_framing_is_shdr_then_an_adapter_that_answers_pings(
    project: Path,
) -> None:
    command = [sys.executable, "-m", "drivers.simulate", "mtconnect-cnc", "--framing", "shdr"]
    with subprocess.Popen(
        [*command, "--json", "--tcp", "127.0.0.1:0"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=project,
    ) as program:  # fmt: skip
        try:
            assert program.stdin is not None and program.stdout is not None
            (where,) = json.loads(program.stdout.readline())["tcp"]
            peer = socket.create_connection(("127.0.0.1", int(where.rpartition(":")[2])), 5)
            with peer, peer.makefile("rw", encoding="utf-8") as lines:
                assert "|avail|AVAILABLE" in lines.readline()
                lines.write("* PING\r\n")
                lines.flush()
                assert "* PONG 10000\n" in iter(lines.readline, "")
                program.stdin.write("help\nset Xabs 7\n")
                program.stdin.flush()
                assert any("|Xabs|7" in line for line in lines)
            program.send_signal(signal.SIGTERM)
            assert program.wait(5) == 0
        finally:
            program.kill()


def test_jiahe_sim_when_shdr_is_asked_of_another_profile_then_usage(project: Path) -> None:
    command = [sys.executable, "-m", "drivers.simulate", "chint-dtsu666", "--framing", "shdr"]
    done = subprocess.run(
        [*command, "--tcp", "127.0.0.1:0"], cwd=project, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "mtconnect-cnc" in done.stderr
