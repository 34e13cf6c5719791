"""The tags of one link out of what is known of an agent or adapter: at ticks, and as it changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drivers.api import TagSpec
from drivers.host.source import Counters, GroupAsked, LinkAsked, Pushed
from drivers.mtconnect.address import Address, parse
from drivers.mtconnect.documents import Observation
from drivers.mtconnect.follow import Follower
from drivers.mtconnect.reading import read

#: A machine that is available and of which nothing was said for so long is worth a word.
STALE_S = 2 * 3600.0


@dataclass(slots=True)
class _Pusher:
    """A tag that is reported on change."""

    group: int
    number: int  # in its group
    tag: TagSpec
    address: Address
    last: tuple[int, bytes] | None = None  # quality and bytes


class TagSource:
    """What the sources of an agent and of an adapter share. `clock`: seconds that only rise."""

    def __init__(self, asked: LinkAsked, clock: Callable[[], float]) -> None:
        self._asked, self._clock = asked, clock
        self.counters = Counters()
        self.up = False
        self.pushed = Pushed()
        self.follower = Follower(self._told)
        self.names = sorted({group.device for group in asked.groups})
        self.addresses: dict[str, Address] = {
            tag.address: parse(tag.address) for group in asked.groups for tag in group.tags
        }
        self._timeout_s = max(2.0, asked.timeout_ns / 1e9)
        self._restarts = 0  # of the agent
        self._heard: dict[str, float] = {}  # device of ours: when something of it was said last
        self._pushers: dict[str, list[_Pusher]] = {}  # by the data item's id
        self._readers: dict[str, set[str]] = {}  # likewise: devices of ours that read it

    async def scan(self, group: GroupAsked) -> tuple[bytes, bytes]:
        status, data = bytearray(), bytearray()
        for tag in group.tags:
            quality, raw = read(self.follower, tag, self.addresses[tag.address])
            status.append(quality)
            data += raw
        return bytes(status), bytes(data)

    def cause(self, device: str) -> dict[str, object] | None:
        """Names that the agent does not have: the commonest slip. Or that nothing is said of it."""
        if not self.up:
            return None
        missing = sorted(
            tag.address
            for group in self._asked.groups
            if group.device == device
            for tag in group.tags
            if self.follower.find(*_place(self.addresses[tag.address])) is None
        )
        if missing:
            args = {"count": len(missing), "first": missing[0], "target": self._asked.target}
            return {"id": "mtconnect.no_item", "args": args}
        silent_s = self._clock() - self._heard.setdefault(device, self._clock())
        if silent_s < STALE_S:
            return None
        args = {"hours": int(silent_s // 3600), "target": self._asked.target}
        return {"id": "mtconnect.stale", "args": args}

    def find_items(self) -> None:
        """Which data item each tag reads, once they are known, or known anew."""
        self._pushers, self._readers = {}, {}
        if self.follower.restarts != self._restarts:  # what stands now, it said just now
            self._restarts, self._heard = self.follower.restarts, {}
        for group in self._asked.groups:
            for number, tag in enumerate(group.tags):
                address = self.addresses[tag.address]
                item = self.follower.find(*_place(address))
                if item is not None:
                    self._readers.setdefault(item.id, set()).add(group.device)
                if item is not None and tag.report == "change" and address.aspect != "time":
                    pusher = _Pusher(group.number, number, tag, address)
                    self._pushers.setdefault(item.id, []).append(pusher)

    def _told(self, one: Observation) -> None:
        """News of a data item: pushed, unless the tag's value is the one that was pushed last."""
        self._heard.update(dict.fromkeys(self._readers.get(one.item, ()), self._clock()))
        for pusher in self._pushers.get(one.item, ()):
            said = read(self.follower, pusher.tag, pusher.address)
            if said != pusher.last:
                pusher.last = said
                self.pushed.push(pusher.group, pusher.number, one.time_ns, *said)


def _place(address: Address) -> tuple[str, str]:
    return address.item, address.device
