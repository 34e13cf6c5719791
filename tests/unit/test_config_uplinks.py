"""[uplinks]: what is built of it, and what is said of a slip."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.loading import Loaded, load
from gateway.config.model import UplinkWay
from gateway.config.problems import render
from gateway.config.units import Rate

HEAD = """\
version = 1
[gateway]
id = "gw-1"
[platform]
address = "127.0.0.1:8443"
insecure = true
"""
CABLE = '[uplinks.cable]\ninterface = "eth0"\n'
CELL = '[uplinks.cell]\ninterface = "wwan0"\nmetered = true\ndata_budget = "5 GB/month"\n'
REST = """\
[links.a]
type = "tcp"
address = "10.0.0.1"
[devices.m]
link = "a"
driver = "modbus"
every = "1 s"
[devices.m.tags]
t = { address = "holding:0", type = "int16" }
"""


def loaded(tmp_path: Path, text: str) -> Loaded:
    file = tmp_path / "gateway.toml"
    file.write_text(text, "utf-8")
    return load(file)


def test_uplinks_when_written_then_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = loaded(tmp_path, HEAD + CELL + CABLE + REST)
    assert found.config is not None, found.problems
    cell, cable = found.config.uplinks
    assert cell == UplinkWay("cell", "wwan0", True, Rate(5 * 10**9, "month"))
    assert cable == UplinkWay("cable", "eth0")


def test_uplinks_when_left_out_then_none(tmp_path: Path) -> None:
    found = loaded(tmp_path, HEAD + REST)
    assert found.config is not None and found.config.uplinks == ()


@pytest.mark.parametrize(
    ("text", "line", "wanted", "words"),
    [
        (CABLE + '[uplinks.other]\ninterface = "eth0"\n', 10, "config.interface_twice", "eth0"),
        ('[uplinks.cable]\ninterface = "an interface"\n', 8, "config.bad_interface", "ip link"),
        ('[uplinks.cable]\ninterface = "0123456789abcdef"\n', 8, "config.bad_interface", "ip link"),
        ("[uplinks.cable]\nmetered = true\n", 7, "config.missing", 'interface = "wwan0"'),
        (CABLE + 'data_budget = "5 GB/month"\n', 9, "config.budget_unmetered", "metered = true"),
        ("[uplinks.cable]\ninterfaces = 1\n", 8, "config.unknown_key_near", "interface"),
        (CABLE + "meterd = true\n", 9, "config.unknown_key_near", "metered"),
    ],
)
def test_uplinks_when_written_wrong_then_said_where_and_what_to_type(
    tmp_path: Path, text: str, line: int, wanted: str, words: str
) -> None:
    found = loaded(tmp_path, HEAD + text + REST)
    (problem,) = found.problems
    assert (problem.id, problem.line) == (wanted, line)
    assert words in render(problem, "en") and words in render(problem, "zh")


def test_budget_when_of_the_platform_beside_uplinks_then_it_is_to_be_moved(tmp_path: Path) -> None:
    head = HEAD + 'data_budget = "5 GB/month"\n'
    (problem,) = loaded(tmp_path, head + CABLE + REST).problems
    assert (problem.id, problem.line) == ("config.budget_of_uplink", 7)
    assert "[uplinks.cable]" in render(problem, "en") and "[uplinks.cable]" in render(problem, "zh")
