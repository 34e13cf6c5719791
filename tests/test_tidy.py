"""Taste as a test: sizes, banned calls with what to use instead, dead files, dead links.

Reads the source tree as it lies on disk. Every message says where, what, and what to do.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
OTHERS = {"node_modules", "__pycache__", "build", "dist", "gen", "results"}
SOURCES = {".py", ".pyx", ".pxd", ".pyi"}
TEXTS = {*SOURCES, ".c", ".h", ".md", ".toml", ".proto", ".in", ".lock", ".js", ".csv", ".json", ""}

FILE_LINES_MAX = {"tests": 500, "hw_tests": 500}
FILE_LINES_MAX_ELSE = 400
FUNCTION_LINES_MAX = 60

TESTS = ("tests", "hw_tests")
CORE = ("gateway", "native", "drivers")

#: Pages for engineers are in English only; every other page of docs/ is for technicians, in both.
ENGLISH_ONLY = {
    "architecture",
    "contributing",
    "drivers",
    "testing",
    "security",
    "reliability",
    "performance",
}


class Ban(NamedTuple):
    pattern: str
    instead: str
    where: tuple[str, ...]
    but: tuple[str, ...] = ()


BANS = [
    Ban(r"\btime\.time(_ns)?\(", "the Clock of gateway/ports.py", CORE),
    Ban(r"\bdatetime\.(utc)?now\(\)", "the Clock, or datetime.now(tz)", CORE),
    Ban(r"\b(asyncio|time)\.sleep\(", "wait for the event itself", TESTS),
    Ban(r"\bpytest\.(mark\.)?(skip|skipif|xfail|importorskip)\b", "make it run", TESTS),
    Ban(r"\bunittest\.mock\b|\bimport mock\b", "the real thing, or tests/kit", TESTS),
    Ban(r"^\s*except\s*:", "name the exceptions that can come", ("",)),
    Ban(r"\bos\.system\(|\bshell=True\b", "subprocess with a list of arguments", ("",)),
    Ban(r"\bpickle\b|\bmarshal\b", "json or protobuf", CORE),
    Ban(r"\b(FIX" + r"ME|TO" + r"DO|XX" + r"X)\b", "do it, or write an issue", ("",)),
    Ban(
        r"(?<![\w.])print\(",
        "a logger",
        (*CORE, "ingest"),
        but=("gateway/cli/", "drivers/simulate.py", "ingest/main.py", "ingest/export.py"),
    ),
]


def files(suffixes: Iterable[str], under: str = "") -> list[Path]:
    return [f for f in _all() if f.suffix in suffixes and f.is_relative_to(ROOT / under)]


@cache
def _all() -> tuple[Path, ...]:
    return tuple(_walk(ROOT))


def _walk(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name in OTHERS or entry.name.endswith(".egg-info"):
            continue
        if entry.is_dir():
            if not entry.name.startswith("."):
                yield from _walk(entry)
        elif not (entry.suffix == ".c" and entry.with_suffix(".pyx").exists()):
            yield entry


@cache
def text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


def code_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Lines of a source file with comments and the contents of strings taken out."""
    plain = re.sub(
        r'("""|\'\'\')(?:\\.|(?!\1)[\s\S])*\1|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|#[^\n]*',
        lambda match: '""' + "\n" * match.group().count("\n"),
        text(file),
    )
    return enumerate(plain.splitlines(), 1)


def functions(file: Path) -> Iterator[tuple[str, int, int]]:
    """Name, first line and number of lines of each function."""
    if file.suffix != ".pyx":
        for node in ast.walk(ast.parse(text(file))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name, node.lineno, (node.end_lineno or 0) - node.lineno + 1
        return
    start = re.compile(r"^(\s*)(?:async def|def|cpdef|cdef(?! (?:class|struct|enum|extern)\b))\b")
    lines = [line for _, line in code_lines(file)]
    for first, line in enumerate(lines):
        if not (match := start.match(line)) or "(" not in line or "=" in line.split("(")[0]:
            continue
        last = first
        for number in range(first + 1, len(lines)):
            body = lines[number]
            if body.strip() and not body.strip().startswith(")"):
                if len(body) - len(body.lstrip()) <= len(match.group(1)):
                    break
                last = number
        yield line.split("(")[0].split()[-1], first + 1, last - first + 1


def test_file_when_written_then_not_too_long() -> None:
    long = []
    for file in files({".py", ".pyx", ".pxd", ".c", ".h"}):
        limit = FILE_LINES_MAX.get(name(file).split("/")[0], FILE_LINES_MAX_ELSE)
        if (lines := text(file).count("\n")) > limit:
            long.append(f"{name(file)}: {lines} lines, at most {limit}: split it by noun")
    assert not long


def test_function_when_written_then_fits_a_screen() -> None:
    assert not [
        f"{name(file)}:{line}: {function}: {length} lines, at most {FUNCTION_LINES_MAX}"
        for file in files({".py", ".pyx"})
        for function, line, length in functions(file)
        if length > FUNCTION_LINES_MAX
    ]


@pytest.mark.parametrize("ban", BANS, ids=lambda ban: ban.instead)
def test_call_when_banned_then_the_replacement_is_used(ban: Ban) -> None:
    found = []
    for under in ban.where:
        for file in files(SOURCES, under):
            if name(file).startswith(ban.but) and ban.but:
                continue
            lines = code_lines(file) if "FIX" not in ban.pattern else _raw_lines(file)
            for number, line in lines:
                if match := re.search(ban.pattern, line):
                    found.append(f"{name(file)}:{number}: {match.group()}: use {ban.instead}")
    assert not found


def _raw_lines(file: Path) -> Iterator[tuple[int, str]]:
    return enumerate(text(file).splitlines(), 1)


def test_exception_when_caught_broadly_then_raised_again() -> None:
    assert not [
        f"{name(file)}:{node.lineno}: catch what can come, or raise it again"
        for file in files({".py"})
        for node in ast.walk(ast.parse(text(file)))
        if isinstance(node, ast.ExceptHandler)
        and {"Exception", "BaseException"} & _names(node.type)
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    ]


def _names(node: ast.expr | None) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)} if node else set()


