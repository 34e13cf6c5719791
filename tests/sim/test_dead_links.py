"""A hundred dead links of one second to a minute, in virtual time: each is left and found again."""

from __future__ import annotations

import asyncio
import random

from jiahe.ingest import limits

from gateway.buffer import Buffer, BufferConfig
from gateway.ports import OPENING_S_MAX, ChannelError
from gateway.uplink import Uplink, UplinkConfig
from gateway.uplink.channel import OPEN_LONG_EACH, OPEN_S_MAX
from gateway.uplink.ways import Way
from tests.kit.blocks import block, join, no_zstd, put_catalog
from tests.kit.fake_channel import FakeChannel, FakeStream
from tests.kit.fake_disk import FakeDisk
from tests.kit.fake_platform import FakePlatform
from tests.kit.virtual_time import VirtualClock, inline, passed, run

S = 10**9
#: When the kernel asks for a connection again, since the first time (RFC 6298).
ASKS_S = (0, 1, 3, 7, 15)
FOUND_S_MAX = 10


class Radio(FakeChannel):
    """A link that dies: what is connected never wakes, what connects is asked for again."""

    def __init__(self, platform: FakePlatform, rng: random.Random) -> None:
        super().__init__(platform.accept, rng, 0.05)
        self.heals_s = 0.0
        self.attempts = 0

    def die(self, seconds: float) -> None:
        self.heals_s = asyncio.get_running_loop().time() + seconds
        if self.stream is not None:
            self.stream.stalled = True

    async def open(self) -> FakeStream:
        now_s = asyncio.get_running_loop().time()
        is_long = self.attempts % OPEN_LONG_EACH == OPEN_LONG_EACH - 1
        most_s = OPENING_S_MAX if is_long else OPEN_S_MAX
        answer_s = next((ask for ask in ASKS_S if now_s + ask >= self.heals_s), most_s)
        await passed(round(min(answer_s, most_s) * 1e9))
        if answer_s >= most_s:
            self.attempts += 1
            raise ChannelError("uplink.unreachable", address="fake")
        self.attempts = 0
        return await super().open()


def test_link_when_dead_a_hundred_times_is_back_within_10_s_each_time_and_nothing_comes_twice(
    seed: int,
) -> None:
    async def main() -> None:
        rng = random.Random(seed)
        clock, platform = VirtualClock(), FakePlatform()
        platform.heartbeat_ms = limits.HEARTBEAT_MS
        radio = Radio(platform, rng)
        config = BufferConfig("gw-1", free_bytes_min=0)
        buffer = await Buffer.open(FakeDisk(), clock, inline, config, no_zstd)
        buffer.open_epoch("boot-1", clock.now_ns())
        put_catalog(buffer)
        uplink = Uplink(
            UplinkConfig("gw-1", "fake", "sim"), clock=clock, ways=[Way(radio)], buffer=buffer,
            uniform=rng.uniform, platform_time=lambda utc, asked, answered: None,
            join=join, run_blocking=inline,
        )  # fmt: skip
        tasks = [asyncio.ensure_future(part) for part in (buffer.run(), uplink.run())]

        def seal() -> None:
            seq = buffer.last_seq + 1
            now_ns = clock.now_ns()
            buffer.put(block(buffer.epoch, seq, first_tick=3 * seq, oldest_ns=now_ns))
            uplink.wake()

        async def passes(seconds: float) -> None:
            """With a block each half a second."""
            end_ns = clock.now_ns() + round(seconds * 1e9)
            while clock.now_ns() < end_ns:
                seal()
                await clock.sleep_until(min(end_ns, clock.now_ns() + S // 2))

        await passes(5)
        for _ in range(100):
            dead_s = rng.uniform(1, 60)
            radio.die(dead_s)
            await passes(dead_s)
            healed_ns, last = clock.now_ns(), buffer.last_seq
            while (buffer.epoch, last) not in platform.blocks:
                await passes(0.5)
                assert clock.now_ns() - healed_ns <= FOUND_S_MAX * S, f"dead for {dead_s:.1f} s"
            await passes(rng.uniform(0, 20))
        await passes(10)
        assert platform.conflicts == 0 and len(platform.blocks) >= buffer.last_seq - 2
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main())


def test_line_when_idle_for_an_hour_costs_what_the_page_says() -> None:
    """docs/performance.md: bytes of messages an hour, both ways, and how many they are."""

    async def main() -> None:
        clock, platform = VirtualClock(), FakePlatform()
        platform.heartbeat_ms = limits.HEARTBEAT_MS
        channel = FakeChannel(platform.accept, random.Random(1))
        buffer = await Buffer.open(
            FakeDisk(), clock, inline, BufferConfig("gw-1", free_bytes_min=0), no_zstd
        )
        buffer.open_epoch("boot-1", clock.now_ns())
        put_catalog(buffer)
        uplink = Uplink(
            UplinkConfig("gw-1", "fake", "sim"), clock=clock, ways=[Way(channel)], buffer=buffer,
            uniform=random.Random(1).uniform, platform_time=lambda utc, asked, answered: None,
            join=join, run_blocking=inline,
        )  # fmt: skip
        task = asyncio.ensure_future(uplink.run())
        await clock.sleep_until(60 * S)
        sizes: list[int] = []
        channel.carry = sizes.append
        await clock.sleep_until(60 * S + 3600 * S)
        assert 2 * 175 <= len(sizes) <= 2 * 176, "a heartbeat each 20.5 s, and its answer"
        assert sum(sizes) <= 4_000
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(main())
