"""Each part of the real daemon stopped in turn: the watchdog bites within its time and says which;
what is merely slow, or hangs outside the daemon, does not make it bite.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

from gateway.buffer.export import export
from tests.kit.dtu import free_port
from tests.kit.rig import wait_for
from tests.kit.watched import Box, running

pytestmark = pytest.mark.slow

#: WatchdogSec= of these tests: a part is stuck after three quarters of it.
WATCHDOG_S = 8

MORE = """
[links.dials-in]
type = "listen"
listen = "127.0.0.1:{port}"
[devices.e]
link = "dials-in"
driver = "modbus"
framing = "rtu"
every = "1 s"
tags = {{ t = {{ address = "holding:0", type = "uint16" }} }}
[links.cell]
type = "tcp"
address = "127.0.0.1:2"
[devices.lathe]
link = "cell"
driver = "mtconnect"
every = "250 ms"
tags = {{ x = {{ address = "Xabs", type = "float64" }} }}
"""

#: The daemon with a function that never comes back once the file `hang` is there.
PLANTED = """
import asyncio, sys, threading
from importlib import import_module
from pathlib import Path
from gateway.cli.main import main
from gateway.uplink import uplink

module, owner, name = sys.argv[1].rsplit(":")
owner = getattr(import_module(module), owner)
hang = Path(sys.argv[3]).parent / "hang"
real = getattr(owner, name)
uplink.OPENING_S_MAX = 2.0

def waits(self, *args, **kwargs):
    if hang.exists():
        threading.Event().wait()
    return real(self, *args, **kwargs)

async def never_ends(self, *args, **kwargs):
    if hang.exists():
        await asyncio.Event().wait()
    return await real(self, *args, **kwargs)

setattr(owner, name, never_ends if sys.argv[2] == "task" else waits)
sys.exit(main(["run", "--config", sys.argv[3]]))
"""


def said_stuck(box: Box, part: str) -> bool:
    return f"{part} has not moved for 6 s" in box.log.read_text()


def test_watchdog_when_a_thread_of_links_hangs_then_names_it_and_what_was_sampled_is_kept(
    tmp_path: Path, project: Path
) -> None:
    """With `flush_every` of a minute all of it was in RAM."""
    with running(tmp_path, project, flush_every="60 s", watchdog_s=WATCHDOG_S) as box:
        wait_for("blocks in RAM", lambda: box.shows(lambda s: s["buffer"]["memory_blocks"] >= 3))
        sealed = box.status()["counters"]["sealed_blocks"]
        box.hangs("epoll_pwait2").touch()
        assert box.process.wait(6 + 12) == 1
        assert said_stuck(box, "the thread that reads link l")
        assert "drivers/scan.py" in box.log.read_text()  # where it stood
        assert "saved first" in box.log.read_text()
    assert export(tmp_path / "buffer", "gw-1", "", b"", tmp_path / "out").blocks >= sealed


def test_watchdog_when_a_seal_hangs_then_names_it_and_has_systemd_bite(
    tmp_path: Path, project: Path
) -> None:
    with running(tmp_path, project, watchdog_s=WATCHDOG_S) as box:
        wait_for("the first flush", box.is_up, within_s=20)
        box.hangs("ZSTD_compressCCtx").touch()
        wait_for("it says so", lambda: said_stuck(box, "the sealing of a block"), within_s=12)
        box.pinged()
        wait_for("systemd is told", lambda: box.told(b"WATCHDOG=trigger"), within_s=8)
        box.process.send_signal(signal.SIGABRT)  # as systemd does
        assert box.process.wait(5) == -signal.SIGABRT
        assert "gateway/sealing.py" in box.log.read_text()


@pytest.mark.parametrize(
    ("function", "part"),
    [
        ("gateway.sealing:Sealing:_beat", "the beat of the seals"),
        ("gateway.buffer.writer:Writer:work", "the buffer"),
        ("gateway.uplink.channel:GrpcChannel:open", "the uplink"),
    ],
)
def test_watchdog_when_a_task_hangs_then_names_it_and_the_daemon_ends(
    tmp_path: Path, project: Path, function: str, part: str
) -> None:
    command = (sys.executable, "-c", PLANTED, function, "task")
    with running(tmp_path, project, watchdog_s=WATCHDOG_S, command=command) as box:
        wait_for("the first flush", box.is_up, within_s=20)
        box.hangs("hang").touch()
        # The uplink may be waiting for its next attempt.
        wait_for("it ends", lambda: box.process.poll() is not None, within_s=40)
        assert box.process.returncode == 1
        assert said_stuck(box, part)


@pytest.mark.parametrize(
    ("function", "part", "ends"),
    [
        ("drivers.host.runner:HostRunner:_settle", "the thread that reads link cell", True),
        ("drivers.listener:Listener:_turn", "the thread that takes in devices", True),
        ("gateway.sealing:Sealing:seal", "the main loop", False),
    ],
)
def test_watchdog_when_a_thread_hangs_then_names_it(
    tmp_path: Path, project: Path, function: str, part: str, ends: bool
) -> None:
    command = (sys.executable, "-c", PLANTED, function, "thread")
    with running(
        tmp_path,
        project,
        more=MORE.format(port=free_port()),
        watchdog_s=WATCHDOG_S,
        command=command,
    ) as box:
        wait_for("the first flush", box.is_up, within_s=20)
        box.hangs("hang").touch()
        if ends:
            assert box.process.wait(10 + 6 + 12) == 1
        else:
            wait_for("systemd is told", lambda: box.told(b"WATCHDOG=trigger"), within_s=18)
        assert part in box.log.read_text() and "has not moved for 6 s" in box.log.read_text()


def test_watchdog_when_disk_platform_and_a_python_driver_hang_is_fed(
    tmp_path: Path, project: Path
) -> None:
    """And a daemon that was stopped for longer than its time goes on where it was."""
    with socket.create_server(("127.0.0.1", 0)) as black_hole:
        platform = f"127.0.0.1:{black_hole.getsockname()[1]}"
        with running(
            tmp_path,
            project,
            platform=platform,
            more=MORE.format(port=free_port()),
            watchdog_s=WATCHDOG_S,
        ) as box:
            wait_for("the first flush", box.is_up, within_s=20)
            wait_for("the driver's process", box.children)
            for host in box.children():
                os.kill(host, signal.SIGSTOP)
            box.hangs("fdatasync").touch()
            # Nothing shows that it will never bite but that it does not, for twice its time.
            threading.Event().wait(2 * WATCHDOG_S)
            box.process.send_signal(signal.SIGSTOP)
            threading.Event().wait(WATCHDOG_S)
            box.process.send_signal(signal.SIGCONT)
            box.pinged()
            wait_for("the watchdog is fed", box.pinged, within_s=5)
            assert "has not moved" not in box.log.read_text()
            box.hangs("fdatasync").unlink()
            wait_for("all is on disk", lambda: box.buffer()["state"] == "ok", within_s=15)
            assert box.process.poll() is None
