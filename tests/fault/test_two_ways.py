"""Two network interfaces to one platform: real interfaces, routes and cuts, the real programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]


def test_way_when_swallowed_or_unplugged_then_the_other_carries_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    private = ["--net"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net"]
    done = subprocess.run(
        ["unshare", *private, sys.executable, "-m", "tests.kit.two_ways", str(tmp_path / "box")],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    marks = json.loads(done.stdout)
    first, second, third, last = (
        marks[mark] for mark in ("by cable", "by cell", "by cable again", "by cell again")
    )
    assert first["cable"]["sent_bytes"] > 1000 and first["cell"]["sent_bytes"] == 0
    assert first["cell"]["budget"]["used_bytes"] == 0, "the cable costs nothing of the SIM card"
    assert second["cell"]["sent_bytes"] > 1000 and second["cable"]["failed"]
    assert second["cell"]["budget"]["used_bytes"] > second["cell"]["sent_bytes"]
    assert third["cable"]["sent_bytes"] > second["cable"]["sent_bytes"]
    assert last["cell"]["sent_bytes"] > third["cell"]["sent_bytes"]
    assert marks["stored"] > 0
