"""What a simulated CPU holds, read from a profile or a map file: `[tags]` with address, type and
length, as in a configuration.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

from drivers.s7.address import AddressError, parse
from drivers.s7.simulator.values import SimTag
from drivers.s7.types import LENGTH_MOST, WIRE_BYTES
from drivers.simulate_said import SimulatorError


class Map(NamedTuple):
    """A CPU's title and its tags; `title_zh`: in Chinese, where the map has one."""

    title: str
    tags: tuple[SimTag, ...]
    title_zh: str = ""


def load_map(path: Path) -> Map:
    """Raises SimulatorError that says the file, where in it, and what is wrong."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SimulatorError("system", error=error) from error
    except ValueError as error:
        raise SimulatorError("not_toml", path=path, error=error) from error
    tags = document.get("tags", {})
    if not isinstance(tags, dict):
        raise SimulatorError("tags_no_table", path=path)
    profile = document.get("profile", {})
    title, title_zh = profile.get("title", path.stem), str(profile.get("title_zh", ""))
    made = (_tag(f"{path}: tags.{name}", name, told) for name, told in tags.items())
    # The CPU's state is not among its memory: `state N` says it.
    own = tuple(tag for tag in made if tag.address.area != "SZL")
    return Map(str(title), own, title_zh)


def _tag(where: str, name: str, told: object) -> SimTag:
    if not isinstance(told, dict) or "address" not in told:
        raise SimulatorError("address_missing", where=where)
    type_, length = told.get("type"), told.get("length", 0)
    try:
        address = parse(str(told["address"]))
    except AddressError as error:
        raise SimulatorError("address", where=where, text=told["address"]) from error
    type_ = str(type_)
    if type_ not in WIRE_BYTES and type_ not in LENGTH_MOST:
        known = ", ".join([*LENGTH_MOST, *WIRE_BYTES])
        raise SimulatorError("type", where=where, found=type_, known=known)
    most = LENGTH_MOST.get(type_, 0)
    if most and not (isinstance(length, int) and 1 <= length <= most):
        raise SimulatorError("length", where=where, found=length, most=most)
    return SimTag(name, address, type_, length if most else 0, bool(told.get("signed", False)))
