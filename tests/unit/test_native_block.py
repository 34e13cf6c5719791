"""From registers to the values of a block: each type, order and scale against plain arithmetic.

What is expected comes from `struct` and `decimal`; native/ writes, the two Python readers read.
"""

from __future__ import annotations

import random
import struct
from decimal import Context, Decimal
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers.api import Field, GroupPlan
from drivers.modbus.request import Read, request_of
from native.block.latest import latest
from tests.kit.scans import GOOD, PERIOD_NS, START_NS, Box, plan, registers, tag

NOT_A_VALUE = pb.QUALITY_BAD_NOT_A_VALUE
_EXACT = Context(prec=200)
INTEGERS = {
    "int8": (-128, 127), "uint8": (0, 255),
    "int16": (-(1 << 15), (1 << 15) - 1), "uint16": (0, (1 << 16) - 1),
    "int32": (-(1 << 31), (1 << 31) - 1), "uint32": (0, (1 << 32) - 1),
    "int64": (-(1 << 63), (1 << 63) - 1), "uint64": (0, (1 << 64) - 1),
    "bcd16": (0, 9999), "bcd32": (0, 99_999_999),
}  # fmt: skip
ORDERS = ["ABCD", "CDAB", "BADC", "DCBA"]

decimals = st.decimals(-1000, 1000, allow_nan=False, allow_infinity=False, places=6)
scales = decimals.filter(lambda number: number != 0)


def plain(number: Decimal) -> str:
    text = f"{number:f}"
    return "0" if number == 0 else text.rstrip("0").rstrip(".") if "." in text else text


def values(box: Box, name: str = "t") -> list[str | None]:
    return [entry.value for entry in box.seal() if entry.tag == name]


def float_of(kind: str, text: str | None) -> bytes:
    """The bits of a value's text as a float of its size."""
    assert text is not None
    return struct.pack(">f" if kind == "float32" else ">d", float(text))


@st.composite
def integer_columns(draw: st.DrawFn) -> tuple[str, list[int]]:
    """Random walks, jumps between the ends, and constants: each order of differences gets its
    turn.
    """
    kind = draw(st.sampled_from(sorted(INTEGERS)))
    low, high = INTEGERS[kind]
    anywhere = st.integers(low, high) | st.sampled_from([low, high, 0, low + 1, high - 1])
    jumps = draw(st.lists(anywhere, min_size=1, max_size=40))
    start, step = draw(anywhere), draw(st.integers(-300, 300))
    ramp = [min(high, max(low, start + i * step)) for i in range(draw(st.integers(0, 40)))]
    return kind, draw(st.permutations([jumps, ramp]))[0] or jumps


@given(integer_columns(), st.sampled_from(ORDERS), scales, decimals)
def test_integers_when_of_any_type_order_and_scale_are_exact(
    column: tuple[str, list[int]], order: str, scale: Decimal, offset: Decimal
) -> None:
    kind, raws = column
    box = Box([plan([tag("t", kind, order=order, scale=scale, offset=offset)])])
    for tick, raw in enumerate(raws):
        box.push(0, tick, registers(kind, order, raw))
    expected = [plain(_EXACT.fma(Decimal(raw), scale, offset)) for raw in raws]
    newest = latest(box.groups[0])
    assert newest is not None and newest[1] == [(raws[-1], GOOD)]
    assert values(box) == expected


def differences(numbers: list[int], order: int) -> list[int]:
    """Of `order`, from zeros before the first; modulo 2^64, without the zeros at the end."""
    for _ in range(order):
        numbers = [b - a for a, b in pairwise([0, *numbers])]
    while numbers and numbers[-1] % (1 << 64) == 0:
        numbers = numbers[:-1]
    return [(number + (1 << 63)) % (1 << 64) - (1 << 63) for number in numbers]


def assert_fewest_bytes(kind: str, raws: list[int]) -> None:
    box = Box([plan([tag("t", kind)])])
    for tick, raw in enumerate(raws):
        box.push(0, tick, registers(kind, "ABCD", raw))
    box.seal()
    (written,) = box.runs[0].columns
    assert list(written.values) == differences(raws, written.order)
    sizes = [pb.Column(values=differences(raws, order)).ByteSize() for order in range(3)]
    assert pb.Column(values=written.values).ByteSize() == min(sizes)
    assert written.order == sizes.index(min(sizes))


