"""A disk that does not answer for minutes: the real daemon says so, lives on, and ends in time."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.buffer.export import export
from gateway.control.client import ControlClient, ControlError
from tests.kit.rig import wait_for
from tests.kit.watched import CONFIG, running

pytestmark = pytest.mark.slow


def test_disk_when_it_hangs_is_said_in_10_s_and_the_watchdog_is_fed_and_it_recovers(
    tmp_path: Path, project: Path
) -> None:
    with running(tmp_path, project) as box:
        wait_for("the first flush", box.is_up)
        box.hangs("fdatasync").touch()

        def said() -> bool:
            return any(w["id"] == "buffer.disk_hangs" for w in box.buffer()["warnings"])

        wait_for("the hang is said", said, within_s=10)
        wait_for(
            "in the journal, too", lambda: b"has not answered" in box.log.read_bytes(), within_s=5
        )
        box.pinged()
        wait_for("the watchdog is fed", box.pinged, within_s=5)
        assert box.buffer()["memory_blocks"] > 10
        box.hangs("fdatasync").unlink()
        wait_for("all is on disk", lambda: box.buffer()["state"] == "ok", within_s=15)
        wait_for("RAM is empty", lambda: box.buffer()["memory_blocks"] < 5, within_s=5)
        box.process.send_signal(signal.SIGTERM)
        assert box.process.wait(15) == 0


def test_stop_when_the_disk_hangs_ends_in_its_time_and_says_what_it_cost(
    tmp_path: Path, project: Path
) -> None:
    with running(tmp_path, project) as box:
        wait_for("the first flush", box.is_up)
        box.hangs("fdatasync").touch()
        wait_for("blocks wait", lambda: box.buffer()["memory_blocks"] > 3, within_s=10)
        box.process.send_signal(signal.SIGTERM)
        assert box.process.wait(15) == 1
        assert b"ended by force" in box.log.read_bytes()


#: The daemon with a part that fails as soon as the file named by the last argument is there.
BROKEN = """
import asyncio, sys
from pathlib import Path
from gateway.cli.main import main
from gateway.uplink.uplink import Uplink

async def run(self):
    while not Path(sys.argv[-1]).exists():
        await asyncio.sleep(0.05)
    raise RuntimeError("planted")

Uplink.run = run
sys.exit(main(["run", "--config", sys.argv[1]]))
"""


def test_part_when_it_fails_costs_nothing_that_was_sampled_before(tmp_path: Path) -> None:
    """With `flush_every` of a minute all of it was in RAM."""
    config = tmp_path / "gateway.toml"
    config.write_text(CONFIG.format(flush_every="60 s", platform="127.0.0.1:1"))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", BROKEN, config, tmp_path / "fail"], stderr=log, stdout=log
        )
        try:

            def has_blocks() -> bool:
                try:
                    found = ControlClient(tmp_path / "control.sock").call("status")
                except ControlError:
                    return False
                return bool(found["buffer"]["memory_blocks"] >= 3)

            wait_for("blocks in RAM", has_blocks)
            (tmp_path / "fail").touch()
            assert process.wait(20) == 1
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
    said = (tmp_path / "log").read_text()
    assert "planted" in said and "saved first" in said
    done = export(tmp_path / "buffer", "gw-1", "", b"", tmp_path / "out")
    assert done.blocks >= 3
