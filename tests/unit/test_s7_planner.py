"""Plans of S7 tags, read from the simulated CPU by our codec: every tag's field holds its value."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import DeviceSpec, GroupPlan, LinkSpec, TagSpec
from drivers.s7.address import parse
from drivers.s7.planner import Limits, plan_device, plan_group
from drivers.s7.request import SPEC_MOST, parts_of
from drivers.s7.simulator import Plc, SimTag
from drivers.s7.simulator.example import scans
from drivers.s7.simulator.values import encode, value
from drivers.s7.stretch import Stretch
from drivers.s7.types import FIXES
from gateway.cli.trial import Read, content_a_day
from native.s7.codec import Codec
from native.s7.shape import reshaped

LINK = LinkSpec("cell4", "tcp", host="127.0.0.1", tcp_port=102)


def tag(address: str, type_: str, length: int = 0, every_ns: int = 10**9) -> TagSpec:
    return TagSpec(address, address, type_, every_ns, length=length)  # type: ignore[arg-type]


def plan(*tags: TagSpec, **limits: Any) -> GroupPlan:
    (group,) = plan_device(DeviceSpec("plc", LINK, "s7", tags), Limits(**limits)).groups
    return group


def read(group: GroupPlan, plc: Plc) -> list[bytes]:
    """The parts that the plan brings, as native/s7/protocol puts them."""
    parts: list[bytes] = []
    codec = Codec()
    for request in group.requests:
        count = request.spec[0]
        if not count:
            parts.append(bytes([plc.faults.state]))
            continue
        asked = codec.read(request.spec[1 : 1 + 12 * count])
        assert len(asked) == request.ask_chars
        answer = plc.answer(asked[7:])
        result, found = codec.feed(
            b"\x03\0" + (7 + len(answer)).to_bytes(2, "big") + b"\x02\xf0\x80" + answer
        )
        assert result == "read" and isinstance(found, list), result
        assert request.answer_chars - 1 <= 7 + len(answer) <= request.answer_chars
        assert all(code == 0xFF for code, _ in found)
        for part in parts_of(request.spec):
            raw = found[part.item][1][part.at : part.at + part.wire_bytes]
            if part.type:
                raw = reshaped(FIXES[part.type].code, raw, part.room) or b""
            parts.append(raw)
    assert [len(part) for part in parts] == [n for r in group.requests for n in r.parts]
    return parts


def assert_shows(group: GroupPlan, sim: list[SimTag], limits: str = "") -> None:
    plc = Plc(sim)
    plc.faults.grant = int(limits or 960)
    before = plc.counter
    parts = read(group, plc)
    # The values move with each request: a field is of the one that read its part.
    owners = [n for n, request in enumerate(group.requests) for _ in request.parts]
    for one, field in zip(sim, group.fields, strict=True):
        counter = before + 1 + owners[field.part]
        raw = parts[field.part][field.offset : field.offset + field.length]
        if one.type == "bool":
            assert raw[0] >> field.bit & 1 == value(one, counter)
        elif one.type == "string":
            assert raw.rstrip(b"\0") == value(one, counter)
        elif one.type in FIXES:
            assert len(raw) == FIXES[one.type].row_bytes
            assert raw == reshaped(FIXES[one.type].code, encode(one, counter))
        else:
            assert raw == encode(one, counter), one


def test_plan_when_of_every_type_then_each_field_holds_its_value() -> None:
    tags = [
        tag("DB12.DBD4", "float32"), tag("DB12.DBX0.3", "bool"), tag("DB12.DBX0.4", "bool"),
        tag("DB12.DBB8", "string", 12), tag("DB12.DBB30", "dtl"), tag("DB12.DBB42", "date_time"),
        tag("DB12.DBW50", "s5time"), tag("DB12.DBB53", "uint8"), tag("DB12.DBB54", "int64"),
        tag("MW20", "uint16"), tag("MD22", "bcd32"), tag("I0.3", "bool"), tag("QB1", "int8"),
        tag("T5", "s5time"), tag("C2", "bcd16"), tag("DB2.DBB0", "float64"),
    ]  # fmt: skip
    group = plan(*tags)
    assert len(group.requests) == 1
    assert_shows(group, [SimTag(t.name, parse(t.address), t.type, t.length) for t in tags])


def test_plan_when_the_cpus_state_is_a_tag_then_a_request_of_its_own() -> None:
    group = plan(tag("MW20", "uint16"), tag("cpu_state", "uint8"), tag("MW24", "uint16"))
    assert [request.spec[0] for request in group.requests] == [1, 0]
    assert group.fields[1][:2] == (2, 0)
    assert read(group, Plc([SimTag("m", parse("MD24"), "uint32")]))[2] == b"\x08"


def test_plan_when_periods_differ_then_a_group_each_the_shortest_first() -> None:
    device = DeviceSpec(
        "plc", LINK, "s7", (tag("MW0", "int16"), tag("MW2", "int16", every_ns=10**8))
    )
    assert [group.period_ns for group in plan_device(device).groups] == [10**8, 10**9]


def test_plan_when_a_string_is_longer_than_a_request_then_its_beginning_is_read() -> None:
    group = plan(tag("DB1.DBB0", "string", 254), pdu=240)
    assert [request.parts for request in group.requests] == [(220,)]
    group = plan(tag("DB1.DBB0", "string", 254), pdu=480)
    assert [request.parts for request in group.requests] == [(254,)]


def test_plan_when_there_are_more_parts_than_the_words_hold_then_asked_in_two() -> None:
    starts = [
        ("bool", "DB1.DBX{}.0", 1), ("uint16", "DB1.DBW{}", 2), ("uint32", "DB1.DBD{}", 4),
    ]  # fmt: skip
    tags = [
        tag(address.format(n), type_)
        for type_, address, size in starts
        for n in range(900)
        if n + size <= 900
    ]
    group = plan(*tags, pdu=960)
    assert len(group.requests) == 2 and max(len(r.spec) for r in group.requests) <= SPEC_MOST
    assert sum(len(request.parts) for request in group.requests) == len(tags)


def test_plan_when_a_place_was_refused_then_it_is_asked_by_itself_and_never_bridged() -> None:
    hole = Stretch("DB", 1, 4, 6)
    group = plan_group(
        DeviceSpec("plc", LINK, "s7", ()),
        [tag("DB1.DBW2", "int16"), tag("DB1.DBW4", "int16"), tag("DB1.DBW6", "int16")],
        10**9,
        Limits(holes=(hole,)),
    )
    assert [request.spec[0] for request in group.requests] == [2, 1]
    assert [field.part for field in group.fields] == [0, 2, 1]


def test_plan_when_tags_do_not_come_together_then_an_item_each_of_one_request() -> None:
    tags = [tag("DB1.DBW2", "int16"), tag("DB1.DBW4", "int16"), tag("DB1.DBW6", "int16")]
    alone = (Stretch("DB", 1, 2, 4), Stretch("DB", 1, 4, 6))
    group = plan(*tags, apart=alone)
    assert [request.spec[0] for request in group.requests] == [3]


_types = st.sampled_from(
    ["bool", "int8", "uint16", "int32", "float64", "string", "s5time", "dtl", "bcd16"]
)


@st.composite
def devices(draw: st.DrawFn) -> list[SimTag]:
    """Tags that do not overlap, since a simulated CPU shows each value by itself."""
    found, at = [], 0
    for n in range(draw(st.integers(1, 60))):
        type_ = draw(_types)
        at += draw(st.sampled_from([0, 0, 1, 2, 7, 30, 300]))
        length = draw(st.integers(1, 40)) if type_ == "string" else 0
        one = SimTag(f"t{n}", parse(f"DB{1 + at // 5000}.DBB{at}"), type_, length)
        if type_ == "bool":
            one = one._replace(address=parse(f"DB{1 + at // 5000}.DBX{at}.{n % 8}"))
        found.append(one)
        at += one.size
    return found


@settings(deadline=None, max_examples=60)
@given(devices(), st.sampled_from([240, 480, 960]))
def test_plan_when_of_any_tags_then_each_field_holds_its_value(sim: list[SimTag], pdu: int) -> None:
    tags = [
        TagSpec(t.name, str(t.address), t.type, 10**9, length=t.length)  # type: ignore[arg-type]
        for t in sim
    ]
    assert_shows(plan(*tags, pdu=pdu), sim, str(pdu))


@pytest.mark.parametrize("order", ["ABCD", "CDAB"])
def test_plan_when_an_order_is_said_then_the_field_has_it(order: Any) -> None:
    one = TagSpec("a", "DB1.DBD0", "float32", 10**9, order=order)
    assert plan(one).fields[0].order == order


def test_example_when_sealed_for_the_forecast_then_a_row_of_the_plan_each_scan() -> None:
    group = plan(
        tag("DB12.DBD4", "float32"), tag("M20.3", "bool"), tag("DB12.DBB20", "string", 20),
        tag("C2", "bcd16"), tag("MW0", "uint16"),
    )  # fmt: skip
    rows = scans(group, 5)
    assert len(rows) == len(set(rows)) == 5, "the values move"
    size = sum(sum(request.parts) for request in group.requests)
    assert {len(row) for row in rows} == {size}
    row = Read("s7", group, 10**9)
    a_day = content_a_day([row], 500_000_000, 1_000_000_000, lambda one, _, n: scans(one.plan, n))
    assert a_day > 86_400
