"""What arrived, as CSV: `gateway,device,tag,time_ns,source_time_ns,value,quality`, ordered by tag
and time.

Memory stays bounded: a gateway's rows are sorted in a temporary file. The time is UTC; the source's
own time is as it came, empty where it gave none. A time that no trustworthy anchor vouches for
turns the quality good or uncertain into `uncertain_time`; a bad value is empty and its quality says
why.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator
from typing import Any, TextIO

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.decode import quality_name
from ingest.samples import Reader, Selection
from ingest.sorter import Sorter

COLUMNS = ("gateway", "device", "tag", "time_ns", "source_time_ns", "value", "quality")
#: What a spreadsheet takes for a formula when a cell begins with it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_DEVICE, _TAG, _TIME = 0, 1, 2


def export_csv(
    sql: sqlite3.Connection, selection: Selection, out: TextIO, *, excel: bool = False
) -> int:
    """Write the rows; how many. `excel`: texts that a spreadsheet would take for formulas get an
    apostrophe before them. Raises SortError."""
    writer = csv.writer(out, lineterminator="\n")
    # Of Python before 3.13 a bare CR would stand in a cell unquoted, and end a line for many
    # readers.
    quoting = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    count = 0
    gateways = [row[0] for row in sql.execute("SELECT gateway FROM gateways ORDER BY gateway")]
    for gateway in gateways:
        if selection.gateway in (None, gateway):
            for row in _sorted(sql, gateway, selection):
                cells = (gateway, *row)
                made = [_marked(cell) for cell in cells] if excel else cells
                has_return = any(isinstance(cell, str) and "\r" in cell for cell in made)
                (quoting if has_return else writer).writerow(made)
                count += 1
    return count


def _marked(cell: Any) -> Any:
    """A number is no formula, be it negative."""
    if not isinstance(cell, str) or not cell.startswith(_FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return "'" + cell
    return cell


def _sorted(sql: sqlite3.Connection, gateway: str, selection: Selection) -> Iterator[Any]:
    sorter = Sorter(len(COLUMNS) - 1)
    try:
        sorter.add(_rows(sql, gateway, selection))
        yield from sorter.sorted(_DEVICE, _TAG, _TIME)
    finally:
        sorter.close()


def _rows(sql: sqlite3.Connection, gateway: str, selection: Selection) -> Iterator[Any]:
    for one in Reader(sql).samples(gateway, selection):
        quality = quality_name(one.quality)
        if one.uncertain and one.quality < pb.QUALITY_BAD:
            quality = "uncertain_time"
        source = one.source_time_ns or None
        yield one.device, one.tag, one.time_ns, source, one.value, quality
