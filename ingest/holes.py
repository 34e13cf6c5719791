"""Holes in the ticks of a group, or in its pushed values, that announced blocks explain.

A box that lost a block before it could read it (a damaged record, a block that the platform lost,
a hole that a crash left) can name the block but not its ticks. Blocks of an epoch hold each group's
ticks in order, so such a block had at most the ticks between its neighbours: after the last tick of
the group in the blocks before it, before the first in the blocks behind it. They are not missing
but in that gap; how many they are follows from the neighbours. Numbers of pushed values likewise.
"""

from __future__ import annotations

import sqlite3
from typing import Literal

_NEIGHBOURS = """
SELECT coalesce((SELECT last_seq FROM {table} WHERE (gateway, epoch, grp) = (?1, ?2, ?3)
                 AND {first} < ?4 ORDER BY {first} DESC LIMIT 1), 0),
       (SELECT first_seq FROM {table} WHERE (gateway, epoch, grp) = (?1, ?2, ?3)
        AND {first} >= ?5 ORDER BY {first} LIMIT 1)"""
_NEIGHBOURS_OF = {
    "ticks": _NEIGHBOURS.format(table="runs", first="first_tick"),
    "events": _NEIGHBOURS.format(table="events", first="first"),
}

_BETWEEN = """
SELECT reason FROM gaps g JOIN gap_blocks b USING (gap)
WHERE (gateway, epoch) = (?1, ?2) AND NOT foreign_machine
  AND b.first > ?3 AND (?4 IS NULL OR b.last < ?4)
  AND NOT EXISTS (SELECT 1 FROM gap_ticks t WHERE t.gap = g.gap)
  AND NOT EXISTS (SELECT 1 FROM gap_events e WHERE e.gap = g.gap)
ORDER BY b.first, gap LIMIT 1"""


def reason_of(
    sql: sqlite3.Connection, gateway: str, epoch: int, group: int, first: int, last_1: int,
    of: Literal["ticks", "events"] = "ticks",
) -> int | None:  # fmt: skip
    """The GapReason of the blocks that took ticks, or the pushed values with the numbers, `first`
    to before `last_1`; None: nothing says.

    Of several reasons between the same neighbours, the one of the first block.
    """
    place = (gateway, epoch, group, first, last_1)
    before, behind = sql.execute(_NEIGHBOURS_OF[of], place).fetchone()
    found = sql.execute(_BETWEEN, (gateway, epoch, before, behind)).fetchone()
    return None if found is None else int(found[0])
