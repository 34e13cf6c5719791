"""What sources push, for the forecast of bytes: a stretch of what a simulated one would push, which
repeats for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import shake_128
from itertools import count

from drivers import registry
from drivers.api import DeviceSpec, GroupPlan
from drivers.host.frames import Event
from drivers.host.pushing import Pushing

DAY_NS = 86_400 * 10**9
#: Length of the made-up stretch, and the most scans in it where every value jumps at each scan.
SPAN_NS, JUMPS_MAX = 60 * 10**9, 1000
#: Seeds of stretches, of which devices have one each in turn.
SEEDS = 16


@dataclass(frozen=True, slots=True)
class News:
    """What is pushed of one group: batches that the box gets together, by time, at least one. They
    come again each `span_ns`.
    """

    span_ns: int
    batches: tuple[tuple[Event, ...], ...]

    @property
    def every_ns(self) -> int:
        """Average time between two batches."""
        return self.span_ns // len(self.batches)

    @property
    def events_a_day(self) -> float:
        return sum(map(len, self.batches)) * DAY_NS / self.span_ns

    def all(self) -> Iterator[list[Event]]:
        """The batches, for ever."""
        for turn in count():
            later = turn * self.span_ns
            for batch in self.batches:
                yield [
                    one._replace(
                        at_ns=one.at_ns + later,
                        source_ns=one.source_ns + later if one.source_ns else 0,
                    )
                    for one in batch
                ]


class Foretold:
    """What the groups of a configuration are pushed: alike ones are made up once."""

    def __init__(self) -> None:
        self.simulated = cache(self._simulated)
        self._devices = 0

    def of(self, device: DeviceSpec, group: GroupPlan, fastest_ns: int) -> News | None:
        """What a simulated source would push for the group; None: nothing."""
        if not isinstance(registry.get(device.driver), Pushing):
            return None
        self._devices += 1
        return self.simulated(_Kind(device, group), fastest_ns, f"{self._devices % SEEDS}")

    @staticmethod
    def _simulated(kind: _Kind, fastest_ns: int, seed: str) -> News | None:
        driver = registry.get(kind.device.driver)
        assert isinstance(driver, Pushing)
        made = driver.pushes(kind.device, kind.group, fastest_ns, seed, SPAN_NS)
        return News(SPAN_NS, tuple(map(tuple, made))) if made else None


class _Kind:
    """A group by what its news depend on."""

    def __init__(self, device: DeviceSpec, group: GroupPlan) -> None:
        self.device, self.group = device, group
        self._key = (device.driver, device.framing, group.period_ns, id(group.tags))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kind) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def tags_pushed(devices: Iterable[DeviceSpec]) -> tuple[int, int]:
    """Tags whose changes are pushed: of drivers that know how often, and of those that don't."""
    count = {True: 0, False: 0}
    for device in devices:
        if registry.is_hosted(device.driver):
            is_known = isinstance(registry.get(device.driver), Pushing)
            count[is_known] += sum(tag.report == "change" for tag in device.tags)
    return count[True], count[False]


def jumping(driver: str, group: GroupPlan, news: News | None) -> News | None:
    """Each tag that is reported on change jumps anywhere whenever it moves in `news`, or at each
    scan where it does not.
    """
    tags = [number for number, tag in enumerate(group.tags) if tag.report == "change"]
    if not tags or not isinstance(registry.get(driver), Pushing):
        return None
    span_ns = min(SPAN_NS, JUMPS_MAX * group.period_ns)
    batches = [] if news is None else [b for b in news.batches if b[0].at_ns < span_ns]
    moving = {one.tag for batch in batches for one in batch}
    still = [number for number in tags if number not in moving]
    sizes = group.requests[0].parts
    made: dict[int, list[Event]] = {}
    for batch in batches:
        made.setdefault(batch[0].at_ns, []).extend(batch)
    for scan in range(span_ns // group.period_ns if still else 0):
        at_ns = scan * group.period_ns
        made.setdefault(at_ns, []).extend(
            Event(number, at_ns, at_ns + 10**18, 1, bytes(sizes[number])) for number in still
        )
    jumped = (
        tuple(one._replace(data=_anything(group, one), quality=1) for one in made[at_ns])
        for at_ns in sorted(made)
    )
    return News(span_ns, tuple(jumped)) if made else None


def _anything(group: GroupPlan, one: Event) -> bytes:
    """Bytes that are a value of the event's tag."""
    data = shake_128(f"{one.at_ns} {one.tag}".encode()).digest(len(one.data))
    kind = group.tags[one.tag].type
    if kind == "string":
        return bytes(33 + byte % 90 for byte in data)
    return bytes([data[0] % 2]) if kind == "bool" else data
