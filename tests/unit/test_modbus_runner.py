"""Plans that change while the daemon runs: what a device refuses never ends it."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from drivers.api import (
    DeviceSpec,
    GroupPlan,
    LinkSpec,
    OpenedLinks,
    TagSpec,
    ValueType,
)
from drivers.modbus import runner
from drivers.modbus.address import Range
from drivers.modbus.limits import Limits, limits_of
from drivers.modbus.planner import plan_device, plan_group
from drivers.scan import open_links
from native.rows.group import Group
from tests.kit.scans import data_bytes

SECOND = 10**9
LINK = LinkSpec("line", "tcp", host="127.0.0.1")


def device(tags: Sequence[TagSpec]) -> DeviceSpec:
    return DeviceSpec("plc", LINK, "modbus", tuple(tags))


def text_at(addresses: Sequence[int]) -> list[TagSpec]:
    return [TagSpec(f"t{at}", f"holding:{at}", "string", SECOND, length=20) for at in addresses]


#: Of 125 registers at once the planner reads runs; of 70 it bridges more and asks for more bytes.
BRIDGED = device(
    text_at(
        [0, 39, 49, 59, 69, 111, 159, 169, 179, 189, 252, 262, 272, 282, 292, 302, 312, 322, 368,
         378, 388, 398, 408, 418, 428, 438, 448]
    )
)  # fmt: skip


def opened(kept: dict[str, object]) -> OpenedLinks:
    return open_links([(LINK, [plan_device(BRIDGED)])], 0, kept)


@pytest.mark.parametrize(
    ("kept", "now"), [(8, 8), (999, 16), (0, 1), (-3, 1), ("many", 1), (2.5, 1), (None, 1)]
)
def test_requests_at_once_when_learned_are_kept_over_a_restart_within_the_file_s_limit(
    kept: object, now: int
) -> None:
    link = replace(LINK, in_flight=16, in_flight_learned=True)
    plan = plan_device(replace(BRIDGED, link=link))
    again = open_links([(link, [plan])], 0, {"link line": {"in_flight": kept}})
    (told,) = again.runners[0].links()
    assert (told["in_flight"], told["in_flight_learned"]) == (now, True)
    assert again.learned() == ({"link line": {"in_flight": now}} if now > 1 else {})
    said = open_links([(LINK, [plan])], 0, {"link line": {"in_flight": kept}})
    assert said.runners[0].links()[0]["in_flight"] == 1 and said.learned() == {}


def test_start_when_kept_limits_ask_for_more_bytes_than_the_file_plans_by_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    small = plan_device(BRIDGED, replace(limits_of(BRIDGED), max_registers=70)).groups[0]
    first = plan_device(BRIDGED).groups[0]
    assert data_bytes(small) > data_bytes(first)
    kept = {"max_registers": 70, "max_bits": 2000, "holes": [], "refused": []}
    assert opened({"plc": kept}).groups
    assert caplog.text == ""


KINDS: list[tuple[ValueType, int]] = [
    ("string", 10), ("string", 25), ("float64", 4), ("uint16", 1), ("bool", 1),
]  # fmt: skip


def random_tags(rng: random.Random) -> list[TagSpec]:
    tags: list[TagSpec] = []
    for space in rng.choice((["holding"], ["holding", "coil"], ["input", "discrete", "holding"])):
        at = 0
        for _ in range(rng.randint(1, 6)):
            for _ in range(rng.randint(1, 12)):
                name, address = f"t{len(tags)}", f"{space}:{at}"
                if space in ("coil", "discrete"):
                    tags.append(TagSpec(name, address, "bool", SECOND))
                    at += rng.choice((1, 1, 3))
                    continue
                kind, count = rng.choice(KINDS)
                length = 2 * count - rng.randint(0, 1) if kind == "string" else 0
                bit = f".{rng.randint(0, 15)}" if kind == "bool" else ""
                tags.append(TagSpec(name, address + bit, kind, SECOND, length=length))
                at += count - rng.choice((0, 0, 0, 1)) * (count > 4)
            at += rng.choice((0, 3, 20, 60, 120, 130, 400, 1999))
    return tags


def random_limits(rng: random.Random, spec: DeviceSpec) -> Limits:
    def ranges(most: int) -> tuple[Range, ...]:
        starts = [rng.randint(0, 800) for _ in range(rng.randint(0, most))]
        return tuple(sorted(Range("holding", at, at + rng.randint(0, 12)) for at in starts))

    return replace(
        limits_of(spec),
        max_registers=rng.choice((125, 110, 90, 70, 64, 50, 25, 1)),
        max_bits=rng.choice((2000, 800, 100, 16, 1)),
        holes=ranges(3),
        refused=ranges(2),
        cuts=tuple(("holding", rng.randint(0, 800)) for _ in range(rng.randint(0, 3))),
    )


@pytest.mark.parametrize("part", range(5))
def test_replan_when_limits_change_at_random_always_fits(part: int) -> None:
    rng = random.Random(part)
    for _ in range(60):
        spec = device(random_tags(rng))
        plan = plan_device(spec).groups[0]
        group = Group(1, plan)
        for _ in range(8):
            fresh = plan_group(spec, plan.tags, SECOND, random_limits(rng, spec))
            group.replan(fresh.requests, fresh.fields)  # raises ValueError where it does not fit


def test_plan_when_it_can_not_be_used_is_said_and_the_old_one_stays(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def impossible(
        spec: DeviceSpec, tags: Sequence[TagSpec], period_ns: int, limits: Limits
    ) -> GroupPlan:
        plan = plan_group(spec, tags, period_ns, limits)
        return replace(plan, fields=tuple(f._replace(offset=250) for f in plan.fields))

    monkeypatch.setattr(runner, "plan_group", impossible)
    kept = {"max_registers": 70, "max_bits": 2000, "holes": [], "refused": []}
    with caplog.at_level(logging.WARNING):
        (group,) = opened({"plc": kept}).groups
    assert group.snapshot()["requests"] == len(plan_device(BRIDGED).groups[0].requests)
    assert "plc" in caplog.text and "offset=250" in caplog.text
