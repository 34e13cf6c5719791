"""What `status` shows of links and devices that a host reads; the shapes of gateway/snapshot.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drivers import registry
from drivers.api import DevicePlan, LinkSpec
from drivers.host.accounts import TickAccount
from drivers.quality import (
    BAD,
    BAD_NO_VALUE,
    BAD_NOT_A_VALUE,
    BAD_REFUSED,
    UNCERTAIN_OUT_OF_RANGE,
)
from native.block.latest import qualities
from native.rows.group import Group

_COUNTED = (
    "requests", "answers", "timeouts", "damaged", "wrong", "late", "exceptions", "retries",
    "reconnects", "bytes_in", "bytes_out",
)  # fmt: skip
#: What is wrong with a tag of such a quality.
CAUSES = {
    BAD_NO_VALUE: "host.no_value",
    BAD_NOT_A_VALUE: "host.not_its_type",
    BAD_REFUSED: "host.no_such_item",
}


@dataclass(slots=True)
class HostedDevice:
    plan: DevicePlan
    groups: list[Group]
    accounts: list[TickAccount]
    state: str = "starting"
    since_ns: int = 0


@dataclass(slots=True)
class HostedLink:
    """What is known of one link: what the host says, and what earlier hosts had counted."""

    spec: LinkSpec
    devices: list[HostedDevice]
    said: Mapping[str, Any] = field(default_factory=dict)
    before: Counter[str] = field(default_factory=Counter)
    since_ns: int = 0
    was_up: bool = False

    @property
    def up(self) -> bool:
        return bool(self.said.get("up"))

    @property
    def counters(self) -> Counter[str]:
        return self.before + Counter(self.said.get("counters", {}))

    def forget(self) -> None:
        """The device's host has ended: what it said of the device holds no more."""
        self.before, self.said = self.counters, {}


def link_snapshot(
    link: HostedLink, host_cause: Mapping[str, Any] | None, now_ns: int
) -> dict[str, Any]:
    """`host_cause`: why there is no host now, if there is none."""
    counters = link.counters
    cause = link.said.get("cause") if link.said else host_cause
    spec = link.spec
    host = f"[{spec.host}]" if ":" in spec.host else spec.host
    return {
        "name": spec.name,
        "type": spec.type,
        "target": f"{host}:{spec.tcp_port}",
        "state": "up" if link.up else "down" if cause else "connecting",
        "cause": None if link.up or not cause else dict(cause),
        "since_s": (now_ns - link.since_ns) / 1e9 if link.since_ns else 0.0,
        "devices": len(link.devices),
        "in_flight": 1,
        "in_flight_learned": False,
        "listen_only": False,
        **{name: counters[name] for name in _COUNTED},
        "busy_share": 0.0,
        "line_errors": None,
        "warnings": [],
    }


def device_snapshot(
    driver: str, link: HostedLink, device: HostedDevice, brief: bool, now_ns: int
) -> dict[str, Any]:
    tags: Counter[int] = Counter()
    for group in device.groups:
        tags.update(qualities(group))
    spec = device.plan.spec
    said = link.said.get("devices", {}).get(spec.name, {})
    state, cause = _judge(link, spec.name, tags, said.get("cause"))
    if state != device.state or not device.since_ns:
        device.state, device.since_ns = state, now_ns
    good_ns = max((accounts.last_good_ns for accounts in device.accounts), default=0)
    counters = link.counters
    return {
        "name": spec.name,
        "link": link.spec.name,
        "unit": None if "unit" in registry.lacks(driver) else spec.unit,
        "line": False,
        "driver": driver,
        "profile": spec.profile,
        "state": state,
        "cause": cause,
        "since_s": (now_ns - device.since_ns) / 1e9,
        "last_good_s": (now_ns - good_ns) / 1e9 if good_ns else None,
        "answer_us": {"p50": 0, "max": 0},
        "requests": counters["requests"],
        "timeouts": counters["timeouts"],
        "damaged": counters["damaged"],
        "exceptions": counters["exceptions"],
        "timeout_us": link.spec.timeout_ns // 1000,
        "learned": [] if brief else list(said.get("learned", [])),
        "groups": [] if brief else [group.snapshot() for group in device.groups],
    }


def _judge(
    link: HostedLink, name: str, tags: Counter[int], said: Mapping[str, Any] | None
) -> tuple[str, dict[str, Any] | None]:
    """The device's state and its cause."""
    if not link.up:
        return "silent", {"id": "device.link_down", "args": {"link": link.spec.name}}
    if not tags:
        return "starting", None
    bad = {quality: count for quality, count in tags.items() if quality >= BAD}
    if not bad:
        if said:
            return "good", dict(said)
        if doubtful := tags[UNCERTAIN_OUT_OF_RANGE]:
            args = {"count": doubtful, "device": name}
            return "good", {"id": "device.out_of_range", "args": args}
        return "good", None
    whole = sum(bad.values()) == tags.total()
    if said:
        return "silent" if whole else "partly", dict(said)
    worst, count = max(bad.items(), key=lambda each: each[1])
    if worst in CAUSES and 2 * count > sum(bad.values()):
        cause: dict[str, Any] = {"id": CAUSES[worst], "args": {"device": name}}
        if count < tags.total():
            cause["args"] |= {"bad": count, "tags": tags.total()}
        return "silent" if whole else "partly", cause
    return "partly", {"id": "device.partly", "args": {"count": sum(bad.values()), "device": name}}
