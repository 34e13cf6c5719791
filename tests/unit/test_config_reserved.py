"""Names of the format that this version has not yet: said so, each at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import load, render, reserved, schema
from gateway.config.reserved import KEYS, VALUES
from tests.unit.test_config import DEVICE, HEAD, TAGS

GOOD = HEAD + DEVICE + TAGS
ONE_TAG = GOOD.replace('"int16"', '"int16", {}')

#: As docs write them: a line, and the file that it stands in.
LINES = [
    *[
        (line, HEAD + DEVICE + "{}\n" + TAGS, line.partition(" ")[0])
        for line in (
            'was = ["old-name"]',
        )
    ],
    *[
        (key, ONE_TAG, key.partition(" ")[0])
        for key in (
            'bits = { 0 = "door open" }',
        )
    ],
]  # fmt: skip
CHOSEN = []


@pytest.mark.parametrize(("line", "text", "key"), LINES, ids=lambda value: value[:12])
def test_key_when_reserved_then_said_so_at_its_place(
    tmp_path: Path, line: str, text: str, key: str
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(text.replace("{}", line), "utf-8")
    (problem,) = load(file).problems
    assert (problem.id, problem.args["key"]) == ("config.reserved", key)
    assert problem.source[problem.column - 1 :].startswith(key)
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


def test_tag_when_in_a_profile_then_the_same(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(
        '[profile]\ntitle = "x"\ndriver = "modbus"\n[tags]\n'
        't = { address = "holding:1", type = "int16", bits = { 0 = "open" }, min = 1 }\n'
    )
    (tmp_path / "gateway.toml").write_text(HEAD + DEVICE + 'profile = "p.toml"\n')
    (problem,) = load(tmp_path / "gateway.toml").problems
    assert problem.id == "config.reserved"


def test_reserved_when_the_schema_gets_it_then_it_is_reserved_no_more() -> None:
    for _, table, keys in KEYS:
        assert not set(table) & set(keys)
        for key in keys:
            assert reserved.of_key(table, key)
    for key, values in VALUES.items():
        for table in (schema.LINK, schema.DEVICE, schema.TAG):
            assert not set(values) & set(table[key].choices if key in table else ())
