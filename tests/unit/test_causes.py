"""What status says of a trouble, beyond what the driver knows of one request."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.causes import explain
from gateway.messages import about
from tests.cli.daemon import SNAPSHOT, device

NOW_NS = 1_000_000_000_000


def _link(**changes: Any) -> dict[str, Any]:
    return {**SNAPSHOT["links"][0], "damaged": 0, "wrong": 0, "since_s": 3600.0, **changes}


def _explained(link: dict[str, Any], devices: list[dict[str, Any]], rows: Any = ()) -> None:
    explain([link], devices, lambda name: rows, NOW_NS)  # type: ignore[arg-type, list-item]


def test_link_when_down_then_named_with_its_devices() -> None:
    link = _link(cause={"id": "link.refused", "args": {"target": "10.0.0.1:502"}})
    _explained(link, [device(f"press-{number}", "silent", None) for number in range(1, 6)])
    assert about(link["cause"], "zh") == (
        "链路 com1（press-1, press-2, press-3 … +2）：10.0.0.1:502 拒绝连接"
    )


@pytest.mark.parametrize(
    ("link", "last_good_s", "found"),
    [
        ({"type": "tcp", "damaged": 11}, None, ("device.no_answer", {})),
        ({}, None, ("device.no_answer_serial", {})),
        ({"damaged": 11}, None, ("device.no_answer_damaged", {"damaged": 11})),
        ({"damaged": 11}, 70.0, ("device.no_answer_serial", {})),
        ({"wrong": 3}, None, ("device.other_unit", {"unit": 11})),
        ({"wrong": 3}, 70.0, ("device.no_answer_serial", {})),
    ],
    ids=["tcp", "silence", "damage", "damage-once", "stranger", "stranger-once"],
)
def test_silence_when_the_counters_tell_more_then_so_does_the_cause(
    link: dict[str, Any], last_good_s: float | None, found: tuple[str, dict[str, Any]]
) -> None:
    silent = device("meter", "silent", {"id": "device.no_answer", "args": {}})
    silent.update(damaged=0, last_good_s=last_good_s)
    _explained(_link(**link), [silent])
    assert (silent["cause"]["id"], silent["cause"]["args"]) == found


@pytest.mark.parametrize(
    ("link", "neighbour", "found"),
    [
        ({"answers": 0, "bytes_in": 0}, "silent", "link.nothing_heard"),
        ({"answers": 0, "bytes_in": 900}, "silent", "link.nothing_understood"),
        ({"answers": 5}, "silent", "link.master_silent"),
        ({"answers": 5}, "good", "device.not_heard"),
    ],
)
def test_device_when_not_heard_on_another_master_s_bus_then_told_by_what_is_heard_there(
    link: dict[str, Any], neighbour: str, found: str
) -> None:
    silent = device("meter", "silent", {"id": "device.not_heard", "args": {}})
    _explained(_link(listen_only=True, **link), [silent, device("other", neighbour, None)])
    assert silent["cause"]["id"] == found


@pytest.mark.parametrize(
    ("quality", "ago_s", "waits"),
    [
        (pb.QUALITY_BAD_NO_ANSWER, 20, True),
        (pb.QUALITY_BAD_LINK_DOWN, 20, True),
        (pb.QUALITY_BAD_NO_ANSWER, 5, False),
        (pb.QUALITY_BAD_REFUSED, 20, False),
    ],
    ids=["silent-then", "down-then", "asked-since", "refused"],
)
def test_slow_group_when_the_device_is_back_then_it_waits_for_its_tick(
    quality: int, ago_s: int, waits: bool
) -> None:
    partly = {"id": "device.partly", "args": {"count": 1, "device": "meter"}}
    back = device("meter", "partly", partly)
    back["since_s"] = 10.0
    rows = [
        {"quality": pb.QUALITY_GOOD, "time_ns": NOW_NS, "tag": SimpleNamespace(every_ns=10**9)},
        {
            "quality": quality,
            "time_ns": NOW_NS - ago_s * 10**9,
            "tag": SimpleNamespace(every_ns=60 * 10**9),
        },
    ]
    _explained(_link(), [back], rows)
    if waits:
        assert back["cause"] == {"id": "device.waiting", "args": {"count": 1, "seconds": 40}}
    else:
        assert back["cause"] == partly
