"""Decoding against plain arithmetic, for any values."""

from __future__ import annotations

import math
import struct
from ctypes import c_float
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.decode import entries, integrate, plain, quality_name
from tests.contract import encode

_INT64 = st.integers(-(2**63), 2**63 - 1)
_FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
_ORDERS = st.integers(0, 2)


def values(tag: pb.Tag, column: pb.Column, rows: int) -> list[str | None]:
    return [one.value for one in entries(tag, column, rows)]


@given(st.lists(_INT64, max_size=8), _ORDERS, st.integers(0, 3))
def test_numbers_of_any_order_come_back_and_zeros_go_on(
    numbers: list[int], order: int, more: int
) -> None:
    sent = encode.differences(numbers, order)
    assert integrate(sent, order, len(numbers)) == numbers
    if order == 1 and numbers:
        assert integrate(sent, 1, len(numbers) + more) == numbers + [numbers[-1]] * more


@given(st.lists(_INT64, min_size=1, max_size=5), _ORDERS, st.decimals(-1000, 1000, places=6),
       st.decimals(-1000, 1000, places=3))  # fmt: skip
def test_scaled_integers_are_exactly_raw_times_scale_plus_offset(
    numbers: list[int], order: int, scale: Decimal, offset: Decimal
) -> None:
    tag = pb.Tag(type=pb.VALUE_TYPE_INT, scale=str(scale), offset=str(offset))
    got = values(tag, encode.column(numbers, order=order), len(numbers))
    expected = [number * Fraction(scale) + Fraction(offset) for number in numbers]
    assert [Fraction(text) for text in got if text is not None] == expected


@given(st.lists(_FLOAT32, min_size=1, max_size=5), _ORDERS)
def test_float32_bits_come_back_as_a_decimal_of_the_same_float(
    numbers: list[float], order: int
) -> None:
    bits = [struct.unpack("<i", struct.pack("<f", number))[0] for number in numbers]
    tag = pb.Tag(type=pb.VALUE_TYPE_FLOAT32)
    column = encode.column(bits, order=order, encoding=pb.VALUE_ENCODING_FLOAT32_BITS)
    got = [c_float(float(str(text))).value for text in values(tag, column, len(numbers))]
    assert got == numbers


@given(_FLOAT32.filter(lambda number: number != 0))
def test_float32_text_is_the_shortest_that_reads_back(number: float) -> None:
    bits = struct.unpack("<i", struct.pack("<f", number))[0]
    tag = pb.Tag(type=pb.VALUE_TYPE_FLOAT32)
    column = encode.column([bits], encoding=pb.VALUE_ENCODING_FLOAT32_BITS)
    (text,) = values(tag, column, 1)
    digits = len(str(text).replace(".", "").replace("-", "").strip("0"))
    if digits > 1:
        shorter = float(f"{number:.{digits - 1}g}")
        assert math.isinf(c_float(shorter).value) or c_float(shorter).value != number


@given(st.floats(allow_nan=False, allow_infinity=False), _ORDERS)
def test_float64_bits_come_back_as_the_same_float(number: float, order: int) -> None:
    bits = struct.unpack("<q", struct.pack("<d", number))[0]
    tag = pb.Tag(type=pb.VALUE_TYPE_FLOAT64)
    column = encode.column([bits], order=order, encoding=pb.VALUE_ENCODING_FLOAT64_BITS)
    (text,) = values(tag, column, 1)
    assert float(str(text)) == number


@given(st.lists(st.sampled_from([1, 64, 129, 137]), max_size=9))
def test_bad_entries_have_no_value_and_shift_nothing(qualities: list[int]) -> None:
    numbers = [row for row, quality in enumerate(qualities) if quality < 128]
    column = encode.column(numbers, order=1, qualities=qualities)
    got = list(entries(pb.Tag(type=pb.VALUE_TYPE_INT), column, len(qualities)))
    assert got == [
        (row, 0, str(row) if quality < 128 else None, quality)
        for row, quality in enumerate(qualities)
    ]


def test_decimal_text_is_plain() -> None:
    cases = {
        "1E+3": "1000",
        "1.500": "1.5",
        "-0": "0",
        "-0.00": "0",
        "0E+5": "0",
        "1E-9": "0.000000001",
    }
    assert {text: plain(Decimal(text)) for text in cases} == cases


def test_quality_of_a_newer_box_keeps_its_class() -> None:
    assert [quality_name(number) for number in (1, 64, 129, 65, 99, 200)] == [
        "good", "uncertain", "bad_no_answer", "uncertain_out_of_range", "uncertain_99", "bad_200",
    ]  # fmt: skip


@given(st.lists(_FLOAT32, max_size=4), st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_plain_floats_come_back_as_they_are(singles: list[float], doubles: list[float]) -> None:
    single = pb.Column(encoding=pb.VALUE_ENCODING_FLOAT32, floats=singles)
    got = values(pb.Tag(type=pb.VALUE_TYPE_FLOAT32), single, len(singles))
    assert [c_float(float(str(text))).value for text in got] == singles
    double = pb.Column(encoding=pb.VALUE_ENCODING_FLOAT64, doubles=doubles)
    got = values(pb.Tag(type=pb.VALUE_TYPE_FLOAT64), double, len(doubles))
    assert [float(str(text)) for text in got] == doubles


def test_dense_column_takes_its_quality_from_its_part() -> None:
    runs = encode.quality_runs([1, 129, 1])
    parts = [pb.Part(), pb.Part(quality=runs)]
    tag = pb.Tag(type=pb.VALUE_TYPE_INT, part=1)
    got = list(entries(tag, encode.column([5, 6]), 3, parts))
    assert [(one.value, one.quality) for one in got] == [("5", 1), (None, 129), ("6", 1)]
    sparse = encode.column([7], rows=[1])
    assert [one.value for one in entries(tag, sparse, 3, parts)] == ["7"]
