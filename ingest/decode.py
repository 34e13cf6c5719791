"""Blocks to rows, exactly.

Numbers travel as integers; a value is raw x scale + offset in decimal arithmetic and is written as
plain decimal text without trailing zeros: 1234 x 0.001 is "1.234". A float's raw number is the
shortest decimal that reads back as the same float of its size. proto/README.md has the rules in
one page; this module, proto/reader.py and the JavaScript reader give the same rows.

All input has passed `validate.check_block`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from ctypes import c_float
from decimal import Context, Decimal
from itertools import accumulate
from typing import NamedTuple

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.payload import decompress

#: Enough that no product or sum of a 64-bit number and a 64-character decimal is ever rounded,
#: unless it spans more than 100 digits.
_EXACT = Context(prec=100)
_SIGN = 1 << 63
_MASK = (1 << 64) - 1


class Sample(NamedTuple):
    """One tag's entry: `value` is None when its quality is bad."""

    device: str
    tag: str
    boot_ns: int
    value: str | None
    quality: int


def open_payload(
    compression: pb.Compression.ValueType, carried: bytes, payload_size: int
) -> pb.BlockPayload:
    """The payload of a stored block. Raises PayloadError, DecodeError: the store is damaged."""
    return pb.BlockPayload.FromString(decompress(compression, carried, payload_size))


def quality_name(quality: int) -> str:
    """ "good", "bad_no_answer"; a number that this version does not know: its class and number."""
    if quality in pb.Quality.values():
        return pb.Quality.Name(pb.Quality.ValueType(quality)).removeprefix("QUALITY_").lower()
    base = max(known for known in (0, 1, 64, 128) if known <= quality)
    return f"{quality_name(base)}_{quality}"


def samples(catalog: pb.Catalog, payload: pb.BlockPayload) -> Iterator[Sample]:
    """Every entry of the block, run by run, column by column, in order of time."""
    groups = {group.id: group for group in catalog.groups}
    for run in payload.runs:
        group = groups[run.group]
        times = row_times(run)
        for tag, column in zip(group.tags, run.columns, strict=bool(times)):
            for row, value, quality in entries(tag, column, len(times)):
                yield Sample(group.device, tag.name, times[row], value, quality)


def row_times(run: pb.GroupRun) -> list[int]:
    """When each row was sampled, on the boot clock, in nanoseconds."""
    ticks: list[int] = []
    position = run.first_tick
    for gap in run.skipped:
        ticks += range(position, gap.first_tick)
        position = gap.first_tick + gap.count
    ticks += range(position, run.first_tick + run.ticks)
    late_us = integrate(run.late_us, run.late_order, len(ticks))
    return [
        run.first_due_ns + (tick - run.first_tick) * run.period_ns + late * 1000
        for tick, late in zip(ticks, late_us, strict=True)
    ]


def integrate(values: Sequence[int], order: int, count: int) -> list[int]:
    """`order` running sums of `values` continued with zeros to `count`, modulo 2^64, signed."""
    sums = [*values, *([0] * (count - len(values)))]
    for _ in range(order):
        sums = list(accumulate(sums))
    return [((number + _SIGN) & _MASK) - _SIGN for number in sums]


def entries(tag: pb.Tag, column: pb.Column, rows: int) -> Iterator[tuple[int, str | None, int]]:
    """(row, value, quality) of each entry of a column."""
    places = list(accumulate(column.rows)) if column.sparse else range(rows)
    if column.quality:
        qualities = [run.quality for run in column.quality for _ in range(run.count)]
    else:
        qualities = [pb.QUALITY_GOOD] * len(places)
    good = sum(quality < pb.QUALITY_BAD for quality in qualities)
    values = (
        _texts(tag, column) if tag.type == pb.VALUE_TYPE_STRING else _numbers(tag, column, good)
    )
    for place, quality in zip(places, qualities, strict=True):
        if quality >= pb.QUALITY_BAD:
            yield place, None, quality
            continue
        value = next(values)
        # A box marks these itself; a foreign encoder's NaN must not become a number here either.
        yield place, value, quality if value is not None else pb.QUALITY_BAD_NOT_A_VALUE


def _texts(tag: pb.Tag, column: pb.Column) -> Iterator[str | None]:
    for run in column.texts:
        text: str | None
        try:
            text = run.text.decode(tag.text_encoding or "ascii")
        except UnicodeDecodeError:
            text = None
        for _ in range(run.count):
            yield text


def _numbers(tag: pb.Tag, column: pb.Column, count: int) -> Iterator[str | None]:
    scale, offset = Decimal(tag.scale or "1"), Decimal(tag.offset or "0")
    raw = _raw_reader(tag, column)
    seen: dict[int, str | None] = {}  # most columns repeat themselves
    for number in integrate(column.values, column.order, count):
        if number not in seen:
            value = raw(number)
            seen[number] = None if value is None else plain(_EXACT.fma(value, scale, offset))
        yield seen[number]


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
    if tag.type == pb.VALUE_TYPE_UINT64:
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
