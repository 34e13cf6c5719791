"""Devices out of their tables: what only several keys together show to be wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from drivers import registry
from drivers.api import (
    BoxDriver,
    ByteOrder,
    DeviceSpec,
    Driver,
    Framing,
    LinkSpec,
    NativeDriver,
    Problem,
    TagSpec,
)
from drivers.ports import host_port
from gateway.config import spelling
from gateway.config.capacity import Capacity
from gateway.config.check import Place, check_table, complete, without_dotted
from gateway.config.links import judge_baud
from gateway.config.outside import with_its_tags
from gateway.config.problems import Problems
from gateway.config.schema import (
    DEVICE,
    LISTEN_TIMEOUT_NS,
    TAG,
    TIMEOUT_NS,
    Table,
    device_table,
    drivers_with,
)
from gateway.config.tags import Profile, Tag, TagReader, judge_name
from gateway.config.values import nearest

_UNIT_IN_NAME = re.compile(r"\{unit(?::0?([1-9]))?\}")
#: Systems hand out ports from here on to whoever asks for any, so no protocol has its usual port
#: there.
_HANDED_OUT = 32768


@dataclass(slots=True)
class _Parts:
    """What was found out about one entry of [devices]."""

    place: Place
    checked: dict[str, Any]
    profile: Profile
    tags: dict[str, Tag]

    def setting(self, key: str, default: Any) -> Any:
        """The device's own word, else its profile's, else the default."""
        own = self.checked.get(key)
        return self.profile.defaults.get(key, default) if own is None else own

    def own(self, driver: Driver) -> tuple[tuple[str, Any], ...]:
        """What was said of the keys that only devices of this driver have."""
        said = ((key.name, self.setting(key.name, None)) for key in driver.keys)
        return tuple(
            (name, tuple(value) if isinstance(value, list) else value)
            for name, value in said
            if value is not None
        )


class DeviceBuilder:
    """Builds every device; `links` are all that were named, None where one is wrong."""

    def __init__(
        self, links: Mapping[str, LinkSpec | None], capacity: Capacity, problems: Problems
    ) -> None:
        self._links = links
        self._capacity = capacity
        self._problems = problems
        self.tags = TagReader(problems)
        #: Link to the slowest answer that the profiles of its devices tell of, in nanoseconds.
        self._slowest: dict[str, int] = {}
        #: Link to the port that the drivers of its devices usually have.
        self._ports: dict[str, int] = {}
        #: Tags by identity, and what the devices were like whose driver judged them.
        self._judged: dict[int, tuple[tuple[TagSpec, ...], set[DeviceSpec]]] = {}

    def settle(self, link: LinkSpec) -> LinkSpec:
        """The link with its timeout and port, once all devices were built."""
        usual = LISTEN_TIMEOUT_NS if link.type == "listen" else TIMEOUT_NS
        patience = max(usual, self._slowest.get(link.name, 0))
        return replace(
            link,
            timeout_ns=link.timeout_ns or patience,
            timeout_learned=link.timeout_ns == 0,
            tcp_port=link.tcp_port or self._ports.get(link.name, 0),
        )

    def build(self, name: str, place: Place, data: Mapping[str, Any]) -> list[DeviceSpec]:
        """One device, or a range of them; empty if something is wrong, which was reported."""
        before = len(self._problems)
        if self._capacity.is_passed or self._problems.are_enough:
            return []
        table = device_table(str(data.get("driver", "")))
        data = with_its_tags(place, data, table, self._problems)
        if data and not (data := without_dotted(place, data, table, self._problems)):
            return []
        data = self._without_others(place, data, table)
        checked = check_table(place, data, table, self._problems)
        examples = {"link": f'"{next(iter(self._links), "com1")}"'}
        if not complete(place, data, checked, table, self._problems, examples):
            self.tags.own(place / "tags", checked.get("tags", {}))
            return []
        names = self._names(name, place, checked["unit"] or ())
        parts = self._parts(name, place, checked)
        link = self._link(place, checked["link"])
        driver = self._driver(place, checked["driver"])
        if driver is None:
            return []
        order: ByteOrder = parts.setting("order", "ABCD")
        likely = {nearest(said, table) for said in islice(data, 100) if said not in table}
        written = {*data, *likely, *place.lost()}
        every: int | None = parts.setting("every", 1 if "every" in written else None)
        tags = self.tags.finished(parts.tags, every, order, getattr(driver, "known", None))
        standing = link or LinkSpec(name=checked["link"], type="tcp")  # to check the tags at least
        bus = standing.type in ("serial", "listen")
        framing: Framing = checked["framing"] or ("rtu" if bus else "tcp")
        device = DeviceSpec(
            name=name,
            link=self._own_line(place, link, checked) or standing,
            driver=checked["driver"],
            tags=tags,
            framing=framing,
            profile=checked["profile"] or "",
            pause_ns=parts.setting("pause", 0),
            own=parts.own(driver),
        )
        if over := self._capacity.take_device(device, len(names), place):
            self._problems.append(over)
            return []
        if link is None:
            own = (key.name for key in driver.keys)
            self._ask(driver, device, parts, only=("tags", *own))
            return []
        if bus and "unit" not in written and "unit" not in registry.lacks(driver.name):
            self._problems.append(place.warning("config.unit_left_out", device=name))
        self._judge_port(place, driver, device)
        self._judge_timeout(place, link, parts)
        devices = [
            replace(device, name=each, unit=unit, align=bool(checked["align"]))
            for each, unit in zip(names, checked["unit"], strict=False)
        ]
        for each in devices:
            self._ask(driver, self._news(each), parts)
        return [] if self._problems.errors_since(before) else devices

    def _without_others(
        self, place: Place, data: Mapping[str, Any], table: Table
    ) -> Mapping[str, Any]:
        """Without the keys that only devices of other drivers have, or that the driver has no use
        for, which become problems; where the driver itself is wrong, that is problem enough.
        """
        others = {
            name: drivers
            for name in islice(data, 100)
            if name not in table and (drivers := drivers_with(name))
        }
        is_known = table is not DEVICE
        for name in registry.lacks(str(data["driver"])) if is_known else ():
            if name in data:
                having = [each for each in registry.ours() if name not in registry.lacks(each)]
                others[name] = having
        for name, drivers in others.items() if is_known else ():
            args = {"key": name, "driver": data["driver"], "drivers": ", ".join(drivers)}
            self._problems.append((place / name).error("config.key_of_driver", **args))
        return {name: value for name, value in data.items() if name not in others}

    def _own_line(
        self, place: Place, link: LinkSpec | None, checked: Mapping[str, Any]
    ) -> LinkSpec | None:
        """The link as this device has it: on a serial line it may differ in these keys."""
        said = {
            key: checked[key] for key in ("baud", "parity", "stop_bits") if checked[key] is not None
        }
        if link is None or not said:
            return link
        for key in said:
            at = place / key
            if link.type != "serial":
                args = {"type": link.type, "key": key}
                self._problems.append(at.error("config.wrong_kind_of_link", **args))
            elif link.listen_only:
                args = {"link": link.name, "key": key}
                self._problems.append(at.error("config.line_of_listener", **args))
        if "baud" in said:
            judge_baud(place, said["baud"], self._problems)
        return replace(link, **said)

    def _judge_timeout(self, place: Place, link: LinkSpec, parts: _Parts) -> None:
        slowest = parts.profile.defaults.get("timeout", 0)
        self._slowest[link.name] = max(slowest, self._slowest.get(link.name, 0))
        if 0 < link.timeout_ns < slowest:
            self._problems.append((place / "link").warning("config.short_timeout", link=link.name))

    def _judge_port(self, place: Place, driver: Driver, device: DeviceSpec) -> None:
        """Whether the port of its link is one of its driver, as far as that is known."""
        link = device.link
        if link.type not in ("tcp", "udp") or not link.host:
            return
        usual = _usual_port(driver, device)
        if usual and not link.tcp_port:
            self._ports.setdefault(link.name, usual)
            return
        if not usual or link.tcp_port == usual or link.tcp_port >= _HANDED_OUT:
            return
        others = {_usual_port(registry.get(name), device): name for name in registry.ours()}
        if other := others.get(link.tcp_port):
            meant = host_port(link.host, usual)
            args: dict[str, Any] = {"link": link.name, "port": link.tcp_port, "other": other}
            args |= {"driver": driver.name, "usual": usual, "meant": meant}
            self._problems.append((place / "link").warning("config.port_of_driver", **args))

    def _names(self, name: str, place: Place, units: tuple[int, ...]) -> list[str]:
        """A name for each unit; none where the name is bad, which was reported."""
        if len(units) > 1 and not _UNIT_IN_NAME.search(name):
            self._problems.append(place.error("config.range_without_place", name=name))
            return []
        names = [_numbered(name, unit) for unit in units]
        return names if judge_name(name, names, place, self._problems) else []

    def _link(self, place: Place, name: str) -> LinkSpec | None:
        if name not in self._links:
            known, header = spelling.listed(self._links), spelling.header(("links", name))
            message = "config.no_such_link" if known else "config.no_link_yet"
            problem = (place / "link").value_error(message, link=name, known=known, table=header)
            self._problems.append(problem)
        return self._links.get(name)

    def _driver(self, place: Place, name: str) -> Driver | None:
        try:
            driver = registry.get(name)
            if isinstance(driver, BoxDriver):  # [box] has it, no device
                raise registry.UnknownDriverError(name)
            return driver
        except registry.UnknownDriverError:
            args = {"driver": name, "known": spelling.listed(registry.names())}
            message = "config.no_such_driver"
            if near := nearest(name, registry.names()):
                message, args["near"] = "config.no_such_driver_near", near
            self._problems.append((place / "driver").value_error(message, **args))
            return None

    def _parts(self, name: str, place: Place, checked: dict[str, Any]) -> _Parts:
        profile = Profile({}, {})
        before = len(self._problems)
        layers: list[dict[str, Tag]] = []
        bad = bool(place.lost() & {"tags", "tags_file", "profile"})  # said where that was found
        if checked["profile"]:
            at = place / "profile"
            found = self.tags.profile(at, checked["profile"], checked["driver"])
            profile = found or Profile({}, {}, bad=True)
            bad = bad or profile.bad
            wanted = profile.defaults.get("driver", checked["driver"])
            if wanted != checked["driver"] and checked["driver"] in registry.names():
                self._problems.append(
                    at.value_error(
                        "config.wrong_driver",
                        profile=checked["profile"],
                        wanted=wanted,
                        driver=checked["driver"],
                    )
                )
                profile = Profile({}, {}, bad=True)  # its tags are wrong for this driver, all
                bad = True
            layers.append(profile.tags)
        if checked["tags_file"]:
            table = self.tags.table(place / "tags_file", checked["tags_file"])
            bad = bad or table is None or table.bad
            layers.append(table.tags if table else {})
        if checked.get("tags"):
            layers.append(self.tags.own(place / "tags", checked["tags"]))
        tags: dict[str, Tag] = {}
        for layer in layers:
            for key, tag in layer.items():
                tags[key] = tag.over(tags[key]) if key in tags else tag
        if not tags and not bad and not self._problems.errors_since(before):
            header = spelling.header(("devices", name, "tags"))
            said = {"device": name, "table": header, "tag": _example_tag(checked["driver"])}
            self._problems.append(place.error("config.no_tags", **said))
        return _Parts(place, checked, profile, tags)

    def _news(self, device: DeviceSpec) -> DeviceSpec:
        """The device without its tags where its driver has judged them, of one like it on a link
        like its own.
        """
        one = replace(device, name="", unit=0, tags=())
        alike = replace(one, link=LinkSpec(name="", type=device.link.type))
        _, judged = self._judged.setdefault(id(device.tags), (device.tags, set()))
        if alike in judged:
            return replace(device, tags=())
        judged.add(alike)
        return device

    def _ask(
        self, driver: Driver, device: DeviceSpec, parts: _Parts, only: tuple[str, ...] = ()
    ) -> None:
        """What its driver finds wrong; `only` under these keys."""
        for problem in driver.check(device):
            if only and problem.key[0] not in only:
                continue
            place = _place_of(problem, parts)
            said = place.value_error if problem.severity == "error" else place.warning
            self._problems.append(said(problem.message, **problem.args))


def _example_tag(driver: str) -> str:
    """The keys of a tag as its driver writes them, or as the reference of all keys does."""
    known = registry.get(driver) if driver in registry.names() else None
    reference = f"address = {TAG['address'].example}, type = {TAG['type'].example}"
    return str(getattr(known, "example_tag", reference))


def _usual_port(driver: Driver, device: DeviceSpec) -> int:
    """The driver's TCP port where the address names none; 0: there is no usual one."""
    usual = getattr(driver, "usual_port", None)
    return int(usual(device)) if usual else 0


