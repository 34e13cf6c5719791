"""Scanning devices on the native floor, whatever their protocol: one thread a serial link, one for
all links on plain sockets, one for all that are secured.

Devices of several drivers may be on one link. What a driver adds is its `drivers.api.Speaker`.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from drivers import once, registry
from drivers.api import (
    DevicePlan,
    DeviceSpec,
    Learning,
    LinkSpec,
    NativeDriver,
    OpenedLinks,
    Speaker,
    Station,
    TagSpec,
)
from drivers.dialled import DialledIn
from drivers.kept import flights_of, pause_of
from drivers.learning import Explaining, PartLearning
from drivers.listener import Listener
from drivers.packets import told_beat
from drivers.phases import phase_of, telling
from drivers.ports import has_name
from drivers.quality import BAD_DAMAGED, BAD_NO_ANSWER, BAD_NOT_ASKED
from drivers.runner import Runner
from drivers.states import NET_CAUSES, SERIAL_CAUSES, judge, likely_order
from native.block.latest import orders_fitting, qualities
from native.engine.link import Link
from native.engine.loop import Loop
from native.rows.group import Group, Pool

#: A name that was not looked up for so long is worth a word.
LOOKUP_S = 3.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Device:
    speaker: Speaker
    plan: DevicePlan
    groups: list[Group]
    learning: Learning
    revision: int
    parts: PartLearning | None  # the learning, where it is told of parts
    shares: bool  # whether its frames stand on a line
    granted: int = 0  # what its learning was told that its connection was granted

    def cause(self, quality: int, code: int) -> dict[str, Any] | None:
        told = self.learning
        known = told.cause(quality, code) if isinstance(told, Explaining) else None
        return known or self.speaker.cause(quality, code)


class _Bus:
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
        #: Whether the host's name was looked up at all, and ever found.
        self._looked_up = self._found = False
        self.devices: list[_Device] = []
        number = first_group
        for plan in plans:
            groups = [Group(number + i, group, pool) for i, group in enumerate(plan.groups)]
            number += len(groups)
            for group in groups:
                group.set_phase(phase_of(plan), plan.spec.align)
            driver = _driver(plan.spec)
            speaker, shares = driver.speaker(), driver.shares(plan.spec)
            learning = _learning(speaker, plan.spec, kept.get(plan.spec.name))
            parts = learning if isinstance(learning, PartLearning) else None
            self.devices.append(_Device(speaker, plan, groups, learning, 0, parts, shares))
        self.link = Link(
            spec,
            [(_station(device, spec), device.groups) for device in self.devices],
            flights_of(kept.get(f"link {spec.name}")),
        )
        for number, device in enumerate(self.devices):
            self.link.pause(number, pause_of(kept.get(f"pause {device.plan.spec.name}")))
            if device.learning.revision:
                self._replan(device)

    @property
    def groups(self) -> list[Group]:
        return [group for device in self.devices for group in device.groups]

    def look_up(self) -> None:
        """The host's name. May wait for a name server for long."""
        self._found = self.link.resolve() or self._found
        self._looked_up = True

    def learn(self, now_ns: int) -> None:
        """Feed the learner what was refused and what was read; plan anew what that changes."""
        if refusals := self.link.refusals():
            owners = [device for device in self.devices for _ in device.groups]
            for member, spec, part, code in refusals:
                device = owners[member]
                if part < 0:
                    device.learning.refused(spec, code)
                elif device.parts:
                    device.parts.refused_part(spec, part, code)
        for number, device in enumerate(self.devices):
            device.learning.reconsider(now_ns)
            self._answered(device)
            if device.parts and (what := self.link.granted(number)) != device.granted:
                device.granted = what
                device.parts.granted(what)
            if device.learning.revision != device.revision:
                self._replan(device)

    @staticmethod
    def _answered(device: _Device) -> None:
        for group in device.groups if device.learning.curious else ():
            for spec, good in group.read():
                if good is None:
                    device.learning.answered(spec)
                elif device.parts:
                    device.parts.answered_in_part(spec, good)

    def _replan(self, device: _Device) -> None:
        device.revision = device.learning.revision
        for group, plan in zip(device.groups, device.plan.groups, strict=True):
            fresh = device.learning.replan(plan)
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
            device.plan.spec.name: device.learning.kept()
            for device in self.devices
            if device.learning.said()
        }
        for number, device in enumerate(self.devices):
            if pause_ns := self.link.pause(number):
                found[f"pause {device.plan.spec.name}"] = {"pause_ns": pause_ns}
        if self.spec.in_flight_learned and (good := self.link.snapshot()["in_flight"]) > 1:
            found[f"link {self.spec.name}"] = {"in_flight": good}
        return found

    def snapshot(self) -> dict[str, Any]:
        found = {**self.link.snapshot(), "in_flight_learned": self.spec.in_flight_learned}
        number, swallowed, _ = found.pop("errno"), found.pop("swallowed"), found.pop("heard_s")
        unwelcome, speaker = found.pop("unwelcome"), self.devices[0].speaker
        found |= told_beat(found.pop("beat"))
        if self.spec.type == "listen":
            found["dialled"] = self.dialled.snapshot(swallowed)
            found["cause"] = self.dialled.cause(found, number, found["dialled"].pop("errno"))
            return found
        causes = SERIAL_CAUSES if self.spec.type == "serial" else NET_CAUSES
        default = "link.port_failed" if self.spec.type == "serial" else "link.unreachable"
        found["cause"] = None
        if found["state"] != "up" and number:
            said = causes.get(number, default)
            if unwelcome and speaker.unwelcome:
                said = "link.mute" if number == errno.ETIMEDOUT else speaker.unwelcome
            elif said == "link.garbage":
                said = speaker.garbage
            args: dict[str, Any] = {"target": found["target"]}
            if has_name(self.spec) and not self._found:
                if not self._looked_up and found["since_s"] < LOOKUP_S:
                    return found
                host, _, args["interface"] = self.spec.host.partition("%")
                said = "link.no_interface" if args["interface"] else "link.no_name"
                args["host"] = host
            if said == "link.port_failed":
                args["error"] = os.strerror(number)
            if said == "link.tls_failed":
                args["error"] = found["tls"]["detail"] or number
            if said == "link.tls_name":
                args["host"] = self.spec.host
            found["cause"] = {"id": said, "args": args}
        return found

    def device_snapshots(self, brief: bool) -> list[dict[str, Any]]:
        state = self.link.state
        result: list[dict[str, Any]] = []
        for found, device in zip(self.link.devices(brief), self.devices, strict=True):
            spec = device.plan.spec
            tags = _qualities(device.groups)
            found.update(
                unit=None if "unit" in registry.lacks(spec.driver) else spec.unit,
                called=device.speaker.called(spec),
                line=device.shares,
                link=self.spec.name,
                driver=spec.driver,
                profile=spec.profile,
            )
            owed = found.pop("owed") and self.spec.listen_only
            found["state"], found["cause"] = judge(
                device.cause,
                found,
                state,
                tags,
                BAD_NOT_ASKED if self.spec.listen_only else BAD_NO_ANSWER,
            )
            if found["state"] == "silent" and (spoilt := device.cause(BAD_DAMAGED, 0)):
                found["damage"] = spoilt
            if found["state"] == "partly" and device.parts and (other := device.parts.beside()):
                found["beside"] = other
            said = found["cause"]
            is_order = said and said["id"] == "device.out_of_range" and device.speaker.orders
            if is_order and (order := likely_order(map(orders_fitting, device.groups))):
                args = {**said["args"], "order": order}
                found["cause"] = {"id": "device.out_of_order", "args": args}
            if owed and found["cause"] == {"id": "device.not_heard", "args": {}}:
                found["cause"] = {"id": "device.owed", "args": {"link": self.spec.name}}
            found["learned"] = [] if brief else device.learning.said()
            if (pause_ns := self.link.pause(len(result))) and not brief:
                args = {"ms": pause_ns // 1_000_000}
                found["learned"].append({"id": "device.learned_pause", "args": args})
            if self.link.single and device.speaker.single and not brief:
                found["learned"].append({"id": device.speaker.single, "args": {}})
            result.append(found)
        return result


def _driver(device: DeviceSpec) -> NativeDriver:
    driver = registry.get(device.driver)
    assert isinstance(driver, NativeDriver)
    return driver


def _station(device: _Device, link: LinkSpec) -> Station:
    """The device as the engine asks it, with line settings of its own where they are not the
    link's.
    """
    spec = device.plan.spec
    station = device.speaker.station(spec)
    return station if spec.link == link else replace(station, line=spec.link)


def _learning(speaker: Speaker, spec: DeviceSpec, kept: Any) -> Learning:
    """What is learned of the device, begun with what an earlier run learned if that still fits the
    configuration.
    """
    try:
        return speaker.learning(spec, kept)
    except (ValueError, KeyError, TypeError) as error:
        _log.info("device %s: what was learned before is left out: %s", spec.name, error)
        return speaker.learning(spec, None)


def _qualities(groups: Sequence[Group]) -> Mapping[int, int]:
    """How many of the tags have which quality."""
    if len(groups) == 1:
        return qualities(groups[0])
    total: Counter[int] = Counter()
    for group in groups:
        total.update(qualities(group))
    return total


class NativeRunner:
    """The `Runner` of one native loop."""

    def __init__(self, buses: Sequence[_Bus]) -> None:
        self.buses = buses
        self._loop = Loop([bus.link for bus in buses])

    def run(self) -> None:
        self._loop.run()

    def stop(self) -> None:
        self._loop.stop()

    @property
    def turns(self) -> int:
        return self._loop.turns

    @property
    def names(self) -> list[str]:
        return [device.plan.spec.name for bus in self.buses for device in bus.devices]

    def read(self, name: str, tags: Sequence[TagSpec]) -> list[dict[str, Any]]:
        """See `drivers.api.OpenedLinks.read`."""
        for bus in self.buses:
            for index, device in enumerate(bus.devices):
                if device.plan.spec.name == name:
                    spec = device.plan.spec
                    return once.read(
                        registry.get(spec.driver), spec, tags, self._loop, bus.link, index
                    )
        raise KeyError(name)

    def offering(self, bus: _Bus) -> Callable[[int, str], None]:
        """What to call with a connection that a device of `bus` made."""

        def offer(fd: int, peer: str) -> None:
            bus.dialled.came(peer, heard_s=bus.link.snapshot()["heard_s"])
            self._loop.offer(bus.link, fd)

        return offer

    def links(self) -> list[dict[str, Any]]:
        return [bus.snapshot() for bus in self.buses]

    def devices(self, brief: bool = False) -> list[dict[str, Any]]:
        return [found for bus in self.buses for found in bus.device_snapshots(brief)]

    def learn(self) -> None:
        now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        for bus in self.buses:
            bus.learn(now_ns)

    def lookups(self) -> list[Callable[[], object]]:
        # Files first: a dark name server holds up everything behind it.
        return [
            *(bus.link.renew for bus in self.buses if bus.spec.tls),
            *(bus.look_up for bus in self.buses if has_name(bus.spec)),
        ]


def _listening(runner: NativeRunner, buses: Sequence[_Bus]) -> list[Runner]:
    """What takes devices in that dial in, if there are any."""
    if not buses:
        return []
    listener = Listener([(bus.spec, runner.offering(bus)) for bus in buses])
    for bus in buses:
        bus.dialled.listener = listener
    return [listener]


def open_links(
    links: Sequence[tuple[LinkSpec, Sequence[DevicePlan]]],
    first_group: int,
    kept: Mapping[str, Any],
    pool: Pool | None = None,
) -> OpenedLinks:
    """Build everything that scanning needs; nothing is opened or sent before the runners run. Every
    device's driver is a `drivers.api.NativeDriver`. Groups, `kept` and `pool` are as
    `drivers.api.HostedDriver.open` has them.
    """
    buses: list[_Bus] = []
    pool = Pool() if pool is None else pool
    number = first_group
    for spec, plans in links:
        buses.append(_Bus(spec, plans, number, kept, pool))
        number += len(buses[-1].groups)
    runners: list[Runner] = [NativeRunner([bus]) for bus in buses if bus.spec.type == "serial"]
    # Apart from each other: a handshake is milliseconds of arithmetic, which no robot waits for.
    plain = [bus for bus in buses if bus.spec.type != "serial" and not bus.spec.tls]
    secured = [bus for bus in buses if bus.spec.tls]
    for sharing in (plain, secured):
        if sharing:
            runner = NativeRunner(sharing)
            runners.append(runner)
            runners += _listening(runner, [w for w in sharing if w.spec.type == "listen"])
    groups = {device.plan.spec.name: device.groups for bus in buses for device in bus.devices}

    owners = {
        name: runner
        for runner in runners
        if isinstance(runner, NativeRunner)
        for name in runner.names
    }
    return OpenedLinks(
        runners=tuple(runners),
        groups=tuple(group for bus in buses for group in bus.groups),
        latest=lambda device: [each for group in groups[device] for each in once.newest(group)],
        know_utc=telling(
            group
            for bus in buses
            for device in bus.devices
            if device.plan.spec.align
            for group in device.groups
        ),
        read=lambda device, tags: owners[device].read(device, tags),
        learned=lambda: {name: found for bus in buses for name, found in bus.learned.items()},
    )
