"""What is wrong with all devices of one link together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from drivers import registry
from drivers.api import LinkSpec
from drivers.forecast import link_load
from gateway.config import load, render
from gateway.config.model import GatewayConfig
from gateway.config.problems import Located
from tests.unit.test_config import HEAD

SERIAL = """[links.com1]
type = "serial"
port = "/dev/null"
"""
NET = """[links.com1]
type = "tcp"
address = "127.0.0.1"
"""
DRIVE = """
[devices.drive]
link = "com1"
driver = "modbus"
every = "1 s"
tags = { a = { address = "holding:1", type = "uint16" } }
"""
METER = """
[devices.meter]
link = "com1"
driver = "dlt645"
meter = "012345678901"
every = "5 s"
tags = { u = { address = "02010100" } }
"""


def told(tmp_path: Path, text: str) -> tuple[GatewayConfig | None, list[Located]]:
    (tmp_path / "gateway.toml").write_text(HEAD + text, "utf-8")
    loaded = load(tmp_path / "gateway.toml")
    return loaded.config, [each for each in loaded.problems if each.severity == "error"]


@pytest.mark.parametrize(
    "text", [SERIAL + DRIVE + METER, NET + DRIVE.replace("every", 'framing = "rtu"\nevery') + METER]
)
def test_link_when_two_drivers_take_turns_on_its_line_then_fine(tmp_path: Path, text: str) -> None:
    config, problems = told(tmp_path, text)
    assert problems == []
    assert config is not None


def test_link_when_one_of_two_drivers_needs_it_alone_then_refused_with_both_names(
    tmp_path: Path,
) -> None:
    _, (problem,) = told(tmp_path, NET + DRIVE + METER)
    assert problem.id == "config.link_drivers"
    assert "drive" in render(problem, "en")
    assert "dlt645" in render(problem, "en")


LATHE = """
[devices.lathe]
link = "com1"
driver = "mtconnect"
every = "1 s"
tags = { x = { address = "Xact", type = "float64" } }
"""


@pytest.mark.parametrize("first", ["lathe", "drive"])
def test_link_when_a_python_driver_is_not_alone_on_it_then_refused_with_both_names(
    tmp_path: Path, first: str
) -> None:
    drive = DRIVE.replace("every", 'framing = "rtu"\nevery')
    text = LATHE + drive if first == "lathe" else drive + LATHE
    _, (problem,) = told(tmp_path, NET + text)
    assert problem.id == "config.link_drivers"
    assert "drive" in render(problem, "en") and "mtconnect" in render(problem, "en")


def test_link_when_several_machines_of_one_driver_are_behind_it_then_fine_unless_one_is_an_adapter(
    tmp_path: Path,
) -> None:
    other = LATHE.replace("lathe]", "mill]")
    assert told(tmp_path, NET + LATHE + other)[1] == []
    _, (problem,) = told(tmp_path, NET + LATHE + other.replace("every", 'framing = "shdr"\nevery'))
    assert problem.id == "mtconnect.framings"
    assert "lathe" in render(problem, "en")


def test_link_when_its_framings_need_different_connections_then_refused(tmp_path: Path) -> None:
    other = DRIVE.replace("drive]", "press]").replace("every", 'unit = 2\nframing = "rtu"\nevery')
    _, (problem,) = told(tmp_path, NET + DRIVE + other)
    assert problem.id == "config.link_framings"


def test_device_when_its_line_differs_from_its_serial_link_then_it_has_its_own(
    tmp_path: Path,
) -> None:
    meter = METER.replace("every", 'baud = 2400\nparity = "even"\nstop_bits = 2\nevery')
    config, problems = told(tmp_path, SERIAL + DRIVE + meter)
    assert problems == []
    assert config is not None
    drive, own = (device.link for device in config.devices)
    assert (drive.baud, drive.parity, drive.stop_bits) == (9600, "none", 1)
    assert (own.baud, own.parity, own.stop_bits) == (2400, "even", 2)
    assert own == replace(drive, baud=2400, parity="even", stop_bits=2)


@pytest.mark.parametrize(
    ("link", "said"),
    [
        (NET, "config.wrong_kind_of_link"),
        (SERIAL + "listen_only = true\n", "config.line_of_listener"),
    ],
)
def test_device_when_its_link_has_no_line_of_its_own_to_give_then_refused(
    tmp_path: Path, link: str, said: str
) -> None:
    _, problems = told(tmp_path, link + DRIVE.replace("every", "baud = 2400\nevery"))
    assert [each.id for each in problems] == [said]


def test_load_when_a_meter_has_a_slower_line_of_its_own_then_its_neighbours_wait_for_its_silence(
    tmp_path: Path,
) -> None:
    plain = load_of(tmp_path, SERIAL + DRIVE + METER)
    own = load_of(tmp_path, SERIAL + DRIVE + METER.replace("every", "baud = 2400\nevery"))
    slow = LinkSpec("", "serial", baud=2400).silence_ns - LinkSpec("", "serial").silence_ns
    assert own["drive"] - plain["drive"] == slow
    assert own["meter"] > 2 * plain["meter"]


def load_of(tmp_path: Path, text: str) -> dict[str, int]:
    """What a scan of each device takes on the line, in nanoseconds."""
    config, _ = told(tmp_path, text)
    assert config is not None
    plans = [registry.get(each.driver).plan(each) for each in config.devices]
    (link,) = (each for each in config.links if each.name == "com1")
    return {group.device: group.scan_ns for group in link_load(link, plans).groups}
