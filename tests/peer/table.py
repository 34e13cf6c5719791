"""One table of known values that every peer serves: each type in each byte order, and bits.

The registers are worked out from the values with `struct` alone, so that they share nothing with
the code under test: not its byte orders, not its arithmetic.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FIRST = 100

_SAMPLES: tuple[tuple[str, str, int | float], ...] = (
    ("int16", ">h", -12345),
    ("uint16", ">H", 54321),
    ("int32", ">i", -1234567890),
    ("uint32", ">I", 4023456789),
    ("int64", ">q", -1234567890123456789),
    ("uint64", ">Q", 12345678901234567890),
    ("float32", ">f", 1480.5),
    ("float64", ">d", -0.1),
)
_BCD: tuple[tuple[str, int], ...] = (("bcd16", 9071), ("bcd32", 12345678))
_ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")


class Entry(NamedTuple):
    """A value, its type and order, and where its registers begin (holding and input alike)."""

    name: str
    type: str
    order: str
    address: int
    length: int  # bytes, strings only
    value: int | float | str
    registers: tuple[int, ...]


def bit(number: int) -> bool:
    """Coils and discrete inputs 0 to 99."""
    return number % 3 == 0 or number % 7 == 0


BITS = {number: bit(number) for number in range(100)}


def entries() -> list[Entry]:
    """The whole table, without holes from `FIRST` on."""
    found: list[Entry] = []
    address = FIRST
    for kind, value, data in _plain():
        for order in _ORDERS:
            registers = _ordered(data, order)
            found.append(Entry(f"{kind}_{order}", kind, order, address, 0, value, registers))
            address += len(registers)
    for text, length in (("JIAHE-0031", 10), ("odd", 5)):
        data = text.encode("ascii").ljust(length + length % 2, b"\0")
        registers = struct.unpack(f">{len(data) // 2}H", data)
        found.append(Entry(f"string_{length}", "string", "ABCD", address, length, text, registers))
        address += len(registers)
    return found


def registers() -> dict[int, int]:
    """Holding and input registers by address."""
    return {e.address + i: word for e in entries() for i, word in enumerate(e.registers)}


def write(path: Path) -> None:
    """As lines "SPACE ADDRESS VALUE", which the servers in C, JavaScript and Python read."""
    lines = [f"{s} {a} {v}\n" for a, v in registers().items() for s in ("holding", "input")]
    lines += [f"{s} {a} {v:d}\n" for a, v in BITS.items() for s in ("coil", "discrete")]
    path.write_text("".join(lines), encoding="ascii")


def _plain() -> Iterator[tuple[str, int | float, bytes]]:
    for kind, code, value in _SAMPLES:
        yield kind, value, struct.pack(code, value)
    for kind, number in _BCD:
        yield kind, number, bytes.fromhex(str(number))


def _ordered(data: bytes, order: str) -> tuple[int, ...]:
    """ABCD as it is; CDAB: registers reversed; BADC: bytes in each register swapped; DCBA: both."""
    count = len(data) // 2
    words = struct.unpack(f"<{count}H" if order in ("BADC", "DCBA") else f">{count}H", data)
    return words[::-1] if order in ("CDAB", "DCBA") else words
