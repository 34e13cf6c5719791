"""A buffer that is nearly full: the blocks of an earlier run, which ended cleanly, offline.

Filling 16 MiB from the wire takes minutes; here the real buffer writes it. What the run "sampled"
stands in a book like that of any simulated controller.
"""

from __future__ import annotations

from pathlib import Path

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import Buffer, BufferConfig, OsDisk, SealedBlock
from gateway.catalog import content_id
from gateway.clock import SystemClock
from native.block.seal import decompress
from native.crc import crc32c
from tests.kit.books import COUNTER_TAG
from tests.kit.virtual_time import inline

DEVICE = "old"
PERIOD_NS = 100_000_000
TICKS = 5
BLOCK_BYTES = 100_000


def _put_catalog(buffer: Buffer) -> None:
    tags = [
        pb.Tag(name=COUNTER_TAG, type=pb.VALUE_TYPE_UINT, bits=32, report=pb.REPORT_MODE_ALL),
        pb.Tag(name="filler", type=pb.VALUE_TYPE_TEXT, report=pb.REPORT_MODE_ALL),
    ]
    tag_set = pb.TagSetContent(tags=tags).SerializeToString()
    name = content_id(tag_set)
    group = pb.Group(id=1, device=DEVICE, driver="modbus", period_ns=PERIOD_NS, tag_set=name)
    content = pb.CatalogContent(groups=[group]).SerializeToString()
    buffer.put_catalog(1, content, {name: tag_set})


def _block(epoch: int, seq: int, start_ns: int, size: int, *, ends: bool) -> SealedBlock:
    """Ticks of a counter that is tick + 1, and a text of `size` bytes."""
    first = (seq - 1) * TICKS
    payload = pb.BlockPayload(end_of_epoch=ends)
    if not ends:
        run = payload.runs.add(
            group=1, first_tick=first, ticks=TICKS,
            first_due_ns=start_ns + first * PERIOD_NS,
        )  # fmt: skip
        run.columns.add(order=1, values=[first + 1] + [1] * (TICKS - 1))
        filler = run.columns.add(encoding=pb.VALUE_ENCODING_TEXT)
        filler.texts.add(count=TICKS, text=b"x" * size)
    body = payload.SerializeToString()
    scans = 0 if ends else TICKS
    data = pb.Block(
        epoch=epoch, seq=seq, catalog_revision=1, compression=pb.COMPRESSION_NONE,
        payload_size=len(body), payload_crc32c=crc32c(body), payload=body,
        scans=scans, samples=2 * scans,
    ).SerializeToString()  # fmt: skip
    return SealedBlock(epoch, seq, 1, data, start_ns, scans, 2 * scans, ends)


async def prefill(folder: Path, book: Path, config: BufferConfig, left_bytes: int) -> int:
    """Leave `left_bytes` of `config.max_bytes`; returns how many blocks with scans there are."""
    disk, clock = OsDisk(folder), SystemClock()
    try:
        buffer = await Buffer.open(disk, clock, inline, config, decompress)
        now_ns = clock.now_ns()
        epoch = buffer.open_epoch(clock.boot_id, now_ns)
        _put_catalog(buffer)
        most = config.max_bytes // BLOCK_BYTES
        start_ns = now_ns - most * TICKS * PERIOD_NS
        seq = 0
        while (free := config.max_bytes - buffer.snapshot()["bytes"] - left_bytes) > 2000:
            seq += 1
            size = min(BLOCK_BYTES, free - 1000)
            buffer.put(_block(epoch, seq, start_ns, size, ends=False))
            assert await buffer.flush()
        buffer.put(_block(epoch, seq + 1, start_ns, 0, ends=True))
        assert await buffer.flush()
        await buffer.close()
    finally:
        disk.close()
    with book.open("w", encoding="ascii") as lines:
        for tick in range(seq * TICKS):
            due_ns = start_ns + tick * PERIOD_NS
            lines.write(f"{DEVICE} {tick + 1} {due_ns - 1000} {due_ns + 1000}\n")
    return seq
