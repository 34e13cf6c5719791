"""Reads one block: python proto/reader.py CATALOG.bin BLOCK.bin. The rules are in README.md."""

import struct
import sys
import zlib
from collections.abc import Iterator, Sequence
from ctypes import c_float
from decimal import Context, Decimal
from itertools import accumulate
from pathlib import Path
from signal import SIG_DFL, SIGPIPE, signal

sys.path.insert(0, str(Path(__file__).parent / "gen"))
import zstandard
from jiahe.ingest.v1 import ingest_pb2 as pb

EXACT = Context(prec=100)
UNPACK = {1: lambda payload: payload, 2: zstandard.decompress, 3: zlib.decompress}


def integrate(numbers: Sequence[int], order: int, count: int) -> list[int]:
    sums = [*numbers, *[0] * (count - len(numbers))]
    for _ in range(order):
        sums = list(accumulate(sums))
    return [(number + 2**63) % 2**64 - 2**63 for number in sums]


def value(tag: pb.Tag, column: pb.Column, number: int) -> str:
    raw = str(number % 2**64 if tag.type == pb.VALUE_TYPE_UINT64 else number)
    if column.encoding:
        bits = {2: ("<i", "<f"), 3: ("<q", "<d")}.get(column.encoding)
        unpacked = struct.unpack(bits[1], struct.pack(bits[0], number)) if bits else ()
        real: float = unpacked[0] if unpacked else number / 10**column.digits
        raw = repr(real)
        if tag.type == pb.VALUE_TYPE_FLOAT32:
            texts = (f"{real:.{digits}g}" for digits in range(1, 10))
            raw = next(t for t in texts if c_float(float(t)).value == c_float(real).value)
    exact = EXACT.fma(Decimal(raw), Decimal(tag.scale or 1), Decimal(tag.offset or 0))
    return f"{exact.normalize(EXACT):f}"


def read(catalog: pb.Catalog, block: pb.Block) -> Iterator[tuple[str, str, int, str | None, int]]:
    """Each entry as (device, tag, boot time in ns, value or None, quality)."""
    groups = {group.id: group for group in catalog.groups}
    for run in pb.BlockPayload.FromString(UNPACK[block.compression](block.payload)).runs:
        starts = [0, *(gap.first_tick + gap.count - run.first_tick for gap in run.skipped)]
        ends = [*(gap.first_tick - run.first_tick for gap in run.skipped), run.ticks]
        ticks = [k for start, end in zip(starts, ends, strict=True) for k in range(start, end)]
        late = integrate(run.late_us, run.late_order, len(ticks))
        for tag, column in zip(groups[run.group].tags, run.columns, strict=bool(ticks)):
            rows = list(accumulate(column.rows)) if column.sparse else list(range(len(ticks)))
            quality = [int(q.quality) for q in column.quality for _ in range(q.count)]
            quality = quality or [1] * len(rows)
            code = tag.text_encoding or "ascii"
            data = [text.text.decode(code) for text in column.texts for _ in range(text.count)]
            if tag.type != pb.VALUE_TYPE_STRING:
                numbers = integrate(column.values, column.order, sum(q < 128 for q in quality))
                data = [value(tag, column, number) for number in numbers]
            left = iter(data)
            for row, q in zip(rows, quality, strict=True):
                time_ns = run.first_due_ns + ticks[row] * run.period_ns + late[row] * 1000
                got = next(left) if q < 128 else None
                yield groups[run.group].device, tag.name, time_ns, got, q


if __name__ == "__main__":
    files = [Path(name).read_bytes() for name in sys.argv[1:]]
    signal(SIGPIPE, SIG_DFL)  # `| head` ends it quietly
    for entry in read(pb.Catalog.FromString(files[0]), pb.Block.FromString(files[1])):
        sys.stdout.write(f"{entry}\n")
