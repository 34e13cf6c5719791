"""What a block, or a bundle of them, does to the tables. Functions of an open transaction.

A payload is stored once. Each block of it that is new refers to its place in it; a block that was
held before keeps what it has. So an index row of a run goes over successive new blocks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.facts import Block, Events, Run, part_of
from ingest.stores.api import Outcome, Outcomes, PutBlocks
from ingest.stores.catalogs import held_chain
from ingest.stores.epochs import epoch_row
from ingest.stores.hello import same_machine

_Name = tuple[str, int]


def put_blocks(sql: sqlite3.Connection, item: PutBlocks) -> Outcomes:
    carried, gateway, facts = item.carried, item.gateway, item.facts
    name, revision = (gateway, carried.epoch), carried.catalog_revision
    count = len(facts.blocks)
    outcomes = _compare(sql, item)
    new = [place for place in range(count) if outcomes[place] is Outcome.STORED]
    duplicates = outcomes.count(Outcome.DUPLICATE)
    if duplicates:
        sql.execute(
            "UPDATE epochs SET duplicates = duplicates + ? WHERE gateway = ? AND epoch = ?",
            (duplicates, *name),
        )
    if not new:
        return tuple(outcomes)
    refused = None
    if held_chain(sql, *name, revision) != item.chain:
        refused = Outcome.UNKNOWN  # checked with another catalog than came first
    elif not _fits(sql, item):
        refused = Outcome.CONTRADICTS
    if refused is not None:
        return tuple(refused if o is Outcome.STORED else o for o in outcomes)
    epoch_row(sql, *name)
    payload = _put_payload(sql, item)
    for place in new:
        block = facts.blocks[place]
        sql.execute(
            "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*name, item.first_seq + place, payload, place, revision, block.check, block.crc32c,
             block.scans, block.samples, carried.lane),
        )  # fmt: skip
    for begin, end in _segments(new):
        extend_held(sql, *name, item.first_seq + begin, item.first_seq + end - 1)
        seqs = (item.first_seq + begin, item.first_seq + end - 1)
        for run in facts.runs:
            _put_run(sql, name, payload, run, begin, end, seqs)
        for events in facts.events:
            _put_events(sql, name, payload, events, begin, end, seqs)
    for place in new:
        extra = facts.blocks[place].extra
        if extra is not None:
            _put_extra(sql, name, item.first_seq + place, extra)
    return tuple(outcomes)


def _compare(sql: sqlite3.Connection, item: PutBlocks) -> list[Outcome]:
    blocks = item.facts.blocks
    held = {
        seq: content
        for seq, *content in sql.execute(
            "SELECT seq, check_byte, payload_crc32c, catalog_revision FROM blocks"
            " WHERE gateway = ? AND epoch = ? AND seq BETWEEN ? AND ?",
            (item.gateway, item.carried.epoch, item.first_seq, item.first_seq + len(blocks) - 1),
        )
    }
    outcomes = []
    for seq, block in enumerate(blocks, item.first_seq):
        old = held.get(seq)
        if old is None:
            outcomes.append(Outcome.STORED)
        elif _is_same(old, block, item.carried.catalog_revision):
            outcomes.append(Outcome.DUPLICATE)
        else:
            outcomes.append(Outcome.CONFLICT)
    return outcomes


def _is_same(held: Sequence[int | None], block: Block, revision: int) -> bool:
    """Whether what is held under this name is this block, as far as both say what they are."""
    check, crc32c, held_revision = held
    if (check, held_revision) != (block.check, revision):
        return False
    return None in (crc32c, block.crc32c) or crc32c == block.crc32c


def _segments(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Contiguous places, each segment from its first to behind its last."""
    begin = 0
    for at in range(1, len(places) + 1):
        if at == len(places) or places[at] != places[at - 1] + 1:
            yield places[begin], places[at - 1] + 1
            begin = at


