"""The books: what arrived, what is announced as missing, and what is neither.

Every tick of a group, from its first to its last in an epoch, must be in a run (as a row or
skipped) or in a gap; every seq from 1 on must be held or in a gap. What is neither is `missing`.
It may be on its way while a box sends its backlog; once that is through it must be 0. After a
crash the gap with an unknown count takes everything after block `after_seq`. Ticks of blocks that
were announced without them follow from the blocks' neighbours (`ingest.holes`).

Sums are total(), exact to 2^53: sum() fails beyond 2^63, and one gateway's numbers, or a damaged
row, must not take the books of all the others.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.completeness import days
from ingest.holes import reason_of

_EPOCHS = """
SELECT gateway, epoch, NOT closed AS open, duplicates,
  (SELECT count(*) FROM blocks b WHERE (b.gateway, b.epoch) = (e.gateway, e.epoch)) AS blocks,
  (SELECT total(scans) FROM blocks b
    WHERE (b.gateway, b.epoch) = (e.gateway, e.epoch)) AS scans,
  (SELECT total(samples) FROM blocks b
    WHERE (b.gateway, b.epoch) = (e.gateway, e.epoch)) AS samples
FROM epochs e ORDER BY gateway, epoch"""

#: Ranges are [first, last_1); `before`: where the cover of all earlier ranges of the group ends.
_HOLES = """
WITH cover AS (
  SELECT gateway, epoch, grp, first_tick AS first, first_tick + ticks AS last_1
  FROM runs LEFT JOIN crash_ends USING (gateway, epoch) WHERE after_seq IS NULL OR seq <= after_seq
  UNION ALL
  SELECT gateway, epoch, grp, first_tick, first_tick + count FROM gap_ticks JOIN gaps USING (gap)
), seen AS (SELECT *, max(last_1) OVER earlier AS before FROM cover
  WINDOW earlier AS (PARTITION BY gateway, epoch, grp ORDER BY first, last_1
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
SELECT gateway, epoch, grp, before, first FROM seen WHERE before < first"""

_TWICE_TICKS = """
WITH cover AS (
  SELECT gateway, epoch, grp, first_tick AS first, first_tick + ticks AS last_1 FROM runs
), seen AS (SELECT *, max(last_1) OVER earlier AS before FROM cover
  WINDOW earlier AS (PARTITION BY gateway, epoch, grp ORDER BY first, last_1
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
SELECT gateway, epoch, total(max(0, min(before, last_1) - first)) FROM seen
WHERE before IS NOT NULL GROUP BY gateway, epoch"""

_MISSING_BLOCKS = """
WITH cover AS (
  SELECT gateway, epoch, 0 AS grp, first, last + 1 AS last_1 FROM held
  UNION ALL
  SELECT gateway, epoch, 0, first, last + 1 FROM gap_blocks JOIN gaps USING (gap)
  UNION ALL
  SELECT gateway, epoch, 0, after_seq + 1, after_seq + 1 FROM crash_ends
), seen AS (SELECT *, max(last_1) OVER earlier AS before FROM cover
  WINDOW earlier AS (PARTITION BY gateway, epoch, grp ORDER BY first, last_1
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
SELECT gateway, epoch,
  total(max(0, min(first, coalesce(after_seq + 1, first)) - coalesce(before, 1)))
FROM seen LEFT JOIN crash_ends USING (gateway, epoch) GROUP BY gateway, epoch"""

#: Gaps by reason: ticks that are counted, whole blocks, and gaps whose count can't be known.
_GAPS = """
SELECT gateway, epoch, reason, total(ticks), total(blocks), total(unknown) FROM (
  SELECT gateway, epoch, reason, count AS ticks, 0 AS blocks, 0 AS unknown FROM skipped
  UNION ALL
  SELECT gateway, epoch, reason, count, 0, 0 FROM gap_ticks JOIN gaps USING (gap)
  UNION ALL
  SELECT gateway, epoch, reason, 0, last - first + 1, 0 FROM gap_blocks JOIN gaps USING (gap)
  UNION ALL
  SELECT gateway, epoch, reason, 0, 0, count_unknown FROM gaps
) GROUP BY gateway, epoch, reason"""


def reason_name(reason: int) -> str:
    """ "device_silent"; a number that this version does not know as itself."""
    if reason in pb.GapReason.values():
        return pb.GapReason.Name(pb.GapReason.ValueType(reason)).removeprefix("GAP_REASON_").lower()
    return str(reason)


def epochs(sql: sqlite3.Connection) -> list[dict[str, Any]]:
    """One dict a gateway and epoch, in their order; see docs/platform.md for the fields."""
    books: dict[tuple[str, int], dict[str, Any]] = {}
    for gateway, epoch, is_open, duplicates, blocks, scans, samples in sql.execute(_EPOCHS):
        books[gateway, epoch] = {
            "gateway": gateway,
            "epoch": epoch,
            "run": epoch >> 32,
            "open": bool(is_open),
            "blocks": blocks,
            "scans": int(scans),
            "samples": int(samples),
            "duplicates": duplicates,
            "gaps": {},
            "missing": 0,
            "missing_blocks": 0,
            "twice": 0,
        }
    for key, query in (
        ("missing_blocks", _MISSING_BLOCKS),
        ("twice", _TWICE_TICKS),
    ):
        for gateway, epoch, number in sql.execute(query):
            books[gateway, epoch][key] = int(number)
    for gateway, epoch, reason, ticks, blocks, unknown in sql.execute(_GAPS):
        counts = {"ticks": int(ticks), "blocks": int(blocks), "unknown": int(unknown)}
        books[gateway, epoch]["gaps"][reason_name(reason)] = counts
    for gateway, epoch, group, first, last_1 in sql.execute(_HOLES):
        explained = reason_of(sql, gateway, epoch, group, first, last_1)
        if explained is None:
            books[gateway, epoch]["missing"] += int(last_1 - first)
        else:
            books[gateway, epoch]["gaps"][reason_name(explained)]["ticks"] += int(last_1 - first)
    return list(books.values())


def say_epochs(sql: sqlite3.Connection, out: TextIO, *, as_json: bool) -> int:
    """Print the books; 0 when nothing is missing or doubled, else 1 and a line on stderr."""
    sql.execute("BEGIN")  # one state of the store for all queries
    books = epochs(sql)
    sql.execute("COMMIT")
    if as_json:
        out.write(json.dumps({"epochs": books}, ensure_ascii=False, indent=1) + "\n")
    else:
        for book in books:
            out.writelines(line + "\n" for line in _lines(book))
    wrong = [b for b in books if b["missing"] or b["missing_blocks"] or b["twice"]]
    for book in wrong:
        sys.stderr.write(
            f"jiahe-ingest: {book['gateway']} run {book['run']}: {book['missing']} ticks and"
            f" {book['missing_blocks']} blocks missing, {book['twice']} ticks twice"
            f"{' (the run is still open: they may yet come)' if book['open'] else ''}\n"
        )
    return 1 if wrong else 0


def _lines(book: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{book['gateway']} run {book['run']} (epoch {book['epoch']},"
        f" {'open' if book['open'] else 'closed'}): {book['blocks']} blocks,"
        f" {book['scans']} scans, {book['samples']} samples,"
        f" {book['duplicates']} duplicates refused, missing {book['missing']}"
    )
    for reason, counts in sorted(book["gaps"].items()):
        said = [
            f"{number} {what}" for what, number in counts.items() if what != "unknown" and number
        ]
        if counts["unknown"]:
            said.append("an unknown number at its end")
        yield f"  gap {reason}: {', '.join(said)}"


def say_days(sql: sqlite3.Connection, out: TextIO, *, as_json: bool) -> int:
    """Print completeness a gateway, device and day; 0 when nothing is missing, else 1."""
    sql.execute("BEGIN")
    books = days(sql)
    sql.execute("COMMIT")
    if as_json:
        out.write(json.dumps({"days": books}, ensure_ascii=False, indent=1) + "\n")
    else:
        for book in books:
            unknown = f", {book['unknown']} gaps of unknown count" if book["unknown"] else ""
            out.write(
                f"{book['day']} {book['gateway']} {book['device']}:"
                f" {book['complete']:.4%} complete, {book['rows']} of {book['due']} scans,"
                f" {book['gaps']} in gaps, missing {book['missing']}{unknown}\n"
            )
    missing = sum(book["missing"] for book in books)
    if missing:
        sys.stderr.write(f"jiahe-ingest: {missing} ticks missing\n")
    return 1 if missing else 0
