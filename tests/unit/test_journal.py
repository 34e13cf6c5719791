"""What the journal says when a trouble begins and when it is over."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.messages import about
from gateway.report.journal import Journal

SILENT = {"id": "device.no_answer", "args": {"device": "meter-1"}}
DOWN = {
    "id": "link.refused",
    "args": {"target": "10.0.0.1:502", "link": "ur", "devices": "meter-1"},
}
AWAY = {"id": "uplink.refused", "args": {"address": "ingest:8443"}}


def _at(*warnings: dict[str, Any], state: str = "good") -> Any:
    return {
        "warnings": list(warnings),
        "links": [],
        "devices": [{"name": "meter-1", "state": state, "link": "ur"}],
    }


def _said(caplog: pytest.LogCaptureFixture, lang: str, *moments: Any) -> list[str]:
    journal = Journal(lang)
    with caplog.at_level("INFO", "gateway.report.journal"):
        for number, moment in enumerate(moments):
            journal.told(moment, number * 8_000_000_000)
    return [record.getMessage().partition(" → ")[0] for record in caplog.records]


@pytest.mark.parametrize(
    ("lang", "trouble", "words"),
    [
        ("zh", SILENT, ["meter-1：设备没有应答", "meter-1：恢复应答（中断 8 秒）"]),
        (
            "en",
            SILENT,
            ["meter-1: the device does not answer", "meter-1: answers again (after 8 s)"],
        ),
        (
            "zh",
            DOWN,
            ["链路 ur（meter-1）：10.0.0.1:502 拒绝连接", "链路 ur（meter-1）：恢复（中断 8 秒）"],
        ),
        ("zh", AWAY, ["平台 ingest:8443 拒绝连接", "平台连接恢复（中断 8 秒）"]),
    ],
)
def test_trouble_when_it_ends_then_what_works_again_is_said(
    caplog: pytest.LogCaptureFixture, lang: str, trouble: dict[str, Any], words: list[str]
) -> None:
    assert _said(caplog, lang, _at(trouble), _at()) == words


def test_trouble_when_it_lasts_then_said_once(caplog: pytest.LogCaptureFixture) -> None:
    again = {"id": "device.no_answer", "args": {"device": "meter-1"}}
    assert len(_said(caplog, "en", _at(SILENT), _at(again), _at(again))) == 1


def test_trouble_when_its_words_change_then_said_once_they_lasted_and_never_ended_by_that(
    caplog: pytest.LogCaptureFixture,
) -> None:
    args = {"target": "10.0.0.1:5000", "link": "ur", "devices": "meter-1"}
    cut = {"id": "mtconnect.not_an_agent", "args": {**args, "error": "no XML"}}
    refused = {"id": "link.refused", "args": args}
    moments = [_at(cut), _at(refused), _at(cut), *[_at(refused)] * 9, _at()]
    assert _said(caplog, "zh", *moments) == [
        "链路 ur（meter-1）：10.0.0.1:5000 答的不是 MTConnect（no XML）",
        "链路 ur（meter-1）：10.0.0.1:5000 拒绝连接",
        "链路 ur（meter-1）：恢复（中断 1 分）",
    ]


def test_device_when_it_was_silent_and_refuses_then_why_is_said_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refuses = {"id": "s7.put_get", "args": {"device": "meter-1"}}
    assert _said(caplog, "en", _at(SILENT), _at(refuses), _at(refuses)) == [
        "meter-1: the device does not answer",
        "meter-1: the CPU does not permit reading (81 04)",
    ]


def test_trouble_when_it_comes_and_goes_then_one_trouble_with_how_often(
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = _said(caplog, "en", *[_at(SILENT), _at()] * 20, *[_at()] * 130)
    assert said == [
        "meter-1: the device does not answer",
        "meter-1: answers again (after 8 s)",
        "comes and goes (not logged again until it stays away for 15 min): "
        "meter-1: the device does not answer",
        "stayed away for 15 min (came 20 times, 2 min in all): meter-1: the device does not answer",
    ]


def test_trouble_when_it_came_again_and_stays_then_its_other_words_are_said_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """8 s a look: a quarter of an hour is 113."""
    cut = {"id": "device.refused", "args": {"device": "meter-1"}}
    said = _said(caplog, "en", _at(SILENT), _at(), *[_at(SILENT)] * 20, *[_at(cut)] * 120)
    assert said[2].startswith("comes and goes")
    assert len(said) == 4
    assert said[3] == about(cut, "en")


def test_trouble_when_it_begins_where_its_link_has_no_lines_left_then_said_when_it_has(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And one that is over by then is not said to be over."""
    journal = Journal("en")
    names = [f"press-{number}" for number in range(7)]
    devices = [{"name": name, "state": "good", "link": "ur"} for name in names]

    def look(second: int, *away: str) -> list[str]:
        here = [{"id": "device.refused", "args": {"device": each}} for each in away]
        told: Any = {"warnings": here, "links": [], "devices": devices}
        before = len(caplog.records)
        journal.told(told, second * 10**9)
        return [record.getMessage().partition(" → ")[0] for record in caplog.records[before:]]

    with caplog.at_level("INFO", "gateway.report.journal"):
        for number in range(5):
            assert len(look(2 * number, names[number])) == 1 + (number > 0)
        assert "no more lines of link ur" in look(10)[0]
        assert look(12, names[5], names[6]) == []
        assert look(600, names[5]) == []
        assert look(3599, names[5]) == []
        assert look(3700, names[5]) == [
            about({"id": "device.refused", "args": {"device": names[5]}}, "en")
        ]
        assert look(3708)[0].startswith("over: press-5")


