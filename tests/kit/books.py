"""The books that the ledger compares: what was sampled, and what the platform has stored.

Read with none of the receiver's code: SQL on its file, and `proto/reader.py` for the blocks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from jiahe.ingest.v1 import ingest_pb2 as pb

from tests.kit.short import short_reader

COUNTER_TAG = "serial_number"
_BAD = 128
#: How far apart the clocks of two boots are moved: longer than any boot of a test.
BOOT_NS = 10**15
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


def read_sampled(directory: Path, *, by_boot: bool = False) -> list[Sampled]:
    """All lines of all files in `directory`. Raises ValueError with file and line. `by_boot`: each
    file, in the order of names, is of a boot of its own, whose times are moved as in `read_stored`.
    """
    sampled = []
    for boot, path in enumerate(sorted(directory.iterdir())):
        moved_ns = boot * BOOT_NS if by_boot else 0
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                device, counter, asked, answered, *end = line.replace(",", " ").split()
                if end not in ([], ["spoilt"]):
                    raise ValueError("more than four words, and the fifth is not spoilt")
                asked_ns, answered_ns = int(asked) + moved_ns, int(answered) + moved_ns
                one = Sampled(device, int(counter), asked_ns, answered_ns, bool(end))
            except ValueError as error:
                raise ValueError(f"{path}:{number}: {line!r}: {error}") from error
            if one.counter:  # 0: an answer that carried no counter
                sampled.append(one)
    return sampled


def read_stored(path: Path, boots: Sequence[str] = ()) -> Stored:
    """The receiver's file, by SQL. `boots`: the boot ids of a box that was started several times,
    in order: the times of each are moved by BOOT_NS more than those of the one before.
    """
    sql = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        stored = Stored()
        if boots:
            _move(sql, boots)
        _read_rows(sql, stored, boots)
        _read_counted_gaps(sql, stored)
        _read_block_gaps(sql, stored)
        _read_crash_gaps(sql, stored)
        _read_lies(sql, stored)
        return stored
    finally:
        sql.close()


def _move(sql: sqlite3.Connection, boots: Sequence[str]) -> None:
    """From here on every table says the moved times: a view of the same name stands before it."""
    sql.create_function("moved", 1, lambda boot: boots.index(boot) * BOOT_NS)
    epoch = "SELECT boot_id FROM main.epochs e WHERE (e.gateway, e.epoch) = (t.gateway, t.epoch)"
    named = "main.epochs JOIN main.gaps g USING (gateway, epoch)"
    gap = f"SELECT boot_id FROM {named} WHERE g.gap = t.gap"
    own, of_gap = f"moved(({epoch}))", f"moved(({gap}))"
    for table, columns, move in (
        ("series", ("zero_ns",), own),
        ("runs", ("first_due_ns",), own),
        ("device_runs", ("first_due_ns", "zero_ns"), own),
        ("gap_ticks", ("first_due_ns", "last_due_ns"), of_gap),
        ("gaps", ("until_ns",), "CASE until_boot_id WHEN '' THEN 0 ELSE moved(until_boot_id) END"),
    ):
        said = [row[1] for row in sql.execute(f"PRAGMA main.table_info({table})")]
        shown = [f"{name} + {move} AS {name}" if name in columns else name for name in said]
        sql.execute(f"CREATE TEMP VIEW {table} AS SELECT {', '.join(shown)} FROM main.{table} t")


def opening(sql: sqlite3.Connection) -> Iterator[tuple[str, pb.StreamRequest]]:
    """What each gateway sent before its blocks: (gateway, message). '': of all of them."""
    for (content,) in sql.execute("SELECT content FROM tag_sets"):
        yield "", pb.StreamRequest(tag_set=pb.TagSet(content=content))
    for gateway, epoch, revision, name, content in sql.execute(
        "SELECT gateway, epoch, revision, catalog, content FROM catalogs JOIN contents"
        " USING (catalog) ORDER BY revision"
    ):
        catalog = pb.Catalog(epoch=epoch, revision=revision, id=name, content=content)
        yield gateway, pb.StreamRequest(catalog=catalog)


def _read_rows(sql: sqlite3.Connection, stored: Stored, boots: Sequence[str]) -> None:
    before = list(opening(sql))
    boot_of = dict(sql.execute("SELECT epoch, boot_id FROM epochs"))
    held: dict[int, set[int]] = {}  # payload: seqs that lie in it
    for gateway, epoch, seq, payload, scans in sql.execute(
        "SELECT gateway, epoch, seq, payload, scans FROM blocks"
    ):
        stored.held.setdefault((gateway, epoch), set()).add(seq)
        stored.scans[epoch] = stored.scans.get(epoch, 0) + scans
        held.setdefault(payload, set()).add(seq)
    for number, gateway, epoch, first_seq, blocks, compression, content in sql.execute(
        "SELECT payload, gateway, epoch, first_seq, blocks, compression, content FROM payloads"
    ):
        known = [message for whose, message in before if whose in ("", gateway)]
        for entry in counters(known, epoch, first_seq, blocks > 0, compression, content):
            if entry.seq in held.get(number, ()):  # else it came twice, and lies in another
                time_ns = entry.time_ns + (boots.index(boot_of[epoch]) * BOOT_NS if boots else 0)
                span_ns = None if entry.span_us is None else entry.span_us * 1000
                row = Row(entry.device, entry.counter, time_ns, epoch, span_ns)
                stored.rows.append(row)


class Counted(NamedTuple):
    """An entry of the counter tag, and the block that it is of."""

    seq: int
    device: str
    counter: int | None
    time_ns: int
    span_us: int | None


def counters(
    opening: Iterable[pb.StreamRequest], epoch: int, first_seq: int, is_bundle: bool,
    compression: int, content: bytes,
) -> Iterator[Counted]:  # fmt: skip
    """What a payload says of the counter tag, by the short reader."""
    reader = short_reader()
    kind = pb.Compression.ValueType(compression)
    if is_bundle:
        bundle = pb.Bundle(epoch=epoch, first_seq=first_seq, compression=kind, payload=content)
        message = pb.StreamRequest(bundle=bundle)
    else:
        block = pb.Block(epoch=epoch, seq=first_seq, compression=kind, payload=content)
        message = pb.StreamRequest(block=block)
    entries = [e for e in reader.read([*opening, message]) if e[2] == COUNTER_TAG]
    type_ = pb.BundlePayload if is_bundle else pb.BlockPayload
    runs = type_.FromString(reader.UNPACK[compression](content)).runs
    spans = _half_spans_us(opening, epoch, runs)
    for (seq, device, _, time_ns, _, value, quality), span_us in zip(entries, spans, strict=True):
        counter = int(value) if value is not None and quality < _BAD else None
        yield Counted(seq, device, counter, time_ns, span_us)


def _half_spans_us(
    opening: Iterable[pb.StreamRequest], epoch: int, runs: Iterable[pb.GroupRun]
) -> Iterator[int | None]:
    """One for each entry of the counter tag, in the reader's order; None where it was left out."""
    sets: dict[bytes, list[str]] = {}
    tags: dict[int, list[str]] = {}
    for message in opening:
        if message.HasField("tag_set"):
            content = message.tag_set.content
            names = [tag.name for tag in pb.TagSetContent.FromString(content).tags]
            sets[sha256(content).digest()[:16]] = names
        elif message.catalog.epoch == epoch:
            made = pb.CatalogContent.FromString(message.catalog.content)
            tags |= {group.id: sets[group.tag_set] for group in made.groups}
    for run in runs:
        if COUNTER_TAG in tags[run.group] and run.columns:
            column = run.columns[tags[run.group].index(COUNTER_TAG)]
            count = run.ticks - sum(gap.count for gap in run.skipped)
            spans = [span or None for span in run.half_span_us] or [None] * count
            yield from (spans[row] for row in accumulate(column.rows)) if column.sparse else spans


