"""Addresses as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.address import (
    SPACES,
    Address,
    AddressError,
    Range,
    Space,
    parse,
    parse_range,
)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("holding:270", Address("holding", 270)),
        ("holding:0x2000", Address("holding", 0x2000)),
        (" Input:0X1f ", Address("input", 31)),
        ("input:258.3", Address("input", 258, 3)),
        ("coil:0", Address("coil", 0)),
        ("discrete:65535", Address("discrete", 65535)),
        ("40001", Address("holding", 0)),
        ("400001", Address("holding", 0)),
        ("40301", Address("holding", 300)),
        ("465536", Address("holding", 65535)),
        ("30001", Address("input", 0)),
        ("10001", Address("discrete", 0)),
        ("00001", Address("coil", 0)),
        ("000001", Address("coil", 0)),
        ("40001.15", Address("holding", 0, 15)),
    ],
)
def test_address_as_manuals_write_it_means_the_wire_address(text: str, meant: Address) -> None:
    assert parse(text) == meant


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "modbus.address_syntax"),
        ("holding", "modbus.address_syntax"),
        ("holding:-1", "modbus.address_syntax"),
        ("4001", "modbus.address_syntax"),
        ("4000001", "modbus.address_syntax"),
        ("20001", "modbus.address_syntax"),
        ("holding:1.2.3", "modbus.address_syntax"),
        ("register:5", "modbus.address_space"),
        ("40000", "modbus.address_from_one"),
        ("000000", "modbus.address_from_one"),
        ("holding:65536", "modbus.address_range"),
        ("465537", "modbus.address_range"),
        ("holding:5.16", "modbus.address_bit"),
        ("coil:5.1", "modbus.bit_of_bit"),
        ("00001.0", "modbus.bit_of_bit"),
    ],
)
def test_address_that_means_nothing_is_refused_by_its_own_message(text: str, message: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse(text)
    assert caught.value.message == message
    assert caught.value.arguments["text"] == text


@given(st.sampled_from(SPACES), st.integers(0, 65535))
def test_address_written_in_any_spelling_is_the_same(space: Space, number: int) -> None:
    digit = {"coil": "0", "discrete": "1", "input": "3", "holding": "4"}[space]
    meant = Address(space, number)
    assert parse(f"{space}:{number}") == parse(f"{space}:{number:#x}") == meant
    assert parse(f"{digit}{number + 1:05}") == meant
    if number < 9999:
        assert parse(f"{digit}{number + 1:04}") == meant


@given(st.text(max_size=20))
def test_address_of_any_text_is_an_address_or_an_address_error(text: str) -> None:
    try:
        address = parse(text)
    except AddressError:
        return
    assert 0 <= address.number <= 65535


def test_range_with_both_ends_has_them_included() -> None:
    assert parse_range("holding:0x10-0x1f") == Range("holding", 16, 31)
    assert parse_range("40001-40010") == Range("holding", 0, 9)
    assert parse_range("coil:7") == Range("coil", 7, 7)
    assert parse_range(str(Range("input", 3, 9))) == Range("input", 3, 9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("holding:9-3", "modbus.range_backwards"),
        ("holding:1.3", "modbus.address_syntax"),
        ("40001-30009", "modbus.address_syntax"),
        ("holding:1-", "modbus.address_syntax"),
        ("holding:1-70000", "modbus.address_range"),
    ],
)
def test_range_that_means_nothing_is_refused_by_its_own_message(text: str, message: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_range(text)
    assert caught.value.message == message
