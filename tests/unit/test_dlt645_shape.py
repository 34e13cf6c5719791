"""A meter's numbers as integers: sign, no value, and what is no number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from native.dlt645.shape import shaped

NUMBER, SIGNED, BITS, TEXT = 1, 2, 3, 4
GOOD, NOT_A_VALUE, NO_VALUE = 1, 137, 139


def packed(number: int, size: int) -> bytes:
    return bytes.fromhex(f"{number:0{2 * size}d}")[::-1]


@given(st.integers(1, 8), st.data())
def test_number_when_packed_then_the_same_integer(size: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, 10 ** (2 * size) - 1))
    quality, row = shaped(NUMBER, packed(number, size))
    assert (quality, int.from_bytes(row, "big", signed=True)) == (GOOD, number)
    assert len(row) == (4 if size <= 4 else 8)


@given(st.integers(1, 8), st.booleans(), st.data())
def test_number_when_it_has_a_sign_then_the_top_bit_is_it(
    size: int, negative: bool, data: st.DataObject
) -> None:
    number = data.draw(st.integers(0, 8 * 10 ** (2 * size - 1) - 1))
    wire = bytearray(packed(number, size))
    wire[-1] |= 0x80 if negative else 0
    quality, row = shaped(SIGNED, bytes(wire))
    assert (quality, int.from_bytes(row, "big", signed=True)) == (
        GOOD, -number if negative else number,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "wire", "quality", "number"),
    [
        (SIGNED, "000080", GOOD, 0),  # minus nothing
        (SIGNED, "563492", GOOD, -123456),
        (SIGNED, "999999", GOOD, -199999),
        (NUMBER, "999999", GOOD, 999999),
        (NUMBER, "FFFF", NO_VALUE, 0),
        (SIGNED, "FFFFFF", NO_VALUE, 0),
        (NUMBER, "0A00", NOT_A_VALUE, 0),
        (NUMBER, "00A0", NOT_A_VALUE, 0),
        (NUMBER, "FF00", NOT_A_VALUE, 0),
        (SIGNED, "0000F0", GOOD, -700000),
        (SIGNED, "0000FA", NOT_A_VALUE, 0),
    ],
)
def test_number_when_at_an_edge_then_as_the_standard_has_it(
    kind: int, wire: str, quality: int, number: int
) -> None:
    found, row = shaped(kind, bytes.fromhex(wire))
    assert (found, int.from_bytes(row, "big", signed=True)) == (quality, number)


def test_text_when_it_travels_last_character_first_then_turned() -> None:
    assert shaped(TEXT, b"V022") == (GOOD, b"220V")


def test_bits_when_of_a_state_word_then_high_byte_first() -> None:
    assert shaped(BITS, b"\x04\x80") == (GOOD, b"\x80\x04")


@pytest.mark.parametrize(("kind", "size"), [(0, 2), (5, 2), (1, 0), (1, 9), (3, 3), (4, 65)])
def test_value_when_there_is_no_such_kind_or_length_then_refused(kind: int, size: int) -> None:
    with pytest.raises(ValueError, match="no value of kind"):
        shaped(kind, bytes(size))
