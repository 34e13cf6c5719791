"""The buffer against a disk that forgets what was not synced."""

from __future__ import annotations

import asyncio
import errno
import itertools

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, Buffer, BufferConfig, BufferUnusableError, state
from gateway.buffer.ranges import RangeSet
from gateway.messages import text
from tests.kit.blocks import SETS_BYTES, block, catalog_content, no_zstd, put_catalog
from tests.kit.fake_disk import FakeDisk
from tests.kit.virtual_time import VirtualClock, inline, run

SECOND = 10**9


async def opened(
    disk: FakeDisk, clock: VirtualClock | None = None, *, bits: int = 7, **limits: object
) -> Buffer:
    limits = {"free_bytes_min": 0, **limits}
    config = BufferConfig("gw-1", **limits)  # type: ignore[arg-type]  # any field, by name
    buffer = await Buffer.open(disk, clock or VirtualClock(), inline, config, no_zstd)
    buffer.open_epoch("boot-1", (clock or VirtualClock()).now_ns(), lambda n: bits)
    put_catalog(buffer)
    return buffer


def live(buffer: Buffer) -> list[BlockKey]:
    keys, key = [], buffer.next_live(BlockKey(0, 0))
    while key is not None:
        keys.append(key)
        key = buffer.next_live(key)
    return keys


async def fill(buffer: Buffer, count: int, *, pad: int = 0) -> None:
    """`count` more blocks of three ticks, all flushed one by one."""
    for _ in range(count):
        seq = buffer.last_seq + 1
        gaps = buffer.take_gaps()
        buffer.put(block(buffer.epoch, seq, first_tick=3 * seq - 3, gaps=gaps, pad=pad))
        await buffer.flush()


def test_block_when_flushed_and_power_cut_is_read_back_with_its_catalog() -> None:
    async def main() -> None:
        disk = FakeDisk()
        first = await opened(disk)
        await fill(first, 2)
        second = await opened(disk.crash())
        assert live(second) == [(first.epoch, 1), (first.epoch, 2)]
        read = await second.read(BlockKey(first.epoch, 2))
        assert read == block(first.epoch, 2, first_tick=3)
        assert await second.catalog(first.epoch, 1) == catalog_content()

    run(main())


def test_block_when_not_flushed_and_power_cut_is_gone_and_epoch_is_still_owed_an_end() -> None:
    async def main() -> None:
        disk = FakeDisk()
        first = await opened(disk)
        first.put(block(first.epoch, 1))
        second = await opened(disk.crash())
        assert live(second) == []
        second.welcome(first.epoch, RangeSet(), False)
        (gap,) = second.take_gaps()
        assert (gap.reason, gap.epoch, gap.count_unknown) == (
            pb.GAP_REASON_CRASH,
            first.epoch,
            True,
        )
        assert (gap.after_seq, gap.until_boot_id) == (0, "boot-1")

    run(main())


