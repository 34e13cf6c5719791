"""Several ways to the platform: which one is used, and when the better one is used again. In
virtual time, with the real uplink and buffer.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from gateway.buffer import Buffer, BufferConfig
from gateway.config.units import Rate
from gateway.report.snapshot import WaySnapshot
from gateway.uplink import Uplink, UplinkConfig
from gateway.uplink.keptbudget import KeptBudget, NoBudget
from gateway.uplink.ways import GOOD_NS, PROBE_BYTES, PROBE_NS, Way, Ways
from tests.kit.blocks import block, join, no_zstd, put_catalog
from tests.kit.fake_channel import FakeChannel
from tests.kit.fake_disk import FakeDisk
from tests.kit.fake_platform import FakePlatform
from tests.kit.virtual_time import VirtualClock, inline, run

SECOND = 10**9
MINUTE = 60 * SECOND
#: What a dead way costs: the silence that ends its stream, an attempt, and the next one.
FAIL_OVER_NS = 20 * SECOND


class Road:
    """An interface that is there, or not. It carries nothing itself: the channel does."""

    sent = received = 0

    def __init__(self, name: str, platform: FakePlatform, rng: random.Random) -> None:
        self.name, self.is_there, self.probes = name, True, 0
        self.channel = FakeChannel(
            lambda reply: platform.accept(reply) if self.is_there else None, rng
        )

    async def reaches(self, timeout_s: float) -> bool:
        self.probes += 1
        return self.is_there

    def die(self) -> None:
        """What is on it arrives nowhere, and nobody is told."""
        self.is_there = False
        if self.channel.stream is not None:
            self.channel.stream.stalled = True


class Box:
    def __init__(self, clock: VirtualClock, buffer: Buffer, budgets: Sequence[NoBudget]) -> None:
        self.clock, self.buffer, self.platform = clock, buffer, FakePlatform()
        rng = random.Random(1)
        self.cable, self.cell = (Road(name, self.platform, rng) for name in ("eth0", "wwan0"))
        names = ("cable", "cell")
        ways = [
            Way(road.channel, kept, name, road, road is self.cell)
            for road, kept, name in zip((self.cable, self.cell), budgets, names, strict=True)
        ]
        self.uplink = Uplink(
            UplinkConfig("gw-1", "fake", "test"), clock=clock, ways=ways, buffer=buffer,
            uniform=rng.uniform, platform_time=lambda utc, asked, answered: None, join=join,
            run_blocking=inline,
        )  # fmt: skip

    async def go_on(self, ns: int) -> None:
        """A block each second."""
        for _ in range(ns // SECOND):
            seq = self.buffer.last_seq + 1
            now_ns = self.clock.now_ns()
            self.buffer.put(block(self.buffer.epoch, seq, first_tick=3 * seq, oldest_ns=now_ns))
            self.uplink.wake()
            await self.clock.sleep_until(now_ns + SECOND)

    def ways(self) -> dict[str, WaySnapshot]:
        return {way["name"]: way for way in self.uplink.snapshot()["ways"]}

    @property
    def used(self) -> str:
        return next(name for name, way in self.ways().items() if way["used"])

    @property
    def warnings(self) -> list[str]:
        return [said["id"] for said in self.uplink.snapshot()["warnings"]]

    def assert_all_arrived(self) -> None:
        """But for what is on its way."""
        assert len(self.platform.blocks) >= self.buffer.last_seq - 2


@asynccontextmanager
async def box(budget: Rate | None = None) -> AsyncIterator[Box]:
    clock, disk = VirtualClock(), FakeDisk()
    buffer = await Buffer.open(disk, clock, inline, BufferConfig("gw-1", free_bytes_min=0), no_zstd)
    buffer.open_epoch("boot-1", clock.now_ns())
    put_catalog(buffer)
    kept = NoBudget()
    if budget is not None:
        kept = await KeptBudget.open(budget, disk, inline, clock, lambda now: None, name="cell")
    made = Box(clock, buffer, [NoBudget(), kept])
    tasks = [asyncio.ensure_future(part) for part in (buffer.run(), made.uplink.run())]
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks), tasks


def test_way_when_the_first_dies_then_the_next_and_back_after_ten_good_minutes() -> None:
    async def main() -> None:
        async with box() as made:
            await made.go_on(MINUTE)
            assert (made.used, made.warnings) == ("cable", [])
            made.cable.die()
            await made.go_on(FAIL_OVER_NS)
            assert (made.used, made.warnings) == ("cell", ["uplink.by_another"])
            made.assert_all_arrived()
            await made.go_on(5 * MINUTE)
            made.cable.is_there = True
            await made.go_on(GOOD_NS - MINUTE)
            assert made.used == "cell"
            await made.go_on(MINUTE + 2 * PROBE_NS)
            assert (made.used, made.warnings) == ("cable", [])
            made.assert_all_arrived()
            assert made.uplink.snapshot()["connects"] == 3

    run(main())


def test_way_when_it_comes_and_goes_then_the_ten_minutes_begin_anew() -> None:
    async def main() -> None:
        async with box() as made:
            made.cable.is_there = False
            await made.go_on(MINUTE)
            for _ in range(3):
                made.cable.is_there = True
                await made.go_on(GOOD_NS - 2 * MINUTE)
                made.cable.is_there = False
                await made.go_on(MINUTE)
            assert made.used == "cell"
            made.assert_all_arrived()

    run(main())


def test_way_when_both_are_dead_then_both_are_tried_and_the_first_that_is_there_is_used() -> None:
    async def main() -> None:
        async with box() as made:
            await made.go_on(10 * SECOND)
            made.cable.die()
            made.cell.die()
            await made.go_on(10 * MINUTE)
            assert made.uplink.snapshot()["state"] != "connected"
            made.cell.is_there = True
            await made.go_on(FAIL_OVER_NS)
            assert made.used == "cell"
            made.cell.die()
            made.cable.is_there = True
            await made.go_on(2 * FAIL_OVER_NS)
            assert made.used == "cable", "any way is better than none, ten minutes or not"
            made.assert_all_arrived()

    run(main())


def test_stream_when_it_breaks_after_long_then_the_same_way_is_tried_first() -> None:
    """A platform that starts anew costs no byte of the SIM card."""

    async def main() -> None:
        async with box() as made:
            await made.go_on(MINUTE)
            made.cable.channel.cut()
            await made.go_on(10 * SECOND)
            assert (made.used, made.cell.channel.stream) == ("cable", None)
            assert made.uplink.snapshot()["connects"] == 2

    run(main())


def test_budget_when_of_the_second_way_then_the_first_costs_nothing_of_it() -> None:
    async def main() -> None:
        async with box(Rate(10_000_000, "month")) as made:
            await made.go_on(10 * MINUTE)
            budget = made.ways()["cell"]["budget"]
            assert budget is not None and budget["used_bytes"] == 0
            assert made.uplink.snapshot()["budget"] is None
            made.cable.die()
            await made.go_on(MINUTE)
            now = made.uplink.snapshot()
            assert made.used == "cell" and now["budget"] is not None
            assert now["budget"]["used_bytes"] > 16_000

    run(main())


def test_budget_when_used_up_then_the_way_waits_and_the_other_goes_on_when_it_is_back() -> None:
    async def main() -> None:
        async with box(Rate(2_097_152, "month")) as made:
            made.cable.is_there = False
            await made.go_on(120 * MINUTE)
            now = made.uplink.snapshot()
            assert now["state"] in ("waiting", "connecting"), "the cable is tried all the while"
            assert (made.used, made.warnings) == ("cable", ["budget.used_up"])
            made.cable.is_there = True
            await made.go_on(2 * MINUTE)
            assert (made.uplink.snapshot()["state"], made.used) == ("connected", "cable")
            made.assert_all_arrived()

    run(main())


def test_probes_when_of_a_metered_way_are_paid() -> None:
    async def main() -> None:
        clock, disk = VirtualClock(), FakeDisk()
        kept = await KeptBudget.open(
            Rate(10_000_000, "month"), disk, inline, clock, lambda now: None, name="cell"
        )
        road = Road("wwan0", FakePlatform(), random.Random(1))
        ways = Ways([Way(road.channel, kept, "cell", road, True), Way(road.channel)])
        ways.choose(0)
        ways.failed(0)
        ways.choose(0)
        looks = asyncio.ensure_future(ways.look_back(clock))
        await clock.sleep_until(clock.now_ns() + 10 * PROBE_NS + SECOND)
        looks.cancel()
        assert road.probes == 10
        assert kept.snapshot()["used_bytes"] == 10 * PROBE_BYTES

    run(main())
