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

from ingest.chain import absent_runs
from ingest.completeness import CLASSES, days
from ingest.holes import reason_of
from ingest.messages import said
from ingest.words import cleaned

_EPOCHS = """
SELECT gateway, epoch, NOT closed AS open, duplicates,
  (SELECT count(*) FROM blocks b WHERE (b.gateway, b.epoch) = (e.gateway, e.epoch)) AS blocks,
  (SELECT total(scans) FROM blocks b
    WHERE (b.gateway, b.epoch) = (e.gateway, e.epoch)) AS scans,
  (SELECT total(samples) FROM blocks b
    WHERE (b.gateway, b.epoch) = (e.gateway, e.epoch)) AS samples
FROM epochs e WHERE gateway = ?1 ORDER BY epoch"""

#: Ranges are [first, last_1); `before`: where the cover of all earlier ranges of the group ends.
_HOLES = """
WITH cover AS (
  SELECT gateway, epoch, grp, 0 AS first, 0 AS last_1 FROM series
  WHERE gateway = ?1 AND zero_ns IS NOT NULL
  UNION ALL
  SELECT gateway, epoch, grp, first_tick, first_tick + ticks FROM runs
  LEFT JOIN crash_ends USING (gateway, epoch)
  WHERE gateway = ?1 AND (after_seq IS NULL OR first_seq <= after_seq)
  UNION ALL
  SELECT gateway, epoch, grp, first_tick, first_tick + count FROM gap_ticks JOIN gaps USING (gap)
  WHERE gateway = ?1
  UNION ALL
  SELECT gateway, epoch, grp, last_tick + 1, last_tick + 1
  FROM catalogs JOIN catalog_ends USING (catalog) JOIN series USING (gateway, epoch, grp)
  WHERE gateway = ?1
), seen AS (SELECT *, max(last_1) OVER earlier AS before FROM cover
  WINDOW earlier AS (PARTITION BY gateway, epoch, grp ORDER BY first, last_1
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
SELECT gateway, epoch, grp, before, first FROM seen WHERE before < first"""

_EVENT_HOLES = """
WITH cover AS (
  SELECT DISTINCT gateway, epoch, grp, 0 AS first, 0 AS last_1 FROM events WHERE gateway = ?1
  UNION ALL
  SELECT gateway, epoch, grp, first, first + count FROM events
  LEFT JOIN crash_ends USING (gateway, epoch)
  WHERE gateway = ?1 AND (after_seq IS NULL OR first_seq <= after_seq)
  UNION ALL
  SELECT gateway, epoch, grp, first, first + count FROM gap_events JOIN gaps USING (gap)
  WHERE gateway = ?1
), seen AS (SELECT *, max(last_1) OVER earlier AS before FROM cover
  WINDOW earlier AS (PARTITION BY gateway, epoch, grp ORDER BY first, last_1
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
SELECT gateway, epoch, grp, before, first FROM seen WHERE before < first"""

_EVENTS = (
    "SELECT gateway, epoch, total(taken) FROM events WHERE gateway = ?1 GROUP BY gateway, epoch"
)

_TWICE_TICKS = """
WITH cover AS (
  SELECT gateway, epoch, grp, first_tick AS first, first_tick + ticks AS last_1 FROM runs
  WHERE gateway = ?1
), seen AS (SELECT *, max(last_1) OVER earlier AS before FROM cover
  WINDOW earlier AS (PARTITION BY gateway, epoch, grp ORDER BY first, last_1
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
SELECT gateway, epoch, total(max(0, min(before, last_1) - first)) FROM seen
WHERE before IS NOT NULL GROUP BY gateway, epoch"""

#: Where the next run says how far an epoch went, its last blocks count too.
_MISSING_BLOCKS = """
WITH cover AS (
  SELECT gateway, epoch, 0 AS grp, first, last + 1 AS last_1 FROM held WHERE gateway = ?1
  UNION ALL
  SELECT gateway, epoch, 0, first, last + 1 FROM gap_blocks JOIN gaps USING (gap)
  WHERE gateway = ?1
  UNION ALL
  SELECT gateway, epoch, 0, after_seq + 1, after_seq + 1 FROM crash_ends WHERE gateway = ?1
  UNION ALL
  SELECT gateway, previous_epoch, 0, previous_last_seq + 1, previous_last_seq + 1 FROM begins
  WHERE gateway = ?1 AND (gateway, previous_epoch) IN (SELECT gateway, epoch FROM epochs)
), seen AS (SELECT *, max(last_1) OVER earlier AS before FROM cover
  WINDOW earlier AS (PARTITION BY gateway, epoch, grp ORDER BY first, last_1
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
SELECT gateway, epoch,
  total(max(0, min(first, coalesce(after_seq + 1, first)) - coalesce(before, 1)))
FROM seen LEFT JOIN crash_ends USING (gateway, epoch) GROUP BY gateway, epoch"""

