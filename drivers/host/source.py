"""What a Python driver offers to its host: a `Source` a link, made by the module that
`Hosted.module` names.

A source belongs to the host's event loop. `follow` is one connection from beginning to end; the
host calls it again with a back-off when it ends. `scan` is asked at each tick of each group.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from drivers.api import TagSpec
from drivers.host.frames import Event
from drivers.said import SaidError

#: Events of one link that wait for the daemon.
PUSHED_MAX = 20_000


class SourceError(SaidError):
    """Why a connection ended."""

    def said(self) -> dict[str, Any]:
        return {"id": self.message, "args": self.arguments}


@dataclass(slots=True)
class Counters:
    """Counters of one link since its host's start, named as in `LinkSnapshot`."""

    requests: int = 0
    answers: int = 0
    timeouts: int = 0
    damaged: int = 0
    wrong: int = 0
    late: int = 0
    exceptions: int = 0
    retries: int = 0
    reconnects: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def as_json(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class GroupAsked:
    """The tags of one device and period."""

    number: int
    device: str
    period_ns: int
    tags: tuple[TagSpec, ...]


@dataclass(frozen=True, slots=True)
class LinkAsked:
    """One link with all that is read on it."""

    name: str
    host: str
    port: int
    timeout_ns: int
    framing: str
    groups: tuple[GroupAsked, ...]

    @property
    def target(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(slots=True)
class DeviceSaid:
    """What a source knows of a device beyond its tags' qualities: why it is of no use, and what was
    found out about it; each a message with its arguments.
    """

    cause: dict[str, Any] | None = None
    learned: list[dict[str, Any]] = field(default_factory=list)


class Pushed:
    """What a source pushes, until the host hands it on."""

    def __init__(self) -> None:
        self._events: dict[int, list[Event]] = {}
        self._lost: dict[int, int] = {}
        self._count = 0

    def push(self, group: int, tag: int, source_ns: int, quality: int, data: bytes) -> None:
        """A value of tag number `tag` of that group, taken now; `source_ns`: since 1970 by the
        source's own clock, 0 where it says none; quality and bytes as in a row. Raises
        ValueError for what no row could hold.
        """
        if not (
            0 <= source_ns < 1 << 63
            and 0 < quality < 256
            and 0 <= tag < 1 << 16
            and len(data) < 1 << 16
        ):
            said = f"tag {tag}, quality {quality}, time {source_ns}, {len(data)} bytes"
            raise ValueError(f"no event: {said}")
        at_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if self._count >= PUSHED_MAX:
            self._lost[group] = self._lost.get(group, 0) + 1
            return
        self._events.setdefault(group, []).append(Event(tag, at_ns, source_ns, quality, data))
        self._count += 1

    def drop(self) -> None:
        """None of what waits can be handed on: it is lost."""
        for group, events in self._events.items():
            self._lost[group] = self._lost.get(group, 0) + len(events)
        self._events, self._count = {}, 0

    def take(self) -> list[tuple[int, int, list[Event]]]:
        """Group, how many were lost before them, and what waits."""
        groups = dict.fromkeys((*self._events, *self._lost))
        taken = [(g, self._lost.get(g, 0), self._events.get(g, [])) for g in groups]
        self._events, self._lost, self._count = {}, {}, 0
        return taken


class Source(Protocol):
    """One link."""

    counters: Counters
    pushed: Pushed  # values as they come, of tags that are reported on change
    up: bool  # connected, and heard

    async def follow(self) -> None:
        """Connect and stay until the connection ends. Raises SourceError, OSError, TimeoutError."""

    async def scan(self, group: GroupAsked) -> tuple[bytes, bytes]:
        """(a quality a tag, the tags' bytes) now."""

    def devices(self) -> Mapping[str, DeviceSaid]:
        """What the driver has to say of its devices, by the device's name."""


def asked_as_json(links: Sequence[LinkAsked]) -> list[dict[str, Any]]:
    return [
        {
            "name": link.name, "host": link.host, "port": link.port,
            "timeout_ns": link.timeout_ns, "framing": link.framing,
            "groups": [
                {
                    "number": group.number, "device": group.device, "period_ns": group.period_ns,
                    "tags": [
                        [tag.name, tag.address, tag.type, tag.length, tag.encoding, tag.report]
                        for tag in group.tags
                    ],
                }
                for group in link.groups
            ],
        }
        for link in links
    ]  # fmt: skip


def asked_from_json(said: list[dict[str, Any]]) -> list[LinkAsked]:
    found = []
    for link in said:
        groups = []
        for group in link.pop("groups"):
            period_ns = group["period_ns"]
            tags = tuple(
                TagSpec(
                    name, address, kind, period_ns, length=length, encoding=encoding, report=report
                )
                for name, address, kind, length, encoding, report in group.pop("tags")
            )
            groups.append(GroupAsked(tags=tags, **group))
        found.append(LinkAsked(groups=tuple(groups), **link))
    return found
