"""What the standard's data identifiers bring: DL/T 645-2007, appendix A, and the few of the edition
of 1997 that meters in use are asked for.

An address is the identifier as printed, `02010100`; an item of a block is the block and what stands
in the place of its FF: `0201FF00.2` is 02010200, read with its block. `.time` behind a maximum
demand is when it occurred. Four digits (`9010`) are an identifier of 1997.

A number is packed decimal; where it has a sign, that is the top bit of the top byte, the rest its
magnitude. Text travels last character first. Tables here are rules: an energy exists for each
quantity, tariff and settlement day.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from drivers.said import SaidError

#: Bytes of data that an answer carries at most (DL/T 645-2007, 5.2.5), its identifier with them.
DATA_MAX = 200
_TARIFFS = 63
_SETTLEMENTS = 12
_HARMONICS = 21

#: Phase by the number that stands for it.
_PHASES = {1: "a", 2: "b", 3: "c"}


class IdentifierError(SaidError, ValueError):
    """An address that cannot be read. `message` is an id of gateway/messages."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value as a meter sends it."""

    length: int  # bytes
    type: Literal["bcd", "uint16", "string"] = "bcd"
    signed: bool = False
    scale: Decimal = Decimal(1)
    unit: str = ""
    rises: bool = False  # a count that only grows


@dataclass(frozen=True, slots=True)
class Address:
    """Where a value lies: the identifier that is asked, the item of its block, and the value within
    the item.
    """

    identifier: str  # eight hexadecimal digits, or four; as printed
    item: str = ""  # the identifier of the item where `identifier` is a block; else ""
    time: bool = False  # when a demand occurred

    @property
    def single(self) -> str:
        """The identifier that brings this value alone."""
        return self.item or self.identifier


@dataclass(frozen=True, slots=True)
class Block:
    """An identifier that brings several items in one answer, in the order of `items`."""

    identifier: str
    items: Sequence[str]
    open: bool  # how many there are is the meter's to say: as many as it has tariffs


_TEXT = re.compile(r"([0-9A-Fa-f]{8}|[0-9A-Fa-f]{4})(?:\.(\d+|time))?")


@lru_cache(maxsize=1 << 12)
def parse(text: str) -> Address:
    """Raises IdentifierError for what is no identifier, or a block without its item."""
    found = _TEXT.fullmatch(text.strip())
    if not found:
        raise IdentifierError("dlt645.address_syntax", text=text, example=likely(text))
    identifier, item = found[1].upper(), found[2]
    if item == "time":
        if len(identifier) != 8 or not identifier.startswith("01"):
            raise IdentifierError("dlt645.address_time", text=text)
        item = ""
    made = block_of(identifier)
    if made is None:
        if item:
            raise IdentifierError("dlt645.address_no_block", text=text, identifier=identifier)
        return Address(identifier, time=found[2] == "time")
    if not item:
        first = f"{identifier}.{_number(made, made.items[0])}"
        raise IdentifierError("dlt645.address_block", text=text, example=first)
    for each in made.items:
        if _number(made, each) == int(item):
            return Address(identifier, each)
    raise IdentifierError(
        "dlt645.address_item", text=text, first=_number(made, made.items[0]),
        last=_number(made, made.items[-1]),
    )  # fmt: skip


def likely(text: str) -> str:
    """What an identifier that makes no sense may stand for: with blanks, or without its first 0."""
    digits = re.sub(r"[\s-]+|[Hh]$|^0[xX]", "", text)
    if re.fullmatch(r"[0-9A-Fa-f]{7,8}", digits):
        return digits.zfill(8)
    return "02010100"


def _number(block: Block, item: str) -> int:
    """What stands in an item's identifier in the place of the block's FF."""
    if len(item) == 4:
        return int(item[3], 16)
    at = _place(block.identifier)
    return int(item[at : at + 2], 16)


#: Where a block has its FF, and the beginnings of identifiers that have such blocks.
_BLOCKS: Mapping[int, tuple[str, ...]] = {
    4: ("00", "01", *(f"020{number}" for number in range(1, 10))),
    6: ("00", "01", "020A", "020B", "040005"),
}


def _place(identifier: str) -> int:
    return 4 if identifier[4:6] == "FF" else 6


