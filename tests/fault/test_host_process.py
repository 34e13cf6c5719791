"""A host that crashes, hangs, lies or is slow, as a real process: its ticks are accounted, nothing
else is delayed, and it comes back.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.api import DevicePlan, DeviceSpec, LinkSpec, OpenedLinks, TagSpec
from drivers.host.accounts import TickAccount
from drivers.host.frames import Row
from drivers.host.runner import HostRunner, open_hosted
from drivers.host.values import lay_out
from native.block.latest import latest
from tests.kit.hosted import LIES

PERIOD = 50_000_000
SOURCES = "tests.kit.hosted"


def opened(
    source: str, names: tuple[str, ...] = ("one",), *, align: bool = False, period: int = PERIOD
) -> OpenedLinks:
    links = []
    for name in names:
        tags = (TagSpec("x", name, "int32", period),)
        link = LinkSpec(name, "tcp", host="127.0.0.1", tcp_port=1)
        device = DeviceSpec(f"d-{name}", link, "kit", tags, align=align)
        links.append((link, [DevicePlan(device, tuple(lay_out(device)))]))
    return open_hosted("kit", f"{SOURCES}:{source}", links, 0)


@contextlib.contextmanager
def running(made: OpenedLinks) -> Iterator[HostRunner]:
    (runner,) = made.runners
    assert isinstance(runner, HostRunner)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        yield runner
    finally:
        begun = time.monotonic()
        runner.stop()
        thread.join(10)
        assert time.monotonic() - begun < 1.0, "a stop waits for no host"
    assert runner.pid == 0
    for group in made.groups:
        shown = group.snapshot()
        assert shown["ticks"] == shown["rows"] + sum(shown["skipped"].values())
        assert shown["ticks"] > 0


def wait_until(ready: object, within_s: float = 15.0) -> None:
    assert callable(ready)
    tick, end = threading.Event(), time.monotonic() + within_s
    while not ready():
        assert time.monotonic() < end, "not in time"
        tick.wait(0.02)


def quality(made: OpenedLinks, group: int = 0) -> int:
    row = latest(made.groups[group])
    return row[1][0][1] if row else 0


def test_host_when_it_is_killed_then_bad_at_once_and_good_again_in_five_seconds() -> None:
    made = opened("counting")
    with running(made) as runner:
        wait_until(lambda: quality(made) == 1)
        first = runner.pid
        os.kill(first, signal.SIGKILL)
        begun = time.monotonic()
        wait_until(lambda: quality(made) == 130)
        assert time.monotonic() - begun < 1.0
        wait_until(lambda: quality(made) == 1)
        assert time.monotonic() - begun < 5.0
        assert runner.pid != first
        wait_until(lambda: runner.links()[0]["state"] == "up", 1.0)
        assert made.groups[0].snapshot()["skipped"].get("link_down", 0) > 0
    assert not Path(f"/proc/{first}").exists()


def test_host_when_it_hangs_then_killed_and_started_again() -> None:
    made = opened("hanging")
    with running(made) as runner:
        wait_until(lambda: quality(made) == 1)
        first = runner.pid
        wait_until(lambda: runner.restarts == 1 and runner.pid not in (0, first), 12.0)
        wait_until(lambda: quality(made) == 1)


def test_host_when_it_crashes_at_each_start_then_said_and_not_hammered() -> None:
    made = opened("crashing")
    with running(made) as runner:
        wait_until(lambda: runner.restarts >= 2)
        (link,) = runner.links()
        assert link["cause"]["id"] == "host.ended"
        (device,) = runner.devices()
        assert device["state"] == "silent"
        wait_until(lambda: quality(made) == 130)


def test_ticks_when_aligned_then_at_once_and_as_soon_as_utc_is_known_at_whole_multiples() -> None:
    made = opened("counting", align=True)

    def mid_ns() -> int:
        row = latest(made.groups[0])
        return row[0] if row else 0

    with running(made):
        wait_until(lambda: quality(made) == 1)
        # As far from the grid as can be.
        ahead_ns = (1 << 34) * PERIOD - mid_ns() - PERIOD // 2
        made.know_utc(ahead_ns)
        on_grid: set[int] = set()

        def settled() -> bool:
            at_ns = mid_ns()
            off_ns = abs((at_ns + ahead_ns + PERIOD // 2) % PERIOD - PERIOD // 2)
            on_grid.add(at_ns) if off_ns < PERIOD // 5 else on_grid.clear()
            return len(on_grid) >= 5

        wait_until(settled)


def test_first_tick_when_aligned_then_it_waits_for_no_multiple() -> None:
    made = opened("counting", align=True, period=3600 * 10**9)
    made.know_utc(1_800_000_000_123_456_789)
    with running(made):
        wait_until(lambda: quality(made) == 1)


@pytest.mark.parametrize("lie", LIES)
def test_host_when_it_says_what_no_host_says_then_it_ends_and_another_begins(lie: str) -> None:
    """What it says is shown as it stands, so a shape that nothing can show is no less a lie."""
    made = opened("lying", (lie,))
    with running(made) as runner:
        wait_until(lambda: runner.restarts >= 1)
        assert runner.links() and runner.devices()
        wait_until(lambda: quality(made) == 1)


@pytest.mark.parametrize("error", [ValueError, OverflowError, KeyError, TypeError, OSError])
def test_host_when_what_it_says_cannot_be_worked_then_it_ends_and_the_thread_lives(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, failed = opened("counting"), []
    take = TickAccount.row

    def fails_once(account: TickAccount, row: Row) -> None:
        if not failed and row.tick > 2:
            failed.append(row.tick)
            raise error("it does not work out")
        take(account, row)

    monkeypatch.setattr(TickAccount, "row", fails_once)
    with running(made) as runner:
        wait_until(lambda: runner.restarts == 1)
        (link,) = runner.links()
        assert link["state"] == "up" or error.__name__ in link["cause"]["args"]["why"]
        wait_until(lambda: quality(made) == 1)
    assert failed


def test_source_when_it_has_a_bug_then_its_link_says_so_and_the_others_go_on() -> None:
    made = opened("buggy", ("good", "bug"))
    with running(made) as runner:
        wait_until(lambda: quality(made, 0) == 1)
        wait_until(lambda: runner.links()[1]["cause"] is not None)
        good, bug = runner.links()
        assert (good["state"], bug["state"]) == ("up", "down")
        assert bug["cause"]["id"] == "host.driver_failed"
        assert "ZeroDivisionError" in bug["cause"]["args"]["error"]
        assert (runner.restarts, quality(made, 1)) == (0, 130)


def test_scan_when_slower_than_its_period_then_overrun_and_never_a_queue() -> None:
    made = opened("slow")
    with running(made):
        wait_until(lambda: made.groups[0].snapshot()["rows"] >= 5)
        shown = made.groups[0].snapshot()
        assert shown["skipped"].get("overrun", 0) >= shown["rows"]


def test_daemon_when_killed_then_its_host_ends_too(tmp_path: Path) -> None:
    """Also one that hangs and hears nothing."""
    script = (
        "import sys, threading\n"
        "from tests.fault.test_host_process import opened, wait_until\n"
        "made = opened('hanging')\n"
        "threading.Thread(target=made.runners[0].run, daemon=True).start()\n"
        "wait_until(lambda: made.groups[0].snapshot()['rows'])\n"
        "sys.stdout.write(f'{made.runners[0].pid}\\n'); sys.stdout.flush()\n"
        "threading.Event().wait(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as daemon:
        assert daemon.stdout is not None
        host = int(daemon.stdout.readline())
        assert Path(f"/proc/{host}").exists()
        daemon.kill()
    wait_until(lambda: not _runs(host), 3.0)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_daemon_when_its_host_floods_then_its_own_threads_keep_their_beat() -> None:
    made = opened("flooding")
    late = []
    with running(made):
        wait_until(lambda: made.groups[0].snapshot()["rows"] > 0)
        beat, due = threading.Event(), time.monotonic()
        for _ in range(150):
            due += 0.02
            beat.wait(max(0.0, due - time.monotonic()))
            late.append(time.monotonic() - due)
    late.sort()
    assert late[len(late) * 9 // 10] < 0.1
