"""Payloads to rows, exactly.

Numbers travel as integers; a value is raw x scale + offset in decimal arithmetic and is written as
plain decimal text without trailing zeros: 1234 x 0.001 is "1.234". A float's raw number is the
shortest decimal that reads back as the same float of its size. proto/README.md has the rules in
one page; this module, proto/reader.py and the JavaScript reader give the same rows.

All input has passed `check.check_carried`.
"""

from __future__ import annotations

import math
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from ctypes import c_float
from decimal import Context, Decimal
from itertools import accumulate
from typing import NamedTuple

from jiahe.ingest.v1 import ingest_pb2 as pb

#: Enough that no product or sum of a 64-bit number and a 64-character decimal is ever rounded,
#: unless it spans more than 100 digits.
_EXACT = Context(prec=100)
_SIGN = 1 << 63
_MASK = (1 << 64) - 1
_TEXTS = (pb.VALUE_TYPE_TEXT, pb.VALUE_TYPE_BYTES)


class Entry(NamedTuple):
    """One entry of a column: its row or event, the source's own time (0: none), its value (None:
    its quality is bad)."""

    row: int
    source_time_ns: int
    value: str | None
    quality: int


def quality_name(quality: int) -> str:
    """ "good", "bad_no_answer"; a number that this version does not know: its class and number."""
    if quality in pb.Quality.values():
        return pb.Quality.Name(pb.Quality.ValueType(quality)).removeprefix("QUALITY_").lower()
    base = max(known for known in (0, 1, 64, 128) if known <= max(quality, 0))
    return f"{quality_name(base)}_{quality}"


def present(first: int, count: int, gaps: Sequence[pb.TickGap]) -> list[int]:
    """The ticks (or numbers of events) of a range that are in no gap."""
    numbers: list[int] = []
    position = first
    for gap in gaps:
        numbers += range(position, gap.first_tick)
        position = gap.first_tick + gap.count
    numbers += range(position, first + count)
    return numbers


def row_times(run: pb.GroupRun, period_ns: int) -> tuple[list[int], list[int]]:
    """(the tick of each row, when it was sampled, on the boot clock in nanoseconds)."""
    ticks = present(run.first_tick, run.ticks, run.skipped)
    late_us = integrate(run.late_us, run.late_order, len(ticks))
    times = [
        run.first_due_ns + (tick - run.first_tick) * period_ns + late * 1000
        for tick, late in zip(ticks, late_us, strict=True)
    ]
    return ticks, times


def event_times(run: pb.GroupRun, events: pb.EventRun) -> tuple[list[int], list[int]]:
    """(the number of each event that is not lost, when the box took it, on the boot clock)."""
    numbers = present(events.first, events.count, events.lost)
    times = integrate(events.time_us, events.time_order, len(numbers))
    return numbers, [run.first_due_ns + time * 1000 for time in times]


def between(numbers: Sequence[int], first: int, count: int) -> tuple[int, int]:
    """Which of ascending numbers lie in a range: from the first place to before the second."""
    return bisect_left(numbers, first), bisect_left(numbers, first + count)


def integrate(values: Sequence[int], order: int, count: int) -> list[int]:
    """`order` running sums of `values` continued with zeros to `count`, modulo 2^64, signed."""
    sums = [*values, *([0] * (count - len(values)))]
    for _ in range(order):
        sums = list(accumulate(sums))
    return [((number + _SIGN) & _MASK) - _SIGN for number in sums]


def entries(
    tag: pb.Tag, column: pb.Column, rows: int, parts: Sequence[pb.Part] = ()
) -> Iterator[Entry]:
    """The entries of a column of a run of so many rows (or events), in order."""
    places = list(accumulate(column.rows)) if column.sparse else range(rows)
    said: Sequence[pb.QualityRun] = column.quality
    if not said and not column.sparse and parts:
        said = parts[tag.part].quality
    if said:
        qualities = [int(run.quality) for run in said for _ in range(run.count)]
    else:
        qualities = [int(pb.QUALITY_GOOD)] * len(places)
    good = sum(quality < pb.QUALITY_BAD for quality in qualities)
    given = column.source_time_ns[: len(places)]
    source_ns = integrate(given, column.source_time_order, len(places))
    values = _texts(tag, column) if tag.type in _TEXTS else _numbers(tag, column, good)
    for place, source, quality in zip(places, source_ns, qualities, strict=True):
        if quality >= pb.QUALITY_BAD:
            yield Entry(place, source, None, quality)
            continue
        value = next(values)
        # A box marks these itself; a foreign encoder's NaN must not become a number here either.
        quality = quality if value is not None else int(pb.QUALITY_BAD_NOT_A_VALUE)
        yield Entry(place, source, value, quality)


def _texts(tag: pb.Tag, column: pb.Column) -> Iterator[str | None]:
    for run in column.texts:
        text: str | None
        if tag.type == pb.VALUE_TYPE_BYTES:
            text = run.text.hex()
        else:
            try:
                text = run.text.decode(tag.text_encoding or "ascii")
            except UnicodeDecodeError:
                text = None
        for _ in range(run.count):
            yield text


def _numbers(tag: pb.Tag, column: pb.Column, count: int) -> Iterator[str | None]:
    scale, offset = Decimal(tag.scale or "1"), Decimal(tag.offset or "0")

    def text(raw: Decimal | None) -> str | None:
        return None if raw is None else plain(_EXACT.fma(raw, scale, offset))

    if column.encoding in (pb.VALUE_ENCODING_FLOAT32, pb.VALUE_ENCODING_FLOAT64):
        floats = [*column.floats, *column.doubles]
        is_float32 = tag.type == pb.VALUE_TYPE_FLOAT32
        for number in [*floats, *([0.0] * (count - len(floats)))]:
            yield text(_shortest(number, is_float32))
        return
    raw = _raw_reader(tag, column)
    seen: dict[int, str | None] = {}  # most columns repeat themselves
    for bits in integrate(column.values, column.order, count):
        if bits not in seen:
            seen[bits] = text(raw(bits))
        yield seen[bits]


def plain(number: Decimal) -> str:
    """Decimal text without exponent, trailing zeros or negative zero."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _raw_reader(tag: pb.Tag, column: pb.Column) -> Callable[[int], Decimal | None]:
    """From a number of the column to the tag's raw value; None: no finite number."""
    is_float32 = tag.type == pb.VALUE_TYPE_FLOAT32
    match column.encoding:
        case pb.VALUE_ENCODING_DECIMAL:
            divisor = 10**column.digits
            return lambda number: _shortest(number / divisor, is_float32)
        case pb.VALUE_ENCODING_FLOAT32_BITS:
            return lambda bits: _shortest(
                struct.unpack("<f", struct.pack("<I", bits & 0xFFFFFFFF))[0], True
            )
        case pb.VALUE_ENCODING_FLOAT64_BITS:
            return lambda bits: _shortest(struct.unpack("<d", struct.pack("<q", bits))[0], False)
    if tag.type == pb.VALUE_TYPE_UINT:
        return lambda number: Decimal(number & _MASK)
    return Decimal


def _shortest(number: float, is_float32: bool) -> Decimal | None:
    """The decimal with the fewest digits that reads back as this float of its size."""
    if not math.isfinite(number):
        return None
    if not is_float32:
        return Decimal(repr(number))
    number = c_float(number).value
    if math.isinf(number):
        return None
    for digits in range(1, 9):
        text = f"{number:.{digits}g}"
        if c_float(float(text)).value == number:
            return Decimal(text)
    return Decimal(f"{number:.9g}")  # nine digits name every float32 (IEEE 754-2019, 5.12.2)
