"""What arrived, as CSV: `gateway,device,tag,time_ns,value,quality`, ordered by tag and time.

Memory stays bounded: a gateway's rows go through SQLite's external sort in a temporary file. The
time is UTC. A time that no trustworthy anchor vouches for turns the quality good or uncertain into
`uncertain_time`; a bad value is empty and its quality says why.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.clock import BootClock, epoch_clock
from ingest.decode import open_payload, quality_name, samples

COLUMNS = ("gateway", "device", "tag", "time_ns", "value", "quality")
_Row = tuple[str, str, int, str | None, str]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows; None: all. `start_ns` belongs to the range, `end_ns` does not."""

    gateway: str | None = None
    device: str | None = None
    tag: str | None = None
    start_ns: int | None = None
    end_ns: int | None = None

    def takes(self, device: str, tag: str, time_ns: int) -> bool:
        return (
            self.device in (None, device)
            and self.tag in (None, tag)
            and (self.start_ns is None or self.start_ns <= time_ns)
            and (self.end_ns is None or time_ns < self.end_ns)
        )


def export_csv(sql: sqlite3.Connection, selection: Selection, out: TextIO) -> int:
    """Write the rows; how many."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    gateways = [row[0] for row in sql.execute("SELECT gateway FROM gateways ORDER BY gateway")]
    for gateway in gateways:
        if selection.gateway in (None, gateway):
            for row in _sorted(_rows(sql, gateway, selection)):
                writer.writerow((gateway, *row))
                count += 1
    return count


def _sorted(rows: Iterator[_Row]) -> Iterator[_Row]:
    sorter = sqlite3.connect("", isolation_level=None)  # a temporary file of SQLite's own
    try:
        sorter.execute("PRAGMA journal_mode = OFF")
        sorter.execute("CREATE TABLE row (device, tag, time_ns, value, quality)")
        sorter.execute("BEGIN")
        sorter.executemany("INSERT INTO row VALUES (?, ?, ?, ?, ?)", rows)
        sorter.execute("COMMIT")
        yield from sorter.execute("SELECT * FROM row ORDER BY device, tag, time_ns, rowid")
    finally:
        sorter.close()


def _rows(sql: sqlite3.Connection, gateway: str, selection: Selection) -> Iterator[_Row]:
    """The rows of one gateway, block by block."""
    epoch, revision = -1, -1
    clock: BootClock | None = None
    catalog = pb.Catalog()
    for block_epoch, block_revision, compression, size, carried in sql.execute(
        "SELECT epoch, catalog_revision, compression, payload_size, payload FROM blocks"
        " WHERE gateway = ?1 AND (?2 IS NULL OR (gateway, epoch, seq) IN"
        " (SELECT gateway, epoch, seq FROM runs WHERE gateway = ?1 AND device = ?2))"
        " ORDER BY epoch, seq",
        (gateway, selection.device),
    ):
        if block_epoch != epoch:
            epoch, revision = block_epoch, -1
            clock = epoch_clock(sql, gateway, epoch)
        if block_revision != revision:
            revision = block_revision
            (message,) = sql.execute(
                "SELECT message FROM catalogs WHERE gateway = ? AND epoch = ? AND revision = ?",
                (gateway, epoch, revision),
            ).fetchone()
            catalog = pb.Catalog.FromString(message)
        assert clock is not None
        times: dict[int, int] = {}  # the columns of a run share their rows' times
        for sample in samples(catalog, open_payload(compression, carried, size)):
            time_ns = times.get(sample.boot_ns)
            if time_ns is None:
                time_ns = times[sample.boot_ns] = clock.utc_ns(sample.boot_ns)
            if selection.takes(sample.device, sample.tag, time_ns):
                quality = quality_name(sample.quality)
                if clock.uncertain and sample.quality < pb.QUALITY_BAD:
                    quality = "uncertain_time"
                yield sample.device, sample.tag, time_ns, sample.value, quality
