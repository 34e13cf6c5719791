"""The books that the ledger compares: what was sampled, and what the platform has stored.

Read with none of the receiver's code: SQL on its file, and `proto/reader.py` for the blocks.
"""

from __future__ import annotations

import importlib.util
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from jiahe.ingest.v1 import ingest_pb2 as pb

COUNTER_TAG = "serial_number"
_READER = Path(__file__).parents[2] / "proto" / "reader.py"
_BAD = 128
#: The end of a gap behind which nothing of its device is known.
OPEN_NS = (1 << 63) - 1


class Sampled(NamedTuple):
    device: str
    counter: int
    asked_ns: int
    answered_ns: int
    spoilt: bool = False  # a fault kept it from arriving whole and in time


class Row(NamedTuple):
    """A stored entry of the counter tag; `counter` is None when its quality is bad."""

    device: str
    counter: int | None
    time_ns: int
    epoch: int
    half_span_ns: int | None  # how far the box says that its time may be off


class Gap(NamedTuple):
    """An announced gap of one device in time: from `start_ns` (inclusive) to `end_ns`
    (exclusive)."""

    device: str | None  # None: of every device, because its epoch's catalog never came
    reason: str
    start_ns: int
    end_ns: int
    ticks: int | None  # None: the count can't be known


class Lie(NamedTuple):
    """An announced gap that covers what is stored."""

    epoch: int
    what: str


@dataclass(slots=True)
class Stored:
    """The platform's book."""

    rows: list[Row] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    lies: list[Lie] = field(default_factory=list)
    #: (gateway, epoch) -> seqs that are held, and ranges that gaps announce as never coming.
    held: dict[tuple[str, int], set[int]] = field(default_factory=dict)
    given_up: dict[tuple[str, int], list[tuple[int, int]]] = field(default_factory=dict)
    #: epoch -> scans in its blocks
    scans: dict[int, int] = field(default_factory=dict)


def read_sampled(directory: Path) -> list[Sampled]:
    """All lines of all files in `directory`. Raises ValueError with file and line."""
    sampled = []
    for path in sorted(directory.iterdir()):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                device, counter, asked, answered, *end = line.replace(",", " ").split()
                if end not in ([], ["spoilt"]):
                    raise ValueError("more than four words, and the fifth is not spoilt")
                one = Sampled(device, int(counter), int(asked), int(answered), bool(end))
            except ValueError as error:
                raise ValueError(f"{path}:{number}: {line!r}: {error}") from error
            if one.counter:  # 0: an answer that carried no counter
                sampled.append(one)
    return sampled


def _reader() -> Any:
    spec = importlib.util.spec_from_file_location("block_reader", _READER)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_stored(path: Path) -> Stored:
    """The receiver's file, by SQL."""
    sql = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        stored = Stored()
        _read_rows(sql, stored)
        _read_counted_gaps(sql, stored)
        _read_block_gaps(sql, stored)
        _read_crash_gaps(sql, stored)
        _read_lies(sql, stored)
        return stored
    finally:
        sql.close()


def _read_rows(sql: sqlite3.Connection, stored: Stored) -> None:
    reader = _reader()
    catalogs = {
        (gateway, epoch, revision): pb.Catalog.FromString(message)
        for gateway, epoch, revision, message in sql.execute("SELECT * FROM catalogs")
    }
    for gateway, epoch, seq, revision, compression, payload, scans in sql.execute(
        "SELECT gateway, epoch, seq, catalog_revision, compression, payload, scans FROM blocks"
    ):
        stored.held.setdefault((gateway, epoch), set()).add(seq)
        stored.scans[epoch] = stored.scans.get(epoch, 0) + scans
        block = pb.Block(compression=compression, payload=payload)
        catalog = catalogs[gateway, epoch, revision]
        counters = (entry for entry in reader.read(catalog, block) if entry[1] == COUNTER_TAG)
        spans = _half_spans_us(catalog, reader.UNPACK[compression](payload))
        for (device, _, time_ns, value, quality), span_us in zip(counters, spans, strict=True):
            counter = int(value) if value is not None and quality < _BAD else None
            span_ns = None if span_us is None else span_us * 1000
            stored.rows.append(Row(device, counter, time_ns, epoch, span_ns))


