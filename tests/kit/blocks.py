"""Small real blocks for tests of what carries them: one group, one tag, tick = value."""

from __future__ import annotations

from collections.abc import Iterable

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import SealedBlock

PERIOD_NS = 100_000_000


def payload(
    first_tick: int, ticks: int, gaps: Iterable[pb.Gap] = (), *, end_of_epoch: bool = False
) -> pb.BlockPayload:
    """Ticks `first_tick` on, each a row whose value is its number; tick k is due at k x 100 ms."""
    made = pb.BlockPayload(gaps=gaps, end_of_epoch=end_of_epoch)
    if ticks:
        run = made.runs.add(
            group=1,
            first_tick=first_tick,
            ticks=ticks,
            first_due_ns=first_tick * PERIOD_NS,
            period_ns=PERIOD_NS,
        )
        run.columns.add(values=range(first_tick, first_tick + ticks))
    return made


def block(
    epoch: int,
    seq: int,
    *,
    first_tick: int = 0,
    ticks: int = 3,
    oldest_ns: int = 0,
    gaps: Iterable[pb.Gap] = (),
    end_of_epoch: bool = False,
    pad: int = 0,
) -> SealedBlock:
    """A sealed block, uncompressed; `pad` more bytes of an anchor's boot id."""
    inner = payload(first_tick, ticks, gaps, end_of_epoch=end_of_epoch)
    if pad:
        inner.anchors.add(boot_id="x" * pad)
    body = inner.SerializeToString()
    outer = pb.Block(
        epoch=epoch, seq=seq, catalog_revision=1, compression=pb.COMPRESSION_NONE,
        payload_size=len(body), payload=body, scans=ticks, samples=ticks,
    )  # fmt: skip
    data = outer.SerializeToString()
    return SealedBlock(epoch, seq, 1, data, oldest_ns, ticks, ticks, end_of_epoch)


def no_zstd(data: bytes, size: int) -> bytes:
    raise ValueError("no test block is compressed with zstd")
