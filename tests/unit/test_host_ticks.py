"""The ticks of a host and its accounts in virtual time: the host's own code, with a clock that is a
number and a daemon that hears it late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from drivers.api import DeviceSpec, LinkSpec, TagSpec
from drivers.host import child, frames
from drivers.host.accounts import TickAccount
from drivers.host.child import Host
from drivers.host.frames import Frames, Row
from drivers.host.source import GroupAsked, LinkAsked, asked_as_json
from drivers.host.values import lay_out
from drivers.quality import BAD_LINK_DOWN
from native.rows.group import Group
from tests.kit.virtual_time import passed, run

SECOND = 1_000_000_000
START = 100 * SECOND
#: UTC before the boot clock.
AHEAD = 1_790_000_000 * SECOND
TAGS = (TagSpec("x", "X", "int32", SECOND),)


class Daemon:
    """Reads what one host after another writes, `late_ns` after it was written."""

    def __init__(self) -> None:
        device = DeviceSpec("d", LinkSpec("l", "tcp", host="127.0.0.1", tcp_port=1), "kit", TAGS)
        (plan,) = lay_out(device)
        self.group = Group(0, plan)
        self.accounts = TickAccount(self.group, SECOND, TAGS, align=True)
        self.accounts.begin(START + 1)
        self.late_ns, self.rows = 0, list[tuple[int, Row]]()
        self.transport, self._frames = self, Frames()  # as a StreamWriter has one

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        for kind, payload in self._frames.feed(data):
            if kind == frames.ROW:
                at_ns, row = now_ns(), frames.unpack_row(payload)
                self.rows.append((at_ns, row))
                loop = asyncio.get_running_loop()
                loop.call_later(self.late_ns / 1e9, self.accounts.row, row)

    async def host(self, act: Callable[[Callable[[int], None]], Awaitable[None]]) -> None:
        """One host's life: as long as `act` takes, which is given what tells UTC to both."""
        reader = asyncio.StreamReader()
        writer: Any = self

        def tell_host(ahead_ns: int) -> None:
            self.accounts.schedule.know_utc(ahead_ns)
            reader.feed_data(frames.pack_json(frames.UTC, ahead_ns))

        group = GroupAsked(0, "d", SECOND, TAGS)
        asked = asked_as_json([LinkAsked("l", "127.0.0.1", 1, SECOND, "", (group,))])
        config = {"source": "tests.kit.hosted:counting", "links": asked}
        reader.feed_data(frames.pack_json(frames.CONFIG, config))
        self.accounts.settle(now_ns(), 0, BAD_LINK_DOWN)
        reader.feed_data(frames.pack_json(frames.GO, {"0": self.accounts.told()}))
        life = asyncio.create_task(Host(reader, writer).run())
        try:
            await act(tell_host)
        finally:
            reader.feed_eof()
            (ended,) = await asyncio.gather(life, return_exceptions=True)
            assert isinstance(ended, ConnectionError), "the daemon hung up"


def now_ns() -> int:
    return START + round(asyncio.get_running_loop().time() * 1e9)


async def until(ns: int) -> None:
    """Since the first tick."""
    await passed(START + ns - now_ns())


def off_grid_ns(at_ns: int, ahead_ns: int) -> int:
    return abs((at_ns + ahead_ns + SECOND // 2) % SECOND - SECOND // 2)


def lived(
    monkeypatch: pytest.MonkeyPatch,
    daemon: Daemon,
    *acts: Callable[[Callable[[int], None]], Awaitable[None]],
) -> dict[str, int]:
    """The gaps, once these hosts have lived one after another; every tick is accounted."""

    async def all_of_them() -> None:
        for act in acts:
            await daemon.host(act)
        await passed(SECOND)
        daemon.accounts.settle(now_ns(), 0, BAD_LINK_DOWN)

    monkeypatch.setattr(child, "now_ns", now_ns)
    run(all_of_them())
    shown = daemon.group.snapshot()
    assert (daemon.accounts.unfit, daemon.accounts.late) == (0, 0)
    assert (
        shown["ticks"]
        == shown["rows"] + sum(shown["skipped"].values())
        == daemon.accounts.next_tick
    )
    skipped: dict[str, int] = shown["skipped"]
    return skipped


def test_ticks_when_utc_moves_twice_before_the_books_hear_of_the_first_then_they_do_not_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The host goes 0.4 of a period the short way, and again. Who heard of both at once would go
    0.2 the other way.
    """
    daemon = Daemon()

    async def act(tell: Callable[[int], None]) -> None:
        tell(AHEAD + 800_000_000)
        await until(5_500_000_000)
        daemon.late_ns = 200_000_000
        tell(AHEAD + 400_000_000)
        await until(6_300_000_000)  # the host has scanned, and chosen its next tick
        tell(AHEAD)
        await until(9_100_000_000)
        daemon.late_ns = 0
        await until(20_100_000_000)

    lived(monkeypatch, daemon, act)
    assert off_grid_ns(daemon.rows[-1][0], AHEAD) < 1_000_000
    assert daemon.group.snapshot()["late_us"]["max"] < 1000


def test_ticks_when_a_host_follows_one_that_died_then_it_goes_on_where_that_one_waited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    daemon = Daemon()

    async def first(tell: Callable[[int], None]) -> None:
        tell(AHEAD + 300_000_000)
        await until(5_500_000_000)
        tell(AHEAD - 100_000_000)
        await until(6_500_000_000)

    async def second(tell: Callable[[int], None]) -> None:
        tell(AHEAD - 100_000_000)
        await until(15_000_000_000)

    lived(monkeypatch, daemon, first, second)
    ticks = [(row.tick, at_ns - START) for at_ns, row in daemon.rows]
    assert [tick for tick, _ in ticks] == [0, 1, 2, 3, 4, 5, 6, *range(8, 16)]
    assert ticks[7][1] == pytest.approx(7_100_000_000, abs=1_000_000)
    assert daemon.group.snapshot()["rows"] == len(ticks) + 1, "the end has one bad row"
