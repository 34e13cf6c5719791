"""The ticks of one group whose rows come from a host: every tick becomes a row or a part of a gap.

The first tick of a trouble is a row whose tags are all bad with its cause, so that no old value
stands as new; the ticks behind it are a gap. A row that comes after its tick was accounted is
dropped and counted, as is one that does not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from drivers.api import TagSpec
from drivers.host.events import batch
from drivers.host.frames import Event, FrameError, Row
from drivers.host.values import row_bytes, size_of
from drivers.quality import (
    BAD_LINK_DOWN,
    BAD_NO_ANSWER,
    GAP_DEVICE_SILENT,
    GAP_LINK_DOWN,
    GAP_MEMORY_FULL,
    GAP_OVERRUN,
    GAP_REPLANNED,
    UNCERTAIN,
)
from native.rows.ticks import Schedule

#: A whole row of one of these says that nobody was there; the gap behind it has this reason.
AWAY: Final = {BAD_NO_ANSWER: GAP_DEVICE_SILENT, BAD_LINK_DOWN: GAP_LINK_DOWN}

#: Ticks that a row may come before its number says: one that is aligned does so by up to a period
#: and a quarter.
EARLY_MOST: Final = 2
#: In one batch: of the longest texts it stays well below what a group keeps (PUSHED_MAX).
EVENTS_TOGETHER: Final = 500
#: Lost at once: no host that counts says more.
LOST_MOST: Final = 1 << 32


class Group(Protocol):
    """What of native.rows.group.Group is used here."""

    plan: Any

    def start(self, start_ns: int) -> None: ...
    def push(
        self,
        tick: int,
        mid_ns: int,
        half_span_us: int,
        status: bytes,
        data: bytes,
        shift_ns: int = 0,
    ) -> None: ...
    def skip(self, upto: int, reason: int) -> None: ...
    def scanned(self) -> tuple[int, int]: ...
    def push_events(
        self,
        at_ns: int,
        count: int,
        bad: int,
        times: bytes,
        columns: bytes,
        lost: int = 0,
        reason: int = GAP_OVERRUN,
    ) -> bool: ...


class TickAccount:
    """Belongs to the runner's thread."""

    def __init__(
        self, group: Group, period_ns: int, tags: Sequence[TagSpec], *, align: bool = False
    ) -> None:
        self._group = group
        self._specs, self._tags = tags, len(tags)
        self.schedule, self._shift_min = Schedule(period_ns, align), -(period_ns + period_ns // 4)
        self._waits_for = 0  # the tick that a host scans next
        self._data_bytes = row_bytes(tags)
        self._lost = 0  # events that did not come, and are not announced yet
        self._lost_for = GAP_OVERRUN
        self._away = 0  # the quality of the trouble that has its row
        self.last_good_ns = 0  # of the newest row with a good tag
        self.late = self.unfit = 0  # rows and events dropped

    @property
    def next_tick(self) -> int:
        return self._group.scanned()[1]

    def begin(self, start_ns: int) -> None:
        """Tick 0 is due at `start_ns`."""
        self.schedule.begin(start_ns)
        self._group.start(start_ns)

    def told(self) -> tuple[int, int, bool, int | None]:
        """What a host that begins waits by: when tick 0 was due, the tick that is due next, whether
        ticks are aligned, and how.
        """
        if self._waits_for < self.next_tick:
            self._waits_for = self.schedule.following(self.next_tick)
        schedule = self.schedule
        return schedule.start_ns, self._waits_for, schedule.aligned, schedule.shift_ns

    def row(self, row: Row) -> None:
        """Take one scan in, and when its host scans next."""
        if not self.schedule.start_ns:
            self.late += 1
            return
        if not self._fits_in(row):
            self.unfit += 1
            return
        if row.tick < self.next_tick:
            self.late += 1
        else:
            self._take(row)
        self._waits_for = row.next.tick
        self.schedule.follow(row.next.shift_ns, row.next.passed)

    def _fits_in(self, row: Row) -> bool:
        following, passed, shift_ns = row.next
        newest, latest_ns = self.schedule.newest, row.mid_ns + 1000 * row.half_span_us
        return (
            len(row.status) == self._tags
            and len(row.data) == self._data_bytes
            and row.half_span_us < 1 << 32
            and 0 not in row.status
            and row.tick <= newest(row.mid_ns) + EARLY_MOST
            and row.tick < following <= newest(latest_ns) + 1 + EARLY_MOST
            and passed < following
            and (shift_ns is None or (self.schedule.aligned and self._shift_min <= shift_ns <= 0))
        )

    def _take(self, row: Row) -> None:
        self._overrun(row.tick)
        first, shift_ns = row.status[0], self.schedule.shift_ns or 0
        if first in AWAY and row.status.count(first) == len(row.status):
            self._trouble(row.tick, row.mid_ns, first)
            return
        self._away = 0
        self._group.push(row.tick, row.mid_ns, row.half_span_us, row.status, row.data, shift_ns)
        if any(quality < UNCERTAIN for quality in row.status):
            self.last_good_ns = row.mid_ns

    def events(self, lost: int, events: Sequence[Event]) -> None:
        """Take in what the source pushed, in order; `lost`: how many before these the host could
        not keep. What does not fit, or finds no room here, is lost, too; it is said with the next
        that does, or as soon as there is room. Raises FrameError for a number that no host counts
        up to.
        """
        if lost >= LOST_MOST:
            raise FrameError(f"{lost} events lost")
        self._lose(lost, GAP_OVERRUN)
        fitting = [one for one in events if self._fits(one)]
        if unfit := len(events) - len(fitting):
            self.unfit += unfit
            self._lose(unfit, GAP_OVERRUN)
        for first in range(0, len(fitting), EVENTS_TOGETHER):
            some = fitting[first : first + EVENTS_TOGETHER]
            if self._group.push_events(*batch(self._specs, some), self._lost, self._lost_for):
                self._lost = 0
            else:
                self._lose(len(some), GAP_MEMORY_FULL)

    def _tell_lost(self, now_ns: int) -> None:
        """Say what was lost, also where nothing follows it; again later where there is no room."""
        if self._lost and self._group.push_events(
            now_ns, 0, 0, b"", b"", self._lost, self._lost_for
        ):
            self._lost = 0

    def _lose(self, count: int, reason: int) -> None:
        self._lost_for = reason if count and not self._lost else self._lost_for
        self._lost += count

    def _fits(self, one: Event) -> bool:
        return (
            self.schedule.start_ns > 0
            and one.tag < self._tags
            and len(one.data) == size_of(self._specs[one.tag])
            and one.quality > 0
            and 0 <= one.at_ns < 1 << 62
        )

    def settle(self, now_ns: int, grace_ns: int, quality: int) -> None:
        """Account what was due `grace_ns` ago and more and never came, and events that are lost;
        `quality` says why no row came: one of AWAY where nobody is there, else GOOD: the host is
        there and was too slow.
        """
        self._tell_lost(now_ns)
        if not self.schedule.start_ns or now_ns - grace_ns < self.schedule.start_ns:
            return
        upto = self.schedule.newest(now_ns - grace_ns) + 1
        if upto <= self.next_tick:
            return
        if quality not in AWAY:
            self._overrun(upto)  # when it scans next, the host says with its next row
            return
        if self.schedule.passed == self.next_tick:
            self._overrun(self.next_tick + 1)
        if upto <= (following := self.next_tick):
            return
        if self._away != quality:
            self._trouble(following, self.schedule.due_ns(following), quality)
        self._group.skip(upto, AWAY[quality])
        self._waits_for = self.schedule.following(upto)

    def _overrun(self, upto: int) -> None:
        """Ticks below that did not come though the host is there; one of them may be none that it
        waited for.
        """
        following, passed = self.next_tick, self.schedule.passed
        if passed and following <= passed < upto:
            self._group.skip(passed, GAP_OVERRUN)
            self._group.skip(passed + 1, GAP_REPLANNED)
        self._group.skip(upto, GAP_OVERRUN)

    def _trouble(self, tick: int, at_ns: int, quality: int) -> None:
        if self._away == quality:
            self._group.skip(tick + 1, AWAY[quality])
        else:
            self._away = quality
            status = bytes([quality]) * self._tags
            shift_ns = self.schedule.shift_ns or 0
            self._group.push(tick, at_ns, 0, status, bytes(self._data_bytes), shift_ns)
