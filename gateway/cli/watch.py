"""`jiahe watch`: live values, repainted on a terminal, one line a change in a pipe."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from gateway.amounts import ago, shown
from gateway.cli.context import Context, complain
from gateway.cli.table import RED, YELLOW, cut, table
from gateway.plain import plain

CLEAR = "\033[H\033[2J"
EVERY_MS = (100, 3_600_000)


def main(context: Context, options: argparse.Namespace) -> int:
    """Until Ctrl-C, which is the way to end it."""
    if not EVERY_MS[0] <= options.every_ms <= EVERY_MS[1]:
        low, high = EVERY_MS
        complain(context.lang, "cli.bad_every", value=options.every_ms, low=low, high=high)
        return 2
    params = {"target": options.target, "every_ms": options.every_ms}
    told: dict[tuple[str, str], tuple[Any, str]] = {}
    with context.connect() as client:
        try:
            for rows in client.stream("watch", params):
                if context.json:
                    context.show_json(rows)
                    return 0
                if options.once or sys.stdout.isatty():
                    lines = _painted(context, rows, fits=not options.once)
                    if not options.once:
                        lines = _screenful(context, lines)
                    sys.stdout.write("\n".join(lines) + "\n")
                else:
                    changed = [row for row in rows if told.get(_name(row)) != _content(row)]
                    told.update((_name(row), _content(row)) for row in changed)
                    sys.stdout.writelines(f"{_line(context, row)}\n" for row in changed)
                sys.stdout.flush()
                if options.once:
                    return 0
        except KeyboardInterrupt:
            return 0
    return 0


def _name(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["device"], row["tag"]


def _content(row: Mapping[str, Any]) -> tuple[Any, str]:
    return row["value"], row["quality"]


def _quality(context: Context, row: Mapping[str, Any]) -> str:
    """The quality in a word, with its cause."""
    words = {
        "good": context.words("cli.good"),
        "uncertain": context.words("cli.uncertain"),
        "bad": context.words("cli.bad"),
    }
    word = words.get(row["quality"], row["quality"])
    return f"{word} {context.say(row['cause'])}" if row["cause"] else word


def _painted(context: Context, rows: list[dict[str, Any]], *, fits: bool) -> list[str]:
    """`fits`: each is one line of the terminal, whatever of its cause is cut off."""
    words = context.words
    heads = [
        words("cli.device"), words("cli.tag"), words("cli.value"), "", words("cli.age"),
        words("cli.quality"),
    ]  # fmt: skip
    cells = [
        [
            cut(row["device"], 16),
            cut(row["tag"], 18),
            cut(shown(row["value"]), 20),
            cut(row["unit"], 8),
            ago(row["age_s"], context.lang, brief=True),
            _quality(context, row),
        ]
        for row in rows
    ]
    lines = table(heads, cells, right=[2])
    if fits:
        columns = shutil.get_terminal_size().columns
        lines = [cut(line, columns) for line in lines]
    colours = {"bad": RED, "uncertain": YELLOW}
    return [
        lines[0],
        *(
            context.paint(line, colours[row["quality"]]) if row["quality"] in colours else line
            for line, row in zip(lines[1:], rows, strict=True)
        ),
    ]


def _screenful(context: Context, lines: list[str]) -> list[str]:
    """What fits on the terminal, and how much does not; the screen is cleared before it."""
    most = max(3, shutil.get_terminal_size().lines - 1)
    if len(lines) > most:
        hidden = context.words("cli.and_more", count=len(lines) - most + 1)
        lines = [*lines[: most - 1], hidden]
    return [CLEAR + lines[0], *lines[1:]]


def _line(context: Context, row: Mapping[str, Any]) -> str:
    """Three cells apart by tabs, which stand in none of them."""
    value = f"{shown(row['value'])} {row['unit']}".rstrip()
    cells = (f"{row['device']}.{row['tag']}", value, _quality(context, row))
    return "\t".join(map(plain, cells))
