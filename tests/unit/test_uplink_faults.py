"""The uplink task on a platform and a disk that err: in virtual time, on one real buffer."""

from __future__ import annotations

import asyncio
import errno
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, Buffer, BufferConfig, record, segment
from gateway.buffer.disk import READ_FAILURES_MAX
from gateway.buffer.state import OpenEpoch
from gateway.catalog import content_id
from gateway.config.units import Rate
from gateway.uplink import Uplink, UplinkConfig
from gateway.uplink.budget import ANSWER_BYTES, RESERVE_BYTES, message_bytes
from gateway.uplink.keptbudget import KeptBudget, NoBudget
from gateway.uplink.periods import DAY_NS
from gateway.uplink.session import UNREADABLE_RETRY_NS
from gateway.uplink.ways import Way
from tests.kit.blocks import TAG_SET, block, catalog_content, join, no_zstd, put_catalog
from tests.kit.fake_channel import FakeChannel
from tests.kit.fake_disk import FakeDisk, FakeFile
from tests.kit.fake_platform import FakePlatform
from tests.kit.virtual_time import VirtualClock, inline, run

SECOND = 10**9
BLOCKS = 20
PAD = 8  # of a catalog, so that it is not that of the next run
NOON = 1_794_715_200 * SECOND


class Rig:
    """A buffer and an uplink that run, and their platform."""

    def __init__(self, buffer: Buffer, clock: VirtualClock, kept: NoBudget | None = None) -> None:
        self.buffer, self.clock, self.platform = buffer, clock, FakePlatform()
        rng = random.Random(1)
        self.channel = FakeChannel(self.platform.accept, rng)
        self.uplink = Uplink(
            UplinkConfig("gw-1", "fake", "test"), clock=clock, buffer=buffer,
            ways=[Way(self.channel, kept or NoBudget())], uniform=rng.uniform,
            platform_time=lambda utc, asked, answered: None, join=join, run_blocking=inline,
        )  # fmt: skip

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.ensure_future(part) for part in (self.buffer.run(), self.uplink.run())]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks), tasks

    async def wait(self, ns: int) -> None:
        await self.clock.sleep_until(self.clock.now_ns() + ns)

    def put(self, count: int, *, pad: int = 0) -> None:
        for _ in range(count):
            seq = self.buffer.last_seq + 1
            gaps, now_ns = self.buffer.take_gaps(), self.clock.now_ns()
            self.buffer.put(
                block(
                    self.buffer.epoch, seq, first_tick=3 * seq, oldest_ns=now_ns, gaps=gaps, pad=pad
                )
            )
        self.uplink.wake()

    @property
    def connects(self) -> int:
        return self.uplink.snapshot()["connects"]


async def opened(disk: FakeDisk, kept: NoBudget | None = None, catalog_pad: int = 0) -> Rig:
    clock = VirtualClock()
    config = BufferConfig("gw-1", free_bytes_min=0)
    buffer = await Buffer.open(disk, clock, inline, config, no_zstd)
    buffer.open_epoch("boot-1", clock.now_ns())
    put_catalog(buffer, "x" * catalog_pad)
    return Rig(buffer, clock, kept)


class BadReads:
    """Reads of these files at these offsets fail, `left` times; `came` counts them."""

    def __init__(
        self, disk: FakeDisk, locations: Iterable[tuple[str, int]], error: int, left: int = 1 << 30
    ) -> None:
        self.left, self.came = left, 0
        opened, bad = disk.open, set(locations)

        def opening(name: str, *, create: bool = False) -> FakeFile:
            file = opened(name, create=create)
            read = file.read

            def reading(offset: int, size: int) -> bytes:
                if (name, offset) in bad and self.left:
                    self.left, self.came = self.left - 1, self.came + 1
                    raise OSError(error, "refused")
                return read(offset, size)

            file.read = reading  # type: ignore[method-assign]  # the fault
            return file

        disk.open = opening  # type: ignore[method-assign]  # the fault


