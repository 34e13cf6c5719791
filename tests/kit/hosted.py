"""Sources for the tests of the host: each is bad in a way of its own. Run in the host's process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Mapping

from drivers.host import frames
from drivers.host.source import Counters, DeviceSaid, GroupAsked, LinkAsked, Pushed, Source


async def _rest(seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().create_future()


class Counting:
    """Counts its scans; always there."""

    def __init__(self, asked: LinkAsked) -> None:
        self.asked, self.counters, self.up, self.count = asked, Counters(), False, 0
        self.pushed = Pushed()

    async def follow(self) -> None:
        self.up = True
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.up = False

    async def scan(self, group: GroupAsked) -> tuple[bytes, bytes]:
        self.count += 1
        return b"\1", self.count.to_bytes(4, "big")

    def devices(self) -> Mapping[str, DeviceSaid]:
        return {}


class Hanging(Counting):
    async def scan(self, group: GroupAsked) -> tuple[bytes, bytes]:
        if self.count > 10:
            threading.Event().wait(600)
        return await super().scan(group)


class Slow(Counting):
    async def scan(self, group: GroupAsked) -> tuple[bytes, bytes]:
        await _rest(0.17)
        return await super().scan(group)


class Flooding(Counting):
    """Says far too much of itself."""

    def devices(self) -> Mapping[str, DeviceSaid]:
        words = {"id": "device.about", "args": {"device": "x" * 200_000, "said": "y"}}
        return {group.device: DeviceSaid(None, [words] * 5) for group in self.asked.groups}


class Buggy(Counting):
    async def follow(self) -> None:
        if self.asked.name == "bug":
            await _rest(0.05)
            self.count //= 0
        await super().follow()


_ROW = frames.Row(0, 3, 1, 0, b"\1", bytes(4), frames.Next(4))
#: By the name of the link: what no host says.
LIES = {
    "unknown": frames.pack(99),
    "nobody": frames.pack_row(_ROW._replace(group=77)),
    "future": frames.pack_row(_ROW._replace(mid_ns=1 << 61)),
    "coming": frames.pack_events(0, 0, [frames.Event(0, 1 << 61, 0, 1, bytes(4))]),
    "cut": frames.pack(frames.ROW, b"\0" * 9),
    "huge": b"\xff\xff\xff\xff\4",
    "no_json": frames.pack(frames.STATE, b"{"),
    "no_link": frames.pack_json(frames.STATE, {}),
    "no_cause": frames.pack_json(frames.STATE, {"no_cause": {"up": True, "cause": 7}}),
    "counted": frames.pack_json(
        frames.STATE,
        {"counted": {"up": True, "cause": None, "counters": {"answers": "x"}, "devices": {}}},
    ),
    "learned": frames.pack_json(
        frames.STATE,
        {"learned": {"up": True, "cause": None, "counters": {},
                     "devices": {"d": {"cause": None, "learned": [5]}}}},
    ),
    "lost": frames.pack_events(0, 1 << 62, []),
}  # fmt: skip


class Lying(Counting):
    """Says something that no host says, once it has said some rows."""

    async def scan(self, group: GroupAsked) -> tuple[bytes, bytes]:
        if self.count == 3:
            os.write(int(sys.argv[1]), LIES[self.asked.name])
        return await super().scan(group)


def lying(asked: LinkAsked) -> Source:
    return Lying(asked)


def counting(asked: LinkAsked) -> Source:
    return Counting(asked)


def hanging(asked: LinkAsked) -> Source:
    return Hanging(asked)


def slow(asked: LinkAsked) -> Source:
    return Slow(asked)


def flooding(asked: LinkAsked) -> Source:
    return Flooding(asked)


def buggy(asked: LinkAsked) -> Source:
    return Buggy(asked)


class Dying(Counting):
    async def scan(self, group: GroupAsked) -> tuple[bytes, bytes]:
        if self.count > 10:
            os._exit(4)
        return await super().scan(group)


def dying(asked: LinkAsked) -> Source:
    return Dying(asked)


def crashing(asked: LinkAsked) -> Source:
    os._exit(3)
