"""What is wrong, worst first, and so that a technician sees all of it: what may lose data before
what is only silent, and the same trouble of many devices in one line.

The command line imports this: no protobuf here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from gateway.messages import NAMED_MAX
from gateway.report.snapshot import DeviceSnapshot, LinkSnapshot, Said, Snapshot

#: Said of a link that is up: nothing that each of its devices could add.
WHOLE_LINK = frozenset(
    {
        "link.silent", "link.silent_tcp", "link.silent_host", "link.silent_alone",
        "link.silent_alone_since", "link.silent_meters", "link.reset_asked",
        "link.silent_damaged", "link.silent_stranger",
        "link.nothing_heard", "link.nothing_understood", "link.master_silent",
    }
)  # fmt: skip

#: How several devices with one cause are said; else by the cause's own words.
_SEVERAL = {
    "device.no_answer": "device.several_silent",
    "device.no_answer_since": "device.several_silent",
    "device.no_answer_since_tcp": "device.several_silent",
    "device.no_answer_alone": "device.several_silent",
    "device.never_answered_alone": "device.several_never",
    "device.never_answered": "device.several_never",
    "device.never_answered_tcp": "device.several_never",
    "device.never_answered_host": "device.several_never",
    "device.never_answered_meter": "device.several_never",
}
#: Causes that mean that a device does not answer.
NO_ANSWER = frozenset(_SEVERAL)
#: What differs between devices that have the same trouble, and how one line says it.
_ADDED = ("count", "damaged", "bad", "tags")
_HIGHEST = ("seconds",)
_LEFT_OUT = ("device", "age")

#: Certificates of ours with which no connection comes about.
_UNFIT = {"certificate.expired", "certificate.not_yet", "certificate.no_pair"}

#: Where the time comes from while nothing vouches for it.
_UNSURE = {"unknown": "clock.unknown", "last_known": "clock.last_known"}


def worst_first(now: Snapshot, rest: Sequence[Said]) -> list[Said]:
    """Loss and disk; platform, certificate, budget; links; devices; clock; and what passes by
    itself, before `rest`. A device is left out where its link says it all.
    """
    uplink = now["uplink"]
    cause = [uplink["cause"]] if uplink["cause"] else []
    # A certificate of ours that is over is why it hung up.
    why = [said for said in uplink["warnings"] if cause and said["id"] in _UNFIT]
    rest_of = [said for said in uplink["warnings"] if said not in why]
    found = [*now["buffer"]["warnings"], *why, *cause, *rest_of]
    links, devices = of_links(now["links"]), causes(now["devices"], now["links"])
    found += links
    found += [said for said in devices if said["id"] != "device.waiting"]
    if now["clock"]["source"] in _UNSURE:
        found.append(Said(id=_UNSURE[now["clock"]["source"]], args={}))
    return [*found, *(said for said in devices if said["id"] == "device.waiting"), *rest]


def of_links(links: Sequence[LinkSnapshot]) -> list[Said]:
    return [
        said
        for link in links
        for said in (*([link["cause"]] if link["cause"] else []), *link["warnings"])
    ]


def says_it_all(link: LinkSnapshot) -> bool:
    """What is said of the link goes for each of its devices."""
    is_down = link["cause"] and link["state"] != "up"
    return bool(is_down) or any(said["id"] in WHOLE_LINK for said in link["warnings"])


def causes(devices: Sequence[DeviceSnapshot], links: Sequence[LinkSnapshot] = ()) -> list[Said]:
    """What is wrong with each, with its name; but for those whose link says it all."""
    told = {link["name"] for link in links if says_it_all(link)}
    return [
        Said(id=said["id"], args={**said["args"], "device": device["name"], **more})
        for device in devices
        if device["link"] not in told
        for said, more in ((device["cause"], {}), (device.get("beside"), {"beside": True}))
        if said
    ]


def grouped(warnings: Sequence[Said], devices: Sequence[DeviceSnapshot]) -> list[Said]:
    """One line for the devices of a link that have the same trouble, where the first of them
    stood. Its argument `several` says who; gateway.messages puts it into words.
    """
    links = {device["name"]: device["link"] for device in devices}
    alike: dict[Any, list[Said]] = {}
    for number, said in enumerate(warnings):
        args = said["args"]
        link = links.get(args.get("device", ""))
        key: Any = number
        if link is not None:
            same = {key: args[key] for key in args.keys() - {*_ADDED, *_HIGHEST, *_LEFT_OUT}}
            key = (link, said["id"], "tags" in args, tuple(sorted(same.items())))
        alike.setdefault(key, []).append(said)
    return [
        group[0] if len(group) == 1 else _several(group, links, link=key[0])
        for key, group in alike.items()
    ]


def _several(group: Sequence[Said], links: dict[str, str], link: str) -> Said:
    first = group[0]
    args = dict(first["args"])
    for key in _ADDED:
        if key in args:
            args[key] = sum(said["args"][key] for said in group)
    for key in _HIGHEST:
        if key in args:
            args[key] = max(said["args"][key] for said in group)
    members = [name for name, its in links.items() if its == link]
    names = [said["args"]["device"] for said in group]
    args["several"] = Said(
        id=_SEVERAL.get(first["id"], "device.several"),
        args={
            "link": link, "total": len(members), "count": len(names), "names": spans(names, members)
        },
    )  # fmt: skip
    return Said(id=first["id"], args=args)


def spans(names: Sequence[str], members: Sequence[str]) -> str:
    """The names, in the order of `members`; three and more in a row by the first and the last."""
    away = set(names)
    parts: list[str] = []
    counted = 0
    for is_away, run in groupby(members, key=away.__contains__):
        row = list(run)
        if not is_away:
            continue
        for part in [row] if len(row) > 2 else [[name] for name in row]:
            if len(parts) < NAMED_MAX:
                parts.append(part[0] if len(part) == 1 else f"{part[0]} … {part[-1]}")
                counted += len(part)
    more = len(away) - counted
    return ", ".join(parts) + (f" … +{more}" if more > 0 else "")


def shortened(warnings: Sequence[Said], most: int) -> tuple[list[Said], list[str]]:
    """At most `most` warnings about links and devices, all other warnings, and one command for each
    kind of what is left out that shows it.
    """
    kept: list[Said] = []
    left_out: list[str] = []
    room = most
    for said, command in _with_commands(warnings):
        if command is None:
            kept.append(said)
        elif room:
            kept.append(said)
            room -= 1
        else:
            left_out.append(command)
    return kept, left_out


def _with_commands(warnings: Sequence[Said]) -> Iterator[tuple[Said, str | None]]:
    commands = {"link": "jiahe links", "device": "jiahe devices"}
    for said in warnings:
        yield said, commands.get(said["id"].partition(".")[0])
