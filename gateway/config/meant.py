"""One line that is no TOML, as it was probably meant: what to type instead."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from decimal import Decimal

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
    (re.compile(r"\s(?://|;)(?=[^\"']*$)"), " #"),
    (re.compile(r"((?:^|[{,])\s*[\w.-]+)\s*(?:=>|==|:=)\s*"), r"\1 = "),
    (re.compile(r"^(\s*)([\w-]+)\s*:\s*(?=\S)"), r"\1\2 = "),
    (re.compile(r'([{,]\s*)"([A-Za-z0-9_-]+)"\s*:\s*'), r"\1\2 = "),
    (re.compile(r"([{,]\s*)([\w-]+)\s*:\s*(?!\d+\")"), r"\1\2 = "),
    (re.compile(r"(=\s*-?)\.([0-9])"), r"\g<1>0.\2"),
    (re.compile(r"(=\s*-?[0-9]+),([0-9]+)(?=\s*(?:[},#]|$))"), r"\1.\2"),
    (re.compile(r"(=\s*)(0[0-9]+)(?=\s*(?:[},#]|$))"), r'\1"\2"'),
    (re.compile(r",\s*\}"), " }"),
    (re.compile(r"(deadband\s*=\s*)([0-9.]+)\s*%"), r'\1"\2 %"'),
)


def meant(line: str, column: int, *, habits_only: bool = False) -> str:
    """The first guess that is TOML, else "". `column`, from 1: where it went wrong. `habits_only`:
    none that puts anything in quotes.
    """
    if len(line) > LINE_MAX:
        return ""
    for guess in _habitual(line) if habits_only else _guesses(line, column):
        if is_toml(guess) and guess != line:
            return guess.strip()
    return ""


def is_toml(line: str) -> bool:
    """Whether it says something."""
    try:
        return bool(tomllib.loads(line))
    except (ValueError, RecursionError):
        return False


def in_braces(lines: Sequence[str], number: int) -> tuple[str, dict[str, str]]:
    """What is wrong with braces that open there: a message and its arguments."""
    if line := _in_one_line(lines, number):
        return "config.inline_lines", {"meant": line}
    typed = meant(lines[number], 1)
    return "config.syntax_inline", {"typed": typed} if typed else {}


def _in_one_line(lines: Sequence[str], number: int) -> str:
    """What stands in braces that are closed lines below, as the one line that it must be; "" where
    that is none.
    """
    whole, depth = "", 0
    for line in lines[number : number + 40]:
        bare = line.split("#")[0].strip() if '"' not in line else line.strip()
        whole = f"{whole} {bare}".strip()
        depth += sum((sign == "{") - (sign == "}") for _, sign in _braces(line))
        if depth <= 0 or len(whole) > LINE_MAX:
            break
    whole = re.sub(r",\s*\}", " }", whole)
    return whole if not depth and is_toml(whole) else ""


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


_RATIO = re.compile(r"(?<==)(\s*)([0-9.]+)\s*(?:%|/\s*([0-9]+))(?=\s*(?:[},#]|$))")


def _ratio(found: re.Match[str]) -> str:
    """10% and 1/10 as 0.1, where that comes out even."""
    try:
        made = Decimal(found[2]) / Decimal(found[3] or 100)
    except ArithmeticError:
        return found[0]
    return f"{found[1]}{made:f}" if len(f"{made:f}") < 12 else found[0]


def _habitual(line: str) -> Iterator[str]:
    """The line without one habit after the other."""
    habit = line
    for pattern, ours in _HABITS:
        habit = pattern.sub(ours, habit)
        if habit != line:
            yield habit
    if (ratio := _RATIO.sub(_ratio, habit)) != habit:
        habit = ratio
        yield habit
    signs = [sign for _, sign in _braces(habit)]
    if (open_braces := signs.count("{") - signs.count("}")) > 0:
        yield habit.rstrip() + " }" * open_braces


def _guesses(line: str, column: int) -> Iterator[str]:
    habit = line
    for habit in _habitual(line):
        yield habit
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
