"""Completeness in time: for each gateway, device and day of its site, how long it was complete, in
announced gaps, stopped, missing, and awaited. Together that is the time in which the device was
configured.

A tick stands for its period. A device of several groups counts each of them alike: of the day's
time each class takes the part that it has of all their ticks. Nothing is decoded: ranges of ticks
become ranges of UTC by the clock of their boot, and those are split at midnight of the site's zone.

    complete  a row came
    gaps      announced as missing, with a reason
    stopped   between two runs: the later one says when the earlier one ended
    missing   neither: blocks that never came, a run that the chain names and that is not here
    awaited   after the gateway's last word
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from ingest.chain import Run, runs_of
from ingest.spans import Group, groups_of, knows_groups, spans

CLASSES = ("complete", "gaps", "stopped", "missing", "awaited")
_S = 1_000_000_000
#: Years that a date can name; a clock may say anything.
_FIRST_UTC_NS, _LAST_UTC_NS = -62_000_000_000 * _S, 9_223_372_036 * _S


@dataclass(slots=True)
class _Day:
    #: By group (epoch, id): nanoseconds of each class.
    groups: dict[tuple[int, int], dict[str, int]] = field(default_factory=dict)
    uncertain: bool = False

    def add(self, group: tuple[int, int], what: str, size_ns: int) -> None:
        times = self.groups.setdefault(group, dict.fromkeys(CLASSES, 0))
        times[what] += size_ns

    def times(self) -> dict[str, int]:
        """Of the device: what its groups have, scaled to the time in which it had any."""
        total = {name: sum(group[name] for group in self.groups.values()) for name in CLASSES}
        every = sum(total.values())
        by_epoch: dict[int, int] = {}
        for (epoch, _), group in self.groups.items():
            by_epoch[epoch] = max(by_epoch.get(epoch, 0), sum(group.values()))
        configured = sum(by_epoch.values())
        if not every or configured == every:
            return total
        scaled = {name: total[name] * configured // every for name in CLASSES}
        rest = configured - sum(scaled.values())
        scaled[max(CLASSES, key=lambda name: scaled[name])] += rest  # what rounding left over
        return scaled


class Days:
    """The days of one gateway. `start_ns`, `end_ns`: only time between these."""

    def __init__(
        self, gateway: str, zone: tzinfo, start_ns: int | None, end_ns: int | None
    ) -> None:
        self.gateway = gateway
        self._zone = zone
        self._start_ns = _FIRST_UTC_NS if start_ns is None else max(start_ns, _FIRST_UTC_NS)
        self._end_ns = _LAST_UTC_NS if end_ns is None else min(end_ns, _LAST_UTC_NS)
        self._days: dict[tuple[date, str], _Day] = {}

    def add(self, run: Run, group: Group, what: str, begin_ns: int, end_ns: int) -> None:
        """So much of a class, from one UTC to another."""
        begin_ns, end_ns = max(begin_ns, self._start_ns), min(end_ns, self._end_ns)
        for day, size_ns in self._split(begin_ns, end_ns):
            one = self._days.setdefault((day, group.device), _Day())
            one.add((run.epoch, group.id), what, size_ns)
            one.uncertain = one.uncertain or run.clock.uncertain

    def move(self, run: Run, group: Group, begin_ns: int, end_ns: int) -> None:
        """Time that was added as complete was a gap."""
        begin_ns, end_ns = max(begin_ns, self._start_ns), min(end_ns, self._end_ns)
        for day, size_ns in self._split(begin_ns, end_ns):
            one = self._days.setdefault((day, group.device), _Day())
            one.add((run.epoch, group.id), "complete", -size_ns)
            one.add((run.epoch, group.id), "gaps", size_ns)

    def _split(self, begin_ns: int, end_ns: int) -> Iterator[tuple[date, int]]:
        while begin_ns < end_ns:
            day = datetime.fromtimestamp(begin_ns // _S, self._zone).date()
            upto_ns = min(end_ns, self._midnight_ns(day + timedelta(days=1), begin_ns))
            yield day, upto_ns - begin_ns
            begin_ns = upto_ns

    def _midnight_ns(self, day: date, after_ns: int) -> int:
        midnight = datetime(day.year, day.month, day.day, tzinfo=self._zone)
        return max(int(midnight.timestamp()) * _S, after_ns + 1)

    def rows(self) -> Iterator[dict[str, Any]]:
        for (day, device), one in sorted(self._days.items()):
            times = one.times()
            configured = sum(times.values())
            told = configured - times["awaited"]
            yield {
                "day": day.isoformat(),
                "gateway": self.gateway,
                "device": device,
                "configured_s": configured / _S,
                **{f"{name}_s": times[name] / _S for name in CLASSES},
                "complete": times["complete"] / told if told else 1.0,
                "uncertain": one.uncertain,
            }


def days(
    sql: sqlite3.Connection, now_ns: int, gateway: str | None = None,
    start_ns: int | None = None, end_ns: int | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """One dict a gateway, day and device, in this order; see docs/platform.md for the fields.
    `now_ns`: until when the newest run of each gateway is awaited, in UTC."""
    found: list[dict[str, Any]] = []
    for (name,) in sql.execute("SELECT gateway FROM gateways ORDER BY gateway").fetchall():
        if gateway not in (None, name):
            continue
        sql.execute("BEGIN")  # one state of the store a gateway, and then it is let go
        try:
            runs = runs_of(sql, name)
            books = Days(name, _zone(sql, runs), start_ns, end_ns)
            groups: list[Group] = []
            over_ns = _FIRST_UTC_NS
            for place, run in enumerate(runs):
                after = runs[place + 1] if place + 1 < len(runs) else None
                groups = _groups(sql, runs, place, groups)
                over_ns = _add_run(sql, books, run, groups, after, over_ns, now_ns)
        finally:
            sql.execute("COMMIT")
        found += books.rows()
    return found


def _zone(sql: sqlite3.Connection, runs: list[Run]) -> tzinfo:
    """Of the site, as the newest catalog that names one says; else UTC."""
    for run in reversed(runs):
        row = sql.execute(
            "SELECT time_zone FROM catalogs JOIN contents USING (catalog) WHERE gateway = ?"
            " AND epoch = ? AND time_zone != '' ORDER BY revision DESC LIMIT 1",
            (run.gateway, run.epoch),
        ).fetchone()
        if row is not None:
            return ZoneInfo(row[0])
    return UTC


def _groups(
    sql: sqlite3.Connection, runs: list[Run], place: int, before: list[Group]
) -> list[Group]:
    """Those of the run; where no catalog of it came, they are those of the run before, or of the
    next that has one."""
    if knows_groups(sql, runs[place]):
        return list(groups_of(sql, runs[place]))
    if not before:
        known = next((run for run in runs[place:] if knows_groups(sql, run)), None)
        before = [] if known is None else list(groups_of(sql, known))
    return [replace(one, zero_ns=None, end_ns=None) for one in before if one.end_ns is None]


def _add_run(
    sql: sqlite3.Connection, books: Days, run: Run, groups: list[Group], after: Run | None,
    over_ns: int, now_ns: int,
) -> int:  # fmt: skip
    """When the run was over, in UTC. `over_ns`: when the one before was."""
    began_ns = over_ns if run.began_utc_ns is None else run.began_utc_ns
    for group in groups:
        last_ns = began_ns if group.zero_ns is None else _add_ticks(sql, books, run, group)
        announced = run.announced if group.zero_ns is None else group.tail_announced
        over_ns = max(over_ns, last_ns)
        if group.end_ns is not None:
            continue  # it ended within its run
        begin_ns = last_ns
        if after is None:
            if announced and run.end_utc_ns is not None:
                begin_ns = min(max(last_ns, run.end_utc_ns), max(last_ns, now_ns))
                books.add(run, group, "gaps", last_ns, begin_ns)
            books.add(run, group, "awaited", begin_ns, now_ns)
            continue
        end_ns = max(last_ns, _end_of(run, last_ns))
        next_ns = end_ns if after.began_utc_ns is None else max(after.began_utc_ns, last_ns)
        end_ns = min(end_ns, next_ns)
        books.add(run, group, "gaps" if announced else "missing", last_ns, end_ns)
        over_ns = max(over_ns, end_ns)
        between = "stopped" if after.linked or run.closed else "missing"
        if after.absent_before:
            between = "missing"
        books.add(run, group, between, end_ns, next_ns)
    return over_ns


def _end_of(run: Run, last_ns: int) -> int:
    """When the run was over: what the next one says, else its last tick."""
    return last_ns if run.end_utc_ns is None else run.end_utc_ns


def _add_ticks(sql: sqlite3.Connection, books: Days, run: Run, group: Group) -> int:
    """The ticks of a group; until when they go, in UTC."""

    def utc_ns(tick: int) -> int:
        return run.clock.utc_ns((group.zero_ns or 0) + tick * group.period_ns)

    last = 0
    for span in spans(sql, run, group):
        if span.moved:
            books.move(run, group, utc_ns(span.first), utc_ns(span.last_1))
        else:
            books.add(run, group, span.what, utc_ns(span.first), utc_ns(span.last_1))
            last = max(last, span.last_1)
    return utc_ns(last)
