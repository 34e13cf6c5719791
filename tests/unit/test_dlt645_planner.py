"""What a meter is asked for, where each value lies, and what is wrong with a meter in the file."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from drivers.api import DeviceSpec, LinkSpec, TagSpec
from drivers.dlt645.check import check, check_line
from drivers.dlt645.planner import known, plan_device, row_type, station_of
from drivers.dlt645.reads import Read
from native.rows.group import Group, Pool

METER = "012345678901"
LINE = LinkSpec("com1", "serial", port="/dev/ttyS1", baud=2400, parity="even")


def tag(name: str, address: str, every_ns: int = 10**9, **more: Any) -> TagSpec:
    value = known(address)
    length = value.length if value.type == "string" else 0
    made = TagSpec(
        name, address, row_type(value), every_ns,
        scale=value.scale, unit=value.unit, length=length,
    )  # fmt: skip
    return replace(made, **more)


def meter(*tags: TagSpec, name: str = "meter-1", link: LinkSpec = LINE, **own: Any) -> DeviceSpec:
    keys = {"meter": METER, **own}
    return DeviceSpec(name, link, "dlt645", tags, own=tuple(keys.items()))


def test_plan_when_phases_are_read_then_a_block_and_a_part_each() -> None:
    tags = [tag("ub", "02010200"), tag("ua", "02010100"), tag("f", "02800002")]
    (group,) = plan_device(meter(*tags)).groups
    block, single = group.requests
    assert block.spec == bytes.fromhex("04 00FF0102 02 03 00 01 0102 0000 0100")
    assert block.parts == (4, 4) and (block.ask_chars, block.answer_chars) == (20, 26)
    assert single.spec == bytes.fromhex("04 02008002 02 01 00 01 0102 0000")
    assert [field.part for field in group.fields] == [1, 0, 2]
    assert {field.type for field in group.fields} == {"int32"}


def test_plan_when_a_demand_and_its_time_are_read_then_one_request() -> None:
    tags = [tag("when", "01010000.time"), tag("most", "01010000")]
    (group,) = plan_device(meter(*tags)).groups
    assert [request.spec for request in group.requests] == [
        bytes.fromhex("04 00000101 08 01 00 02 0103 0105 0000 0001")
    ]
    assert group.requests[0].parts == (4, 8)
    assert [(field.part, field.type) for field in group.fields] == [(1, "int64"), (0, "int32")]


def test_plan_when_tags_have_two_periods_then_two_groups() -> None:
    tags = [tag("ua", "02010100", 5 * 10**9), tag("ub", "02010200"), tag("uc", "02010300")]
    groups = plan_device(meter(*tags)).groups
    assert [(g.period_ns, [t.name for t in g.tags]) for g in groups] == [
        (10**9, ["ub", "uc"]), (5 * 10**9, ["ua"]),
    ]  # fmt: skip


def test_plan_when_two_tags_read_one_value_then_they_share_its_part() -> None:
    (group,) = plan_device(meter(tag("a", "02010100"), tag("b", "02010100"))).groups
    assert len(group.requests) == 1 and group.requests[0].parts == (4,)
    assert [field.part for field in group.fields] == [0, 0]


def test_plan_when_made_then_the_rows_take_it() -> None:
    texts = ["00010000", "01010000", "01010000.time", "02030000", "040005FF.3", "04000404", "9010"]
    tags = [tag(f"t{number}", text) for number, text in enumerate(texts)]
    (group,) = plan_device(meter(*tags)).groups
    assert Group(1, group, Pool()) is not None


def test_scan_time_when_on_a_slow_line_then_its_characters_count() -> None:
    (group,) = plan_device(meter(tag("ua", "02010100"))).groups
    chars = Read("02010100", 2, 1).chars
    assert group.scan_ns == chars * LINE.char_ns + 50_000_000 + 20_000_000
    assert chars == 42 and LINE.char_ns == 11 * 10**9 // 2400


@pytest.mark.parametrize(
    ("own", "address"),
    [
        ({}, "018967452301" "04"),
        ({"preamble": 0}, "018967452301" "00"),
        ({"meter": ""}, "AAAAAAAAAAAA" "04"),
    ],
)  # fmt: skip
def test_station_when_named_then_its_address_as_it_travels(
    own: dict[str, Any], address: str
) -> None:
    assert station_of(meter(**own)) == bytes.fromhex(address)


def test_meter_when_all_is_well_then_nothing_is_said() -> None:
    assert check(meter(tag("ua", "02010100"), tag("n", "04000402"), tag("e", "0001FF00.2"))) == []


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"meter": "12345678901"}, "dlt645.meter_short"),
        ({"meter": "1234567890123"}, "dlt645.meter"),
        ({"meter": "01234567890X"}, "dlt645.meter"),
        ({"meter": "AAAAAAAAAAAA"}, "dlt645.meter_any"),
        ({"meter": "AA0000000007"}, "dlt645.meter_any"),
    ],
)
def test_address_when_it_is_none_then_said(own: dict[str, Any], message: str) -> None:
    assert [(p.key, p.message) for p in check(meter(tag("ua", "02010100"), **own))] == [
        (("meter",), message)
    ]


@pytest.mark.parametrize(
    ("change", "key", "message", "severity"),
    [
        ({"address": "2010100"}, "address", "dlt645.address_syntax", "error"),
        ({"address": "0201FF00"}, "address", "dlt645.address_block", "error"),
        ({"address": "05060101"}, "address", "dlt645.unknown", "error"),
        ({"type": "float32"}, "type", "dlt645.type", "error"),
        ({"scale": Decimal(1)}, "scale", "dlt645.scale", "warning"),
    ],
)
def test_tag_when_it_cannot_be_read_then_said(
    change: dict[str, Any], key: str, message: str, severity: str
) -> None:
    (problem,) = check(meter(replace(tag("ua", "02010100"), **change)))
    assert (problem.key, problem.message) == (("tags", "ua", key), message)
    assert problem.severity == severity


@pytest.mark.parametrize("link", [replace(LINE, listen_only=True), LinkSpec("u", "udp")])
def test_link_when_no_meter_can_be_on_it_then_said(link: LinkSpec) -> None:
    assert [problem.key for problem in check(meter(tag("ua", "02010100"), link=link))] == [
        ("link",)
    ]


def test_line_when_a_meter_without_address_has_company_then_refused() -> None:
    alone, other = meter(name="a", meter=""), meter(name="b")
    assert check_line([alone]) == []
    ((device, problem),) = check_line([alone, other])
    assert device is alone and problem.message == "dlt645.meter_alone"


def test_line_when_two_meters_have_one_address_then_refused() -> None:
    first, second = meter(name="a"), meter(name="b")
    ((device, problem),) = check_line([first, second])
    assert device is second and problem.message == "dlt645.meter_twice"


@pytest.mark.parametrize(("unit", "said"), [(0x68, 1), (0xFE, 1), (1, 0)])
def test_line_when_a_modbus_unit_looks_like_a_meter_then_a_note(unit: int, said: int) -> None:
    drive = DeviceSpec("drive", LINE, "modbus", (), unit=unit)
    found = check_line([drive, meter()])
    assert len(found) == said
    assert all(problem.severity == "warning" for _, problem in found)
    assert check_line([drive]) == []
