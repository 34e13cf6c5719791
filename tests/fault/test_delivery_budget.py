"""The data budget on the real programs, against a meter of IP packets between box and platform."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from gateway.buffer import state
from gateway.buffer.disk import OsDisk
from gateway.uplink.budget import Note
from gateway.uplink.keptbudget import NAME, encode
from gateway.uplink.periods import number
from tests.kit.factory import Factory
from tests.kit.rig import wait_for

pytestmark = pytest.mark.slow

BUDGET_BYTES = 2 << 20
USED_BYTES = 1_810_000
SILENT_S = 3


def used_earlier(factory: Factory) -> None:
    """The box is not new: this month it has used USED_BYTES before."""
    disk = OsDisk(factory.folder / "buffer")
    note = Note("month", used=USED_BYTES, period=number("month", time.time_ns()))
    state.write(disk, encode(note), NAME)
    disk.close()


def test_budget_when_used_up_then_nothing_crosses_the_wire_and_a_bigger_one_loses_nothing(
    tmp_path: Path,
) -> None:
    lines = 'data_budget = "2 MiB/month"\nsend_every = "100 ms"'
    with Factory(tmp_path / "factory", platform=lines) as factory:

        def told() -> dict[str, Any]:
            uplink: dict[str, Any] = factory.told()["uplink"]
            return uplink

        used_earlier(factory)
        factory.start()
        factory.wait_acked(500)
        before = told()["budget"]["used_bytes"]
        assert factory.relay.ip_bytes() <= before - USED_BYTES
        factory.crash()
        factory.start()
        wait_for("the new run's stream", lambda: told()["state"] == "connected")
        assert told()["budget"]["used_bytes"] >= before

        wait_for("the end of the budget", lambda: told()["state"] == "paused")
        factory.run_for(1)  # the connection ends
        carried, budget = factory.relay.ip_bytes(), told()["budget"]
        counted = budget["used_bytes"] - USED_BYTES
        assert carried <= counted <= BUDGET_BYTES - USED_BYTES
        assert counted < 2 * carried, f"{counted} bytes counted, {carried} carried"
        assert "budget.used_up" in {said["id"] for said in factory.told()["warnings"]}
        connects = told()["connects"]
        factory.run_for(SILENT_S)
        assert factory.relay.ip_bytes() == carried and told()["connects"] == connects

        assert factory.stop_daemon() == 0
        text = factory.config.read_text(encoding="utf-8")
        factory.config.write_text(text.replace("2 MiB/month", "100 MB/month"), encoding="utf-8")
        factory.start()
        factory.wait_drained()
        assert told()["budget"]["used_bytes"] - USED_BYTES >= factory.relay.ip_bytes()
        assert factory.stop_daemon() == 0
        factory.settle()
