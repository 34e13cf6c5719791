"""The chain of runs: what the first block of a run says of the one before."""

from __future__ import annotations

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import Buffer, BufferConfig
from gateway.buffer.runs import RUNS_MAX, Run, Runs, decode
from tests.kit.blocks import block, no_zstd, put_catalog
from tests.kit.fake_disk import FakeDisk
from tests.kit.virtual_time import VirtualClock, inline, run

SECOND = 10**9


async def opened(disk: FakeDisk, boot_id: str, clock: VirtualClock) -> Buffer:
    config = BufferConfig("gw-1", free_bytes_min=0)
    buffer = await Buffer.open(disk, clock, inline, config, no_zstd)
    buffer.open_epoch(boot_id, clock.now_ns())
    put_catalog(buffer)
    return buffer


def put(buffer: Buffer, oldest_ns: int, *, end: bool = False) -> None:
    seq = buffer.last_seq + 1
    made = block(buffer.epoch, seq, first_tick=3 * seq, oldest_ns=oldest_ns, end_of_epoch=end)
    buffer.put(made)


@pytest.mark.parametrize(
    ("ends", "boot_id", "ended"),
    [
        ("cleanly", "boot-1", pb.RUN_END_STOPPED),
        ("cleanly", "boot-2", pb.RUN_END_STOPPED),
        ("killed", "boot-1", pb.RUN_END_CRASHED),
        ("killed", "boot-2", pb.RUN_END_POWER_LOST),
    ],
)
def test_begin_when_a_run_follows_another_says_how_and_when_that_ended(
    ends: str, boot_id: str, ended: pb.RunEnd.ValueType
) -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        first = await opened(disk, "boot-1", clock)
        assert first.begin(5) == pb.Begin(ended=pb.RUN_END_NONE_BEFORE, began_ns=5)
        await clock.sleep_until(10 * SECOND)
        put(first, 9 * SECOND)
        await first.flush()
        await clock.sleep_until(20 * SECOND)
        if ends == "cleanly":
            put(first, 19 * SECOND, end=True)
            first.acked(first.epoch, 1, 2)
            await first.flush()
            await first.close()
        second = await opened(disk.crash(), boot_id, clock)
        said = second.begin(30 * SECOND)
        assert (said.previous_epoch, said.previous_boot_id) == (first.epoch, "boot-1")
        assert (said.ended, said.began_ns) == (ended, 30 * SECOND)
        if ends == "cleanly":
            assert said.previous_last_seq == 2
            assert 20 * SECOND <= said.sampled_until_ns < 21 * SECOND
        else:
            assert said.previous_last_seq == 0, "more may have been lost than is known"
            assert said.sampled_until_ns == 9 * SECOND
        third = await opened(disk.crash(), boot_id, clock)
        assert third.begin(0).previous_epoch == first.epoch, "the second never got to the disk"

    run(main())


def test_begin_when_the_box_lost_its_memory_names_what_files_are_left_or_nothing() -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        first = await opened(disk, "boot-1", clock)
        put(first, 7)
        await first.flush()
        for name in ("state", "runs"):
            disk.replace(name, b"rubbish")
        second = await opened(disk, "boot-1", clock)
        said = second.begin(0)
        assert (said.previous_epoch, said.ended) == (first.epoch, pb.RUN_END_UNSPECIFIED)
        for name in list(disk.contents()):
            disk.unlink(name)
        disk.replace("state", b"rubbish")
        assert (await opened(disk, "boot-1", clock)).begin(0) == pb.Begin()

    run(main())


def test_installation_when_made_stays_over_restarts_and_a_lost_state_file() -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        first = await opened(disk, "boot-1", clock)
        assert len(first.installation) == 16
        second = await opened(disk.crash(), "boot-1", clock)
        assert second.installation == first.installation
        disk = disk.crash()
        disk.replace("state", b"rubbish")
        assert (await opened(disk, "boot-1", clock)).installation == first.installation
        other = await opened(FakeDisk(), "boot-1", clock)
        assert other.installation != first.installation

    run(main())


def test_features_when_the_platform_named_them_are_known_to_the_next_run() -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        first = await opened(disk, "boot-1", clock)
        assert first.features == frozenset()
        first.platform_features(frozenset({1, 5}))
        await first.flush()
        assert (await opened(disk.crash(), "boot-1", clock)).features == {1, 5}

    run(main())


def test_runs_when_there_are_many_the_newest_are_remembered() -> None:
    runs = Runs(b"x" * 16, (Run(epoch, "boot", 1, 2, 3, pb.RUN_END_STOPPED) for epoch in (9, 5)))
    for epoch in range(10, 10 + RUNS_MAX):
        runs.add(Run(epoch))
    runs.add(Run(10, "boot-2"))  # told once more
    kept = decode(runs.encode())
    assert [run.epoch for run in kept.after(0)] == list(range(10, 10 + RUNS_MAX))
    assert kept.get(10) == Run(10, "boot-2") and kept.get(9) is None
    assert kept.installation == b"x" * 16


def test_loss_when_in_this_run_is_told_once_and_one_of_an_earlier_run_is_not() -> None:
    async def main() -> None:
        disk, clock = FakeDisk(), VirtualClock()
        first = await opened(disk, "boot-1", clock)
        put(first, 0)
        await first.flush()
        second = await opened(disk, "boot-1", clock)
        put(second, 0)
        old, new = (block(epoch, 1, first_tick=3) for epoch in (first.epoch, second.epoch))
        assert not second.take_loss()
        second.undecodable(old)
        assert not second.take_loss()
        second.undecodable(new)
        assert second.take_loss() and not second.take_loss()

    run(main())