#: Gaps by reason: ticks and events that are counted, whole blocks, and gaps whose count can't be
#: known.
_GAPS = """
SELECT gateway, epoch, reason, total(ticks), total(events), total(blocks), total(unknown) FROM (
  SELECT gateway, epoch, reason, count AS ticks, 0 AS events, 0 AS blocks, 0 AS unknown
  FROM skipped
  UNION ALL
  SELECT gateway, epoch, reason, 0, count, 0, 0 FROM lost_events
  UNION ALL
  SELECT gateway, epoch, reason, count, 0, 0, 0 FROM gap_ticks JOIN gaps USING (gap)
  UNION ALL
  SELECT gateway, epoch, reason, 0, count, 0, 0 FROM gap_events JOIN gaps USING (gap)
  UNION ALL
  SELECT gateway, epoch, reason, 0, 0, last - first + 1, 0 FROM gap_blocks JOIN gaps USING (gap)
  UNION ALL
  SELECT gateway, epoch, reason, 0, 0, 0, count_unknown FROM gaps
) WHERE gateway = ?1 GROUP BY gateway, epoch, reason"""


#: Of each reason for a gap.
COUNTED = ("ticks", "events", "blocks", "unknown")
_WRONG = ("missing", "missing_blocks", "missing_events", "twice")


def reason_name(reason: int) -> str:
    """ "device_silent"; a number that this version does not know as itself."""
    if reason in pb.GapReason.values():
        return pb.GapReason.Name(pb.GapReason.ValueType(reason)).removeprefix("GAP_REASON_").lower()
    return str(reason)


def epochs(sql: sqlite3.Connection, gateway: str | None = None) -> list[dict[str, Any]]:
    """One dict a gateway and epoch, in their order; see docs/platform.md for the fields.

    One state of the store a gateway, and then it is let go: while a reader holds a state, the
    writer's log can't be wound up.
    """
    found: list[dict[str, Any]] = []
    for (name,) in sql.execute("SELECT gateway FROM gateways ORDER BY gateway").fetchall():
        if gateway in (None, name):
            sql.execute("BEGIN")
            try:
                found += _epochs_of(sql, name)
            finally:
                sql.execute("COMMIT")
    return found


def _epochs_of(sql: sqlite3.Connection, name: str) -> list[dict[str, Any]]:
    books: dict[tuple[str, int], dict[str, Any]] = {}
    for gateway, epoch, is_open, duplicates, blocks, scans, samples in sql.execute(
        _EPOCHS, (name,)
    ):
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
            "events": 0,
            "missing": 0,
            "missing_blocks": 0,
            "missing_events": 0,
            "twice": 0,
        }
    for key, query in (
        ("missing_blocks", _MISSING_BLOCKS),
        ("events", _EVENTS),
        ("twice", _TWICE_TICKS),
    ):
        for gateway, epoch, number in sql.execute(query, (name,)):
            books[gateway, epoch][key] = int(number)
    for gateway, epoch, reason, *numbers in sql.execute(_GAPS, (name,)):
        counts = dict(zip(COUNTED, map(int, numbers), strict=True))
        books[gateway, epoch]["gaps"][reason_name(reason)] = counts
    for gateway, epoch, group, first, last_1 in sql.execute(_HOLES, (name,)):
        explained = reason_of(sql, gateway, epoch, group, first, last_1)
        if explained is None:
            books[gateway, epoch]["missing"] += int(last_1 - first)
        else:
            books[gateway, epoch]["gaps"][reason_name(explained)]["ticks"] += int(last_1 - first)
    for gateway, epoch, group, first, last_1 in sql.execute(_EVENT_HOLES, (name,)):
        explained = reason_of(sql, gateway, epoch, group, first, last_1, "events")
        if explained is None:
            books[gateway, epoch]["missing_events"] += int(last_1 - first)
        else:
            books[gateway, epoch]["gaps"][reason_name(explained)]["events"] += int(last_1 - first)
    return list(books.values())


