"""A port's name that two adapters claim, as udev's database has it in a name space of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.kit.rig import Rig, wait_for

pytestmark = pytest.mark.slow

CONFIG = """
[links.bus]
type = "serial"
port = "{port}"
baud = 115200
[devices.meter]
link   = "bus"
driver = "modbus"
unit   = 1
every  = "100 ms"
tags   = {{ load = {{ address = "holding:5", type = "uint16" }} }}
"""
MAP = '[tags]\nload = { address = "holding:5", type = "uint16" }\n'


def test_port_when_two_adapters_claim_its_name_then_refused_by_name_until_one_is_gone(
    tmp_path: Path,
) -> None:
    """Two FTDI copies of one serial number: which of them the name leads to is chance."""
    known = tmp_path / "udev" / "data"
    known.mkdir(parents=True)
    private = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    script = 'mount -t tmpfs t /run && mkdir /run/udev && mount -B "$0" /run/udev && exec "$@"'
    within = ["unshare", *private, "sh", "-c", script]
    with Rig(tmp_path / "rig", "port-box") as rig:
        made = rig.folder / "map.toml"
        made.write_text(MAP, "utf-8")
        bus = rig.simulate("meter", str(made), "--baud", "115200", pty=True)
        port = str(Path(bus).resolve())
        name = port.removeprefix("/dev/")
        (known / "c188:0").write_text(f"I:1\nS:serial/by-path/a\nS:{name}\nG:systemd\n")
        (known / "c188:1").write_text(f"S:{name}\nI:2\n")
        (known / "c188:2").write_text(f"S:{name}0\nS:x{name}\nE:DEVLINKS={port}\nN:{name}\n")
        (known / "+usb:1-1").write_text(f"S:{name}\n")
        rig.config.write_text(rig.head() + CONFIG.format(port=port), "utf-8")
        rig.start_daemon([*within, str(known.parent)])

        def link() -> dict[str, Any]:
            found: dict[str, Any] = (rig.status() or {"links": [{"cause": None}]})["links"][0]
            return found

        wait_for("it is refused", lambda: (link()["cause"] or {}).get("id") == "link.port_twice")
        assert link()["cause"]["args"]["target"] == port and link()["answers"] == 0
        (known / "c188:1").unlink()
        wait_for("it is read", lambda: link().get("answers", 0) > 5, within_s=10)
        assert rig.stop_daemon() == 0
