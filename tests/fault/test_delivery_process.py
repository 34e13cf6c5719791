"""Delivery when the daemon itself is killed, stopped or started twice."""

from __future__ import annotations

import random
import signal
from contextlib import closing
from pathlib import Path

import pytest

from ingest.stores.sqlite import connect_readonly
from tests.kit.factory import Factory, assert_flat, resources
from tests.kit.rig import Program, wait_for

pytestmark = pytest.mark.slow

KILLS = 20


def test_daemon_when_killed_20_times_under_load_then_only_the_crash_gaps_are_missing(
    factory: Factory, rng: random.Random
) -> None:
    """Half of the kills with the uplink down: what was flushed is then on disk only."""
    daemons, receivers = [], []
    for _ in range(KILLS):
        if rng.random() < 0.5:
            factory.relay.cut()
            factory.start()
            factory.run_for(rng.uniform(0.0, 3.0))
            daemons.append(resources(factory.told()["pid"]))
            factory.crash()
            factory.relay.mend()
        else:
            factory.start()
            factory.run_for(rng.uniform(0.0, 2.0))
            daemons.append(resources(factory.told()["pid"]))
            factory.crash()
        receivers.append(resources(factory.receiver_pid))
    factory.start()
    factory.wait_acked()
    factory.wait_drained()
    assert factory.stop_daemon() == 0
    report, stored = factory.settle()
    assert report.in_gaps.get("crash", 0) > 0, "no kill cost anything: was there a load?"
    assert sum(gap.reason == "crash" for gap in stored.gaps) >= KILLS
    assert_flat(daemons)
    assert_flat(receivers[3:])  # after its first streams its pools are warm


@pytest.mark.parametrize("uplink", ["up", "down"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_daemon_when_told_to_stop_then_the_epoch_is_closed_and_nothing_is_missing(
    tmp_path: Path, number: signal.Signals, uplink: str
) -> None:
    """With a flush each 10 s: what is on disk at the end is there because of the stop."""
    with Factory(tmp_path / "factory", buffer='flush_every = "10 s"') as factory:
        factory.start()
        factory.wait_acked()
        if uplink == "down":
            factory.relay.cut()
            factory.run_for(2)
        assert factory.stop_daemon(number) == 0
        if uplink == "down":
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
    assert "Two daemons must not share a directory" in said
    assert len(said.splitlines()) == 1, said
    assert factory.told()["uplink"]["state"] == "connected"
    assert factory.stop_daemon() == 0
    factory.settle()
