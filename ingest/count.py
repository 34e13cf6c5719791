"""How many messages a payload holds, counted on its bytes before they are parsed.

An empty message takes two bytes on the wire and some ninety in memory, so a limit in bytes does not
bound what parsing costs. This walks the fields (protobuf encoding: a tag, then by its wire type a
varint, 8 bytes, a length and as many bytes, or 4 bytes), goes into the messages that may be many,
steps over everything else, and stops at the first limit that is passed. A block of 10,000 columns
takes some twenty milliseconds, a small one nothing: it can't hold too many.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.payload import PayloadError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_VARINT_BYTES_MAX = 10


class TooManyError(ValueError):
    """More of something than a reader builds: what, and the most."""

    def __init__(self, what: str, most: int) -> None:
        super().__init__(f"more than {most} {what} in one block")


@dataclass(frozen=True, slots=True)
class _Kind:
    """A repeated message: its name for people, the most of it, and those within it by number."""

    what: str
    most: int
    within: dict[int, _Kind] = field(default_factory=dict)


_PAYLOAD = {
    pb.BlockPayload.ANCHORS_FIELD_NUMBER: _Kind("anchors", limits.ANCHORS_MAX),
    pb.BlockPayload.RUNS_FIELD_NUMBER: _Kind(
        "runs",
        limits.RUNS_MAX,
        {
            pb.GroupRun.SKIPPED_FIELD_NUMBER: _Kind("skipped ticks", limits.PIECES_MAX),
            pb.GroupRun.COLUMNS_FIELD_NUMBER: _Kind(
                "columns",
                limits.COLUMNS_MAX,
                {
                    pb.Column.QUALITY_FIELD_NUMBER: _Kind("quality runs", limits.PIECES_MAX),
                    pb.Column.TEXTS_FIELD_NUMBER: _Kind("text runs", limits.PIECES_MAX),
                },
            ),
        },
    ),
    pb.BlockPayload.GAPS_FIELD_NUMBER: _Kind(
        "gaps",
        limits.GAPS_MAX,
        {
            pb.Gap.BLOCKS_FIELD_NUMBER: _Kind("ranges of blocks in gaps", limits.GAP_RANGES_MAX),
            pb.Gap.TICKS_FIELD_NUMBER: _Kind("runs of ticks in gaps", limits.GAP_RANGES_MAX),
        },
    ),
}
#: Two bytes a message: a payload below this can't pass the lowest limit.
_BYTES_SMALL = 2 * limits.ANCHORS_MAX


def check_counts(payload: bytes) -> None:
    """Raises TooManyError; PayloadError when the bytes are no protobuf message."""
    if len(payload) <= _BYTES_SMALL:
        return
    counts: dict[str, int] = {}
    try:
        _walk(payload, 0, len(payload), _PAYLOAD, counts)
    except IndexError:
        raise PayloadError("payload is no BlockPayload: it ends within a field") from None


def _walk(data: bytes, at: int, end: int, kinds: dict[int, _Kind], counts: dict[str, int]) -> None:
    fields = 0
    while at < end:
        fields += 1
        tag, at = _varint(data, at)
        wire_type = tag & 7
        if wire_type == _BYTES:
            size, at = _varint(data, at)
            last, at = at, at + size
            kind = kinds.get(tag >> 3)
            if at > end:
                raise PayloadError("payload is no BlockPayload: a field is longer than its message")
            if kind is not None:
                _count(kind.what, 1, kind.most, counts)
                if kind.within and size:
                    _walk(data, last, at, kind.within, counts)
        elif wire_type == _VARINT:
            _, at = _varint(data, at)
        elif wire_type == _FIXED64:
            at += 8
        elif wire_type == _FIXED32:
            at += 4
        else:
            raise PayloadError(f"payload is no BlockPayload: wire type {wire_type}")
        if fields == 1024:
            _count("fields", fields, limits.FIELDS_MAX, counts)
            fields = 0
    _count("fields", fields, limits.FIELDS_MAX, counts)
    if at != end:
        raise PayloadError("payload is no BlockPayload: a field is longer than its message")


def _count(what: str, number: int, most: int, counts: dict[str, int]) -> None:
    counts[what] = counts.get(what, 0) + number
    if counts[what] > most:
        raise TooManyError(what, most)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at` and where it ends. Raises IndexError beyond the data."""
    value = data[at]
    if value < 0x80:
        return value, at + 1
    value &= 0x7F
    for shift in range(7, 7 * _VARINT_BYTES_MAX, 7):
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at + 1
    raise PayloadError("payload is no BlockPayload: a number of more than ten bytes")