@lru_cache(maxsize=1 << 12)
def block_of(identifier: str) -> Block | None:
    """The block that an identifier names, if it names one."""
    if len(identifier) == 4:
        if identifier[3] != "F" or identifier[:3] not in _BLOCKS_1997:
            return None
        numbers = _BLOCKS_1997[identifier[:3]]
        items = tuple(f"{identifier[:3]}{number:X}" for number in numbers)
        return Block(identifier, items, open=len(numbers) > 4)
    at = _place(identifier)
    if identifier[at : at + 2] != "FF" or not identifier.startswith(_BLOCKS[at]):
        return None
    names = (f"{identifier[:at]}{number:02X}{identifier[at + 2 :]}" for number in range(64))
    items = tuple(name for name in names if value_of(name) is not None)
    if len(items) < 2:
        return None
    return Block(identifier, items, open=identifier[:2] in ("00", "01"))


def blocks_with(identifier: str) -> list[Block]:
    """The blocks that bring the item with this identifier."""
    if len(identifier) == 4:
        names = [identifier[:3] + "F"]
    else:
        names = [f"{identifier[:at]}FF{identifier[at + 2 :]}" for at in _BLOCKS]
    return [made for name in names if (made := block_of(name)) and identifier in made.items]


def time_of(demand: Value) -> Value:
    """When a maximum demand occurred: YYMMDDhhmm."""
    return Value(5)


def item_bytes(identifier: str, value: Value) -> int:
    """Bytes of the data behind an identifier: a maximum demand carries its time."""
    return value.length + (5 if len(identifier) == 8 and identifier.startswith("01") else 0)


@lru_cache(maxsize=1 << 12)
def value_of(identifier: str) -> Value | None:
    """What the standard says of an identifier that is no block; None where it does not have it."""
    if len(identifier) == 4:
        return _value_1997(identifier)
    if identifier in _SINGLE:
        return _SINGLE[identifier]
    kind, quantity, first, last = (int(identifier[at : at + 2], 16) for at in (0, 2, 4, 6))
    if kind in (0, 1):
        return _energy(quantity, first, last) if kind == 0 else _demand(quantity, first, last)
    if kind == 2:
        return _variable(quantity, first, last)
    return None


def _quantity(number: int) -> tuple[str, bool] | None:
    """Unit of the energy with this number without its "h", and whether it has a sign."""
    for base in (0x00, 0x14, 0x28, 0x3C):  # all phases, A, B, C
        if base <= number <= base + 0x0A:
            own = number - base
            if own == 0 and base:
                return None
            unit = "kW" if own <= 2 else "kvar" if own <= 8 else "kVA"
            return unit, own in (0, 3, 4)
    return ("kW", False) if 0x80 <= number <= 0x86 else None


def phase_of(identifier: str) -> int:
    """The phase that an item belongs to: 1 to 3; 0: to none of them, or to all."""
    if len(identifier) == 4:
        return int(identifier[3], 16) if identifier[:2] == "B6" else 0
    kind, quantity, first = (int(identifier[at : at + 2], 16) for at in (0, 2, 4))
    if kind in (0, 1):
        bases = {1: 0x14, 2: 0x28, 3: 0x3C}
        return next((n for n, base in bases.items() if base < quantity <= base + 0x0A), 0)
    return first if kind == 2 and 1 <= quantity <= 0x0B and first in _PHASES else 0


def _is_read(quantity: int, tariff: int, settlement: int) -> bool:
    most = _TARIFFS if quantity <= 0x0A else 0
    return tariff <= most and settlement <= _SETTLEMENTS


def _energy(quantity: int, tariff: int, settlement: int) -> Value | None:
    known = _quantity(quantity)
    if known is None or not _is_read(quantity, tariff, settlement):
        return None
    unit, signed = known
    return Value(4, "bcd", signed, Decimal("0.01"), unit + "h", not signed and settlement == 0)


def _demand(quantity: int, tariff: int, settlement: int) -> Value | None:
    known = _quantity(quantity)
    if known is None or quantity in (0, *range(0x80, 0x87)):
        return None
    if not _is_read(quantity, tariff, settlement):
        return None
    unit, signed = known
    return Value(3, "bcd", signed, Decimal("0.0001"), unit)


#: Variables that exist by phase: the value, and whether there is one of all phases together.
_VARIABLES: Mapping[int, tuple[Value, bool]] = {
    0x01: (Value(2, scale=Decimal("0.1"), unit="V"), False),
    0x02: (Value(3, signed=True, scale=Decimal("0.001"), unit="A"), False),
    0x03: (Value(3, signed=True, scale=Decimal("0.0001"), unit="kW"), True),
    0x04: (Value(3, signed=True, scale=Decimal("0.0001"), unit="kvar"), True),
    0x05: (Value(3, signed=True, scale=Decimal("0.0001"), unit="kVA"), True),
    0x06: (Value(2, signed=True, scale=Decimal("0.001")), True),
    0x07: (Value(2, scale=Decimal("0.1"), unit="°"), False),
    0x08: (Value(2, scale=Decimal("0.01"), unit="%"), False),
    0x09: (Value(2, scale=Decimal("0.01"), unit="%"), False),
}


