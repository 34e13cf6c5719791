"""The values that a simulated device shows: moving, reproducible, and computable by whoever checks.

Every value is a function of three things: the tag, the seed and the device's counter. With

    h    = CRC-32 of "seed:name"
    saw  = (h + (counter mod 64) x (1 + 2 x (h mod 2))) mod 64
    wave = 2 x saw in the first half of the saw, 127 - 2 x saw in the second

a number is low + (high - low) x wave / 63 in raw units (integers rounded down), so it takes 64
values, goes up and down by itself and moves with each step of the counter, never far. A number that
`rises` follows the saw instead. `low` and `high` are what `usual` says for the tag's unit and its
plausibility limits, divided by its scale; those of `_SPAN` where nothing is known. A bool is bit 3
of wave, a tag with labels one of their numbers, a string its name with wave in front. `raw_value`
is that function.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from drivers.api import ByteOrder, ValueType
from drivers.modbus.address import Address

PHASES = 64

RawValue = int | float | bool | bytes

#: Raw limits of a tag that names none: inside every type, and different enough to tell apart.
_SPAN: Mapping[ValueType, tuple[int, int]] = {
    "bool": (0, 1), "int8": (-100, 100), "uint8": (0, 200), "int16": (-3150, 3150),
    "uint16": (0, 63_000), "int32": (-315_000, 315_000), "uint32": (0, 3_150_000_000),
    "int64": (-(10**15), 10**15), "uint64": (0, 10**16), "float32": (-1000, 1000),
    "float64": (-(10**6), 10**6), "bcd": (0, 99), "bcd16": (0, 9999), "bcd32": (0, 99_999_999),
    "string": (0, 0),
}  # fmt: skip

_STRUCT: Mapping[str, str] = {
    "int8": ">xb", "uint8": ">xB", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I",
    "int64": ">q", "uint64": ">Q", "float32": ">f", "float64": ">d",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SimTag:
    """A value that a simulated device holds. `low` and `high` are raw, before scale and offset."""

    name: str
    address: Address
    type: ValueType
    order: ByteOrder = "ABCD"
    length: int = 0
    low: Decimal | None = None
    high: Decimal | None = None
    labels: tuple[int, ...] = field(default=())
    rises: bool = False

    @property
    def registers(self) -> int:
        """Registers that it takes; 1 for bits."""
        if self.type in ("string", "bcd"):
            return max(1, (self.length + 1) // 2)
        if self.type in ("bcd32", "int32", "uint32", "float32"):
            return 2
        return 4 if self.type in ("int64", "uint64", "float64") else 1


def raw_value(tag: SimTag, counter: int, seed: str) -> RawValue:
    """What the device shows of `tag` at `counter`; floats rounded to their type."""
    h = zlib.crc32(f"{seed}:{tag.name}".encode())
    saw = (h + counter % PHASES * (1 + 2 * (h % 2))) % PHASES
    wave = 2 * saw if saw < PHASES // 2 else 2 * PHASES - 1 - 2 * saw
    if tag.type == "bool":
        return bool(wave >> 3 & 1)
    if tag.type == "string":
        return f"{wave:02}{tag.name}".encode("ascii", "replace")[: tag.length]
    if tag.labels:
        return tag.labels[wave % len(tag.labels)]
    low, high = _SPAN[tag.type]
    bottom = Decimal(low) if tag.low is None else tag.low
    top = Decimal(high) if tag.high is None else tag.high
    exact = bottom + (top - bottom) * (saw if tag.rises else wave) / (PHASES - 1)
    if tag.type not in ("float32", "float64"):
        return min(max(int(exact.to_integral_value(ROUND_FLOOR)), _first_int(bottom)), int(top))
    (rounded,) = struct.unpack(_STRUCT[tag.type], struct.pack(_STRUCT[tag.type], float(exact)))
    return float(rounded)


def fits(type_: ValueType, low: Decimal, high: Decimal) -> bool:
    """Whether a number of that type can be anything between the two."""
    if type_ in ("float32", "float64"):
        return True
    first, last = _SPAN[type_]
    return first <= low and high <= last


def encode(tag: SimTag, value: RawValue) -> bytes:
    """The registers of a raw value as they travel: two bytes a register, high byte first."""
    if isinstance(value, bytes):
        return value.ljust(2 * tag.registers, b"\0")
    if tag.type in ("bcd", "bcd16", "bcd32"):
        data = bytes.fromhex(f"{value:0{4 * tag.registers}d}")
    else:
        data = struct.pack(_STRUCT[tag.type], value)
    words = [data[i : i + 2] for i in range(0, len(data), 2)]
    if tag.order in ("CDAB", "DCBA"):
        words.reverse()
    if tag.order in ("BADC", "DCBA"):
        words = [word[::-1] for word in words]
    return b"".join(words)


def _first_int(bottom: Decimal) -> int:
    return int(bottom.to_integral_value(ROUND_CEILING))
