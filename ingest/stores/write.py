"""What one block, catalog or Hello does to the tables. Functions of an open transaction."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence

from google.protobuf.message import DecodeError
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.stores.api import Known, Outcome, PutBlock, PutCatalog, StoreError


def _epoch_row(sql: sqlite3.Connection, gateway: str, epoch: int) -> None:
    """Make the rows of the gateway and the epoch, if they are not there."""
    _raise_highest(sql, gateway, epoch)
    sql.execute("INSERT OR IGNORE INTO epochs VALUES (?, ?, '', '', 0, 0, 0, 0)", (gateway, epoch))


def _raise_highest(sql: sqlite3.Connection, gateway: str, epoch: int) -> None:
    sql.execute(
        "INSERT INTO gateways VALUES (?1, 0, ?2) ON CONFLICT (gateway)"
        " DO UPDATE SET highest_epoch = ?2 WHERE highest_epoch < ?2",
        (gateway, epoch),
    )


def hello(
    sql: sqlite3.Connection,
    gateway: str,
    epoch: int,
    boot_id: str,
    software: str,
    earlier: Sequence[int],
) -> Known:
    """See Store.hello. A run that comes back after another run spoke is superseded.

    A daemon never takes an epoch again, so the return of an earlier current run, or one epoch
    with two boot ids, can only be a second box under the same id.
    """
    _epoch_row(sql, gateway, epoch)
    _raise_highest(sql, gateway, max((epoch, *earlier)))
    current, highest = sql.execute(
        "SELECT current_epoch, highest_epoch FROM gateways WHERE gateway = ?", (gateway,)
    ).fetchone()
    said_hello, known_boot = sql.execute(
        "SELECT said_hello, boot_id FROM epochs WHERE gateway = ? AND epoch = ?", (gateway, epoch)
    ).fetchone()
    superseded = bool(said_hello and current != epoch) or known_boot not in ("", boot_id)
    if superseded:
        return Known((), highest, True)
    sql.execute("UPDATE gateways SET current_epoch = ? WHERE gateway = ?", (epoch, gateway))
    sql.execute(
        "UPDATE epochs SET said_hello = 1, boot_id = ?, software = ?"
        " WHERE gateway = ? AND epoch = ?",
        (boot_id, software, gateway, epoch),
    )
    return Known(_held(sql, gateway, (epoch, *earlier)), highest, False)


def _held(sql: sqlite3.Connection, gateway: str, named: Sequence[int]) -> tuple[pb.EpochHeld, ...]:
    """What is held of each epoch, in their order; of one that nothing came of, nothing."""
    held = {epoch: pb.EpochHeld(epoch=epoch) for epoch in named}
    names = (gateway, json.dumps(list(held)))
    for epoch, closed, revision in sql.execute(
        "SELECT epoch, closed, catalog_revision FROM json_each(?2) AS named"
        " CROSS JOIN epochs ON gateway = ?1 AND epoch = named.value",
        names,
    ):
        held[epoch].closed, held[epoch].catalog_revision = bool(closed), revision
    for epoch, first, last in sql.execute(
        "SELECT epoch, first, last FROM json_each(?2) AS named"
        " CROSS JOIN held ON gateway = ?1 AND epoch = named.value ORDER BY epoch, first",
        names,
    ):
        held[epoch].held.add(first=first, last=last)
    return tuple(held.values())


def catalog(sql: sqlite3.Connection, gateway: str, epoch: int, revision: int) -> pb.Catalog | None:
    """Raises StoreError when the bytes in the store are no catalog."""
    row = sql.execute(
        "SELECT message FROM catalogs WHERE gateway = ? AND epoch = ? AND revision = ?",
        (gateway, epoch, revision),
    ).fetchone()
    if row is None:
        return None
    try:
        return pb.Catalog.FromString(row[0])
    except DecodeError as error:
        raise StoreError(
            f"catalog revision {revision} of epoch {epoch} of gateway {gateway!r} is damaged in"
            " the store, so the disk changed what was written; other gateways go on. Stop the"
            " receiver, check the disk, and put the last backup of the store back: what is newer,"
            " the boxes send again or announce"
        ) from error


def put_catalog(sql: sqlite3.Connection, item: PutCatalog) -> Outcome:
    new, gateway = item.catalog, item.gateway
    old = catalog(sql, gateway, new.epoch, new.revision)
    if old is not None:
        return Outcome.DUPLICATE if old == new else Outcome.CONFLICT
    _epoch_row(sql, gateway, new.epoch)
    name = (gateway, new.epoch, new.revision)
    sql.execute(
        "INSERT INTO catalogs VALUES (?, ?, ?, ?)",
        (*name, new.SerializeToString(deterministic=True)),
    )
    sql.executemany(
        "INSERT INTO groups VALUES (?, ?, ?, ?, ?, ?, ?)",
        ((*name, g.id, g.device, g.driver, g.period_ns) for g in new.groups),
    )
    sql.execute(
        "UPDATE epochs SET catalog_revision = max(catalog_revision, ?)"
        " WHERE gateway = ? AND epoch = ?",
        (new.revision, gateway, new.epoch),
    )
    return Outcome.STORED


def put_block(sql: sqlite3.Connection, item: PutBlock) -> Outcome:
    block, gateway = item.block, item.gateway
    content = (
        block.catalog_revision, block.compression, block.payload_size, block.payload_crc32c,
        block.payload, block.scans, block.samples,
    )  # fmt: skip
    old = sql.execute(
        "SELECT catalog_revision, compression, payload_size, payload_crc32c, payload, scans,"
        " samples FROM blocks WHERE gateway = ? AND epoch = ? AND seq = ?",
        (gateway, block.epoch, block.seq),
    ).fetchone()
    if old is not None:
        if old != content:
            return Outcome.CONFLICT
        sql.execute(
            "UPDATE epochs SET duplicates = duplicates + 1 WHERE gateway = ? AND epoch = ?",
            (gateway, block.epoch),
        )
        return Outcome.DUPLICATE
    devices = _devices(sql, gateway, block)
    if not all(run.group in devices for run in item.payload.runs):
        return Outcome.CONFLICT  # checked with another catalog than came first
    _epoch_row(sql, gateway, block.epoch)
    sql.execute(
        "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (gateway, block.epoch, block.seq, *content, block.lane, time.time_ns()),
    )
    _extend_held(sql, gateway, block.epoch, block.seq)
    _put_runs(sql, item, devices)
    _put_anchors(sql, item)
    for gap in item.payload.gaps:
        _put_gap(sql, gateway, block, gap)
    if item.payload.end_of_epoch:
        _close_epoch(sql, gateway, block.epoch)
    return Outcome.STORED


def _close_epoch(sql: sqlite3.Connection, gateway: str, epoch: int) -> None:
    _epoch_row(sql, gateway, epoch)
    sql.execute("UPDATE epochs SET closed = 1 WHERE gateway = ? AND epoch = ?", (gateway, epoch))


def _extend_held(sql: sqlite3.Connection, gateway: str, epoch: int, seq: int) -> None:
    """Add `seq` to the ranges, joining what it touches."""
    name = (gateway, epoch)
    before = sql.execute(
        "SELECT first FROM held WHERE gateway = ? AND epoch = ? AND first < ? AND last = ?",
        (*name, seq, seq - 1),
    ).fetchone()
    after = sql.execute(
        "SELECT last FROM held WHERE gateway = ? AND epoch = ? AND first = ?", (*name, seq + 1)
    ).fetchone()
    if after is not None:
        sql.execute(
            "DELETE FROM held WHERE gateway = ? AND epoch = ? AND first = ?", (*name, seq + 1)
        )
    first = seq if before is None else before[0]
    last = seq if after is None else after[0]
    sql.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?)", (*name, first, last))


def _devices(sql: sqlite3.Connection, gateway: str, block: pb.Block) -> dict[int, str]:
    """The device of each group of the block's catalog."""
    return dict(
        sql.execute(
            "SELECT grp, device FROM groups WHERE gateway = ? AND epoch = ? AND revision = ?",
            (gateway, block.epoch, block.catalog_revision),
        )
    )


