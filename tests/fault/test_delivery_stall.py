"""Delivery when the daemon's event loop stands still, while the machines are read on."""

from __future__ import annotations

import threading

import pytest

from tests.kit.factory import Factory
from tests.kit.hold import held
from tests.kit.rig import wait_for

pytestmark = pytest.mark.slow

STALL_S = 5


def test_event_loop_when_held_up_for_5_s_then_no_row_is_lost(factory: Factory) -> None:
    factory.start()
    factory.wait_acked()
    pid = factory.told()["pid"]
    before = factory.told()["counters"]["scans"]
    with held(pid):
        threading.Event().wait(STALL_S)
    # Of the robot alone there is a scan each 10 ms.
    wait_for("the scans of the stall", lambda: factory.told()["counters"]["scans"] > before + 400)
    factory.wait_drained()
    assert factory.stop_daemon() == 0
    report, _ = factory.settle()
    assert "memory_full" not in report.in_gaps
