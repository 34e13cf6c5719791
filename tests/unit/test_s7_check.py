"""Addresses of S7 tags, and what `check` says of them."""

from __future__ import annotations

import pytest

from drivers.api import DeviceSpec, LinkSpec, TagSpec
from drivers.s7.address import Address, AddressError, likely, parse
from drivers.s7.check import check
from drivers.s7.stretch import Stretch
from gateway.messages import LANGUAGES, remedy, text

LINK = LinkSpec("cell4", "tcp", host="127.0.0.1", tcp_port=102)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("DB12.DBD4", Address("DB", 12, 4, 4)),
        ("db12.dbd 4", Address("DB", 12, 4, 4)),
        ("%DB12.DBX0.3", Address("DB", 12, 0, 0, 3)),
        ("DB65535.DBB65535", Address("DB", 65535, 65535, 1)),
        ("MW20", Address("M", 0, 20, 2)),
        ("M20.7", Address("M", 0, 20, 0, 7)),
        ("IB0", Address("I", 0, 0, 1)),
        ("EB0", Address("I", 0, 0, 1)),
        ("E0.3", Address("I", 0, 0, 0, 3)),
        ("I0.3", Address("I", 0, 0, 0, 3)),
        ("Q1.2", Address("Q", 0, 1, 0, 2)),
        ("A1.2", Address("Q", 0, 1, 0, 2)),
        ("AW4", Address("Q", 0, 4, 2)),
        ("VW100", Address("DB", 1, 100, 2)),
        ("T5", Address("T", 0, 5, 2)),
        ("C2", Address("C", 0, 2, 2)),
        ("Z2", Address("C", 0, 2, 2)),
        ("CPU_STATE", Address("SZL", 0, 0, 1)),
    ],
)
def test_address_when_as_in_step7_then_its_place(written: str, address: Address) -> None:
    assert parse(written) == address
    assert parse(str(address)) == address


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("", "syntax"), ("DB12", "syntax"), ("DB12.DBR4", "syntax"), ("holding:4", "syntax"),
        ("DB.DBD4", "syntax"), ("PIW256", "syntax"), ("MW-1", "syntax"), ("MW２", "syntax"),
        ("DB0.DBD4", "range"), ("DB65536.DBD4", "range"), ("MW65536", "range"), ("T2048", "range"),
        ("DB12.DBX4", "bit"), ("DB12.DBX4.8", "bit"), ("DB12.DBW4.1", "bit"), ("M20", "bit"),
        ("MW20.1", "bit"), ("DB12.DBD999999999", "range"),
    ],
)  # fmt: skip
def test_address_when_it_means_nothing_then_said_how(written: str, message: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse(written)
    assert caught.value.message == f"s7.address_{message}"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("DB12,REAL4", "DB12.DBD4"), ("DB12,INT4", "DB12.DBW4"), ("DB12,X0.3", "DB12.DBX0.3"),
        ("DB12.4", "DB12.DBD4"), ("DB12,BYTE7", "DB12.DBB7"), ("what", "DB12.DBD4"),
        ("PIW256", "IW256"), ("%IW64:P", "IW64"), ("PEW256", "EW256"), ("%I0.3:P", "I0.3"),
        ("PQB4", "QB4"),
    ],
)  # fmt: skip
def test_address_when_as_others_write_it_then_its_form_in_step7_is_offered(
    written: str, meant: str
) -> None:
    assert likely(written) == meant
    parse(meant)


def test_items_when_encoded_then_as_on_the_wire() -> None:
    assert Stretch("DB", 12, 4, 8).encode().hex() == "120a10020004000c84000020"
    assert Stretch("M", 0, 20, 22).encode().hex() == "120a10020002000083" + "0000a0"
    assert Stretch("T", 0, 5, 6).encode().hex() == "120a101d000100001d" + "000005"
    assert Stretch("DB", 1, 65535, 65536).encode().hex() == "120a10020001000184" + "07fff8"


@pytest.mark.parametrize(
    ("address", "type_", "length", "key", "message"),
    [
        ("DB12.DBD4", "float32", 0, "", ""),
        ("DB12.DBX0.3", "bool", 0, "", ""),
        ("DB12.DBX4.0", "string", 12, "", ""),
        ("DB12.DBB4", "string", 254, "length", "s7.string_long"),
        ("DB12.DBB4", "float64", 0, "", ""),
        ("DB12.DBD4", "dtl", 0, "", ""),
        ("T5", "s5time", 0, "", ""),
        ("MW8", "s5time", 0, "", ""),
        ("C2", "bcd16", 0, "", ""),
        ("cpu_state", "uint8", 0, "", ""),
        ("what", "int16", 0, "address", "s7.address_syntax"),
        ("DB12.DBW4", "float32", 0, "address", "s7.width"),
        ("DB12.DBD4", "int16", 0, "address", "s7.width"),
        ("MB4", "bool", 0, "type", "s7.bool_bit"),
        ("M4.1", "int16", 0, "type", "s7.bit_type"),
        ("M4.1", "string", 4, "type", "s7.bit_type"),
        ("T5", "int16", 0, "type", "s7.only_type"),
        ("C2", "uint16", 0, "type", "s7.only_type"),
        ("DB1.DBB0", "string", 0, "length", "s7.string_length"),
        ("DB1.DBB0", "string", 255, "length", "s7.string_length"),
        ("DB1.DBD0", "float32", 3, "length", "s7.length_unused"),
        ("DB1.DBD65534", "float32", 0, "address", "s7.past_end"),
        ("DB1.DBD0", "gray", 0, "type", "s7.type"),
        ("MB3", "int8", 0, "", ""),
        ("DB1.DBW0", "uint8", 0, "address", "s7.width"),
        ("DB1.DBB0", "bcd", 3, "", ""),
        ("DB1.DBB0", "bcd", 9, "length", "s7.bcd_length"),
        ("DB1.DBB0", "wstring", 85, "", ""),
        ("DB1.DBB0", "wstring", 86, "length", "s7.wstring_length"),
        ("DB1.DBB0", "date_time", 0, "", ""),
        ("DB1.DBB0", "date_time", 8, "length", "s7.length_unused"),
    ],
)
def test_tag_when_checked_then_what_is_wrong_with_it(
    address: str, type_: str, length: int, key: str, message: str
) -> None:
    tag = TagSpec("speed", address, type_, 10**9, length=length)  # type: ignore[arg-type]
    found = check(DeviceSpec("plc", LINK, "s7", (tag,)))
    assert [(p.key, p.message) for p in found] == (
        [(("tags", "speed", key), message)] if key else []
    )
    for problem in found:
        for lang in LANGUAGES:
            said = text(problem.message, lang, **problem.args)
            assert "?" not in said + remedy(problem.message, lang, **problem.args)


def test_device_when_its_link_is_no_tcp_then_refused() -> None:
    link = LinkSpec("com1", "serial", port="/dev/ttyS0")
    assert [p.message for p in check(DeviceSpec("plc", link, "s7", ()))] == ["s7.link"]
