"""A device's state and cause, from how many of its tags have which quality."""

from __future__ import annotations

from typing import Any

from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers.states import judge
from gateway.report.troubles import causes

NONE = pb.QUALITY_BAD_NO_VALUE


def test_state_when_the_device_says_none_then_good_and_said() -> None:
    found = {"silent": False, "ever": True, "quality": 0, "exception": 0, "name": "d", "link": "l"}
    state, cause = judge(lambda quality, code: None, found, "up", {1: 2, NONE: 3}, 129)
    assert (state, cause) == (
        "good", {"id": "device.no_value", "args": {"count": 3, "device": "d"}}
    )  # fmt: skip


def test_state_when_a_cpu_is_in_stop_and_refuses_a_block_then_both_are_said() -> None:
    found: dict[str, Any] = {
        "silent": False, "ever": True, "quality": 0, "exception": 5, "name": "plc", "link": "l"
    }  # fmt: skip
    stop = {"id": "s7.stopped", "args": {}}
    state, cause = judge(
        lambda quality, code: stop if quality == 67 else None, found, "up", {67: 2, 133: 3}, 129
    )
    assert (state, cause and cause["id"], found["beside"]) == ("partly", "device.refused", stop)
    told = causes([{**found, "cause": cause}])  # type: ignore[typeddict-item]
    assert [said["id"] for said in told] == ["device.refused", "s7.stopped"]
