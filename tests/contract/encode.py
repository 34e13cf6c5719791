"""An encoder of blocks that is independent of native/ and ingest/: from ingest.proto's comments
only.

Slow and plain. It makes the test vectors, and blocks for the receiver's tests.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import groupby, pairwise

import zstandard
from jiahe.ingest.v1 import ingest_pb2 as pb

GOOD = pb.QUALITY_GOOD


def crc32c(data: bytes) -> int:
    """Bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def varint(number: int) -> bytes:
    """A number below 2^64 as the protobuf encoding has it: seven bits a byte, lowest first."""
    body = bytearray()
    while number > 0x7F:
        body.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*body, number])


def differences(values: Sequence[int], order: int) -> list[int]:
    """Differences of `order`, modulo 2^64 as signed numbers, without the zeros at the end."""
    numbers = list(values)
    for _ in range(order):
        numbers = [now - before for before, now in pairwise([0, *numbers])]
    numbers = [(number + (1 << 63)) % (1 << 64) - (1 << 63) for number in numbers]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return numbers


def quality_runs(qualities: Iterable[int]) -> list[pb.QualityRun]:
    """Nothing when all are good."""
    runs = [
        pb.QualityRun(count=len(list(same)), quality=pb.Quality.ValueType(quality))
        for quality, same in groupby(qualities)
    ]
    return [] if all(run.quality == GOOD for run in runs) else runs


def column(
    values: Sequence[int],
    *,
    order: int = 0,
    encoding: pb.ValueEncoding.ValueType = pb.VALUE_ENCODING_UNSPECIFIED,
    digits: int = 0,
    qualities: Sequence[int] = (),
    rows: Sequence[int] | None = None,
) -> pb.Column:
    """`values` of the entries that are not bad; `rows`: of a sparse column, the row of each
    entry."""
    return pb.Column(
        order=order,
        encoding=encoding,
        digits=digits,
        values=differences(values, order),
        quality=quality_runs(qualities),
        sparse=rows is not None,
        rows=_row_differences(rows or ()),
    )


def text_column(
    texts: Sequence[bytes], *, qualities: Sequence[int] = (), rows: Sequence[int] | None = None
) -> pb.Column:
    return pb.Column(
        encoding=pb.VALUE_ENCODING_TEXT,
        texts=[pb.TextRun(count=len(list(same)), text=text) for text, same in groupby(texts)],
        quality=quality_runs(qualities),
        sparse=rows is not None,
        rows=_row_differences(rows or ()),
    )


def _row_differences(rows: Sequence[int]) -> list[int]:
    return [now - before for before, now in pairwise([0, *rows])]


def run(
    group: int,
    first_tick: int,
    ticks: int,
    columns: Sequence[pb.Column],
    *,
    first_due_ns: int = 1_000_000_000_000,
    late_us: Sequence[int] = (),
    late_order: int = 0,
    skipped: Sequence[tuple[int, int, int]] = (),
) -> pb.GroupRun:
    """`skipped`: (first tick, count, reason)."""
    return pb.GroupRun(
        group=group,
        first_tick=first_tick,
        ticks=ticks,
        first_due_ns=first_due_ns,
        late_order=late_order,
        late_us=differences(late_us, late_order),
        skipped=[
            pb.TickGap(first_tick=first, count=count, reason=pb.GapReason.ValueType(reason))
            for first, count, reason in skipped
        ],
        columns=columns,
    )


def compress(compression: pb.Compression.ValueType, payload: bytes) -> bytes:
    match compression:
        case pb.COMPRESSION_ZSTD:
            return zstandard.compress(payload)
        case pb.COMPRESSION_ZLIB:
            return zlib.compress(payload)
        case _:
            return payload


def block(
    epoch: int,
    seq: int,
    payload: pb.BlockPayload,
    *,
    compression: pb.Compression.ValueType = pb.COMPRESSION_ZSTD,
    revision: int = 1,
    lane: pb.Lane.ValueType = pb.LANE_LIVE,
    needs: Iterable[int] = (),
) -> pb.Block:
    """Seal a payload, with its counts and checksum."""
    plain = payload.SerializeToString()
    scans, samples = counts(payload.runs)
    return pb.Block(
        epoch=epoch,
        seq=seq,
        catalog_revision=revision,
        compression=compression,
        payload_size=len(plain),
        payload_crc32c=crc32c(plain),
        payload=compress(compression, plain),
        scans=scans,
        samples=samples,
        needs=needs,
        lane=lane,
    )


def bundle(
    blocks: Sequence[pb.Block],
    payload: pb.BundlePayload,
    *,
    compression: pb.Compression.ValueType = pb.COMPRESSION_ZSTD,
    needs: Iterable[int] = (),
    lane: pb.Lane.ValueType = pb.LANE_LIVE,
) -> pb.Bundle:
    """`payload`, which says the same as the successive `blocks`, under their names."""
    plain = payload.SerializeToString()
    scans, samples = counts(payload.runs)
    return pb.Bundle(
        epoch=blocks[0].epoch,
        first_seq=blocks[0].seq,
        catalog_revision=blocks[0].catalog_revision,
        compression=compression,
        payload_size=len(plain),
        payload_crc32c=crc32c(plain),
        payload=compress(compression, plain),
        scans=scans,
        samples=samples,
        needs=needs,
        block_checks=bytes(block.payload_crc32c & 0xFF for block in blocks),
        lane=lane,
    )


def counts(runs: Iterable[pb.GroupRun]) -> tuple[int, int]:
    """Rows in all runs, and entries in all their columns and events."""
    scans = samples = 0
    for run in runs:
        rows = run.ticks - sum(gap.count for gap in run.skipped)
        scans += rows
        samples += sum(len(c.rows) if c.sparse else rows for c in run.columns)
        samples += sum(len(e.column.rows) for events in run.events for e in events.columns)
    return scans, samples


def name(content: bytes) -> bytes:
    """The name of a tag set's or a catalog's content."""
    return sha256(content).digest()[:16]


def catalog(
    epoch: int,
    revision: int,
    groups: Iterable[tuple[pb.Group, Sequence[pb.Tag]]],
    *,
    site: str = "",
    time_zone: str = "",
    ended: Iterable[pb.GroupEnd] = (),
) -> list[pb.StreamRequest]:
    """The messages that bring a revision: each tag set once, then the catalog."""
    sets: dict[bytes, bytes] = {}
    content = pb.CatalogContent(site=site, time_zone=time_zone, ended=ended)
    for group, tags in groups:
        made = pb.TagSetContent(tags=tags).SerializeToString(deterministic=True)
        sets[name(made)] = made
        added = content.groups.add()
        added.CopyFrom(group)
        added.tag_set = name(made)
    body = content.SerializeToString(deterministic=True)
    return [
        *(pb.StreamRequest(tag_set=pb.TagSet(content=made)) for made in sets.values()),
        pb.StreamRequest(
            catalog=pb.Catalog(epoch=epoch, revision=revision, id=name(body), content=body)
        ),
    ]


def export_file(messages: Iterable[pb.StreamRequest]) -> bytes:
    """The file that holds these messages: proto/README.md, "Export files"."""
    parts = [message.SerializeToString(deterministic=True) for message in messages]
    framed = [len(p).to_bytes(4, "little") + crc32c(p).to_bytes(4, "little") + p for p in parts]
    return b"".join([b"JIAHEEX1", *framed, bytes(4), len(parts).to_bytes(4, "little")])
