"""What the forecast tries out: when the box sends, and what stands for devices left out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path

import pytest

from drivers.api import Field, GroupPlan, TagSpec
from drivers.modbus.request import Read as ModbusRead
from drivers.modbus.request import request_of
from drivers.modbus.simulator.example import scans
from gateway.cli import trial
from gateway.cli.forecast import forecast
from gateway.cli.trial import DAY_NS, Read, content_a_day, rhythm, schedule
from gateway.config import load

MS, S = 10**6, 10**9
HEARTBEAT_NS = 20 * S


@pytest.mark.parametrize(
    ("periods", "send_ns", "block_ns", "apart_ns", "blocks"),
    [
        ([10 * MS], S // 2, S // 2, S // 2, 1),  # the defaults: a block a beat
        ([10 * MS], 10 * S, S // 2, 10 * S, 20),
        ([S], S // 2, S // 2, S, 1),  # nothing to carry in between
        ([4 * S], 10 * S, S // 2, 12 * S, 3),  # the fourth is too late for the first's send
        ([4 * S, 3 * S], 12 * S, S // 2, 12 * S, 6),
    ],
)
def test_sends_when_scans_come_so_often_then_are_so_far_apart(
    periods: list[int], send_ns: int, block_ns: int, apart_ns: int, blocks: int
) -> None:
    sends = list(islice(schedule(periods, send_ns, block_ns), 1, 6))  # the first comes early
    assert {b.at_ns - a.at_ns for a, b in pairwise(sends)} == {apart_ns}
    assert {len(send.ends_ns) for send in sends} == {blocks}
    found = rhythm(periods, send_ns, block_ns, HEARTBEAT_NS)
    assert found.sends == pytest.approx(DAY_NS / apart_ns)
    assert found.blocks == pytest.approx(DAY_NS / apart_ns * blocks)
    assert found.heartbeats == 0


def test_heartbeats_when_pauses_are_long_then_are_counted_in_each() -> None:
    assert rhythm([60 * S], S, S // 2, HEARTBEAT_NS).heartbeats == pytest.approx(DAY_NS / S / 30)
    assert rhythm([], S, S // 2, HEARTBEAT_NS).heartbeats == DAY_NS / HEARTBEAT_NS


def read(device: int, tags: Sequence[TagSpec], period_ns: int) -> Read:
    requests = (request_of(ModbusRead(3, 0, 2 * len(tags))),)
    fields = tuple(Field(0, 4 * i, "uint32", "ABCD", 4, -1) for i in range(len(tags)))
    return Read(
        "modbus", GroupPlan(f"d{device}", period_ns, tuple(tags), requests, fields, MS), period_ns
    )


def tags(count: int, period_ns: int) -> list[TagSpec]:
    return [TagSpec(f"t{i}", f"holding:{2 * i}", "uint32", period_ns) for i in range(count)]


def answers(one: Read, seed: str, count: int) -> Sequence[bytes]:
    return scans(one.plan, seed, count)


def test_content_when_devices_are_many_then_those_tried_stand_for_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads = [
        *(read(device, tags(5, S), S) for device in range(40)),
        *(read(device, tags(20, 200 * MS), 200 * MS) for device in range(40, 50)),
        *(read(device, tags(3, 300 * S), 300 * S) for device in range(50, 90)),
    ]
    exact = content_a_day(reads, 5 * S, S // 2, answers)
    monkeypatch.setattr(trial, "SAMPLES_MAX", trial.SAMPLES_MAX // 10)
    fewer = content_a_day(reads, 5 * S, S // 2, answers)
    assert fewer != exact
    assert fewer == pytest.approx(exact, rel=0.1)


def test_content_when_a_group_is_seldom_read_then_costs_as_seldom() -> None:
    often = [read(1, tags(5, S), S)]
    seldom = read(2, tags(50, 3600 * S), 3600 * S)
    both, alone = (content_a_day(each, S, S // 2, answers) for each in ([*often, seldom], often))
    assert 24 * 50 < both - alone < 24 * 50 * 6


@pytest.mark.parametrize("driver", ["s7", "mtconnect"])
def test_bytes_when_a_device_has_texts_then_what_jumps_costs_more_than_what_is_expected(
    tmp_path: Path, driver: str
) -> None:
    address = {"s7": "DB1.DBB0", "mtconnect": "program"}[driver]
    tag = f'{{ address = "{address}", type = "string", length = 16 }}'
    (tmp_path / "gateway.toml").write_text(
        'version = 1\n[gateway]\nid = "b"\n[platform]\naddress = "127.0.0.1:1"\ninsecure = true\n'
        f'[links.l]\ntype = "tcp"\naddress = "10.0.0.1"\n[devices.d]\nlink = "l"\n'
        f'driver = "{driver}"\nevery = "100 ms"\n[devices.d.tags]\nt = {tag}\n',
        encoding="utf-8",
    )
    config = load(tmp_path / "gateway.toml").config
    assert config is not None
    made = forecast(config)
    assert made.bytes_a_day_min <= made.bytes_a_day < made.bytes_a_day_max
