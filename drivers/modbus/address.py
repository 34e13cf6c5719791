"""Addresses of Modbus tags as people write them, and what they mean on the wire.

Two spellings, never mixed up, because one has a colon and the other has not:

    holding:N  input:N  coil:N  discrete:N     N counts from 0, as on the wire; decimal, or 0x hex
    40001 400001  30001  10001  00001          Modicon numbers from 1, as in manuals: five or six
                                               digits, the first of them names the space

A number that would be good in both spellings (`holding:40010`) counts from 0, as it says; `manual`
tells that it would, `wire_text` writes it so that nobody wonders: `holding:0x9C4A`.

`.B` after a register picks its bit B, 0 (lowest) to 15. The wire knows addresses 0 to 65535 (Modbus
Application Protocol V1.1b3 section 4.4); the four spaces are section 4.3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from drivers.said import SaidError

Space = Literal["holding", "input", "coil", "discrete"]

SPACES: tuple[Space, ...] = get_args(Space)
LAST_ADDRESS = 65535

#: The function that reads each space (Modbus Application Protocol V1.1b3 sections 6.1 to 6.4).
FUNCTION: dict[Space, int] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}

#: Signs of a space in what people write, the longer ones first.
_SIGNS: tuple[tuple[str, Space], ...] = (
    ("hold", "holding"), ("discrete", "discrete"), ("离散", "discrete"), ("di", "discrete"),
    ("coil", "coil"),
    ("线圈", "coil"), ("do", "coil"), ("input", "input"), ("输入", "input"), ("ir", "input"),
)  # fmt: skip
_NUMBER = re.compile(
    r"([134])[xX]([0-9]{4,5})|(0[xX][0-9A-Fa-f]{1,4}|[0-9A-Fa-f]{1,4}[hH]|[0-9]{1,20})"
)
_NAMED = re.compile(r"([A-Za-z]+):(0[xX][0-9A-Fa-f]{1,20}|[0-9]{1,20})(?:\.([0-9]{1,20}))?")
_MODICON = re.compile(r"([0134])([0-9]{4,5})(?:\.([0-9]{1,20}))?")
_MODICON_SPACE: dict[str, Space] = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}


class AddressError(SaidError, ValueError):
    """An address that means nothing, or two things.

    `message` is an id of the message table, `arguments` its arguments: `text` is always among them.
    """


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """One register or bit. `number` is the address on the wire, `bit` a bit of the register or
    None.
    """

    space: Space
    number: int
    bit: int | None = None

    @property
    def function(self) -> int:
        """The function code that reads it."""
        return FUNCTION[self.space]

    @property
    def is_register(self) -> bool:
        return self.space in ("holding", "input")

    def __str__(self) -> str:
        return f"{self.space}:{self.number}" + ("" if self.bit is None else f".{self.bit}")

    @property
    def wire_text(self) -> str:
        """In hexadecimal, as no manual numbers registers from 1."""
        return f"{self.space}:0x{self.number:04X}" + ("" if self.bit is None else f".{self.bit}")


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """Addresses `first` to `last` of one space, both included."""

    space: Space
    first: int
    last: int

    def meets(self, other: Range) -> bool:
        """Whether the two have an address in common."""
        return self.space == other.space and self.first <= other.last and other.first <= self.last

    def covers(self, other: Range) -> bool:
        """Whether the whole of `other` lies within."""
        return self.space == other.space and self.first <= other.first and other.last <= self.last

    def __str__(self) -> str:
        if self.first == self.last:
            return f"{self.space}:{self.first}"
        return f"{self.space}:{self.first}-{self.last}"


@lru_cache(maxsize=1 << 14)  # devices have the same addresses
def parse(text: str) -> Address:
    """The address that `text` means; spaces around it do not matter.

    Raises AddressError: `modbus.address_syntax`, `modbus.address_space` (an unknown name before the
    colon), `modbus.address_from_one` (40000: Modicon numbers start at 1), `modbus.address_range`
    (past 65535), `modbus.address_manual` (past it, but good as a Modicon number),
    `modbus.address_bit` (a bit past 15), `modbus.bit_of_bit` (a bit of a coil).
    """
    stripped = text.strip()
    if named := _NAMED.fullmatch(stripped):
        space = _space(named[1], stripped)
        number = int(named[2], 16 if named[2][:2] in ("0x", "0X") else 10)
        if number > LAST_ADDRESS and (meant := manual(stripped)):
            raise AddressError("modbus.address_manual", text=stripped, meant=str(meant))
        return _address(space, number, named[3], stripped)
    if modicon := _MODICON.fullmatch(stripped):
        number = int(modicon[2]) - 1
        if number < 0:
            raise AddressError(
                "modbus.address_from_one", text=stripped, first=stripped.split(".")[0][:-1] + "1"
            )
        return _address(_MODICON_SPACE[modicon[1]], number, modicon[3], stripped)
    raise AddressError("modbus.address_syntax", text=stripped, example=likely(stripped))


@lru_cache(maxsize=1 << 14)
def manual(text: str) -> Address | None:
    """What `space:N` would mean if N was a manual's number of that space: `holding:40010` is the
    tenth register, `coil:00012` the twelfth coil. None where it does not look like one.
    """
    named = _NAMED.fullmatch(text.strip())
    number = _MODICON.fullmatch(named[2]) if named else None
    if named is None or number is None or int(number[2]) == 0:
        return None
    if named[1].lower() != _MODICON_SPACE[number[1]]:
        return None
    try:
        return _address(_MODICON_SPACE[number[1]], int(number[2]) - 1, named[3], text)
    except AddressError:
        return None


def likely(text: str) -> str:
    """What an address that makes no sense may stand for: "16" for `holding:16`, "4x0010" for 40010,
    "0010H" for `holding:0x0010`, "保持寄存器 7" for `holding:7`.
    """
    found = _NUMBER.search(text)
    if found is None:
        return "holding:0"
    if found[1]:
        return found[1] + found[2]
    digits = found[3].lower()
    hexadecimal = digits.startswith("0x") or digits.endswith("h")
    digits = digits.removeprefix("0x").removesuffix("h")
    before = text[: found.start()].lower()
    space = next((space for sign, space in _SIGNS if sign in before), "holding")
    if int(digits, 16 if hexadecimal else 10) > LAST_ADDRESS:
        return "holding:0"
    return f"{space}:0x{digits}" if hexadecimal else f"{space}:{digits}"


def parse_range(text: str) -> Range:
    """A stretch of addresses: `holding:100-199`, or any single address that `parse` takes without a
    bit.

    Raises AddressError as `parse` does, and `modbus.range_backwards` where the last comes before
    the first.
    """
    head, dash, tail = text.strip().partition("-")
    try:
        first = parse(head)
    except AddressError as error:
        if not dash or "example" not in error.arguments:
            raise
        args = {**error.arguments, "text": text.strip()}
        args["example"] = f"{likely(head)}-{tail.strip()}"
        raise AddressError(error.message, **args) from None
    if first.bit is not None:
        raise AddressError("modbus.address_syntax", text=text.strip(), example="holding:100-199")
    if not dash:
        return Range(first.space, first.number, first.number)
    prefix = "" if head[0].isdigit() else head.partition(":")[0] + ":"
    last = parse(prefix + tail.strip())
    if last.bit is not None or last.space != first.space:
        raise AddressError("modbus.address_syntax", text=text.strip(), example="holding:100-199")
    if last.number < first.number:
        raise AddressError("modbus.range_backwards", text=text.strip())
    return Range(first.space, first.number, last.number)


def _space(name: str, text: str) -> Space:
    for space in SPACES:
        if name.lower() == space:
            return space
    raise AddressError("modbus.address_space", text=text, space=name, example=likely(text))


def _address(space: Space, number: int, bit: str | None, text: str) -> Address:
    if number > LAST_ADDRESS:
        raise AddressError("modbus.address_range", text=text, last=LAST_ADDRESS)
    if bit is None:
        return Address(space, number)
    if space in ("coil", "discrete"):
        raise AddressError("modbus.bit_of_bit", text=text, space=space)
    if int(bit) > 15:
        raise AddressError("modbus.address_bit", text=text, bit=int(bit))
    return Address(space, number, int(bit))
