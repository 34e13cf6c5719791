"""Damage at rest: any bit of any file, any length, bytes of somebody else."""

from __future__ import annotations

import errno
import os
import random

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, Buffer, BufferConfig, record, state
from gateway.buffer.disk import APART_NS, READ_FAILURES_MAX
from gateway.buffer.ranges import RangeSet
from gateway.buffer.runs import Run
from native.crc import crc32c
from tests.kit.blocks import block, no_zstd, put_catalog
from tests.kit.fake_disk import FakeDisk
from tests.kit.virtual_time import VirtualClock, inline, passed, run

IS_LONG = "JIAHE_LONG" in os.environ
BLOCKS = 6
FIRST_EPOCH = (1 << 32) | 7


async def opened(disk: FakeDisk) -> Buffer:
    clock = VirtualClock()
    config = BufferConfig("gw-1", free_bytes_min=0, segment_bytes=300)
    buffer = await Buffer.open(disk, clock, inline, config, no_zstd)
    buffer.open_epoch("boot-2", clock.now_ns(), lambda bits: 7)
    put_catalog(buffer)
    return buffer


async def written() -> FakeDisk:
    """A clean run of six blocks in some segments, all flushed, the last one its end."""
    disk = FakeDisk()
    buffer = await opened(disk)
    for seq in range(1, BLOCKS + 1):
        buffer.put(block(buffer.epoch, seq, first_tick=3 * seq, end_of_epoch=seq == BLOCKS))
        await buffer.flush()
    return disk.copy()


async def survey(disk: FakeDisk) -> tuple[RangeSet, RangeSet, bool]:
    """What the next run can send of the first epoch, what it announces, and whether its end."""
    buffer = await opened(disk)
    held, closed = RangeSet(), False
    key = buffer.next_live(BlockKey(0, 0))
    while key is not None:
        found = await buffer.read(key)
        if found is not None:
            assert found == block(
                FIRST_EPOCH, key.seq, first_tick=3 * key.seq, end_of_epoch=key.seq == BLOCKS
            )
            held.add(key.seq, key.seq)
            closed = closed or found.end_of_epoch
        key = buffer.next_live(key)
    buffer.welcome(FIRST_EPOCH, held, closed)
    gone = RangeSet()
    for gap in buffer.take_gaps():
        gone.update(RangeSet((r.first, r.last) for r in gap.blocks))
        closed = closed or gap.end_of_epoch
        if gap.count_unknown:
            gone.add(gap.after_seq + 1, BLOCKS)
            closed = True
    return held, gone, closed


def spots(data: bytes, seed: int) -> list[int]:
    """Places in a file, but for those between line feeds, with which the state is padded: each
    fifth, with each seed others; in long runs all.
    """
    every = [at for at in range(len(data)) if data[at - 1 : at + 2] != b"\n\n\n"]
    return every if IS_LONG else every[seed % 5 :: 5]


def test_bit_when_flipped_anywhere_costs_one_block_at_most_and_is_announced(seed: int) -> None:
    async def main() -> None:
        clean = await written()
        rng = random.Random(1)
        for name, data in clean.contents().items():
            for at in spots(data, seed):
                damaged = bytearray(data)
                damaged[at] ^= 1 << rng.randrange(8)
                disk = clean.copy()
                disk.replace(name, bytes(damaged))
                held, gone, closed = await survey(disk)
                missing = RangeSet([(1, BLOCKS)]).minus(held)
                assert len(list(missing.numbers())) <= 1, (name, at)
                assert not missing.minus(gone), (name, at, missing, gone)
                assert closed, (name, at)

    run(main())


