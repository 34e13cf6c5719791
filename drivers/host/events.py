"""Pushed values as the columns of an EventRun (proto/README.md, 6): what `Group.push_events` takes.

Values that a source pushed are few beside what is polled, and come here in batches; so they are
encoded in Python, once a batch, and the native floor only numbers and dates them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Final, NamedTuple

from drivers.api import TagSpec
from drivers.host.frames import Event
from drivers.quality import (
    BAD,
    BAD_NO_VALUE,
    BAD_NOT_A_VALUE,
    GOOD,
    UNCERTAIN,
    UNCERTAIN_OUT_OF_RANGE,
)

#: ValueEncoding of the wire protocol.
_FLOAT32_BITS: Final = 2
_FLOAT64_BITS: Final = 3
_TEXT: Final = 4
_INTEGERS = {
    "bool": ">?", "int8": ">b", "uint8": ">B", "int16": ">h", "uint16": ">H",
    "int32": ">i", "uint32": ">I", "int64": ">q", "uint64": ">Q", "float32": ">i", "float64": ">q",
}  # fmt: skip
_FLOATS = {"float32": ">f", "float64": ">d"}


class Batch(NamedTuple):
    """What `Group.push_events` takes."""

    at_ns: int
    events: int
    bad: int
    times: bytes
    columns: bytes


def batch(tags: Sequence[TagSpec], events: Sequence[Event]) -> Batch:
    """Events of one group, at least one, in the order in which they were taken, as a row store
    takes them.
    """
    first = events[0].at_ns
    micros = [(event.at_ns - first) // 1000 for event in events]
    times = b"".join(_signed(b - a) for a, b in pairwise(micros))
    read = [_read(tags[event.tag], event) for event in events]
    by_tag: dict[int, list[tuple[int, Event]]] = {}
    for number, event in enumerate(read):
        by_tag.setdefault(event.tag, []).append((number, event))
    columns = b"".join(
        _message(6, _field(1, tag) + _message(2, _column(tags[tag], own)))
        for tag, own in sorted(by_tag.items())
    )
    bad = sum(event.quality >= BAD for event in read)
    return Batch(first, len(events), bad, times, columns)


def _column(tag: TagSpec, own: Sequence[tuple[int, Event]]) -> bytes:
    qualities = [_judged(tag, event) for _, event in own]
    good = [event.data for _, event in own if event.quality < BAD]
    made = b""
    if tag.type == "string":
        made += _field(2, _TEXT)
    else:
        encoding = {"float32": _FLOAT32_BITS, "float64": _FLOAT64_BITS}.get(tag.type, 0)
        made += _field(2, encoding)
        made += _packed(4, map(_signed, (_integer(tag, data) for data in good)))
    if set(qualities) != {GOOD}:
        for quality, run in groupby(qualities):
            made += _message(5, _field(1, len(list(run))) + _field(2, quality))
    made += _field(6, 1)
    rows = [number for number, _ in own]
    made += _packed(7, map(_varint, (b - a for a, b in zip([0, *rows], rows, strict=False))))
    if tag.type == "string":
        for text, same in groupby(good):
            made += _message(8, _field(1, len(list(same))) + (_message(2, text) if text else b""))
    if any(event.source_ns for _, event in own):
        made += _field(11, 1)
        sources = [event.source_ns for _, event in own]
        steps = (b - a for a, b in zip([0, *sources], sources, strict=False))
        made += _packed(12, map(_signed, steps))
    return made


def _read(tag: TagSpec, event: Event) -> Event:
    """The event as a row's bytes would be read: a text ends at its first NUL, and bytes that are no
    value of the type are of bad quality.
    """
    data, is_value = event.data, True
    if tag.type == "string":
        data = data.split(b"\0", 1)[0]
        try:
            data.decode(tag.encoding)
        except UnicodeDecodeError:
            is_value = False
    elif tag.type in _FLOATS:
        is_value = math.isfinite(struct.unpack(_FLOATS[tag.type], data)[0])
    quality = event.quality
    if quality < BAD and tag.no_value and int.from_bytes(data) in tag.no_value:
        quality = BAD_NO_VALUE
    elif quality < BAD and not is_value:
        quality = BAD_NOT_A_VALUE
    return event._replace(data=data, quality=quality)


def _judged(tag: TagSpec, event: Event) -> int:
    """Quality of the event's value, where the tag has bounds."""
    if event.quality >= UNCERTAIN or tag.type == "string" or (tag.min is tag.max is None):
        return event.quality
    value = _number(tag, event.data) * tag.scale + tag.offset
    inside = (tag.min is None or value >= tag.min) and (tag.max is None or value <= tag.max)
    return event.quality if inside else UNCERTAIN_OUT_OF_RANGE


def _number(tag: TagSpec, data: bytes) -> Decimal:
    if tag.type in _FLOATS:
        return Decimal(struct.unpack(_FLOATS[tag.type], data)[0])
    number = _integer(tag, data)
    return Decimal(number + (1 << 64) if number < 0 and tag.type == "uint64" else number)


def _integer(tag: TagSpec, data: bytes) -> int:
    """The value as the integer that travels: the bits of a float; an unsigned value of 64 bits as
    the signed one with the same bits.
    """
    number: int = struct.unpack(_INTEGERS[tag.type], data)[0]
    return number - (1 << 64) if number >= 1 << 63 else number


# ---- protobuf ----------------------------------------------------------------------------------


def _varint(value: int) -> bytes:
    made = bytearray()
    while value >= 0x80:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def _signed(value: int) -> bytes:
    """Zigzag, modulo 2^64."""
    value = (value + (1 << 63)) % (1 << 64) - (1 << 63)
    return _varint((value << 1) ^ (value >> 63) if value < 0 else value << 1)


def _field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value) if value else b""


def _message(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _packed(number: int, values: Iterable[bytes]) -> bytes:
    data = b"".join(values)
    return _message(number, data) if data else b""
