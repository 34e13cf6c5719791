"""Every path of tomllib's result has a position, on a line that holds its key."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.positions import Path, Positions, Spot

BARE = st.text("abcxyz019_-", min_size=1, max_size=4)
QUOTED = st.text("ab .#=[]{},'：电表“”", min_size=1, max_size=5)
SCALARS = st.sampled_from(
    [
        "1", "-0.5", "true", '"a # b"', "'c = [d]'", '"""x\n[y]\nz = 1"""', "'''p\n'q' = 2'''",
        "1979-05-27 07:32:00", "1979-05-27T07:32:00Z", '"\\"\\\\"', '""', '"""a"""""', "0x1F",
    ]
)  # fmt: skip


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> str:
    kind = draw(st.sampled_from(["scalar", "array", "inline"])) if depth else "scalar"
    if kind == "scalar":
        return draw(SCALARS)
    if kind == "array":
        gap = draw(st.sampled_from([" ", "\n  ", " # ] , \n"]))
        items = draw(st.lists(values(depth - 1), max_size=3))
        comma = draw(st.sampled_from(["", ","])) if items else ""
        return f"[{gap}" + f",{gap}".join(items) + f"{comma}{gap}]"
    keys = draw(st.lists(BARE, unique=True, max_size=3))
    return "{ " + ", ".join(f"{key} = {draw(values(depth - 1))}" for key in keys) + " }"


@st.composite
def keys(draw: st.DrawFn) -> str:
    if draw(st.booleans()):
        return draw(BARE)
    name = draw(QUOTED)
    return f'"{name}"'


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Mostly valid TOML: tables, arrays of tables, dotted and quoted keys, comments."""
    lines = []
    for _ in range(draw(st.integers(0, 8))):
        dotted = ".".join(draw(st.lists(keys(), min_size=1, max_size=3)))
        form = draw(st.sampled_from(["{} = {}", "{}={} # [no]", "  {}  =  {}", "[{}]", "[[ {} ]]"]))
        value = draw(values()) if "=" in form else ""
        lines.append(form.format(dotted, value) if value else form.format(dotted))
        lines += draw(st.lists(st.sampled_from(["", "# a = 1", "\t"]), max_size=1))
    return "\n".join(lines)


def paths(value: Any, path: Path = ()) -> list[Path]:
    if isinstance(value, dict):
        return [
            p for key, item in value.items() for p in [(*path, key), *paths(item, (*path, key))]
        ]
    if isinstance(value, list):
        return [p for index, item in enumerate(value) for p in paths(item, (*path, index))]
    return []


@settings(max_examples=400, deadline=None)
@given(documents())
def test_path_when_tomllib_knows_it_then_its_key_is_on_its_line(document: str) -> None:
    positions = Positions(document)
    try:
        data = tomllib.loads(document)
    except tomllib.TOMLDecodeError:
        return  # walking it was enough: it must end, and not raise
    for path in paths(data):
        spot = positions.key(path)
        written = document.split("\n")[spot.line - 1][spot.column - 1 :]
        name = str(path[-1])
        assert written.startswith((name, f'"{name}', f"'{name}")), (path, spot)


@given(st.text("[]{}=,.\"'#\n a1电\\", max_size=60))
@settings(max_examples=400, deadline=None)
def test_walk_when_text_is_garbage_then_it_ends(garbage: str) -> None:
    Positions(garbage)


@pytest.mark.parametrize(
    ("document", "path", "key", "value"),
    [
        ("a = 1", ("a",), (1, 1), (1, 5)),
        ("[t]\n\n  b.c = [1, 2]", ("t", "b", "c"), (3, 5), (3, 9)),
        ("[t]\nb = [\n 1,\n 2]", ("t", "b", 1), (2, 1), (4, 2)),
        ("x = { y = { z = 3 } }", ("x", "y", "z"), (1, 13), (1, 17)),
        ('"\\u7535\\"x" = 1', ('电"x',), (1, 1), (1, 15)),
        ("[[t]]\na = 1\n[[t]]\na = 2", ("t", 1, "a"), (4, 1), (4, 5)),
        ('s = """\n[no]\n"""\nb = 2', ("b",), (4, 1), (4, 5)),
        ("[t]", ("t",), (1, 2), (1, 2)),
    ],
)
def test_position_when_asked_then_line_and_column_of_key_and_value(
    document: str, path: Path, key: tuple[int, int], value: tuple[int, int]
) -> None:
    positions = Positions(document)
    assert positions.key(path) == Spot(*key)
    assert positions.value(path) == Spot(*value)
