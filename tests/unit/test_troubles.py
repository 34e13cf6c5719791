"""What is wrong, worst first, and in few lines."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.messages import about, remedy
from gateway.report.troubles import grouped, shortened, spans, worst_first
from tests.cli.daemon import SNAPSHOT, device

SILENT = {"id": "device.no_answer_since", "args": {"age": {"id": "cli.seconds", "args": {}}}}
PRESSES = [f"press-{number:02}" for number in range(1, 25)]


def presses(cause: Any, away: list[str]) -> list[dict[str, Any]]:
    return [
        device(name, "silent" if name in away else "good", cause if name in away else None)
        for name in PRESSES
    ]


def now(**changes: Any) -> Any:
    fine = {
        "buffer": {**SNAPSHOT["buffer"], "warnings": []},
        "uplink": {**SNAPSHOT["uplink"], "cause": None},
        "links": [SNAPSHOT["links"][0]],
        "devices": [],
    }
    return {**SNAPSHOT, **fine, **changes}


def said(*found: Any) -> list[str]:
    return [each["id"] for each in found]


def test_troubles_when_there_are_many_then_loss_comes_first_and_what_passes_last() -> None:
    waiting = {"id": "device.waiting", "args": {"count": 1, "seconds": 9}}
    refused = {"id": "device.refused", "args": {"code": 2}}
    lost = {"id": "buffer.full", "args": {"blocks": 5}}
    down = {"id": "link.refused", "args": {}}
    links = [
        {**SNAPSHOT["links"][0], "warnings": [{"id": "link.noisy", "args": {}}]},
        {**SNAPSHOT["links"][1], "cause": down},
    ]
    behind = {**device("far", "silent", {"id": "device.link_down", "args": {}}), "link": "车间网络"}
    moment = now(
        links=links,
        devices=[device("slow", "partly", waiting), device("plc", "partly", refused), behind],
        buffer={**SNAPSHOT["buffer"], "warnings": [lost]},
        uplink={**SNAPSHOT["uplink"], "warnings": [{"id": "certificate.soon", "args": {}}]},
        clock={"source": "unknown", "error_ms": 0.0, "utc_ns": 0},
    )
    rest: Any = [{"id": "daemon.config_changed", "args": {"files": "gateway.toml"}}]
    assert said(*worst_first(moment, rest)) == [
        "buffer.full", "uplink.unreachable", "certificate.soon", "link.noisy", "link.refused",
        "device.refused", "clock.unknown", "device.waiting", "daemon.config_changed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("warning", "found"),
    [
        ("certificate.expired", ["certificate.expired", "uplink.closed"]),
        ("certificate.soon", ["uplink.closed", "certificate.soon"]),
    ],
)
def test_platform_when_our_certificate_is_over_then_that_is_said_before_what_it_causes(
    warning: str, found: list[str]
) -> None:
    uplink = {
        **SNAPSHOT["uplink"],
        "cause": {"id": "uplink.closed", "args": {}},
        "warnings": [{"id": warning, "args": {}}],
    }
    clock = {"source": "system", "error_ms": 0.0, "utc_ns": 0}
    assert said(*worst_first(now(links=[], uplink=uplink, clock=clock), [])) == found


def test_devices_when_their_link_says_it_all_then_they_are_left_out() -> None:
    links = [{**SNAPSHOT["links"][0], "warnings": [{"id": "link.silent", "args": {}}]}]
    moment = now(links=links, devices=presses(SILENT, PRESSES))
    assert said(*worst_first(moment, [])) == ["link.silent"]


def test_devices_when_one_cause_is_that_of_many_then_one_line_with_the_remedy_once() -> None:
    devices: Any = presses(SILENT, PRESSES[2:20])
    (one,) = grouped(worst_first(now(devices=devices), []), devices)
    assert about(one, "zh") == "链路 com1：24 台中 18 台没有应答：press-03 … press-20"
    assert about(one, "en") == "link com1: 18 of 24 devices do not answer: press-03 … press-20"
    assert remedy(one["id"], "zh", **one["args"]) == "先查设备电源、停机、接线松动"


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (
            {"id": "device.waiting", "args": {"count": 2, "seconds": 40}},
            "设备已恢复，4 个标签等下一次读取（40 秒内）",
        ),
        (
            {"id": "device.failure", "args": {"bad": 1, "tags": 3}},
            "6 个标签中 2 个读不到：设备报告内部故障（异常码 4）",
        ),
        ({"id": "device.partly", "args": {"count": 2}}, "4 个标签读不到"),
    ],
    ids=["waiting", "of-tags", "partly"],
)
def test_devices_when_their_causes_count_then_the_line_for_all_counts_all(
    cause: dict[str, Any], words: str
) -> None:
    devices: Any = presses(cause, ["press-01", "press-05"])
    (one,) = grouped(worst_first(now(devices=devices), []), devices)
    assert about(one, "zh") == f"链路 com1：24 台中 2 台（press-01, press-05）：{words}"
    if cause["id"] == "device.partly":  # a remedy with a name in it: that of the first
        assert "jiahe watch press-01 " in remedy(one["id"], "zh", **one["args"])


@pytest.mark.parametrize("first", [0, 1])
def test_devices_when_some_tags_of_one_and_all_of_another_are_bad_then_a_line_each(
    first: int,
) -> None:
    some = {"id": "device.damaged", "args": {"bad": 1, "tags": 3}}
    whole: dict[str, Any] = {"id": "device.damaged", "args": {}}
    devices: Any = presses(whole, PRESSES[:2])
    devices[first]["cause"] = some
    found = [about(each, "zh") for each in grouped(worst_first(now(devices=devices), []), devices)]
    assert len(found) == 2
    assert found[first].startswith(f"{PRESSES[first]}：3 个标签中 1 个读不到")


def test_device_when_its_link_is_up_and_has_a_cause_of_its_own_then_both_are_said() -> None:
    contested = {"id": "link.contested", "args": {"link": "com1", "devices": "press-01"}}
    refused = {"id": "device.refused", "args": {"code": 2}}
    links = [{**SNAPSHOT["links"][0], "cause": contested}]
    moment = now(links=links, devices=presses(refused, PRESSES[:1]))
    assert said(*worst_first(moment, [])) == ["link.contested", "device.refused"]


def test_devices_when_their_causes_differ_then_a_line_each() -> None:
    devices: Any = presses(SILENT, PRESSES[:2])
    devices[0]["cause"] = {"id": "device.refused", "args": {"code": 2}}
    devices[1]["cause"] = {"id": "device.refused", "args": {"code": 3}}
    devices[2]["cause"] = SILENT
    found = grouped(worst_first(now(devices=devices), []), devices)
    assert [each["args"].get("several") for each in found] == [None, None, None]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("a", "a"),
        ("ab", "a, b"),
        ("abc", "a … c"),
        ("abcdf", "a … d, f"),
        ("acegi", "a, c, e … +2"),
        ("abdefghj", "a, b, d … h … +1"),
    ],
)
def test_names_when_in_a_row_then_the_first_and_the_last(names: str, words: str) -> None:
    assert spans(list(names), list("abcdefghijk")) == words


def test_list_when_cut_then_never_what_is_not_about_links_or_devices() -> None:
    found: Any = [
        {"id": "device.no_answer", "args": {"device": name, "code": name}} for name in PRESSES
    ]
    found = [*found, {"id": "link.noisy", "args": {}}, {"id": "clock.unknown", "args": {}}]
    kept, left_out = shortened(found, 12)
    assert [each["args"].get("device") for each in kept[:12]] == PRESSES[:12]
    assert said(*kept[12:]) == ["clock.unknown"]
    assert left_out == 12 * ["jiahe devices"] + ["jiahe links"]