def _fits(sql: sqlite3.Connection, item: PutBlocks) -> bool:
    """Whether each run gives its group the time of tick 0 that is held."""
    for run in item.facts.runs:
        row = sql.execute(
            "SELECT zero_ns FROM series WHERE gateway = ? AND epoch = ? AND grp = ?",
            (item.gateway, item.carried.epoch, run.group),
        ).fetchone()
        zero_ns = run.first_due_ns - run.first_tick * run.period_ns
        if row is not None and row[0] not in (None, zero_ns):
            return False
    return True


def _put_payload(sql: sqlite3.Connection, item: PutBlocks) -> int:
    carried = item.carried
    blocks = 0 if isinstance(carried, pb.Block) else len(item.facts.blocks)
    row = sql.execute(
        "INSERT INTO payloads (gateway, epoch, first_seq, blocks, compression, size, content,"
        " received_utc_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (item.gateway, carried.epoch, item.first_seq, blocks, carried.compression,
         carried.payload_size, carried.payload, item.received_utc_ns),
    ).lastrowid  # fmt: skip
    assert row is not None
    return row


def extend_held(sql: sqlite3.Connection, gateway: str, epoch: int, first: int, last: int) -> None:
    """Add a range that is not held to the ranges, joining what it touches."""
    name = (gateway, epoch)
    before = sql.execute(
        "SELECT first, last FROM held WHERE gateway = ? AND epoch = ? AND first < ?"
        " ORDER BY first DESC LIMIT 1",
        (*name, first),
    ).fetchone()
    after = sql.execute(
        "SELECT last FROM held WHERE gateway = ? AND epoch = ? AND first = ?", (*name, last + 1)
    ).fetchone()
    if after is not None:
        sql.execute(
            "DELETE FROM held WHERE gateway = ? AND epoch = ? AND first = ?", (*name, last + 1)
        )
        last = after[0]
    if before is not None and before[1] == first - 1:
        first = before[0]
    sql.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?)", (*name, first, last))


_SERIES = """
INSERT INTO series SELECT ?1, ?2, ?3, device, period_ns, ?4, ?5, ?6, ?7, ?8 FROM groups
  WHERE gateway = ?1 AND epoch = ?2 AND grp = ?3
ON CONFLICT (gateway, epoch, grp) DO UPDATE SET zero_ns = coalesce(zero_ns, ?4),
  ticks_max = max(ticks_max, ?5), early_ns = min(early_ns, ?6), late_ns = max(late_ns, ?7),
  events_ns_max = max(events_ns_max, ?8)
WHERE (zero_ns IS NULL AND ?4 IS NOT NULL) OR ticks_max < ?5 OR early_ns > ?6 OR late_ns < ?7
  OR events_ns_max < ?8"""


def _put_run(
    sql: sqlite3.Connection, name: _Name, payload: int, run: Run, begin: int, end: int,
    seqs: tuple[int, int],
) -> None:  # fmt: skip
    part = part_of(run.first_tick, run.splits, run.skipped, begin, end)
    if not part.count:
        return
    zero_ns = run.first_due_ns - run.first_tick * run.period_ns
    sql.execute(_SERIES, (*name, run.group, zero_ns, part.count, run.early_ns, run.late_ns, 0))
    sql.execute(
        "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*name, run.group, part.first, part.count, part.rows,
         zero_ns + part.first * run.period_ns, *seqs, payload, run.index),
    )  # fmt: skip
    sql.executemany(
        "INSERT OR IGNORE INTO skipped VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        ((*name, run.group, *one, payload, run.index) for one in part.skipped),
    )