def test_state_when_any_bit_is_flipped_or_half_is_cut_off_is_read_whole(seed: int) -> None:
    gap = pb.Gap(reason=pb.GAP_REASON_EXPIRED, epoch=3, blocks=[pb.SeqRange(first=1, last=9)])
    kept = state.State("gw-1", 5, 77, bytes(range(16)), Run(9, "boot", 1), frozenset({1, 3}))
    kept.gaps.append(state.CarriedGap(4, 2, gap))
    kept.delivered.append(state.CarriedGap(3, 1, gap))
    kept.epochs[9] = state.OpenEpoch(9, "boot", 1, "next", 2, RangeSet([(1, 4)]))
    disk = FakeDisk()
    state.write(disk, state.encode(kept))
    data = disk.contents()["state"]
    for at in spots(data, seed):
        for bit in range(8):
            flipped = bytes([data[at] ^ 1 << bit])
            disk.replace("state", data[:at] + flipped + data[at + 1 :])
            assert state.find(disk).loaded() == kept, (at, bit)
    for length in range(len(data) // 2, len(data), 7):
        disk.replace("state", data[:length])
        assert state.find(disk).loaded() == kept, length


def test_file_when_cut_at_any_length_keeps_all_before_and_announces_the_rest(seed: int) -> None:
    async def main() -> None:
        clean = await written()
        for name, data in clean.contents().items():
            for length in spots(data, seed):
                disk = clean.copy()
                disk.replace(name, data[:length])
                held, gone, closed = await survey(disk)
                assert not RangeSet([(1, BLOCKS)]).minus(held).minus(gone), (name, length)
                assert closed, (name, length)
                if name == "state":
                    assert list(held) == [(1, BLOCKS)], length

    run(main())


@pytest.mark.parametrize("filler", [bytes(100), b"JHR1" * 40, b"\xff" * 60])
def test_file_when_strange_bytes_follow_or_come_between_loses_no_block(filler: bytes) -> None:
    async def main() -> None:
        clean = await written()
        for name, data in clean.contents().items():
            if not name.endswith(".seg"):
                continue
            starts = [at for at in range(len(data)) if data[at : at + 4] == b"JHR1"]
            for at in [*starts, len(data)]:
                disk = clean.copy()
                disk.replace(name, data[:at] + filler + data[at:])
                held, _, _ = await survey(disk)
                assert list(held) == [(1, BLOCKS)], (name, at)

    run(main())


def test_segment_when_missing_is_announced_as_damage() -> None:
    async def main() -> None:
        clean = await written()
        segments = sorted(name for name in clean.list() if name.endswith(".seg"))
        assert len(segments) >= 2
        for name in segments:
            disk = clean.copy()
            disk.unlink(name)
            held, gone, closed = await survey(disk)
            assert not RangeSet([(1, BLOCKS)]).minus(held).minus(gone)
            assert closed

    run(main())


def test_segment_when_of_a_newer_format_is_kept_and_told_and_nothing_called_lost() -> None:
    async def main() -> None:
        disk = await written()
        name = max(n for n in disk.list() if n.endswith(".seg"))
        framed = bytearray(record.pack(record.SEGMENT, b"gw-1"))
        framed[6] = record.VERSION + 1
        framed[52:56] = crc32c(bytes(framed[:52])).to_bytes(4, "little")
        later = bytes(framed) + b"what nobody here knows"
        disk.replace(name, later)
        held, gone, closed = await survey(disk)
        assert held.highest < BLOCKS
        assert not gone
        assert not closed
        assert disk.contents()[name] == later
        buffer = await opened(disk)
        assert [said["id"] for said in buffer.snapshot()["warnings"]] == ["buffer.newer_format"]

    run(main())


def test_read_when_the_disk_fails_thrice_gives_the_block_up_as_damaged() -> None:
    async def main() -> None:
        disk = await written()
        buffer = await opened(disk)
        key = BlockKey(FIRST_EPOCH, 1)

        def fail(operation: str) -> None:
            if operation == "read":
                raise OSError(5, "Input/output error")

        disk.fail = fail
        for _ in range(READ_FAILURES_MAX):
            assert not buffer.gaps_pending
            assert await buffer.read(key) is None
            assert await buffer.read(key) is None  # at once: no other failure
            await passed(APART_NS)
        (gap,) = buffer.take_gaps()
        assert (gap.reason, gap.blocks[0].first) == (pb.GAP_REASON_DAMAGED, 1)

    run(main())


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EACCES])
def test_read_when_the_box_lacks_something_for_a_while_keeps_the_block(number: int) -> None:
    async def main() -> None:
        disk = await written()
        buffer = await opened(disk)
        key = BlockKey(FIRST_EPOCH, 1)

        def fail(operation: str) -> None:
            raise OSError(number, os.strerror(number))

        disk.fail = fail
        for _ in range(10):
            assert await buffer.read(key) is None
        disk.fail = lambda operation: None
        assert not buffer.gaps_pending
        assert await buffer.read(key) == block(FIRST_EPOCH, 1, first_tick=3)

    run(main())
