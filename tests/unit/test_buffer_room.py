"""Files that nothing needs any more go first, before a block is given up or refused for room."""

from __future__ import annotations

import asyncio
import errno

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, Buffer, BufferConfig
from gateway.buffer.disk import APART_NS, READ_FAILURES_MAX
from gateway.buffer.ranges import RangeSet
from tests.kit.blocks import SETS_BYTES, block, no_zstd, put_catalog
from tests.kit.fake_disk import FakeDisk
from tests.kit.virtual_time import VirtualClock, inline, passed, run

BLOCKS = 11
MAX_BYTES = 3000


async def opened(disk: FakeDisk) -> Buffer:
    clock = VirtualClock()
    config = BufferConfig(
        "gw-1",
        free_bytes_min=0,
        max_bytes=SETS_BYTES + MAX_BYTES,
        segment_bytes=500,
        when_full="drop_newest",
    )
    buffer = await Buffer.open(disk, clock, inline, config, no_zstd)
    buffer.open_epoch("boot-1", clock.now_ns(), lambda bits: 7)
    put_catalog(buffer)
    return buffer


async def fill(buffer: Buffer, count: int) -> None:
    for _ in range(count):
        seq = buffer.last_seq + 1
        buffer.put(block(buffer.epoch, seq, first_tick=3 * seq, pad=50))
        await buffer.flush()


async def full(disk: FakeDisk) -> Buffer:
    """A buffer that has room for no further block, and lost none."""
    buffer = await opened(disk)
    await fill(buffer, BLOCKS)
    assert buffer.index.segment_bytes > MAX_BYTES - 328 and not buffer.gaps_pending
    return buffer


def test_newest_when_full_of_acked_blocks_is_not_refused_while_the_state_is_behind() -> None:
    async def main() -> None:
        buffer = await full(FakeDisk())
        buffer.acked(buffer.epoch, 1, BLOCKS)
        buffer.platform_highest(9 << 32)
        await fill(buffer, 5)
        assert buffer.books().lost_scans == 0
        assert buffer.live_blocks == 5

    run(main())


def test_newest_when_full_of_announced_blocks_waits_for_the_state_and_takes_their_room() -> None:
    async def main() -> None:
        disk = FakeDisk()
        buffer = await full(disk)
        for name in disk.list():
            disk.spoil(name, 0, 1 << 20)
        for seq in range(1, BLOCKS + 1):
            for _ in range(READ_FAILURES_MAX):
                assert await buffer.read(BlockKey(buffer.epoch, seq)) is None
                await passed(APART_NS)
        await fill(buffer, 5)
        assert buffer.live_blocks == 5
        again = await opened(disk.crash())
        again.welcome(buffer.epoch, RangeSet(), False)
        told = RangeSet(
            (r.first, r.last)
            for gap in again.take_gaps()
            for r in gap.blocks
            if gap.reason == pb.GAP_REASON_DAMAGED
        )
        assert list(told) == [(1, BLOCKS)], "durable before their files went"

    run(main())


def test_disk_when_full_to_the_last_byte_gives_the_room_of_acked_blocks_first() -> None:
    async def main() -> None:
        disk = FakeDisk()
        buffer = await full(disk)
        buffer.acked(buffer.epoch, 1, BLOCKS)
        buffer.platform_highest(9 << 32)
        disk.capacity_bytes = sum(map(len, disk.contents().values()))
        await fill(buffer, 1)
        assert buffer.live_blocks == 1 and not buffer.index.epoch(buffer.epoch).ram

    run(main())


def test_disk_when_it_works_again_beside_a_block_that_has_no_room_is_said_to_work() -> None:
    """Else the state file, which is the probe, was written again and again without a pause."""

    async def main() -> None:
        disk = FakeDisk()
        buffer = await full(disk)
        buffer.carries({BlockKey(buffer.epoch, BLOCKS + 1)})
        await fill(buffer, 1)
        assert buffer.snapshot()["memory_blocks"] == 1

        def fail(operation: str) -> None:
            raise OSError(errno.EIO, "Input/output error")

        disk.fail = fail
        buffer.platform_highest(9 << 32)
        await buffer.flush()
        assert buffer.snapshot()["state"] == "memory_only"
        disk.fail = lambda operation: None
        clock = VirtualClock()
        task = asyncio.ensure_future(buffer.run())
        await clock.sleep_until(20 * 10**9)
        task.cancel()
        assert buffer.snapshot()["state"] == "ok"

    run(main())


def test_file_with_announced_blocks_when_its_epoch_is_forgotten_waits_for_the_state() -> None:
    async def opened_again(disk: FakeDisk) -> Buffer:
        config = BufferConfig("gw-1", free_bytes_min=0, segment_bytes=300)
        buffer = await Buffer.open(disk, VirtualClock(), inline, config, no_zstd)
        buffer.open_epoch("boot-1", 0)
        put_catalog(buffer)
        return buffer

    async def main() -> None:
        disk = FakeDisk()
        buffer = await opened_again(disk)
        epoch = buffer.epoch
        for seq in range(1, 9):
            buffer.put(block(epoch, seq, first_tick=3 * seq, end_of_epoch=seq == 8))
            await buffer.flush()
        await buffer.close()
        buffer = await opened_again(disk)
        buffer.welcome(epoch, RangeSet(), closed=False)
        buffer.acked(epoch, 1, 5)
        for seq in (6, 7, 8):
            found = await buffer.read(BlockKey(epoch, seq))
            assert found is not None
            buffer.undecodable(found)
        await buffer._writer._unlink_dead(active_too=True)
        again = await opened_again(disk.crash())
        again.welcome(epoch, RangeSet([(1, 5)]), closed=False)
        told = [ticks for gap in again.take_gaps() for ticks in gap.ticks]
        assert sum(ticks.count for ticks in told) == 9 or again.live_blocks == 3

    run(main())
