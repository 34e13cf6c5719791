"""One line that is no TOML, as it was probably meant: what to type instead."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

#: Longer lines are not guessed at.
LINE_MAX = 2000
_SPOKEN = {
    "true": "true", "yes": "true", "on": "true", "是": "true", "开": "true",
    "false": "false", "no": "false", "off": "false", "否": "false", "关": "false",
}  # fmt: skip
_ASSIGNED = re.compile(r"(\s*[^=#]+?\s*=\s*)([^#]*?)(\s*(?:#.*)?)")
_WITHOUT_SIGN = re.compile(r"""(\s*[\w."'-]+)\s+(\S.*)""")
_WORD = re.compile(r"""[^\s,}\]#"']+""")


def meant(line: str, column: int) -> str:
    """The first guess that is TOML, else "". `column`, from 1: where it went wrong."""
    if len(line) > LINE_MAX:
        return ""
    for guess in _guesses(line, column):
        try:
            if tomllib.loads(guess) and guess != line:
                return guess.strip()
        except (ValueError, RecursionError):
            continue
    return ""


def _guesses(line: str, column: int) -> Iterator[str]:
    if "=" not in line and (found := _WITHOUT_SIGN.fullmatch(line)):
        yield f"{found[1]} = {found[2]}"
        yield f'{found[1]} = "{found[2].strip()}"'
    if found := _ASSIGNED.fullmatch(line):
        head, value, tail = found.groups()
        yield from (f"{head}{each}{tail}" for each in _values(value.strip()))
    if word := _WORD.match(line, column - 1):  # one of several, in braces
        for each in _values(word[0]):
            yield line[: word.start()] + each + line[word.end() :]


def _values(value: str) -> Iterator[str]:
    if spoken := _SPOKEN.get(value.lower()):
        yield spoken
    if re.fullmatch(r"-?[0-9]+,[0-9]+", value):
        yield value.replace(",", ".")
    if rate := re.fullmatch(r"([0-9]+)\s*(?:bps|baud|bit/s|号)", value):
        yield rate[1]
    inner = value.strip("\"'")
    if "\\" in inner and "'" not in inner:
        yield f"'{inner}'"
    if inner and not inner.startswith(("{", "[")):
        yield f'"{inner}"'
