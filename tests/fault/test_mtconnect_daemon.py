"""MTConnect from the agent to the store: shown, delivered, exported; beside a Modbus link."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.kit.rig import BIN, Rig, wait_for

CONFIG = """
[links.cell]
type    = "tcp"
address = "{agent}"

[devices.lathe]
link    = "cell"
driver  = "mtconnect"
profile = "mtconnect-cnc"
every   = "100 ms"

[devices.lathe.tags]
axis_x_moves = {{ address = "Xabs", type = "float64", report = "change", every = "10 s" }}

[links.plc]
type    = "tcp"
address = "{plc}"

[devices.robot]
link   = "plc"
driver = "modbus"
unit   = 1
every  = "20 ms"

[devices.robot.tags]
load = {{ address = "holding:5", type = "uint16" }}
"""
MAP = '[tags]\nload = { address = "holding:5", type = "uint16" }\n'


def host_of(daemon: int) -> int:
    """The child of the daemon that runs the driver."""
    children = Path(f"/proc/{daemon}/task").glob("*/children")
    for pid in " ".join(each.read_text() for each in children).split():
        if b"drivers.host.child" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return int(pid)
    return 0


def device(rig: Rig, name: str) -> dict[str, Any]:
    found = rig.status()
    return next((each for each in found["devices"] if each["name"] == name), {}) if found else {}


def rows_of(rig: Rig, name: str) -> int:
    """Of its fastest group."""
    found: int = device(rig, name)["groups"][0]["rows"]
    return found


def test_lathe_when_its_host_is_killed_then_announced_delivered_and_no_neighbour_is_late(
    tmp_path: Path,
) -> None:
    with Rig(tmp_path / "rig", "mtc-box") as rig:
        made = rig.folder / "map.toml"
        made.write_text(MAP, "utf-8")
        agent = rig.simulate("lathe", "mtconnect-cnc")
        plc = rig.simulate("robot", str(made))
        rig.config.write_text(rig.head() + CONFIG.format(agent=agent, plc=plc), "utf-8")
        rig.start_daemon()
        wait_for("the lathe is good", lambda: device(rig, "lathe").get("state") == "good")
        wait_for("its axis to move", lambda: rows_of(rig, "lathe") > 10)
        assert rig.daemon is not None
        host = host_of(rig.daemon.pid)
        assert host
        shown = subprocess.run(
            [BIN / "jiahe", "watch", "lathe", "--once", "--json"],
            capture_output=True, env={**os.environ, "JIAHE_CONFIG": str(rig.config)}, check=True,
        )  # fmt: skip
        rows = json.loads(shown.stdout)
        values = {row["tag"]: row["value"] for row in rows}
        assert (values["run_state"], values["running"]) == ("ACTIVE", True)
        before = device(rig, "robot")["groups"][0]
        os.kill(host, signal.SIGKILL)
        wait_for("another host", lambda: host_of(rig.daemon.pid) not in (0, host))  # type: ignore[union-attr]
        wait_for("the lathe is good again", lambda: device(rig, "lathe").get("state") == "good")
        after = device(rig, "robot")["groups"][0]
        assert after["skipped"].get("link_down", 0) == before["skipped"].get("link_down", 0)
        assert device(rig, "lathe")["groups"][0]["skipped"]["link_down"] > 0
        host = host_of(rig.daemon.pid)
        assert rig.stop_daemon() == 0
        assert not Path(f"/proc/{host}").exists()
        rig.stop_receiver()
        exported = subprocess.run(
            [BIN / "jiahe-ingest", "export", "--store", f"sqlite:{rig.store}", "--format", "csv",
             "--device", "lathe"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        audited = subprocess.run(
            [BIN / "jiahe-ingest", "audit", "--store", f"sqlite:{rig.store}", "--json"],
            capture_output=True, text=True,
        )  # fmt: skip
    stored = list(csv.DictReader(io.StringIO(exported.stdout)))
    positions = {row["value"] for row in stored if row["tag"] == "axis_x_abs"}
    assert len(positions) > 3, "the axis moves"
    assert {row["value"] for row in stored if row["tag"] == "run_state"} >= {"ACTIVE"}
    book = json.loads(audited.stdout)["epochs"][0]
    assert (book["missing"], book["missing_events"]) == (0, 0)
    moves = [row for row in stored if row["tag"] == "axis_x_moves" and row["source_time_ns"]]
    assert book["events"] >= len(moves) > 3, "each move came, though its ticks are 10 s apart"
    for row in moves:  # by the machine's own clock, which is the box's here
        assert 0 <= int(row["time_ns"]) - int(row["source_time_ns"]) < 2 * 10**9
