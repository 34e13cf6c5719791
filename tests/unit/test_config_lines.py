"""What is wrong with all devices of one link together."""

from __future__ import annotations

from pathlib import Path

from gateway.config import load, render
from tests.unit.test_config import HEAD


def test_link_when_two_drivers_share_it_then_refused_with_both_names(tmp_path: Path) -> None:
    """One would find the port busy for ever."""
    text = (
        HEAD
        + """[links.com1]
type = "serial"
port = "/dev/null"
[devices.drive]
link = "com1"
driver = "modbus"
every = "1 s"
tags = { a = { address = "holding:1", type = "uint16" } }
[devices.meter]
link = "com1"
driver = "dlt645"
meter = "012345678901"
every = "5 s"
tags = { u = { address = "02010100" } }
"""
    )
    (tmp_path / "gateway.toml").write_text(text, "utf-8")
    loaded = load(tmp_path / "gateway.toml")
    assert loaded.config is None
    (problem,) = [each for each in loaded.problems if each.severity == "error"]
    assert problem.id == "config.link_drivers"
    assert "drive" in render(problem, "en") and "dlt645" in render(problem, "en")
