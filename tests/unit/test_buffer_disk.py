"""The real disk, and the buffer on it in its own thread."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from gateway.buffer import BlockKey, Buffer, BufferConfig, BufferUnusableError, OsDisk
from gateway.clock import SystemClock
from tests.kit.blocks import block, no_zstd


def test_directory_when_a_daemon_has_it_is_refused_with_its_pid(tmp_path: Path) -> None:
    disk = OsDisk(tmp_path)
    with pytest.raises(BufferUnusableError) as caught:
        OsDisk(tmp_path)
    assert caught.value.message == "buffer.locked"
    assert caught.value.arguments == {"path": str(tmp_path), "pid": str(os.getpid())}
    disk.close()
    OsDisk(tmp_path).close()


def test_files_when_made_are_private_and_names_are_real(tmp_path: Path) -> None:
    disk = OsDisk(tmp_path / "deep" / "buffer")
    assert disk.last_write_utc_ns() == 0, "its own lock is nothing written"
    file = disk.open("a.seg", create=True)
    file.append(b"one")
    file.append(b"two")
    file.sync()
    assert (file.size(), file.read(1, 4), file.read(5, 9)) == (6, b"netw", b"o")
    file.truncate(3)
    file.append(b"!")
    assert file.read(0, 99) == b"one!"
    file.close()
    with pytest.raises(FileExistsError):
        disk.open("a.seg", create=True)
    disk.open("rejected/x", create=True).close()
    disk.sync_dir("rejected")
    assert disk.list("rejected") == ["x"]
    disk.rename("a.seg", "b.seg")
    assert sorted(disk.list()) == ["b.seg", "lock"]
    mode = (tmp_path / "deep" / "buffer" / "b.seg").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    os.utime(tmp_path / "deep" / "buffer" / "b.seg", ns=(7, 5 * 10**18))
    assert disk.last_write_utc_ns() == 5 * 10**18
    disk.unlink("b.seg")
    assert disk.free_bytes() > 0
    disk.close()


def test_name_when_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    disk = OsDisk(tmp_path / "buffer")
    (tmp_path / "elsewhere").write_text("secret")
    (tmp_path / "buffer" / "state").symlink_to(tmp_path / "elsewhere")
    assert disk.list() == ["lock"]
    with pytest.raises(OSError):
        disk.open("state")
    disk.close()


def test_buffer_when_on_a_real_disk_survives_its_process(tmp_path: Path) -> None:
    async def main() -> None:
        clock = SystemClock()
        config = BufferConfig("gw-1", flush_every_ns=40_000_000, free_bytes_min=0)
        disk = OsDisk(tmp_path)
        first = await Buffer.open(disk, clock, asyncio.to_thread, config, no_zstd)
        epoch = first.open_epoch(clock.boot_id, clock.now_ns())
        first.put_catalog(epoch, 1, b"catalog")
        task = asyncio.create_task(first.run())
        for seq in range(1, 6):
            first.put(block(epoch, seq, oldest_ns=clock.now_ns()))
        assert await first.flush()
        task.cancel()
        await asyncio.wait([task])
        await first.close()
        disk.close()

        again = OsDisk(tmp_path)
        second = await Buffer.open(again, clock, asyncio.to_thread, config, no_zstd)
        assert second.open_epoch(clock.boot_id, clock.now_ns()) >> 32 == (epoch >> 32) + 1
        (kept,) = second.earlier()
        assert [(r.first, r.last) for r in kept.kept] == [(1, 5)]
        found = await second.read(BlockKey(epoch, 5))
        assert found is not None and found.seq == 5
        assert await second.catalog(epoch, 1) == b"catalog"
        again.close()

    asyncio.run(main())
