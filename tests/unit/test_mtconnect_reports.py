"""What other clients of MTConnect failed at (section 8 of the field reports), where no other test
holds it: documents that follow no schema, agents that refuse in ways of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import pytest

from drivers.api import TagSpec
from drivers.host.source import GroupAsked, LinkAsked, Source, SourceError
from drivers.mtconnect.collect import AgentSource
from drivers.mtconnect.documents import parse
from drivers.mtconnect.simulator import Agent
from tests.unit.test_mtconnect_collect import until

PERIOD_NS = 50_000_000
TAGS = (TagSpec("line", "line", "int32", PERIOD_NS),)
GROUP = GroupAsked(3, "lathe", PERIOD_NS, TAGS)


@pytest.mark.parametrize("spelling", ["PartID", "PartId", "PART_ID", "x:PartIdentifier"])
@pytest.mark.parametrize("space", ["", 'xmlns="urn:mtconnect.org:MTConnectStreams:9.9"'])
def test_document_when_it_follows_no_schema_then_what_it_says_is_taken_as_it_stands(
    spelling: str, space: str
) -> None:
    """Row 8.9: another spelling, unknown values, attributes that lack or that no schema has, and a
    schema nowhere to be found, which nobody looks for.
    """
    document = parse(
        f'<MTConnectStreams {space} xmlns:x="urn:any" xmlns:xsi="urn:xsi" '
        'xsi:schemaLocation="urn:nowhere http://127.0.0.1:1/none.xsd"><Header instanceId="0"/>'
        "<Streams><DeviceStream><ComponentStream><Events>"
        f'<{spelling} dataItemId="part" sequence="7">A-17</{spelling}>'
        '<ControllerMode dataItemId="mode">PROGRAM_OPTIONAL_STOP</ControllerMode>'
        '<Execution dataItemId="e" sequence="-4" timestamp="" strange="1">??</Execution>'
        "<Nothing/></Events></ComponentStream></DeviceStream></Streams></MTConnectStreams>".encode()
    )
    found = {one.item: (one.value, one.sequence, one.time_ns) for one in document.observations}
    assert found == {
        "part": ("A-17", 7, 0), "mode": ("PROGRAM_OPTIONAL_STOP", 0, 0), "e": ("??", 0, 0),
    }  # fmt: skip


@contextlib.asynccontextmanager
async def answering(pages: Mapping[str, tuple[int, bytes]]) -> AsyncIterator[AgentSource]:
    """An agent by hand: status and document by the beginning of the path that is asked for."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                assert b"Accept: application/xml" in head
                path = head.split()[1].decode()
                status, body = next(said for begin, said in pages.items() if path.startswith(begin))
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode())
                writer.write(body)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield AgentSource(LinkAsked("cell", "127.0.0.1", port, 10**9, "tcp", (GROUP,)))
    finally:
        server.close()


@pytest.mark.parametrize("status", [200, 400, 404, 500])
def test_agent_when_it_refuses_everything_then_its_own_words_are_said(status: int) -> None:
    """Row 8.8: an error document is one whatever stands above it."""

    async def story(agent: Agent) -> None:
        pages = {"/": (status, agent.error("NO_DEVICE", "there is no machine"))}
        async with answering(pages) as source:
            with pytest.raises(SourceError) as raised:
                await source.follow()
        said = raised.value.said()
        assert said["id"] == "mtconnect.refused"
        assert (said["args"]["code"], said["args"]["text"]) == ("NO_DEVICE", "there is no machine")

    with Agent(moves=False) as agent:
        asyncio.run(story(agent))


@pytest.mark.parametrize("status", [200, 400, 404])
def test_agent_when_it_does_not_know_interval_then_asked_again_and_again(status: int) -> None:
    """Versions 1.1 and 1.2: the refusal is no end of the connection."""

    async def story(agent: Agent) -> None:
        pages = {
            "/probe": (200, agent.probe()),
            "/current": (200, agent.current()),
            f"/sample?from={agent.next_sequence}&interval": (
                status, agent.error("INVALID_REQUEST", "interval"),
            ),
            "/sample": (200, agent.sample(agent.next_sequence, 1)[0]),
        }  # fmt: skip
        async with answering(pages) as source:
            task = asyncio.create_task(source.follow())
            await until(lambda: source.up and source.counters.requests > 6)
            assert [each["id"] for each in source.devices()["lathe"].learned] == [
                "mtconnect.polled"
            ]
            assert (await source.scan(GROUP))[0] == b"\1"
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    with Agent(moves=False) as agent:
        asyncio.run(story(agent))


def scanned(source: Source, group: GroupAsked = GROUP) -> tuple[bytes, bytes]:
    """Now: a scan waits for nothing."""
    try:
        source.scan(group).send(None)  # type: ignore[attr-defined]  # it is a coroutine
    except StopIteration as done:
        found: tuple[bytes, bytes] = done.value
        return found
    raise AssertionError("a scan that waits")


def test_machine_when_it_comes_and_goes_behind_its_agent_then_each_time_no_value_and_back() -> None:
    """Row 8.7: an adapter slower than its own heartbeat. The connection stays."""

    async def story(agent: Agent) -> None:
        asked = LinkAsked("cell", "127.0.0.1", agent.port, 10**9, "tcp", (GROUP,))
        source = AgentSource(asked)
        task = asyncio.create_task(source.follow())
        await until(lambda: source.up)

        for turn in range(10):
            agent.put("line", "UNAVAILABLE")
            await until(lambda: scanned(source)[0] == b"\x8b")
            agent.put("line", str(turn))
            await until(lambda: scanned(source)[0] == b"\1")
        assert source.counters.reconnects == 0 and source.up
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with Agent(moves=False) as agent:
        asyncio.run(story(agent))
