"""Scanning Modbus devices on the native floor: one thread a serial link, one for all links on plain
sockets, one for all that are secured.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drivers.api import (
    IN_FLIGHT_AUTO,
    DevicePlan,
    DeviceSpec,
    LinkSpec,
    OpenedLinks,
    Runner,
)
from drivers.listener import Listener
from drivers.modbus.address import AddressError
from drivers.modbus.dialled import DialledIn
from drivers.modbus.learn import Learner
from drivers.modbus.limits import limits_of
from drivers.modbus.planner import plan_group
from drivers.modbus.request import read_of
from drivers.modbus.station import station_of
from native.block.latest import latest, qualities
from native.engine.link import Link
from native.engine.loop import Loop
from native.rows.group import Group, Pool

_log = logging.getLogger(__name__)

#: errno of an open or a connection -> id of the text that says what to do about it.
_SERIAL_CAUSES = {
    errno.ENOENT: "link.port_missing",
    errno.ENODEV: "link.port_missing",
    errno.ENXIO: "link.port_missing",
    errno.EIO: "link.port_missing",
    errno.EBUSY: "link.port_busy",
}
_NET_CAUSES = {
    errno.ECONNREFUSED: "link.refused",
    errno.ECONNRESET: "link.reset",
    errno.EPIPE: "link.reset",
    errno.EPROTO: "link.garbage",
    errno.ETIMEDOUT: "link.timeout",
    errno.EADDRNOTAVAIL: "link.unreachable",
    # From here on TLS_* of native/wire/transport.pxd.
    4097: "link.tls_files",
    4098: "link.tls_untrusted",
    4099: "link.tls_dates",
    4100: "link.tls_name",
    4101: "link.tls_weak",
    4102: "link.tls_refused",
    4103: "link.tls_no_common",
    4104: "link.tls_not",
    4105: "link.tls_hung_up",
    4106: "link.tls_timeout",
    4107: "link.tls_failed",
}
_QUALITY_CAUSES = {
    129: "device.no_answer",
    131: "device.damaged",
    132: "device.wrong_answer",
    133: "device.refused",
    134: "device.failure",
    135: "device.busy",
    136: "device.gateway",
    138: "device.not_heard",
}
#: What tags of a device that does answer may have in common. Silence may be that of a slow group
#: whose turn has not come since.
_TAG_CAUSES = {
    **{quality: _QUALITY_CAUSES[quality] for quality in range(131, 137)},
    137: "device.not_a_value",
}
_OUT_OF_RANGE, _NOT_ASKED = 65, 138


@dataclass(slots=True)
class _Device:
    plan: DevicePlan
    groups: list[Group]
    learner: Learner
    revision: int


class _Wire:
    """One link with its devices."""

    def __init__(
        self,
        spec: LinkSpec,
        plans: Sequence[DevicePlan],
        first_group: int,
        kept: Mapping[str, Any],
        pool: Pool,
    ) -> None:
        self.spec = spec
        self.dialled = DialledIn(spec)
        self.devices: list[_Device] = []
        number = first_group
        for plan in plans:
            groups = [Group(number + i, group, pool) for i, group in enumerate(plan.groups)]
            number += len(groups)
            learner = _learner(plan.spec, kept.get(plan.spec.name))
            self.devices.append(_Device(plan, groups, learner, revision=0))
        self.link = Link(
            spec,
            [(station_of(device.plan.spec), device.groups) for device in self.devices],
            _flights(kept.get(f"link {spec.name}")),
        )
        for device in self.devices:
            if device.learner.limits != limits_of(device.plan.spec):
                self._replan(device)

    @property
    def groups(self) -> list[Group]:
        return [group for device in self.devices for group in device.groups]

    def learn(self) -> None:
        """Feed the learner what was refused and what was read; plan anew what that changes."""
        if refusals := self.link.refusals():
            owners = [device for device in self.devices for _ in device.groups]
            for member, spec, code in refusals:
                owners[member].learner.refused(read_of(spec), code)
        for device in self.devices:
            if device.learner.curious:
                for group in device.groups:
                    for spec in group.read():
                        device.learner.answered(read_of(spec))
            if device.learner.limits.revision != device.revision:
                self._replan(device)

    def _replan(self, device: _Device) -> None:
        device.revision = device.learner.limits.revision
        for group, plan in zip(device.groups, device.plan.groups, strict=True):
            fresh = plan_group(device.plan.spec, plan.tags, plan.period_ns, device.learner.limits)
            # The plan may order its tags anew: the columns keep the catalog's order.
            fields = dict(zip((tag.name for tag in fresh.tags), fresh.fields, strict=True))
            try:
                group.replan(fresh.requests, [fields[tag.name] for tag in plan.tags])
            except ValueError as error:
                _log.warning(
                    "device %s: asked as before, the plan for its learned limits does not fit: %s",
                    device.plan.spec.name, str(error),
                )  # fmt: skip

    @property
    def learned(self) -> dict[str, Any]:
        """What is worth keeping over a restart, as `OpenedLinks.learned`."""
        found = {
            device.plan.spec.name: device.learner.limits.to_json()
            for device in self.devices
            if device.learner.said()
        }
        if self.spec.in_flight_learned and (good := self.link.snapshot()["in_flight"]) > 1:
            found[f"link {self.spec.name}"] = {"in_flight": good}
        return found

    def snapshot(self) -> dict[str, Any]:
        found = self.link.snapshot()
        found["in_flight_learned"] = self.spec.in_flight_learned
        number, swallowed = found.pop("errno"), found.pop("swallowed")
        found.pop("heard_s")
        if self.spec.type == "listen":
            found["dialled"] = self.dialled.snapshot(swallowed)
            found["cause"] = self.dialled.cause(found, number, found["dialled"].pop("errno"))
            return found
        causes = _SERIAL_CAUSES if self.spec.type == "serial" else _NET_CAUSES
        default = "link.port_failed" if self.spec.type == "serial" else "link.unreachable"
        found["cause"] = None
        if found["state"] != "up" and number:
            said = causes.get(number, default)
            args: dict[str, Any] = {"target": found["target"]}
            if said == "link.port_failed":
                args["error"] = os.strerror(number)
            if said == "link.tls_failed":
                args["error"] = found["tls"]["detail"] or number
            if said == "link.tls_name":
                args["host"] = self.spec.host
            found["cause"] = {"id": said, "args": args}
        return found

    def device_snapshots(self, brief: bool) -> list[dict[str, Any]]:
        state, result = self.link.state, []
        for found, device in zip(self.link.devices(brief), self.devices, strict=True):
            spec = device.plan.spec
            tags = _qualities(device.groups)
            found.update(unit=spec.unit, link=self.spec.name, driver="modbus", profile=spec.profile)
            owed = found.pop("owed") and self.spec.listen_only
            found["state"], found["cause"] = _judge(
                found, state, tags, _NOT_ASKED if self.spec.listen_only else 129
            )
            if owed and found["cause"] == {"id": "device.not_heard", "args": {}}:
                found["cause"] = {"id": "device.owed", "args": {"link": self.spec.name}}
            found["learned"] = [] if brief else device.learner.said()
            if self.link.single and not brief:
                found["learned"].append({"id": "learned.no_tid", "args": {}})
            result.append(found)
        return result


def _has_name(spec: LinkSpec) -> bool:
    """Whether the link's host must be looked up; an address is taken as it is, at once."""
    if spec.type in ("serial", "listen"):
        return False
    try:
        ipaddress.ip_address(spec.host)
    except ValueError:
        return True
    return False