def say_epochs(
    sql: sqlite3.Connection, out: TextIO, *, as_json: bool, gateway: str | None = None
) -> int:
    """Print the books; 0 when nothing is missing or doubled, else 1 and a line on stderr."""
    books = epochs(sql, gateway)
    absent = [one for one in absent_runs(sql) if gateway in (None, one[0])]
    if as_json:
        told = [dict(zip(("gateway", "epoch", "named_by"), one, strict=True)) for one in absent]
        document = {"format": 1, "epochs": books, "absent": told}
        out.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    else:
        for book in books:
            out.writelines(line + "\n" for line in _lines(book))
    wrong = [b for b in books if any(b[key] for key in _WRONG)]
    for book in wrong:
        words = said(
            "audit_wrong", gateway=cleaned(book["gateway"]), run=book["run"],
            ticks=book["missing"], blocks=book["missing_blocks"], events=book["missing_events"],
            twice=book["twice"], still=said("audit_still") if book["open"] else "",
        )  # fmt: skip
        sys.stderr.write(f"jiahe-ingest: {words}\n")
    for name, epoch, by in absent:
        about = {"gateway": cleaned(name), "run": epoch >> 32, "by": by >> 32}
        sys.stderr.write(f"jiahe-ingest: {said('audit_absent', epoch=epoch, **about)}\n")
    return 1 if wrong or absent else 0


def _lines(book: dict[str, Any]) -> Iterator[str]:
    counted = ("run", "epoch", "blocks", "scans", "samples", "duplicates", "missing")
    yield said(
        "audit_run", gateway=cleaned(book["gateway"]),
        state=said("open" if book["open"] else "closed"), **{key: book[key] for key in counted},
    )  # fmt: skip
    for reason, counts in sorted(book["gaps"].items()):
        parts = [
            said(what, number=number)
            for what, number in counts.items()
            if what != "unknown" and number
        ]
        if counts["unknown"]:
            parts.append(said("unknown"))
        yield said("gap", reason=reason, counts=", ".join(parts))


def say_days(
    sql: sqlite3.Connection, out: TextIO, *, as_json: bool, now_ns: int,
    gateway: str | None = None, start_ns: int | None = None, end_ns: int | None = None,
    expect: float | None = None,
) -> int:  # fmt: skip
    """Print completeness a gateway, device and day. 0, or 1 when time is missing; with `expect` (in
    percent) 1 when a day is complete to less than that."""
    books = days(sql, now_ns, gateway, start_ns, end_ns)
    absent = [one for one in absent_runs(sql) if gateway in (None, one[0])]
    if as_json:
        document = {"format": 1, "days": books}
        out.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    else:
        out.writelines(_day_line(book) + "\n" for book in books)
    for name, epoch, by in absent:
        words = said("day_absent", gateway=cleaned(name), run=epoch >> 32, by=by >> 32)
        sys.stderr.write(f"jiahe-ingest: {words}\n")
    if expect is not None:
        short = [book for book in books if book["complete"] * 100 < expect]
        for book in short:
            words = said("day_short", expect=expect, complete=book["complete"], **_whose(book))
            sys.stderr.write(f"jiahe-ingest: {words}\n")
        return 1 if short or absent else 0
    missing = sum(book["missing_s"] for book in books)
    if missing:
        sys.stderr.write(f"jiahe-ingest: {said('day_missing', seconds=missing)}\n")
    return 1 if missing or absent else 0


def _day_line(book: dict[str, Any]) -> str:
    parts = ", ".join(
        said("day_part", name=said(f"class_{name}"), seconds=book[f"{name}_s"]) for name in CLASSES
    )
    uncertain = said("day_uncertain") if book["uncertain"] else ""
    return said("day", parts=parts, uncertain=uncertain, complete=book["complete"], **_whose(book))


def _whose(book: dict[str, Any]) -> dict[str, str]:
    return {"day": book["day"]} | {key: cleaned(book[key]) for key in ("gateway", "device")}
