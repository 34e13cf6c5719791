"""The types of S7 values: how many bytes each takes, and what of the wire is put in another shape
before it lies in a row.

Numbers are high byte first and need nothing. What STEP 7 packs in a way of its own is put in shape
by native/s7/shape, each into a part of the row of its own, with a status of its own:

    string      STRING[n]: maximum, length, n characters -> the characters, then NUL
    wstring     WSTRING[n]: likewise in two bytes each, UTF-16 -> UTF-8
    s5time      S5TIME: two bits of the time base, three BCD digits -> milliseconds, uint32
    date_time   DATE_AND_TIME, 8 bytes of BCD (S7-300 and up) -> nanoseconds since 1970, int64,
                of the CPU's clock, which has no zone
    dtl         DTL, 12 bytes (S7-1200 and up): likewise
    ldt         LDT, 8 bytes (S7-1500): nanoseconds since 1970 as they are
"""

from __future__ import annotations

from typing import NamedTuple

#: Bytes on the wire; a bcd's are its length, a string's 2 + length, a wstring's 4 + 2 x length.
WIRE_BYTES: dict[str, int] = {
    "bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4,
    "int64": 8, "uint64": 8, "float32": 4, "float64": 8, "bcd16": 2, "bcd32": 4,
    "s5time": 2, "date_time": 8, "dtl": 12, "ldt": 8,
}  # fmt: skip
STRING_HEAD = 2
#: Types with a length, and the longest: of a STRING as STEP 7 declares it, of a WSTRING as a row
#: holds it (three bytes a character, and 256 of a text).
LENGTH_MOST = {"string": 254, "wstring": 85, "bcd": 8}
#: May be named by their first byte, whatever the letter.
LONG = ("string", "wstring", "bcd", "int64", "uint64", "float64", "date_time", "dtl", "ldt")


class Fix(NamedTuple):
    """How a value is put in shape: `Kind` of native/s7/shape, and the bytes that it then takes, of
    a text those of a character.
    """

    code: int
    row_bytes: int


FIXES: dict[str, Fix] = {
    "string": Fix(1, 1),
    "s5time": Fix(2, 4),
    "date_time": Fix(3, 8),
    "dtl": Fix(4, 8),
    "wstring": Fix(5, 3),
    "ldt": Fix(6, 8),
}


def wire_bytes(type_: str, length: int) -> int:
    """Bytes of a value in the CPU; `length` of texts in characters."""
    if type_ == "string":
        return STRING_HEAD + length
    if type_ == "wstring":
        return 2 * (STRING_HEAD + length)
    return length if type_ == "bcd" else WIRE_BYTES[type_]
