"""What makes room, what is set aside, and what a clean stop leaves."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, Buffer, BufferConfig
from gateway.buffer.announcements import Announcements
from gateway.buffer.gaps import GapSet, Loss
from gateway.buffer.index import Epoch
from gateway.buffer.ranges import RangeSet
from gateway.buffer.refused import FILES_MAX
from gateway.buffer.runs import Runs
from gateway.buffer.state import OpenEpoch, State
from gateway.messages import remedy, text
from gateway.report.snapshot import BufferSnapshot
from tests.kit.blocks import SETS_BYTES, block, no_zstd, put_catalog
from tests.kit.fake_disk import FakeDisk
from tests.kit.virtual_time import VirtualClock, inline, run

SECOND = 10**9


async def opened(disk: FakeDisk, clock: VirtualClock, **limits: object) -> Buffer:
    config = BufferConfig("gw-1", **{"free_bytes_min": 0, **limits})  # type: ignore[arg-type]
    buffer = await Buffer.open(disk, clock, inline, config, no_zstd)
    buffer.open_epoch("boot-1", clock.now_ns(), lambda bits: 7)
    put_catalog(buffer)
    return buffer


async def fill(buffer: Buffer, clock: VirtualClock, count: int) -> None:
    for _ in range(count):
        seq = buffer.last_seq + 1
        buffer.put(
            block(
                buffer.epoch, seq, first_tick=3 * seq, oldest_ns=clock.now_ns(),
                gaps=buffer.take_gaps(),
            )
        )  # fmt: skip
        await buffer.flush()


def live(buffer: Buffer, first: int, count: int) -> list[int]:
    """Those of the blocks from `first` on that are neither acknowledged nor given up."""
    return [
        s for s in range(first, first + count) if buffer.index.is_live(BlockKey(buffer.epoch, s))
    ]


def warned(shown: BufferSnapshot) -> list[str]:
    return [said["id"] for said in shown["warnings"]]


def reasons(gaps: list[pb.Gap]) -> set[str]:
    return {pb.GapReason.Name(gap.reason) for gap in gaps}


def test_disk_when_full_gives_up_the_oldest_and_goes_on() -> None:
    async def main() -> None:
        disk, clock = FakeDisk(capacity_bytes=60_000), VirtualClock()
        buffer = await opened(disk, clock, segment_bytes=500, free_bytes_min=20_000)
        await fill(buffer, clock, 400)
        shown = buffer.snapshot()
        assert (shown["state"], warned(shown)) == ("no_space", ["buffer.no_space"])
        assert buffer.next_live(BlockKey(buffer.epoch, 399)) is not None
        assert reasons(buffer.take_gaps()) <= {"GAP_REASON_EVICTED_OLDEST"}
        books = buffer.books()
        assert books.lost_scans > 0 and books.buffered_scans > 0
        assert books.lost_scans + books.buffered_scans + books.memory_scans == 1200

    run(main())


def test_disk_when_others_fill_it_never_makes_the_buffer_grow_nor_empties_it() -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        buffer = await opened(disk, clock, segment_bytes=500, free_bytes_min=1 << 20)
        await fill(buffer, clock, 50)
        disk.capacity_bytes = sum(map(len, disk.contents().values())) + 100_000
        before = buffer.index.segment_bytes
        await fill(buffer, clock, 1)
        assert buffer.index.segment_bytes <= before
        assert buffer.live_blocks > 35
        shown = buffer.snapshot()
        assert (shown["state"], warned(shown)) == ("no_space", ["buffer.no_space"])
        (said,) = shown["warnings"]
        assert said["args"]["blocks"] == shown["evicted_blocks"] > 0
        disk.capacity_bytes = 1 << 30
        await fill(buffer, clock, 1)
        shown = buffer.snapshot()
        assert (shown["state"], warned(shown)) == ("ok", ["buffer.no_space_before"])

    run(main())


def test_disk_when_little_is_free_and_the_buffer_is_small_keeps_what_it_has() -> None:
    """Giving up its one segment at each flush would help nobody."""

    async def main() -> None:
        clock = VirtualClock()
        buffer = await opened(FakeDisk(capacity_bytes=1 << 20), clock, free_bytes_min=8 << 20)
        await fill(buffer, clock, 100)
        assert buffer.live_blocks == 100
        assert buffer.snapshot()["state"] == "ok"

    run(main())


def test_block_when_the_stream_carries_it_is_not_refused_for_room_until_that_ends() -> None:
    """Else a gap would say that it never comes, and the platform stores it."""

    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        buffer = await opened(
            disk, clock, max_bytes=SETS_BYTES + 2000, segment_bytes=500, when_full="drop_newest"
        )
        await fill(buffer, clock, 40)
        first = buffer.last_seq + 1
        buffer.carries({BlockKey(buffer.epoch, first), BlockKey(buffer.epoch, first + 2)})
        lost = buffer.books().lost_scans
        await fill(buffer, clock, 3)
        assert live(buffer, first, 3) == [first, first + 2]
        buffer.acked(buffer.epoch, first, first)
        await buffer.flush()
        assert live(buffer, first, 3) == [first + 2]
        assert buffer.books().lost_scans == lost + 3
        buffer.carries(())
        await buffer.flush()
        assert live(buffer, first, 3) == []
        assert buffer.books().lost_scans == lost + 6

    run(main())


def test_blocks_when_the_stream_carries_them_are_not_the_ones_that_make_room() -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        buffer = await opened(disk, clock, max_bytes=SETS_BYTES + 3000, segment_bytes=500)
        await fill(buffer, clock, 10)
        buffer.carries({BlockKey(buffer.epoch, 1), BlockKey(buffer.epoch, 2)})
        await fill(buffer, clock, 60)
        assert live(buffer, 1, 40)[:2] == [1, 2] and len(live(buffer, 1, 40)) < 10
        buffer.carries(())
        await fill(buffer, clock, 20)
        assert live(buffer, 1, 40) == []

    run(main())


def test_loss_when_for_different_reasons_then_each_has_the_advice_that_helps() -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        buffer = await opened(
            disk, clock, segment_bytes=500, max_bytes=SETS_BYTES + 10_000, path="/var/b"
        )
        await fill(buffer, clock, 200)
        shown = buffer.snapshot()
        assert (shown["state"], warned(shown)) == ("ok", ["buffer.full"])
        disk.capacity_bytes = 0
        await fill(buffer, clock, 1)
        shown = buffer.snapshot()
        assert shown["state"] == "memory_only"
        assert warned(shown)[0] == "buffer.disk_full" and warned(shown)[-1] == "buffer.full"
        said = shown["warnings"][0]
        assert "/var/b" in text(said["id"], "zh", **said["args"])
        assert "df -h /var/b" in remedy(said["id"], "en", **said["args"])

        def fail(operation: str) -> None:
            raise OSError(errno.EIO, "Input/output error")

        disk.fail = fail
        await fill(buffer, clock, 1)
        said = buffer.snapshot()["warnings"][0]
        words = text(said["id"], "zh", **said["args"])
        assert words == "写盘失败（磁盘或设备读写出错）：数据暂存内存，断电会丢失"

    run(main())


def test_reject_when_of_a_block_keeps_it_aside_bounded_and_announces_its_ticks() -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        buffer = await opened(disk, clock)
        task = asyncio.create_task(buffer.run())
        count = FILES_MAX + 20
        await fill(buffer, clock, count)
        for seq in range(1, count + 1):
            reason = pb.REJECT_REASON_CONFLICT
            buffer.reject(pb.Reject(epoch=buffer.epoch, seq=seq, reason=reason))
        await clock.sleep_until(SECOND)
        assert len(disk.list("rejected")) == FILES_MAX
        (gap,) = buffer.take_gaps()
        assert gap.reason == pb.GAP_REASON_REJECTED
        assert [(r.first, r.last) for r in gap.blocks] == [(1, count)]
        assert [(t.first_tick, t.count) for t in gap.ticks] == [(3, 3 * count)]
        assert buffer.snapshot()["rejected_blocks"] == count
        again = await opened(disk.crash(), clock)
        assert again.live_blocks == 0
        task.cancel()

    run(main())


def test_disk_when_full_to_the_last_byte_keeps_blocks_in_ram_until_there_is_room() -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        buffer = await opened(disk, clock)
        task = asyncio.create_task(buffer.run())
        await fill(buffer, clock, 3)
        disk.capacity_bytes = sum(map(len, disk.contents().values()))
        await fill(buffer, clock, 3)
        shown = buffer.snapshot()
        assert (shown["state"], shown["memory_blocks"]) == ("memory_only", 3)
        assert warned(shown) == ["buffer.disk_full"]
        disk.capacity_bytes = 1 << 30
        await clock.sleep_until(11 * SECOND)
        assert buffer.snapshot()["state"] == "ok"
        assert (await opened(disk.crash(), clock)).live_blocks == 6
        task.cancel()

    run(main())


def test_disk_when_slow_holds_nobody_up_and_the_lag_is_shown() -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()

        async def slowly(function: Callable[[], object]) -> object:
            await clock.sleep_until(clock.now_ns() + 5 * SECOND)
            return function()

        config = BufferConfig("gw-1", free_bytes_min=0)
        buffer = await Buffer.open(disk, clock, slowly, config, no_zstd)
        buffer.open_epoch("boot-1", clock.now_ns(), lambda bits: 7)
        put_catalog(buffer)
        task = asyncio.create_task(buffer.run())
        for seq in range(1, 61):
            buffer.put(block(buffer.epoch, seq, oldest_ns=clock.now_ns()))
            await clock.sleep_until(clock.now_ns() + SECOND // 2)
        shown = buffer.snapshot()
        assert shown["state"] == "ok" and shown["flush_lag_ms"] > 1000
        assert 0 < shown["memory_blocks"] < 60
        assert await buffer.flush()
        assert (await opened(disk.crash(), clock)).live_blocks == 60
        task.cancel()

    run(main())


def test_stop_when_clean_leaves_an_epoch_that_needs_no_gap() -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        first = await opened(disk, clock)
        await fill(first, clock, 2)
        first.put(block(first.epoch, 3, end_of_epoch=True))
        assert await first.flush()
        second = await opened(disk.crash(), clock)
        second.welcome(first.epoch, RangeSet(), False)
        second.acked(first.epoch, 1, 3)
        assert not second.gaps_pending
        assert list(second.earlier()) == []

    run(main())


@pytest.mark.parametrize("acked_first", [False, True])
def test_start_when_the_last_run_ended_cleanly_or_not_says_so(acked_first: bool) -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        first = await opened(disk, clock)
        assert first.snapshot()["previous_end"] is None, "there was no run before"
        await fill(first, clock, 2)
        disk.written_utc_ns = 1_795_500_300 * SECOND
        second = await opened(disk.crash(), clock)
        said = second.snapshot()["previous_end"]
        assert said is not None
        moment = datetime.fromtimestamp(1_795_500_300, UTC).astimezone()
        words = text(said["id"], "zh", **said["args"])
        assert f"（约 {moment:%m-%d %H:%M}）" in words and "不超过 1 秒" in words

        disk = disk.crash()
        second = await opened(disk, clock)
        second.put(block(second.epoch, 1, end_of_epoch=True))
        if acked_first:  # so its block never gets to the disk
            second.acked(second.epoch, 1, 1)
        assert await second.flush()
        await second.close()
        assert (await opened(disk.crash(), clock)).snapshot()["previous_end"] is None

    run(main())


def test_end_of_epoch_when_its_block_is_lost_is_told_by_a_gap() -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        first = await opened(disk, clock, segment_bytes=1)
        await fill(first, clock, 2)
        first.put(block(first.epoch, 3, end_of_epoch=True))
        await first.flush()
        disk.unlink(max(name for name in disk.list() if name.endswith(".seg")))
        disk.sync_dir()
        second = await opened(disk.crash(), clock)
        second.welcome(first.epoch, RangeSet([(1, 2)]), False)
        (gap,) = second.take_gaps()
        assert (gap.epoch, gap.count_unknown, gap.after_seq) == (first.epoch, True, 2)

    run(main())


def ends(gaps: list[pb.Gap]) -> list[tuple[str, int, bool]]:
    """(reason, last block, whether it says that nothing follows) of each gap; none is unknown."""
    assert not any(gap.count_unknown for gap in gaps)
    return [
        (pb.GapReason.Name(g.reason).removeprefix("GAP_REASON_"), g.blocks[-1].last, g.end_of_epoch)
        for g in gaps
    ]


@pytest.mark.parametrize("restart", [False, True])
def test_end_of_epoch_when_its_block_is_evicted_is_told_exactly(restart: bool) -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        first = await opened(disk, clock, segment_bytes=1)
        await fill(first, clock, 2)
        first.put(block(first.epoch, 3, first_tick=9, end_of_epoch=True))
        await first.flush()
        size = first.index.segment_bytes
        disk = disk.crash()
        second = await opened(disk, clock, segment_bytes=1, max_bytes=SETS_BYTES + size)
        while second.live_blocks > second.last_seq:
            seq = second.last_seq + 1
            second.put(block(second.epoch, seq, first_tick=3 * seq))
            await second.flush()
        if restart:
            second = await opened(disk.crash(), clock)
        second.welcome(first.epoch, RangeSet(), False)
        assert ends(second.take_gaps()) == [("EVICTED_OLDEST", 3, True)]

    run(main())


def test_end_of_epoch_when_its_file_is_lost_after_a_later_run_is_told_exactly() -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        first = await opened(disk, clock, segment_bytes=1)
        await fill(first, clock, 2)
        first.put(block(first.epoch, 3, end_of_epoch=True))
        await first.flush()
        await opened(disk, clock)
        disk.unlink(max(name for name in disk.list() if name.endswith(".seg")))
        third = await opened(disk, clock)
        third.welcome(first.epoch, RangeSet([(1, 2)]), False)
        assert ends(third.take_gaps()) == [("DAMAGED", 3, True)]
        assert first.epoch not in third.to_tell.state.epochs

    run(main())


def test_end_of_epoch_when_its_block_is_rejected_as_the_daemon_stops_is_told_exactly() -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        first = await opened(disk, clock, segment_bytes=1)
        await fill(first, clock, 2)
        first.put(block(first.epoch, 3, first_tick=9, end_of_epoch=True))
        await first.flush()
        first.reject(pb.Reject(epoch=first.epoch, seq=3, reason=pb.REJECT_REASON_CONFLICT))
        task = asyncio.create_task(first.run())
        await clock.sleep_until(100 * SECOND)
        task.cancel()
        await first.flush()
        second = await opened(disk.crash(), clock)
        second.welcome(first.epoch, RangeSet([(1, 2)]), False)
        assert ends(second.take_gaps()) == [("REJECTED", 3, True)]

    run(main())


def test_gaps_when_split_say_the_end_only_with_the_last_block() -> None:
    gaps = GapSet()
    for seq in range(1, 4_000, 2):
        gaps.lose(pb.GAP_REASON_EXPIRED, 9, Loss(RangeSet([(seq, seq)]), end_of_epoch=seq == 3999))
    taken = [gap for _ in iter(gaps.__bool__, False) for gap in gaps.take(bytes_max=2000)]
    assert len(taken) > 3
    assert [g.blocks[-1].last for g in taken if g.end_of_epoch] == [3999]


def named(gaps: list[pb.Gap]) -> RangeSet:
    return RangeSet((r.first, r.last) for gap in gaps for r in gap.blocks)


def test_end_of_epoch_when_in_pieces_is_open_until_the_last_piece_is_acked() -> None:
    """A crash gap with more holes than a block takes; each carrier may be lost."""
    known = State("gw-1", 1, epochs={5: OpenEpoch(5, "boot-1", 0)})
    announcements = Announcements(known, Runs(), lambda key: False)
    announcements.open_epoch(6, "boot-2", 9, {})
    old = Epoch()
    old.acked = RangeSet((seq, seq) for seq in range(1, 60_001, 2))
    holes = RangeSet((seq, seq) for seq in range(2, 60_000, 2))
    announcements.welcome(5, closed=False)
    announcements.conclude(5, old)

    def carry(seq: int) -> list[pb.Gap]:
        gaps = announcements.take()
        assert announcements.bind(BlockKey(6, seq))
        return gaps

    first = carry(1)
    assert len(first) > 1 and announcements.pending
    announcements.lose(
        pb.GAP_REASON_EVICTED_OLDEST, 6, Loss(RangeSet([(1, 1)]))
    )  # with what it carried
    assert not holes.minus(named(announcements.pending.messages()))
    told = RangeSet()
    for seq in range(2, 99):
        assert 5 in announcements.state.epochs
        announcements.welcome(5, closed=seq > 2)
        announcements.conclude(5, old)
        told.update(named(carry(seq)))
        announcements.carrier_acked(BlockKey(6, seq))
        if not announcements.pending:
            break
    assert seq > 2
    assert not holes.minus(told)
    assert 5 not in announcements.state.epochs
