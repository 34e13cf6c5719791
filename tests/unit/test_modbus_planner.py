"""The planner against the definition of its task: the cheapest cover, found by trying all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import ByteOrder, DeviceSpec, Field, GroupPlan, LinkSpec, TagSpec, ValueType
from drivers.forecast import link_load
from drivers.modbus.address import Range
from drivers.modbus.limits import Limits, data_bytes, limits_of
from drivers.modbus.planner import plan_device, plan_group, plan_space
from drivers.modbus.prices import Prices, prices_of
from drivers.modbus.request import Read, reads_of

SERIAL = LinkSpec("com1", "serial", port="/dev/ttyS1", baud=9600)
TCP = LinkSpec("cell", "tcp", host="127.0.0.1")


def tag(address: str, type_: ValueType = "uint16", **more: Any) -> TagSpec:
    return TagSpec(name=address, address=address, type=type_, every_ns=10**9, **more)


def device(link: LinkSpec, *tags: TagSpec, **more: Any) -> DeviceSpec:
    framing = more.pop("framing", "rtu" if link.type == "serial" else "tcp")
    return DeviceSpec("d", link, "modbus", tags, framing=framing, **more)


def plan(link: LinkSpec, *tags: TagSpec, **more: Any) -> GroupPlan:
    (group,) = plan_device(device(link, *tags, **more)).groups
    return group


def partitions(items: Sequence[Range]) -> Iterator[list[list[Range]]]:
    """Every way to put the items into requests, whatever their order."""
    if not items:
        yield []
        return
    for rest in partitions(items[1:]):
        yield [[items[0]], *rest]
        for i in range(len(rest)):
            yield [*rest[:i], [items[0], *rest[i]], *rest[i + 1 :]]


def brute_force(wanted: Sequence[Range], limits: Limits, prices: Prices) -> int:
    """The least price of all ways that respect the limits."""
    ways = []
    for parts in partitions(wanted):
        price = 0
        for part in parts:
            first, last = min(r.first for r in part), max(r.last for r in part)
            whole = Range("holding", first, last)
            if len(part) > 1 and (
                last - first + 1 > limits.max_registers or any(h.meets(whole) for h in limits.holes)
            ):
                break
            price += prices.price_ns(data_bytes(3, last - first + 1))
        else:
            ways.append(price)
    return min(ways)


stretches = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from([1, 2, 4, 9])).map(
        lambda t: Range("holding", t[0], t[0] + t[1] - 1)
    ),
    min_size=1,
    max_size=6,
    unique=True,
)
holes = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 4)).map(
        lambda t: Range("holding", t[0], t[0] + t[1] - 1)
    ),
    max_size=2,
)


@settings(deadline=None)
@given(stretches, holes, st.integers(9, 40), st.integers(1, 40), st.integers(1, 4))
def test_plan_of_any_small_map_costs_what_brute_force_finds(
    wanted: list[Range], lost: list[Range], longest: int, request: int, byte: int
) -> None:
    free = [hole for hole in lost if not any(hole.meets(r) for r in wanted)]
    limits = Limits(max_registers=longest, holes=tuple(free))
    prices = Prices(request, byte, byte)
    runs = plan_space("holding", sorted(wanted), limits, prices)
    cost = sum(prices.price_ns(data_bytes(3, r.last - r.first + 1)) for r in runs)
    assert cost == brute_force(sorted(wanted), limits, prices)
    assert all(any(run.covers(r) for run in runs) for r in wanted)
    assert not any(hole.meets(run) for hole in free for run in runs)
    assert all(run.last - run.first < longest for run in runs)


def test_plan_of_serial_bridges_a_hole_only_while_it_is_cheaper() -> None:
    prices = prices_of(device(SERIAL))
    worth = prices.request_ns // (2 * prices.byte_ns)  # registers of hole that cost one request
    near = plan(SERIAL, tag("holding:0"), tag(f"holding:{worth}"))
    far = plan(SERIAL, tag("holding:0"), tag(f"holding:{worth + 2}"))
    assert reads_of(near) == [Read(3, 0, worth + 1)]
    assert reads_of(far) == [Read(3, 0, 1), Read(3, worth + 2, 1)]


def test_plan_of_tcp_bridges_more_than_serial() -> None:
    tags = (tag("holding:0"), tag("holding:60"))
    assert len(plan(TCP, *tags).requests) == 1
    assert len(plan(SERIAL, *tags).requests) == 2


def test_plan_of_spaces_and_types_says_where_each_tag_lies() -> None:
    group = plan(
        TCP,
        tag("holding:10", "float32", order="CDAB"),
        tag("holding:10.3", "bool"),
        tag("holding:12", "string", length=5),
        tag("coil:7", "bool"),
        tag("coil:19", "bool"),
        tag("discrete:4", "bool"),
        tag("30003", "int16"),
    )
    assert reads_of(group) == [
        Read(3, 10, 5),
        Read(4, 2, 1),
        Read(1, 7, 13),
        Read(2, 4, 1),
    ]
    assert [(f.part, f.offset, f.length, f.bit) for f in group.fields] == [
        (0, 0, 4, -1),
        (0, 1, 1, 3),
        (0, 4, 5, -1),
        (2, 0, 1, 0),
        (2, 1, 1, 4),
        (3, 0, 1, 0),
        (1, 0, 2, -1),
    ]
    assert group.fields[0].order == "CDAB"


@pytest.mark.parametrize(("order", "offset"), [("ABCD", 1), ("CDAB", 1), ("BADC", 0), ("DCBA", 0)])
def test_plan_of_a_byte_says_the_low_one_of_its_register(order: ByteOrder, offset: int) -> None:
    group = plan(TCP, tag("holding:7", "int8", order=order))
    assert group.fields == (Field(0, offset, "int8", "ABCD", 1, -1),)


def test_plan_of_bcd_says_its_length_and_sign() -> None:
    group = plan(
        TCP,
        tag("holding:0", "bcd16"),
        tag("holding:1", "bcd", length=6),
        tag("holding:4", "bcd", length=4, signed=True, order="CDAB"),
    )
    assert group.fields == (
        Field(0, 0, "bcd", "ABCD", 2, -1),
        Field(0, 2, "bcd", "ABCD", 6, -1),
        Field(0, 8, "bcd_signed", "CDAB", 4, -1),
    )


def test_plan_with_declared_hole_never_reads_it() -> None:
    group = plan(TCP, tag("holding:0"), tag("holding:3"), own=(("holes", ("holding:1-2",)),))
    assert reads_of(group) == [Read(3, 0, 1), Read(3, 3, 1)]


def test_plan_past_the_largest_read_never_cuts_a_value() -> None:
    tags = [tag(f"holding:{2 * i}", "float32") for i in range(10)]
    group = plan(TCP, *tags, own=(("max_registers", 7),))
    assert len(group.requests) == 4
    assert all(r.address % 2 == 0 and r.count % 2 == 0 and r.count <= 7 for r in reads_of(group))


def test_plan_with_refused_tag_asks_it_alone_and_its_neighbours_together() -> None:
    spec = device(TCP, *(tag(f"holding:{i}") for i in range(5)))
    limits = Limits(refused=(Range("holding", 2, 2),))
    group = plan_group(spec, spec.tags, 10**9, limits)
    assert reads_of(group) == [Read(3, 0, 2), Read(3, 2, 1), Read(3, 3, 2)]
    assert [f.part for f in group.fields] == [0, 0, 1, 2, 2]


def test_plan_with_cut_splits_there_but_not_inside_a_value() -> None:
    spec = device(TCP, tag("holding:0", "float32"), tag("holding:2"), tag("holding:3"))
    limits = Limits(cuts=(("holding", 1), ("holding", 3)))
    assert reads_of(plan_group(spec, spec.tags, 10**9, limits)) == [
        Read(3, 0, 3),
        Read(3, 3, 1),
    ]


def test_plan_of_two_periods_has_a_group_each_shortest_first() -> None:
    slow = TagSpec("slow", "holding:0", "uint16", every_ns=10**10)
    spec = device(TCP, slow, tag("holding:1"))
    groups = plan_device(spec).groups
    assert [g.period_ns for g in groups] == [10**9, 10**10]
    assert groups[1].tags == (slow,)


@given(st.permutations([tag(f"holding:{a}") for a in (0, 3, 9, 200, 201)]))
def test_plan_of_tags_in_any_order_asks_the_same(tags: list[TagSpec]) -> None:
    assert plan(SERIAL, *tags).requests == plan(SERIAL, *sorted(tags, key=str)).requests


def test_wire_time_at_9600_is_that_of_the_formula() -> None:
    char = 10 / 9600
    group = plan(SERIAL, tag("holding:0", "string", length=20))
    seconds = (8 + 5 + 20) * char + 2 * 3.5 * char + 0.005
    assert group.scan_ns == pytest.approx(seconds * 1e9, rel=1e-5)


def test_wire_time_above_19200_has_the_fixed_silence() -> None:
    link = LinkSpec("com1", "serial", port="/dev/ttyS1", baud=115200)
    group = plan(link, tag("holding:0"))
    assert group.scan_ns == pytest.approx((15 * 10 / 115200 + 2 * 0.00175 + 0.005) * 1e9, rel=1e-4)


def test_forecast_of_an_overloaded_link_stretches_every_period_alike() -> None:
    (scan_ns,) = (g.scan_ns for g in plan_device(device(SERIAL, tag("holding:0"))).groups)
    half = plan_device(device(SERIAL, TagSpec("f", "holding:0", "uint16", every_ns=2 * scan_ns)))
    calm = link_load(SERIAL, [half])
    assert calm.share == pytest.approx(50)
    assert calm.groups[0].reachable_ns == 2 * scan_ns
    over = link_load(SERIAL, [half, half, half])
    assert over.share == pytest.approx(150)
    assert over.cycle_ns == 3 * scan_ns
    assert [g.reachable_ns for g in over.groups] == [3 * scan_ns] * 3


def test_limits_kept_over_a_restart_never_pass_the_file() -> None:
    spec = device(TCP, tag("holding:0"), own=(("max_registers", 50), ("holes", ("input:3",))))
    kept = Limits(max_registers=100, holes=(Range("holding", 9, 9),)).to_json()
    limits = limits_of(spec, kept)
    assert limits.max_registers == 50
    assert limits.holes == (Range("holding", 9, 9), Range("input", 3, 3))


def test_tag_scale_does_not_touch_the_plan() -> None:
    assert reads_of(plan(TCP, tag("holding:0", scale=Decimal("0.1")))) == [Read(3, 0, 1)]
