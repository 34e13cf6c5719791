"""A disk that fails by sectors that it refuses to read, as worn cards do."""

from __future__ import annotations

import errno

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, Buffer, BufferConfig
from gateway.buffer.disk import APART_NS, READ_FAILURES_MAX
from gateway.buffer.ranges import RangeSet
from gateway.buffer.segment import PAGE_BYTES
from gateway.buffer.state import OpenEpoch
from gateway.report.snapshot import BufferSnapshot
from tests.kit.blocks import block, catalog_content, no_zstd, put_catalog
from tests.kit.fake_disk import FakeDisk
from tests.kit.virtual_time import VirtualClock, inline, passed, run

BLOCKS = 40
PAD = 1200
FIRST_EPOCH = (1 << 32) | 7
CATALOG = catalog_content()


async def opened(disk: FakeDisk) -> Buffer:
    clock = VirtualClock()
    config = BufferConfig("gw-1", free_bytes_min=0, segment_bytes=5 * PAGE_BYTES)
    buffer = await Buffer.open(disk, clock, inline, config, no_zstd)
    buffer.open_epoch("boot-2", clock.now_ns(), lambda bits: 7)
    put_catalog(buffer)
    return buffer


def sealed(seq: int) -> pb.Block:
    return block(
        FIRST_EPOCH, seq, first_tick=3 * seq, end_of_epoch=seq == BLOCKS, pad=PAD + seq % 50
    )


async def written() -> FakeDisk:
    """A clean run of blocks in segments of five pages, each flushed, the last one its end."""
    disk = FakeDisk()
    buffer = await opened(disk)
    for seq in range(1, BLOCKS + 1):
        buffer.put(sealed(seq))
        await buffer.flush()
    await buffer.close()
    return disk.copy()


async def survey(disk: FakeDisk) -> tuple[RangeSet, RangeSet, BufferSnapshot]:
    """What the next run can send of the first epoch, and what it announces; the end is told."""
    buffer = await opened(disk)
    held, gone, closed = RangeSet(), RangeSet(), False
    key = buffer.next_live(BlockKey(0, 0))
    while key is not None:
        for _ in range(READ_FAILURES_MAX):
            found = await buffer.read(key)
            await passed(APART_NS)
        if found is not None:
            assert found == sealed(key.seq)
            held.add(key.seq, key.seq)
            closed = closed or found.end_of_epoch
        key = buffer.next_live(key)
    buffer.welcome(FIRST_EPOCH, held, closed)
    for gap in buffer.take_gaps():
        gone.update(RangeSet((r.first, r.last) for r in gap.blocks))
        closed = closed or gap.end_of_epoch or gap.count_unknown
        if gap.count_unknown:
            gone.add(gap.after_seq + 1, BLOCKS)
    assert closed
    assert not RangeSet([(1, BLOCKS)]).minus(held).minus(gone)
    return held, gone, buffer.snapshot()


def segments(disk: FakeDisk) -> list[str]:
    return sorted(name for name in disk.contents() if name.endswith(".seg"))


def test_page_when_unreadable_costs_the_blocks_in_it_and_they_are_announced() -> None:
    async def main() -> None:
        clean = await written()
        assert len(segments(clean)) >= 2
        at_most = PAGE_BYTES // PAD + 2
        for name in segments(clean):
            for at in range(0, len(clean.contents()[name]), PAGE_BYTES):
                disk = clean.copy()
                disk.spoil(name, at, PAGE_BYTES)
                held, _, shown = await survey(disk)
                assert len(list(held.numbers())) >= BLOCKS - at_most, (name, at)
                assert shown["damaged_records"] > 0, (name, at)

    run(main())


def test_page_when_unreadable_never_takes_all_copies_of_a_catalog() -> None:
    async def main() -> None:
        clean = await written()
        for name in segments(clean):
            for at in range(0, len(clean.contents()[name]), 512):
                disk = clean.copy()
                for other in segments(clean):
                    if other != name:
                        disk.unlink(other)
                disk.spoil(name, at, PAGE_BYTES)
                buffer = await opened(disk)
                assert await buffer.catalog(FIRST_EPOCH, 1) == CATALOG, (name, at)

    run(main())