def _half_spans_us(catalog: pb.Catalog, payload: bytes) -> Iterator[int | None]:
    """One for each entry of the counter tag, in the reader's order; None where it was left out."""
    tags = {group.id: [tag.name for tag in group.tags] for group in catalog.groups}
    for run in pb.BlockPayload.FromString(payload).runs:
        if COUNTER_TAG in tags[run.group] and run.columns:
            column = run.columns[tags[run.group].index(COUNTER_TAG)]
            count = run.ticks - sum(gap.count for gap in run.skipped)
            spans = run.half_span_us or [None] * count
            yield from (spans[row] for row in accumulate(column.rows)) if column.sparse else spans


def _read_counted_gaps(sql: sqlite3.Connection, stored: Stored) -> None:
    devices = {
        (gateway, epoch, group): (device, period_ns)
        for gateway, epoch, group, device, period_ns in sql.execute(
            "SELECT gateway, epoch, grp, device, period_ns FROM groups ORDER BY revision"
        )
    }
    for device, reason, start_ns, count, period_ns in sql.execute(
        "SELECT device, reason, first_due_ns + (s.first_tick - r.first_tick) * period_ns, count,"
        " period_ns FROM skipped s JOIN runs r USING (gateway, epoch, seq, run)"
    ):
        end_ns = start_ns + count * period_ns
        stored.gaps.append(Gap(device, _reason(reason), start_ns, end_ns, count))
    for gateway, epoch, reason, group, count, first_ns, last_ns in sql.execute(
        "SELECT gateway, epoch, reason, grp, count, first_due_ns, last_due_ns"
        " FROM gap_ticks JOIN gaps USING (gap)"
    ):
        device, period_ns = devices.get((gateway, epoch, group), (None, 0))
        stored.gaps.append(Gap(device, _reason(reason), first_ns, last_ns + period_ns, count))
    for gateway, epoch, first, last in sql.execute(
        "SELECT gateway, epoch, first, last FROM gap_blocks JOIN gaps USING (gap)"
    ):
        stored.given_up.setdefault((gateway, epoch), []).append((first, last))


def _read_block_gaps(sql: sqlite3.Connection, stored: Stored) -> None:
    """Blocks announced without their ticks: what lies between their neighbours, a group."""
    for gateway, epoch, reason, first, last, group, device, period_ns in sql.execute(
        "SELECT DISTINCT g.gateway, g.epoch, reason, first, last, grp, device, period_ns"
        " FROM gap_blocks JOIN gaps g USING (gap) JOIN groups USING (gateway, epoch)"
        " WHERE NOT EXISTS (SELECT 1 FROM gap_ticks t WHERE t.gap = g.gap)"
    ):
        name = (gateway, epoch, group)
        (start_ns,) = sql.execute(
            "SELECT max(first_due_ns + ticks * period_ns) FROM runs"
            " WHERE (gateway, epoch, grp) = (?, ?, ?) AND seq < ?",
            (*name, first),
        ).fetchone()
        (end_ns,) = sql.execute(
            "SELECT min(first_due_ns) FROM runs"
            " WHERE (gateway, epoch, grp) = (?, ?, ?) AND seq > ?",
            (*name, last),
        ).fetchone()
        ticks = None
        if start_ns is not None and end_ns is not None:
            ticks = (end_ns - start_ns) // period_ns
        if end_ns is None:
            end_ns = _end_ns(sql, gateway, epoch, device)
        if start_ns is None:
            start_ns = _last_seen_ns(sql, gateway, epoch, device, end_ns)
        if start_ns < end_ns:
            stored.gaps.append(Gap(device, _reason(reason), start_ns, end_ns, ticks))


