"""Why something is wrong, as far as the counters and the neighbours tell: the driver knows one
request, a technician wants to know which link and which devices, and what to look at first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.messages import some
from gateway.snapshot import DeviceSnapshot, LinkSnapshot, Said

#: What a row says that was due while its device, or its link, was away.
_AWAY = {pb.QUALITY_BAD_NO_ANSWER, pb.QUALITY_BAD_LINK_DOWN, pb.QUALITY_BAD_NOT_ASKED}

#: A device's newest values: each with `tag`, `quality` and `time_ns`.
Latest = Callable[[str], Sequence[Mapping[str, Any]]]


def explain(
    links: Sequence[LinkSnapshot], devices: Sequence[DeviceSnapshot], latest: Latest, now_ns: int
) -> None:
    """Put what else is known into the causes of one snapshot."""
    of_link: dict[str, list[DeviceSnapshot]] = {link["name"]: [] for link in links}
    for device in devices:
        of_link[device["link"]].append(device)
    for link in links:
        members = of_link[link["name"]]
        if cause := link["cause"]:
            about = {"link": link["name"], "devices": some([each["name"] for each in members])}
            link["cause"] = Said(id=cause["id"], args={**cause["args"], **about})
        for device in members:
            cause = device["cause"]
            if cause and cause["id"] == "device.no_answer":
                device["cause"] = _no_answer(link, device, members)
            elif cause and cause["id"] == "device.not_heard":
                device["cause"] = _not_heard(link, members) or cause
            elif cause and cause["id"] == "device.partly":
                device["cause"] = _partly(link, device, latest(device["name"]), now_ns) or cause


def _no_answer(
    link: LinkSnapshot, device: DeviceSnapshot, members: Sequence[DeviceSnapshot]
) -> Said:
    """Silence, damage and a stranger's answer want different hands: power, wiring, unit number."""
    if link["type"] not in ("serial", "listen"):
        return Said(id="device.no_answer", args={})
    alone = not any(each["last_good_s"] is not None for each in members)
    damaged = max(device["damaged"], link["damaged"] if alone else 0)
    if damaged and device["last_good_s"] is None:
        return Said(id="device.no_answer_damaged", args={"damaged": damaged})
    if alone and link["wrong"]:
        return Said(id="device.other_unit", args={"unit": device["unit"]})
    return Said(id="device.no_answer_serial", args={})


def nothing_heard(link: LinkSnapshot) -> Said | None:
    """Of a bus that is only listened to: nothing at all, or nothing that makes sense."""
    if link["answers"]:
        return None
    said = "link.nothing_understood" if link["bytes_in"] else "link.nothing_heard"
    return Said(id=said, args={"target": link["target"]})


def _not_heard(link: LinkSnapshot, members: Sequence[DeviceSnapshot]) -> Said | None:
    """None where the master is heard asking others."""
    if all(each["state"] == "silent" for each in members):
        return nothing_heard(link) or Said(id="link.master_silent", args={"target": link["target"]})
    return None


def _partly(
    link: LinkSnapshot, device: DeviceSnapshot, rows: Sequence[Mapping[str, Any]], now_ns: int
) -> Said | None:
    """None where a tag was asked since the device came back and is bad all the same: a slow group
    whose turn has not come yet only shows how it was before.
    """
    back_ns = now_ns - int(min(link["since_s"], device["since_s"]) * 1e9)
    bad = [row for row in rows if row["quality"] >= 128]
    for row in bad:
        if row["quality"] not in _AWAY or row["time_ns"] > back_ns:
            return None
    if not bad:
        return None
    due_ns = max(row["time_ns"] + row["tag"].every_ns for row in bad)
    seconds = max(1, -(-(due_ns - now_ns) // 1_000_000_000))
    return Said(id="device.waiting", args={"count": len(bad), "seconds": seconds})
