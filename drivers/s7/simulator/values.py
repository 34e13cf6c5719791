"""The values that a simulated CPU shows: moving, reproducible, and computable by whoever checks.

Each value follows from its tag's name and the CPU's counter: the name's CRC-32 says where in a
cycle of 64 it stands, so that two tags seldom show the same. Encoded by code of its own, in the
forms that STEP 7 keeps in its blocks.
"""

from __future__ import annotations

import datetime
import struct
import zlib
from typing import NamedTuple

from drivers.s7.address import Address
from drivers.s7.types import WIRE_BYTES, wire_bytes

STEPS = 64
_EPOCH = datetime.datetime(2026, 1, 1)  # local time of a PLC, which has no zone
_NUMBERS = {
    "int8": ">b", "uint8": ">B", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I",
    "int64": ">q", "uint64": ">Q", "float32": ">f", "float64": ">d",
}  # fmt: skip
#: How far apart two steps are: within the type, and in most of its bytes.
_STRIDES: dict[str, int | float] = {
    "int8": 3, "uint8": 3, "int16": 1009, "uint16": 1009, "int32": 33_000_011,
    "uint32": 33_000_011, "int64": 10**16 + 1, "uint64": 10**16 + 1, "float32": 1.25,
    "float64": 1.0625,
}  # fmt: skip


class SimTag(NamedTuple):
    """A value that a simulated CPU holds; `length` of texts in characters, of a bcd in bytes."""

    name: str
    address: Address
    type: str
    length: int = 0
    signed: bool = False

    @property
    def size(self) -> int:
        return wire_bytes(self.type, self.length)


def step(tag: SimTag, counter: int) -> int:
    return (zlib.crc32(tag.name.encode()) + counter) % STEPS


def value(tag: SimTag, counter: int) -> bool | int | float | bytes | datetime.datetime:
    """What the CPU shows: a number, the text, milliseconds of an S5TIME, or a local time."""
    now = step(tag, counter)
    if tag.type == "bool":
        return bool(now >> 3 & 1)
    if tag.type == "string":
        return f"{now:02}{tag.name}".encode("ascii", "replace")[: tag.length]
    if tag.type == "wstring":
        return ("温度°" + f"{now:02}{tag.name}")[: tag.length].encode("utf-8")
    if tag.type == "bcd":
        return -now if tag.signed and now % 2 else now
    if tag.type in ("bcd16", "bcd32"):
        return now * 15 if tag.type == "bcd16" else now * 1_500_011
    if tag.type == "s5time":
        return (now + 1) * (10, 100, 1000)[now % 3]
    if tag.type in ("date_time", "dtl", "ldt"):
        return _EPOCH + datetime.timedelta(days=now, seconds=61 * now, milliseconds=7 * now)
    signed = tag.type.startswith(("int", "float"))
    return _STRIDES[tag.type] * (now - (STEPS // 2 if signed else 0))


def encode(tag: SimTag, counter: int) -> bytes:
    """The bytes in the CPU's memory; a bool: one byte, 0 or 1."""
    shown = value(tag, counter)
    if tag.type == "wstring" and isinstance(shown, bytes):
        wide = shown.decode("utf-8").encode("utf-16-be")
        head = struct.pack(">HH", tag.length, len(wide) // 2)
        return head + wide + b"\0~" * (tag.length - len(wide) // 2)
    if isinstance(shown, bytes):
        # What an earlier, longer text left behind stays there.
        return bytes([tag.length, len(shown)]) + shown.ljust(tag.length, b"~")
    if isinstance(shown, datetime.datetime):
        return {"dtl": _dtl, "ldt": _ldt, "date_time": _date_and_time}[tag.type](shown)
    if tag.type == "bool":
        return bytes([bool(shown)])
    if tag.type == "bcd":
        digits = bytes.fromhex(f"{abs(shown):0{2 * tag.length}d}")
        return bytes([digits[0] | (0x80 if shown < 0 else 0)]) + digits[1:]
    if tag.type in ("bcd16", "bcd32"):
        return bytes.fromhex(f"{shown:0{2 * WIRE_BYTES[tag.type]}d}")
    if tag.type == "s5time":
        base = next(b for b in range(4) if shown <= 999 * 10 ** (b + 1))
        return bytes.fromhex(f"{base}{int(shown) // 10 ** (base + 1):03d}")
    return struct.pack(_NUMBERS[tag.type], shown)


def _dtl(at: datetime.datetime) -> bytes:
    weekday = at.isoweekday() % 7 + 1  # Sunday is 1
    return struct.pack(">HBBBBBBI", at.year, at.month, at.day, weekday, at.hour, at.minute,
                       at.second, at.microsecond * 1000)  # fmt: skip


def _ldt(at: datetime.datetime) -> bytes:
    since = at - datetime.datetime(1970, 1, 1)
    return struct.pack(">q", since // datetime.timedelta(microseconds=1) * 1000)


def _date_and_time(at: datetime.datetime) -> bytes:
    """Two digits a byte; the last one ends the milliseconds and holds the weekday."""
    digits = at.strftime("%y%m%d%H%M%S") + f"{at.microsecond // 1000:03d}"
    return bytes.fromhex(digits + str(at.isoweekday() % 7 + 1))
