"""A connection to an agent, in the test's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from drivers.api import TagSpec
from drivers.host.source import GroupAsked, LinkAsked
from drivers.mtconnect.collect import AgentSource
from drivers.mtconnect.simulator import Agent
from drivers.mtconnect.tags import STALE_S

PERIOD_NS = 50_000_000
TAGS = (
    TagSpec("line", "line", "int32", PERIOD_NS, report="change"),
    TagSpec("every", "line", "int32", PERIOD_NS),
    TagSpec("alarm", "system", "string", PERIOD_NS, length=60, report="change"),
)


async def until(ready: Callable[[], object], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not ready():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await asyncio.get_running_loop().create_future()


class Reading:
    """A source that follows the agent; `pushed`: tag number, source time, quality, text."""

    def __init__(self, agent: Agent) -> None:
        group = GroupAsked(3, "lathe", PERIOD_NS, TAGS)
        asked = LinkAsked("cell", "127.0.0.1", agent.port, 10**9, "tcp", (group,))
        self.now_s = 0.0
        self.source = AgentSource(asked, lambda: self.now_s)
        self.pushed: list[tuple[int, int, bytes]] = []

    def cause(self) -> Any:
        said = self.source.devices()["lathe"].cause
        return said["id"] if said else None

    def take(self) -> int:
        for group, lost, events in self.source.pushed.take():
            assert (group, lost) == (3, 0)
            assert all(event.source_ns > 10**18 for event in events)
            self.pushed += [(e.tag, e.quality, e.data.rstrip(b"\0")) for e in events]
        return len(self.pushed)

    @contextlib.asynccontextmanager
    async def following(self) -> Any:
        task = asyncio.create_task(self.source.follow())
        try:
            await until(lambda: self.source.up)
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def test_changes_when_faster_than_the_ticks_then_each_is_pushed_once_where_it_is_wanted() -> None:
    async def story(agent: Agent) -> None:
        reading = Reading(agent)
        async with reading.following():
            for value in range(1, 6):
                agent.put("line", str(value))
            agent.condition("sys", "Fault", "1010", "STOP")
            agent.condition("sys", "Fault", "1010", "STOP")  # the same again is no news
            agent.condition("sys", "Normal", "1010")
            agent.put("line", "UNAVAILABLE")
            await until(lambda: reading.take() >= 8)
        numbers = [data for tag, quality, data in reading.pushed if tag == 0 and quality == 1]
        assert [int.from_bytes(data, "big") for data in numbers] == [1, 2, 3, 4, 5]
        assert [one for one in reading.pushed if one[0] == 2] == [
            (2, 1, b"FAULT 1010 STOP"), (2, 1, b"NORMAL"),
        ]  # fmt: skip
        assert [quality for tag, quality, _ in reading.pushed if tag == 0][-1] == 139
        assert not [one for one in reading.pushed if one[0] == 1], "reported at ticks only"

    with Agent(moves=False) as agent:
        asyncio.run(story(agent))


def test_changes_when_they_came_while_the_connection_was_cut_then_each_is_pushed_all_the_same() -> (
    None
):
    async def story(agent: Agent) -> None:
        reading = Reading(agent)
        async with reading.following():
            agent.put("line", "1")
            await until(lambda: reading.take() >= 1)
        for value in (2, 3, 4):
            agent.put("line", str(value))
        async with reading.following():
            status, data = await reading.source.scan(reading.source._asked.groups[0])
            assert (status[1], data[4:8]) == (1, b"\0\0\0\4"), "the newest stands as soon as any"
            await until(lambda: reading.take() >= 4)
        assert [int.from_bytes(data, "big") for _, _, data in reading.pushed] == [1, 2, 3, 4]
        assert reading.source.follower.lost_max == 0

    with Agent(moves=False) as agent:
        asyncio.run(story(agent))


def test_machine_when_nothing_is_said_of_it_for_two_hours_then_one_word_until_something_is() -> (
    None
):
    async def story(agent: Agent) -> None:
        reading = Reading(agent)
        async with reading.following():
            assert reading.cause() is None
            reading.now_s = STALE_S - 1
            assert reading.cause() is None
            reading.now_s = STALE_S
            assert reading.cause() == "mtconnect.stale"
        async with reading.following():  # connected to anew: it has still said nothing
            assert reading.cause() == "mtconnect.stale"
            agent.put("line", "9")
            await until(lambda: reading.cause() is None)

    with Agent(moves=False) as agent:
        asyncio.run(story(agent))
