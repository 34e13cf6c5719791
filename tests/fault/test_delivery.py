"""Delivery under faults of the uplink and of the platform, with the ledger over the three books.

Real programs on the process rig: what was sampled is stored once or announced, whatever happens.
"""

from __future__ import annotations

import signal
from contextlib import closing
from pathlib import Path

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.stores.sqlite import connect_readonly
from tests.kit.factory import Factory, assert_flat, resources
from tests.kit.rig import wait_for

pytestmark = pytest.mark.slow

OUTAGE_S = 30


def arrivals(store: Path) -> list[tuple[int, int]]:
    """(lane, seq) of every block of the only epoch, in the order in which they were stored."""
    with closing(connect_readonly(store)) as sql:
        return sql.execute("SELECT lane, seq FROM blocks ORDER BY rowid").fetchall()


def duplicates(store: Path) -> int:
    """Blocks that came again and were refused."""
    with closing(connect_readonly(store)) as sql:
        (count,) = sql.execute("SELECT sum(duplicates) FROM epochs").fetchone()
        return int(count)


def test_uplink_when_down_for_30_s_then_live_data_goes_first_and_nothing_is_missing(
    tmp_path: Path,
) -> None:
    with Factory(tmp_path / "factory", platform='send_every = "100 ms"') as factory:
        factory.start()
        factory.wait_acked()
        factory.relay.cut()
        factory.run_for(OUTAGE_S)
        waiting = factory.told()["uplink"]["backlog_blocks"]
        assert waiting > OUTAGE_S * 5
        factory.relay.slow(0.1)
        factory.relay.mend()
        factory.wait_drained()
        assert factory.stop_daemon() == 0
        factory.settle()
        assert duplicates(factory.store) == 0
        came = arrivals(factory.store)
    last_old = max(i for i, (lane, _) in enumerate(came) if lane == pb.LANE_BACKFILL)
    first_live = min(
        i for i, (lane, seq) in enumerate(came) if lane == pb.LANE_LIVE and seq > waiting
    )
    live_before = sum(lane == pb.LANE_LIVE for lane, _ in came[first_live:last_old])
    assert live_before > 3, "fresh blocks waited for the backlog"
    for lane in (pb.LANE_LIVE, pb.LANE_BACKFILL):
        seqs = [seq for of, seq in came if of == lane]
        assert seqs == sorted(seqs)


def test_uplink_when_flapping_then_no_block_is_sent_again_that_was_acknowledged(
    factory: Factory,
) -> None:
    factory.start()
    factory.wait_acked()
    pids = factory.told()["pid"], factory.receiver_pid
    before = [resources(pid) for pid in pids]
    for _ in range(4):
        factory.relay.cut()
        factory.run_for(0.5)
        factory.relay.mend()
        factory.wait_drained()
    uplink = factory.told()["uplink"]
    for pid, first in zip(pids, before, strict=True):
        assert_flat([first, resources(pid)])
    assert factory.stop_daemon() == 0
    factory.settle()
    assert uplink["connects"] >= 5
    assert uplink["resent_blocks"] <= 2 * uplink["connects"]
    assert duplicates(factory.store) <= uplink["resent_blocks"]


def test_uplink_when_half_open_then_heartbeats_tell_and_nothing_is_twice(factory: Factory) -> None:
    """Neither end is told; after three heartbeats of 10 s the box begins a new stream.

    For so long nothing else happens: what the processes hold must not grow.
    """
    factory.start()
    factory.wait_acked()
    factory.run_for(2)
    daemon, receiver = factory.told()["pid"], factory.receiver_pid
    factory.relay.half_open(up=True, down=True)
    seen = []
    while factory.told()["uplink"]["connects"] == 1:
        factory.run_for(1)
        seen.append((resources(daemon), resources(receiver)))
        assert len(seen) < 40, "nobody noticed that the stream is dead"
    factory.wait_drained()
    assert_flat([box for box, _ in seen[:-1]])
    assert_flat([platform for _, platform in seen[:-1]])
    assert factory.stop_daemon() == 0
    factory.settle()
    said = (factory.folder / "daemon.log").read_text()
    assert "the platform said nothing for 30 s" in said


def test_block_when_its_acknowledgement_is_lost_then_it_is_sent_again_and_stored_once(
    factory: Factory,
) -> None:
    factory.start()
    factory.wait_acked()
    acked = factory.told()["uplink"]["acked_blocks"]
    factory.relay.half_open(up=False, down=True)
    wait_for("stored blocks", lambda: len(arrivals(factory.store)) >= acked + 5)
    factory.relay.cut()
    factory.relay.mend()
    factory.wait_drained()
    assert factory.stop_daemon() == 0
    factory.settle()
    assert duplicates(factory.store) == 0, "Welcome says what is held: nothing of it comes again"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_receiver_when_ended_and_started_again_then_nothing_is_missing_or_twice(
    factory: Factory, number: signal.Signals
) -> None:
    factory.start()
    factory.wait_acked()
    for _ in range(3):
        factory.run_for(0.5)
        status = factory.stop_receiver(number)
        assert status == (0 if number == signal.SIGTERM else -number)
        factory.run_for(1)
        factory.start_receiver()
        factory.wait_drained()
    assert factory.stop_daemon() == 0
    factory.settle()
