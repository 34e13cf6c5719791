"""Whose turn it is on the link: what waits for room, for an end, or behind what is refused."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from jiahe.ingest import limits
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import Buffer, BufferConfig
from gateway.catalog import content_id
from gateway.uplink import Uplink, UplinkConfig
from gateway.uplink.ways import Way
from tests.kit.blocks import PERIOD_NS, block, join, no_zstd, put_catalog
from tests.kit.fake_channel import FakeChannel
from tests.kit.fake_disk import FakeDisk
from tests.kit.fake_platform import FakePlatform
from tests.kit.virtual_time import VirtualClock, inline, run

SECOND = 10**9
_T = TypeVar("_T")


async def opened(disk: FakeDisk, run_blocking: Any = inline) -> tuple[VirtualClock, Buffer]:
    clock = VirtualClock()
    config = BufferConfig("gw-1", free_bytes_min=0)
    buffer = await Buffer.open(disk, clock, run_blocking, config, no_zstd)
    buffer.open_epoch("boot-1", clock.now_ns(), lambda bits: 7)
    return clock, buffer


def tag_sets_of(buffer: Buffer, count: int, tags: int) -> None:
    """A catalog of `count` devices that share no tag."""
    made, sets = pb.CatalogContent(), {}
    for number in range(1, count + 1):
        names = [f"tag-{number}-{n} {random.Random(n).random()}" for n in range(tags)]
        of_one = pb.TagSetContent(tags=[pb.Tag(name=n, type=pb.VALUE_TYPE_INT) for n in names])
        content = of_one.SerializeToString()
        sets[content_id(content)] = content
        made.groups.add(
            id=number, device=f"d{number}", period_ns=PERIOD_NS, tag_set=content_id(content)
        )
    buffer.put_catalog(1, made.SerializeToString(), sets)


def joined_to(
    platform: FakePlatform, clock: VirtualClock, buffer: Buffer, run_blocking: Any = inline
) -> tuple[Uplink, FakeChannel]:
    channel = FakeChannel(platform.accept, random.Random(1))
    uplink = Uplink(
        UplinkConfig("gw-1", "fake", "test"), clock=clock, ways=[Way(channel)], buffer=buffer,
        uniform=lambda low, high: high / 2, platform_time=lambda utc, asked, answered: None,
        join=join, run_blocking=run_blocking,
    )  # fmt: skip
    return uplink, channel


def put(buffer: Buffer, uplink: Uplink, pad: int = 0) -> None:
    seq = buffer.last_seq + 1
    buffer.put(block(buffer.epoch, seq, first_tick=3 * seq, pad=pad))
    uplink.wake()


async def stopped(task: asyncio.Task[None]) -> None:
    """It still ran."""
    assert not task.done(), task
    task.cancel()
    await asyncio.wait([task])


def test_tag_sets_when_a_stream_was_cut_do_not_wait_a_heartbeat_each() -> None:
    async def main() -> None:
        clock, buffer = await opened(FakeDisk())
        tag_sets_of(buffer, 24, 50)
        platform = FakePlatform()
        platform.window_blocks, platform.window_bytes = 256, 4 << 20
        platform.heartbeat_ms = limits.HEARTBEAT_MS
        uplink, channel = joined_to(platform, clock, buffer)
        task = asyncio.create_task(uplink.run())
        await clock.sleep_until(clock.now_ns() + 2 * SECOND)
        platform.holding = True
        put(buffer, uplink, 17_000)
        await clock.sleep_until(clock.now_ns() + 3 * SECOND)
        platform.holding = False
        platform.blocks.clear()
        platform.forget_catalogs()  # another, empty store at this address
        channel.cut()  # with a block on its way that nobody acknowledged
        began_ns = clock.now_ns()
        while not platform.blocks:
            put(buffer, uplink, 17_000)
            await clock.sleep_until(clock.now_ns() + SECOND // 2)
            assert clock.now_ns() - began_ns < 30 * SECOND
        await stopped(task)

    run(main())


def test_platform_that_pauses_while_a_tag_set_goes_in_pieces_gets_it_and_the_blocks() -> None:
    async def slow_disk(function: Callable[[], _T]) -> _T:
        clock = VirtualClock()  # a turn of the disk's thread takes its time
        await clock.sleep_until(clock.now_ns() + 10_000_000)
        return function()

    async def main() -> None:
        clock, buffer = await opened(FakeDisk(), slow_disk)
        tag_sets_of(buffer, 1, 20_000)
        buffer.put(block(buffer.epoch, 1))
        await buffer.flush()  # catalogs are read from the disk from here on
        platform = FakePlatform()
        uplink, _ = joined_to(platform, clock, buffer, slow_disk)
        task = asyncio.create_task(uplink.run())
        for number in range(600):
            if number % 10 == 0:
                put(buffer, uplink)
            await clock.sleep_until(clock.now_ns() + 13_100_000)
            assert not task.done(), task
            if platform.pieces:
                platform.peers[-1].send(flow=pb.Flow(pause=number % 2 == 0))
        assert platform.blocks
        await stopped(task)

    run(main())


def test_runs_behind_those_that_hello_names_when_these_are_refused_then_delivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Live blocks are not held up either, and the stream stays."""
    monkeypatch.setattr(limits, "HELLO_EPOCHS_MAX", 60)

    async def main() -> None:
        disk, epochs = FakeDisk(), []
        for _ in range(limits.HELLO_EPOCHS_MAX + 5):  # each of one block, with its clean end
            clock, buffer = await opened(disk)
            put_catalog(buffer)
            buffer.put(block(buffer.epoch, 1, first_tick=0, end_of_epoch=True))
            epochs.append(buffer.epoch)
            await buffer.flush()
            await buffer.close()
        clock, buffer = await opened(disk)
        put_catalog(buffer)
        platform = FakePlatform()
        platform.window_blocks, platform.heartbeat_ms = 256, limits.HEARTBEAT_MS
        refused = set(epochs[: limits.HELLO_EPOCHS_MAX])
        platform.reject = lambda one: one.epoch in refused
        platform.reason = pb.REJECT_REASON_UNSUPPORTED
        uplink, _ = joined_to(platform, clock, buffer)
        task = asyncio.create_task(uplink.run())
        for half_seconds in range(360):
            put(buffer, uplink)
            await clock.sleep_until(clock.now_ns() + SECOND // 2)
            if half_seconds == 20:
                assert any(epoch == buffer.epoch for epoch, _ in platform.blocks)
        assert all((epoch, 1) in platform.blocks for epoch in epochs[limits.HELLO_EPOCHS_MAX :])
        assert uplink.snapshot()["connects"] <= 3
        await stopped(task)

    run(main())
