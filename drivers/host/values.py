"""A tag's value as the bytes of a row, and the plan that lays a group's tags out one by one."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from drivers.api import TYPE_BYTES, DeviceSpec, Field, GroupPlan, Request, TagSpec
from drivers.quality import BAD_NOT_A_VALUE, GOOD, UNCERTAIN

_PACK = {
    "int8": ">b", "uint8": ">B", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I",
    "int64": ">q", "uint64": ">Q", "float32": ">f", "float64": ">d",
}  # fmt: skip
#: What Python drivers can deliver; the rest is for registers.
TYPES = ("bool", *_PACK, "string")


def size_of(tag: TagSpec) -> int:
    """Bytes of the tag in a row."""
    return 1 if tag.type == "bool" else TYPE_BYTES[tag.type] or tag.length


def row_bytes(tags: Iterable[TagSpec]) -> int:
    return sum(map(size_of, tags))


def lay_out(device: DeviceSpec) -> list[GroupPlan]:
    """A group for each period; every tag is a part of its own, so that it has its own quality."""
    by_period: dict[int, list[TagSpec]] = {}
    for tag in device.tags:
        by_period.setdefault(tag.every_ns, []).append(tag)
    return [
        GroupPlan(
            device=device.name,
            period_ns=period_ns,
            tags=tuple(tags),
            # One request for all: what is asked is the source's own affair.
            requests=(Request(b"", tuple(map(size_of, tags)), 0, 0),),
            fields=tuple(
                Field(i, 0, tag.row_type, "ABCD", size_of(tag), 0 if tag.type == "bool" else -1)
                for i, tag in enumerate(tags)
            ),
            scan_ns=0,
        )
        for period_ns, tags in sorted(by_period.items())
    ]


def encode(tag: TagSpec, value: bool | int | float | str) -> tuple[int, bytes]:
    """(quality, bytes) of a value that the source holds good. What the type can't hold is no value,
    a text that is too long is cut at a character and uncertain.
    """
    size = size_of(tag)
    if tag.type == "string":
        return _text(tag, str(value), size)
    if tag.type == "bool":
        return (GOOD, bytes([value])) if isinstance(value, bool) else (BAD_NOT_A_VALUE, b"\0")
    number = _number(value)
    try:
        if number is None:
            raise ValueError
        if tag.type in ("float32", "float64"):
            made = struct.pack(_PACK[tag.type], float(number))
        elif number == number.to_integral_value():
            made = struct.pack(_PACK[tag.type], int(number))
        else:
            raise ValueError
    except (ValueError, OverflowError, struct.error, InvalidOperation):
        return BAD_NOT_A_VALUE, bytes(size)
    return GOOD, made


def _number(value: bool | int | float | str) -> Decimal | None:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    try:
        number = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        return None
    # Also keeps 1E+999999999 from becoming an integer of a billion digits.
    return number if number.is_finite() and number.adjusted() < 400 else None


def _text(tag: TagSpec, text: str, size: int) -> tuple[int, bytes]:
    text = text.replace("\0", "")
    try:
        whole = text.encode(tag.encoding)
    except UnicodeEncodeError:
        return BAD_NOT_A_VALUE, bytes(size)
    if len(whole) <= tag.length:
        return GOOD, whole.ljust(size, b"\0")
    cut = whole[: tag.length].decode(tag.encoding, "ignore").encode(tag.encoding)
    return UNCERTAIN, cut.ljust(size, b"\0")
