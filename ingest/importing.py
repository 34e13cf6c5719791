"""`jiahe-ingest import FILE`: an export file (proto/README.md), taken as a stream would be.

Its Hello binds the gateway's id to no machine and ends nobody's run: a file is carried by people.
All else is checked and stored as on a stream, and a name that is held stays as it is. However many
of its blocks are refused, those behind them are taken. A receiver may serve the store meanwhile:
nothing that it knows of it becomes untrue by more blocks in it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits, session
from ingest.inline import Inline, InlineStore
from ingest.messages import said
from ingest.payload import crc32c
from ingest.stores.api import Known, Outcome, Outcomes, Put, PutBlocks, Speaker, StoreError
from ingest.stores.catalogs import bind_known
from ingest.stores.epochs import epoch_row

MAGIC = b"JIAHEEX1"
_HEAD = 8


class FileError(StoreError):
    """The file is none, or damaged from here on; the text says where."""


@dataclass(slots=True)
class Imported:
    """Blocks by what became of them; `refused` in words; `cut`: the file has no end."""

    gateway: str = ""
    stored: int = 0
    duplicates: int = 0
    refused: list[str] = field(default_factory=list)
    cut: bool = False


def messages(file: BinaryIO) -> Iterator[bytes | None]:
    """The messages of an export file; at last None if it ends where it should. Raises
    FileError."""
    if file.read(len(MAGIC)) != MAGIC:
        raise FileError(said("no_export"))
    count = 0
    while True:
        at = file.tell()
        head = file.read(_HEAD)
        if len(head) < _HEAD:
            return
        size, number = (int.from_bytes(head[i : i + 4], "little") for i in (0, 4))
        if size == 0:
            if number != count:
                raise FileError(said("export_count", said=number, held=count))
            yield None
            return
        if size > limits.PIECED_BYTES_MAX:
            raise FileError(said("export_size", size=size, at=at))
        data = file.read(size)
        if len(data) < size:
            return
        if crc32c(data) != number:
            raise FileError(said("export_damaged", at=at))
        count += 1
        yield data


class _FileStore(InlineStore):
    """What a file's session asks; counts what became of its blocks.

    After each transaction the file is free for as long as that took: a receiver that waits for its
    turn looks now and then, and must find one.
    """

    def __init__(self, sql: sqlite3.Connection, imported: Imported) -> None:
        super().__init__(sql)
        self._file_sql = sql
        self._imported = imported

    def hello(self, speaker: Speaker) -> Known:
        self._imported.gateway = speaker.gateway

        def bind() -> None:
            for epoch, names in ((speaker.epoch, speaker.catalogs), *speaker.earlier):
                if any(names):
                    epoch_row(self._file_sql, speaker.gateway, epoch)
                    bind_known(self._file_sql, speaker.gateway, epoch, names)

        self._transaction(bind)
        return Known()

    def put(self, item: Put) -> Outcomes:
        began = time.monotonic()
        outcomes = super().put(item)
        time.sleep(time.monotonic() - began)
        if isinstance(item, PutBlocks):
            self._imported.stored += outcomes.count(Outcome.STORED)
            self._imported.duplicates += outcomes.count(Outcome.DUPLICATE)
        return outcomes


def import_file(
    path: Path, sql: sqlite3.Connection, utc_ns: Callable[[], int] = time.time_ns
) -> Imported:
    """Take what the file holds. Raises FileError with what came before it stored, OSError."""
    imported = Imported(cut=True)
    # A box behind a stream can be told to stop; what is in a file can't, nor does it come again.
    taken = session.Session(None, utc_ns, address=str(path), broken_max=None)
    one = Inline(taken, _FileStore(sql, imported))
    with path.open("rb") as file:
        for data in messages(file):
            if data is None:
                imported.cut = False
                break
            for answer in one.receive(data):
                if answer.HasField("reject"):
                    imported.refused.append(_words(answer.reject))
            if one.ended is not None:
                raise FileError(one.ended.detail)
    return imported


def _words(reject: pb.Reject) -> str:
    name = pb.RejectReason.Name(reject.reason).removeprefix("REJECT_REASON_")
    first, last = reject.seq, reject.last_seq
    seq = said("range", first=first, last=last) if last else first
    return said("import_refused", seq=seq, epoch=reject.epoch, reason=name, detail=reject.detail)
