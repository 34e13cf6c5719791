"""A mistake in a configuration file, at its place, and how it is shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from gateway.config import spelling
from gateway.messages import remedy, some, text
from gateway.plain import plain

Severity = Literal["error", "warning"]

#: More errors than this are not looked for: nobody mends them by hand, and finding each takes time.
ERRORS_MAX = 5_000
#: This many problems that are alike are shown, each at its place; the others are counted in one
#: more.
ALIKE_SHOWN = 5
#: Places of its kind that are named with a problem that stands for many.
LINES_NAMED = 8
#: More problems than this are counted, not shown: the first ones tell what is to be done.
SHOWN_MAX = 200


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
    count: int = 1  # how many problems alike it stands for
    in_table: bool = False  # it stands in a table of tags, where remedies name cells

    @property
    def place(self) -> str:
        """file:line:column, as editors jump to."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def order(self) -> tuple[str, int, int]:
        return self.file, self.line, self.column


class Problems:
    """What was found so far."""

    def __init__(self) -> None:
        self._found: list[Located] = []
        self._errors = 0

    def __iter__(self) -> Iterator[Located]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    @property
    def are_enough(self) -> bool:
        """No more need be looked for."""
        return self._errors >= ERRORS_MAX

    def append(self, problem: Located) -> None:
        self._errors += problem.severity == "error"
        self._found.append(problem)

    def extend(self, problems: Iterable[Located]) -> None:
        for problem in problems:
            self.append(problem)

    def errors_since(self, before: int) -> bool:
        """Whether there is an error beyond the first `before` problems."""
        return any(each.severity == "error" for each in self._found[before:])

    def in_order(self) -> list[Located]:
        """The problems sorted by place. A mistake that devices share (twenty-four machines, one
        profile) comes once; of many that are alike the first ones come, and one that counts the
        others.
        """
        first: dict[tuple[object, ...], Located] = {}
        for problem in self._found:
            missing = problem.args.get("key") or problem.args.get("table")
            same = (problem.file, problem.line, problem.column, problem.id, missing)
            first.setdefault(same, problem)
        return _bounded(_merged(sorted(first.values(), key=Located.order)))


def _merged(problems: list[Located]) -> list[Located]:
    """Of many problems that are alike in one file keep the first ones and one that counts the
    others.
    """
    alike: dict[tuple[object, ...], list[int]] = {}
    for number, problem in enumerate(problems):
        kind = (problem.file, problem.severity, problem.id, problem.args.get("key"))
        alike.setdefault(kind, []).append(number)
    shown = dict(enumerate(problems))
    for numbers in alike.values():
        if len(numbers) > ALIKE_SHOWN + 1:
            first, *others = numbers[ALIKE_SHOWN:]
            shown[first] = _standing_for([problems[number] for number in (first, *others)])
            for number in others:
                del shown[number]
    return list(shown.values())


def _standing_for(problems: list[Located]) -> Located:
    first = problems[0]
    lines = some([str(line) for line in dict.fromkeys(each.line for each in problems)], LINES_NAMED)
    said = {"id": first.id, "args": first.args}
    args = {"said": said, "lines": lines, "count": len(problems)}
    return replace(first, id="config.alike", args=args, count=len(problems))


def _bounded(problems: list[Located]) -> list[Located]:
    """Errors before warnings, where not all can be shown."""
    if len(problems) <= SHOWN_MAX:
        return problems
    by_weight = sorted(problems, key=lambda each: each.severity)
    shown, rest = by_weight[:SHOWN_MAX], by_weight[SHOWN_MAX:]
    count = sum(each.count for each in rest)
    args = {"count": count}
    last = Located(rest[0].file, 0, 0, rest[0].severity, "config.and_more", args, count=count)
    return [*sorted(shown, key=Located.order), last]


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
    if mend := remedy_of(problem, lang):
        lines.append(f"  → {mend}")
    return "\n".join(lines)


def remedy_of(problem: Located, lang: str) -> str:
    """What to do about it; of one that stands for others, what to do about each of them."""
    said = problem.args["said"] if problem.id == "config.alike" else None
    typed = (said or {"args": problem.args})["args"].get("typed")
    if typed:
        return text("config.typed", lang, typed=typed)
    if said:
        mend = remedy(said["id"], lang, **said["args"])
    else:
        mend = remedy(problem.id, lang, **problem.args)
    # A period that is missing may be said once, on the device.
    in_cells = problem.in_table and (said or {"id": problem.id})["id"] != "config.no_period"
    return spelling.cells(mend, lang) if in_cells else mend


def _window(line: str, column: int) -> tuple[str, str]:
    """What of a long line fits beside its number, and the blanks before the caret."""
    first = max(0, column - 40) if len(line) > 100 else 0
    head = "..." if first else ""
    before = head + line[first : column - 1]
    width = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in before)
    width -= sum(1 for c in before if unicodedata.category(c) == "Cf")
    return plain(head + line[first : first + 100]), " " * width
