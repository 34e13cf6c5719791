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


class Map(NamedTuple):
    """A CPU's title and its tags."""

    title: str
    tags: tuple[SimTag, ...]


def load_map(path: Path) -> Map:
    """Raises ValueError that says the file, where in it, and what is wrong."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path}: not TOML: {error}") from error
    tags = document.get("tags", {})
    if not isinstance(tags, dict):
        raise ValueError(f"{path}: tags is no table")
    title = document.get("profile", {}).get("title", path.stem)
    made = (_tag(f"{path}: tags.{name}", name, told) for name, told in tags.items())
    # The CPU's state is not among its memory: `state N` says it.
    return Map(str(title), tuple(tag for tag in made if tag.address.area != "SZL"))


def _tag(where: str, name: str, told: object) -> SimTag:
    if not isinstance(told, dict) or "address" not in told:
        raise ValueError(f"{where}: has no address")
    type_, length = told.get("type"), told.get("length", 0)
    try:
        address = parse(str(told["address"]))
    except AddressError as error:
        raise ValueError(f"{where}: no address: {told['address']}") from error
    type_ = str(type_)
    if type_ not in WIRE_BYTES and type_ not in LENGTH_MOST:
        raise ValueError(
            f"{where}: type {type_!r}: one of {', '.join([*LENGTH_MOST, *WIRE_BYTES])}"
        )
    most = LENGTH_MOST.get(type_, 0)
    if most and not (isinstance(length, int) and 1 <= length <= most):
        raise ValueError(f"{where}: length {length!r}: 1 to {most}")
    return SimTag(name, address, type_, length if most else 0, bool(told.get("signed", False)))