def _learner(spec: DeviceSpec, kept: Any) -> Learner:
    """With what an earlier run learned, if that still fits the configuration."""
    try:
        return Learner(spec, kept)
    except (AddressError, ValueError, KeyError, TypeError) as error:
        _log.info("device %s: what was learned before is left out: %s", spec.name, error)
        return Learner(spec)


def _flights(kept: Any) -> int:
    """How many requests at once were good in an earlier run."""
    found = kept.get("in_flight") if isinstance(kept, dict) else None
    return max(1, min(found, IN_FLIGHT_AUTO)) if isinstance(found, int) else 1


def _qualities(groups: Sequence[Group]) -> Mapping[int, int]:
    """How many of the tags have which quality."""
    if len(groups) == 1:
        return qualities(groups[0])
    total: Counter[int] = Counter()
    for group in groups:
        total.update(qualities(group))
    return total


def _judge(
    found: dict[str, Any], link_state: str, tags: Mapping[int, int], silence: int
) -> tuple[str, Mapping[str, Any] | None]:
    """The device's state and its cause in words; takes the native keys out of `found`.
    `tags`: how many have which quality; `silence`: the quality of what is not known better.
    """
    silent, ever = found.pop("silent"), found.pop("ever")
    quality, code = found.pop("quality"), found.pop("exception")
    if link_state != "up":
        return "silent", {"id": "device.link_down", "args": {"link": found["link"]}}
    if silent:  # without a cause where it is waited out: late answers may come
        return "silent", _cause(quality or silence, code)
    if not ever:
        return "starting", _cause(quality, code)
    if bad := {each: count for each, count in tags.items() if each >= 128}:
        return "partly", _of_tags(bad, sum(tags.values()), quality, code) or {
            "id": "device.partly",
            "args": {"count": sum(bad.values()), "device": found["name"]},
        }
    if doubtful := tags.get(_OUT_OF_RANGE, 0):
        args = {"count": doubtful, "device": found["name"]}
        return "good", {"id": "device.out_of_range", "args": args}
    return "good", None


