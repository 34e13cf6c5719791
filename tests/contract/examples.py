"""A small catalog and blocks of it, for the receiver's tests."""

from __future__ import annotations

from collections.abc import Sequence

from jiahe.ingest.v1 import ingest_pb2 as pb

from tests.contract import encode

EPOCH = (7 << 32) + 123
BOOT = "boot-a"
PERIOD_NS = 10_000_000


def catalog(epoch: int = EPOCH, revision: int = 1) -> pb.Catalog:
    return pb.Catalog(
        epoch=epoch,
        revision=revision,
        site="line 3",
        groups=[
            pb.Group(
                id=1,
                device="robot-3",
                driver="modbus",
                period_ns=PERIOD_NS,
                tags=[
                    pb.Tag(name="serial_number", type=pb.VALUE_TYPE_UINT32),
                    pb.Tag(name="joint1", type=pb.VALUE_TYPE_INT16, scale="0.001", unit="rad"),
                ],
            )
        ],
    )


def anchor(boot_ns: int = 1_000_000_000_000) -> pb.Anchor:
    return pb.Anchor(
        boot_id=BOOT,
        boot_time_ns=boot_ns,
        utc_ns=1_795_000_000_000_000_000,
        source=pb.ANCHOR_SOURCE_SYSTEM,
        error_ns=1_000_000,
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
) -> pb.Block:
    """Block `seq` of contiguous blocks of `ticks` ticks each; value of the counter: the tick +
    `add`."""
    first = (seq - 1) * ticks if first_tick is None else first_tick
    gone = {tick for start, count, _ in skipped for tick in range(start, start + count)}
    present = [tick for tick in range(first, first + ticks) if tick not in gone]
    payload = pb.BlockPayload(
        anchors=[anchor()] if seq == 1 else [],
        runs=[
            encode.run(
                1,
                first,
                ticks,
                [
                    encode.column(counters or [tick + add for tick in present], order=1),
                    encode.column([1234] * len(present)),
                ],
                first_due_ns=1_000_000_000_000 + first * PERIOD_NS,
                skipped=skipped,
            )
        ],
        gaps=gaps,
        end_of_epoch=end,
    )
    return encode.block(epoch, seq, payload, revision=revision)
