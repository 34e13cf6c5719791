"""One line that is no TOML, as it was probably meant: what to type instead."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence

from gateway.config.likely import SPOKEN

#: Longer lines are not guessed at.
LINE_MAX = 2000
_ASSIGNED = re.compile(r"(\s*[^=#]+?\s*=\s*)([^#]*?)(\s*(?:#.*)?)")
_WITHOUT_SIGN = re.compile(r"""(\s*[\w."'-]+)\s+(\S.*)""")
_WORD = re.compile(r"""[^\s,}\]#"']+""")
_TEXTS = re.compile(r"""\"[^\"]*\"|'[^']*'|#.*""")
_YAML = re.compile(r"( *)([\w-]+)\s*:\s*(?:#.*)?")
#: Habits from other languages, and how the same is written here. None reaches into a text, or the
#: guess is no TOML, or not what was meant: the line is shown to who types it.
_HABITS = (
    (re.compile(r"\s//(?=[^\"']*$)"), " #"),
    (re.compile(r"^(\s*)([\w-]+)\s*:\s*(?=\S)"), r"\1\2 = "),
    (re.compile(r'([{,]\s*)"([A-Za-z0-9_-]+)"\s*:\s*'), r"\1\2 = "),
    (re.compile(r"([{,]\s*)([\w-]+)\s*:\s*(?!\d+\")"), r"\1\2 = "),
    (re.compile(r"(=\s*-?)\.([0-9])"), r"\g<1>0.\2"),
    (re.compile(r"(=\s*-?[0-9]+),([0-9]+)(?=\s*(?:[},#]|$))"), r"\1.\2"),
    (re.compile(r"(=\s*)(0[0-9]+)(?=\s*(?:[},#]|$))"), r'\1"\2"'),
    (re.compile(r",\s*\}"), " }"),
)


def meant(line: str, column: int) -> str:
    """The first guess that is TOML, else "". `column`, from 1: where it went wrong."""
    if len(line) > LINE_MAX:
        return ""
    for guess in _guesses(line, column):
        if is_toml(guess) and guess != line:
            return guess.strip()
    return ""


def is_toml(line: str) -> bool:
    """Whether it says something."""
    try:
        return bool(tomllib.loads(line))
    except (ValueError, RecursionError):
        return False


def with_item(line: str, name: str, item: str) -> str:
    """A line with one more item in the braces of `name`; "" where it has none."""
    head = re.search(rf'(?<![\w"-])"?{re.escape(name)}"?\s*=\s*\{{', line)
    if head is None or len(line) > LINE_MAX:
        return ""
    depth = 0
    for at, sign in _braces(line):
        depth += (sign == "{") - (sign == "}") if at >= head.end() - 1 else 0
        if at >= head.end() - 1 and not depth:
            before = line[:at].rstrip()
            made = f"{before}{'' if before.endswith('{') else ','} {item} {line[at:]}".strip()
            return made if is_toml(made) else ""
    return ""


def _braces(line: str) -> list[tuple[int, str]]:
    """Those outside of texts and comments."""
    bare = _TEXTS.sub(lambda found: " " * len(found[0]), line)
    return [(at, sign) for at, sign in enumerate(bare) if sign in "{}"]


def _guesses(line: str, column: int) -> Iterator[str]:
    habit = line
    for pattern, ours in _HABITS:
        habit = pattern.sub(ours, habit)
        if habit != line:
            yield habit
    signs = [sign for _, sign in _braces(habit)]
    if (open_braces := signs.count("{") - signs.count("}")) > 0:
        yield habit.rstrip() + " }" * open_braces
    if "=" not in line and (found := _WITHOUT_SIGN.fullmatch(line)):
        yield f"{found[1]} = {found[2]}"
        yield f'{found[1]} = "{found[2].strip()}"'
    for each in dict.fromkeys((line, habit)):
        if found := _ASSIGNED.fullmatch(each):
            head, value, tail = found.groups()
            yield from (f"{head}{one}{tail}" for one in _values(value.strip()))
    if word := _WORD.match(line, column - 1):  # one of several, in braces
        for one in _values(word[0]):
            yield line[: word.start()] + one + line[word.end() :]


def _values(value: str) -> Iterator[str]:
    if spoken := SPOKEN.get(value.lower()):
        yield spoken
    if rate := re.fullmatch(r"([0-9]+)\s*(?:bps|baud|bit/s|号)", value):
        yield rate[1]
    inner = value.strip("\"'")
    if "\\" in inner and "'" not in inner:
        yield f"'{inner}'"
    if inner and not inner.startswith(("{", "[")):
        yield f'"{inner}"'


def yaml_path(lines: Sequence[str], number: int) -> tuple[str, ...]:
    """What a line `name:` of YAML heads: its name behind those of the lines that it is indented
    under; () for any other line.
    """
    path: list[str] = []
    depth = LINE_MAX
    for line in reversed(lines[: number + 1]):
        heading = _YAML.fullmatch(line)
        if heading is None and not path:
            return ()
        if heading and len(heading[1]) < depth:
            path.insert(0, heading[2])
            depth = len(heading[1])
        elif path and line.lstrip().startswith("["):
            break
        if depth == 0:
            break
    return tuple(path)
