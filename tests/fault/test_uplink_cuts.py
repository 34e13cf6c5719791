"""Progress whatever a stream may carry, over real gRPC: proxies that cut, slow and dead links."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.buffer import Buffer, BufferConfig
from gateway.clock import SystemClock
from gateway.uplink import Uplink, UplinkConfig
from gateway.uplink.channel import GrpcChannel
from gateway.uplink.ways import Way
from tests.kit.blocks import block, join, no_zstd, put_catalog
from tests.kit.cutter import Cutter, passes
from tests.kit.fake_disk import FakeDisk
from tests.kit.fake_platform import FakePlatform
from tests.kit.virtual_time import inline
from tests.unit.test_uplink import Service, end, serving

pytestmark = pytest.mark.slow

MIB = 1 << 20


class Rig:
    """A box with a backlog in RAM, its platform, and what is between."""

    def __init__(
        self, buffer: Buffer, uplink: Uplink, service: Service, cutter: Cutter | None
    ) -> None:
        self.buffer, self.uplink, self.service, self._cutter = buffer, uplink, service, cutter

    @property
    def cutter(self) -> Cutter:
        assert self._cutter is not None
        return self._cutter

    @property
    def platform(self) -> FakePlatform:
        return self.service.platform

    def put(self, count: int, size: int) -> None:
        for _ in range(count):
            seq = self.buffer.last_seq + 1
            self.buffer.put(block(self.buffer.epoch, seq, first_tick=3 * seq, pad=size))
        self.uplink.wake()

    async def until(self, ready: Callable[[], bool], within_s: float) -> None:
        async with asyncio.timeout(within_s):
            async with self.service.stored:
                await self.service.stored.wait_for(ready)

    async def drained(self, within_s: float) -> None:
        """Everything arrived, and was acknowledged: the next block tells that."""
        await self.until(lambda: len(self.platform.blocks) == self.buffer.last_seq, within_s)


@asynccontextmanager
async def box_behind(port: int, service: Service) -> AsyncIterator[tuple[Buffer, Uplink]]:
    """A box whose uplink runs, and speaks to this port."""
    clock = SystemClock()
    config = BufferConfig(
        "gw-1", free_bytes_min=0, flush_every_ns=10**15, memory_bytes_max=256 * MIB
    )
    buffer = await Buffer.open(FakeDisk(), clock, inline, config, no_zstd)
    buffer.open_epoch(clock.boot_id, clock.now_ns())
    put_catalog(buffer)
    uplink = Uplink(
        UplinkConfig("gw-1", "127.0.0.1", "test"), clock=clock,
        ways=[Way(GrpcChannel(f"127.0.0.1:{port}", None))], buffer=buffer,
        uniform=random.Random(1).uniform, platform_time=lambda utc, asked, answered: None,
        join=join, run_blocking=inline,
    )  # fmt: skip
    task = asyncio.create_task(uplink.run())
    try:
        yield buffer, uplink
    finally:
        await end(task)


@asynccontextmanager
async def running(**cuts: float | None) -> AsyncIterator[Rig]:
    service = Service(FakePlatform(window_blocks=48, window_bytes=16 * MIB))
    service.platform.heartbeat_ms = 10_000
    async with (
        serving(service) as port,
        Cutter(port, **cuts) as cutter,  # type: ignore[arg-type]  # fields by name
        box_behind(cutter.port, service) as (buffer, uplink),
    ):
        yield Rig(buffer, uplink, service, cutter)


@pytest.mark.parametrize(
    "cuts",
    [{"after_bytes": MIB}, {"after_bytes": 300_000}, {"after_s": 1.0, "bytes_per_s": 10**7}],
    ids=["1 MiB as nginx", "300 kB", "1 s"],
)
def test_backlog_of_50_mb_when_streams_are_cut_arrives_and_little_goes_twice(
    cuts: dict[str, float],
) -> None:
    async def main() -> None:
        async with running(**cuts) as rig:
            rig.put(2000, 26_000)
            whole = sum(len(b.data) for b in rig.buffer.index.epoch(rig.buffer.epoch).ram.values())
            assert whole > 50 * 10**6
            await rig.drained(240)
            assert rig.platform.conflicts == 0
            assert whole / rig.cutter.up >= 0.8
            assert 0 < rig.cutter.cuts < 20, "the length is learned"

    asyncio.run(main())


@pytest.mark.parametrize("after_bytes", [30_000, 60_000])
def test_block_of_400_kb_when_streams_carry_a_few_pieces_only_arrives(after_bytes: int) -> None:
    async def main() -> None:
        async with running(after_bytes=after_bytes) as rig:
            rig.put(1, 400_000)
            await rig.drained(120)
            assert 400_000 / rig.cutter.up >= 0.8, "what came of a message is not sent again"

    asyncio.run(main())


def test_block_of_200_kb_when_the_link_has_64_kbit_goes_without_a_break() -> None:
    async def main() -> None:
        async with running(bytes_per_s=8000) as rig:
            rig.put(1, 200_000)
            await rig.until(lambda: rig.platform.pieces > 2, 30)
            rig.put(1, 500)
            await rig.until(lambda: len(rig.platform.blocks) == 1, 30)
            assert (rig.buffer.epoch, 2) in rig.platform.blocks, "fresh data does not wait"
            await rig.drained(120)
            assert rig.cutter.connections == 1
            assert rig.uplink.snapshot()["cause"] is None

    asyncio.run(main())


def test_link_when_dead_for_a_while_is_left_in_10_s_and_found_again_in_10_s() -> None:
    """The old connections never wake. `tests/sim` has a hundred of them, up to a minute long."""

    async def main() -> None:
        async with running() as rig:
            for dead_s in (0.5, 4.0, 11.0):
                rig.put(1, 500)
                await rig.drained(10)
                rig.cutter.black_hole()
                rig.put(1, 500)
                await passes(dead_s)
                rig.cutter.heal()
                await rig.drained(10)
            assert rig.platform.conflicts == 0

    asyncio.run(main())
