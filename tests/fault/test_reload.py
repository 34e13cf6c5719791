"""`jiahe reload` of the real daemon under load: taken up without loss, or refused, untouched."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ingest.stores.opening import connect_readonly
from tests.kit.factory import Factory
from tests.kit.rig import BIN, wait_for

pytestmark = pytest.mark.slow


def jiahe(factory: Factory, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "jiahe", command, "--config", factory.config],
        env={**os.environ, "JIAHE_LANG": "en"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def change(factory: Factory, old: str, new: str) -> None:
    text = factory.config.read_text("utf-8")
    assert old in text
    factory.config.write_text(text.replace(old, new), "utf-8")


def tags(status: dict[str, Any], device: str) -> int:
    found: dict[str, Any] = next(one for one in status["devices"] if one["name"] == device)
    return sum(group["tags"] for group in found["groups"])


@pytest.mark.parametrize("uplink", ["up", "down"])
def test_reload_when_accepted_then_it_is_in_use_and_nothing_is_missing(
    factory: Factory, uplink: str
) -> None:
    """Three times under load, in the same process; the pause is announced as stopped."""
    factory.start()
    factory.wait_acked()
    before = factory.told()
    if uplink == "down":
        factory.relay.cut()
    for i in range(3):
        line = 'load          = { address = "holding:5", type = "uint16" }\n'
        change(factory, line, line + f'more{i} = {{ address = "holding:5", type = "uint16" }}\n')
        done = jiahe(factory, "reload")
        assert done.returncode == 0, done.stderr
        assert "the new configuration is in use: run" in done.stdout
        factory.starts += 1
        now = factory.told()
        assert now["pid"] == before["pid"] and now["epoch"] != before["epoch"]
        assert tags(now, "cnc") == tags(before, "cnc") + i + 1
        factory.run_for(1)
    if uplink == "down":
        factory.relay.mend()
    factory.wait_acked()
    factory.wait_drained()
    assert factory.stop_daemon() == 0
    _, stored = factory.settle()
    assert not [gap for gap in stored.gaps if gap.reason == "crash"]
    with closing(connect_readonly(factory.store)) as sql:
        closed = sql.execute("SELECT closed FROM epochs").fetchall()
    assert closed == [(1,)] * 4
    rows = {
        epoch: [row.time_ns for row in stored.rows if row.epoch == epoch] for epoch in stored.scans
    }
    runs = sorted((min(times), max(times)) for times in rows.values())
    paused_s = [(later[0] - run[1]) / 1e9 for run, later in itertools.pairwise(runs)]
    assert max(paused_s) < 10


def test_reload_when_refused_then_says_what_check_says_and_the_daemon_goes_on(
    factory: Factory,
) -> None:
    factory.start()
    factory.wait_acked()
    before = factory.told()
    change(factory, 'every  = "10 ms"', 'every  = "10 parsecs"')
    checked, done = jiahe(factory, "check"), jiahe(factory, "reload")
    assert checked.returncode == done.returncode == 1
    assert done.stderr == checked.stderr and "parsecs" in done.stderr and not done.stdout
    # As `kill -HUP` asks it; the daemon's own words are in its log.
    os.kill(before["pid"], signal.SIGHUP)
    log = factory.folder / "daemon.log"
    wait_for("it says so", lambda: "goes on with the old one" in log.read_text())
    assert "parsecs" in log.read_text()
    change(factory, "10 parsecs", "10 ms")
    change(factory, 'path = "buffer"', 'path = "other"')
    done = jiahe(factory, "reload")
    assert done.returncode == 1 and "[buffer] path changed" in done.stderr, done
    change(factory, 'path = "other"', 'path = "buffer"')
    factory.run_for(1)
    now = factory.told()
    assert (now["pid"], now["epoch"]) == (before["pid"], before["epoch"])
    assert now["counters"]["scans"] > before["counters"]["scans"]
    assert factory.stop_daemon() == 0
    factory.settle()


def test_reload_when_nothing_changed_then_nothing_happens(factory: Factory) -> None:
    factory.start()
    factory.wait_acked()
    before = factory.told()
    done = jiahe(factory, "reload")
    assert done.returncode == 0 and "has not changed" in done.stdout
    assert factory.told()["epoch"] == before["epoch"]
    assert factory.stop_daemon() == 0
    factory.settle()


def test_reload_when_no_daemon_runs_then_says_so(factory: Factory, tmp_path: Path) -> None:
    done = jiahe(factory, "reload")
    assert done.returncode == 1 and "is not running" in done.stderr