def _read_counted_gaps(sql: sqlite3.Connection, stored: Stored) -> None:
    devices = {
        (gateway, epoch, group): (device, period_ns)
        for gateway, epoch, group, device, period_ns in sql.execute(
            "SELECT gateway, epoch, grp, device, period_ns FROM groups ORDER BY revision"
        )
    }
    for device, reason, start_ns, count, period_ns in sql.execute(
        "SELECT device, reason, zero_ns + first_tick * period_ns, count, period_ns"
        " FROM skipped JOIN series USING (gateway, epoch, grp)"
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
            "SELECT max(first_due_ns + ticks * period_ns) FROM device_runs"
            " WHERE (gateway, epoch, grp) = (?, ?, ?) AND last_seq < ?",
            (*name, first),
        ).fetchone()
        (end_ns,) = sql.execute(
            "SELECT min(first_due_ns) FROM runs"
            " WHERE (gateway, epoch, grp) = (?, ?, ?) AND first_seq > ?",
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
        " AND count_unknown), (SELECT min(first_due_ns) FROM device_runs WHERE gateway = ?1"
        " AND epoch > ?2 AND device = ?3), ?4)",
        (gateway, epoch, device, OPEN_NS),
    ).fetchone()
    return int(end_ns)


def _last_seen_ns(
    sql: sqlite3.Connection, gateway: str, epoch: int, device: str | None, before_ns: int
) -> int:
    """When a device (None: any) was due last in other epochs, before a moment; 0: never."""
    (seen_ns,) = sql.execute(
        "SELECT coalesce(max(first_due_ns + (ticks - 1) * period_ns), 0) FROM device_runs"
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
                " max(first_due_ns + ticks * period_ns) AS end_ns FROM device_runs"
                " WHERE gateway = ? AND epoch = ? AND first_seq <= ? GROUP BY device, grp)"
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
