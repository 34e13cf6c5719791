"""A data budget over days of virtual time: real buffer, uplink and plan, through power cuts."""

from __future__ import annotations

import asyncio
import random

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import Buffer, BufferConfig
from gateway.config.units import Rate
from gateway.uplink import Uplink, UplinkConfig
from gateway.uplink.budget import CONNECT_BYTES, message_bytes
from gateway.uplink.keptbudget import KeptBudget
from gateway.uplink.periods import DAY_NS, number
from gateway.uplink.ways import Way
from tests.kit.blocks import block, join, no_zstd, put_catalog
from tests.kit.fake_channel import FakeChannel, FakeStream
from tests.kit.fake_disk import FakeDisk
from tests.kit.fake_platform import FakePlatform
from tests.kit.virtual_time import VirtualClock, inline, run

S = 10**9
#: Noon in UTC+8.
NOON = 1_794_715_200 * S
RATE = Rate(1_500_000, "day")
BLOCKS, PAD_BYTES = 1000, 1500
DAYS_MAX = 12


def utc_ns() -> int:
    return NOON + round(asyncio.get_running_loop().time() * 1e9)


class Card(FakeChannel):
    """What each day carried over the SIM card, of messages and connections."""

    def __init__(self, platform: FakePlatform, rng: random.Random) -> None:
        super().__init__(platform.accept, rng)
        self.days: dict[int, int] = {}
        self.carry = lambda size: self._count(message_bytes(size))

    def _count(self, size: int) -> None:
        day = number("day", utc_ns())
        self.days[day] = self.days.get(day, 0) + size

    async def open(self) -> FakeStream:
        self._count(CONNECT_BYTES)
        return await super().open()


class Box:
    """Buffer and uplink on one disk, until the power fails."""

    def __init__(self, disk: FakeDisk, card: Card, rng: random.Random) -> None:
        self.disk, self.card, self.rng = disk, card, rng

    async def start(self, boot: int) -> None:
        begun_ns = utc_ns()
        clock = self.clock = VirtualClock(f"boot-{boot}", begun_ns)
        config = BufferConfig("gw-1", free_bytes_min=0, keep_for_ns=99 * DAY_NS)
        self.buffer = await Buffer.open(self.disk, clock, inline, config, no_zstd)
        self.buffer.open_epoch(clock.boot_id, clock.now_ns(), self.rng.getrandbits)
        put_catalog(self.buffer)
        plan = await KeptBudget.open(RATE, self.disk, inline, clock, lambda now: begun_ns + now)
        self.uplink = Uplink(
            UplinkConfig("gw-1", "fake", "sim"), clock=clock, ways=[Way(self.card, plan)],
            buffer=self.buffer, uniform=self.rng.uniform,
            platform_time=lambda utc, asked, answered: None,
            join=join, run_blocking=inline,
        )  # fmt: skip
        parts = (self.buffer.run(), self.uplink.run())
        self.tasks = [asyncio.ensure_future(part) for part in parts]

    async def power_cut(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.card.cut()
        self.disk = self.disk.crash(self.rng)

    async def wait(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.now_ns() + round(seconds * S))

    def seal(self) -> None:
        buffer = self.buffer
        seq = buffer.last_seq + 1
        buffer.put(block(buffer.epoch, seq, first_tick=3 * seq, gaps=buffer.take_gaps(),
                         oldest_ns=self.clock.now_ns(), pad=PAD_BYTES))  # fmt: skip
        self.uplink.wake()


@pytest.mark.parametrize(
    ("heartbeat_ms", "is_chatty"), [(200, False), (15_000, False), (300_000, True)]
)
def test_budget_when_used_up_while_nothing_is_acknowledged_is_kept_and_the_blocks_go_next_day(
    heartbeat_ms: int, is_chatty: bool, seed: int
) -> None:
    """The platform lives, and its database does not. `is_chatty`: it talks unasked meanwhile."""

    async def main() -> None:
        rng = random.Random(seed)
        platform = FakePlatform()
        platform.heartbeat_ms = heartbeat_ms
        card = Card(platform, rng)
        box = Box(FakeDisk(), card, rng)
        await box.start(0)
        while card.days.get(number("day", utc_ns()), 0) < RATE.size_bytes - 60_000:
            box.seal()
            await box.wait(1)
        platform.holding = True
        for _ in range(1000):
            if box.uplink.snapshot()["state"] == "paused":
                break
            box.seal()
            if is_chatty:
                platform.peers[-1].send(flow=pb.Flow())
            await box.wait(1)
        assert box.uplink.snapshot()["state"] == "paused"
        assert box.buffer.live_blocks
        platform.holding, platform.heartbeat_ms = False, 300_000
        await box.wait(24 * 3600)
        assert all(size <= RATE.size_bytes for size in card.days.values()), card.days
        assert not box.buffer.live_blocks and not platform.conflicts
        await box.power_cut()

    run(main())


@pytest.mark.parametrize("cuts", [0, 3])
def test_budget_when_used_up_day_after_day_then_no_day_is_over_it_and_all_arrives(
    cuts: int, seed: int
) -> None:
    """BLOCKS blocks in three hours, more than a day's budget carries; then days of waiting."""

    async def main() -> None:
        rng = random.Random(seed)
        platform = FakePlatform()
        platform.heartbeat_ms = 300_000
        card = Card(platform, rng)
        box = Box(FakeDisk(), card, rng)
        await box.start(0)
        cut_at = set(rng.sample(range(1, BLOCKS), cuts))
        for boot in range(BLOCKS):
            if boot in cut_at:
                await box.power_cut()
                await box.start(boot)
            box.seal()
            await box.wait(10)
        assert box.uplink.snapshot()["state"] == "paused"
        assert len(platform.blocks) < BLOCKS
        for _ in range(DAYS_MAX * 24):
            if not box.buffer.live_blocks and not box.buffer.gaps_pending:
                break
            await box.wait(3600)
            budget = box.uplink.snapshot()["budget"]
            assert budget and budget["used_bytes"] >= card.days.get(number("day", utc_ns()), 0)
            if box.buffer.gaps_pending:
                box.seal()
        assert not box.buffer.live_blocks, f"{box.buffer.live_blocks} blocks left"
        await box.power_cut()
        assert len(card.days) > 1
        assert all(size <= RATE.size_bytes for size in card.days.values()), card.days
        crashed = sum(gap.reason == pb.GAP_REASON_CRASH for gap in platform.gaps)
        assert crashed == cuts and not platform.conflicts
        # A power cut takes what was neither flushed nor acknowledged: the newest block at most.
        assert len(platform.blocks) >= BLOCKS - cuts

    run(main())
