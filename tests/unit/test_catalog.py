"""What the platform is told of a tag, from the file to the wire."""

from __future__ import annotations

from pathlib import Path

from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers import registry
from gateway.catalog import build
from gateway.config import load
from tests.unit.test_config import HEAD

PROFILE = """\
[profile]
title = "x"
driver = "modbus"
[tags]
power = { address = "holding:0", type = "int16", unit = "kW", description = "总有功功率" }
speed = { address = "holding:1", type = "int16", min = -0.5, max = 9 }
"""
DEVICE = """
[devices.d1]
link = "net"
driver = "modbus"
unit = 1
every = "1 s"
profile = "p.toml"
[devices.d1.tags]
speed = { description = "spindle", max = 1500 }
"""


def test_tag_when_files_describe_it_then_that_goes_to_the_platform(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(PROFILE, "utf-8")
    (tmp_path / "gateway.toml").write_text(HEAD + DEVICE, "utf-8")
    config = load(tmp_path / "gateway.toml").config
    assert config is not None
    (device,) = config.devices
    (group,) = registry.get("modbus").plan(device).groups
    made = build("site", "", [(1, device, group)])
    (content,) = made.tag_sets.values()
    power, speed = pb.TagSetContent.FromString(content).tags
    assert (power.description, power.min, power.max) == ("总有功功率", "", "")
    assert (speed.description, speed.min, speed.max) == ("spindle", "-0.5", "1500")
