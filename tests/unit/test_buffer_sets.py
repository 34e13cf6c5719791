"""Catalogs and tag sets in the buffer: kept once, counted, collected, whole after damage."""

from __future__ import annotations

import errno
import random

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, Buffer, BufferConfig
from gateway.buffer.ranges import RangeSet
from gateway.catalog import content_id
from tests.kit.blocks import SETS_BYTES, TAG_SET, block, catalog_content, no_zstd, put_catalog
from tests.kit.fake_disk import FakeDisk
from tests.kit.virtual_time import VirtualClock, inline, run

MIB = 1 << 20


async def opened(disk: FakeDisk, site: str | None = "", **limits: int) -> Buffer:
    clock = VirtualClock()
    config = BufferConfig("gw-1", free_bytes_min=0, **limits)
    buffer = await Buffer.open(disk, clock, inline, config, no_zstd)
    buffer.open_epoch("boot-1", clock.now_ns())
    if site is not None:
        put_catalog(buffer, site)
    return buffer


async def fill(buffer: Buffer, count: int, *, pad: int = 0) -> None:
    for _ in range(count):
        seq = buffer.last_seq + 1
        gaps = buffer.take_gaps()
        buffer.put(block(buffer.epoch, seq, first_tick=3 * seq, gaps=gaps, pad=pad))
        await buffer.flush()


def sets(disk: FakeDisk) -> set[str]:
    return set(disk.list("sets"))


def test_catalog_of_1_mib_in_a_buffer_of_16_mib_leaves_room_for_55_of_60_blocks_of_8_kb() -> None:
    async def main() -> None:
        disk = FakeDisk()
        buffer = await opened(disk, None, max_bytes=16 * MIB)
        labels = {n: random.Random(n).randbytes(40).hex() for n in range(12_500)}
        tag = pb.Tag(name="alarm", type=pb.VALUE_TYPE_UINT, bits=16, labels=labels)
        tag_set = pb.TagSetContent(tags=[tag]).SerializeToString(deterministic=True)
        assert len(tag_set) > MIB
        content = pb.CatalogContent()
        content.groups.add(id=1, device="cnc", period_ns=10**8, tag_set=content_id(tag_set))
        buffer.put_catalog(1, content.SerializeToString(), {content_id(tag_set): tag_set})
        await fill(buffer, 60, pad=8000)
        assert buffer.live_blocks >= 55
        assert sum(map(len, disk.contents().values())) <= 16 * MIB
        shown = buffer.snapshot()
        assert shown["bytes"] > 2 * len(tag_set), "counted, with its copy"
        assert shown["written_bytes"] < 4 * MIB
        assert await buffer.tag_set(content_id(tag_set)) == tag_set

    run(main())


def test_sets_when_runs_have_an_unchanged_file_are_written_once_and_shared() -> None:
    async def main() -> None:
        disk = FakeDisk()
        for _ in range(5):
            disk = disk.crash()
            buffer = await opened(disk)
            await fill(buffer, 1)
        assert len(sets(disk)) == 2
        assert buffer.snapshot()["written_bytes"] < SETS_BYTES
        assert await buffer.tag_set(content_id(TAG_SET)) == TAG_SET

    run(main())


def test_set_when_no_kept_epoch_names_it_is_collected_and_not_before() -> None:
    async def main() -> None:
        disk = FakeDisk()
        first = await opened(disk, "old")
        await fill(first, 2)
        name = content_id(catalog_content("old")).hex()
        disk = disk.crash()
        second = await opened(disk, "new")
        await fill(second, 1)
        await second._writer.work()
        assert name in sets(disk) and len(sets(disk)) == 3, "the tags are those of both"
        read = await second.read(BlockKey(first.epoch, 1))
        assert read is not None
        assert await second.catalog(first.epoch, 1) == catalog_content("old")
        second.welcome(first.epoch, RangeSet([(1, 2)]), closed=True)
        await second._writer.work()
        assert name not in sets(disk) and len(sets(disk)) == 2
        assert await second.catalog(first.epoch, 1) is None

    run(main())


def test_set_when_a_bit_flips_or_a_page_fails_is_read_from_its_copy() -> None:
    async def main() -> None:
        clean = FakeDisk()
        await fill(await opened(clean), 1)
        for name in sets(clean):
            path = f"sets/{name}"
            data = clean.contents()[path]
            for at in range(0, len(data), 7):
                flipped = clean.copy()
                flipped.replace(path, data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
                spoilt = clean.copy()
                spoilt.spoil(path, at // 4096 * 4096, 4096)
                for disk in (flipped, spoilt):
                    buffer = await opened(disk, "other")
                    assert await buffer.tag_set(content_id(TAG_SET)) == TAG_SET
                    content = await buffer._writer.sets.read(bytes.fromhex(name))
                    assert content is not None and content_id(content).hex() == name, at

    run(main())


def test_set_when_a_power_cut_tore_it_is_written_again_by_the_next_run() -> None:
    async def main() -> None:
        disk = FakeDisk()
        await fill(await opened(disk), 1)
        name = f"sets/{content_id(TAG_SET).hex()}"
        disk.replace(name, disk.contents()[name][:20])
        buffer = await opened(disk)
        await fill(buffer, 1)
        third = await opened(disk.crash(), "other")
        assert await third.tag_set(content_id(TAG_SET)) == TAG_SET

    run(main())


def test_block_when_the_state_file_is_lost_is_still_read_with_what_it_needs() -> None:
    async def main() -> None:
        disk = FakeDisk()
        first = await opened(disk)
        await fill(first, 2)
        for name in ("state", "runs"):
            disk.replace(name, b"")
        second = await opened(disk, "other")
        assert [kept.epoch for kept in second.earlier()] == [first.epoch]
        (kept,) = second.earlier()
        assert list(kept.catalogs) == [content_id(catalog_content())]
        assert await second.catalog(first.epoch, 1) == catalog_content()

    run(main())


def test_loss_when_the_disk_opens_no_file_any_more_then_its_ticks_are_counted() -> None:
    async def main() -> None:
        disk = FakeDisk()
        buffer = await opened(disk, memory_bytes_max=1000)
        await fill(buffer, 1)

        def fail(operation: str) -> None:
            raise OSError(errno.EIO, "Input/output error")

        disk.fail = fail
        for seq in range(2, 30):
            buffer.put(block(buffer.epoch, seq, first_tick=3 * seq, ticks=3))
        (gap,) = buffer.take_gaps()
        assert gap.reason == pb.GAP_REASON_MEMORY_FULL
        (blocks,), (ticks,) = gap.blocks, gap.ticks
        assert blocks.first == 2 and blocks.last > 2
        lost = blocks.last - blocks.first + 1
        assert (ticks.group, ticks.first_tick, ticks.count) == (1, 3 * blocks.first, 3 * lost)

    run(main())
