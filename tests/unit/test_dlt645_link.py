"""Meters asked by the native engine, over TCP and on a pseudo-terminal; and in virtual time with
what is wrong with real ones.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from drivers.api import DeviceSpec, LinkSpec, TagSpec
from drivers.dlt645.planner import known, plan_device, row_type
from drivers.dlt645.simulator import Faults, Meter, Served
from drivers.dlt645.station import station_of
from native.block.latest import latest
from native.engine.link import Link
from native.engine.loop import Loop
from native.rows.group import Group, Pool
from tests.kit.meters import Meters

A, B = "123456789012", "000000000007"
GOOD, NO_ANSWER, DAMAGED, WRONG, REFUSED, FAILURE = 1, 129, 131, 132, 133, 134
NOT_A_VALUE, NO_VALUE = 137, 139
#: Data in the wire's order, and the value that it stands for.
FIXED = {
    "02010100": bytes.fromhex("0123"), "02010200": bytes.fromhex("1123"),
    "02010300": bytes.fromhex("FFFF"), "02030000": bytes.fromhex("563492"),
    "00010000": bytes.fromhex("78563412"), "01010000": bytes.fromhex("5634123014201126"),
    "02800002": bytes.fromhex("0A50"), "04000501": bytes.fromhex("0480"),
    "04000404": b"V022  ",
}  # fmt: skip


def tag(text: str, every_ns: int) -> TagSpec:
    value = known(text)
    length = value.length if value.type == "string" else 0
    return TagSpec(text, text, row_type(value), every_ns, scale=value.scale, length=length)


class Bench:
    """Devices on one link, scanned until the test is over."""

    def __init__(self, spec: LinkSpec, devices: dict[str, tuple[str, Sequence[str]]]) -> None:
        self.groups: dict[str, list[Group]] = {}
        pool, stations, number = Pool(), [], 0
        for name, (meter, texts) in devices.items():
            tags = tuple(tag(text, 50_000_000) for text in texts)
            device = DeviceSpec(name, spec, "dlt645", tags, own=(("meter", meter),))
            self.groups[name] = []
            for plan in plan_device(device).groups:
                number += 1
                self.groups[name].append(Group(number, plan, pool))
            stations.append((station_of(device), self.groups[name]))
        self.link = Link(spec, stations)
        self.loop = Loop([self.link])
        self.thread = Thread(target=self.loop.run)

    def values(self, name: str) -> dict[str, tuple[Any, int]]:
        """Tag to value and quality of the newest row."""
        found: dict[str, tuple[Any, int]] = {}
        for group in self.groups[name]:
            row = latest(group)
            if row:
                tags = group.plan.tags
                found.update(zip((t.name for t in tags), row[1], strict=True))
        return found

    def until(self, name: str, wanted: dict[str, tuple[Any, int]], within_s: float = 8.0) -> None:
        end = time.monotonic() + within_s
        while (found := self.values(name)) != wanted:
            assert time.monotonic() < end, (found, self.link.snapshot())
            Event().wait(0.02)


@contextmanager
def reading(
    meters: Sequence[Meter],
    devices: dict[str, tuple[str, Sequence[str]]],
    path: Path | None = None,
    timeout_ns: int = 400_000_000,
) -> Iterator[Bench]:
    served = Served(meters, path=path)
    served.start()
    if path:
        spec = LinkSpec("l", "serial", port=str(path), baud=115_200, timeout_ns=timeout_ns)
    else:
        spec = LinkSpec("l", "tcp", host="127.0.0.1", tcp_port=served.port, timeout_ns=timeout_ns)
    bench = Bench(spec, devices)
    bench.thread.start()
    try:
        yield bench
    finally:
        bench.loop.stop()
        bench.thread.join()
        served.stop()


def meter(address: str = A, fixed: dict[str, bytes] | None = None, **faults: Any) -> Meter:
    return Meter(address, fixed=fixed or FIXED, faults=Faults(**{"answer_ms": 1, **faults}))


ALL = {
    "02010100": (2301, GOOD), "02010200": (2311, GOOD), "02010300": (None, NO_VALUE),
    "02030000": (-123456, GOOD), "00010000": (12345678, GOOD), "01010000": (123456, GOOD),
    "01010000.time": (2611201430, GOOD), "02800002": (None, NOT_A_VALUE),
    "04000501": (0x8004, GOOD), "04000404": (b"  220V", GOOD),
}  # fmt: skip


@pytest.mark.parametrize("wire", ["tcp", "serial"])
@pytest.mark.parametrize("preamble", [0, 4])
def test_meter_when_asked_then_each_value_has_its_own_quality(
    wire: str, preamble: int, tmp_path: Path
) -> None:
    path = tmp_path / "meter" if wire == "serial" else None
    with reading([meter(preamble=preamble)], {"m": (A, list(ALL))}, path) as bench:
        bench.until("m", ALL)


def talked(
    meters: Sequence[Meter],
    devices: dict[str, str],
    texts: Sequence[str],
    until_ms: float = 5000,
    **link: Any,
) -> Meters:
    """In virtual time: `devices` by their addresses, each with these tags."""
    own = {name: {"meter": address} if address else {} for name, address in devices.items()}
    talk = Meters(meters, own, texts, 500, link=link)
    talk.run(until_ms)
    return talk


def newest(talk: Meters, device: str) -> dict[str, tuple[Any, int]]:
    """Tag to value and quality of the newest row."""
    return {one["tag"].name: (one["raw"], one["quality"]) for one in talk.opened.latest(device)}


def test_meters_when_on_one_line_then_each_has_its_own_values() -> None:
    other = {**FIXED, "02010100": bytes.fromhex("9922")}
    talk = talked([meter(), meter(B, other)], {"a": A, "b": B}, ["02010100"])
    assert newest(talk, "a") == {"02010100": (2301, GOOD)}
    assert newest(talk, "b") == {"02010100": (2299, GOOD)}


@pytest.mark.parametrize("any_address", [False, True])
def test_meter_when_alone_and_not_named_then_found(any_address: bool) -> None:
    talk = talked([meter(any_address=any_address)], {"m": ""}, ["02010100"])
    assert newest(talk, "m") == {"02010100": (2301, GOOD)}


def test_data_when_the_meter_has_none_then_refused_and_its_neighbours_read() -> None:
    faulty = meter(refuses=frozenset({"02800002"}))
    talk = talked([faulty], {"m": A}, ["02010100", "02800002"])
    assert newest(talk, "m") == {"02010100": (2301, GOOD), "02800002": (None, REFUSED)}


def test_error_word_when_it_says_another_thing_then_the_meter_failed() -> None:
    faulty = meter(refuses=frozenset({"02800002"}), error=1)
    talk = talked([faulty], {"m": A}, ["02010100", "02800002"])
    assert newest(talk, "m") == {"02010100": (2301, GOOD), "02800002": (None, FAILURE)}


@pytest.mark.parametrize("piece", [0, 9])
def test_answer_when_of_several_frames_then_whole(piece: int) -> None:
    faults = {"piece": piece} if piece else {}
    talk = talked([meter(**faults)], {"m": A}, ["020A01FF.1", "020A01FF.21"])
    assert {quality for _, quality in newest(talk, "m").values()} == {GOOD}


def test_block_when_the_meter_has_one_phase_then_refused_for_its_length_and_each_read_alone() -> (
    None
):
    talk = talked([meter(phases=1)], {"m": A}, ["02010100", "02010200"])
    talk.finish()
    assert {row.quality for row in talk.rows() if row.at_ms < 500} == {REFUSED}
    assert newest(talk, "m") == {"02010100": (2301, GOOD), "02010200": (2311, GOOD)}


def test_answer_when_damaged_each_time_then_said() -> None:
    talk = talked([meter(damage=True)], {"m": A}, ["02010100"])
    assert newest(talk, "m") == {"02010100": (None, DAMAGED)}


def test_meter_when_mute_then_its_neighbour_is_read_and_it_comes_back() -> None:
    silent = meter(B, mute=True)
    talk = talked([meter(), silent], {"a": A, "b": B}, ["02010100"], 20_000)
    assert newest(talk, "a") == {"02010100": (2301, GOOD)}
    assert newest(talk, "b") == {"02010100": (None, NO_ANSWER)}
    silent.faults.mute = False
    talk.run(32_000)
    assert newest(talk, "b") == {"02010100": (2301, GOOD)}


def test_late_answer_when_it_refuses_then_never_taken_for_the_next_request(
    rng: random.Random,
) -> None:
    """An error answer names no data: after a time-out it may belong to the one before."""
    slow = meter(refuses=frozenset({"02800002"}))
    told = {"timeout_ns": 300_000_000}
    talk = talked([slow], {"m": A}, ["02010100", "02800002"], **told)
    assert newest(talk, "m") == {"02010100": (2301, GOOD), "02800002": (None, REFUSED)}

    def turn() -> None:
        slow.faults.answer_ms = 451 - slow.faults.answer_ms
        talk.at(talk.now_ms + rng.uniform(200, 900), turn)

    talk.at(5000, turn)
    talk.run(600_000)
    talk.finish()
    rows = [row for row in talk.rows(5000) if row.tag == "02010100"]
    assert {row.quality for row in rows} >= {GOOD, NO_ANSWER}
    assert REFUSED not in {row.quality for row in rows}


def test_scale_when_applied_then_the_printed_number() -> None:
    assert 2301 * known("02010100").scale == Decimal("230.1")