@given(integer_columns())
@example(("int16", [3]))
@example(("int16", [0, 0, 0]))
@example(("int16", [7, 14, 21, 28]))
@example(("int16", [7, 14]))
@example(("int16", [5, 0, 0]))
@example(("int64", [-(1 << 63), (1 << 63) - 1, -(1 << 63)]))
def test_integers_are_written_in_the_order_of_differences_that_takes_fewest_bytes(
    column: tuple[str, list[int]],
) -> None:
    assert_fewest_bytes(*column)


@pytest.mark.parametrize("count", [1, 2, 5, 255, 256, 257, 258, 511, 515])
def test_long_columns_at_the_edges_of_sizes_are_written_in_the_fewest_bytes(
    count: int, rng: random.Random
) -> None:
    """Numbers are counted in lots, the narrow ones otherwise than the wide: here at the borders."""
    for edge in [1 << bits for bits in (6, 13, 20, 23, 24, 25, 26, 30)]:
        near = [sign * edge + step for sign in (-1, 1) for step in (-2, -1, 0, 1, 2)]
        raws = [rng.choice([*near, 0]) for _ in range(count)]
        for _ in range(3):
            wrapped = [(raw + (1 << 31)) % (1 << 32) - (1 << 31) for raw in raws]
            assert_fewest_bytes("int32", wrapped)
            raws = list(accumulate(raws))
        smooth = [at * edge // count for at in range(count)]
        smooth[rng.randrange(count)] += rng.choice([1, edge])
        assert_fewest_bytes("int64", smooth)


@pytest.mark.parametrize("order", ORDERS)
@given(raws=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_float64_when_any_number_keeps_every_bit(order: str, raws: list[float]) -> None:
    box = Box([plan([tag("t", "float64", order=order)])])
    for tick, raw in enumerate(raws):
        box.push(0, tick, registers("float64", order, raw))
    got = values(box)
    expected = [struct.pack(">d", raw + 0.0) for raw in raws]  # the text of -0.0 is "0"
    assert [float_of("float64", text) for text in got] == expected


@pytest.mark.parametrize("order", ORDERS)
@given(
    raws=st.lists(
        st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=30
    )
)
def test_float32_when_any_number_keeps_every_bit(order: str, raws: list[float]) -> None:
    box = Box([plan([tag("t", "float32", order=order)])])
    for tick, raw in enumerate(raws):
        box.push(0, tick, registers("float32", order, raw))
    got = values(box)
    expected = [struct.pack(">f", raw + 0.0) for raw in raws]
    assert [float_of("float32", text) for text in got] == expected


@st.composite
def decimal_columns(draw: st.DrawFn) -> list[float]:
    """Floats that a machine shows with 0 to 9 decimals, large ones beside small ones."""
    limit = 10 ** draw(st.integers(1, 16))
    places = [draw(st.integers(0, 9)) for _ in range(draw(st.integers(1, 4)))]
    return [
        draw(st.integers(-limit, limit)) / 10**digits
        for digits in places
        for _ in range(draw(st.integers(1, 8)))
    ]


@given(decimal_columns())
def test_float64_when_decimal_keeps_every_bit_and_its_shortest_text(raws: list[float]) -> None:
    box = Box([plan([tag("t", "float64")])])
    for tick, raw in enumerate(raws):
        box.push(0, tick, registers("float64", "ABCD", raw))
    assert values(box) == [plain(Decimal(repr(raw))) for raw in raws]


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_float_when_minus_zero_is_carried_as_its_bits(kind: str) -> None:
    """A decimal integer has no minus zero; a column with one travels as bit patterns."""
    box = Box([plan([tag("t", kind)])])
    for tick, raw in enumerate([1.5, -0.0, 2.5]):
        box.push(0, tick, registers(kind, "ABCD", raw))
    assert values(box) == ["1.5", "0", "2.5"]
    assert box.runs[0].columns[0].encoding in (
        pb.VALUE_ENCODING_FLOAT32_BITS,
        pb.VALUE_ENCODING_FLOAT64_BITS,
    )


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("raw", [float("nan"), float("inf"), float("-inf")])
def test_float_when_no_number_is_bad_and_its_neighbours_are_read(
    kind: str, order: str, raw: float
) -> None:
    box = Box([plan([tag("t", kind, order=order)])])
    for tick, value in enumerate([1.25, raw, raw, -3.0]):
        box.push(0, tick, registers(kind, order, value))
    newest = latest(box.groups[0])
    assert newest is not None and newest[1] == [(-3.0, GOOD)]
    assert [(e.value, e.quality) for e in box.seal()] == [
        ("1.25", GOOD), (None, NOT_A_VALUE), (None, NOT_A_VALUE), ("-3", GOOD),
    ]  # fmt: skip


@given(st.sampled_from(["bcd16", "bcd32"]), st.sampled_from(ORDERS), st.binary(min_size=4))
def test_bcd_when_a_digit_is_over_nine_is_bad(kind: str, order: str, noise: bytes) -> None:
    raw = noise[: 2 if kind == "bcd16" else 4]
    box = Box([plan([tag("t", kind, order=order)])])
    box.push(0, 0, registers(kind, order, raw))
    (entry,) = box.seal()
    if raw.hex().isdecimal():
        assert (entry.value, entry.quality) == (str(int(raw.hex())), GOOD)
    else:
        assert (entry.value, entry.quality) == (None, NOT_A_VALUE)


@given(
    st.integers(1, 8).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.integers(0, 10 ** (2 * n) - 1), min_size=1))
    )
)
def test_bcd_when_of_any_length_then_its_digits(column: tuple[int, list[int]]) -> None:
    length, raws = column
    box = Box([plan([tag("t", "bcd", length=length)])])
    for tick, raw in enumerate(raws):
        box.push(0, tick, bytes.fromhex(f"{raw:0{2 * length}d}") + bytes(length % 2))
    assert values(box) == [str(raw) for raw in raws]


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("0123", "123"), ("8123", "-123"), ("F123", "-123"), ("7999", "7999"), ("FA00", None),
        ("F999999999999999", "-999999999999999"), ("9001", "-1001"), ("8000", "0"),
        ("800001", "-1"), ("85", "-5"), ("E1", "-61"),
    ],
)  # fmt: skip
def test_bcd_when_signed_then_its_highest_bit_is_the_sign(raw: str, shown: str | None) -> None:
    length = len(raw) // 2
    box = Box([plan([tag("t", "bcd", length=length, signed=True)])])
    box.push(0, 0, bytes.fromhex(raw) + bytes(length % 2))
    assert values(box) == [shown]