def _end_ns(sql: sqlite3.Connection, gateway: str, epoch: int, device: str) -> int:
    """When an epoch was over at the latest: its crash gap says it, or the next run's first scan."""
    (end_ns,) = sql.execute(
        "SELECT coalesce((SELECT min(until_ns) FROM gaps WHERE (gateway, epoch) = (?1, ?2)"
        " AND count_unknown), (SELECT min(first_due_ns) FROM runs WHERE gateway = ?1"
        " AND epoch > ?2 AND device = ?3), ?4)",
        (gateway, epoch, device, OPEN_NS),
    ).fetchone()
    return int(end_ns)


def _last_seen_ns(
    sql: sqlite3.Connection, gateway: str, epoch: int, device: str | None, before_ns: int
) -> int:
    """When a device (None: any) was due last in other epochs, before a moment; 0: never."""
    (seen_ns,) = sql.execute(
        "SELECT coalesce(max(first_due_ns + (ticks - 1) * period_ns), 0) FROM runs"
        " WHERE gateway = ?1 AND epoch < ?2 AND (?3 IS NULL OR device = ?3)"
        " AND first_due_ns < ?4",
        (gateway, epoch, device, before_ns),
    ).fetchone()
    return int(seen_ns)


def _read_crash_gaps(sql: sqlite3.Connection, stored: Stored) -> None:
    """From the last tick that the platform holds in blocks up to `after_seq`, until `until_ns`.

    A gap that names the holes begins behind all that is held: the holes are block gaps.
    """
    for gateway, epoch, reason, after_seq, until_ns in sql.execute(
        "SELECT gateway, epoch, reason, CASE WHEN gap IN (SELECT gap FROM gap_blocks)"
        " THEN 1 << 62 ELSE after_seq END, until_ns FROM gaps WHERE count_unknown"
    ):
        ends = dict(
            sql.execute(
                "SELECT device, min(end_ns) FROM (SELECT device,"
                " max(first_due_ns + ticks * period_ns) AS end_ns FROM runs"
                " WHERE gateway = ? AND epoch = ? AND seq <= ? GROUP BY device, grp)"
                " GROUP BY device",
                (gateway, epoch, after_seq),
            )
        )
        known = sql.execute(
            "SELECT DISTINCT device FROM groups WHERE gateway = ? AND epoch = ?", (gateway, epoch)
        ).fetchall()
        for device in [row[0] for row in known] or [None]:
            start_ns = ends.get(device)
            if start_ns is None:  # nothing of it in this epoch: since it was last seen before
                start_ns = _last_seen_ns(sql, gateway, epoch, device, until_ns)
            stored.gaps.append(Gap(device, _reason(reason), start_ns, until_ns, None))


def _read_lies(sql: sqlite3.Connection, stored: Stored) -> None:
    for epoch, group, first, last in sql.execute(
        "SELECT r.epoch, r.grp, max(r.first_tick, t.first_tick),"
        " min(r.first_tick + r.ticks, t.first_tick + t.count) - 1"
        " FROM runs r JOIN gaps g USING (gateway, epoch) JOIN gap_ticks t"
        " ON t.gap = g.gap AND t.grp = r.grp"
        " AND t.first_tick < r.first_tick + r.ticks AND r.first_tick < t.first_tick + t.count"
    ):
        stored.lies.append(Lie(epoch, f"ticks {first}..{last} of group {group} are stored"))
    for epoch, seq, after_seq in sql.execute(
        "SELECT b.epoch, b.seq, g.after_seq FROM blocks b JOIN gaps g USING (gateway, epoch)"
        " WHERE g.count_unknown AND b.seq > g.after_seq AND g.gap NOT IN"
        " (SELECT gap FROM gap_blocks)"
    ):
        stored.lies.append(Lie(epoch, f"block {seq} is stored, the crash gap is after {after_seq}"))
    for epoch, seq in sql.execute(
        "SELECT b.epoch, b.seq FROM blocks b JOIN gaps g USING (gateway, epoch)"
        " JOIN gap_blocks n ON n.gap = g.gap AND b.seq BETWEEN n.first AND n.last"
    ):
        stored.lies.append(Lie(epoch, f"block {seq} is stored, a gap says it never comes"))


def _reason(number: int) -> str:
    return pb.GapReason.Name(pb.GapReason.ValueType(number)).removeprefix("GAP_REASON_").lower()
