"""How many messages a payload holds, counted on its bytes before they are parsed.

Each message begins with its tag, so there are no more of them than bytes that could be one: where
those are few enough, nothing is counted. Else this walks the fields, goes into the messages that
may be many, steps over everything else, and stops at the first limit that is passed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.fields import BYTES, fields


class TooManyError(ValueError):
    """More of something than a reader builds: what, and the most."""

    def __init__(self, what: str, most: int) -> None:
        super().__init__(f"more than {most} {what} in one block")


@dataclass(frozen=True, slots=True)
class Kind:
    """A repeated message: its name for people, the most of it, and those within it by number."""

    what: str
    most: int
    within: dict[int, Kind] = field(default_factory=dict)


_QUALITY = Kind("quality runs", limits.PIECES_MAX)
_SKIPPED = Kind("skipped ticks", limits.PIECES_MAX)
_COLUMN = Kind(
    "columns",
    limits.COLUMNS_MAX,
    {
        pb.Column.QUALITY_FIELD_NUMBER: _QUALITY,
        pb.Column.TEXTS_FIELD_NUMBER: Kind("text runs", limits.PIECES_MAX),
    },
)
_EVENTS = Kind(
    "runs of events",
    limits.RUNS_MAX,
    {
        pb.EventRun.LOST_FIELD_NUMBER: _SKIPPED,
        pb.EventRun.COLUMNS_FIELD_NUMBER: Kind(
            "columns of events",
            limits.COLUMNS_MAX,
            {pb.EventColumn.COLUMN_FIELD_NUMBER: _COLUMN},
        ),
    },
)
_RUN = Kind(
    "runs",
    limits.RUNS_MAX,
    {
        pb.GroupRun.SKIPPED_FIELD_NUMBER: _SKIPPED,
        pb.GroupRun.COLUMNS_FIELD_NUMBER: _COLUMN,
        pb.GroupRun.PARTS_FIELD_NUMBER: Kind(
            "parts", limits.COLUMNS_MAX, {pb.Part.QUALITY_FIELD_NUMBER: _QUALITY}
        ),
        pb.GroupRun.EVENTS_FIELD_NUMBER: _EVENTS,
    },
)
_RANGES = limits.GAP_RANGES_MAX
BLOCK = {
    pb.BlockPayload.ANCHORS_FIELD_NUMBER: Kind("anchors", limits.ANCHORS_MAX),
    pb.BlockPayload.RUNS_FIELD_NUMBER: _RUN,
    pb.BlockPayload.GAPS_FIELD_NUMBER: Kind(
        "gaps",
        limits.GAPS_MAX,
        {
            pb.Gap.BLOCKS_FIELD_NUMBER: Kind("ranges of blocks in gaps", _RANGES),
            pb.Gap.TICKS_FIELD_NUMBER: Kind("runs of ticks in gaps", _RANGES),
            pb.Gap.EVENTS_FIELD_NUMBER: Kind("runs of events in gaps", _RANGES),
        },
    ),
}
BUNDLE = {
    pb.BundlePayload.RUNS_FIELD_NUMBER: _RUN,
    pb.BundlePayload.EXTRAS_FIELD_NUMBER: Kind(
        "blocks with more than runs",
        limits.BUNDLE_BLOCKS_MAX,
        {pb.BlockExtra.PAYLOAD_FIELD_NUMBER: Kind("extras", limits.BUNDLE_BLOCKS_MAX, BLOCK)},
    ),
}


def _tags(kinds: dict[int, Kind]) -> set[int]:
    """The first bytes of the tags of these messages; also of a tag in more bytes than it needs."""
    found: set[int] = set()
    for number, kind in kinds.items():
        found |= {number << 3 | BYTES, number << 3 | BYTES | 0x80} | _tags(kind.within)
    return found


_TAGS = bytes(_tags(BLOCK) | _tags(BUNDLE))
#: Fields walked between two turns of somebody else.
_STEP = 4096


def suspects(payload: bytes) -> int:
    """Bytes that may begin a message: no fewer than there are messages."""
    return len(payload) - len(payload.translate(None, _TAGS))


def check_counts(payload: bytes, kinds: dict[int, Kind]) -> Iterator[int]:
    """Yields what it cost so far, in fields; raises TooManyError, FieldsError."""
    if suspects(payload) <= limits.UNCOUNTED_MAX:
        return
    counts: dict[str, int] = {}
    walked = total = 0
    left = [(fields(payload), kinds)]
    while left:
        walk, inside = left[-1]
        one = next(walk, None)
        if one is None:
            left.pop()
            continue
        walked += 1
        total += 1
        if walked == _STEP:
            yield walked
            walked = 0
        if total > limits.FIELDS_MAX:
            raise TooManyError("fields", limits.FIELDS_MAX)
        kind = inside.get(one.number) if one.wire_type == BYTES else None
        if kind is not None:
            counts[kind.what] = count = counts.get(kind.what, 0) + 1
            if count > kind.most:
                raise TooManyError(kind.what, kind.most)
            if kind.within and one.end > one.start:
                left.append((fields(payload, one.start, one.end), kind.within))