def test_bit_when_flipped_right_after_the_first_flush_never_takes_the_catalog() -> None:
    async def main() -> None:
        clean = FakeDisk()
        buffer = await opened(clean)
        buffer.put(block(FIRST_EPOCH, 1))
        await buffer.flush()
        (name,) = segments(clean)
        data = clean.contents()[name]
        for at in range(len(data)):
            disk = clean.copy()
            disk.replace(name, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            again = await opened(disk)
            assert await again.catalog(FIRST_EPOCH, 1) == CATALOG, at

    run(main())


def test_sector_when_unreadable_anywhere_never_keeps_the_daemon_from_starting() -> None:
    async def main() -> None:
        clean = await written()
        for name, data in clean.contents().items():
            for at in range(0, len(data), 467):
                disk = clean.copy()
                disk.spoil(name, at, 1)
                held, _, _ = await survey(disk)
                assert len(list(held.numbers())) >= BLOCKS - 5, (name, at)

    run(main())


@pytest.mark.parametrize("which", [0, -1])
def test_file_when_unreadable_from_end_to_end_is_left_there_and_its_blocks_announced(
    which: int,
) -> None:
    async def main() -> None:
        disk = await written()
        name = segments(disk)[which]
        disk.spoil(name, 0, 1 << 30)
        held, gone, shown = await survey(disk)
        assert len(list(held.numbers())) > 10 and gone
        assert shown["damaged_records"] > 0
        assert name in disk.contents()

    run(main())


def test_file_when_long_and_unreadable_is_not_read_for_hours() -> None:
    """Each refusal may take the medium seconds."""

    async def main() -> None:
        disk = await written()
        name = segments(disk)[0]
        disk.replace(name, bytes(64 << 20))
        disk.spoil(name, 0, 64 << 20)
        before = disk.operations
        await opened(disk)
        assert disk.operations - before < 500

    run(main())


def test_file_when_it_cannot_be_opened_is_damage() -> None:
    async def main() -> None:
        disk = await written()
        # After the state file, and that of the runs.
        opened_well = iter([None, None, OSError(errno.EIO, "Input/output error")])

        def fail(operation: str) -> None:
            if operation == "open" and (error := next(opened_well, None)):
                raise error

        disk.fail = fail
        held, gone, shown = await survey(disk)
        assert len(list(held.numbers())) > 10 and gone
        assert shown["damaged_records"] > 0

    run(main())


def test_state_when_unreadable_is_said_and_the_run_goes_on_above_what_is_there() -> None:
    async def main() -> None:
        disk = await written()
        disk.spoil("state", 0, 1 << 20)
        buffer = await opened(disk)
        assert buffer.epoch >> 32 == (FIRST_EPOCH >> 32) + 1
        assert buffer.live_blocks == BLOCKS
        assert [said["id"] for said in buffer.snapshot()["warnings"]] == ["buffer.state_lost"]
        again = await opened(disk.crash())
        assert not again.snapshot()["warnings"], "a new one was written"
        assert again.epoch >> 32 == (FIRST_EPOCH >> 32) + 2

    run(main())


def test_state_when_one_of_its_pages_is_unreadable_is_read_whole() -> None:
    async def main() -> None:
        disk = await written()
        first = await opened(disk)
        for epoch in range(300):
            first.to_tell.state.epochs[epoch] = OpenEpoch(epoch, "boot-1", 0)
        first.platform_highest(5 << 32)
        await first.flush()
        size = len(disk.contents()["state"])
        assert size > 4 * PAGE_BYTES
        for at in range(0, size, PAGE_BYTES):
            spoilt = disk.copy()
            spoilt.spoil("state", at, PAGE_BYTES)
            buffer = await opened(spoilt)
            assert not buffer.snapshot()["warnings"]
            assert len(buffer.to_tell.state.epochs) >= 300

    run(main())
