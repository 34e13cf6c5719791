"""The box as device `_box`, from /proc and ModemManager to the store: shown like any other."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.kit.modem import ModemManager
from tests.kit.rig import BIN, Rig, wait_for


def device(rig: Rig) -> dict[str, Any]:
    found = rig.status()
    return found["devices"][0] if found else {}


def test_box_when_configured_then_sampled_shown_sent_and_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ModemManager(tmp_path) as modems, Rig(tmp_path / "rig", "self-box") as rig:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", modems.address)
        modems.start()
        modems.plug()
        modems.signal("Nr5g", rsrp=-85.0, rsrq=-10.6, snr=17.0)
        rig.config.write_text(rig.head() + '[box]\nevery = "10 s"\n', "utf-8")
        rig.start_daemon()
        wait_for("a row of the box", lambda: device(rig).get("state") == "good")
        environ = {**os.environ, "JIAHE_CONFIG": str(rig.config)}
        shown = subprocess.run(
            [BIN / "jiahe", "watch", "_box", "--once", "--json"],
            capture_output=True, env=environ, check=True,
        )  # fmt: skip
        values = {row["tag"]: row["value"] for row in json.loads(shown.stdout)}
        assert (values["operator"], values["rsrp"], values["band"]) == ("中国移动", -85, "n41")
        assert values["memory_service"] > 5 and values["buffer_read_only"] is False
        listed = subprocess.run(
            [BIN / "jiahe", "devices"], capture_output=True, text=True, env=environ, check=True
        ).stdout
        assert "_box" in listed
        assert rig.stop_daemon() == 0
        rig.stop_receiver()
        latest = subprocess.run(
            [BIN / "jiahe-ingest", "latest", "--store", f"sqlite:{rig.store}", "--device", "_box",
             "--json"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    stored = {row["tag"]: row for row in json.loads(latest)["latest"]}
    assert (stored["cell"]["value"], stored["sinr"]["value"]) == ("0A1B2C3D4", "17")
