"""Reading one segment file from end to end: records, and the damage between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.buffer import record
from gateway.ports import File

_SEARCH_BYTES = 64 << 10


class Found(NamedTuple):
    """A record whose header verified; `intact` is False if its body was looked at and failed."""

    offset: int
    header: record.Header
    intact: bool


class Damage(NamedTuple):
    """Bytes that are no record: `offset` up to, not including, `end`."""

    offset: int
    end: int


def name(segment: int) -> str:
    return f"{segment:016x}.seg"


def number(file_name: str) -> int | None:
    """The segment that a file name stands for; None if it stands for none."""
    stem, dot, ending = file_name.partition(".")
    if dot != "." or ending != "seg" or len(stem) != 16:
        return None
    try:
        return int(stem, 16)
    except ValueError:
        return None


def scan(file: File, *, bodies: bool) -> Iterator[Found | Damage]:
    """Every record and every damaged stretch, in order. Raises OSError.

    With `bodies` each body is read and checked, else only headers are read. After damage the scan
    goes on at the next header that verifies: one flipped bit costs one record.
    """
    offset, size = 0, file.size()
    while offset < size:
        header = record.parse(file.read(offset, record.HEADER_BYTES))
        if header is not None and offset + header.record_bytes <= size:
            intact = True
            if bodies:
                body = file.read(offset + record.HEADER_BYTES, header.length)
                intact = record.body_is_intact(header, body)
            yield Found(offset, header, intact)
            offset += header.record_bytes
            continue
        end = _next_record(file, offset + 1, size)
        yield Damage(offset, end)
        offset = end


def read_record(file: File, offset: int) -> tuple[record.Header, bytes] | None:
    """The record at `offset`, header and body verified; None if it is damaged. Raises OSError."""
    header = record.parse(file.read(offset, record.HEADER_BYTES))
    if header is None:
        return None
    body = file.read(offset + record.HEADER_BYTES, header.length)
    return (header, body) if record.body_is_intact(header, body) else None


def _next_record(file: File, offset: int, size: int) -> int:
    """Where the next header that verifies begins; `size` if nowhere."""
    while offset + record.HEADER_BYTES <= size:
        chunk = file.read(offset, _SEARCH_BYTES)
        at = chunk.find(record.MAGIC)
        while at >= 0:
            header = record.parse(file.read(offset + at, record.HEADER_BYTES))
            if header is not None and offset + at + header.record_bytes <= size:
                return offset + at
            at = chunk.find(record.MAGIC, at + 1)
        if len(chunk) < len(record.MAGIC):
            break
        # The magic may straddle two chunks.
        offset += len(chunk) - (len(record.MAGIC) - 1)
    return size
