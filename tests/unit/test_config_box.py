"""[box]: the device that comes of it, and names that are the gateway's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.loading import Loaded, load
from gateway.config.problems import render

HEAD = """\
version = 1
[gateway]
id = "gw-1"
[platform]
address = "127.0.0.1:8443"
insecure = true
[buffer]
path = "here"
max_size = "16 MiB"
"""
MACHINE = """\
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


def loaded(folder: Path, text: str) -> Loaded:
    file = folder / "gateway.toml"
    file.write_text(HEAD + text, "utf-8")
    return load(file)


def test_box_when_its_table_is_there_then_the_last_device(tmp_path: Path) -> None:
    found = loaded(tmp_path, "[box]\n" + MACHINE)
    assert found.config is not None, found.problems
    machine, box = found.config.devices
    assert (machine.name, box.name, box.link.type, box.driver) == ("m", "_box", "box", "box")
    assert found.config.links[-1] is box.link
    assert {tag.every_ns for tag in box.tags} == {60 * 10**9}
    assert dict(box.own) == {"buffer": str(tmp_path / "here"), "radio": True}


def test_box_when_without_machines_then_needs_none(tmp_path: Path) -> None:
    found = loaded(tmp_path, '[box]\nevery = "5 min"\nradio = false\n')
    assert found.config is not None, found.problems
    (box,) = found.config.devices
    assert {tag.every_ns for tag in box.tags} == {300 * 10**9}
    assert "rsrp" not in {tag.name for tag in box.tags}


def test_box_when_left_out_then_none(tmp_path: Path) -> None:
    found = loaded(tmp_path, MACHINE)
    assert found.config is not None and [each.name for each in found.config.devices] == ["m"]


@pytest.mark.parametrize(
    ("text", "wanted", "words"),
    [
        ('[box]\nevery = "1 s"\n' + MACHINE, "config.out_of_range", "10 s"),
        ('[box]\nradio = "yes"\n' + MACHINE, "config.wrong_type", "true"),
        ("[box]\nevry = 1\n" + MACHINE, "config.unknown_key_near", "every"),
        (MACHINE.replace("links.a", "links._a"), "config.name_is_ours", "[box]"),
        (MACHINE.replace("devices.m", "devices._box"), "config.name_is_ours", "box"),
        ('[uplinks._u]\ninterface = "eth0"\n' + MACHINE, "config.name_is_ours", "u"),
        (MACHINE.replace('"modbus"', '"box"'), "config.no_such_driver", "modbus"),
    ],
)
def test_slip_when_made_then_said_with_what_to_type(
    tmp_path: Path, text: str, wanted: str, words: str
) -> None:
    found = loaded(tmp_path, text)
    assert found.config is None
    problem = next((each for each in found.problems if each.id.startswith(wanted)), None)
    assert problem is not None, [each.id for each in found.problems]
    assert words in render(problem, "en")
