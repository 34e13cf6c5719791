"""Gaps that were delivered, and lost with their carrier by a platform that was put back."""

from __future__ import annotations

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, Buffer
from gateway.buffer.announcements import DELIVERED_BYTES_MAX as BYTES_MAX
from gateway.buffer.announcements import Delivered
from gateway.buffer.gaps import GapSet
from gateway.buffer.ranges import RangeSet
from gateway.buffer.state import State, encode
from tests.kit.blocks import block
from tests.kit.fake_disk import FakeDisk
from tests.kit.virtual_time import run
from tests.unit.test_session import Box, case


def lose(box: Box, *seqs: int) -> None:
    """As the bound on memory does."""
    ram = box.buffer._writer.ram()
    box.buffer._writer.lose([ram[seq] for seq in seqs], pb.GAP_REASON_MEMORY_FULL)


def told(buffer: Buffer, epoch: int) -> list[tuple[int, int]]:
    """The blocks of the epoch that gaps name which are to be sent."""
    gaps = (gap for gap in buffer.take_gaps() if gap.epoch == epoch)
    return list(RangeSet((r.first, r.last) for gap in gaps for r in gap.blocks))


async def end(box: Box) -> None:
    """A clean stop, of which the last block was delivered."""
    last = box.buffer.last_seq + 1
    box.buffer.put(block(box.buffer.epoch, last, first_tick=3 * last, end_of_epoch=True))
    await box.send()
    box.ack(last, last)
    await box.buffer.flush()
    await box.buffer.close()


async def with_a_gap(disk: FakeDisk) -> Box:
    """A run that is over, and that lacks its block 2; and the next, of which block 1 says so and is
    acknowledged.
    """
    first = await Box.open(disk)
    old = first.buffer.epoch
    first.hello()
    first.welcome()
    first.put(2)
    lose(first, 2)
    first.buffer.put(block(old, 3, first_tick=9, end_of_epoch=True))  # without the gap
    await first.send()
    first.ack(1, 1)
    first.ack(3, 3)
    await first.buffer.flush()
    await first.buffer.close()
    box = await Box.open(disk)
    box.hello()
    box.welcome({old: [(1, 1), (3, 3)]}, closed={old})
    box.put(1)
    await box.send()
    box.ack(1, 1)
    assert not box.buffer.gaps_pending and list(box.buffer.earlier()) == []
    return box


@case
async def test_gap_of_this_run_when_the_platform_lost_its_carrier_is_told_again() -> None:
    box = await Box.open()
    epoch = box.buffer.epoch
    box.put(4)
    box.hello()
    box.welcome()
    await box.send()
    box.ack(1, 2)
    lose(box, 3, 4)
    box.put(1)
    await box.send()
    box.ack(5, 5)
    for _ in range(2):  # it is put back once more, when it has taken what it was told again
        second = box.again()
        second.hello()
        second.welcome({epoch: [(1, 2)]})
        last = box.buffer.last_seq
        second.put(1)
        carrier = await box.buffer.read(BlockKey(epoch, last + 1))
        assert carrier is not None
        payload = pb.BlockPayload.FromString(pb.Block.FromString(carrier.data).payload)
        named = RangeSet((r.first, r.last) for gap in payload.gaps for r in gap.blocks)
        assert list(named) == [(3, last)]
        await second.send()
        second.ack(last + 1, last + 1)


@case
async def test_gap_of_a_closed_run_when_the_platform_lost_its_carrier_is_told_again() -> None:
    box = await with_a_gap(FakeDisk())
    old = box.buffer.to_tell.before
    assert old is not None
    second = box.again()
    second.hello()
    second.welcome({box.buffer.epoch: []})
    assert told(box.buffer, old.epoch) == [(2, 2)]


@pytest.mark.parametrize("clean", [True, False])
def test_gap_when_its_carrier_was_of_a_run_that_the_platform_lost_is_told_again(
    clean: bool,
) -> None:
    async def main() -> None:
        disk = FakeDisk()
        box = await with_a_gap(disk)
        old = box.buffer.to_tell.before
        assert old is not None
        if clean:
            await end(box)
        else:
            await box.buffer.flush()
        third = await Box.open(disk if clean else disk.crash())
        third.hello()
        third.welcome({box.buffer.epoch: []}, highest_epoch=old.epoch)
        assert told(third.buffer, old.epoch) == [(2, 2)]

    run(main())


@case
async def test_end_of_a_run_when_the_platform_lost_its_carrier_is_owed_again() -> None:
    disk = FakeDisk()
    first = await Box.open(disk)
    old = first.buffer.epoch
    disk = disk.crash()
    box = await Box.open(disk)
    box.hello()
    box.welcome({old: [(1, 9)]})
    box.put(1)  # with the crash gap after block 9
    await box.send()
    box.ack(1, 1)
    assert list(box.buffer.earlier()) == []
    second = box.again()
    second.hello()
    second.welcome({box.buffer.epoch: []})
    assert [kept.epoch for kept in box.buffer.earlier()] == [old]
    third = box.again()
    third.hello()
    third.welcome({box.buffer.epoch: [], old: [(1, 4)]})
    (gap,) = (gap for gap in box.buffer.take_gaps() if gap.epoch == old)
    assert gap.count_unknown and gap.after_seq == 4


@case
async def test_end_of_a_run_when_the_platform_says_that_it_lacks_it_is_told_at_once() -> None:
    """The same Welcome says what it holds of the run, and that the carrier is lost."""
    disk = FakeDisk()
    first = await Box.open(disk)
    old = first.buffer.epoch
    box = await Box.open(disk.crash())
    box.hello()
    box.welcome({old: [(1, 9)]})
    box.put(1)
    await box.send()
    box.ack(1, 1)
    second = box.again()
    second.hello()
    held = [pb.SeqRange(first=1, last=4)]
    second.welcome({box.buffer.epoch: []}, ends_lacking=[pb.EpochHeld(epoch=old, held=held)])
    (gap,) = (gap for gap in box.buffer.take_gaps() if gap.epoch == old)
    assert gap.count_unknown and gap.after_seq == 4


def test_delivered_gaps_when_they_are_many_the_newest_are_kept_to_a_bound() -> None:
    kept = Delivered([])
    for seq in range(1, 10_000):
        lost = pb.Gap(reason=pb.GAP_REASON_EVICTED_OLDEST, epoch=1, blocks=[pb.SeqRange(first=seq)])
        forgot = pb.Gap(reason=pb.GAP_REASON_BOX_FORGOT, epoch=seq, count_unknown=True)
        kept.add(BlockKey(2, seq), GapSet([lost, forgot]))
    contents = encode(State("gw-1", delivered=kept.kept))
    assert BYTES_MAX // 2 < len(contents) < 2 * BYTES_MAX + 10_000, "there are two copies"
    seqs = [entry.seq for entry in kept.kept]
    assert seqs == list(range(10_000 - len(seqs), 10_000))
    assert kept.lost(2, lambda seq: seq == 9_999) and not kept.lost(2, lambda seq: seq == 9_999)
    assert len(kept.kept) == len(seqs) - 1