@pytest.mark.parametrize(
    ("length", "signed", "raw", "rounded"),
    [
        (1, False, "99", "99"),
        (1, True, "79", "79"),
        (1, True, "F9", "-10"),
        (3, False, "999999", "999999"),
    ],
)
def test_bcd_when_rounded_then_inside_its_digits(
    length: int, signed: bool, raw: str, rounded: str
) -> None:
    box = Box([plan([tag("t", "bcd", length=length, signed=signed, resolution=Decimal(10))])])
    box.push(0, 0, bytes.fromhex(raw) + bytes(length % 2))
    assert values(box) == [rounded]


def test_bcd_when_of_three_bytes_and_another_order_then_refused() -> None:
    with pytest.raises(ValueError, match="order"):
        Box([plan([tag("t", "bcd", length=3, order="CDAB")])])


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=20), st.integers(0, 15))
def test_bit_of_a_register_when_read_is_that_bit(words: list[int], bit: int) -> None:
    made = GroupPlan(
        "d", PERIOD_NS, (tag("t", "bool"),), (request_of(Read(3, 0, 2)),),
        (Field(0, 3 - bit // 8, "bool", "ABCD", 1, bit % 8),), 0,
    )  # fmt: skip
    box = Box([made])
    for tick, word in enumerate(words):
        box.push(0, tick, (word ^ 0xFFFF).to_bytes(2, "big") + word.to_bytes(2, "big"))
    assert values(box) == [str(word >> bit & 1) for word in words]


@given(st.data())
def test_bits_of_coils_when_read_are_lowest_first(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 40))
    places = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=8))
    made = GroupPlan(
        "d", PERIOD_NS, tuple(tag(f"t{i}", "bool") for i in range(len(places))),
        (request_of(Read(1, 7, count)),),
        tuple(Field(0, at // 8, "bool", "ABCD", 1, at % 8) for at in places), 0,
    )  # fmt: skip
    box = Box([made])
    shown = data.draw(st.lists(st.integers(0, 2**count - 1), min_size=1, max_size=8))
    for tick, number in enumerate(shown):
        box.push(0, tick, number.to_bytes((count + 7) // 8, "little"))
    entries = box.seal()
    for i, at in enumerate(places):
        got = [entry.value for entry in entries if entry.tag == f"t{i}"]
        assert got == [str(number >> at & 1) for number in shown]


ENCODINGS = {"ascii": "Spindle 7", "utf-8": "主轴 é €𝄞", "gb18030": "主轴 é €𝄞"}


@given(
    st.sampled_from(sorted(ENCODINGS)),
    st.sampled_from(ORDERS),
    st.integers(1, 60),
    st.text(max_size=20) | st.sampled_from(sorted(ENCODINGS.values())),
    st.lists(st.binary(min_size=60, max_size=60), max_size=3),
)
def test_text_when_of_any_order_and_length_is_cut_at_its_first_nul(
    encoding: str, order: str, length: int, text: str, noise: list[bytes]
) -> None:
    """Also bytes that are no text of the encoding: bad, and the next one is read again."""
    box = Box([plan([tag("t", "string", length=length, encoding=encoding, order=order)])])
    whole = text.encode(encoding, "ignore").ljust(60, b"\0")
    raws = [whole[:length], *(one[:length] for one in noise), whole[:length]]
    for tick, raw in enumerate(raws):
        box.push(0, tick, registers("string", order, raw))
    for raw, entry in zip(raws, box.seal(), strict=True):
        try:
            expected = raw.partition(b"\0")[0].decode(encoding)
        except UnicodeDecodeError:
            assert (entry.value, entry.quality) == (None, NOT_A_VALUE)
        else:
            assert (entry.value, entry.quality) == (expected, GOOD)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 64, *range(129, 137), 138]),
            st.sampled_from([1, 130, 138]),
            st.integers(-1000, 1000),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_quality_when_it_changes_is_kept_and_bad_entries_have_no_value(
    rows: list[tuple[int, int, int]],
) -> None:
    box = Box([plan([tag("a"), tag("b", "string", length=4)], apart=True)])
    for tick, (first, second, raw) in enumerate(rows):
        text = str(abs(raw)).encode().ljust(4, b"\0")
        data = registers("int16", "ABCD", raw) + text
        box.push(0, tick, data, status=[first, second])
    got: dict[str, list[Any]] = {"a": [], "b": []}
    for entry in box.seal():
        got[entry.tag].append((entry.value, entry.quality))
    assert got["a"] == [(str(raw) if q < 128 else None, q) for q, _, raw in rows]
    assert got["b"] == [(str(abs(raw)) if q < 128 else None, q) for _, q, raw in rows]


@given(
    st.lists(st.tuples(st.integers(-50_000, 900_000), st.integers(0, 40_000)), min_size=1),
    st.booleans(),
)
def test_times_when_late_by_any_microseconds_are_exact(
    rows: list[tuple[int, int]], two: bool
) -> None:
    box = Box([plan([tag("a"), tag("b")], apart=two)])
    for tick, (late_us, half) in enumerate(rows):
        box.push(0, tick, bytes(4), late_us=late_us, half_span_us=half)
    times = [entry.boot_ns for entry in box.seal() if entry.tag == "a"]
    assert times == [
        START_NS + tick * PERIOD_NS + late_us * 1000 for tick, (late_us, _) in enumerate(rows)
    ]
    halves = [half for _, half in rows]
    said = two or max(halves) >= 1000  # a single answer says only that it was seen late
    assert list(box.runs[0].half_span_us) == (halves if said else [])
