"""`jiahe check`: every mistake of the configuration at once; then what it will come to."""

from __future__ import annotations

import argparse
import gc
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from gateway import descriptors
from gateway.amounts import period, size
from gateway.cli import identity
from gateway.cli.context import DEFAULT_CONFIG, Context
from gateway.cli.forecast import PER_DAYS, Forecast, forecast
from gateway.cli.identity import Identity
from gateway.cli.status import per
from gateway.cli.table import GREEN, RED, YELLOW, Paint, cut, fitted, table
from gateway.config import Loaded, Located, load, remedy_of, render
from gateway.config.units import Rate
from gateway.messages import text
from gateway.uplink.budget import least as least_budget

#: What reading a configuration imports when it comes to it: the other user may not look into the
#: folder that this Python lies in, as somebody's home.
_BEFORE = ("ssl", "encodings.gb18030", "gateway.buffer.state", "drivers.modbus")
#: Percent of a wire above which it is worth a word.
BUSY_PERCENT = 80


def main(context: Context, options: argparse.Namespace) -> int:
    """0 if the configuration is fine, warnings included."""
    if context.json:
        loaded, made = _judge(context.config)
        context.show_json(_document(context, loaded, made))
        return 0 if made else 1
    if (found := accepted(context)) is None:
        return 1
    sys.stderr.flush()
    sys.stdout.write("\n".join(_words(context, *found)) + "\n")
    return 0


def accepted(context: Context) -> tuple[Loaded, Forecast] | None:
    """The configuration, with every mistake and note said on stderr; None where it is refused."""
    loaded, made = _judge(context.config)
    # What refuses the file first, then what is only worth a word.
    for problem in sorted(loaded.problems, key=lambda each: each.severity):
        sys.stderr.write(_fitted(render(problem, context.lang)) + "\n")
    if made is not None:
        return loaded, made
    said = context.words("cli.check_bad", count=_errors(loaded))
    sys.stderr.write(Paint(sys.stderr)(said, RED) + "\n")
    return None


def _judge(config: Path) -> tuple[Loaded, Forecast | None]:
    with _nothing_collected():
        loaded = _with_descriptors(_loaded(config))
        made = forecast(loaded.config) if loaded.config and not _errors(loaded) else None
    return loaded, made


def _errors(loaded: Loaded) -> int:
    return sum(each.count for each in loaded.problems if each.severity == "error")


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Nearly all that is made is kept: looking for garbage in it takes a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _loaded(config: Path) -> Loaded:
    """Load the configuration with the rights of the service's user.

    A draft in a folder that the service may not enter is read with the rights of whoever asks.
    """
    service, asking = identity.service(), identity.caller()
    if service or asking:
        for name in _BEFORE:
            import_module(name)
    with identity.acting_as(service):
        loaded = _judged(load(config), service)
        closed = service is not None and identity.blocking(config) is not None
    if closed and config.absolute() != Path(DEFAULT_CONFIG):
        with identity.acting_as(asking):
            draft = load(config)
        denied = [replace(each, severity="warning") for each in loaded.problems]
        loaded = replace(draft, problems=[*denied, *draft.problems])
    return loaded if _is_the_systems(config, asking) else identity.without_secrets(loaded, asking)


def _is_the_systems(config: Path, asking: Identity | None) -> bool:
    """Whether the files are the service's own, which whoever asks can't have changed."""
    if config.absolute() != Path(DEFAULT_CONFIG):
        return False
    files = (config, config.parent, config.parent / "conf.d", *config.parent.glob("conf.d/*"))
    with identity.acting_as(asking):
        return not any(os.access(each, os.W_OK) for each in files)


def _judged(loaded: Loaded, service: Identity | None) -> Loaded:
    """Add the problems that the service's user would have with these files."""
    if service is None:
        return loaded
    problems = [_denied(each, service) for each in loaded.problems]
    folder = loaded.config.buffer.path if loaded.config else None
    if folder and folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        args = {"user": service.name, "path": str(folder)}
        problems.append(Located(str(folder), 0, 0, "error", "config.service_not_writing", args))
    return replace(loaded, problems=problems)


def _with_descriptors(loaded: Loaded) -> Loaded:
    """Add a warning where the service may not open as many files as the links need."""
    if loaded.config is None:
        return loaded
    needed, limit = descriptors.needed(loaded.config.links), descriptors.allowed()
    if limit is None or limit >= needed:
        return loaded
    args = {"links": len(loaded.config.links), "needed": needed, "limit": limit}
    file = str(loaded.files[0])
    few = Located(file, 0, 0, "error", "config.few_files", args)
    return replace(loaded, problems=[few, *loaded.problems])


