"""Files of a later version's format, met by an older one that was put back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.buffer import BlockKey, Buffer, BufferConfig, record, recovery, runs, segment, state
from gateway.buffer.block import BufferUnusableError
from gateway.buffer.export import export
from native.crc import crc32c
from tests.kit.blocks import block, no_zstd, put_catalog
from tests.kit.fake_disk import FakeDisk
from tests.kit.virtual_time import VirtualClock, inline, run

BLOCKS = 6


async def opened(disk: FakeDisk, max_bytes: int = 1 << 30) -> Buffer:
    clock = VirtualClock()
    config = BufferConfig("gw-1", free_bytes_min=0, segment_bytes=300, max_bytes=max_bytes)
    buffer = await Buffer.open(disk, clock, inline, config, no_zstd)
    buffer.open_epoch("boot-1", clock.now_ns())
    put_catalog(buffer)
    return buffer


async def fill(buffer: Buffer) -> None:
    for seq in range(1, BLOCKS + 1):
        buffer.put(block(buffer.epoch, seq, first_tick=3 * seq))
        await buffer.flush()


def later_state(run: int, gateway: str = "gw-1") -> bytes:
    """What a version of the next format may write: of today's names only four are sure to stay."""
    said = {"gateway": gateway, "run": run, "highest": 9 << 32, "installation": "ab" * 16}
    return state.sealed(json.dumps({"format": 2, **said, "epochs": {"7": "as it likes"}}).encode())


def later_segment(size: int) -> bytes:
    framed = bytearray(record.pack(record.SEGMENT, b"gw-1"))
    framed[6] = record.VERSION + 1
    framed[52:56] = crc32c(bytes(framed[:52])).to_bytes(4, "little")
    return bytes(framed) + b"?" * size


def newer(buffer: Buffer) -> list[str]:
    return [said["id"] for said in buffer.snapshot()["warnings"]]


def test_state_when_of_a_newer_format_is_kept_and_told_and_its_run_is_gone_above() -> None:
    async def main() -> None:
        disk = FakeDisk()
        await fill(await opened(disk))
        later, later_runs = later_state(41), state.sealed(b'{"format":3,"runs":"as it likes"}')
        disk.replace(state.NAME, later)
        disk.replace(runs.NAME, later_runs)
        for number in (42, 43):  # the second start finds its own state beside
            buffer = await opened(disk)
            assert buffer.epoch >> 32 == number
            assert buffer.installation == bytes.fromhex("ab" * 16)
            assert newer(buffer) == ["buffer.newer_format"]
            assert disk.contents()["state.2"] == later
            assert disk.contents()["runs.3"] == later_runs
            assert buffer.next_live(BlockKey(0, 0)) is not None  # what waited is sent
            assert not buffer.gaps_pending
            await fill(buffer)

    run(main())


def test_state_when_of_a_newer_format_and_another_gateways_is_refused() -> None:
    async def main() -> None:
        disk = FakeDisk()
        disk.replace(state.NAME, later_state(1, "gw-2"))
        with pytest.raises(BufferUnusableError):
            recovery.recover(disk, "gw-1")

    run(main())


def test_state_when_cut_off_before_it_is_written_again_is_known_by_what_is_kept() -> None:
    """A power cut between the renaming and the first state of this version."""

    async def main() -> None:
        disk = FakeDisk()
        disk.replace("state.2", later_state(41))
        buffer = await opened(disk)
        assert buffer.epoch >> 32 == 42
        assert not [said for said in newer(buffer) if said == "buffer.state_lost"]

    run(main())


def test_segments_when_of_a_newer_format_count_as_the_buffers_size() -> None:
    async def main() -> None:
        disk = FakeDisk()
        disk.replace(segment.name(1), later_segment(100_000))
        buffer = await opened(disk, max_bytes=101_200)
        assert buffer.snapshot()["bytes"] > 100_000
        await fill(buffer)
        assert buffer.snapshot()["evicted_blocks"] > 0
        assert disk.contents()[segment.name(1)] == later_segment(100_000)

    run(main())


def test_export_when_a_segment_is_of_a_newer_format_names_it(tmp_path: Path) -> None:
    (tmp_path / "buffer").mkdir()
    (tmp_path / "buffer" / segment.name(1)).write_bytes(later_segment(1000))
    done = export(tmp_path / "buffer", "gw-1", "jiahe", b"", tmp_path / "out")
    assert (done.blocks, done.left_out, done.newer) == (0, 0, (segment.name(1),))
