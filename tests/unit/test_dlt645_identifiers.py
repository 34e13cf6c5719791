"""The table of data identifiers, held against the printed formats of DL/T 645-2007, appendix A."""

from __future__ import annotations

from decimal import Decimal

import pytest

from drivers.dlt645.identifiers import (
    Address,
    IdentifierError,
    block_of,
    blocks_with,
    item_bytes,
    parse,
    value_of,
)


@pytest.mark.parametrize(
    ("identifier", "printed", "signed", "unit"),
    [
        ("00000000", "NNNNNN.NN", True, "kWh"),
        ("00010000", "NNNNNN.NN", False, "kWh"),
        ("00020400", "NNNNNN.NN", False, "kWh"),
        ("00030000", "NNNNNN.NN", True, "kvarh"),
        ("00050000", "NNNNNN.NN", False, "kvarh"),
        ("00090000", "NNNNNN.NN", False, "kVAh"),
        ("0001000C", "NNNNNN.NN", False, "kWh"),
        ("00150000", "NNNNNN.NN", False, "kWh"),
        ("01010000", "NN.NNNN", False, "kW"),
        ("02010100", "NNN.N", False, "V"),
        ("02020300", "NNN.NNN", True, "A"),
        ("02030000", "NN.NNNN", True, "kW"),
        ("02040100", "NN.NNNN", True, "kvar"),
        ("02050000", "NN.NNNN", True, "kVA"),
        ("02060000", "N.NNN", True, ""),
        ("02070100", "NNN.N", False, "°"),
        ("020A0115", "NN.NN", False, "%"),
        ("02800001", "NNN.NNN", True, "A"),
        ("02800002", "NN.NN", False, "Hz"),
        ("02800007", "NNN.N", True, "°C"),
        ("04000102", "NNNNNN", False, ""),
        ("9010", "NNNNNN.NN", False, "kWh"),
        ("B611", "NNNN", False, "V"),
        ("B622", "NN.NN", False, "A"),
        ("B630", "NN.NNNN", False, "kW"),
    ],
)
def test_identifier_when_of_the_standard_then_its_format(
    identifier: str, printed: str, signed: bool, unit: str
) -> None:
    value = value_of(identifier)
    assert value is not None
    digits, decimals = printed.count("N"), len(printed.partition(".")[2])
    assert value.length == (digits + 1) // 2
    assert value.scale == Decimal(1).scaleb(-decimals)
    assert (value.signed, value.unit) == (signed, unit)


@pytest.mark.parametrize(
    "identifier",
    ["02010000", "02010400", "02010101", "0001000D", "00014000", "00140000", "01000000", "020A0116",
     "02800010", "05000000", "B614", "9999", "FFFFFFFF"],
)  # fmt: skip
def test_identifier_when_not_of_the_standard_then_unknown(identifier: str) -> None:
    assert value_of(identifier) is None


@pytest.mark.parametrize(
    ("block", "items"),
    [
        ("0201FF00", ["02010100", "02010200", "02010300"]),
        ("0203FF00", ["02030000", "02030100", "02030200", "02030300"]),
        ("020A01FF", [f"020A01{number:02X}" for number in range(1, 22)]),
        ("040005FF", [f"040005{number:02X}" for number in range(1, 8)]),
        ("B61F", ["B611", "B612", "B613"]),
    ],
)
def test_block_when_of_phases_then_its_items_in_order(block: str, items: list[str]) -> None:
    made = block_of(block)
    assert made is not None and list(made.items) == items and not made.open
    assert all(made in blocks_with(item) for item in items)


def test_block_when_of_tariffs_then_the_meter_says_how_many() -> None:
    made = block_of("0001FF00")
    assert made is not None and made.open
    assert made.items[:3] == ("00010000", "00010100", "00010200")


@pytest.mark.parametrize("name", ["0280FFFF", "028000FF", "0400FF01", "020AFF01", "0001FFFF"])
def test_block_when_its_items_differ_in_kind_then_none(name: str) -> None:
    assert block_of(name) is None


def test_demand_when_asked_then_its_time_comes_along() -> None:
    value = value_of("01010000")
    assert value is not None and value.length == 3 and item_bytes("01010000", value) == 8
    assert parse("01010000.time") == Address("01010000", time=True)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("02010100", Address("02010100")),
        ("0201FF00.2", Address("0201FF00", "02010200")),
        ("0203ff00.0", Address("0203FF00", "02030000")),
        ("0001FF00.4", Address("0001FF00", "00010400")),
        ("020A01FF.21", Address("020A01FF", "020A0115")),
        ("B61F.3", Address("B61F", "B613")),
        ("9010", Address("9010")),
    ],
)
def test_address_when_written_then_read(text: str, address: Address) -> None:
    assert parse(text) == address


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "dlt645.address_syntax"),
        ("2010100", "dlt645.address_syntax"),
        ("0201010G", "dlt645.address_syntax"),
        ("40001", "dlt645.address_syntax"),
        ("0201FF00", "dlt645.address_block"),
        ("0201FF00.0", "dlt645.address_item"),
        ("0201FF00.4", "dlt645.address_item"),
        ("02010100.1", "dlt645.address_no_block"),
        ("02010100.time", "dlt645.address_time"),
    ],
)
def test_address_when_it_cannot_be_read_then_said(text: str, message: str) -> None:
    with pytest.raises(IdentifierError) as error:
        parse(text)
    assert error.value.message == message
