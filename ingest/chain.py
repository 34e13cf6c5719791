"""The runs of a gateway in their order, which is the chain that their first blocks tell: never that
of their numbers, since a box that lost its disk begins again anywhere.

Where the chain is broken (a first block that never came, a box that lost its memory), the pieces
are put in the order of the times at which they began.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import NamedTuple

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.clock import Anchor, BootClock, boot_anchors, epoch_clock


class Begin(NamedTuple):
    previous_epoch: int
    previous_last_seq: int
    sampled_until_ns: int
    previous_boot_id: str
    ended: int
    began_ns: int


@dataclass(slots=True)
class Run:
    """`end_utc_ns`: when it was surely over, as the next run or its crash gap says; None: nobody
    says. `absent_before`: the run that it names as the one before, and of which nothing is here."""

    gateway: str
    epoch: int
    clock: BootClock
    closed: bool
    begin: Begin | None
    began_utc_ns: int
    end_utc_ns: int | None = None
    absent_before: int = 0
    linked: bool = False


def runs_of(sql: sqlite3.Connection, gateway: str) -> list[Run]:
    """The runs of a gateway, the first one first."""
    runs = {
        epoch: _run(sql, gateway, epoch, bool(closed))
        for epoch, closed in sql.execute(
            "SELECT epoch, closed FROM epochs WHERE gateway = ?", (gateway,)
        ).fetchall()
    }
    after = {run.begin.previous_epoch: run for run in runs.values() if run.begin and run.begin[0]}
    ordered: list[Run] = []
    heads = [run for run in runs.values() if run.begin is None or run.begin[0] not in runs]
    for head in sorted(heads, key=lambda run: (run.began_utc_ns, run.epoch)):
        one: Run | None = head
        while one is not None and one not in ordered:
            ordered.append(one)
            one = after.get(one.epoch)
    ordered += [run for run in runs.values() if run not in ordered]  # a circle: nobody's order
    for before, run in zip([None, *ordered[:-1]], ordered, strict=True):
        if run.begin is not None and run.begin.previous_epoch:
            if run.begin.previous_epoch not in runs:
                run.absent_before = run.begin.previous_epoch
            elif before is not None and before.epoch == run.begin.previous_epoch:
                _link(sql, before, run, run.begin)
    return ordered


def _run(sql: sqlite3.Connection, gateway: str, epoch: int, closed: bool) -> Run:
    clock = epoch_clock(sql, gateway, epoch)
    row = sql.execute(
        "SELECT previous_epoch, previous_last_seq, sampled_until_ns, previous_boot_id, ended,"
        " began_ns FROM begins WHERE gateway = ? AND epoch = ?",
        (gateway, epoch),
    ).fetchone()
    begin = None if row is None else Begin(*row)
    (first_ns,) = sql.execute(
        "SELECT min(zero_ns) FROM series WHERE gateway = ? AND epoch = ?", (gateway, epoch)
    ).fetchone()
    began_ns = begin.began_ns if begin else first_ns
    (received_ns,) = sql.execute(
        "SELECT min(received_utc_ns) FROM payloads WHERE gateway = ? AND epoch = ?",
        (gateway, epoch),
    ).fetchone()
    began = clock.utc_ns(began_ns) if began_ns is not None else received_ns or 0
    return Run(gateway, epoch, clock, closed, begin, began, _crash_utc_ns(sql, gateway, epoch))


def _crash_utc_ns(sql: sqlite3.Connection, gateway: str, epoch: int) -> int | None:
    """Until when a gap of unknown count says that the run may have gone on."""
    row = sql.execute(
        "SELECT until_ns, until_boot_id FROM gaps WHERE gateway = ? AND epoch = ?"
        " AND count_unknown AND NOT foreign_machine ORDER BY gap LIMIT 1",
        (gateway, epoch),
    ).fetchone()
    if row is None:
        return None
    return _on_boot(sql, gateway, row[1], row[0])


def _on_boot(sql: sqlite3.Connection, gateway: str, boot_id: str, boot_ns: int) -> int | None:
    anchors: list[Anchor] = boot_anchors(sql, gateway, boot_id)
    return BootClock(anchors).utc_ns(boot_ns) if anchors else None


def _link(sql: sqlite3.Connection, before: Run, run: Run, begin: Begin) -> None:
    """What a run says of the one before it in the order."""
    run.linked = True
    until = _on_boot(sql, run.gateway, begin.previous_boot_id, begin.sampled_until_ns)
    if until is not None:
        before.end_utc_ns = until


def absent_runs(sql: sqlite3.Connection) -> list[tuple[str, int, int]]:
    """(gateway, epoch, the epoch that names it): runs that others name and that are not here."""
    return [
        (gateway, previous, epoch)
        for gateway, previous, epoch in sql.execute(
            "SELECT gateway, previous_epoch, epoch FROM begins b WHERE previous_epoch > 0"
            " AND ended != ? AND NOT EXISTS (SELECT 1 FROM epochs e"
            " WHERE e.gateway = b.gateway AND e.epoch = b.previous_epoch) ORDER BY 1, 3",
            (pb.RUN_END_NONE_BEFORE,),
        )
    ]