def _put_runs(sql: sqlite3.Connection, item: PutBlock, devices: dict[int, str]) -> None:
    name = (item.gateway, item.block.epoch, item.block.seq)
    for index, run in enumerate(item.payload.runs):
        rows = run.ticks - sum(gap.count for gap in run.skipped)
        sql.execute(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*name, index, run.group, devices[run.group], run.first_tick, run.ticks, rows,
             run.first_due_ns, run.period_ns),
        )  # fmt: skip
        sql.executemany(
            "INSERT INTO skipped VALUES (?, ?, ?, ?, ?, ?, ?)",
            ((*name, index, gap.first_tick, gap.count, gap.reason) for gap in run.skipped),
        )


def _put_anchors(sql: sqlite3.Connection, item: PutBlock) -> None:
    """An anchor of a block is of its epoch's boot: it also says which boot that was."""
    for anchor in item.payload.anchors:
        sql.execute(
            "INSERT OR IGNORE INTO anchors VALUES (?, ?, ?, ?, ?, ?)",
            (item.gateway, anchor.boot_id, anchor.boot_time_ns, anchor.utc_ns, anchor.source,
             anchor.error_ns),
        )  # fmt: skip
        sql.execute(
            "UPDATE epochs SET boot_id = ? WHERE gateway = ? AND epoch = ? AND boot_id = ''",
            (anchor.boot_id, item.gateway, item.block.epoch),
        )


def _put_gap(sql: sqlite3.Connection, gateway: str, block: pb.Block, gap: pb.Gap) -> None:
    _epoch_row(sql, gateway, gap.epoch)
    row = sql.execute(
        "INSERT INTO gaps (gateway, in_epoch, in_seq, epoch, reason, count_unknown, after_seq,"
        " until_ns, until_boot_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (gateway, block.epoch, block.seq, gap.epoch, gap.reason, gap.count_unknown, gap.after_seq,
         gap.until_ns, gap.until_boot_id),
    ).lastrowid  # fmt: skip
    sql.executemany(
        "INSERT INTO gap_blocks VALUES (?, ?, ?)", ((row, r.first, r.last) for r in gap.blocks)
    )
    sql.executemany(
        "INSERT INTO gap_ticks VALUES (?, ?, ?, ?, ?, ?)",
        ((row, t.group, t.first_tick, t.count, t.first_due_ns, t.last_due_ns) for t in gap.ticks),
    )
    if gap.count_unknown or gap.end_of_epoch:
        _close_epoch(sql, gateway, gap.epoch)