def test_block_when_acked_before_its_flush_is_due_never_touches_the_disk() -> None:
    async def main() -> None:
        disk = FakeDisk()
        clock = VirtualClock()
        buffer = await opened(disk, clock)
        task = asyncio.create_task(buffer.run())
        written = disk.written_bytes
        for seq in range(1, 51):
            buffer.put(block(buffer.epoch, seq, oldest_ns=clock.now_ns()))
            await clock.sleep_until(clock.now_ns() + SECOND // 2)
            buffer.acked(buffer.epoch, seq, seq)
        assert disk.written_bytes == written
        task.cancel()

    run(main())


def test_blocks_when_due_are_durable_within_flush_every_in_one_sync() -> None:
    async def main() -> None:
        disk = FakeDisk()
        clock = VirtualClock()
        buffer = await opened(disk, clock)
        await fill(buffer, 1)  # and what the blocks need, once
        task = asyncio.create_task(buffer.run())
        await clock.sleep_until(SECOND)
        await fill_without_flush(buffer, clock, 3)
        syncs = disk.syncs
        await clock.sleep_until(2 * SECOND)
        assert disk.syncs == syncs + 1
        after = await opened(disk.crash())
        assert [key.seq for key in live(after)] == [1, 2, 3, 4]
        assert buffer.snapshot()["flush_lag_ms"] == 0
        task.cancel()

    run(main())


async def fill_without_flush(buffer: Buffer, clock: VirtualClock, count: int) -> None:
    for _ in range(count):
        buffer.put(block(buffer.epoch, buffer.last_seq + 1, oldest_ns=clock.now_ns()))


def test_epoch_when_opened_again_goes_above_own_and_platform_counters() -> None:
    async def main() -> None:
        disk = FakeDisk()
        first = await opened(disk)
        assert first.epoch == (1 << 32) | 7
        first.platform_highest(41 << 32)
        await first.flush()
        second = await opened(disk.crash(), bits=9)
        assert second.epoch == (42 << 32) | 9

    run(main())


@pytest.mark.parametrize("operation", ["open", "append", "sync", "rename", "sync_dir"])
def test_epoch_when_the_disk_fails_once_as_it_begins_is_known_after_a_power_cut(
    operation: str,
) -> None:
    async def main() -> None:
        disk = FakeDisk()
        (await opened(disk)).snapshot()
        failures = iter([OSError(errno.EIO, "Input/output error")])
        buffer = await Buffer.open(disk, VirtualClock(), inline, BufferConfig("gw-1"), no_zstd)

        def fail(asked: str) -> None:
            if asked == operation and (error := next(failures, None)):
                raise error

        disk.fail = fail
        epoch = buffer.open_epoch("boot-1", 5)
        assert next(failures, None) is None
        again = await opened(disk.crash())
        assert epoch in [kept.epoch for kept in again.earlier()]

    run(main())


@pytest.mark.parametrize("named", [(1 << 53) - 1, (1 << 53) - (1 << 48), 1 << 63, (1 << 64) - 1])
def test_epoch_when_the_platform_names_one_near_the_end_stays_low(
    named: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        disk = FakeDisk()
        first = await opened(disk)
        first.platform_highest(named)
        assert str(named) in caplog.text
        await first.flush()
        assert (await opened(disk.crash(), bits=9)).epoch == (2 << 32) | 9

    run(main())


def test_epoch_when_an_older_version_kept_one_near_the_end_stays_low() -> None:
    async def main() -> None:
        disk = FakeDisk()
        kept = state.State("gw-1", run=4, highest=(1 << 53) - 1)
        state.write(disk, state.encode(kept))
        assert (await opened(disk, bits=9)).epoch == (5 << 32) | 9

    run(main())


def test_epoch_when_the_counter_is_at_its_end_is_refused_in_words() -> None:
    async def main() -> None:
        disk = FakeDisk()
        state.write(disk, state.encode(state.State("gw-1", run=(1 << 21) - 1)))
        with pytest.raises(BufferUnusableError) as caught:
            await opened(disk)
        assert caught.value.message == "buffer.runs_used_up"
        assert text(caught.value.message, "zh", **caught.value.arguments)

    run(main())


def test_segment_when_all_blocks_acked_is_unlinked_and_others_keep_their_catalog() -> None:
    async def main() -> None:
        disk = FakeDisk()
        clock = VirtualClock()
        buffer = await opened(disk, clock, segment_bytes=400)
        task = asyncio.create_task(buffer.run())
        await fill(buffer, 20)
        before = [n for n in disk.list() if n.endswith(".seg")]
        buffer.acked(buffer.epoch, 1, 15)
        await clock.sleep_until(SECOND)
        after = [n for n in disk.list() if n.endswith(".seg")]
        assert 0 < len(after) < len(before)
        again = await opened(disk.crash())
        assert [key.seq for key in live(again)][-5:] == [16, 17, 18, 19, 20]
        for key in live(again):
            assert await again.catalog(key.epoch, 1) == catalog_content()
        task.cancel()

    run(main())


def test_eviction_when_full_is_announced_exactly_and_survives_a_crash() -> None:
    async def main() -> None:
        disk = FakeDisk()
        buffer = await opened(disk, max_bytes=SETS_BYTES + 4000)
        await fill(buffer, 60)
        kept = {key.seq for key in live(buffer)}
        assert buffer.index.segment_bytes <= 4000
        assert 5 < len(kept) < 60
        again = await opened(disk.crash(), max_bytes=SETS_BYTES + 4000)
        gone, ticks = RangeSet(), RangeSet()
        for gap in await owed_gaps(again):
            assert gap.reason == pb.GAP_REASON_EVICTED_OLDEST
            for r in gap.blocks:
                gone.add(r.first, r.last)
            for t in gap.ticks:
                ticks.add(t.first_tick, t.first_tick + t.count - 1)
                assert t.last_due_ns - t.first_due_ns == (t.count - 1) * 100_000_000
        kept = {key.seq for key in live(again)}
        assert set(gone.numbers()) | kept == set(range(1, 61))
        assert not set(gone.numbers()) & kept
        assert list(ticks) == [(0, 3 * max(gone.numbers()) - 1)]

    run(main())


def test_gap_when_its_carrier_is_evicted_waits_again() -> None:
    async def main() -> None:
        disk = FakeDisk()
        buffer = await opened(disk, max_bytes=SETS_BYTES + 4000)
        await fill(buffer, 200)
        books = buffer.books()
        assert books.lost_scans + books.buffered_scans + books.memory_scans == 600
        gaps = await owed_gaps(buffer)
        named = RangeSet((r.first, r.last) for gap in gaps for r in gap.blocks)
        kept = [key.seq for key in live(buffer)]
        assert list(named) == [(1, min(kept) - 1)]
        again = await opened(disk.crash(), max_bytes=SETS_BYTES + 4000)
        assert len(await owed_gaps(again)) <= len(gaps) + 1, "told twice"

    run(main())


async def owed_gaps(buffer: Buffer) -> list[pb.Gap]:
    """What waits to be announced, and what the kept blocks carry."""
    carried = [gap for key in live(buffer) for gap in await _gaps_of(buffer, key)]
    return [*buffer.take_gaps(), *carried]


async def _gaps_of(buffer: Buffer, key: BlockKey) -> list[pb.Gap]:
    found = await buffer.read(key)
    assert found is not None
    return list(pb.BlockPayload.FromString(pb.Block.FromString(found.data).payload).gaps)


def test_newest_when_full_and_so_configured_is_refused_and_announced() -> None:
    async def main() -> None:
        buffer = await opened(FakeDisk(), max_bytes=SETS_BYTES + 4000, when_full="drop_newest")
        await fill(buffer, 60)
        kept = [key.seq for key in live(buffer)]
        assert kept == list(range(1, len(kept) + 1))
        (gap,) = buffer.take_gaps()
        assert gap.reason == pb.GAP_REASON_REFUSED_NEWEST
        assert [(r.first, r.last) for r in gap.blocks] == [(len(kept) + 1, 60)]

    run(main())


def test_files_when_of_another_gateway_are_refused_untouched() -> None:
    async def main() -> None:
        disk = FakeDisk()
        await fill(await opened(disk), 1)
        disk.unlink("state")
        before = disk.contents()
        with pytest.raises(BufferUnusableError) as caught:
            await Buffer.open(disk, VirtualClock(), inline, BufferConfig("gw-2"), no_zstd)
        assert caught.value.message == "buffer.other_gateway"
        assert caught.value.arguments["found"] == "gw-1"
        assert disk.contents() == before

    run(main())


def test_sync_when_it_fails_once_loses_nothing_and_state_stays_ok() -> None:
    async def main() -> None:
        disk = FakeDisk()
        buffer = await opened(disk)
        await fill(buffer, 2)
        failures = iter([OSError(errno.EIO, "Input/output error")])

        def fail(operation: str) -> None:
            if operation == "sync" and (error := next(failures, None)):
                raise error

        disk.fail = fail
        await fill(buffer, 1)
        assert buffer.snapshot()["state"] == "ok"
        assert [k.seq for k in live(await opened(disk.crash()))] == [1, 2, 3]

    run(main())


def test_disk_when_it_fails_for_long_keeps_blocks_in_ram_then_writes_them() -> None:
    async def main() -> None:
        disk = FakeDisk()
        clock = VirtualClock()
        buffer = await opened(disk, clock, memory_bytes_max=2000)
        task = asyncio.create_task(buffer.run())

        def fail(operation: str) -> None:
            if operation != "read":
                raise OSError(errno.EROFS, "Read-only file system")

        disk.fail = fail
        for seq in range(1, 101):
            buffer.put(
                block(
                    buffer.epoch, seq, first_tick=3 * seq - 3,
                    oldest_ns=clock.now_ns(), gaps=buffer.take_gaps(),
                )
            )  # fmt: skip
            await clock.sleep_until(clock.now_ns() + SECOND // 2)
        shown = buffer.snapshot()
        assert shown["state"] == "memory_only"
        assert shown["memory_bytes"] <= 2000
        books = buffer.books()
        assert books.memory_scans + books.lost_scans == 300
        assert books.lost_scans > 0
        disk.fail = lambda operation: None
        await clock.sleep_until(clock.now_ns() + 11 * SECOND)
        assert buffer.snapshot()["state"] == "ok"
        assert buffer.snapshot()["memory_blocks"] == 0
        again = await opened(disk.crash())
        assert live(again) == live(buffer)
        task.cancel()

    run(main())


def test_batch_when_its_second_segment_fails_keeps_the_first_and_knows_every_file() -> None:
    async def main(nth: int) -> bool:
        disk = FakeDisk()
        buffer = await opened(disk, segment_bytes=300)
        for seq in range(1, 7):
            buffer.put(block(buffer.epoch, seq, first_tick=3 * seq))
        base = disk.operations

        def fail(operation: str) -> None:
            if operation in ("append", "sync", "sync_dir") and nth <= disk.operations - base:
                raise OSError(errno.EIO, "Input/output error")

        disk.fail = fail
        failed = not await buffer.flush()
        disk.fail = lambda operation: None
        kept = buffer.books().buffered_scans // 3
        assert len([key for key in live(await opened(disk.crash())) if key.seq]) == kept, nth
        assert await buffer.flush()
        assert [key.seq for key in live(buffer)] == [1, 2, 3, 4, 5, 6]
        known = {f"{number:016x}.seg" for number in buffer.index.segments}
        files = {name for name in disk.contents() if name.endswith(".seg")}
        assert known == {name for name in files if disk.contents()[name]}, nth
        return failed

    nth = 1
    while run(main(nth)):
        nth += 1
    assert nth > 8


def test_every_disk_operation_when_it_fails_once_loses_no_durable_block() -> None:
    async def scenario(disk: FakeDisk) -> tuple[Buffer, RangeSet]:
        buffer = await opened(disk, max_bytes=SETS_BYTES + 3000, segment_bytes=300)
        for _ in range(20):
            await fill(buffer, 1)
        for _ in range(3):
            await buffer.flush()
        return buffer, RangeSet()

    async def main(nth: int) -> bool:
        disk = FakeDisk()
        base = disk.operations
        hit = False

        def fail(operation: str) -> None:
            nonlocal hit
            if disk.operations - base == nth:
                hit = True
                raise OSError(errno.EIO, "Input/output error")

        disk.fail = fail
        try:
            buffer, _ = await scenario(disk)
        except OSError:
            # Only opening may say so; nothing was accepted yet.
            assert disk.operations < 20
            return hit
        disk.fail = lambda operation: None
        await buffer.flush()
        again = await opened(disk.crash(), max_bytes=SETS_BYTES + 3000)
        owed = GapBlocks(await owed_gaps(again))
        kept = {key.seq for key in live(again)}
        assert kept | owed.of(buffer.epoch) >= set(range(1, 21)), nth
        return hit

    for nth in itertools.count(1):
        if not run(main(nth)):
            break
    assert nth > 50


class GapBlocks:
    """The blocks that gaps name, an epoch."""

    def __init__(self, gaps: list[pb.Gap]) -> None:
        self._named: dict[int, RangeSet] = {}
        for gap in gaps:
            for r in gap.blocks:
                self._named.setdefault(gap.epoch, RangeSet()).add(r.first, r.last)

    def of(self, epoch: int) -> set[int]:
        return set(self._named.get(epoch, RangeSet()).numbers())
