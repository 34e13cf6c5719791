"""Words that line up: columns with Chinese in them, ages, sizes, colours.

A Chinese character takes two cells of a terminal (Unicode TR 11, East Asian Width W and F).
Characters of ambiguous width are kept out of columns: PuTTY can be told to make them wide.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import TextIO

from gateway.plain import plain, width

RED, GREEN, YELLOW, BOLD, DIM = "31", "32", "33", "1", "2"


class Paint:
    """Colours, where the output is a terminal and NO_COLOR is not set (no-color.org)."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self.on = stream.isatty() and not os.environ.get("NO_COLOR")

    def __call__(self, words: str, colour: str) -> str:
        return f"\033[{colour}m{words}\033[0m" if self.on else words


def cut(words: str, cells: int) -> str:
    """`words` cut to at most `cells` terminal cells, without control characters; a cut is shown as
    "~".
    """
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
    import shutil  # here: with its archives it takes half a megabyte, and the daemon draws nothing

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
