"""What vectors are made of: an export file, and the entries that each reader must give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jiahe.ingest.v1 import ingest_pb2 as pb

from tests.contract import encode

EPOCH = (1 << 32) + 1
DUE_NS = 86_400_000_000_000
PERIOD_NS = 1_000_000_000
BOOT = "0f0e0d0c-0b0a-4909-8807-060504030201"
#: (tag, its column, the values that come of it)
Columns = list[tuple[pb.Tag, pb.Column, list[str | None]]]
#: seq, device, tag, boot time, source's time or "0", value, quality
Row = tuple[int, str, str, str, str, str | None, int]


@dataclass(frozen=True)
class Vector:
    """An export file, and the entries that each reader must give; `unsupported`: it must refuse."""

    name: str
    about: str
    messages: list[pb.StreamRequest]
    rows: list[Row]
    unsupported: bool = False

    @property
    def file(self) -> bytes:
        hello = pb.Hello(
            protocol_min=1, protocol_max=1, gateway="vectors", epoch=EPOCH, boot_id=BOOT
        )
        return encode.export_file([pb.StreamRequest(hello=hello), *self.messages])


def vector(
    name: str,
    about: str,
    columns: Columns,
    ticks: int,
    compression: pb.Compression.ValueType,
    *,
    needs: Sequence[int] = (),
    unsupported: bool = False,
) -> Vector:
    """Dense or sparse columns of one run without skipped ticks, all in time."""
    rows: list[Row] = []
    for tag, column, values in columns:
        places = running(column.rows) if column.sparse else list(range(ticks))
        quality = [int(q.quality) for q in column.quality for _ in range(q.count)] or [1] * len(
            places
        )
        assert len(places) == len(values) == len(quality), tag.name
        rows += [
            (1, "press", tag.name, str(DUE_NS + place * PERIOD_NS), "0", value, one)
            for place, value, one in zip(places, values, quality, strict=True)
        ]
    run = encode.run(1, 40, ticks, [c for _, c, _ in columns], first_due_ns=DUE_NS)
    block = encode.block(
        EPOCH, 1, pb.BlockPayload(runs=[run]), compression=compression, needs=needs
    )
    messages = [*catalog([tag for tag, _, _ in columns]), pb.StreamRequest(block=block)]
    return Vector(name, about, messages, [] if unsupported else rows, unsupported)


def running(numbers: Sequence[int]) -> list[int]:
    return [sum(numbers[: index + 1]) for index in range(len(numbers))]


def group(number: int, device: str, period_ns: int = PERIOD_NS) -> pb.Group:
    return pb.Group(id=number, device=device, driver="modbus", period_ns=period_ns)


def catalog(tags: Sequence[pb.Tag]) -> list[pb.StreamRequest]:
    return encode.catalog(EPOCH, 1, [(group(1, "press"), tags)])


def tag(
    name: str, kind: pb.ValueType.ValueType, scale: str = "", offset: str = "", bits: int = 0
) -> pb.Tag:
    return pb.Tag(name=name, type=kind, scale=scale, offset=offset, bits=bits)
