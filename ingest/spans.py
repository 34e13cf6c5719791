"""The ticks of a group as ranges that are complete, in gaps, or missing; from the index tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ingest.chain import Run
from ingest.holes import reason_of

_INT64_MAX = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Group:
    """A scheduled group of a run. `zero_ns`: when its tick 0 was due; None: nothing tells, and no
    tick is known of. `end_ns`: when it ended within the run, as its catalog says. `tail_announced`:
    what comes after its last tick is in a gap."""

    id: int
    device: str
    period_ns: int
    zero_ns: int | None
    end_ns: int | None
    tail_announced: bool


class Span(NamedTuple):
    """Ticks `first` to before `last_1`. `moved`: they came before as complete, and are a gap."""

    what: str
    first: int
    last_1: int
    moved: bool = False


def groups_of(sql: sqlite3.Connection, run: Run) -> Iterator[Group]:
    """The groups of the run with a schedule; those that a later revision added once a tick of them
    is known of."""
    name = (run.gateway, run.epoch)
    ends = dict(
        sql.execute(
            "SELECT grp, last_tick FROM catalogs JOIN catalog_ends USING (catalog)"
            " WHERE gateway = ? AND epoch = ?",
            name,
        ).fetchall()
    )
    for grp, device, period_ns, revision, zero_ns in sql.execute(
        "SELECT g.grp, g.device, g.period_ns, revision, zero_ns FROM groups g"
        " LEFT JOIN series USING (gateway, epoch, grp)"
        " WHERE gateway = ? AND epoch = ? AND g.period_ns > 0 ORDER BY g.device, g.grp",
        name,
    ).fetchall():
        zero = _announced_zero_ns(sql, run, grp, period_ns) if zero_ns is None else zero_ns
        if zero is None and revision == 1:
            zero = run.began_ns
        if zero is None and (revision > 1 or grp in ends):
            continue
        end_ns = None if grp not in ends else zero + (ends[grp] + 1) * period_ns
        yield Group(grp, device, period_ns, zero, end_ns, _tail_announced(sql, run, grp))


def _announced_zero_ns(sql: sqlite3.Connection, run: Run, grp: int, period_ns: int) -> int | None:
    """When tick 0 of a group was due of which no tick came, as a gap has it."""
    row = sql.execute(
        "SELECT first_due_ns - first_tick * ?4 FROM gap_ticks JOIN gaps USING (gap)"
        " WHERE gateway = ?1 AND epoch = ?2 AND grp = ?3 AND NOT foreign_machine LIMIT 1",
        (run.gateway, run.epoch, grp, period_ns),
    ).fetchone()
    return None if row is None else int(row[0])


def knows_groups(sql: sqlite3.Connection, run: Run) -> bool:
    """Whether a catalog of the run is here."""
    row = sql.execute(
        "SELECT 1 FROM catalogs WHERE gateway = ? AND epoch = ?", (run.gateway, run.epoch)
    ).fetchone()
    return row is not None


def _tail_announced(sql: sqlite3.Connection, run: Run, grp: int) -> bool:
    name = (run.gateway, run.epoch)
    (unknown,) = sql.execute(
        "SELECT count(*) FROM gaps WHERE gateway = ? AND epoch = ? AND count_unknown"
        " AND NOT foreign_machine",
        name,
    ).fetchone()
    if unknown:
        return True
    (last,) = sql.execute(
        "SELECT coalesce(max(first_tick + ticks), 0) FROM runs WHERE gateway = ? AND epoch = ?"
        " AND grp = ?",
        (*name, grp),
    ).fetchone()
    return reason_of(sql, *name, grp, last, _INT64_MAX) is not None


_RANGES = """
SELECT first_tick, ticks, first_seq, 1 FROM runs
  WHERE gateway = ?1 AND epoch = ?2 AND grp = ?3
UNION ALL
SELECT first_tick, count, 0, 0 FROM gap_ticks JOIN gaps USING (gap)
  WHERE gateway = ?1 AND epoch = ?2 AND grp = ?3
ORDER BY first_tick, 4 DESC"""


def spans(sql: sqlite3.Connection, run: Run, group: Group) -> Iterator[Span]:
    """All ticks from 0 to the last that is known of, neighbours of one class together; then those
    that are in a run without a row, as moved."""
    name = (run.gateway, run.epoch, group.id)
    row = sql.execute(
        "SELECT after_seq FROM crash_ends WHERE gateway = ? AND epoch = ?", name[:2]
    ).fetchone()
    after_seq = _INT64_MAX if row is None else row[0]
    at = Span("complete", 0, 0)
    for first, count, seq, is_run in sql.execute(_RANGES, name):
        last_1 = first + count
        if first > at.last_1:
            announced = seq > after_seq or reason_of(sql, *name, at.last_1, first) is not None
            hole = Span("gaps" if announced else "missing", at.last_1, first)
            if at.first < at.last_1:
                yield at
            at = hole
        new = max(first, at.last_1)
        if last_1 <= new:
            continue  # a gap may repeat what was skipped
        what = "complete" if is_run else "gaps"
        if what == at.what:
            at = at._replace(last_1=last_1)
        else:
            if at.first < at.last_1:
                yield at
            at = Span(what, new, last_1)
    if group.end_ns is not None and group.zero_ns is not None:
        end = (group.end_ns - group.zero_ns) // group.period_ns
        if end > at.last_1:
            if at.first < at.last_1:
                yield at
            at = Span("gaps" if group.tail_announced else "missing", at.last_1, end)
    if at.first < at.last_1:
        yield at
    for first, count in sql.execute(
        "SELECT first_tick, count FROM skipped WHERE gateway = ? AND epoch = ? AND grp = ?", name
    ):
        yield Span("gaps", first, first + count, moved=True)