def test_linter_when_silenced_then_the_reason_stands_beside_it() -> None:
    silenced = re.compile(
        r"#\s*(?:noqa(?!: \w+(?:, ?\w+)*\s+\S)|type: ignore(?!\[[\w, -]+\]\s+# \S))"
    )
    assert not [
        f"{name(file)}:{number}: say why: `# noqa: CODE - reason`"
        for file in files({".py", ".pyi", ".pyx"})
        if not name(file).startswith(TESTS)  # tests hand over wrong types on purpose
        for number, line in _raw_lines(file)
        if silenced.search(re.sub(r'"[^"]*"', "", line))
    ]


def test_module_when_it_is_there_then_something_uses_it() -> None:
    """An import, or its name in a table of names (drivers, commands), outside the tests."""
    words: dict[str, set[str]] = {}
    for file in files({".py", ".pyx", ".pxd", ".toml"}):
        if not name(file).startswith("tests/"):
            words[name(file)] = set(re.findall(r"\w+", text(file)))
    dead = []
    for floor in (*CORE, "ingest", "bench"):
        for file in files({".py", ".pyx"}, floor):
            if file.stem in {"__init__", "__main__", "conftest"}:
                continue
            own = {name(file), name(file.with_suffix(".pxd")), name(file.with_suffix(".pyi"))}
            if not any(file.stem in found for user, found in words.items() if user not in own):
                dead.append(f"{name(file)}: nothing but tests uses it: remove it")
    assert not dead


def test_text_when_shipped_then_names_no_machine_of_a_developer() -> None:
    place = re.compile(r"/home/\w+/|/root/|/Users/\w+/|[A-Z]:\\Users|" + re.escape(f"{ROOT}/"))
    index = re.compile(r"(?<!emit-)(?:index-url|trusted-host|find-links)\b")
    found = []
    for file in files(TEXTS):
        if file == Path(__file__):
            continue
        for number, line in _raw_lines(file):
            if match := place.search(line) or index.search(line.replace("--no-emit-", "emit-")):
                found.append(f"{name(file)}:{number}: {match.group()}")
    assert not found


def test_file_when_shipped_then_it_is_no_link() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--stage"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert listed
    links = [line for line in listed.splitlines() if line.startswith("120000")]
    assert not links, links


def test_lock_when_written_then_every_package_has_its_hash_and_no_host() -> None:
    for file in files({".lock"}):
        assert not re.search(r"https?://", text(file)), f"{name(file)} names a host"
        for entry in re.split(r"\n(?=\S)", text(file)):
            if not entry.startswith("#"):
                assert "--hash=sha256:" in entry, f"{name(file)}: {entry.splitlines()[0]}"


def test_locks_when_they_name_one_package_then_one_version() -> None:
    """What is tested is what is shipped."""
    pins: dict[str, set[str]] = {}
    for file in ROOT.glob("requirements*.lock"):
        for package, version in re.findall(r"(?m)^([\w.-]+)==(\S+)", text(file)):
            pins.setdefault(package, set()).add(version)
    assert {package: found for package, found in pins.items() if len(found) > 1} == {}, "make lock"


def test_test_file_when_named_then_no_other_has_its_name() -> None:
    seen: dict[str, str] = {}
    for file in [*files({".py"}, "tests"), *files({".py"}, "hw_tests")]:
        if file.name.startswith("test_"):
            assert file.name not in seen, f"{name(file)} and {seen[file.name]}: pytest mixes both"
            seen[file.name] = name(file)


def test_link_when_in_markdown_then_it_leads_somewhere() -> None:
    broken = []
    for file in files({".md"}):
        plain = re.sub(r"```[\s\S]*?```|`[^`\n]*`", "", text(file))
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)", plain):
            if not re.match(r"[a-z]+:", target) and not (file.parent / target).exists():
                broken.append(f"{name(file)}: {target}")
    assert not broken


def test_page_when_for_technicians_then_in_both_languages() -> None:
    single = []
    for file in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        stem = file.name.removesuffix(".md").removesuffix(".zh-CN")
        if stem in ENGLISH_ONLY:
            continue
        pair = {file.with_name(f"{stem}.md"), file.with_name(f"{stem}.zh-CN.md")}
        single += [f"{name(page)}: missing" for page in pair if not page.exists()]
    assert not single


def test_changelog_when_read_then_this_version_or_the_next_has_its_section() -> None:
    found = re.search(r'^version = "([^"]+)"', text(ROOT / "pyproject.toml"), re.MULTILINE)
    assert found is not None
    headings = re.findall(r"^## \[([^\]]+)\]", text(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert headings[0] in {"Unreleased", found.group(1)}
    assert found.group(1) in headings or "Unreleased" in headings
