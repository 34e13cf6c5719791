"""`jiahe status`: what is going on now, what is wrong first."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any, cast

from gateway.amounts import ago, duration, percent, resets, size
from gateway.cli.context import Context
from gateway.cli.table import BOLD, GREEN, RED, YELLOW, cut, facts, fitted
from gateway.report.snapshot import (
    BudgetSnapshot,
    ClockSnapshot,
    Snapshot,
    UplinkSnapshot,
    WaySnapshot,
)
from gateway.report.troubles import grouped, shortened

#: More warnings about links and devices than this are counted, not listed.
WARNINGS_SHOWN = 12


def main(context: Context, options: argparse.Namespace) -> int:
    snapshot = cast(Snapshot, context.status())  # the shape that the daemon promises
    if context.json:
        told = [context.told(said) for said in snapshot["warnings"]]
        context.show_json({**snapshot, "warnings": told})
        return 0
    lines = [_headline(context, snapshot)]
    if ended := snapshot["buffer"]["previous_end"]:
        lines.append("  " + context.say(ended))
    shown, more = shortened(grouped(snapshot["warnings"], snapshot["devices"]), WARNINGS_SHOWN)
    lines += [warn(context, said) for said in shown]
    if more:
        commands = ", ".join(sorted(set(more)))
        lines.append(context.words("cli.more_warnings", count=len(more), commands=commands))
    lines += facts(_facts(context, snapshot))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def warn(context: Context, said: Mapping[str, Any]) -> str:
    """A warning with its remedy below; on a terminal in lines that fit, in a pipe one each."""
    trouble = fitted(f"▲ {context.say(said)}", sys.stdout)
    lines = [context.paint(line, YELLOW) for line in trouble.split("\n")]
    if mend := context.mend(said):
        lines.append(fitted(f"  → {mend}", sys.stdout))
    return "\n".join(lines)


def uplink_state(context: Context, uplink: UplinkSnapshot) -> str:
    """In one word, coloured."""
    words = {
        "connected": context.words("cli.connected"),
        "connecting": context.words("cli.connecting"),
        "waiting": context.words("cli.waiting"),
        "paused": context.words("cli.paused"),
    }
    colour = GREEN if uplink["state"] == "connected" else RED
    return context.paint(words.get(uplink["state"], uplink["state"]), colour)


def budget_now(context: Context, budget: BudgetSnapshot) -> str:
    """What is used of what, and when it is counted anew."""
    return context.words(
        "cli.budget_now",
        used=size(budget["used_bytes"]),
        budget=size(budget["budget_bytes"]),
        per=per(context, budget["per"]),
        share=percent(budget["share"]),
        resets=context.say(resets(budget)),
    )


def way_now(context: Context, way: WaySnapshot) -> str:
    """One of [uplinks]: its interface, how it is, and what it carried since the start."""
    if way["used"]:
        state = context.paint(context.words("cli.way_used"), GREEN)
    elif way["failed"]:
        state = context.paint(context.words("cli.way_failed"), YELLOW)
    else:
        state = context.words("cli.way_ready")
    return context.words(
        "cli.way_now",
        name=cut(way["name"], 24),
        interface=way["interface"],
        state=state,
        sent=size(way["sent_bytes"]),
        received=size(way["received_bytes"]),
    )


def _is_held(uplink: UplinkSnapshot) -> bool:
    """Only the data budget keeps blocks back, no trouble that is said elsewhere."""
    budget = uplink["budget"]
    waits = uplink["state"] == "connected" and uplink["backlog_blocks"] > 0
    return waits and budget is not None and budget["holding_backlog"]


def per(context: Context, period: str) -> str:
    return context.words("cli.per_day" if period == "day" else "cli.per_month")


def round_trip(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:.0f} ms"


def _headline(context: Context, snapshot: Snapshot) -> str:
    words = context.words(
        "cli.running",
        version=snapshot["version"],
        uptime=duration(snapshot["uptime_s"], context.lang),
        gateway=cut(snapshot["gateway"], 64),
        site=cut(snapshot["site"], 40),
        run=snapshot["run"],
    )
    colour = YELLOW if snapshot["warnings"] else GREEN
    return context.paint("● ", colour) + context.paint(words.rstrip(), BOLD)


def _facts(context: Context, snapshot: Snapshot) -> list[tuple[str, str]]:
    words, lang = context.words, context.lang
    states = [device["state"] for device in snapshot["devices"]]
    tags = sum(group["tags"] for device in snapshot["devices"] for group in device["groups"])
    devices = words(
        "cli.devices_now",
        count=len(states),
        good=states.count("good"),
        partly=states.count("partly"),
        silent=states.count("silent"),
        tags=tags,
    )
    links = "  ".join(
        f"{cut(link['name'], 16)} "
        + (percent(link["busy_share"]) if link["state"] == "up" else words("cli.down"))
        for link in snapshot["links"][:6]
    )
    if len(snapshot["links"]) > 6:
        links += "  " + words("cli.and_more", count=len(snapshot["links"]) - 6)
    uplink, buffer = snapshot["uplink"], snapshot["buffer"]
    platform = words(
        "cli.platform_now",
        state=uplink_state(context, uplink),
        address=cut(uplink["address"], 40),
        ack=ago(uplink["last_ack_s"], lang),
    )
    backlog = words(
        "cli.backlog_now",
        blocks=uplink["backlog_blocks"],
        size=size(buffer["bytes"] + buffer["memory_bytes"]),
        most=size(buffer["max_bytes"]),
    )
    budget = uplink["budget"]
    if _is_held(uplink):
        backlog += "  " + words("cli.backlog_waits")
    return [
        (words("cli.devices"), devices),
        (words("cli.links"), links or "-"),
        (words("cli.platform"), platform),
        *((words("cli.way"), way_now(context, way)) for way in uplink["ways"] if way["used"]),
        *([(words("cli.budget"), budget_now(context, budget))] if budget else []),
        (words("cli.buffer"), backlog),
        (words("cli.clock"), clock_line(context, snapshot["clock"])),
    ]


def clock_line(context: Context, clock: ClockSnapshot) -> str:
    """Where the time comes from, and how far it may be off."""
    if clock["source"] in ("unknown", "last_known"):
        return context.paint(context.words("cli.clock_unknown"), YELLOW)
    source = "cli.clock_system" if clock["source"] == "system" else "cli.clock_platform"
    return context.words(source, error=f"{clock['error_ms']:.0f}")
