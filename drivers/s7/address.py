"""Addresses of S7 tags as STEP 7 and TIA write them, and what they mean on the wire.

    DB12.DBX0.3  DB12.DBB4  DB12.DBW4  DB12.DBD4     data block: bit, byte, word, double word
    M20.3  MB20  MW20  MD20                          memory
    I0.3   IB0   IW0   ID0     E0.3  EB0 ...         inputs, both mnemonics
    Q1.2   QB1   QW1   QD1     A1.2  AB1 ...         outputs, both mnemonics
    V0.3   VB0   VW0   VD0                           S7-200 SMART and LOGO: their V memory is DB1
    T5  C2  Z2                                       timers and counters
    cpu_state                                        the CPU's mode: 8 run, 4 stop

Case, spaces and TIA's leading % do not matter. The letter after the area is the width that the
engineer saw; a value longer than a double word (a string, a date, 64 bits) is named by its first
byte with any of them, as P#DB12.DBX4.0 does.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from drivers.said import SaidError

Area = Literal["I", "Q", "M", "DB", "C", "T", "SZL"]

#: In the order in which they are asked for, with the number of each on the wire. SZL: what a CPU
#: says of itself, by a service of its own.
AREAS: dict[Area, int] = {
    "I": 0x81, "Q": 0x82, "M": 0x83, "DB": 0x84, "C": 0x1C, "T": 0x1D, "SZL": 0,
}  # fmt: skip
#: Bytes of what the letter names; 0: a bit.
WIDTHS: dict[str, int] = {"X": 0, "B": 1, "W": 2, "D": 4}

_LETTERS = {width: letter for letter, width in WIDTHS.items()}

DB_LAST = 65535
BYTE_LAST = 65535
#: The most timers or counters that any CPU has.
NUMBER_LAST = 2047
CPU_STATE = "cpu_state"

_NAMES: dict[str, Area] = {"I": "I", "E": "I", "Q": "Q", "A": "Q", "M": "M", "V": "DB"}
_BLOCK = re.compile(r"DB([0-9]{1,9})\.DB([XBWD])([0-9]{1,9})(?:\.([0-9]{1,9}))?")
_MEMORY = re.compile(r"([IEQAMV])([XBWD]?)([0-9]{1,9})(?:\.([0-9]{1,9}))?")
_NUMBERED = re.compile(r"([TCZ])([0-9]{1,9})")
#: The modules themselves instead of their image: PIW256 of STEP 7, %IW64:P of TIA.
_PERIPHERAL = re.compile(r"P?([IEQA][BWD]?[0-9]{1,9}(?:\.[0-7])?)(?:\.P)?")
#: What others write: DB12,REAL4 (nodeS7), DB12:4 and DB12.4 (panels).
_OTHERS = re.compile(r"DB([0-9]{1,5})[.,: ]+([A-Z]*)([0-9]{1,5})(?:\.([0-7]))?")


class AddressError(SaidError, ValueError):
    """An address that means nothing. `message` is an id of the message table, `arguments` its
    arguments: `text` is always among them.
    """


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Where a value begins. `number`: the byte, or the timer or counter; `width`: bytes of what
    the letter names, 0 for a bit; `bit` 0 to 7, or -1 where no bit is named.
    """

    area: Area
    db: int
    number: int
    width: int
    bit: int = -1

    @property
    def numbered(self) -> bool:
        """Whether it is a timer or a counter: two bytes each, counted and not addressed."""
        return self.area in ("T", "C")

    def __str__(self) -> str:
        if self.area == "SZL":
            return CPU_STATE
        if self.numbered:
            return f"{self.area}{self.number}"
        letter = _LETTERS[self.width]
        bit = "" if self.bit < 0 else f".{self.bit}"
        if self.area == "DB":
            return f"DB{self.db}.DB{letter}{self.number}{bit}"
        return f"{self.area}{letter if self.width else ''}{self.number}{bit}"


@lru_cache(maxsize=1 << 14)  # devices have the same addresses
def parse(text: str) -> Address:
    """The address that `text` means.

    Raises AddressError: `s7.address_syntax`, `s7.address_range` (a byte, block, timer or counter
    past the last one), `s7.address_bit` (a bit past 7, or a width with a bit, or none where one is
    due).
    """
    written = text.strip()
    plain = re.sub(r"\s+", "", written).upper().removeprefix("%")
    if plain == CPU_STATE.upper():
        return Address("SZL", 0, 0, 1)
    if block := _BLOCK.fullmatch(plain):
        number, letter, byte, bit = block.groups()
        _within(int(number), 1, DB_LAST, written)
        return _bytes("DB", int(number), letter, byte, bit, written)
    if memory := _MEMORY.fullmatch(plain):
        name, letter, byte, bit = memory.groups()
        db = 1 if name == "V" else 0
        return _bytes(_NAMES[name], db, letter or "X", byte, bit, written)
    if numbered := _NUMBERED.fullmatch(plain):
        _within(int(numbered[2]), 0, NUMBER_LAST, written)
        return Address("T" if numbered[1] == "T" else "C", 0, int(numbered[2]), 2)
    raise AddressError("s7.address_syntax", text=written, example=likely(plain))


def likely(text: str) -> str:
    """What an address that makes no sense may stand for, in the manner of STEP 7."""
    pointed = re.sub(r"[,，。、;:]", ".", text.upper())
    if _BLOCK.fullmatch(pointed) or _MEMORY.fullmatch(pointed):
        with suppress(AddressError):
            parse(pointed)
            return pointed
    if outside := _PERIPHERAL.fullmatch(pointed.removeprefix("%")):
        return outside[1]
    found = _OTHERS.search(text.upper())
    if found is None:
        return "DB12.DBD4"
    number, name, byte, bit = found.groups()
    if bit is not None:
        return f"DB{number}.DBX{byte}.{bit}"
    letter = {"REAL": "D", "DINT": "D", "DWORD": "D", "INT": "W", "WORD": "W"}.get(name, "")
    return f"DB{number}.DB{letter or ('B' if name else 'D')}{byte}"


def _bytes(area: Area, db: int, letter: str, byte: str, bit: str | None, text: str) -> Address:
    width = WIDTHS[letter]
    _within(int(byte), 0, BYTE_LAST, text)
    if (width == 0) != (bit is not None) or (bit is not None and int(bit) > 7):
        raise AddressError("s7.address_bit", text=text)
    return Address(area, db, int(byte), width, -1 if bit is None else int(bit))


def _within(number: int, first: int, last: int, text: str) -> None:
    if not first <= number <= last:
        raise AddressError("s7.address_range", text=text, number=number, last=last)
