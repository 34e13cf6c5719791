"""What the counters did of late: they count since the start, a technician asks about now."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from gateway.report.snapshot import DeviceSnapshot, LinkSnapshot

#: How far back "of late" looks, and how far apart the looks are that are kept.
WINDOW_NS, EVERY_NS = 60 * 10**9, 5 * 10**9
#: A connection that is made and given up in turn is up again within less.
UP_NS = 10 * 10**9
#: A time that is told as an age, from two moments, is off by less.
GOOD_AGAIN_NS = 1_000_000
#: Window, interval and shortest useful span of the buffer's speed: it fills over hours.
FILL_WINDOW_NS, FILL_EVERY_NS, FILL_LEAST_NS = 600 * 10**9, 10 * 10**9, 60 * 10**9


class Counts(NamedTuple):
    """Counters of a device; `wrong` is counted for links only."""

    requests: int = 0
    timeouts: int = 0
    damaged: int = 0
    wrong: int = 0

    def minus(self, before: Counts) -> Counts:
        return Counts(*(now - then for now, then in zip(self, before, strict=True)))

    def later(self, other: Counts) -> Counts:
        """The later of two states of counters that only grow."""
        return Counts(*(max(one, two) for one, two in zip(self, other, strict=True)))


_FIELDS = len(Counts._fields)


def _of_device(one: DeviceSnapshot) -> Counts:
    return Counts(one["requests"], one["timeouts"], one["damaged"])


def _of_link(one: LinkSnapshot) -> Counts:
    return Counts(one["requests"], one["timeouts"], one["damaged"], one["wrong"])


class _Good(NamedTuple):
    """The last good answer, and what was counted by then or soon after."""

    at_ns: int
    counts: Counts


class _Look(NamedTuple):
    at_ns: int
    counts: array[int]  # of all links and devices, one after another: an object each would be many


class Recent:
    """Looks at the counters, at most a minute old. What was never looked at counted from zero."""

    def __init__(self) -> None:
        self._looks = deque([_Look(0, array("Q"))])
        self._places: dict[str, int] = {}  # of whom the counts of a look are where
        self._good: dict[str, _Good] = {}
        self._up_ns: dict[str, int] = {}
        self.noisy: set[str] = set()  # links that were said to be, until they are well again
        self.damaged: set[str] = set()  # devices of which damage was said, likewise

    def look(
        self, links: Sequence[LinkSnapshot], devices: Sequence[DeviceSnapshot], now_ns: int
    ) -> None:
        """Keep the counters of this moment, if the last that were kept are old enough."""
        looks = self._looks
        self._up_ns |= {each["name"]: now_ns for each in links if each["state"] == "up"}
        if now_ns - looks[-1].at_ns >= EVERY_NS:
            now = {f"link {each['name']}": _of_link(each) for each in links}
            now |= {f"device {each['name']}": _of_device(each) for each in devices}
            for who in now:
                self._places.setdefault(who, _FIELDS * len(self._places))
            counts = array("Q", bytes(8 * _FIELDS * len(self._places)))
            for who, its in now.items():
                place = self._places[who]
                counts[place : place + _FIELDS] = array("Q", its)
            looks.append(_Look(now_ns, counts))

    def _before(self, who: str) -> Counts:
        """What it had counted at the oldest look."""
        place, counts = self._places.get(who), self._looks[0].counts
        if place is None or place >= len(counts):
            return Counts()
        return Counts(*counts[place : place + _FIELDS])

    def forget(self, now_ns: int) -> None:
        """What is older than a minute."""
        while len(self._looks) > 1 and now_ns - self._looks[1].at_ns >= WINDOW_NS:
            self._looks.popleft()

    def was_up(self, link: LinkSnapshot, now_ns: int) -> bool:
        """A moment ago."""
        up_ns = self._up_ns.get(link["name"])
        return up_ns is not None and now_ns - up_ns < UP_NS

    def of_device(self, device: DeviceSnapshot, good_ns: int | None = None) -> Counts:
        """What it counted within a minute; with `good_ns`, the time of its last good answer, only
        what was counted since this was first asked after that.
        """
        now, who = _of_device(device), f"device {device['name']}"
        return now.minus(self._before(who).later(self._since_good(who, now, good_ns)))

    def of_link(self, link: LinkSnapshot, good_ns: int | None = None) -> Counts:
        """Likewise; `good_ns`: of any device on it."""
        now, who = _of_link(link), f"link {link['name']}"
        return now.minus(self._before(who).later(self._since_good(who, now, good_ns)))

    def _since_good(self, who: str, now: Counts, good_ns: int | None) -> Counts:
        if good_ns is None:
            return Counts()
        known = self._good.get(who)
        if known is None or good_ns - known.at_ns > GOOD_AGAIN_NS:
            known = self._good[who] = _Good(good_ns, now)
        return known.counts


class Filling:
    """How fast the buffer fills, as far as that can be told."""

    def __init__(self) -> None:
        self._looks: deque[tuple[int, int, int]] = deque()

    def look(self, kept_bytes: int, lost_blocks: int, now_ns: int) -> None:
        """`kept_bytes`: on the disk; `lost_blocks`: dropped so far, which makes room."""
        looks = self._looks
        if looks and lost_blocks != looks[-1][2]:
            looks.clear()  # a buffer that drops does not fill
        if not looks or now_ns - looks[-1][0] >= FILL_EVERY_NS:
            looks.append((now_ns, kept_bytes, lost_blocks))
        while len(looks) > 1 and now_ns - looks[1][0] >= FILL_WINDOW_NS:
            looks.popleft()

    def bytes_a_second(self, kept_bytes: int, now_ns: int) -> float | None:
        """Below zero where it empties; None while that is not known."""
        if not self._looks or now_ns - self._looks[0][0] < FILL_LEAST_NS:
            return None
        then_ns, then_bytes, _ = self._looks[0]
        return (kept_bytes - then_bytes) * 1e9 / (now_ns - then_ns)