def _variable(quantity: int, first: int, last: int) -> Value | None:
    if quantity in (0x0A, 0x0B):  # harmonics of voltage and current
        return _PERCENT if first in _PHASES and 1 <= last <= _HARMONICS else None
    if quantity not in _VARIABLES or last:
        return None
    value, has_total = _VARIABLES[quantity]
    return value if first in _PHASES or (first == 0 and has_total) else None


_PERCENT = Value(2, scale=Decimal("0.01"), unit="%")
_POWER = Value(3, signed=True, scale=Decimal("0.0001"), unit="kW")
_COUNT = Value(3, rises=True)

_SINGLE: Mapping[str, Value] = {
    "00900100": Value(4, scale=Decimal("0.01"), unit="kWh"),  # left of what was paid for
    "00900101": Value(4, scale=Decimal("0.01"), unit="kWh"),  # taken beyond it
    "00900200": Value(4, scale=Decimal("0.01"), unit="元"),
    "00900201": Value(4, scale=Decimal("0.01"), unit="元"),
    "02800001": Value(3, signed=True, scale=Decimal("0.001"), unit="A"),  # neutral
    "02800002": Value(2, scale=Decimal("0.01"), unit="Hz"),
    "02800003": _POWER,  # mean of a minute
    "02800004": _POWER,  # demand now
    "02800005": replace(_POWER, unit="kvar"),
    "02800006": replace(_POWER, unit="kVA"),
    "02800007": Value(2, signed=True, scale=Decimal("0.1"), unit="°C"),
    "02800008": Value(2, scale=Decimal("0.01"), unit="V"),  # clock's battery
    "02800009": Value(2, scale=Decimal("0.01"), unit="V"),  # battery for reading without power
    "0280000A": Value(4, unit="min", rises=True),  # work of the battery
    "03110000": _COUNT,  # power failures
    "03300000": _COUNT,  # changes of settings
    "03300100": _COUNT,  # resets of the meter
    "03300200": _COUNT,  # resets of demand
    "03300400": _COUNT,  # settings of the clock
    "03300D00": _COUNT,  # openings of the cover
    "03300E00": _COUNT,  # openings of the terminal cover
    "04000101": Value(4),  # YYMMDDWW, Sunday 0
    "04000102": Value(3),  # hhmmss
    "04000103": Value(1, unit="min"),
    "04000104": Value(1, unit="min"),
    "0400010C": Value(7),  # YYMMDDWWhhmmss
    "04000306": Value(3),  # current transformer
    "04000307": Value(3),  # voltage transformer
    "04000401": Value(6),
    "04000402": Value(6),
    "04000403": Value(32, "string"),
    "04000404": Value(6, "string"),
    "04000405": Value(6, "string"),
    "04000406": Value(6, "string"),
    "04000407": Value(4, "string"),
    "04000408": Value(4, "string"),
    "04000409": Value(3),  # pulses a kWh
    "0400040A": Value(3),
    "0400040B": Value(10, "string"),
    "0400040C": Value(10, "string"),
    "0400040D": Value(16, "string"),
    **{f"040005{number:02X}": Value(2, "uint16") for number in range(1, 8)},  # state, a bit each
    "04800001": Value(32, "string"),
    "04800002": Value(32, "string"),
    "04800003": Value(32, "string"),
}

_BLOCKS_1997: Mapping[str, Sequence[int]] = {
    **{name: range(15) for name in ("901", "902", "911", "912")},
    **{name: range(1, 4) for name in ("B61", "B62")},
    **{name: range(4) for name in ("B63", "B64", "B65")},
}
_VALUES_1997: Mapping[str, Value] = {
    **{name: Value(4, scale=Decimal("0.01"), unit="kWh", rises=True) for name in ("901", "902")},
    **{name: Value(4, scale=Decimal("0.01"), unit="kvarh", rises=True) for name in ("911", "912")},
    "B61": Value(2, unit="V"),
    "B62": Value(2, scale=Decimal("0.01"), unit="A"),
    "B63": Value(3, scale=Decimal("0.0001"), unit="kW"),
    "B64": Value(2, scale=Decimal("0.01"), unit="kvar"),
    "B65": Value(2, scale=Decimal("0.001")),
}


def _value_1997(identifier: str) -> Value | None:
    family, number = identifier[:3], int(identifier[3], 16)
    if family in _BLOCKS_1997:
        return _VALUES_1997[family] if number in _BLOCKS_1997[family] else None
    return {"C010": Value(4), "C011": Value(3), "C032": Value(6)}.get(identifier)
