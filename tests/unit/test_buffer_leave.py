"""A buffer by hand: exported to a file, moved aside, given up; on a real directory."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import Buffer, BufferConfig, BufferUnusableError, OsDisk
from gateway.buffer.export import MAGIC, ReadOnlyDisk, export
from gateway.buffer.leave import drop_other, drop_own, keep
from gateway.clock import SystemClock
from gateway.ports import File
from native.crc import crc32c
from tests.kit.blocks import TAG_SET, block, catalog_content, no_zstd, put_catalog
from tests.kit.virtual_time import inline

BLOCKS = 5


async def opened(disk: OsDisk, gateway: str = "gw-1") -> Buffer:
    clock = SystemClock()
    config = BufferConfig(gateway, free_bytes_min=0)
    buffer = await Buffer.open(disk, clock, inline, config, no_zstd)
    buffer.open_epoch(clock.boot_id, clock.now_ns())
    put_catalog(buffer)
    return buffer


def filled(directory: Path, gateway: str = "gw-1") -> int:
    """A directory with blocks; their epoch."""

    async def main() -> int:
        disk = OsDisk(directory)
        buffer = await opened(disk, gateway)
        for seq in range(1, BLOCKS + 1):
            buffer.put(block(buffer.epoch, seq, first_tick=3 * seq))
        await buffer.flush()
        await buffer.close()
        disk.close()
        return buffer.epoch

    return asyncio.run(main())


def requests(file: Path) -> list[pb.StreamRequest]:
    data = file.read_bytes()
    assert data[:8] == MAGIC
    at, found = 8, []
    while True:
        size, check = struct.unpack_from("<II", data, at)
        at += 8
        if size == 0:
            assert check == len(found) and at == len(data)
            return found
        message = data[at : at + size]
        assert crc32c(message) == check
        found.append(pb.StreamRequest.FromString(message))
        at += size


def test_export_when_beside_a_running_daemon_has_everything_a_platform_needs(
    tmp_path: Path,
) -> None:
    epoch = filled(tmp_path / "buffer")
    disk = OsDisk(tmp_path / "buffer")  # as the daemon has it
    try:
        before = {p: p.stat().st_mtime_ns for p in (tmp_path / "buffer").rglob("*")}
        done = export(tmp_path / "buffer", "gw-1", "jiahe", b"m" * 16, tmp_path / "out")
    finally:
        disk.close()
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "buffer").rglob("*")} == before
    assert (done.blocks, done.left_out) == (BLOCKS, 0)
    assert done.bytes == (tmp_path / "out").stat().st_size
    hello, *rest = requests(tmp_path / "out")
    assert (hello.hello.gateway, hello.hello.epoch) == ("gw-1", epoch)
    assert len(hello.hello.installation) == 16 and hello.hello.machine == b"m" * 16
    kinds = [request.WhichOneof("message") for request in rest]
    assert kinds == ["tag_set", "catalog", *["block"] * BLOCKS]
    assert rest[0].tag_set.content == TAG_SET
    assert rest[1].catalog.content == catalog_content()
    assert [request.block.seq for request in rest[2:]] == list(range(1, BLOCKS + 1))


def test_export_when_something_is_damaged_leaves_it_out_and_says_how_much(tmp_path: Path) -> None:
    filled(tmp_path / "buffer")
    (segment,) = (tmp_path / "buffer").glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[data.rindex(b"JHR1") - 4] ^= 1
    segment.write_bytes(bytes(data))
    done = export(tmp_path / "buffer", "gw-1", "jiahe", b"", tmp_path / "out")
    assert done.blocks + done.left_out <= BLOCKS and done.blocks >= BLOCKS - 1
    for file in (tmp_path / "buffer" / "sets").iterdir():
        file.unlink()
    done = export(tmp_path / "buffer", "gw-1", "jiahe", b"", tmp_path / "out")
    assert done.blocks == 0 and done.left_out >= BLOCKS - 1
    assert len(requests(tmp_path / "out")) == 1


@pytest.mark.parametrize("opens", [1, 2])
def test_export_when_the_daemon_drops_a_file_meanwhile_has_the_others(
    opens: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file goes after it was listed, or after its blocks were."""
    for _ in range(2):
        filled(tmp_path / "buffer")
    dropped = min((tmp_path / "buffer").glob("*.seg"))
    opened_so_far: list[str] = []
    open_file = ReadOnlyDisk.open

    def open_late(disk: ReadOnlyDisk, name: str, *, create: bool = False) -> File:
        opened_so_far.append(name)
        if name == dropped.name and opened_so_far.count(name) == opens:
            dropped.unlink()
        return open_file(disk, name, create=create)

    monkeypatch.setattr(ReadOnlyDisk, "open", open_late)
    done = export(tmp_path / "buffer", "gw-1", "jiahe", b"", tmp_path / "out")
    assert not dropped.exists()
    assert (done.blocks, done.left_out) == (BLOCKS, 0)
    assert [r.block.seq for r in requests(tmp_path / "out") if r.HasField("block")] == list(
        range(1, BLOCKS + 1)
    )


def test_buffer_when_the_id_was_changed_is_moved_aside_or_removed(tmp_path: Path) -> None:
    filled(tmp_path / "buffer", "gw-old")
    with pytest.raises(BufferUnusableError) as caught:
        asyncio.run(opened_and_closed(tmp_path / "buffer", "gw-new"))
    assert caught.value.message == "buffer.other_gateway"
    moved = keep(tmp_path / "buffer", "gw-new")
    assert moved.parent == tmp_path and moved.name.startswith("buffer.gw-old-")
    assert list(moved.glob("*.seg")) and not (tmp_path / "buffer").exists()
    asyncio.run(opened_and_closed(tmp_path / "buffer", "gw-new"))
    with pytest.raises(BufferUnusableError) as caught:
        keep(tmp_path / "buffer", "gw-new")
    assert caught.value.message == "buffer.is_own"
    assert drop_other(moved, "gw-new") == "gw-old"
    assert not list(moved.glob("*.seg")) and not (moved / "sets").exists()


async def opened_and_closed(directory: Path, gateway: str) -> None:
    disk = OsDisk(directory)
    try:
        await (await opened(disk, gateway)).close()
    finally:
        disk.close()


def test_buffer_when_a_daemon_has_it_is_not_moved(tmp_path: Path) -> None:
    filled(tmp_path / "buffer", "gw-old")
    disk = OsDisk(tmp_path / "buffer")
    try:
        with pytest.raises(BufferUnusableError) as caught:
            keep(tmp_path / "buffer", "gw-new")
    finally:
        disk.close()
    assert caught.value.message == "buffer.locked"


def test_own_buffer_when_dropped_is_announced_exactly_by_the_next_run(tmp_path: Path) -> None:
    epoch = filled(tmp_path / "buffer")

    async def main() -> list[pb.Gap]:
        disk = OsDisk(tmp_path / "buffer")
        config = BufferConfig("gw-1", free_bytes_min=0)
        assert await drop_own(disk, SystemClock(), inline, config, no_zstd) == BLOCKS
        assert not list((tmp_path / "buffer").glob("*.seg"))
        buffer = await opened(disk)
        gaps = buffer.take_gaps()
        await buffer.close()
        disk.close()
        return gaps

    (gap,) = asyncio.run(main())
    assert (gap.reason, gap.epoch) == (pb.GAP_REASON_DROPPED, epoch)
    assert [(r.first, r.last) for r in gap.blocks] == [(1, BLOCKS)]
    assert [(t.first_tick, t.count) for t in gap.ticks] == [(3, 3 * BLOCKS)]
