"""A mistake in a configuration file, at its place, and how it is shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.messages import remedy, text
from gateway.plain import plain

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Located:
    """One problem. `id` and `args` are of gateway/messages; line and column count from 1.

    Line 0: the file as a whole (it is missing, or cannot be read).
    """

    file: str
    line: int
    column: int
    severity: Severity
    id: str
    args: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""  # the text of the line

    @property
    def place(self) -> str:
        """file:line:column, as editors jump to."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def order(self) -> tuple[str, int, int]:
        return self.file, self.line, self.column


def render(problem: Located, lang: str) -> str:
    """The place and the words, the line with a caret below, and the remedy."""
    kind = {"zh": ("错误", "注意"), "en": ("error", "warning")}["zh" if lang == "zh" else "en"]
    word = kind[problem.severity == "warning"]
    lines = [f"{plain(problem.place)}: {word}: {text(problem.id, lang, **problem.args)}"]
    if problem.line:
        shown = problem.source.rstrip().expandtabs(1)
        number = str(problem.line)
        lines.append(f"  {number} | {_window(shown, problem.column)[0]}")
        lines.append(f"  {' ' * len(number)} | {_window(shown, problem.column)[1]}^")
    if mend := remedy(problem.id, lang, **problem.args):
        lines.append(f"  → {mend}")
    return "\n".join(lines)


def _window(line: str, column: int) -> tuple[str, str]:
    """What of a long line fits beside its number, and the blanks before the caret."""
    first = max(0, column - 40) if len(line) > 100 else 0
    head = "..." if first else ""
    before = head + line[first : column - 1]
    width = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in before)
    width -= sum(1 for c in before if unicodedata.category(c) == "Cf")
    return plain(head + line[first : first + 100]), " " * width
