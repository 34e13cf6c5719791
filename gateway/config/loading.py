"""gateway.toml and conf.d/*.toml into one configuration, or into the list of what is wrong.

Files are read in name order after the main one. Tables merge: [gateway], [platform], [buffer] and
[box] key by key, [links] and [devices] name by name. What two files both say is an error that names
both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from drivers import registry
from drivers.api import DeviceSpec, LinkSpec
from gateway.config import dialin, spelling
from gateway.config.build import DeviceBuilder, check_lines
from gateway.config.capacity import Capacity
from gateway.config.check import Place, check_table, complete
from gateway.config.folder import judge_ignored, read_files
from gateway.config.links import build_link, judge_targets
from gateway.config.lists import by_name
from gateway.config.model import BufferConfig, GatewayConfig, PlatformConfig
from gateway.config.problems import ERRORS_MAX, Located, Problems
from gateway.config.schema import BOX, BUFFER, FILE, GATEWAY, PLATFORM, Table
from gateway.config.sections import Section, is_there, judge_buffer, judge_gateway, judge_platform
from gateway.config.source import Source
from gateway.config.tags import TagReader
from gateway.config.uplinks import build_ways
from gateway.files import Inode

VERSION = 1
#: What a table that may not be left out holds at least.
_EXAMPLES = {"gateway": "config.example_gateway", "platform": "config.example_platform"}


@dataclass(frozen=True, slots=True)
class Loaded:
    """`config` is None if any problem is an error. `files` are those that were read, `tables` the
    profiles and tag tables that they name; `inodes` tell which files those were, by path.
    """

    config: GatewayConfig | None
    problems: list[Located] = field(default_factory=list)
    files: tuple[Path, ...] = ()
    tables: tuple[Path, ...] = ()
    inodes: Mapping[str, Inode] = field(default_factory=dict)


def load(path: Path) -> Loaded:
    """Read and check everything. Never raises for what is wrong with the files: that is said."""
    problems = Problems()
    sources = list(read_files(path, problems))
    if not sources:
        return Loaded(None, problems.in_order())
    merged = _Merged(sources, problems)
    gateway = merged.section("gateway", GATEWAY)
    platform = merged.section("platform", PLATFORM)
    buffer = merged.section("buffer", BUFFER)
    budget = platform.places.get("data_budget")
    ways = build_ways(merged.named("uplinks"), budget, problems)
    folder = buffer.path("path") or Path(buffer["path"] or BUFFER["path"].default)
    links, devices, reader = _plant(merged, folder, problems)
    tables = reader.files
    inodes = {each.file: each.inode for each in sources if each.inode} | reader.inodes
    if not (merged.names("devices") or merged.lost("devices") or merged.damaged):
        problems.append(merged.main.warning("config.no_devices"))
    judge_gateway(gateway, problems)
    paths = {key: platform.path(key) for key in ("ca", "cert", "key")}
    judge_platform(platform, paths, gateway["id"] or "", problems)
    judge_buffer(buffer, folder, gateway, problems)
    judge_ignored(path, _used(tables, links, paths.values()), problems)
    if problems.are_enough:
        problems.append(Located(str(path), 0, 0, "error", "config.enough", {"count": ERRORS_MAX}))
    ordered = problems.in_order()
    files = tuple(Path(source.file) for source in sources)
    if any(problem.severity == "error" for problem in ordered):
        return Loaded(None, ordered, files, inodes=inodes)
    return Loaded(
        GatewayConfig(
            id=gateway["id"],
            site=gateway["site"],
            language=gateway["language"],
            control=gateway.path("control") or Path(gateway["control"]),
            platform=PlatformConfig(
                address=platform["address"],
                ca=paths["ca"],
                cert=paths["cert"],
                key=paths["key"],
                insecure=platform["insecure"],
                send_every_ns=platform["send_every"],
                data_budget=platform["data_budget"],
            ),
            buffer=BufferConfig(
                path=folder,
                max_size=buffer["max_size"],
                keep_for_ns=buffer["keep_for"],
                flush_every_ns=buffer["flush_every"],
                when_full=buffer["when_full"],
            ),
            uplinks=tuple(ways),
            links=tuple(links),
            devices=tuple(devices),
        ),
        ordered,
        files,
        tables,
        inodes,
    )


def _used(
    tables: Iterable[Path], links: Iterable[LinkSpec], certificates: Iterable[Path | None]
) -> Iterator[Path]:
    """Files that the configuration names."""
    yield from tables
    yield from filter(None, certificates)
    for link in links:
        if link.tls:
            yield from (link.tls.ca, link.tls.cert, link.tls.key)


class _Merged:
    """The top-level tables of all files."""

    def __init__(self, sources: list[Source], problems: Problems) -> None:
        self._problems = problems
        self.main = Place(sources[0], ())
        self._files: list[tuple[Place, dict[str, Any]]] = []
        self.damaged = any(source.problems for source in sources)
        for number, source in enumerate(sources):
            place = Place(source, ())
            data = by_name(place, source.data, problems)
            tables = check_table(place, data, FILE, problems)
            for said, meant in self._misspelt().items():
                source.gone |= {(meant, *path) for path in _paths(data.get(said), 3)}
            if not number and not source.problems:
                complete(place, source.data, dict(tables), FILE, problems)
            version = tables.get("version", VERSION)
            if version != VERSION:
                at = place / "version"
                problems.append(at.value_error("config.version", value=version))
            self._files.append((place, tables))

    def section(self, name: str, table: Table) -> Section:
        """A table whose keys may stand in any file, each once, with its defaults."""
        values: dict[str, Any] = {}
        places: dict[str, Place] = {}
        written: list[str] = []
        home = self.main
        for top, tables in self._files:
            if name not in tables:
                continue
            place = top / name
            if home is self.main:
                home = place
            found = check_table(place, tables[name], table, self._problems)
            written += tables[name]
            for key, value in found.items():
                if key in places:
                    first = places[key].where()
                    self._problems.append(
                        (place / key).error("config.twice_key", key=key, first=first)
                    )
                else:
                    values[key], places[key] = value, place / key
        if home is self.main and any(key.required for key in table.values()):
            # It may be there, out of sight or misspelt.
            if not self.damaged and name not in self._misspelt().values():
                example = {"id": _EXAMPLES[name], "args": {}}
                self._problems.append(
                    home.error("config.missing_table", table=name, example=example)
                )
        else:
            complete(home, written, values, table, self._problems)
        return Section(home, values, places, frozenset(written))

    def _misspelt(self) -> dict[str, str]:
        """Tables of a file by what they are called there, and what they are meant to be."""
        near = (each for each in self._problems if each.id == "config.unknown_key_near")
        return {each.args["key"]: each.args["near"] for each in near}

    def has(self, name: str) -> bool:
        return any(isinstance(tables.get(name), dict) for _, tables in self._files)

    def names(self, name: str) -> list[str]:
        return [key for _, tables in self._files for key in tables.get(name, {})]

    def lost(self, name: str) -> set[str]:
        """Entries of [links] or [devices] that are written, but mistaken, which was reported."""
        return {key for top, _ in self._files for key in (top / name).lost()}

    def named(self, name: str) -> Iterator[tuple[str, Place, Mapping[str, Any]]]:
        """The entries of [links] or [devices] of all files."""
        first: dict[str, Place] = {}
        for top, tables in self._files:
            for key, value in tables.get(name, {}).items():
                place = top / name / key
                if key in first:
                    at = first[key].where()
                    self._problems.append(place.error("config.twice_name", name=key, first=at))
                elif self._problems.are_enough:
                    return
                elif not isinstance(value, dict):
                    wanted = {"id": "config.kind_table", "args": {}}
                    example = spelling.header((name, key))
                    self._problems.append(
                        place.error("config.wrong_type", key=key, wanted=wanted, example=example)
                    )
                else:
                    first[key] = place
                    yield key, place, value


def _paths(data: object, depth: int) -> Iterator[tuple[str, ...]]:
    """What there is in a table, and in tables in it."""
    for key, value in data.items() if depth and isinstance(data, dict) else ():
        yield (key,)
        yield from ((key, *path) for path in _paths(value, depth - 1))


def _links(
    merged: _Merged, capacity: Capacity, places: dict[str, Place], problems: Problems
) -> dict[str, LinkSpec | None]:
    """All links that are right, by name; fills `places` with where they stand."""
    links: dict[str, LinkSpec | None] = {}
    ports: dict[str, str] = {}
    for name, place, data in merged.named("links"):
        if over := capacity.take_link(place):
            problems.append(over)
        if capacity.is_passed:
            links[name] = None
            continue
        places[name] = place
        link = links[name] = build_link(name, place, data, problems)
        if link is not None and link.type == "serial":
            other, at = ports.setdefault(link.port, name), place / "port"
            if other != name:
                problems.append(at.value_error("config.port_twice", port=link.port, other=other))
            elif not is_there(Path(link.port)):
                problems.append(at.warning("link.port_missing", target=link.port))
    for name in merged.lost("links"):
        links.setdefault(name, None)
    dialin.judge([link for link in links.values() if link is not None], places, problems)
    return links


def _plant(
    merged: _Merged, buffer: Path, problems: Problems
) -> tuple[list[LinkSpec], list[DeviceSpec], TagReader]:
    """All links and devices that are right, the box itself last where [box] wants it; what read
    the profiles and tables that these name.
    """
    capacity = Capacity()
    link_places: dict[str, Place] = {}
    links = _links(merged, capacity, link_places, problems)
    builder = DeviceBuilder(links, capacity, problems)
    devices: dict[str, DeviceSpec] = {}
    places: dict[str, Place] = {}
    units: dict[tuple[str, str, int], str] = {}
    for name, place, data in merged.named("devices"):
        for device in builder.build(name, place, data):
            if device.name in devices:
                first = places[device.name].where()
                args = {"name": device.name, "first": first}
                problems.append(place.error("config.twice_name", **args))
                continue
            devices[device.name], places[device.name] = device, place
            key = (device.link.name, device.driver, device.unit)
            other = units.setdefault(key, device.name)
            if other != device.name and "unit" not in registry.lacks(device.driver):
                at = place / "unit"
                problems.append(at.warning("config.unit_twice", other=other, unit=device.unit))
    check_lines(devices.values(), places, problems)
    settled = {name: builder.settle(link) for name, link in links.items() if link is not None}
    whole = [
        replace(device, link=builder.settle(device.link))
        if device.link != links[device.link.name]
        else replace(device, link=settled[device.link.name])
        for device in devices.values()
    ]
    judge_targets(settled.values(), whole, link_places, problems)
    box = _box(merged, buffer, capacity, problems)
    return [*settled.values(), *(each.link for each in box)], [*whole, *box], builder.tags


def _box(merged: _Merged, buffer: Path, capacity: Capacity, problems: Problems) -> list[DeviceSpec]:
    """The box as a device, if there is a [box] and nothing is wrong with it."""
    if not merged.has("box"):
        return []
    said = merged.section("box", BOX)
    every_ns, radio = said["every"], said["radio"]
    if every_ns is None or radio is None:
        return []
    device = registry.of_the_box().device(every_ns, buffer, radio=radio)
    over = capacity.take_link(said.place), capacity.take_device(device, 1, said.place)
    problems.extend(each for each in over if each is not None)
    return [device]