def _denied(problem: Located, service: Identity) -> Located:
    """A file that can't be read: what keeps the service's user from it."""
    path = Path(problem.args.get("path", "/"))
    if problem.id != "config.unreadable" or not (at := identity.blocking(path)):
        return problem
    mode = "750" if at.is_dir() else "640"
    args = {"user": service.name, "path": str(path), "blocking": str(at), "mode": mode}
    return replace(problem, id="config.service_not_allowed", args=args)


def _fitted(rendered: str) -> str:
    """The words wrapped on a terminal; never the line of the file, nor the caret below it."""
    lines = rendered.split("\n")
    return "\n".join(
        line if re.match(r"  [0-9 ]+ \| ", line) else fitted(line, sys.stderr) for line in lines
    )


def _document(context: Context, loaded: Loaded, made: Forecast | None) -> dict[str, Any]:
    problems = [
        {
            "file": problem.file,
            "line": problem.line,
            "column": problem.column,
            "severity": problem.severity,
            "id": problem.id,
            "text": text(problem.id, context.lang, **problem.args),
            "remedy": remedy_of(problem, context.lang),
            "count": problem.count,
        }
        for problem in loaded.problems
    ]
    return {
        "ok": made is not None,
        "problems": problems,
        "forecast": made.as_json() if made else None,
    }


def _words(context: Context, loaded: Loaded, made: Forecast) -> list[str]:
    words = context.words
    assert loaded.config is not None
    lines = [
        context.paint(
            words(
                "cli.check_good",
                files=len(loaded.files),
                links=len(loaded.config.links),
                devices=len(loaded.config.devices),
                tags=sum(len(device.tags) for device in loaded.config.devices),
            ),
            GREEN,
        )
    ]
    if made.links:
        heads = [words("cli.link"), words("cli.wire"), words("cli.whole_round")]
        rows = [
            [cut(link.link, 20), f"{link.share:.1f} %", period(link.cycle_ns)]
            for link in made.links
        ]
        lines += ["", *table(heads, rows, right=[1, 2])]
    for link in made.links:
        if link.share > 100:
            lines.append(context.paint("▲ " + words("cli.overloaded", link=link.link), YELLOW))
        elif link.share > BUSY_PERCENT:
            lines.append(context.paint("▲ " + words("cli.nearly_full", link=link.link), YELLOW))
    heads = [
        words("cli.device"),
        words("cli.period"),
        words("cli.one_scan"),
        words("cli.reachable"),
    ]
    rows = _group_rows(context, made)
    if rows:
        lines += ["", *table(heads, rows, right=[1, 2, 3])]
        lines += [
            "",
            words(
                "cli.bytes_a_day",
                expected=size(made.bytes_a_day),
                sends=made.sends_a_day,
                least=size(made.bytes_a_day_min),
                most=size(made.bytes_a_day_max),
            ),
        ]
        if made.tags_pushed:
            args = {"tags": made.tags_pushed, "count": made.events_a_day}
            lines.append(words("cli.pushed_as_simulated", **args))
        if made.tags_left_out:
            lines.append(words("cli.pushed_left_out", count=made.tags_left_out))
        budgets = [way.data_budget for way in loaded.config.uplinks]
        for budget in budgets or [loaded.config.platform.data_budget]:
            lines += _budget_words(context, budget, made)
    lines.append(words("cli.estimate"))
    return lines


def _budget_words(context: Context, budget: Rate | None, made: Forecast) -> list[str]:
    """Whether the box will stay within it, as it counts."""
    if budget is None:
        return []
    least = made.counted_a_day_min * PER_DAYS[budget.per]
    most = made.counted_a_day_max * PER_DAYS[budget.per]
    one_block = least_budget(made.catalog_bytes)
    if max(most, one_block) <= budget.size_bytes:
        return []
    if least > budget.size_bytes:
        message = "cli.over_budget"
    elif one_block > budget.size_bytes:
        message, least = "cli.tiny_budget", one_block
    else:
        message = "cli.near_budget"
    said = context.words(
        message,
        budget=size(budget.size_bytes),
        per=per(context, budget.per),
        least=size(least),
        most=size(most),
    )
    return [context.paint(f"▲ {said}", YELLOW)]


def _group_rows(context: Context, made: Forecast) -> list[list[str]]:
    """A line for each group, or for a run of devices whose groups are alike."""
    rows: list[list[str]] = []
    alike: dict[tuple[str, int, int, int], list[str]] = {}
    for link in made.links:
        for group in link.groups:
            key = (link.link, group.period_ns, group.scan_ns, group.reachable_ns)
            alike.setdefault(key, []).append(group.device)
    for (_, period_ns, scan_ns, reachable_ns), devices in alike.items():
        name = cut(devices[0], 24)
        if len(devices) > 1:
            name = context.words("cli.and_alike", name=name, more=len(devices) - 1)
        rows.append([name, period(period_ns), period(scan_ns), period(reachable_ns)])
    return rows
