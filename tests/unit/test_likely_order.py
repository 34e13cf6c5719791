"""Values outside their limits: said to be a wrong byte order where another one would fit."""

from __future__ import annotations

from typing import Any

import pytest

from drivers.states import likely_order
from native.block.latest import orders_fitting
from tests.kit.scans import Box, plan, registers, tag

VOLTS: dict[str, Any] = {"min": 40, "max": 900}
WATTS: dict[str, Any] = {"min": -150_000, "max": 150_000}


def likely(values: list[tuple[str, str, str, float, dict[str, Any]]]) -> str:
    """`values`: type, order in the file, order of the device, value and limits of each tag."""
    tags = [
        tag(f"t{number}", kind, order=ours, **limits)
        for number, (kind, ours, _, _, limits) in enumerate(values)
    ]
    box = Box([plan(tags)])
    box.push(0, 0, b"".join(registers(kind, its, value) for kind, _, its, value, _ in values))
    return likely_order(map(orders_fitting, box.groups))


@pytest.mark.parametrize("ours", ["ABCD", "CDAB", "BADC", "DCBA"])
@pytest.mark.parametrize("its", ["ABCD", "CDAB", "BADC", "DCBA"])
def test_order_when_the_device_has_another_then_named(ours: str, its: str) -> None:
    volts = [("float32", ours, its, value, VOLTS) for value in (228.7, 231.3, 229.9)]
    watts = [("float32", ours, its, value, WATTS) for value in (-1530.5, 0.0, 2210.25)]
    assert likely(volts + watts) == ("" if ours == its else its)


def test_order_when_a_value_is_outside_in_its_own_order_then_no_other_is_named() -> None:
    volts = [("float32", "ABCD", "ABCD", value, VOLTS) for value in (228.7, 0.0, 229.9)]
    level = ("uint32", "ABCD", "ABCD", 0x00050000, {"max": 1000})  # 5 in the order CDAB
    assert likely([*volts, level]) == ""
    assert likely([level]) == "CDAB"  # alone, nothing speaks against it


def test_order_when_no_other_fits_either_then_none_is_named() -> None:
    assert likely([("float32", "ABCD", "ABCD", 4.5e32, VOLTS)]) == ""
    assert likely([("uint16", "ABCD", "ABCD", 0xFFFF, {"max": 100})]) == ""


def test_order_when_one_of_many_is_really_outside_too_then_named_all_the_same() -> None:
    volts = [("float32", "ABCD", "CDAB", value, VOLTS) for value in (228.7, 231.3, 229.9, 230.1)]
    assert likely([*volts, ("float32", "ABCD", "CDAB", 12.5, VOLTS)]) == "CDAB"
