"""A small catalog and blocks of it, for the receiver's tests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from jiahe.ingest.v1 import ingest_pb2 as pb

from tests.contract import encode

EPOCH = (7 << 32) + 123
BOOT = "boot-a"
PERIOD_NS = 10_000_000
START_NS = 1_000_000_000_000
UTC_NS = 1_795_000_000_000_000_000
INSTALLATION = bytes(range(16))
MACHINE = bytes(range(16, 32))


def content_id(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:16]


def tags() -> pb.TagSetContent:
    return pb.TagSetContent(
        tags=[
            pb.Tag(name="serial_number", type=pb.VALUE_TYPE_UINT, bits=32),
            pb.Tag(name="joint1", type=pb.VALUE_TYPE_INT, bits=16, scale="0.001", unit="rad"),
        ]
    )


def tag_set(content: pb.TagSetContent | None = None) -> pb.TagSet:
    return pb.TagSet(content=(content or tags()).SerializeToString(deterministic=True))


def group(number: int = 1, device: str = "robot-3", tagged: pb.TagSet | None = None) -> pb.Group:
    name = content_id((tagged or tag_set()).content)
    return pb.Group(id=number, device=device, driver="modbus", period_ns=PERIOD_NS, tag_set=name)


def content(
    groups: Sequence[pb.Group] | None = None, ended: Sequence[pb.GroupEnd] = ()
) -> pb.CatalogContent:
    return pb.CatalogContent(
        site="line 3", groups=[group()] if groups is None else groups, ended=ended
    )


def catalog(
    epoch: int = EPOCH, revision: int = 1, made: pb.CatalogContent | None = None
) -> pb.Catalog:
    said = (made or content()).SerializeToString(deterministic=True)
    return pb.Catalog(epoch=epoch, revision=revision, id=content_id(said), content=said)


def opening(epoch: int = EPOCH) -> list[pb.StreamRequest]:
    """What a block of `block` needs before it."""
    return [
        pb.StreamRequest(tag_set=tag_set()),
        pb.StreamRequest(catalog=catalog(epoch)),
    ]


def anchor(boot_ns: int = START_NS, utc_ns: int = UTC_NS) -> pb.Anchor:
    return pb.Anchor(
        boot_id=BOOT,
        boot_time_ns=boot_ns,
        utc_ns=utc_ns,
        source=pb.ANCHOR_SOURCE_SYSTEM,
        error_ns=1_000_000,
    )


def run(
    first: int,
    ticks: int,
    *,
    skipped: tuple[tuple[int, int, int], ...] = (),
    add: int = 0,
    counters: Sequence[int] = (),
    group: int = 1,
) -> pb.GroupRun:
    """Value of the counter: the tick + `add`."""
    gone = {tick for start, count, _ in skipped for tick in range(start, start + count)}
    present = [tick for tick in range(first, first + ticks) if tick not in gone]
    return encode.run(
        group,
        first,
        ticks,
        [
            encode.column(counters or [tick + add for tick in present], order=1),
            encode.column([1234] * len(present)),
        ],
        first_due_ns=START_NS + first * PERIOD_NS,
        skipped=skipped,
    )


def block(
    seq: int,
    *,
    epoch: int = EPOCH,
    first_tick: int | None = None,
    ticks: int = 10,
    skipped: tuple[tuple[int, int, int], ...] = (),
    gaps: tuple[pb.Gap, ...] = (),
    end: bool = False,
    add: int = 0,
    revision: int = 1,
    counters: Sequence[int] = (),
    begin: pb.Begin | None = None,
    anchors: Sequence[pb.Anchor] | None = None,
) -> pb.Block:
    """Block `seq` of contiguous blocks of `ticks` ticks each."""
    first = (seq - 1) * ticks if first_tick is None else first_tick
    made = run(first, ticks, skipped=skipped, add=add, counters=counters)
    if anchors is None:
        anchors = [anchor()] if seq == 1 else []
    payload = pb.BlockPayload(
        anchors=anchors, runs=[made], gaps=gaps, end_of_epoch=end, begin=begin
    )
    return encode.block(epoch, seq, payload, revision=revision)


def bundle(first_seq: int, count: int, *, epoch: int = EPOCH, ticks: int = 10) -> pb.Bundle:
    """What blocks `first_seq` and those behind it say one by one."""
    blocks = [block(seq, epoch=epoch, ticks=ticks) for seq in range(first_seq, first_seq + count)]
    together = run((first_seq - 1) * ticks, count * ticks)
    together.block_ticks.extend([ticks] * count)
    payload = pb.BundlePayload(runs=[together])
    if first_seq == 1:
        payload.extras.add(block=0, payload=pb.BlockPayload(anchors=[anchor()]))
    return encode.bundle(blocks, payload)


def pieces(request: pb.StreamRequest, size: int = 200_000) -> list[pb.StreamRequest]:
    """A message that is larger than one may be, as it travels."""
    message = request.SerializeToString()
    return [
        pb.StreamRequest(
            piece=pb.Piece(
                message_id=content_id(message), message_size=len(message), offset=offset,
                data=message[offset : offset + size],
            )
        )
        for offset in range(0, len(message), size)
    ]  # fmt: skip