@pytest.mark.parametrize("rest_s", [1, 61, 899, 901, 1801])
def test_link_when_it_and_its_devices_come_and_go_for_hours_then_ten_lines_an_hour_at_most(
    caplog: pytest.LogCaptureFixture, rest_s: int
) -> None:
    names = [f"press-{number}" for number in range(32)]
    devices = [{"name": name, "state": "good", "link": "ur"} for name in names]
    journal, hour_ns = Journal("en"), 3600 * 10**9
    lines: list[int] = []
    now_ns = 0
    with caplog.at_level("INFO", "gateway.report.journal"):
        for number in range(40_000_000 // (1000 * rest_s)):
            away = [{"id": "device.no_answer", "args": {"device": names[number % 32]}}]
            for warnings in ([DOWN], away, []):
                journal.told({"warnings": warnings, "links": [], "devices": devices}, now_ns)  # type: ignore[typeddict-item]
                lines += [now_ns] * (len(caplog.records) - len(lines))
                now_ns += rest_s * 10**9 // 3
    assert len(lines) >= 10
    for first in range(len(lines)):
        assert sum(0 <= other - lines[first] < hour_ns for other in lines[first:]) <= 10, lines


def test_link_when_it_is_only_tried_again_then_not_called_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trying = {**_at(), "links": [{"name": "ur", "state": "connecting"}]}
    made = {**_at(), "links": [{"name": "ur", "state": "up", "since_s": 0.5}]}
    there = {**_at(), "links": [{"name": "ur", "state": "up", "since_s": 8.5}]}
    said = _said(caplog, "en", _at(DOWN), trying, _at(DOWN), made, there)
    assert said[1:] == ["link ur (meter-1): is up again (after 32 s)"]


def test_devices_when_many_begin_and_end_at_once_then_a_line_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = [f"press-{number}" for number in range(32)]
    journal = Journal("en")
    with caplog.at_level("INFO", "gateway.report.journal"):
        for number, state in enumerate(["silent", "good"]):
            devices = [{"name": name, "state": state, "link": "com1"} for name in names]
            away = [{"id": "device.no_answer", "args": {"device": each}} for each in names]
            here = away if state == "silent" else []
            journal.told({"warnings": here, "links": [], "devices": devices}, number * 9 * 10**9)  # type: ignore[typeddict-item]
    assert [record.getMessage().partition(" → ")[0] for record in caplog.records] == [
        "link com1: 32 of 32 devices do not answer: press-0 … press-31",
        "link com1: 32 of 32 devices (press-0 … press-31): answers again (after 9 s)",
    ]


def test_value_when_it_is_inside_its_limits_again_then_not_called_an_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outside = {"id": "device.out_of_range", "args": {"device": "meter-1", "count": 2}}
    said = _said(caplog, "en", _at(outside), _at())
    assert said == [
        "meter-1: 2 tags are outside their min and max",
        "over: meter-1: 2 tags are outside their min and max (after 8 s)",
    ]


def test_data_budget_when_it_is_used_up_after_the_warning_then_not_called_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    used = {"used": "1.9 GB", "budget": "2.0 GB", "percent": "95", "resets": "明天"}
    near, used_up = ({"id": f"budget.{each}", "args": used} for each in ("near", "used_up"))
    said = _said(caplog, "zh", _at(near), _at(used_up), _at())
    assert said[0].startswith("流量已用 95 %") and said[1].startswith("流量已用完")
    assert said[2].startswith("问题已解除（持续 16 秒）：流量已用完") and len(said) == 3


def test_device_when_its_link_goes_down_then_not_called_back_before_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    moments = [_at(SILENT, state="silent"), _at(DOWN, state="silent"), _at(state="good")]
    said = _said(caplog, "zh", *moments)
    assert said[2:] == ["链路 ur（meter-1）：恢复（中断 8 秒）", "meter-1：恢复应答（中断 16 秒）"]


def test_device_when_only_a_slow_group_waits_then_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    waiting = {"id": "device.waiting", "args": {"device": "meter-1", "count": 2, "seconds": 40}}
    said = _said(caplog, "zh", _at(SILENT), _at(waiting, state="partly"), _at())
    assert said == ["meter-1：设备没有应答", "meter-1：恢复应答（中断 8 秒）"]


def test_noise_when_it_ends_then_not_told_as_a_link_that_was_down(
    caplog: pytest.LogCaptureFixture,
) -> None:
    noisy = {"id": "link.noisy", "args": {"link": "com1", "percent": 24}}
    said = _said(caplog, "zh", _at(noisy), _at())
    words = "链路 com1：最近 24 % 的应答损坏，重问后读到"
    assert said == [words, f"问题已解除（持续 8 秒）：{words}"]


def test_bus_when_all_of_it_goes_silent_then_the_devices_told_before_are_not_called_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus = {"id": "link.silent", "args": {"target": "x", "link": "com1", "devices": "meter-1"}}
    moments = [_at(SILENT, state="silent"), _at(bus, state="silent"), _at(state="good")]
    said = _said(caplog, "zh", *moments)
    assert said[2:] == [
        "链路 com1（meter-1）：恢复（中断 8 秒）",
        "meter-1：恢复应答（中断 16 秒）",
    ]


def test_record_when_made_then_link_and_device_are_its_fields(
    caplog: pytest.LogCaptureFixture,
) -> None:
    _said(caplog, "en", _at(SILENT), _at(DOWN))
    fields = [vars(record) for record in caplog.records]
    assert [(each["said"], each["device"], each["link"]) for each in fields] == [
        ("device.no_answer", "meter-1", "ur"),
        ("link.refused", "", "ur"),
        ("device.over", "meter-1", "ur"),
    ]