def blocks_on(rig: Rig, epoch: int, seqs: Iterable[int]) -> list[tuple[str, int]]:
    """Where these blocks lie."""
    locations = [rig.buffer.index.epochs[epoch].location(seq) for seq in seqs]
    return [(segment.name(place.segment), place.offset) for place in locations if place]


def copies_of_catalog(rig: Rig, disk: FakeDisk, epoch: int) -> list[tuple[str, int]]:
    """Where the two copies of an epoch's catalog lie."""
    name = f"sets/{rig.buffer.catalogs(epoch)[0].hex()}"
    data = disk.contents()[name]
    return [(name, 0), (name, data.rindex(record.MAGIC))]


async def after_a_run(*, without_catalog: bool = False) -> tuple[Rig, FakeDisk, int]:
    """A box with the blocks of an earlier run on its disk, and that run's epoch."""
    disk = FakeDisk()
    first = await opened(disk, catalog_pad=PAD)
    first.put(BLOCKS)
    await first.buffer.flush()
    await first.buffer.close()
    epoch = first.buffer.epoch
    if without_catalog:
        name = f"sets/{first.buffer.catalogs(epoch)[0].hex()}"
        disk.replace(name, disk.contents()[name].replace(b"x" * PAD, b"y" * PAD))
    return await opened(disk), disk, epoch


def stored(rig: Rig, epoch: int) -> int:
    return sum(key[0] == epoch for key in rig.platform.blocks)


def test_platform_when_it_says_nothing_unasked_gets_its_heartbeats_on_one_stream() -> None:
    async def main(heartbeat_ms: int, delay_s: float = 0.02) -> None:
        rig = await opened(FakeDisk())
        rig.channel.delay_s = delay_s
        rig.platform.heartbeat_ms = heartbeat_ms
        async with rig.running():
            await rig.wait(3600 * SECOND)
            assert rig.connects == 1, rig.uplink.snapshot()["cause"]
            beats = 3_600_000 // heartbeat_ms
            assert beats * 0.98 < rig.platform.heartbeats_came <= beats + 1

    for heartbeat_ms in (1000, 5000, 10_000, 30_000):
        run(main(heartbeat_ms))
    run(main(1000, 1.6))  # the first answer comes after three heartbeats


def test_block_limit_when_wrong_trims_nothing_and_is_said() -> None:
    async def main() -> None:
        rig = await opened(FakeDisk())
        rig.put(BLOCKS)
        rig.platform.block_bytes_max = 1
        async with rig.running():
            await rig.wait(60 * SECOND)
            shown = rig.uplink.snapshot()
            assert shown["cause"] is not None and shown["cause"]["id"] == "uplink.block_limit"
            assert rig.buffer.live_blocks == BLOCKS and shown["rejects"] == 0
            rig.platform.block_bytes_max = 0  # not said
            await rig.wait(60 * SECOND)
            assert len(rig.platform.blocks) == BLOCKS

    run(main())


def test_catalog_when_unreadable_for_a_moment_costs_no_block_and_goes_first() -> None:
    async def main() -> None:
        rig, disk, old = await after_a_run()
        copies = copies_of_catalog(rig, disk, old)
        bad = BadReads(disk, copies, errno.EMFILE)
        async with rig.running():
            await rig.wait(60 * SECOND)
            assert stored(rig, old) == 0 and rig.buffer.live_blocks == BLOCKS
            assert bad.came == len(copies)  # not once a block
            rig.put(1)
            await rig.wait(SECOND)
            assert stored(rig, rig.buffer.epoch) == 1  # nobody waits for the others
            bad.left = 0
            await rig.wait(UNREADABLE_RETRY_NS)
            assert stored(rig, old) == BLOCKS and rig.connects == 1
            assert rig.platform.without_catalog == 0
            assert rig.buffer.snapshot()["gaps"] == {}

    run(main())


