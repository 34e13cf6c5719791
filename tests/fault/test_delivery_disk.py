"""Delivery when the buffer's place runs out, is full of others' files, or is taken away."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.buffer import BufferConfig
from tests.kit.books import Stored
from tests.kit.factory import GATEWAY, TICKS_A_START, Factory, now_ns
from tests.kit.prefill import TICKS, prefill
from tests.kit.rig import wait_for

pytestmark = pytest.mark.slow

#: The least that the configuration takes.
MAX_SIZE = 16 << 20
#: Room that is left to the daemon under test: some seconds of its blocks.
LEFT = 2500


def given_up(stored: Stored) -> int:
    """Blocks that gaps announce as never coming."""
    ranges = {one for found in stored.given_up.values() for one in found}
    return sum(last - first + 1 for first, last in ranges)


@pytest.mark.parametrize("when_full", ["drop_oldest", "drop_newest"])
def test_buffer_when_at_max_size_then_what_it_dropped_is_announced_tick_by_tick(
    tmp_path: Path, when_full: str
) -> None:
    lines = f'max_size = "{MAX_SIZE >> 20} MiB"\nwhen_full = "{when_full}"'
    with Factory(tmp_path / "factory", buffer=lines) as factory:
        config = BufferConfig(GATEWAY, max_bytes=MAX_SIZE)
        book = factory.sampled / "old.csv"
        blocks = asyncio.run(prefill(factory.folder / "buffer", book, config, LEFT))
        assert blocks > 100
        factory.relay.cut()
        factory.start()
        wait_for("eviction", lambda: factory.told()["buffer"]["evicted_blocks"] > 0)
        factory.run_for(3)
        assert factory.told()["buffer"]["bytes"] <= MAX_SIZE
        factory.relay.mend()
        factory.wait_drained()
        buffer = factory.told()["buffer"]
        assert factory.stop_daemon() == 0
        if when_full == "drop_oldest":
            report, stored = factory.settle({"evicted_oldest": blocks * TICKS})
            assert report.gap_ticks["evicted_oldest"] == TICKS * buffer["evicted_blocks"]
            assert report.in_gaps["evicted_oldest"] == TICKS * buffer["evicted_blocks"]
        else:
            report, stored = factory.settle({"refused_newest": 60 * 120})
            without_row = report.gap_ticks["refused_newest"] - report.in_gaps["refused_newest"]
            assert 0 <= without_row <= sum(TICKS_A_START.values())
        assert given_up(stored) == buffer["evicted_blocks"]


def told(factory: Factory) -> list[str]:
    """What `jiahe buffer` warns of."""
    return [said["id"] for said in factory.told()["buffer"]["warnings"]]


class SmallDisk:
    """A file system of 12 MiB, seen by one daemon only, and others' files on it."""

    def __init__(self, folder: Path, options: str = "size=12m") -> None:
        self._folder = folder
        folder.mkdir()
        private = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
        script = f'mount -t tmpfs -o {options} tmpfs "$0" && exec "$@"'
        self.within = ["unshare", *private, "sh", "-c", script, str(folder)]

    def seen_by(self, pid: int) -> Path:
        return Path(f"/proc/{pid}/root{self._folder}")

    def fill(self, pid: int, *, left_bytes: int = 0) -> Path:
        """Others' file takes all but `left_bytes`; returns it."""
        others = self.seen_by(pid) / "others"
        with others.open("ab", buffering=0) as file:
            while True:
                found = os.fstatvfs(file.fileno())
                free = found.f_bavail * found.f_frsize - left_bytes
                if free <= 0:
                    return others
                file.write(bytes(free))


def test_disk_when_full_of_others_files_then_nothing_is_lost_and_it_recovers(
    tmp_path: Path,
) -> None:
    """First little is left, then not a byte, then enough again."""
    with Factory(tmp_path / "factory") as factory:
        disk = SmallDisk(factory.folder / "buffer")
        factory.start(disk.within)
        factory.wait_acked()
        wait_for("a warning before", lambda: "buffer.disk_near" in told(factory))
        factory.relay.cut()
        factory.run_for(3)
        pid = factory.told()["pid"]
        disk.fill(pid, left_bytes=1 << 20)
        factory.run_for(2)
        assert factory.told()["buffer"]["evicted_blocks"] == 0, "given up for others, in vain"
        others = disk.fill(pid)
        wait_for("memory", lambda: factory.told()["buffer"]["state"] == "memory_only")
        before = factory.told()["counters"]["scans"]
        factory.run_for(3)
        assert factory.told()["counters"]["scans"] > before + 200
        others.unlink()
        wait_for("the disk again", lambda: factory.told()["buffer"]["state"] == "ok")
        log, words = factory.folder / "daemon.log", " is full: data is kept in memory"
        wait_for("begun and over", lambda: log.read_text().count(words) == 2)
        factory.relay.mend()
        factory.wait_drained()
        assert factory.stop_daemon() == 0
        factory.settle()


def test_disk_when_read_only_then_said_with_its_remedy_until_it_takes_writes_again(
    tmp_path: Path,
) -> None:
    with Factory(tmp_path / "factory") as factory:
        disk = SmallDisk(factory.folder / "buffer", "size=12m,ro")
        factory.start(disk.within)
        wait_for("its word", lambda: "buffer.read_only" in told(factory))
        assert factory.told()["buffer"]["state"] == "memory_only"
        enter = ["nsenter", "-t", str(factory.told()["pid"]), "--mount"]
        enter += [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        at = str(factory.folder / "buffer")
        subprocess.run([*enter, "mount", "-o", "remount,rw", at], check=True)
        wait_for("the disk again", lambda: factory.told()["buffer"]["state"] == "ok")
        wait_for("nothing more to say", lambda: "buffer.read_only" not in told(factory))
        factory.wait_acked()
        assert factory.stop_daemon() == 0
        factory.settle()


def test_buffer_when_its_folder_is_removed_then_it_says_so_and_goes_on(factory: Factory) -> None:
    """What was on the disk is gone, and announced; what comes after is not."""
    folder = factory.folder / "buffer"
    factory.start()
    factory.wait_acked()
    factory.relay.cut()
    factory.run_for(3)
    removed_ns = now_ns()
    shutil.rmtree(folder)
    wait_for("memory", lambda: factory.told()["buffer"]["state"] == "memory_only")
    folder.mkdir()
    wait_for("the disk again", lambda: factory.told()["buffer"]["state"] == "ok")
    factory.relay.mend()
    factory.wait_drained()
    assert factory.stop_daemon() == 0
    report, stored = factory.settle({"damaged": 600})
    assert report.in_gaps["damaged"] > 100
    assert all(gap.start_ns < removed_ns for gap in stored.gaps if gap.reason == "damaged")
    said = (factory.folder / "daemon.log").read_text()
    assert "writing to the disk failed (there is no such file)" in said
