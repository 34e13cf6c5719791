"""Python drivers that hang and crash, in the whole daemon: nothing else is late for it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.kit.hosted_driver import announce
from tests.kit.rig import BIN, Rig, wait_for

CONFIG = """
[links.hanging]
type    = "tcp"
address = "127.0.0.1:1"
[devices.hanging]
link    = "hanging"
driver  = "kit-hanging"
every   = "50 ms"
tags    = {{ x = {{ address = "x", type = "int32" }} }}

[links.dying]
type    = "tcp"
address = "127.0.0.1:2"
[devices.dying]
link    = "dying"
driver  = "kit-dying"
every   = "50 ms"
tags    = {{ x = {{ address = "x", type = "int32" }} }}

[links.cell]
type    = "tcp"
address = "{agent}"
[devices.lathe]
link    = "cell"
driver  = "mtconnect"
every   = "250 ms"
tags    = {{ x = {{ address = "Xabs", type = "float64" }} }}

[links.plc]
type    = "tcp"
address = "{plc}"
[devices.robot]
link    = "plc"
driver  = "modbus"
unit    = 1
every   = "250 ms"
tags    = {{ load = {{ address = "holding:5", type = "uint16" }} }}
"""
MAP = '[tags]\nload = { address = "holding:5", type = "uint16" }\n'


def group(status: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(d for d in status["devices"] if d["name"] == name)["groups"][0]
    return found


def test_daemon_when_a_python_driver_hangs_and_crashes_then_nothing_else_is_late(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither another Python driver, nor a native link, nor a flush, nor a heartbeat."""
    announce(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}{os.pathsep}{project}")
    with Rig(tmp_path / "rig", "host-box") as rig:
        made = rig.folder / "map.toml"
        made.write_text(MAP, "utf-8")
        agent, plc = rig.simulate("lathe", "mtconnect-cnc"), rig.simulate("robot", str(made))
        rig.config.write_text(rig.head() + CONFIG.format(agent=agent, plc=plc), "utf-8")
        rig.start_daemon()

        def state(name: str) -> str:
            devices = (rig.status() or {"devices": []})["devices"]
            return next((str(d["state"]) for d in devices if d["name"] == name), "")

        wait_for("all are read", lambda: state("lathe") == state("robot") == "good")
        wait_for("blocks to arrive", lambda: (rig.status() or {})["uplink"]["acked_blocks"] > 0)
        first = rig.status()
        assert first is not None
        answered_s: list[float] = []
        acknowledged: list[int] = []

        def ended_often() -> bool:
            begun = time.monotonic()
            found = rig.status()
            answered_s.append(time.monotonic() - begun)
            assert found is not None
            acknowledged.append(found["uplink"]["acked_blocks"])
            assert found["buffer"]["flush_lag_ms"] < 1000
            assert found["uplink"]["last_ack_s"] < 3
            links = {each["name"]: each for each in found["links"]}
            skipped = {name: group(found, name)["skipped"] for name in ("hanging", "dying")}
            assert links["plc"]["state"] == links["cell"]["state"] == "up"
            return all(each.get("link_down", 0) > 40 for each in skipped.values())

        wait_for("hosts ended and began again", ended_often)
        last = rig.status()
        assert last is not None
        for name in ("lathe", "robot"):
            assert group(last, name)["skipped"] == group(first, name)["skipped"], "not one tick"
            assert group(last, name)["rows"] > group(first, name)["rows"] + 10
        assert group(last, "lathe")["late_us"]["max"] > 0, "how late its scans began is known"
        answered_s.sort()
        assert answered_s[len(answered_s) * 9 // 10] < 0.5
        assert acknowledged[-1] > acknowledged[0] + 5
        assert last["uplink"]["state"] == "connected"
        assert rig.stop_daemon() == 0
        rig.stop_receiver()
        audited = subprocess.run(
            [BIN / "jiahe-ingest", "audit", "--store", f"sqlite:{rig.store}", "--json"],
            capture_output=True, text=True,
        )  # fmt: skip
    (book,) = json.loads(audited.stdout)["epochs"]
    assert (book["missing"], book["missing_blocks"], book["twice"]) == (0, 0, 0)