def test_catalog_when_its_sector_stays_bad_is_given_up_after_three_tries() -> None:
    async def main() -> None:
        rig, disk, old = await after_a_run()
        BadReads(disk, copies_of_catalog(rig, disk, old), errno.EIO)
        async with rig.running():
            await rig.wait((READ_FAILURES_MAX - 1) * UNREADABLE_RETRY_NS)
            assert rig.buffer.live_blocks == BLOCKS
            await rig.wait(UNREADABLE_RETRY_NS)
            assert rig.buffer.snapshot()["gaps"] == {"damaged": BLOCKS}
            assert rig.platform.without_catalog == 0 and rig.connects == 1

    run(main())


def test_catalog_when_every_copy_is_damaged_makes_its_blocks_damaged_and_no_rejects() -> None:
    async def main() -> None:
        rig, _, _ = await after_a_run(without_catalog=True)
        async with rig.running():
            await rig.wait(10 * SECOND)
            rig.put(1)
            await rig.wait(10 * SECOND)
            assert rig.buffer.snapshot()["gaps"] == {"damaged": BLOCKS}
            assert rig.platform.without_catalog == 0 and rig.connects == 1
            (gap,) = (g for g in rig.platform.gaps if g.reason == pb.GAP_REASON_DAMAGED)
            assert [(r.first, r.last) for r in gap.blocks] == [(1, BLOCKS)]
            assert not gap.ticks, "nobody knows any more what they were"

    run(main())


def test_catalog_when_gone_from_the_box_and_held_by_the_platform_costs_no_block() -> None:
    async def main() -> None:
        rig, _, old = await after_a_run(without_catalog=True)
        content = catalog_content("x" * PAD)
        rig.platform.contents |= {content_id(c): c for c in (content, TAG_SET)}
        rig.platform.catalogs[old, 1] = content_id(content)
        async with rig.running():
            await rig.wait(10 * SECOND)
            assert stored(rig, old) == BLOCKS and rig.buffer.snapshot()["gaps"] == {}

    run(main())


def test_catalog_when_the_platform_has_it_is_not_sent_on_later_streams() -> None:
    async def main() -> None:
        rig = await opened(FakeDisk())
        async with rig.running():
            for _ in range(5):
                rig.put(2)
                await rig.wait(20 * SECOND)
                rig.channel.cut()
                await rig.wait(20 * SECOND)
            assert len(rig.platform.blocks) == 10 and rig.connects > 5
            assert rig.platform.catalogs_came == 1 and rig.platform.without_catalog == 0

    run(main())


def test_block_when_its_sector_fails_is_tried_again_on_the_same_stream_then_announced() -> None:
    async def main(failing: int) -> None:
        rig, disk, old = await after_a_run()
        bad = BadReads(disk, blocks_on(rig, old, [5]), errno.EIO, failing)
        async with rig.running():
            await rig.wait(60 * SECOND)
            assert stored(rig, old) == BLOCKS - 1 and bad.came == 2  # with others, and alone
            await rig.wait(READ_FAILURES_MAX * UNREADABLE_RETRY_NS)
            lost = rig.buffer.snapshot()["gaps"]
            assert rig.connects == 1 and bad.came == failing
            if failing <= READ_FAILURES_MAX:
                assert stored(rig, old) == BLOCKS and lost == {}
            else:
                assert stored(rig, old) == BLOCKS - 1 and lost == {"damaged": 1}

    for failing in (2, READ_FAILURES_MAX + 1):
        run(main(failing))


def test_budget_when_hello_would_pass_it_then_not_even_a_connection_is_made() -> None:
    async def main(used: int) -> int:
        disk, clock = FakeDisk(), VirtualClock()
        rate = Rate(1_000_000, "day")
        kept = await KeptBudget.open(rate, disk, inline, clock, lambda now_ns: NOON + now_ns)
        rig = await opened(disk, kept)
        for number in range(1, 5001):  # a crash loop during an outage left as many epochs
            rig.buffer.to_tell.state.epochs[number] = OpenEpoch(number, "boot-0", 0)
        await kept.pay(used)
        async with rig.running():
            await rig.wait(3600 * SECOND)
            shown = kept.snapshot()["used_bytes"]
            assert shown <= rate.size_bytes - RESERVE_BYTES // 2
            return rig.connects

    assert run(main(0)) == 1
    assert run(main(950_000)) == 0


