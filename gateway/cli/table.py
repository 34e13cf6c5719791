"""Words that line up: columns with Chinese in them, ages, sizes, colours.

A Chinese character takes two cells of a terminal (Unicode TR 11, East Asian Width W and F).
Characters of ambiguous width are kept out of columns: PuTTY can be told to make them wide.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any, TextIO

from gateway.messages import text
from gateway.plain import plain
from gateway.snapshot import BudgetSnapshot, Said

RED, GREEN, YELLOW, BOLD, DIM = "31", "32", "33", "1", "2"


class Paint:
    """Colours, where the output is a terminal and NO_COLOR is not set (no-color.org)."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self.on = stream.isatty() and not os.environ.get("NO_COLOR")

    def __call__(self, words: str, colour: str) -> str:
        return f"\033[{colour}m{words}\033[0m" if self.on else words


def width(words: str) -> int:
    """Cells that `words` take on a terminal."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in words
    )


def cut(words: str, cells: int) -> str:
    """At most `cells` wide, fit for a terminal; what is cut ends in "~"."""
    clean = plain(words)
    if width(clean) <= cells:
        return clean
    kept = ""
    for character in clean:
        if width(kept + character) > cells - 1:
            break
        kept += character
    return kept + "~"


def wrapped(words: str, cells: int, indent: str) -> str:
    """Lines of at most `cells`, those after the first behind `indent`. Breaks at blanks and beside
    Chinese characters, but never before a sign that closes something.
    """
    lines, line = [], ""
    for piece in re.findall(r"[\u2e80-\uffef][，。；：、）”]*|[^\s\u2e80-\uffef]+|\s+", words):
        if line.strip() and width((line + piece).rstrip()) > cells:
            lines.append(line.rstrip())
            line = indent + piece.lstrip()
        else:
            line += piece
    return "\n".join([*lines, line.rstrip()])


def fitted(text: str, stream: TextIO) -> str:
    """A trouble and its remedy as `stream` shows them: on a terminal in lines that fit."""
    if not stream.isatty():
        return text
    cells = shutil.get_terminal_size().columns
    out = []
    for line in text.split("\n"):
        mark = re.match(r"(▲ |  → |    |)", line)
        out.append(wrapped(line, cells, " " * len(mark[0]) if mark else ""))
    return "\n".join(out)


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()
) -> list[str]:
    """Lines of aligned columns, fit for a terminal; `right` are the columns of numbers. No trailing
    blanks.
    """
    lines = [list(heads), *[list(map(plain, row)) for row in rows]]
    widths = [max(width(line[column]) for line in lines) for column in range(len(heads))]
    out = []
    for line in lines:
        cells = []
        for column, cell in enumerate(line):
            gap = " " * (widths[column] - width(cell))
            cells.append(gap + cell if column in right else cell + gap)
        out.append("  ".join(cells).rstrip())
    return out


def facts(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Lines of a name and what is known of it."""
    widest = max(width(name) for name, _ in pairs)
    return [f"{name}{' ' * (widest - width(name))}  {fact}".rstrip() for name, fact in pairs]


def duration(seconds: float | None, lang: str, *, brief: bool = False) -> str:
    """Two units at most: "3 天 4 小时", "12 s"; `brief`: one."""
    if seconds is None:
        return "-"
    whole = int(seconds)
    if brief and whole >= 86_400:
        return text("cli.days", lang, days=whole // 86_400)
    if brief and whole >= 3_600:
        return text("cli.hours", lang, hours=whole // 3_600)
    days, hours, minutes = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60
    if days:
        return text("cli.days_hours", lang, days=days, hours=hours)
    if hours:
        return text("cli.hours_minutes", lang, hours=hours, minutes=minutes)
    if minutes:
        return text("cli.minutes", lang, minutes=minutes)
    return text("cli.seconds", lang, seconds=whole)


def ago(seconds: float | None, lang: str, *, brief: bool = False) -> str:
    if seconds is None:
        return text("cli.never", lang)
    return text("cli.ago", lang, age=duration(seconds, lang, brief=brief))


def resets(budget: BudgetSnapshot) -> Said:
    """When a data budget is counted anew; while the time is not known, at most how long that is."""
    if budget["resets_on"] is not None:
        return Said(id="budget.on", args={"date": budget["resets_on"]})
    hours = math.ceil(budget["resets_in_s"] / 3600)
    if hours <= 48:
        return Said(id="budget.within_hours", args={"hours": hours})
    return Said(id="budget.within", args={"days": math.ceil(hours / 24)})


def size(count: float) -> str:
    """Bytes for people: "1.4 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return ""


def count(number: int) -> str:
    """A counter in at most six characters: "812345", "1.2M"."""
    if number < 1_000_000:
        return str(number)
    return f"{number / 1e6:.1f}M" if number < 1_000_000_000 else f"{number / 1e9:.1f}G"


def period(ns: float) -> str:
    """A period: "10 ms", "1.5 s"."""
    for unit, factor in (("ms", 1e6), ("s", 1e9)):
        if ns < 1000 * factor or unit == "s":
            return f"{ns / factor:.4g} {unit}"
    return ""


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def shown(value: Any) -> str:
    """A live value; a text as it is, a whole number without a point."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
