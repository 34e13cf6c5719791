"""`jiahe devices`: who answers, how fast, and why the others do not."""

from __future__ import annotations

import argparse
import sys

from gateway.amounts import ago, count
from gateway.cli.context import Context
from gateway.cli.status import warn
from gateway.cli.table import RED, YELLOW, cut, table
from gateway.report.snapshot import DeviceSnapshot
from gateway.report.troubles import causes, grouped, of_links, says_it_all


def main(context: Context, options: argparse.Namespace) -> int:
    snapshot = context.status()
    devices: list[DeviceSnapshot] = snapshot["devices"]
    if context.json:
        context.show_json(devices)
        return 0
    words = context.words
    links = [link for link in snapshot["links"] if link["devices"] and says_it_all(link)]
    troubles = [*of_links(links), *grouped(causes(devices, links), devices)]
    lines = [warn(context, said) for said in troubles]
    heads = [
        words("cli.device"), words("cli.link"), words("cli.unit"), words("cli.state"),
        words("cli.last_good"), words("cli.answer_ms"), words("cli.errors"),
    ]  # fmt: skip
    rows = [
        [
            cut(device["name"], 14),
            cut(device["link"], 9),
            _called(device),
            _state(context, device["state"]),
            ago(device["last_good_s"], context.lang, brief=True),
            _answer(device["answer_us"]),
            "/".join(map(count, (device["timeouts"], device["damaged"], device["exceptions"]))),
        ]
        for device in devices
    ]
    aligned = table(heads, rows, right=[2, 5, 6])
    colours = {"silent": RED, "partly": YELLOW}
    lines.append(aligned[0])
    for line, device in zip(aligned[1:], devices, strict=True):
        colour = colours.get(device["state"])
        lines.append(context.paint(line, colour) if colour else line)
    lines.append(words("cli.devices_legend"))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _called(device: DeviceSnapshot) -> str:
    """Its number on its line: a unit number, or what its protocol has instead."""
    if device["unit"] is not None:
        return str(device["unit"])
    return cut(device.get("called") or "-", 12)


def _state(context: Context, state: str) -> str:
    words = {
        "good": context.words("cli.good"),
        "partly": context.words("cli.partly"),
        "silent": context.words("cli.silent"),
        "starting": context.words("cli.starting"),
    }
    return words.get(state, state)


def _answer(answer_us: dict[str, int]) -> str:
    """Median and slowest, in milliseconds."""
    if not answer_us.get("max"):
        return "-"
    return "/".join(f"{answer_us[key] / 1000:.3g}" for key in ("p50", "max") if key in answer_us)