def check_lines(
    devices: Iterable[DeviceSpec], places: Mapping[str, Place], problems: Problems
) -> None:
    """What drivers find wrong with all devices of one link together."""
    lines: dict[str, list[DeviceSpec]] = {}
    for device in devices:
        lines.setdefault(device.link.name, []).append(device)
    for together in lines.values():
        _judge_sharing(together, places, problems)
        for name in sorted({device.driver for device in together}):
            judge = getattr(registry.get(name), "check_line", None)
            for device, problem in judge(together) if judge else ():
                place = places[device.name] / problem.key[0]
                said = place.error if problem.severity == "error" else place.warning
                problems.append(said(problem.message, **problem.args))


def _judge_sharing(
    together: Sequence[DeviceSpec], places: Mapping[str, Place], problems: Problems
) -> None:
    """Whether the drivers of one link can take turns on it."""
    first = together[0]
    alone = next((each for each in together if not _shares(each)), None)
    if alone is None and first.link.listen_only:
        alone = first
    if alone is None:
        return
    for device in together:
        args = {"link": device.link.name, "first": alone.name}
        if device.driver != alone.driver:
            args |= {"driver": device.driver, "other": alone.driver}
            problems.append((places[device.name] / "link").error("config.link_drivers", **args))
        elif _shares(device) != _shares(alone):
            args |= {"framing": device.framing, "other": alone.framing}
            problems.append((places[device.name] / "framing").error("config.link_framings", **args))


def _shares(device: DeviceSpec) -> bool:
    driver = registry.get(device.driver)
    return isinstance(driver, NativeDriver) and driver.shares(device)


def _numbered(name: str, unit: int) -> str:
    """ "press-{unit:02}" with its unit number."""
    return _UNIT_IN_NAME.sub(lambda found: str(unit).zfill(int(found[1] or 1)), name)


def _place_of(problem: Problem, parts: _Parts) -> Place:
    """Where the key that a driver complains of was said: on the device, in its profile or table."""
    match problem.key:
        case ("tags", name, *rest) if name in parts.tags:
            tag = parts.tags[name]
            return tag.at(rest[0]) if rest else tag.place
        case _:
            place = parts.place
            for part in problem.key:
                place = place / part
            return place
