"""A payload taken apart before it is parsed, so that no single step of parsing takes long.

Parsing is one call that lets nobody else in, and its time goes by messages. So each run is parsed
by itself, and of a run of very many messages each column. Concatenated, the parts are the whole
(protobuf encoding, "last one wins" and repeated fields).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.count import TooManyError, suspects
from ingest.fields import BYTES, fields

#: Fields between two turns of somebody else.
_STEP = 2048


@dataclass(slots=True)
class Parts:
    """Where the runs of a payload are, and all its other fields."""

    runs: list[tuple[int, int]] = field(default_factory=list)
    rest: bytes = b""


def split(payload: bytes) -> Iterator[int | Parts]:
    """Yields costs, at last the Parts. Raises FieldsError, TooManyError."""
    parts = Parts()
    rest = bytearray()
    at = walked = 0
    for one in fields(payload):
        if one.number == pb.BlockPayload.RUNS_FIELD_NUMBER and one.wire_type == BYTES:
            parts.runs.append((one.start, one.end))
            if len(parts.runs) > limits.RUNS_MAX:
                raise TooManyError("runs", limits.RUNS_MAX)
        else:
            rest += payload[at : one.end]
        at = one.end
        walked += 1
        if walked == _STEP:
            yield walked
            walked = 0
    parts.rest = bytes(rest)
    yield parts


class Columns(Sequence[pb.Column]):
    """Columns of a run, each parsed when it is asked for and kept by nobody: a message by itself
    takes a kilobyte."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._starts, self._ends = array("L"), array("L")

    def found(self, start: int, end: int) -> None:
        self._starts.append(start)
        self._ends.append(end)

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, place: int) -> pb.Column: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[pb.Column]: ...
    def __getitem__(self, place: int | slice) -> pb.Column | Sequence[pb.Column]:
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        return pb.Column.FromString(self._data[self._starts[place] : self._ends[place]])


def parse_run(data: bytes) -> Iterator[int | tuple[pb.GroupRun, Sequence[pb.Column]]]:
    """Yields costs, at last the run and its columns. Raises FieldsError, DecodeError; so may a
    column when it is asked for."""
    if suspects(data) <= limits.PARSED_AT_ONCE_MAX:
        run = pb.GroupRun.FromString(data)
        yield run, run.columns
        return
    columns = Columns(data)
    rest = bytearray()
    at = walked = 0
    for one in fields(data):
        if one.number == pb.GroupRun.COLUMNS_FIELD_NUMBER and one.wire_type == BYTES:
            columns.found(one.start, one.end)
        else:
            rest += data[at : one.end]
        at = one.end
        walked += 1
        if walked == _STEP:
            yield walked
            walked = 0
    yield pb.GroupRun.FromString(bytes(rest)), columns
