"""What the driver finds wrong before anything is switched on, and how it is found itself."""

from __future__ import annotations

from typing import Any

import pytest

from drivers import registry
from drivers.api import DeviceSpec, LinkSpec, TagSpec, ValueType

SERIAL = LinkSpec("com1", "serial", port="/dev/ttyS1")
TCP = LinkSpec("cell", "tcp", host="127.0.0.1")


def tag(address: str, type_: ValueType = "uint16", **more: Any) -> TagSpec:
    return TagSpec(name="t", address=address, type=type_, every_ns=10**9, **more)


def device(*tags: TagSpec, link: LinkSpec = TCP, **more: Any) -> DeviceSpec:
    more.setdefault("framing", "rtu" if link.type == "serial" else "tcp")
    return DeviceSpec("d", link, "modbus", tags, **more)


@pytest.mark.parametrize(
    ("spec", "key", "message"),
    [
        (device(tag("coil:1", "int16")), ("tags", "t", "type"), "modbus.coil_type"),
        (device(tag("holding:1.2", "int16")), ("tags", "t", "type"), "modbus.bit_type"),
        (device(tag("holding:1", "bool")), ("tags", "t", "address"), "modbus.bool_bit"),
        (device(tag("holding:1", "string")), ("tags", "t", "length"), "modbus.string_length"),
        (device(tag("holding:1", "dtl")), ("tags", "t", "type"), "modbus.type"),
        (device(tag("holding:1", "wstring", length=4)), ("tags", "t", "type"), "modbus.wstring"),
        (device(tag("holding:1", "bcd", length=3)), ("tags", "t", "length"), "modbus.bcd_length"),
        (
            device(tag("holding:1", "bcd", length=6, order="CDAB")),
            ("tags", "t", "order"),
            "modbus.bcd_order",
        ),
        (device(tag("coil:1", "uint8")), ("tags", "t", "type"), "modbus.coil_type"),
        (device(tag("holding:1", length=2)), ("tags", "t", "length"), "modbus.length_unused"),
        (device(tag("holding:65535", "int32")), ("tags", "t", "address"), "modbus.past_end"),
        (device(tag("40000")), ("tags", "t", "address"), "modbus.address_from_one"),
        (
            device(tag("holding:0", "string", length=252)),
            ("tags", "t", "length"),
            "modbus.too_long",
        ),
        (
            device(tag("holding:0", "float64"), own=(("max_registers", 3),)),
            ("tags", "t", "type"),
            "modbus.too_long",
        ),
        (
            device(tag("holding:9", "int32"), own=(("holes", ("holding:10-20",)),)),
            ("tags", "t", "address"),
            "modbus.in_hole",
        ),
        (device(own=(("holes", ("10-20",)),)), ("holes",), "modbus.address_syntax"),
        (device(link=SERIAL, unit=0), ("unit",), "modbus.unit_reserved"),
        (device(link=SERIAL, unit=248), ("unit",), "modbus.unit_reserved"),
        (device(link=SERIAL, unit=256), ("unit",), "modbus.unit"),
        (device(unit=256), ("unit",), "modbus.unit"),
        (device(link=SERIAL, framing="tcp"), ("framing",), "modbus.framing"),
        (device(own=(("max_registers", 126),)), ("max_registers",), "modbus.limit"),
        (device(own=(("max_bits", 0),)), ("max_bits",), "modbus.limit"),
    ],
)
def test_mistake_in_a_device_is_found_where_it_stands(
    spec: DeviceSpec, key: tuple[str, ...], message: str
) -> None:
    (problem,) = registry.get("modbus").check(spec)
    assert (problem.key, problem.message) == (key, message)


def test_device_without_mistakes_has_no_problems_and_a_plan() -> None:
    driver = registry.get("modbus")
    spec = device(
        tag("holding:65534", "float32"),
        tag("input:3.15", "bool"),
        tag("coil:0", "bool"),
        tag("holding:0", "string", length=250),
        unit=255,
    )
    assert driver.check(spec) == []
    assert len(driver.plan(spec).groups) == 1


def test_every_mistake_of_a_device_is_found_at_once() -> None:
    spec = device(tag("4"), tag("coil:0", "int16"), tag("holding:65536"), unit=999)
    assert len(registry.get("modbus").check(spec)) == 4


def test_registry_for_a_name_nobody_has_raises() -> None:
    assert "modbus" in registry.names()
    with pytest.raises(registry.UnknownDriverError):
        registry.get("telepathy")
