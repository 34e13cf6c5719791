"""Raw values as a manual prints them, and the bits that lie in a row: for `no_value`."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

#: The most values of `no_value` that one tag may have.
NO_VALUE_MAX = 16
_HEX = re.compile(r"0[xX][0-9A-Fa-f]{1,16}")
#: Bits, and whether the type has a sign.
_WHOLE: Mapping[str, tuple[int, bool]] = {
    "int8": (8, True), "uint8": (8, False), "int16": (16, True), "uint16": (16, False),
    "int32": (32, True), "uint32": (32, False), "int64": (64, True), "uint64": (64, False),
}  # fmt: skip
_FLOATS = {"float32": (">f", ">I"), "float64": (">d", ">Q")}
_BCD_BYTES = {"bcd16": 2, "bcd32": 4}
#: Types whose raw value can be said.
TYPES = (*_WHOLE, *_FLOATS, "bcd", *_BCD_BYTES)


def bits_in(kind: str, length: int = 0) -> int:
    """Bits of a raw value of that type."""
    if kind in _WHOLE:
        return _WHOLE[kind][0]
    if kind in _FLOATS:
        return 32 if kind == "float32" else 64
    return 8 * (_BCD_BYTES.get(kind) or length)


def bits_of(text: str, kind: str, length: int = 0) -> int:
    """The bits of a raw value of type `kind` (`TYPES`; `length`: bytes of a bcd), high byte first.
    Hexadecimal digits are the bits themselves; a decimal number is the value that they mean.

    Raises ValueError for what is no number, or none of the type.
    """
    wide = bits_in(kind, length)
    if _HEX.fullmatch(text):
        bits = int(text, 16)
        if bits >> wide:
            raise ValueError(text)
        return bits
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not number.is_finite() or abs(number.adjusted()) > 400:
        raise ValueError(text)
    if kind in _FLOATS:
        if math.isinf(float(number)):
            raise ValueError(text)
        floating, whole = _FLOATS[kind]
        try:
            return int(struct.unpack(whole, struct.pack(floating, number))[0])
        except OverflowError:
            raise ValueError(text) from None
    value = int(number)
    if value != number:
        raise ValueError(text)
    if kind not in _WHOLE:
        if not 0 <= value < 10 ** (wide // 4):
            raise ValueError(text)
        return int(str(value), 16)
    low = -(1 << (wide - 1)) if _WHOLE[kind][1] else 0
    if not low <= value < 1 << wide:  # 65535 of an int16 are its bits
        raise ValueError(text)
    return value % (1 << wide)


def number_of(bits: int, kind: str) -> str:
    """The number that these bits are, in decimal text; "" where the type has no number for them."""
    if kind in _WHOLE:
        wide, signed = _WHOLE[kind]
        return str(bits - (1 << wide) if signed and bits >> (wide - 1) else bits)
    if kind in _FLOATS:
        floating, whole = _FLOATS[kind]
        number = Decimal(struct.unpack(floating, struct.pack(whole, bits))[0])
        return format(Decimal(repr(float(number))), "f") if number.is_finite() else ""
    digits = f"{bits:x}"
    return digits if digits.isdecimal() else ""