def _put_events(
    sql: sqlite3.Connection, name: _Name, payload: int, events: Events, begin: int, end: int,
    seqs: tuple[int, int],
) -> None:  # fmt: skip
    part = part_of(events.first, events.splits, events.lost, begin, end)
    if not part.count:
        return
    span_ns = events.last_ns - events.first_ns
    sql.execute(_SERIES, (*name, events.group, None, 0, 0, 0, span_ns))
    sql.execute(
        "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*name, events.group, part.first, part.count, part.rows, events.first_ns, events.last_ns,
         *seqs, payload, events.run, events.index),
    )  # fmt: skip
    sql.executemany(
        "INSERT OR IGNORE INTO lost_events VALUES (?, ?, ?, ?, ?, ?, ?)",
        ((*name, events.group, *one, payload) for one in part.skipped),
    )


def _put_extra(sql: sqlite3.Connection, name: _Name, seq: int, extra: pb.BlockPayload) -> None:
    gateway, epoch = name
    for anchor in extra.anchors:  # of its epoch's boot: it also says which boot that was
        sql.execute(
            "INSERT OR IGNORE INTO anchors VALUES (?, ?, ?, ?, ?, ?, ?)",
            (gateway, anchor.boot_id, anchor.boot_time_ns, anchor.utc_ns, anchor.source,
             anchor.error_ns, anchor.voids_earlier),
        )  # fmt: skip
        sql.execute(
            "UPDATE epochs SET boot_id = ? WHERE gateway = ? AND epoch = ? AND boot_id = ''",
            (anchor.boot_id, *name),
        )
    if extra.HasField("begin"):
        one = extra.begin
        sql.execute(
            "INSERT OR IGNORE INTO begins VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*name, one.previous_epoch, one.previous_last_seq, one.sampled_until_ns,
             one.previous_boot_id, one.ended, one.began_ns),
        )  # fmt: skip
    for gap in extra.gaps:
        _put_gap(sql, name, seq, gap)
    if extra.end_of_epoch:
        _close_epoch(sql, gateway, epoch)


def _close_epoch(sql: sqlite3.Connection, gateway: str, epoch: int) -> None:
    epoch_row(sql, gateway, epoch)
    sql.execute("UPDATE epochs SET closed = 1 WHERE gateway = ? AND epoch = ?", (gateway, epoch))


def _is_foreign(sql: sqlite3.Connection, gateway: str, epoch: int, of_epoch: int) -> bool:
    """Whether two epochs are surely of two machines: the one ends nothing of the other."""
    rows = sql.execute(
        "SELECT machine, installation FROM epochs WHERE gateway = ? AND epoch IN (?, ?)"
        " AND said_hello",
        (gateway, epoch, of_epoch),
    ).fetchall()
    return len(rows) == 2 and not same_machine(*rows[0], *rows[1])


def _put_gap(sql: sqlite3.Connection, name: _Name, seq: int, gap: pb.Gap) -> None:
    gateway, in_epoch = name
    epoch_row(sql, gateway, gap.epoch)
    foreign = _is_foreign(sql, gateway, in_epoch, gap.epoch)
    row = sql.execute(
        "INSERT INTO gaps (gateway, in_epoch, in_seq, epoch, reason, count_unknown, after_seq,"
        " until_ns, until_boot_id, foreign_machine) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (gateway, in_epoch, seq, gap.epoch, gap.reason, gap.count_unknown, gap.after_seq,
         gap.until_ns, gap.until_boot_id, foreign),
    ).lastrowid  # fmt: skip
    sql.executemany(
        "INSERT INTO gap_blocks VALUES (?, ?, ?)", ((row, r.first, r.last) for r in gap.blocks)
    )
    sql.executemany(
        "INSERT INTO gap_ticks VALUES (?, ?, ?, ?, ?, ?)",
        ((row, t.group, t.first_tick, t.count, t.first_due_ns, t.last_due_ns) for t in gap.ticks),
    )
    sql.executemany(
        "INSERT INTO gap_events VALUES (?, ?, ?, ?)",
        ((row, e.group, e.first, e.count) for e in gap.events),
    )
    if (gap.count_unknown or gap.end_of_epoch) and not foreign:
        _close_epoch(sql, gateway, gap.epoch)
