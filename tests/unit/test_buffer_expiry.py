"""What grows older than it is kept, by clocks that nothing vouches for or that are set wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, Buffer, BufferConfig
from tests.kit.blocks import block, no_zstd, put_catalog
from tests.kit.fake_disk import FakeDisk
from tests.kit.virtual_time import VirtualClock, inline, run

SECOND = 10**9
HOUR = 3600 * SECOND
DAY = 24 * HOUR
KEEP_FOR = 10 * HOUR


class Box:
    """A buffer that runs; `trusted`: whether something vouches for its clock."""

    def __init__(self, disk: FakeDisk, utc_at_boot_ns: int = 1_790_000_000 * SECOND) -> None:
        self.disk = disk
        self.clock = VirtualClock(utc_at_boot_ns=utc_at_boot_ns)
        self.trusted = True
        self.keep_for = KEEP_FOR

    async def start(self) -> Box:
        config = BufferConfig(
            "gw-1", keep_for_ns=self.keep_for, free_bytes_min=0, segment_bytes=300
        )
        self.buffer = await Buffer.open(
            self.disk, self.clock, inline, config, no_zstd, self._utc_ns
        )
        self.buffer.open_epoch("boot-1", self.clock.now_ns(), lambda bits: 7)
        put_catalog(self.buffer)
        self.task = asyncio.create_task(self.buffer.run())
        return self

    def _utc_ns(self, now_ns: int) -> int | None:
        return self.clock.utc_at_boot_ns + now_ns if self.trusted else None

    async def fill(self, count: int) -> None:
        for _ in range(count):
            now, seq = self.clock.now_ns(), self.buffer.last_seq + 1
            self.buffer.put(block(self.buffer.epoch, seq, first_tick=3 * seq, oldest_ns=now))
            await self.buffer.flush()

    async def wait(self, ns: int) -> None:
        await self.clock.sleep_until(self.clock.now_ns() + ns)

    async def visit(self, moved_ns: int, for_ns: int) -> None:
        """The clock is set wrongly, and right again."""
        self.clock.utc_at_boot_ns += moved_ns
        await self.wait(for_ns)
        self.clock.utc_at_boot_ns -= moved_ns
        await self.wait(5 * 60 * SECOND)


def box(story: Callable[[Box], Awaitable[None]], **made: int) -> None:
    async def main() -> None:
        one = await Box(FakeDisk(), **made).start()
        await story(one)
        one.task.cancel()

    run(main())


def test_blocks_when_older_than_keep_for_expire_with_a_gap() -> None:
    async def story(box: Box) -> None:
        await box.fill(10)
        await box.wait(KEEP_FOR // 2)
        await box.fill(10)
        await box.wait(KEEP_FOR // 2)
        assert box.buffer.live_blocks == 20
        await box.wait(HOUR + 5 * 60 * SECOND)
        gaps = box.buffer.take_gaps()
        assert {gap.reason for gap in gaps} == {pb.GAP_REASON_EXPIRED}
        first = box.buffer.next_live(BlockKey(0, 0))
        assert first is not None and 8 <= first.seq <= 11
        assert [(r.first, r.last) for r in gaps[0].blocks] == [(1, first.seq - 1)]

    box(story)


def test_blocks_when_the_clock_was_never_set_do_not_expire() -> None:
    async def story(box: Box) -> None:
        box.trusted = False
        await box.fill(10)
        box.clock.utc_at_boot_ns = 1_790_000_000 * SECOND
        await box.fill(10)
        await box.wait(2 * HOUR)
        assert box.buffer.live_blocks == 20

    box(story, utc_at_boot_ns=0)  # 1970


@pytest.mark.parametrize("trusted", [False, True])
def test_blocks_when_the_clock_runs_ahead_for_a_while_do_not_expire(trusted: bool) -> None:
    async def story(box: Box) -> None:
        await box.fill(20)
        box.trusted = trusted
        await box.visit(40 * DAY, 5 * HOUR)
        assert box.buffer.live_blocks == 20
        assert not box.buffer.gaps_pending

    box(story)


def test_blocks_of_an_earlier_run_when_the_clock_runs_ahead_for_hours_do_not_expire() -> None:
    async def story(box: Box) -> None:
        await box.fill(20)
        box.task.cancel()
        for wait in (0, 2 * HOUR):  # wrong from the start of the run, or later
            later = await Box(box.disk, box.clock.utc_at_boot_ns + HOUR).start()
            await later.wait(wait)
            await later.visit(40 * DAY, 5 * HOUR)
            assert later.buffer.live_blocks == 20
            assert not later.buffer.gaps_pending
            later.task.cancel()

    box(story)


def test_blocks_when_the_box_was_off_for_long_expire_a_day_after() -> None:
    async def story(box: Box) -> None:
        await box.fill(20)
        box.task.cancel()
        later = Box(box.disk, box.clock.utc_at_boot_ns + 40 * DAY)
        later.keep_for = 30 * DAY
        await later.start()
        await later.fill(5)
        await later.wait(DAY - 120 * SECOND)
        assert later.buffer.live_blocks == 25
        await later.wait(HOUR + 5 * 60 * SECOND)
        assert 5 <= later.buffer.live_blocks < 10
        later.task.cancel()

    box(story)


def test_blocks_when_the_clock_jumps_after_a_day_of_creeping_do_not_expire_by_the_jump() -> None:
    async def story(box: Box) -> None:
        await box.fill(20)
        box.task.cancel()
        later = Box(box.disk, box.clock.utc_at_boot_ns)
        later.keep_for = 30 * DAY
        await later.start()
        later.clock.utc_at_boot_ns += SECOND
        await later.wait(DAY - 90 * SECOND)
        await later.visit(60 * DAY, 3 * HOUR)
        assert later.buffer.live_blocks == 20
        later.task.cancel()

    box(story)


def test_blocks_when_written_by_a_clock_that_was_behind_do_not_expire_as_it_is_set() -> None:
    """A box without battery starts in the past; the platform tells it the time later."""

    async def story(box: Box) -> None:
        box.trusted = False
        await box.fill(20)
        box.clock.utc_at_boot_ns += 400 * DAY
        box.trusted = True
        await box.wait(2 * HOUR)
        assert box.buffer.live_blocks == 20
        await box.fill(20)  # from here on the time is known, and so that the others are older
        await box.wait(KEEP_FOR + 2 * HOUR)
        assert 0 < box.buffer.live_blocks < 10

    box(story)


def test_blocks_when_a_trusted_clock_was_behind_for_a_while_do_not_expire_for_it() -> None:
    async def story(box: Box) -> None:
        await box.fill(10)
        box.clock.utc_at_boot_ns -= 40 * DAY
        await box.fill(10)
        box.clock.utc_at_boot_ns += 40 * DAY
        await box.fill(10)
        await box.wait(2 * HOUR)
        assert box.buffer.live_blocks == 30

    box(story)


def test_age_when_nothing_vouches_for_the_clock_is_told_by_the_boot_clock() -> None:
    async def story(box: Box) -> None:
        box.trusted = False
        await box.fill(10)
        box.clock.utc_at_boot_ns += 400 * DAY
        await box.wait(HOUR)
        age_s = box.buffer.snapshot()["oldest_s"]
        assert age_s is not None and round(age_s) == 3600
        box.task.cancel()
        later = await Box(box.disk).start()
        assert later.buffer.snapshot()["oldest_s"] is None, "nobody knows"
        later.task.cancel()

    box(story)
