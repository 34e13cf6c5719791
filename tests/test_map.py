"""docs/architecture.md is true: what it names is there, what is there it names, and where it says
that things are done they are done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAP = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SOURCES = (".py", ".pyx", ".pxd")
#: Floors whose every file stands in the table; of others it names what one looks for first.
WHOLE = [
    f"native/{path.name}"
    for path in sorted((ROOT / "native").iterdir())
    if path.is_dir() and path.name != "__pycache__"
]


def rows() -> Iterator[tuple[str, list[str]]]:
    """Each row's floor, and what stands in backquotes behind it."""
    floor = ""
    for line in MAP.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 3 and cells[0] != "floor":
            floor = cells[0] or floor
            yield floor, re.findall(r"`([^`]+)`", cells[1])


def stem(name: str) -> str:
    return name.strip("/").split("/")[0].split(".")[0]


def test_table_when_it_names_a_file_then_it_is_there() -> None:
    missing = [
        f"{floor}: {name}"
        for floor, names in rows()
        for name in names
        if not any((ROOT / floor / f"{name}{suffix}").exists() for suffix in ("", *SOURCES))
    ]
    assert not missing


@pytest.mark.parametrize("floor", WHOLE)
def test_file_when_it_is_there_then_the_table_names_it(floor: str) -> None:
    named = {stem(name) for where, names in rows() if where == floor for name in names}
    there = {
        stem(path.name)
        for path in (ROOT / floor).iterdir()
        if (path.suffix in SOURCES or path.is_dir()) and not path.name.startswith("__")
    }
    assert not there - named


def told() -> tuple[str, dict[str, str]]:
    """The paragraph that says where a request is sent; each function that it names, with the text
    of the file that it was named after or before.
    """
    (paragraph,) = re.findall(r"\*\*In one minute\.\*\*.*?\n\n", MAP, re.DOTALL)
    return paragraph, {
        path: (ROOT / path).read_text(encoding="utf-8")
        for path in re.findall(r"`(native/[^`]+)`", paragraph)
    }


def test_functions_when_the_map_names_them_then_they_are_defined_in_a_file_that_it_names() -> None:
    paragraph, files = told()
    names = set(re.findall(r"`(\w+)`", paragraph)) - {"take"}  # a protocol's, in its table
    assert len(names) >= 10
    for name in names:
        pattern = re.compile(rf"^cdef [^=\n]*\b{name}\(", re.MULTILINE)
        assert [path for path, text in files.items() if pattern.search(text)], name
    table = (ROOT / "native/engine/protocol.pxd").read_text(encoding="utf-8")
    assert "Verdict (*take)(" in table


@pytest.mark.parametrize(
    ("what", "done"),
    [
        (r"ops\.write\(", {"ask.pyx"}),
        (r"\bdevice_good\(|\bmissed\(l, |\brefused\(l, ", {"answer.pyx", "scan.pyx"}),
        (r"\bgroup_commit\(", {"scan.pyx", "listening.pyx"}),
        (r"\bgroup_skip\(", {"scan.pyx", "machine.pyx", "listening.pyx"}),
    ],
    ids=["a request is sent", "an answer is judged", "a row is committed", "a gap is counted"],
)
def test_engine_when_the_map_says_where_it_does_a_thing_then_nowhere_else(
    what: str, done: set[str]
) -> None:
    """But for the functions' own files: a connection that was lost counts against a request."""
    own = {"aside.pyx"}
    found = {
        path.name
        for path in (ROOT / "native" / "engine").iterdir()
        if path.suffix in (".pyx", ".pxd") and re.search(what, path.read_text(encoding="utf-8"))
    }
    assert found - own == done


_DOTTED = re.compile(r"(?<![\w.])(?:native|drivers)(?:\.\w+){2,}")


def is_there(dotted: str) -> bool:
    """A module, or a word in one."""
    parts = dotted.split(".")
    for at in range(len(parts), 1, -1):
        place = ROOT.joinpath(*parts[:at])
        found = [file for suffix in SOURCES if (file := place.with_suffix(suffix)).exists()]
        if found or place.is_dir():
            text = "\n".join(file.read_text(encoding="utf-8") for file in found)
            return all(re.search(rf"\b{word}\b", text) for word in parts[at:])
    return False


def test_text_when_it_names_a_module_then_it_is_there() -> None:
    """In comments and docstrings, where no import would show that it has gone."""
    assert not [
        f"{file.relative_to(ROOT)}:{number}: {dotted}"
        for floor in ("native", "drivers", "gateway")
        for file in sorted((ROOT / floor).rglob("*"))
        if file.suffix in SOURCES
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        for dotted in _DOTTED.findall(line)
        if not is_there(dotted)
    ]


def test_page_when_it_names_a_test_then_there_is_one() -> None:
    there = {
        name
        for folder in ("tests", "hw_tests")
        for file in (ROOT / folder).rglob("*.py")
        for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))
    }
    assert not [
        f"{page.relative_to(ROOT)}: {name}"
        for page in sorted((ROOT / "docs").rglob("*.md"))
        for name in re.findall(r"\[(test_\w+)\]", page.read_text(encoding="utf-8"))
        if name not in there
    ]


def test_page_when_it_names_a_file_of_the_tests_then_it_is_there() -> None:
    assert not [
        f"{page.relative_to(ROOT)}: {path}"
        for page in sorted((ROOT / "docs").rglob("*.md"))
        for path in re.findall(r"`(tests/[\w/]+\.\w+)", page.read_text(encoding="utf-8"))
        if not (ROOT / path).exists()
    ]
