"""bench/results/latest.json as docs/performance.md's table: `python -m bench --markdown`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: Marks in docs/performance.md: the table goes between.
BEGIN, END = "<!-- python -m bench --markdown: begin -->", "<!-- end -->"


def number(value: float) -> str:
    """Three digits that count: 12,300 or 0.123."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _figure(figure: Mapping[str, float] | None) -> str:
    if figure is None:
        return ""
    if figure["least"] == figure["most"]:
        return number(figure["median"])
    least, most = number(figure["least"]), number(figure["most"])
    return f"{number(figure['median'])} ({least} to {most})"


def _cells(row: Mapping[str, Any]) -> Iterator[str]:
    goal = row["goal"]
    sense = {"at least": "≥", "at most": "≤"}
    yield row["bench"]
    yield row["work"]
    yield row["unit"]
    yield _figure(row["ours"])
    yield f"{row['peer_name']}: {_figure(row['peer'])}" if row["peer"] else ""
    yield number(row["value"]) if row["peer"] and row["value"] is not None else ""
    yield f"{sense[goal['sense']]} {number(goal['bound'])}" if goal else ""
    yield {True: "yes", False: "**no**", None: ""}[row["met"]]


def cut_short(text: str, kept: int = 1) -> str:
    """A configuration without the links, devices and tags that only repeat what stands before."""
    lines: list[str] = []
    for section in re.split(r"(?m)^(?=\[)", text):
        name = re.match(r"\[(links|devices)\.\D*(\d+)(\.tags)?\]", section)
        if name and int(name[2]) >= kept:
            continue
        rows = section.splitlines()
        lines += rows if len(rows) < 12 else [*rows[:2], f"# ... and {len(rows) - 2} more"]
    return "\n".join(lines) + "\n"


def _configurations(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Each file that rows were run with, once, below the table, folded."""
    users: dict[str, list[str]] = {}
    for row in rows:
        works = users.setdefault(row["configuration"], [])
        if (said := f"{row['bench']}: {row['work']}") not in works:
            works.append(said)
    for text, works in users.items():
        if text:
            yield from ("", "<details>", f"<summary>{'; '.join(works)}</summary>", "", "```toml")
            yield from (*text.splitlines(), "```", "", "</details>")


def markdown(document: str) -> str:
    """The newest run: machine, date, command, and a table. Raises ValueError if it is no run."""
    try:
        found = json.loads(document)
        machine, rows = found["machine"], found["rows"]
        asked = " ".join(found["command"])
        said = (
            f"{found['date']}, `{asked}`, {found['rounds']} rounds, median (least to most)."
            f" {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']},"
            f" {machine['machine']}, CPython {machine['python']}."
        )
        missed = [row for row in rows if row["met"] is False]
        goals = [row for row in rows if row["met"] is not None]
        lines = [
            said,
            "",
            f"{len(goals) - len(missed)} of {len(goals)} goals are met.",
            *(f"{name} broke off: {why}" for name, why in found["broken"].items()),
            "",
            "| | work | unit | ours | peer | ratio | goal | met |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
            *("| " + " | ".join(_cells(row)) + " |" for row in rows),
            *_configurations(rows),
        ]
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"not a run of this bench: {error}") from error
    return "\n".join(lines) + "\n"


def placed(page: str, table: str) -> str:
    """`page` with the table between its two marks. Raises ValueError when they are not there."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs the lines {BEGIN} and {END}")
    return f"{head}{begin}\n\n{table}\n{end}{tail}"
