"""Adapters: their lines, and a connection to one that speaks from memory."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import socket
import struct
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import DeviceSpec, LinkSpec, TagSpec
from drivers.host.source import GroupAsked, LinkAsked, SourceError
from drivers.mtconnect import DRIVER
from drivers.mtconnect import adapter as adapter_module
from drivers.mtconnect.adapter import AdapterSource
from drivers.mtconnect.check import check
from drivers.mtconnect.collect import open_source
from drivers.mtconnect.shdr import LineError, parse, pong_ms
from tests.unit.test_mtconnect_collect import until

#: linux/asm-generic/socket.h
SO_ATTACH_FILTER = 26
PERIOD_NS = 50_000_000
AT = "2009-06-15T00:00:00.000000"
AT_NS = 1_245_024_000_000_000_000
#: Lines as the agent's documentation and part 5 of the standard show them, and what they say: item
#: (of a condition its level), code, value.
LINES: Sequence[tuple[str, list[str]]] = [
    (f"{AT}|power|ON", ["power=ON"]),
    (f"{AT}|execution|ACTIVE|mode|AUTOMATIC", ["execution=ACTIVE", "mode=AUTOMATIC"]),
    (f"{AT}Z|Xpos|10.5|Ypos|", ["Xpos=10.5", "Ypos="]),
    (f"{AT}@100.0|line|229", ["line=229"]),
    (f"{AT}|htemp|WARNING|HTEMP|1|HIGH|Oil is hot", ["htemp WARNING HTEMP=Oil is hot"]),
    (f"{AT}|htemp|NORMAL|||| ", ["htemp NORMAL="]),
    (f"{AT}|htemp|UNAVAILABLE||||", ["htemp UNAVAILABLE="]),
    (f"{AT}|message|CHG_INSRT|Change Inserts", ["message CHG_INSRT=Change Inserts"]),
    (f"{AT}|current|10|100|1 2 3 4 5 6 7 8 9 10", ["current=1 2 3 4 5 6 7 8 9 10"]),
    (f"{AT}|m1:mode|AUTOMATIC", ["m1:mode=AUTOMATIC"]),
    (f"{AT}|mode|NORMAL|b|1|c|2", ["mode=NORMAL", "b=1", "c=2"]),
    (f"{AT}|a|UNAVAILABLE|b|1|c|2", ["a=UNAVAILABLE", "b=1", "c=2"]),
    (f"{AT}|program|O1\\|2", ["program=O1|2"]),
    (f"{AT}|power|unavailable", ["power=UNAVAILABLE"]),
    ("|power|OFF", ["power=OFF"]),
    ("1234|power|OFF", ["power=OFF"]),
    (f"{AT}|@ASSET@|id|CuttingTool|<x/>", []),
    ("* uuid: 1234", []),
    ("", []),
]


@pytest.mark.parametrize(("line", "said"), LINES)
def test_line_when_it_comes_then_what_it_says(line: str, said: list[str]) -> None:
    found = parse(line)
    heads = (" ".join(filter(None, (one.item, one.level, one.code))) for one in found)
    assert [f"{head}={one.value}" for head, one in zip(heads, found, strict=True)] == said
    assert {one.time_ns for one in found} <= {AT_NS if line.startswith(AT) else 0}


def test_condition_when_its_key_is_known_then_told_by_its_level_alone() -> None:
    (one,) = parse(f"{AT}|htemp|UNAVAILABLE", {"htemp"})
    assert (one.level, one.is_condition) == ("UNAVAILABLE", True)


@pytest.mark.parametrize("line", ["GET / HTTP/1.0", "HTTP/1.1 400 Bad Request", "ready|a|b", "x"])
def test_line_when_of_something_else_then_refused(line: str) -> None:
    with pytest.raises(LineError):
        parse(line)


@given(st.text(max_size=60))
def test_line_when_of_anything_then_read_or_refused(text: str) -> None:
    with contextlib.suppress(LineError):
        assert all(one.item for one in parse(text) if not one.is_condition)


@pytest.mark.parametrize(
    ("line", "every"), [("* PONG 10000", 10_000), ("* pong 5", 5), ("* PONG", 0)]
)
def test_pong_when_it_comes_then_how_often_it_is_to_be_asked(line: str, every: int) -> None:
    assert pong_ms(line) == every


TAGS = (
    TagSpec("x", "Xpos", "float64", PERIOD_NS, report="change"),
    TagSpec("mode", "m1/mode", "string", PERIOD_NS, length=24),
    TagSpec("alarm", "htemp", "bool", PERIOD_NS),
    TagSpec("code", "htemp@code", "string", PERIOD_NS, length=24),
    TagSpec("never", "Zpos", "float64", PERIOD_NS),
)
GROUP = GroupAsked(3, "lathe", PERIOD_NS, TAGS)


class Adapter:
    """Says lines to whoever is connected, the first of them at once."""

    def __init__(self, *first: str) -> None:
        self.first, self.port = first, 0
        self.heard = b""
        self._writers: list[asyncio.StreamWriter] = []

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[AdapterSource]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        asked = LinkAsked("cell", "127.0.0.1", self.port, 10**9, "shdr", (GROUP,))
        source = open_source(asked)
        assert isinstance(source, AdapterSource)
        try:
            yield source
        finally:
            for writer in self._writers:
                writer.close()
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self.say(*self.first)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(100):
                self.heard += data

    def deafen(self) -> None:
        """Drop all that comes, below TCP (SO_ATTACH_FILTER): as if its power were gone."""
        nothing = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # return 0 bytes
        program = struct.pack("HP", 1, ctypes.addressof(nothing))
        for writer in self._writers:
            peer = writer.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)

    def say(self, *lines: str) -> None:
        for writer in self._writers:
            writer.write("".join(f"{line}\r\n" for line in lines).encode())


async def values(source: AdapterSource) -> list[tuple[int, bytes]]:
    status, data = await source.scan(GROUP)
    found, at = [], 0
    for quality, size in zip(status, (8, 24, 1, 24, 8), strict=True):
        found.append((quality, data[at : at + size].rstrip(b"\0")))
        at += size
    return found


def test_adapter_when_it_speaks_then_its_values_stand_and_changes_are_pushed() -> None:
    async def story() -> None:
        first = (f"{AT}|Xpos|1|other|7", f"{AT}|m1:mode|AUTO", f"{AT}|htemp|FAULT|17|||hot")
        adapter = Adapter(*first)
        async with adapter.serving() as source:
            task = asyncio.create_task(source.follow())
            await until(lambda: source.counters.answers >= 3)
            none = (139, b"")
            assert (await values(source))[1:] == [(1, b"AUTO"), (1, b"\1"), (1, b"17"), none]
            adapter.say(
                f"{AT}|@ASSET@|1|Tool|--multiline--0FED", f"{AT}|Xpos|99", "--multiline--0FED",
                f"{AT}|Xpos|2", f"{AT}|htemp|NORMAL||||", f"{AT}|m1:mode|UNAVAILABLE",
            )  # fmt: skip
            await until(lambda: source.counters.answers >= 6)
            found = await values(source)
            assert found[1:3] == [none, (1, b"")]
            ((group, lost, events),) = source.pushed.take()
            assert (group, lost, [event.source_ns for event in events]) == (3, 0, [AT_NS] * 2)
            await until(lambda: adapter.heard.startswith(b"* PING\r\n"))
            assert source.devices()["lathe"].cause is None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert not source.up
            assert {quality for quality, _ in await values(source)} == {139}, "gone with it"

    asyncio.run(story())


def test_adapter_when_it_answered_a_ping_and_falls_silent_then_given_up() -> None:
    async def story() -> None:
        adapter = Adapter(f"{AT}|Xpos|1", "* PONG 100")
        async with adapter.serving() as source:
            with pytest.raises(TimeoutError):
                await source.follow()
            assert source.counters.timeouts == 1 and not source.up

    asyncio.run(story())


@pytest.mark.parametrize("rest", [1, 40_000])
def test_asset_when_its_end_never_comes_then_the_connection_is_given_up(
    rest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its time, or by its size: what comes behind its end can't be told from it."""
    monkeypatch.setattr(adapter_module, "ASSET_S", 0.3 if rest == 1 else 60.0)

    async def story() -> None:
        begun = f"{AT}|@ASSET@|1|Tool|--multiline--0FED"
        adapter = Adapter(f"{AT}|Xpos|1", begun, *[f"{AT}|Xpos|2|and some more to fill it"] * rest)
        async with adapter.serving() as source:
            with pytest.raises(SourceError) as raised:
                await source.follow()
            assert raised.value.message == "mtconnect.endless"
            assert {quality for quality, _ in await values(source)} == {139}
            assert source.counters.damaged == 1

    asyncio.run(story())


