"""`jiahe links`: every serial port and network address, how busy and how clean it is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gateway.amounts import ago, count, duration, percent, size
from gateway.cli.context import Context
from gateway.cli.status import warn
from gateway.cli.table import RED, YELLOW, cut, table
from gateway.plain import plain
from gateway.report.snapshot import DeviceSnapshot, DialledIn, LinkSnapshot, Said
from gateway.report.troubles import WHOLE_LINK, causes, grouped


def main(context: Context, options: argparse.Namespace) -> int:
    snapshot = context.status()
    links: list[LinkSnapshot] = snapshot["links"]
    if context.json:
        context.show_json(links)
        return 0
    words = context.words
    troubles = {link["name"]: _troubles(link, snapshot["devices"]) for link in links}
    lines = [warn(context, said) for link in links for said in troubles[link["name"]]]
    heads = [
        words("cli.link"), words("cli.target"), words("cli.state"), words("cli.busy"),
        words("cli.requests"), words("cli.timeouts"), words("cli.damaged_answers"),
    ]  # fmt: skip
    rows = [
        [
            cut(link["name"], 12),
            cut(link["target"], 21),
            _state(context, link, troubles[link["name"]]),
            percent(link["busy_share"]),
            count(link["requests"]),
            count(link["timeouts"]),
            count(link["damaged"] + link["wrong"]),
        ]
        for link in links
    ]
    aligned = table(heads, rows, right=[3, 4, 5, 6])
    lines.append(aligned[0])
    for line, link in zip(aligned[1:], links, strict=True):
        colour = _colour(link, troubles[link["name"]])
        lines.append(context.paint(line, colour) if colour else line)
    if options.verbose:
        for link in links:
            devices = [each for each in snapshot["devices"] if each["link"] == link["name"]]
            lines += ["", *_details(context, link, devices)]
        lines += ["", words("cli.links_legend")]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _troubles(link: LinkSnapshot, devices: Sequence[DeviceSnapshot]) -> list[Said]:
    """Why it is down, or what is wrong with one that is up; that may be its only device."""
    if link["cause"] or link["state"] != "up":
        return [link["cause"]] if link["cause"] else []
    members = [each for each in devices if each["link"] == link["name"]]
    if link["warnings"] or any(each["state"] in ("good", "partly") for each in members):
        return link["warnings"]
    return grouped(causes(members), members)


def _state(context: Context, link: LinkSnapshot, troubles: list[Said]) -> str:
    """In one word; of one that is up also what is wrong with it."""
    words = {"up": "cli.up", "connecting": "cli.connecting", "down": "cli.down"}
    said = {each["id"] for each in troubles} if link["state"] == "up" else set()
    own = {each["id"] for each in link["warnings"]}
    if said & WHOLE_LINK or said - own:  # what is wrong with all its devices
        return context.words("cli.silent")
    return context.words("cli.noisy" if "link.noisy" in said else words[link["state"]])


def _colour(link: LinkSnapshot, troubles: list[Said]) -> str | None:
    if link["state"] == "down":
        return RED
    return YELLOW if link["state"] != "up" or troubles else None


def _details(context: Context, link: LinkSnapshot, devices: list[DeviceSnapshot]) -> list[str]:
    words = context.words
    errors = link["line_errors"]
    lines = [
        context.paint(plain(link["name"]), "1"),
        "  "
        + words(
            "cli.link_more",
            since=duration(link["since_s"], context.lang),
            reconnects=link["reconnects"],
            retries=link["retries"],
            late=link["late"],
            exceptions=link["exceptions"],
        ),
        "  "
        + words("cli.link_bytes", received=size(link["bytes_in"]), sent=size(link["bytes_out"])),
    ]
    if link["listen_only"]:
        lines.append("  " + words("cli.listen_only"))
    if dialled := link.get("dialled"):
        lines += _dialled(context, link["target"], dialled)
    if link["in_flight_learned"]:
        lines.append("  " + words("learned.in_flight", count=link["in_flight"]))
    tls = link.get("tls")
    if tls and tls["version"]:
        said = {key: tls[key] for key in ("version", "cipher", "peer")}
        lines.append("  " + words("cli.link_tls", **said))
    if errors is not None:
        lines.append("  " + words("cli.line_errors", **errors))
    for device in devices:
        known = [words("learned.timeout", ms=f"{device['timeout_us'] / 1000:.0f}")]
        known += [context.say(said) for said in device["learned"]]
        lines.append(f"  {cut(device['name'], 24)}: {'; '.join(known)}")
    return lines


def _dialled(context: Context, target: str, dialled: DialledIn) -> list[str]:
    """Who dialled in, and who else tried: what a technician needs to fill in `register`."""
    words = context.words
    lines = [
        words(
            "cli.dialled_in",
            target=target,
            register=dialled["register"] or "-",
            peer=dialled["peer"] or "-",
            heartbeats=dialled["heartbeats"],
            refused=dialled["refused"],
        )
    ]
    if one := dialled["stranger"]:
        told = {**one, "ago": ago(one["ago_s"], context.lang)}
        lines.append(words("cli.stranger" if one["said"] else "cli.stranger_mute", **told))
    return ["  " + line for line in lines]