def _cause(quality: int, code: int) -> dict[str, Any] | None:
    said = _QUALITY_CAUSES.get(quality) or _TAG_CAUSES.get(quality)
    args = {"code": code if 1 <= code <= 3 else "1-3"} if quality == 133 else {}
    return {"id": said, "args": args} if said else None


def _of_tags(bad: Mapping[int, int], tags: int, last: int, code: int) -> dict[str, Any] | None:
    """What most of the bad tags have in common, and how many that are where not all are; those
    that were not asked share the device's `last` failure. None where it is this and that.
    """
    causes: Counter[int] = Counter()
    for quality, count in bad.items():
        causes[last or quality if quality == _NOT_ASKED else quality] += count
    worst, count = causes.most_common(1)[0]
    cause = _cause(worst, code) if worst in _TAG_CAUSES and 2 * count > causes.total() else None
    if cause and count < tags:
        cause["args"] |= {"bad": count, "tags": tags}
    return cause


class ModbusRunner:
    """The `drivers.api.Runner` of one native loop."""

    def __init__(self, wires: Sequence[_Wire]) -> None:
        self._wires = wires
        self._loop = Loop([wire.link for wire in wires])

    def run(self) -> None:
        self._loop.run()

    def stop(self) -> None:
        self._loop.stop()

    def offering(self, wire: _Wire) -> Callable[[int, str], None]:
        """What to call with a connection that a device of `wire` made."""

        def offer(fd: int, peer: str) -> None:
            wire.dialled.came(peer, heard_s=wire.link.snapshot()["heard_s"])
            self._loop.offer(wire.link, fd)

        return offer

    def links(self) -> list[dict[str, Any]]:
        return [wire.snapshot() for wire in self._wires]

    def devices(self, brief: bool = False) -> list[dict[str, Any]]:
        return [found for wire in self._wires for found in wire.device_snapshots(brief)]

    def learn(self) -> None:
        for wire in self._wires:
            wire.learn()

    def lookups(self) -> list[Callable[[], object]]:
        # Files first: a dark name server holds up everything behind it.
        return [
            *(wire.link.renew for wire in self._wires if wire.spec.tls),
            *(wire.link.resolve for wire in self._wires if _has_name(wire.spec)),
        ]


def _listening(runner: ModbusRunner, wires: Sequence[_Wire]) -> list[Runner]:
    """What takes devices in that dial in, if there are any."""
    if not wires:
        return []
    listener = Listener([(wire.spec, runner.offering(wire)) for wire in wires])
    for wire in wires:
        wire.dialled.listener = listener
    return [listener]


def open_links(
    links: Sequence[tuple[LinkSpec, Sequence[DevicePlan]]],
    first_group: int,
    kept: Mapping[str, Any],
    pool: Pool | None = None,
) -> OpenedLinks:
    """Build everything that scanning needs; nothing is opened or sent before the runners run."""
    wires: list[_Wire] = []
    pool = Pool() if pool is None else pool
    number = first_group
    for spec, plans in links:
        wires.append(_Wire(spec, plans, number, kept, pool))
        number += len(wires[-1].groups)
    runners: list[Runner] = [ModbusRunner([wire]) for wire in wires if wire.spec.type == "serial"]
    # Apart from each other: a handshake is milliseconds of arithmetic, which no robot waits for.
    plain = [wire for wire in wires if wire.spec.type != "serial" and not wire.spec.tls]
    secured = [wire for wire in wires if wire.spec.tls]
    for sharing in (plain, secured):
        if sharing:
            runner = ModbusRunner(sharing)
            runners.append(runner)
            runners += _listening(runner, [w for w in sharing if w.spec.type == "listen"])
    groups = {device.plan.spec.name: device.groups for wire in wires for device in wire.devices}

    def newest(device: str) -> list[dict[str, Any]]:
        found = []
        for group in groups[device]:
            row = latest(group)
            for tag, (raw, quality) in zip(
                group.plan.tags, row[1] if row else [(None, 0)] * len(group.plan.tags), strict=True
            ):
                found.append(
                    {"tag": tag, "raw": raw, "quality": quality, "time_ns": row[0] if row else 0}
                )
        return found

    return OpenedLinks(
        runners=tuple(runners),
        groups=tuple(group for wire in wires for group in wire.groups),
        latest=newest,
        learned=lambda: {name: found for wire in wires for name, found in wire.learned.items()},
    )
