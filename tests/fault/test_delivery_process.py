"""Delivery when the daemon itself is killed, stopped or started twice."""

from __future__ import annotations

import os
import random
import signal
import threading
from contextlib import closing
from pathlib import Path

import pytest

from ingest.stores.opening import connect_readonly
from tests.kit.factory import Factory, assert_flat, resources
from tests.kit.rig import Program, wait_for

pytestmark = pytest.mark.slow

#: `make reliability` kills 200 times.
KILLS = 200 if os.environ.get("JIAHE_LONG") else 20


@pytest.mark.timeout(1800)
def test_daemon_when_killed_again_and_again_under_load_then_only_the_crash_gaps_are_missing(
    factory: Factory, rng: random.Random
) -> None:
    """Half of the kills with the uplink down: what was flushed is then on disk only."""
    receivers = []
    factory.start()
    factory.wait_acked()
    first = resources(factory.told()["pid"])
    factory.crash()
    for _ in range(KILLS - 1):
        if rng.random() < 0.5:
            factory.relay.cut()
            factory.start()
            factory.run_for(rng.uniform(0.0, 1.8))
            factory.crash()
            factory.relay.mend()
        else:
            factory.start()
            factory.run_for(rng.uniform(0.0, 1.2))
            factory.crash()
        receivers.append(resources(factory.receiver_pid))
    factory.start()
    factory.wait_acked()
    factory.wait_drained()
    last = resources(factory.told()["pid"])
    assert factory.stop_daemon() == 0
    report, stored = factory.settle()
    assert report.in_gaps.get("crash", 0) > 0, "no kill cost anything: was there a load?"
    assert sum(gap.reason == "crash" for gap in stored.gaps) >= KILLS
    assert_flat([first, last])  # both with the uplink up, which takes six descriptors
    assert_flat(receivers[3:])  # after its first streams its pools are warm


@pytest.mark.parametrize("uplink", ["up", "down", "half-open"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_daemon_when_told_to_stop_then_the_epoch_is_closed_and_nothing_is_missing(
    tmp_path: Path, number: signal.Signals, uplink: str
) -> None:
    """With a flush each 10 s: what is on disk at the end is there because of the stop."""
    with Factory(tmp_path / "factory", buffer='flush_every = "10 s"') as factory:
        factory.start()
        factory.wait_acked()
        if uplink == "half-open":
            factory.relay.half_open(up=True, down=True)
        elif uplink == "down":
            factory.relay.cut()
        factory.run_for(1)
        assert factory.stop_daemon(number) == 0
        if uplink != "up":
            factory.relay.cut()
            factory.relay.mend()
            factory.start()
            factory.wait_acked()
            factory.wait_drained()
            assert factory.stop_daemon(number) == 0
        _, stored = factory.settle()
        assert not [gap for gap in stored.gaps if gap.reason == "crash"]
        with closing(connect_readonly(factory.store)) as sql:
            closed = sql.execute("SELECT closed FROM epochs").fetchall()
        assert closed == [(1,)] * factory.starts


def test_daemon_when_a_second_one_is_started_then_it_is_refused_in_words(factory: Factory) -> None:
    factory.start()
    factory.wait_acked()
    log = factory.folder / "second.log"
    second = Program("jiahe", "run", "--config", str(factory.config), log=log, ready_line=False)
    wait_for("the second daemon's end", lambda: second.process.poll() is not None)
    assert second.stop() == 1
    said = log.read_text()
    assert "used by another jiahe" in said
    assert "two daemons must not share a directory" in said
    assert len(said.splitlines()) == 1, said
    assert factory.told()["uplink"]["state"] == "connected"
    assert factory.stop_daemon() == 0
    factory.settle()


def test_daemon_when_frozen_for_3_s_then_the_ticks_that_it_slept_through_are_announced(
    factory: Factory,
) -> None:
    """As a paused virtual machine: no clock steps, and no burst of stored-up scans follows."""
    factory.start()
    factory.wait_acked()
    pid = factory.told()["pid"]
    os.kill(pid, signal.SIGSTOP)
    threading.Event().wait(3)
    os.kill(pid, signal.SIGCONT)
    factory.run_for(2)
    assert factory.stop_daemon() == 0
    # An answer under way when it froze is read as bad, in a row that says how far off its time is.
    report, _ = factory.settle({"overrun": 3 * 120 + 300})
    assert report.gap_ticks["overrun"] > 3 * 110


def test_daemon_when_it_may_open_few_files_then_it_raises_the_limit_or_says_so(
    factory: Factory,
) -> None:
    factory.start_daemon(["prlimit", "--nofile=40:40"])
    assert factory.daemon is not None
    ended = factory.daemon.process
    wait_for("the daemon's end", lambda: ended.poll() is not None)
    assert factory.stop_daemon() == 1
    said = (factory.folder / "daemon.log").read_text()
    assert "lets it open 40 files only" in said and "LimitNOFILE" in said
    factory.start(["prlimit", "--nofile=40:4096"])
    factory.wait_acked(300)
    assert factory.stop_daemon() == 0
    factory.settle()