def test_adapter_when_it_is_gone_without_a_word_then_given_up_though_it_never_answered_a_ping() -> (
    None
):
    """Its side of the connection is deaf from then on: no acknowledgement, no reset."""

    async def story() -> None:
        adapter = Adapter(f"{AT}|Xpos|1")
        async with adapter.serving() as source:
            task = asyncio.create_task(source.follow())
            await until(lambda: source.counters.answers >= 1)
            adapter.deafen()
            await asyncio.wait([task], timeout=9)
            assert task.done() and isinstance(task.exception(), OSError)
            assert {quality for quality, _ in await values(source)} == {139}

    asyncio.run(story())


@pytest.mark.parametrize("said", [("HTTP/1.1 400", "Server: x", "Date: y"), ("x" * 70_000,)])
def test_port_when_something_else_speaks_there_then_said(said: tuple[str, ...]) -> None:
    async def story() -> None:
        adapter = Adapter(*said)
        async with adapter.serving() as source:
            with pytest.raises(SourceError) as raised:
                await source.follow()
            assert raised.value.message == "mtconnect.not_an_adapter"

    asyncio.run(story())


def test_device_when_its_framing_is_shdr_then_accepted_and_no_other_new_one() -> None:
    link = LinkSpec("cell", "tcp", host="127.0.0.1", tcp_port=7878)
    assert check(DeviceSpec("m", link, DRIVER.name, TAGS, framing="shdr")) == []
    (problem,) = check(DeviceSpec("m", link, DRIVER.name, TAGS, framing="ascii"))
    assert problem.message == "mtconnect.framing"
