"""A box without a way to its platform: its data goes by USB stick, and nothing goes twice."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.kit.factory import Factory
from tests.kit.rig import BIN, wait_for

pytestmark = pytest.mark.slow


def _run(*arguments: str | Path) -> str:
    done = subprocess.run(
        [str(BIN / arguments[0]), *map(str, arguments[1:])],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def _runs(factory: Factory) -> list[dict[str, Any]]:
    """The books of each run at the platform."""
    url = f"sqlite:{factory.store}"
    found: list[dict[str, Any]] = json.loads(
        _run("jiahe-ingest", "audit", "--store", url, "--json")
    )["epochs"]
    return found


def test_backlog_when_carried_to_a_receiver_that_serves_then_complete_and_nothing_goes_twice(
    factory: Factory, tmp_path: Path
) -> None:
    factory.start()
    factory.wait_acked(50)  # the box is known, and its first blocks are there
    assert factory.stop_receiver() == 0
    factory.run_for(2)
    assert factory.stop_daemon() == 0
    factory.start()  # a second run that no platform ever heard
    factory.run_for(2)
    assert factory.stop_daemon() == 0
    stick = tmp_path / "stick.jiahe"
    _run("jiahe", "buffer", "export", stick, "--config", factory.config)

    factory.start_receiver()
    said = _run("jiahe-ingest", "import", "--store", f"sqlite:{factory.store}", stick)
    assert " 0 were held already, 0 refused" in said
    carried = _runs(factory)
    assert len(carried) == 2
    for run in carried:
        assert run["missing"] == run["missing_blocks"] == run["duplicates"] == 0, run
        assert not run["open"], run
    # And again: all of it is held.
    assert ": 0 blocks stored" in _run(
        "jiahe-ingest", "import", "--store", f"sqlite:{factory.store}", stick
    )
    again = [run["duplicates"] for run in _runs(factory)]

    factory.start()
    factory.wait_acked(100)
    wait_for("an empty backlog", lambda: factory.told()["uplink"]["backlog_blocks"] <= 1)
    assert factory.stop_daemon() == 0
    assert [run["duplicates"] for run in _runs(factory)[:2]] == again, "the box sent none of it"
    factory.settle()


def test_import_when_a_box_streams_at_the_same_time_then_both_are_taken(
    factory: Factory, tmp_path: Path
) -> None:
    """One writer at a time: neither keeps the other waiting for long."""
    assert factory.stop_receiver() == 0
    factory.start()
    factory.run_for(4)
    stick = tmp_path / "stick.jiahe"
    _run("jiahe", "buffer", "export", stick, "--config", factory.config)
    factory.start_receiver()  # the box brings the same blocks by itself
    said = _run("jiahe-ingest", "import", "--store", f"sqlite:{factory.store}", stick)
    assert " 0 refused" in said
    factory.wait_drained()
    factory.run_for(1)
    assert factory.stop_daemon() == 0
    factory.settle()
