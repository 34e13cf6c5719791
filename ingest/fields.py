"""The fields of a protobuf message, read on its bytes before anything is parsed.

An empty message takes two bytes on the wire and some ninety in memory, so a limit in bytes does not
bound what parsing costs. What may be large is therefore taken apart here, and parsed by the piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_VARINT_BYTES_MAX = 10


class FieldsError(ValueError):
    """The bytes are no protobuf message; the text says how."""


class Field(NamedTuple):
    """One field of a message: its content is data[start:end]."""

    number: int
    wire_type: int
    start: int
    end: int


def fields(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Field]:
    """The fields of the message in data[start:end], in order. Raises FieldsError."""
    at, end = start, len(data) if end is None else end
    while at < end:
        tag, at = varint(data, at)
        begin = at
        match tag & 7:
            case 0:
                _, at = varint(data, at)
            case 1:
                at += 8
            case 2:
                size, begin = varint(data, at)
                at = begin + size
            case 5:
                at += 4
            case other:
                raise FieldsError(f"wire type {other}")
        if at > end:
            raise FieldsError("a field is longer than its message")
        yield Field(tag >> 3, tag & 7, begin, at)


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at` and where it ends. Raises FieldsError."""
    try:
        value = data[at]
        if value < 0x80:
            return value, at + 1
        value &= 0x7F
        for shift in range(7, 7 * _VARINT_BYTES_MAX, 7):
            at += 1
            byte = data[at]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at + 1
    except IndexError:
        raise FieldsError("it ends within a number") from None
    raise FieldsError("a number of more than ten bytes")


def only_field(data: bytes) -> int:
    """The number of the one field that `data` consists of; 0 when it is none, or several.

    A StreamRequest is one field. Several of a oneof would be merged by a parser: what a box never
    sends is not even parsed.
    """
    try:
        first = next(fields(data), None)
    except FieldsError:
        return 0
    return first.number if first is not None and first.end == len(data) else 0
