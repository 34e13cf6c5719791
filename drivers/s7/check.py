"""Everything wrong with an S7 device that its configuration alone shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from drivers.api import DeviceSpec, Problem, TagSpec
from drivers.s7.address import BYTE_LAST, Address, AddressError, parse
from drivers.s7.station import tsap_of
from drivers.s7.stretch import ITEM_HEAD, PDU_LEAST, room_of
from drivers.s7.types import LENGTH_MOST, LONG, WIRE_BYTES, wire_bytes

#: What each area that is no memory holds, and nothing else.
_ONLY = {"T": ("s5time",), "C": ("bcd16",), "SZL": ("uint8",)}


def check(device: DeviceSpec) -> list[Problem]:
    """Every problem at once, in the order of the configuration; without an error planning will
    succeed.
    """
    problems: list[Problem] = []
    if device.link.type != "tcp":
        args: dict[str, object] = {"link": device.link.name, "type": device.link.type}
        problems.append(Problem(("link",), "s7.link", args))
    own = dict(device.own)
    for name in ("tsap", "local_tsap"):
        if text := own.get(name):
            try:
                tsap_of(text)
            except ValueError:
                problems.append(Problem((name,), "s7.tsap", {"key": name, "text": text}))
    for tag in device.tags:
        key = ("tags", tag.name)
        try:
            address = parse(tag.address)
        except AddressError as error:
            problems.append(Problem((*key, "address"), error.message, error.arguments))
            continue
        problems += (
            Problem((*key, field), message, args, severity)
            for field, message, args, severity in _tag(tag, address)
        )
    return problems


#: The message of each type with a length, where the tag has none.
_LENGTH = {
    "string": "s7.string_length", "wstring": "s7.wstring_length", "bcd": "s7.bcd_length",
}  # fmt: skip
#: Key below the tag, message, its arguments, how bad it is.
_Found = Iterator[tuple[str, str, dict[str, object], Literal["error", "warning"]]]


def _tag(tag: TagSpec, address: Address) -> _Found:
    args: dict[str, object] = {"text": tag.address, "type": tag.type}
    if tag.type in WIRE_BYTES and tag.length:
        yield "length", "s7.length_unused", args, "error"
    if tag.type not in WIRE_BYTES and tag.type not in LENGTH_MOST:
        yield "type", "s7.type", args, "error"
        return
    if only := _ONLY.get(address.area):
        if tag.type not in only:
            yield "type", "s7.only_type", {**args, "only": only[0]}, "error"
        return
    most = LENGTH_MOST.get(tag.type, 0)
    if most and not 1 <= tag.length <= most:
        yield "length", _LENGTH[tag.type], {"length": tag.length, "most": most}, "error"
        return
    size = wire_bytes(tag.type, tag.length)
    if tag.type == "bool" and address.width:
        yield "type", "s7.bool_bit", {**args, "example": _bit(address)}, "error"
    elif tag.type != "bool" and address.bit > 0:
        yield "type", "s7.bit_type", args, "error"
    elif tag.type not in LONG and tag.type != "bool" and address.width != size:
        yield "address", "s7.width", {**args, "bytes": size, "meant": _as(address, size)}, "error"
    elif address.number + size - 1 > BYTE_LAST:
        yield "address", "s7.past_end", {**args, "last": BYTE_LAST}, "error"
    elif tag.type == "string" and ITEM_HEAD + size > room_of(PDU_LEAST).bytes:
        most = room_of(PDU_LEAST).longest - 2
        yield "length", "s7.string_long", {"length": tag.length, "most": most}, "warning"


def _as(address: Address, size: int) -> str:
    return str(Address(address.area, address.db, address.number, size))


def _bit(address: Address) -> str:
    return str(Address(address.area, address.db, address.number, 0, 0))
