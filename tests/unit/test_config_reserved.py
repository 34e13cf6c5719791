"""Names of the format that this version has not yet: said so, each at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import load, render, reserved
from gateway.config.reserved import KEYS, VALUES
from gateway.config.schema import TYPES
from tests.unit.test_config import DEVICE, HEAD, TAGS

GOOD = HEAD + DEVICE + TAGS
TAG = GOOD.replace('"int16"', '"int16", {}')

#: As docs write them: a line, and the file that it stands in.
LINES = [
    ("[uplinks.cell]\ninterface = \"wwan0\"", HEAD + "{}\n" + DEVICE + TAGS, "uplinks"),
    ('after_connect = "2 s"', HEAD + "{}\n" + DEVICE + TAGS, "after_connect"),
    ('heartbeat = "hex:fe"', HEAD + "{}\n" + DEVICE + TAGS, "heartbeat"),
    *[
        (line, HEAD + DEVICE + "{}\n" + TAGS, line.partition(" ")[0])
        for line in (
            "align = true", 'was = ["old-name"]',
            "baud = 2400", 'parity = "even"', "stop_bits = 2",
        )
    ],
    *[
        (key, TAG, key.partition(" ")[0])
        for key in (
            'no_value = ["0xFFFF"]', 'bits = { 0 = "door open" }', "signed = true",
        )
    ],
]  # fmt: skip
CHOSEN = [
    (GOOD.replace('every = "1 s"', 'every = "1 s"\nframing = "shdr"'), "shdr"),
    *[(GOOD.replace("int16", kind), kind) for kind in ("int8", "uint8", "bcd", "date_time")],
]


@pytest.mark.parametrize(("line", "text", "key"), LINES, ids=lambda value: value[:12])
def test_key_when_reserved_then_said_so_at_its_place(
    tmp_path: Path, line: str, text: str, key: str
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(text.replace("{}", line), "utf-8")
    (problem,) = load(file).problems
    assert (problem.id, problem.args["key"]) == ("config.reserved", key)
    assert problem.source[problem.column - 1 :].startswith(key) or key == "uplinks"
    assert "this version does not have it yet" in render(problem, "en")
    assert "这个版本还没有" in render(problem, "zh")
    file.write_text(text.replace(", {}", "").replace("{}", ""), "utf-8")
    assert load(file).problems == []


@pytest.mark.parametrize(("text", "value"), CHOSEN, ids=lambda value: value[:12])
def test_value_when_reserved_then_said_so_at_its_place(
    tmp_path: Path, text: str, value: str
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(text, "utf-8")
    (problem,) = load(file).problems
    assert (problem.id, problem.args["value"]) == ("config.reserved_value", value)
    assert problem.source[problem.column - 1 :].startswith(f'"{value}"')
    assert "this version does not have it yet" in render(problem, "en")


@pytest.mark.parametrize("suffix", ["csv", "toml"])
def test_tag_when_in_a_profile_or_a_table_then_the_same(tmp_path: Path, suffix: str) -> None:
    if suffix == "csv":
        (tmp_path / "p.csv").write_text("name,address,type\nt,holding:1,bcd\n")
    else:
        (tmp_path / "p.toml").write_text(
            '[profile]\ntitle = "x"\ndriver = "modbus"\n[tags]\n'
            't = { address = "holding:1", type = "int16", no_value = ["0xFFFF"], min = 1 }\n'
        )
    (tmp_path / "gateway.toml").write_text(HEAD + DEVICE + f'profile = "p.{suffix}"\n')
    (problem,) = load(tmp_path / "gateway.toml").problems
    assert problem.id in ("config.reserved", "config.reserved_value")


def test_reserved_when_the_schema_gets_it_then_it_is_reserved_no_more() -> None:
    for _, table, keys in KEYS:
        assert not set(table) & set(keys)
        for key in keys:
            assert reserved.of_key(table, key)
    assert not set(VALUES["type"]) & set(TYPES)