def test_budget_when_a_block_or_its_catalog_never_fits_then_said_with_what_it_takes() -> None:
    async def main(pad: int, catalog_pad: int, *, fits: bool) -> None:
        disk, clock = FakeDisk(), VirtualClock()
        budget = Rate(1_000_000, "day")
        kept = await KeptBudget.open(budget, disk, inline, clock, lambda now_ns: NOON + now_ns)
        rig = await opened(disk, kept, catalog_pad)
        rig.platform.heartbeat_ms = 300_000
        rig.put(3, pad=pad)
        async with rig.running():
            await rig.wait(3 * DAY_NS)
            assert len(rig.platform.blocks) == (3 if fits else 0)
            said = rig.uplink.snapshot()["warnings"]
            if fits:
                assert said == []
                return
            assert said[0]["id"] == "budget.too_small"
            assert said[0]["args"] == {"budget": "1.0 MB", "least": "1.1 MB"}
            rig.buffer.acked(rig.buffer.epoch, 1, 3)  # they are gone, whatever became of them
            await rig.wait(DAY_NS)
            assert rig.uplink.snapshot()["warnings"] == []

    run(main(980_000, 0, fits=False))
    run(main(0, 980_000, fits=False))
    run(main(100_000, 300_000, fits=True))


@pytest.mark.parametrize("what", ["catalog", "blocks"])
def test_card_when_it_refuses_for_seconds_while_the_link_flaps_loses_nothing(what: str) -> None:
    """Each stream tries anew: that is no proof that the medium has lost anything."""

    async def main() -> None:
        rig, disk, old = await after_a_run()
        locations = blocks_on(rig, old, range(1, BLOCKS + 1))
        if what == "catalog":
            locations = copies_of_catalog(rig, disk, old)
        bad = BadReads(disk, locations, errno.EIO)
        async with rig.running():
            for _ in range(10):
                await rig.wait(SECOND)
                rig.channel.cut()
            bad.left = 0
            await rig.wait(3 * UNREADABLE_RETRY_NS)
            assert bad.came >= READ_FAILURES_MAX
            assert stored(rig, old) == BLOCKS and rig.buffer.snapshot()["gaps"] == {}

    run(main())


def test_budget_when_a_block_goes_in_pieces_then_it_begins_only_where_all_of_them_fit() -> None:
    """Half a block is bytes for nothing: another run could not go on with it."""

    async def main(spare: int) -> tuple[int, int]:
        disk, clock = FakeDisk(), VirtualClock()
        rate = Rate(2_000_000, "day")
        kept = await KeptBudget.open(rate, disk, inline, clock, lambda now_ns: NOON + now_ns)
        rig = await opened(disk, kept)
        rig.platform.heartbeat_ms = 300_000
        async with rig.running():
            await rig.wait(SECOND)  # connected; the first heartbeat is answered
            rig.put(1, pad=600_000)
            size = rig.buffer.size(BlockKey(rig.buffer.epoch, 1))
            spent = kept.snapshot()["used_bytes"]
            one_message = message_bytes(size) + 2 * ANSWER_BYTES + RESERVE_BYTES
            await kept.pay(rate.size_bytes - one_message - spent - spare)
            await rig.wait(60 * SECOND)
            assert kept.snapshot()["used_bytes"] <= rate.size_bytes
            return rig.platform.pieces, len(rig.platform.blocks)

    assert run(main(4000)) == (0, 0)
    pieces, blocks = run(main(20_000))
    assert blocks == 1 and pieces >= 10
