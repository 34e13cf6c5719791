"""Completeness a gateway, device and UTC day: of the ticks that were due, how many have a row.

Worked out from the index tables alone. A run or gap that spans midnight is split by its due times.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ingest.clock import BootClock, epoch_clock
from ingest.holes import reason_of

_DAY_NS = 86_400 * 1_000_000_000

_RANGES = """
SELECT gateway, epoch, grp, first_tick, ticks, first_due_ns, period_ns, seq, run FROM runs
UNION ALL
SELECT gateway, epoch, grp, first_tick, count, first_due_ns,
  max(1, (last_due_ns - first_due_ns) / max(1, count - 1)), 0, -1
FROM gap_ticks JOIN gaps USING (gap)
ORDER BY gateway, epoch, grp, first_tick, run DESC"""


@dataclass(slots=True)
class _Day:
    due: int = 0
    rows: int = 0
    gaps: int = 0
    missing: int = 0
    unknown: int = 0


class _Books:
    def __init__(self) -> None:
        self.days: dict[tuple[int, str, str], _Day] = {}

    def day(self, number: int, gateway: str, device: str) -> _Day:
        return self.days.setdefault((number, gateway, device), _Day())

    def split(
        self, name: tuple[str, str], clock: BootClock, due_ns: int, period_ns: int, ticks: int
    ) -> Iterator[tuple[_Day, int]]:
        """The days of `ticks` ticks, the first due at `due_ns`, and how many fall into each."""
        while ticks > 0:
            utc_ns = clock.utc_ns(due_ns)
            number, within_ns = divmod(utc_ns, _DAY_NS)
            count = min(ticks, -((within_ns - _DAY_NS) // period_ns))
            yield self.day(number, *name), count
            ticks -= count
            due_ns += count * period_ns


def days(sql: sqlite3.Connection) -> list[dict[str, Any]]:
    """One dict a day, gateway and device, in this order; see docs/platform.md for the fields."""
    books = _Books()
    devices = {
        (gateway, epoch, grp): device
        for gateway, epoch, grp, device in sql.execute(
            "SELECT DISTINCT gateway, epoch, grp, device FROM groups"
        )
    }
    clocks = {
        (gateway, epoch): epoch_clock(sql, gateway, epoch)
        for gateway, epoch in sql.execute("SELECT gateway, epoch FROM epochs")
    }
    unknown = {
        (gateway, epoch): after_seq
        for gateway, epoch, after_seq in sql.execute(
            "SELECT gateway, epoch, after_seq FROM crash_ends"
        )
    }
    group: tuple[str, int, int] | None = None
    before = 0
    for gateway, epoch, grp, first, ticks, due_ns, period_ns, seq, run in sql.execute(_RANGES):
        name = (gateway, devices.get((gateway, epoch, grp), f"group {grp}"))
        clock = clocks[gateway, epoch]
        if group != (gateway, epoch, grp):
            group, before = (gateway, epoch, grp), first
        if first > before:
            hole = first - before
            announced = (
                seq > unknown.get((gateway, epoch), seq)
                or reason_of(sql, gateway, epoch, grp, before, first) is not None
            )
            for day, count in books.split(name, clock, due_ns - hole * period_ns, period_ns, hole):
                day.due += count
                day.gaps += count if announced else 0
                day.missing += 0 if announced else count
        new = max(0, first + ticks - max(first, before))  # a gap may repeat what was skipped
        due_ns += (ticks - new) * period_ns
        for day, count in books.split(name, clock, due_ns, period_ns, new):
            day.due += count
            day.rows += count if run >= 0 else 0
            day.gaps += count if run < 0 else 0
        before = max(before, first + ticks)
    _subtract_skipped(sql, books, clocks)
    _count_unknown(sql, books, clocks)
    return [_as_dict(key, books.days[key]) for key in sorted(books.days)]


def _subtract_skipped(
    sql: sqlite3.Connection, books: _Books, clocks: dict[tuple[str, int], BootClock]
) -> None:
    """Ticks of runs that have no row are gaps with a reason."""
    for gateway, epoch, device, due_ns, period_ns, count in sql.execute(
        "SELECT gateway, epoch, device,"
        " first_due_ns + (skipped.first_tick - runs.first_tick) * period_ns, period_ns, count"
        " FROM skipped JOIN runs USING (gateway, epoch, seq, run)"
    ):
        name = (gateway, device)
        for day, ticks in books.split(name, clocks[gateway, epoch], due_ns, period_ns, count):
            day.rows -= ticks
            day.gaps += ticks


def _count_unknown(
    sql: sqlite3.Connection, books: _Books, clocks: dict[tuple[str, int], BootClock]
) -> None:
    """A gap of unknown count is shown with each device of its epoch, on the day it begins."""
    for gateway, epoch, device, last_due_ns in sql.execute(
        "SELECT gateway, epoch, device, max(first_due_ns + (ticks - 1) * period_ns)"
        " FROM runs WHERE (gateway, epoch) IN (SELECT gateway, epoch FROM gaps WHERE count_unknown)"
        " GROUP BY gateway, epoch, device"
    ):
        number = clocks[gateway, epoch].utc_ns(last_due_ns) // _DAY_NS
        books.day(number, gateway, device).unknown += 1


def _as_dict(key: tuple[int, str, str], day: _Day) -> dict[str, Any]:
    number, gateway, device = key
    return {
        "day": datetime.fromtimestamp(number * 86_400, UTC).date().isoformat(),
        "gateway": gateway,
        "device": device,
        "due": day.due,
        "rows": day.rows,
        "gaps": day.gaps,
        "missing": day.missing,
        "unknown": day.unknown,
        "complete": day.rows / day.due if day.due else 1.0,
    }
