"""The real disk, and the buffer on it in its own thread."""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.buffer import BlockKey, Buffer, BufferConfig, BufferUnusableError, OsDisk
from gateway.clock import SystemClock
from tests.kit.blocks import block, catalog_content, no_zstd, put_catalog

ROOT = Path(__file__).parents[2]

#: One run on a directory, in a process of its own: what it says of the disk, and whether a second
#: daemon gets in.
RUN = """
import asyncio, sys
from pathlib import Path
from gateway.buffer import Buffer, BufferConfig, BufferUnusableError, OsDisk
from gateway.clock import SystemClock
from tests.kit.blocks import block, catalog_content, no_zstd, put_catalog

async def main(path):
    disk, clock = OsDisk(path), SystemClock()
    config = BufferConfig("gw-1", free_bytes_min=0)
    buffer = await Buffer.open(disk, clock, asyncio.to_thread, config, no_zstd)
    before = buffer.live_blocks
    epoch = buffer.open_epoch(clock.boot_id, clock.now_ns())
    put_catalog(buffer)
    buffer.put(block(epoch, 1, oldest_ns=clock.now_ns()))
    await buffer.flush()
    try:
        OsDisk(path)
    except BufferUnusableError as error:
        second = error.message
    else:
        second = "let in"
    print(before, buffer.live_blocks, buffer.snapshot()["state"], second, flush=True)
    await buffer.close()
    disk.close()

asyncio.run(main(Path(sys.argv[1])))
"""


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
        put_catalog(first)
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
        assert await second.catalog(epoch, 1) == catalog_content()
        again.close()

    asyncio.run(main())


def on_a_small_disk(folder: Path, steps: str) -> list[str]:
    """What runs say on a file system of 256 KiB of their own: `steps` in sh, `run` is one run."""
    private = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    script = f"""
        set -e
        run() {{ "$PYTHON" -c "$RUN" "$DISK/buffer"; }}
        mount -t tmpfs -o size=256k tmpfs "$DISK"
        {steps}
    """
    done = subprocess.run(
        ["unshare", *private, "sh", "-c", script],
        env={**os.environ, "PYTHON": sys.executable, "RUN": RUN, "DISK": str(folder)},
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_disk_when_full_at_the_first_start_is_run_on_in_ram(tmp_path: Path) -> None:
    fill = 'mkdir "$DISK/buffer"; cat /dev/zero > "$DISK/others" 2> /dev/null || true; run; '
    assert on_a_small_disk(tmp_path, fill + 'rm "$DISK/others"; run') == [
        "0 1 memory_only buffer.locked",
        "0 1 ok buffer.locked",
    ]


def test_disk_when_read_only_at_the_start_is_run_on_in_ram(tmp_path: Path) -> None:
    read_only = 'mount -o remount,ro "$DISK"; run; '
    for first, kept in (("run; ", 1), ('mkdir "$DISK/buffer"; ', 0)):
        said = on_a_small_disk(tmp_path, first + read_only)
        assert said[-1] == f"{kept} {kept + 1} memory_only buffer.locked"


def test_directory_when_its_daemon_could_make_no_lock_file_is_refused_all_the_same(
    tmp_path: Path,
) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    with pytest.raises(BufferUnusableError) as caught:
        OsDisk(tmp_path)
    assert caught.value.arguments == {"path": str(tmp_path), "pid": "?"}
    os.close(directory)
    OsDisk(tmp_path).close()


def test_file_when_closed_twice_never_closes_a_file_that_got_its_number(tmp_path: Path) -> None:
    disk = OsDisk(tmp_path)
    file = disk.open("a.seg", create=True)
    file.close()
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    os.write(other, b"theirs")
    for late in (file.close, lambda: file.truncate(0)):
        with pytest.raises(OSError):
            late()
    assert os.pread(other, 9, 0) == b"theirs"
    os.close(other)
    disk.close()


def test_folder_when_made_for_refused_blocks_is_made_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, synced = OsDisk(tmp_path), list[int]()
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    disk.open("rejected/x", create=True).close()
    assert synced == [tmp_path.stat().st_ino]
    disk.close()
