"""What a simulated device holds, read from a profile or a map file.

A map is a profile's TOML, of which only `[tags]` is needed: address, type, order, length, scale,
offset, labels, and `unit`, `min` and `max`, from which follows where the simulated value moves.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, cast, get_args

from drivers.api import TYPE_BYTES, ByteOrder, ValueType
from drivers.modbus.address import AddressError, Range, parse, parse_range
from drivers.modbus.limits import MAX_REGISTERS
from drivers.modbus.simulator.usual import RISING, usual
from drivers.modbus.simulator.values import SimTag, fits
from drivers.simulate_said import SimulatorError


class MapError(SimulatorError):
    """A map that cannot be simulated; says the file, where in it, and what is wrong."""


@dataclass(frozen=True, slots=True)
class DeviceMap:
    """A make of device: its tags, and what it refuses."""

    title: str
    tags: tuple[SimTag, ...] = ()
    max_registers: int = MAX_REGISTERS
    holes: tuple[Range, ...] = ()
    title_zh: str = ""  # in Chinese, where the map has one


EMPTY = DeviceMap("")


def load_map(path: Path) -> DeviceMap:
    """Raises MapError."""
    try:
        with path.open("rb") as file:
            document = tomllib.load(file, parse_float=Decimal)
    except OSError as error:
        raise MapError("system", error=error) from error
    except tomllib.TOMLDecodeError as error:
        raise MapError("not_toml", path=path, error=error) from error
    profile = document.get("profile", {})
    order = profile.get("order", "ABCD")
    where = f"{path}: profile"
    try:
        return DeviceMap(
            title=str(profile.get("title", path.stem)),
            tags=tuple(
                _tag(f"{path}: tags.{name}", name, told, order)
                for name, told in document.get("tags", {}).items()
            ),
            max_registers=int(profile.get("max_registers", MAX_REGISTERS)),
            holes=tuple(parse_range(hole) for hole in profile.get("holes", ())),
            title_zh=str(profile.get("title_zh", "")),
        )
    except AddressError as error:
        raise MapError("no_range", where=where, text=error.arguments["text"]) from error
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, MapError):
            raise
        raise MapError("at", where=where, error=error) from error


def _tag(where: str, name: str, told: Mapping[str, Any], order: str) -> SimTag:
    type_, order = told.get("type"), told.get("order", order)
    if type_ not in TYPE_BYTES:
        raise MapError("type", where=where, found=type_, known=", ".join(TYPE_BYTES))
    if order not in get_args(ByteOrder):
        known = ", ".join(get_args(ByteOrder))
        raise MapError("order", where=where, found=order, known=known)
    try:
        address = parse(str(told["address"]))
        scale, offset = Decimal(told.get("scale", 1)), Decimal(told.get("offset", 0))
        if not scale:
            raise ValueError("scale 0")
        limits = [Decimal(told[key]) if key in told else None for key in ("min", "max")]
        unit = str(told.get("unit", ""))
        low, high = raw_range(cast(ValueType, type_), unit, limits, scale, offset)
        labels = tuple(int(number) for number in told.get("labels", {}))
        length = int(told.get("length", 0))
    except KeyError as error:
        raise MapError("address_missing", where=where) from error
    except AddressError as error:
        raise MapError("address", where=where, text=error.arguments["text"]) from error
    except (ValueError, TypeError, InvalidOperation, ZeroDivisionError) as error:
        raise MapError("number", where=where, error=error) from error
    return SimTag(
        name, address, cast(ValueType, type_), cast(ByteOrder, order), length, low, high, labels,
        rises=unit in RISING,
    )  # fmt: skip


def raw_range(
    type_: ValueType, unit: str, limits: Sequence[Decimal | None], scale: Decimal, offset: Decimal
) -> tuple[Decimal | None, Decimal | None]:
    """Where the raw value moves; None, None: between the limits of its type."""
    found = usual(unit, *limits)
    if found is None:
        return None, None
    low, high = sorted((value - offset) / scale for value in found)  # a scale may be negative
    return (low, high) if limits[0] is not None or fits(type_, low, high) else (None, None)
