"""Delivery under faults of the uplink and of the platform, with the ledger over the three books.

Real programs on the process rig: what was sampled is stored once or announced, whatever happens.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.stores.opening import connect_readonly
from tests.kit.factory import Factory, Resources, assert_flat, resources
from tests.kit.rig import wait_for

pytestmark = pytest.mark.slow

OUTAGE_S = 30


def arrivals(store: Path) -> list[tuple[int, int]]:
    """(lane, seq) of every block of the only epoch, in the order in which they were stored."""
    with closing(connect_readonly(store)) as sql:
        return sql.execute("SELECT lane, seq FROM blocks ORDER BY payload, place").fetchall()


def duplicates(store: Path) -> int:
    """Blocks that came again and were refused."""
    with closing(connect_readonly(store)) as sql:
        (count,) = sql.execute("SELECT sum(duplicates) FROM epochs").fetchone()
        return int(count)


class Silence(NamedTuple):
    """Two boxes after the same 30 s: the uplink of one was down, that of the other half-open."""

    down: Factory
    half_open: Factory
    seen: list[tuple[Resources, Resources]]  # daemon and receiver of the second, each second


@pytest.fixture(scope="module")
def silence(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Silence]:
    folder = tmp_path_factory.mktemp("silence")
    with (
        Factory(folder / "down", platform='send_every = "100 ms"') as down,
        Factory(folder / "half-open") as half_open,
    ):
        for factory in (down, half_open):
            factory.start()
            factory.wait_acked()
        pids = half_open.told()["pid"], half_open.receiver_pid
        down.relay.cut()
        half_open.run_for(2)
        half_open.relay.half_open(up=True, down=True)
        seen = []
        for _ in range(OUTAGE_S - 2):
            down.run_for(1)
            half_open.told()
            seen.append((resources(pids[0]), resources(pids[1])))
        wait_for("a new stream", lambda: half_open.told()["uplink"]["connects"] == 2)
        yield Silence(down, half_open, seen)


def test_uplink_when_down_for_30_s_then_live_data_goes_first_and_nothing_is_missing(
    silence: Silence,
) -> None:
    factory = silence.down
    waiting = factory.told()["uplink"]["backlog_blocks"]
    assert waiting > OUTAGE_S * 5
    factory.relay.slow(0.25)
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
    seen = []
    for _ in range(3):
        factory.relay.cut()
        factory.run_for(0.5)
        factory.relay.mend()
        factory.wait_drained()
        wait_for("acks", lambda: factory.told()["uplink"]["in_flight_blocks"] == 0)
        seen.append([resources(pid) for pid in pids])
    uplink = factory.told()["uplink"]
    for of_one in zip(*seen, strict=True):
        assert_flat(of_one)
    assert factory.stop_daemon() == 0
    factory.settle()
    assert uplink["connects"] >= 4
    assert uplink["resent_blocks"] <= 2 * uplink["connects"]
    assert duplicates(factory.store) <= uplink["resent_blocks"]


def test_uplink_when_half_open_then_heartbeats_tell_and_nothing_is_twice(
    silence: Silence,
) -> None:
    """Neither end is told; a box that waits for answers begins a new stream within 10 s.

    For so long nothing else happens: what the processes hold must not grow.
    """
    factory = silence.half_open
    assert factory.told()["uplink"]["connects"] == 2
    factory.wait_drained()
    assert_flat([daemon for daemon, _ in silence.seen])
    assert_flat([receiver for _, receiver in silence.seen])
    assert factory.stop_daemon() == 0
    factory.settle()
    said = (factory.folder / "daemon.log").read_text()
    (silent_s,) = re.findall(r"the platform said nothing for (\d+) s", said)
    assert int(silent_s) <= 10


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
    for _ in range(2):
        factory.run_for(0.5)
        status = factory.stop_receiver(number)
        assert status == (0 if number == signal.SIGTERM else -number)
        factory.run_for(1)
        factory.start_receiver()
        factory.wait_drained()
    assert factory.stop_daemon() == 0
    factory.settle()
