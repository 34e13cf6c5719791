"""Reads an export file: python proto/reader.py FILE. The rules are in README.md."""

import hashlib
import struct
import sys
import zlib
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Sequence
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
FEATURES = {1, 2, 3, 4, 5}  # of `needs`, those that are read here
# seq, device, tag, boot time in ns, the source's own time or 0, value or None, quality
Row = tuple[int, str, str, int, int, str | None, int]


def know(number: int, numbers: Container[int]) -> int:
    if number not in numbers:
        raise ValueError(f"unsupported: {number}")
    return number


def integrate(numbers: Sequence[int], order: int, count: int) -> list[int]:
    sums = [*numbers, *[0] * (count - len(numbers))]
    for _ in range(order):
        sums = list(accumulate(sums))
    return [(number + 2**63) % 2**64 - 2**63 for number in sums]


def scaled(tag: pb.Tag, raw: float) -> str:
    text = repr(raw)
    if tag.type == pb.VALUE_TYPE_FLOAT32:
        texts = (f"{raw:.{digits}g}" for digits in range(1, 10))
        text = next(t for t in texts if c_float(float(t)).value == c_float(raw).value)
    exact = EXACT.fma(Decimal(text), Decimal(tag.scale or 1), Decimal(tag.offset or 0))
    return f"{exact.normalize(EXACT):f}"


def values(tag: pb.Tag, column: pb.Column, count: int) -> Iterator[str]:
    know(tag.type, range(1, 10))
    if know(column.encoding, range(7)) == pb.VALUE_ENCODING_TEXT:
        for text in (run.text for run in column.texts for _ in range(run.count)):
            is_text = tag.type == pb.VALUE_TYPE_TEXT
            yield text.decode(tag.text_encoding or "ascii") if is_text else text.hex()
    elif column.encoding >= pb.VALUE_ENCODING_FLOAT32:
        yield from (scaled(tag, real) for real in [*column.floats, *column.doubles])
    else:
        bits = {2: ("<i", "<f"), 3: ("<q", "<d")}.get(column.encoding)
        for number in integrate(column.values, column.order, count):
            raw: float = number % 2**64 if tag.type == pb.VALUE_TYPE_UINT else number
            if column.encoding == pb.VALUE_ENCODING_DECIMAL:
                raw = number / 10**column.digits
            elif bits:
                raw = struct.unpack(bits[1], struct.pack(bits[0], number))[0]
            yield scaled(tag, raw)


def entries(
    tag: pb.Tag, column: pb.Column, count: int, parts: Sequence[pb.Part]
) -> Iterator[tuple[int, int, str | None, int]]:
    """Each entry as (row, source's time, value, quality)."""
    rows = list(accumulate(column.rows)) if column.sparse else list(range(count))
    said = column.quality or ([] if column.sparse or not parts else parts[tag.part].quality)
    quality = [q.quality for q in said for _ in range(q.count)] or [1] * len(rows)
    source = integrate(column.source_time_ns, column.source_time_order, len(rows))
    left = values(tag, column, sum(q < 128 for q in quality))
    for row, ns, q in zip(rows, source, quality, strict=True):
        yield row, ns, next(left) if q < 128 else None, int(q)


def owner(first_seq: int, shares: Sequence[int], k: int) -> int:
    """Which block tick k of a run, or event k, belongs to: the shares of a bundle's, in order."""
    return first_seq + (bisect_right(list(accumulate(shares)), k) if shares else 0)


def present(first: int, count: int, gaps: Iterable[pb.TickGap]) -> list[int]:
    """The numbers that are in no gap, counted from 0."""
    gone = [(gap.first_tick - first, gap.first_tick - first + gap.count) for gap in gaps]
    starts, ends = [0, *(end for _, end in gone)], [*(start for start, _ in gone), count]
    return [k for start, end in zip(starts, ends, strict=True) for k in range(start, end)]


def read_run(
    group: pb.Group, tags: Sequence[pb.Tag], run: pb.GroupRun, first_seq: int
) -> Iterator[Row]:
    ticks = present(run.first_tick, run.ticks, run.skipped)
    late = integrate(run.late_us, run.late_order, len(ticks))
    times = [
        run.first_due_ns + tick * group.period_ns + us * 1000
        for tick, us in zip(ticks, late, strict=True)
    ]
    seqs = [owner(first_seq, run.block_ticks, tick) for tick in ticks]
    for tag, column in zip(tags, run.columns, strict=bool(ticks)):
        for row, *entry in entries(tag, column, len(ticks), run.parts):
            yield seqs[row], group.device, tag.name, times[row], *entry
    for events in run.events:
        numbers = present(events.first, events.count, events.lost)
        offsets = integrate(events.time_us, events.time_order, len(numbers))
        seqs = [owner(first_seq, events.block_events, number) for number in numbers]
        for pushed in events.columns:
            tag = tags[pushed.tag]
            for row, *entry in entries(tag, pushed.column, len(numbers), ()):
                time_ns = run.first_due_ns + offsets[row] * 1000
                yield seqs[row], group.device, tag.name, time_ns, *entry


def read(messages: Iterable[pb.StreamRequest]) -> Iterator[Row]:
    """Every entry of the blocks and bundles among the messages, which come in a stream's order."""
    contents: dict[bytes, bytes] = {}  # tag sets and catalogs, by name
    groups: dict[tuple[int, int], pb.Group] = {}  # by epoch and id
    whole = b""  # of a message in pieces
    for message in messages:
        if message.HasField("piece"):
            whole = whole[: message.piece.offset] + message.piece.data
            if len(whole) < message.piece.message_size:
                continue
            message = pb.StreamRequest.FromString(whole)
        kind = message.WhichOneof("message")
        if kind in ("tag_set", "catalog") and getattr(message, kind).content:
            content = getattr(message, kind).content
            contents[hashlib.sha256(content).digest()[:16]] = content
        if kind == "catalog":
            made = pb.CatalogContent.FromString(contents[message.catalog.id])
            all(know(need, FEATURES) for need in made.needs)
            groups |= {(message.catalog.epoch, group.id): group for group in made.groups}
        if kind not in ("block", "bundle"):
            continue
        one: pb.Block | pb.Bundle = getattr(message, kind)
        all(know(need, FEATURES) for need in one.needs)
        payload = UNPACK[know(one.compression, UNPACK)](one.payload)
        runs = (pb.BlockPayload if kind == "block" else pb.BundlePayload).FromString(payload).runs
        first_seq = one.seq if isinstance(one, pb.Block) else one.first_seq
        for run in runs:
            group = groups[one.epoch, run.group]
            tag_set = pb.TagSetContent.FromString(contents[group.tag_set])
            all(know(need, FEATURES) for need in tag_set.needs)
            yield from read_run(group, tag_set.tags, run, first_seq)


def messages(file: Path) -> Iterator[pb.StreamRequest]:
    """The messages of an export file, up to its end or to where it was cut."""
    with file.open("rb") as stream:
        if stream.read(8) != b"JIAHEEX1":
            raise ValueError(f"{file} is no export file")
        while len(head := stream.read(8)) == 8 and (size := int.from_bytes(head[:4], "little")):
            yield pb.StreamRequest.FromString(stream.read(size))


if __name__ == "__main__":
    signal(SIGPIPE, SIG_DFL)  # `| head` ends it quietly
    for entry in read(messages(Path(sys.argv[1]))):
        sys.stdout.write(f"{entry}\n")
