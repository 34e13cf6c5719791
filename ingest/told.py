"""What the store was told of a run: by its own blocks, by the next run's first block, by gaps."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import NamedTuple

from ingest.clock import BootClock, boot_anchors, received_clock


class Begin(NamedTuple):
    """What the first block of a run says of itself and of the run before."""

    previous_epoch: int
    previous_last_seq: int
    sampled_until_ns: int
    previous_boot_id: str
    ended: int
    began_ns: int


@dataclass(frozen=True, slots=True)
class Told:
    """`begin`: what it says itself; `next_begin`: what the run says that names it as the one
    before. Both None where no such block is here. `clock`: None: nothing ties its boot to UTC.
    `began_ns`: when it began on the boot clock; None: nothing says. `lost_until_ns`: until when
    gaps have ticks of it. `crash`: until when a gap of unknown count says that it may have gone on,
    and on which boot. `announced`: gaps name all of its blocks that are not here. `last_seq`: the
    highest that anything says it had."""

    gateway: str
    epoch: int
    closed: bool
    begin: Begin | None
    next_begin: Begin | None
    clock: BootClock | None
    began_ns: int | None
    lost_until_ns: int | None
    received_utc_ns: int | None
    crash: tuple[int, str] | None
    announced: bool
    last_seq: int

    @property
    def began_utc_ns(self) -> int | None:
        if self.clock is not None and self.began_ns is not None:
            return self.clock.utc_ns(self.began_ns)
        return self.received_utc_ns

    @property
    def until_ns(self) -> int | None:
        """When it was surely over, on its boot's clock; None: nobody says."""
        if self.next_begin is not None:
            return self.next_begin.sampled_until_ns
        return self.lost_until_ns if self.crash is None else self.crash[0]


def begins(sql: sqlite3.Connection, gateway: str) -> dict[int, Begin]:
    """By the epoch that says it."""
    return {
        epoch: Begin(*begin)
        for epoch, *begin in sql.execute(
            "SELECT epoch, previous_epoch, previous_last_seq, sampled_until_ns, previous_boot_id,"
            " ended, began_ns FROM begins WHERE gateway = ? ORDER BY began_ns DESC, epoch DESC",
            (gateway,),
        )
    }


def told(
    sql: sqlite3.Connection, gateway: str, epoch: int, begin: Begin | None, next_begin: Begin | None
) -> Told:
    name = (gateway, epoch)
    closed, boot_id = sql.execute(
        "SELECT closed, boot_id FROM epochs WHERE gateway = ? AND epoch = ?", name
    ).fetchone()
    crash = sql.execute(
        "SELECT until_ns, until_boot_id FROM gaps WHERE gateway = ? AND epoch = ?"
        " AND count_unknown AND NOT foreign_machine ORDER BY gap LIMIT 1",
        name,
    ).fetchone()
    boot_id = boot_id or (next_begin.previous_boot_id if next_begin else crash[1] if crash else "")
    anchors = boot_anchors(sql, gateway, boot_id)
    (received_ns,) = sql.execute(
        "SELECT min(received_utc_ns) FROM payloads WHERE gateway = ? AND epoch = ?", name
    ).fetchone()
    began_ns, lost_until_ns = _ticks(sql, name)
    last_seq, announced = _lost(sql, name, next_begin)
    return Told(
        gateway, epoch, bool(closed), begin, next_begin,
        BootClock(anchors) if anchors else received_clock(sql, gateway, epoch),
        began_ns if begin is None else begin.began_ns, lost_until_ns, received_ns, crash,
        announced or crash is not None, last_seq,
    )  # fmt: skip


def _ticks(sql: sqlite3.Connection, name: tuple[str, int]) -> tuple[int | None, int | None]:
    """When tick 0 of its first group was due, else the first tick in a gap; and until when the
    ticks in gaps go."""
    (zero_ns,) = sql.execute(
        "SELECT min(zero_ns) FROM series WHERE gateway = ? AND epoch = ?", name
    ).fetchone()
    first_ns, until_ns = sql.execute(
        "SELECT min(first_due_ns), max(last_due_ns + (last_due_ns - first_due_ns)"
        " / max(count - 1, 1)) FROM gap_ticks JOIN gaps USING (gap)"
        " WHERE gateway = ? AND epoch = ? AND NOT foreign_machine",
        name,
    ).fetchone()
    return first_ns if zero_ns is None else zero_ns, until_ns


def _lost(
    sql: sqlite3.Connection, name: tuple[str, int], next_begin: Begin | None
) -> tuple[int, bool]:
    """The highest seq, and whether each one up to it is held or in a gap."""
    ranges = sql.execute(
        "SELECT first, last FROM held WHERE gateway = ?1 AND epoch = ?2 UNION ALL"
        " SELECT first, last FROM gap_blocks JOIN gaps USING (gap)"
        " WHERE gateway = ?1 AND epoch = ?2 AND NOT foreign_machine ORDER BY 1",
        name,
    )
    after, whole = 1, True
    for first, last in ranges:
        whole = whole and first <= after
        after = max(after, last + 1)
    last_seq = max(after - 1, next_begin.previous_last_seq if next_begin else 0)
    return last_seq, whole and last_seq == after - 1
