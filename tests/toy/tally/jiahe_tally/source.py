"""A link's counters, in the host: one connection, and what was said on it."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.host.connect import connect
from drivers.host.source import Counters, DeviceSaid, GroupAsked, LinkAsked, Pushed, Source
from drivers.host.values import encode, size_of
from drivers.quality import BAD_NO_VALUE


class TallySource:
    def __init__(self, asked: LinkAsked) -> None:
        self._asked = asked
        self._said: dict[str, str] = {}
        self.counters = Counters()
        self.pushed = Pushed()
        self.up = False

    async def follow(self) -> None:
        """From connecting to the end of the connection; the host calls again, ever more rarely."""
        reader, writer = await connect(self._asked, self._asked.timeout_ns / 1e9)
        try:
            while line := await reader.readline():
                self.counters.bytes_in += len(line)
                self.counters.answers += 1
                name, _, value = line.decode("utf-8", "replace").strip().partition(" ")
                self._said[name] = value
                self.up = True
                self._push(name, value)
        finally:
            self.up = False
            self._said.clear()  # what it said is no longer known to hold
            writer.close()

    def _push(self, name: str, value: str) -> None:
        """Of tags with `report = "change"` each value is delivered, not only those at ticks."""
        for group in self._asked.groups:
            for number, tag in enumerate(group.tags):
                if tag.address == name and tag.report == "change":
                    self.pushed.push(group.number, number, 0, *encode(tag, value))

    async def scan(self, group: GroupAsked) -> tuple[bytes, bytes]:
        """At each tick: a quality a tag, and the tags' bytes."""
        status, data = bytearray(), b""
        for tag in group.tags:
            value = self._said.get(tag.address)
            quality, raw = (
                (BAD_NO_VALUE, bytes(size_of(tag))) if value is None else encode(tag, value)
            )
            status.append(quality)
            data += raw
        return bytes(status), data

    def devices(self) -> Mapping[str, DeviceSaid]:
        return {}


def open_source(asked: LinkAsked) -> Source:
    """What the host makes of a link."""
    return TallySource(asked)
