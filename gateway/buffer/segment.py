"""Reading one segment file from end to end: records, and the damage between them.

A worn card fails by sectors that it refuses to read. Opening reads on behind them, page by page;
elsewhere an error of the medium is an error, for it may pass.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from gateway.buffer import record
from gateway.ports import File

_SEARCH_BYTES = 64 << 10
#: What the medium or the file system itself says; all else (no descriptor or memory left, no
#: permission) says nothing about what is stored, and passes.
MEDIUM_ERRORS = frozenset({errno.EIO, errno.EUCLEAN, errno.EBADMSG})
#: What the kernel reads at least, so what one bad sector costs.
PAGE_BYTES = 4096
#: After this many unreadable pages of one file the rest of it is given up: each may take the medium
#: seconds, and a start must end.
_REFUSALS_MAX = 64


class Found(NamedTuple):
    """A record whose header verified; `intact` is False if its body was read and failed."""

    offset: int
    header: record.Header
    intact: bool

    @property
    def end(self) -> int:
        return self.offset + self.header.record_bytes


class Damage(NamedTuple):
    """Bytes that are no record: `offset` up to, not including, `end`. `unread`: some of them the
    medium refused.
    """

    offset: int
    end: int
    unread: bool = False


class _RefusedError(Exception):
    """The medium refuses more of a file than is worth waiting for."""


class _Reader:
    """Reads around what the medium refuses, so often; after that it raises _RefusedError."""

    def __init__(self, file: File, *, around: bool) -> None:
        self._file, self._around, self._left = file, around, _REFUSALS_MAX
        self.refused = False

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes; fewer at the end, or where the next page can't be read."""
        data = self._try(offset, size)
        if data is not None:
            return data
        parts = []
        end = offset + size
        while offset < end:
            stop = min(end, _page_end(offset))
            part = self._try(offset, stop - offset)
            if not part:
                break
            parts.append(part)
            offset = stop
        return b"".join(parts)

    def _try(self, offset: int, size: int) -> bytes | None:
        try:
            return self._file.read(offset, size)
        except OSError as error:
            if error.errno not in MEDIUM_ERRORS or not self._around:
                raise
            if self._left == 0:
                raise _RefusedError from error
            self._left -= 1
            self.refused = True
            return None


def _page_end(offset: int) -> int:
    return (offset // PAGE_BYTES + 1) * PAGE_BYTES


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


def scan(file: File, *, bodies: bool, around: bool = False) -> Iterator[Found | Damage]:
    """Every record and every damaged stretch, in order. Raises OSError.

    With `bodies` each body is read and checked, else only headers are read. After damage the scan
    goes on at the next header that verifies: one flipped bit costs one record. With `around` so it
    does after what the medium refuses, up to a bound; a body that can't be read is not checked.
    """
    offset, size = 0, file.size()
    try:
        for found in _records(_Reader(file, around=around), size, bodies):
            yield found
            offset = found.end
    except _RefusedError:
        yield Damage(offset, size, unread=True)


def _records(reader: _Reader, size: int, bodies: bool) -> Iterator[Found | Damage]:
    offset = 0
    while offset < size:
        reader.refused = False
        header = record.parse(reader.read(offset, record.HEADER_BYTES))
        if header is not None and offset + header.record_bytes <= size:
            intact = True
            if bodies:
                body = reader.read(offset + record.HEADER_BYTES, header.length)
                intact = reader.refused or record.body_is_intact(header, body)
            yield Found(offset, header, intact)
            offset += header.record_bytes
            continue
        end = _next_record(reader, offset + 1, size)
        yield Damage(offset, end, reader.refused)
        offset = end


def read_around(file: File, offset: int, size: int) -> bytes:
    """Up to `size` bytes, zeros where the medium refuses to read them. Raises OSError."""
    reader, data = _Reader(file, around=True), bytearray()
    end = min(offset + size, file.size())
    with suppress(_RefusedError):
        while (at := offset + len(data)) < end:
            data += reader.read(at, end - at) or bytes(min(end, _page_end(at)) - at)
    return bytes(data.ljust(end - offset, b"\0"))


def read_record(file: File, offset: int) -> tuple[record.Header, bytes] | None:
    """The record at `offset`, header and body verified; None if it is damaged. Raises OSError."""
    header = record.parse(file.read(offset, record.HEADER_BYTES))
    if header is None:
        return None
    body = file.read(offset + record.HEADER_BYTES, header.length)
    return (header, body) if record.body_is_intact(header, body) else None


def _next_record(reader: _Reader, offset: int, size: int) -> int:
    """Where the next header that verifies begins; `size` if nowhere."""
    while offset + record.HEADER_BYTES <= size:
        chunk = reader.read(offset, _SEARCH_BYTES)
        at = chunk.find(record.MAGIC)
        while at >= 0:
            header = record.parse(reader.read(offset + at, record.HEADER_BYTES))
            if header is not None and offset + at + header.record_bytes <= size:
                return offset + at
            at = chunk.find(record.MAGIC, at + 1)
        end = offset + len(chunk)
        if end < min(offset + _SEARCH_BYTES, size):
            offset = _page_end(end)  # the page that can't be read
        else:
            offset = end - (len(record.MAGIC) - 1)  # the magic may straddle two chunks
    return size
