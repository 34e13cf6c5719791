"""What the platform says while the buffer waits for its disk."""

from __future__ import annotations

from collections.abc import Callable

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, Buffer, BufferConfig
from gateway.buffer.ranges import RangeSet
from tests.kit.blocks import SETS_BYTES, block, no_zstd, put_catalog
from tests.kit.fake_disk import FakeDisk
from tests.kit.virtual_time import VirtualClock, run

Step = Callable[[], object]


class SlowDisk:
    """`between` is called after each piece of work of the disk's thread, before its result is
    seen."""

    def __init__(self) -> None:
        self.between: Callable[[], None] = lambda: None

    async def run_blocking(self, function: Step) -> object:
        result = function()
        self.between()
        return result


async def opened(thread: SlowDisk, disk: FakeDisk, **limits: object) -> Buffer:
    clock = VirtualClock()
    config = BufferConfig("gw-1", **{"free_bytes_min": 0, **limits})  # type: ignore[arg-type]
    buffer = await Buffer.open(disk, clock, thread.run_blocking, config, no_zstd)
    buffer.open_epoch("boot-1", clock.now_ns(), lambda bits: 7)
    put_catalog(buffer)
    return buffer


async def put(buffer: Buffer) -> None:
    seq = buffer.last_seq + 1
    buffer.put(block(buffer.epoch, seq, first_tick=3 * seq))
    await buffer.flush()


def named(gaps: list[pb.Gap]) -> set[int]:
    return {n for gap in gaps for r in gap.blocks for n in range(r.first, r.last + 1)}


def ticks(gaps: list[pb.Gap]) -> set[int]:
    return {
        n for gap in gaps for t in gap.ticks for n in range(t.first_tick, t.first_tick + t.count)
    }


def test_eviction_when_blocks_are_acked_meanwhile_announces_only_the_others() -> None:
    """At whichever wait for the disk the acknowledgement comes."""

    async def main(nth: int) -> bool:
        disk, thread = FakeDisk(), SlowDisk()
        buffer = await opened(thread, disk, max_bytes=SETS_BYTES + 4000, segment_bytes=600)
        while buffer.index.segment_bytes < 3700:
            await put(buffer)
        calls, acked = 0, False

        def ack() -> None:
            nonlocal calls, acked
            calls += 1
            if calls == nth:
                acked = True
                buffer.acked(buffer.epoch, 2, 2)

        thread.between = ack
        for _ in range(3):
            await put(buffer)
        thread.between = lambda: None
        epoch = buffer.index.epochs[buffer.epoch]
        assert await buffer.flush()
        kept = [entry.gap for entry in buffer.to_tell.state.gaps]
        gaps = buffer.take_gaps()
        assert named(gaps), "something was evicted"
        assert named(gaps) == named(kept) == set(epoch.gone.numbers())
        assert not named(gaps) & set(epoch.acked.numbers()), nth
        assert ticks(gaps) == {n for seq in named(gaps) for n in range(3 * seq, 3 * seq + 3)}
        return acked

    nth = 1
    while run(main(nth)):
        nth += 1
    assert nth > 4


def test_eviction_when_the_platform_lost_a_block_meanwhile_announces_it_too() -> None:
    """At whichever wait for the disk that is found, the last one, when the file goes, included."""

    async def main(nth: int) -> bool:
        disk, thread = FakeDisk(), SlowDisk()
        buffer = await opened(thread, disk, max_bytes=SETS_BYTES + 4000, segment_bytes=600)
        while buffer.index.segment_bytes < 3700:
            await put(buffer)
        buffer.acked(buffer.epoch, 2, 2)
        calls, lost = 0, False

        def lose() -> None:
            nonlocal calls, lost
            calls += 1
            if calls == nth:
                lost = True
                buffer.welcome(buffer.epoch, RangeSet(), False)

        thread.between = lose
        for _ in range(3):
            await put(buffer)
        thread.between = lambda: None
        epoch = buffer.index.epochs[buffer.epoch]
        assert (2 in epoch.gone) == lost
        assert named(buffer.take_gaps()) == set(epoch.gone.numbers())
        return lost

    nth = 1
    while run(main(nth)):
        nth += 1
    assert nth > 4


def test_newest_when_acked_while_there_is_no_room_is_not_announced() -> None:
    async def main() -> None:
        disk, thread = FakeDisk(), SlowDisk()
        buffer = await opened(thread, disk, max_bytes=SETS_BYTES + 1000, when_full="drop_newest")
        while buffer.index.segment_bytes < 800:
            await put(buffer)
        newest = buffer.last_seq + 1

        def ack() -> None:
            thread.between = lambda: None
            buffer.acked(buffer.epoch, newest, newest)

        thread.between = ack
        await put(buffer)
        assert newest in buffer.index.epochs[buffer.epoch].acked
        assert newest not in named(buffer.take_gaps())

    run(main())


def test_reject_when_the_block_is_acked_while_it_is_set_aside_is_no_loss() -> None:
    async def main() -> None:
        disk, thread = FakeDisk(), SlowDisk()
        buffer = await opened(thread, disk)
        await put(buffer)
        ready = pb.Reject(epoch=buffer.epoch, seq=1, reason=pb.REJECT_REASON_CONFLICT)
        buffer.reject(ready)
        thread.between = lambda: buffer.acked(buffer.epoch, 1, 1)
        await buffer._refused.judge()
        assert not buffer.gaps_pending

    run(main())


def test_file_when_its_blocks_revive_while_others_are_unlinked_stays() -> None:
    """A platform that was put back to a backup says so in the middle of it."""

    async def main() -> None:
        disk, thread = FakeDisk(), SlowDisk()
        buffer = await opened(thread, disk, segment_bytes=300)
        for _ in range(10):
            await put(buffer)
        first = min(buffer.index.segments)
        revived = 0

        def restored() -> None:
            nonlocal revived
            if first in buffer.index.segments and buffer.index.segments[first].going:
                thread.between = lambda: None
                buffer.welcome(buffer.epoch, RangeSet(), False)
                revived = buffer.live_blocks

        buffer.acked(buffer.epoch, 1, 10)
        thread.between = restored
        await buffer._writer.work()
        assert 0 < revived < 10 and buffer.live_blocks == revived
        key = buffer.next_live(BlockKey(0, 0))
        while key is not None:
            assert await buffer.read(key) is not None
            key = buffer.next_live(key)

    run(main())
