"""What status says of a trouble, beyond what the driver knows of one request."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.messages import about, remedy
from gateway.report.causes import explain
from gateway.report.recent import Recent
from tests.cli.daemon import SNAPSHOT, device

NOW_NS = 1_000_000_000_000


def _link(**changes: Any) -> dict[str, Any]:
    return {**SNAPSHOT["links"][0], "damaged": 0, "wrong": 0, "since_s": 3600.0, **changes}


def _explained(
    link: dict[str, Any], devices: list[dict[str, Any]], rows: Any = (), recent: Any = None
) -> None:
    made: Any = (lambda name: rows, recent or Recent(), NOW_NS)
    explain([link], devices, *made)  # type: ignore[list-item, arg-type]


def test_link_when_down_then_named_with_its_devices() -> None:
    link = _link(cause={"id": "link.refused", "args": {"target": "10.0.0.1:502"}})
    _explained(link, [device(f"press-{number}", "silent", None) for number in range(1, 6)])
    assert about(link["cause"], "zh") == (
        "链路 com1（press-1, press-2, press-3 … +2）：10.0.0.1:502 拒绝连接"
    )


def test_noise_when_heavy_then_the_link_s_warning_stays_and_each_device_keeps_one_cause() -> None:
    """Answers are spoilt and swallowed in turns, and one in ten comes through."""
    recent, said, told = Recent(), set(), set()
    counts = {"requests": 0, "damaged": 0, "timeouts": 0}
    for second in range(120):
        lost = "damaged" if second // 4 % 2 else "timeouts"
        counts = {**counts, "requests": counts["requests"] + 10, lost: counts[lost] + 9}
        cause = "device.damaged" if lost == "damaged" else "device.no_answer"
        made = device("meter", "silent", {"id": cause, "args": {}})
        one = {**made, **counts, "last_good_s": float(second % 4)}
        link = _link(cause=None, state="up", **counts)
        now_ns = NOW_NS + second * 10**9
        explain([link], [one], lambda name: (), recent, now_ns)  # type: ignore[list-item]
        if second >= 10:
            said |= {one["cause"]["id"]}
            told |= {each["id"] for each in link["warnings"]}
    assert said == {"device.damaged"}
    assert told == {"link.noisy_lost"}


@pytest.mark.parametrize(("heartbeats", "found"), [(0, "link.noisy_dtu"), (3, "link.noisy")])
def test_noise_when_a_dtu_s_heartbeat_may_be_it_then_said(heartbeats: int, found: str) -> None:
    counts = {"requests": 100, "damaged": 30, "timeouts": 0}
    one = {**device("meter", "good", None), **counts, "last_good_s": 0.1}
    link = _link(type="listen", cause=None, state="up", **counts)
    link["dialled"] = {"heartbeats": heartbeats}
    _explained(link, [one])
    assert [each["id"] for each in link["warnings"]] == [found]


def _silent(name: str = "meter", last_good_s: float | None = None, **changes: Any) -> Any:
    made = device(name, "silent", {"id": "device.no_answer", "args": {}})
    return {**made, "damaged": 0, "timeouts": 9, "last_good_s": last_good_s, **changes}


@pytest.mark.parametrize(
    ("link", "changes", "found"),
    [
        ({"type": "tcp"}, {}, "device.never_answered_tcp"),
        ({"type": "tcp"}, {"last_good_s": 12.0}, "device.no_answer_since_tcp"),
        ({}, {}, "device.never_answered"),
        ({}, {"last_good_s": 12.0}, "device.no_answer_since"),
        ({}, {"exceptions": 3}, "device.no_answer"),
        ({"type": "udp"}, {"last_good_s": 12.0}, "device.no_answer"),
        ({}, {"damaged": 11}, "device.no_answer_damaged"),
        ({"type": "tcp"}, {"damaged": 11}, "device.no_answer_damaged"),
        ({}, {"damaged": 2}, "device.never_answered"),
        ({"wrong": 3}, {}, "device.other_unit"),
        ({"wrong": 3}, {"unit": None}, "device.never_answered_meter"),
        ({"type": "tcp"}, {"unit": None, "line": False}, "device.never_answered_host"),
        ({"type": "tcp"}, {"unit": None, "line": True}, "device.never_answered_meter"),
    ],
    ids=[
        "tcp-never", "tcp-since", "never", "since", "refused-before", "udp", "damage", "tcp-damage",
        "damage-rare", "stranger", "stranger-meter", "host", "meter-behind-a-server",
    ],
)  # fmt: skip
def test_silence_when_the_counters_tell_more_then_so_does_the_cause(
    link: dict[str, Any], changes: dict[str, Any], found: str
) -> None:
    silent = _silent(**changes)
    _explained(_link(**link), [silent])
    assert silent["cause"]["id"] == found


@pytest.mark.parametrize(
    ("kind", "state", "found"),
    [
        ("serial", "good", "device.no_answer_damaged_alone"),
        ("serial", "silent", "device.no_answer_damaged"),
        ("tcp", "good", "device.no_answer_damaged"),  # another connection, another wire
    ],
)
def test_damage_when_the_others_on_its_bus_are_well_then_a_number_used_twice_is_named(
    kind: str, state: str, found: str
) -> None:
    spoilt = _silent("press-1", damaged=11)
    other = device("press-2", state, None) if state == "good" else _silent("press-2")
    _explained(_link(type=kind), [spoilt, {**other, "link": spoilt["link"]}])
    assert spoilt["cause"]["id"] == found


def test_damage_when_the_driver_has_words_of_its_own_then_a_time_out_does_not_change_them() -> None:
    """Two meters that answer at once are mostly heard as damage, and now and then not at all."""
    own = {"id": "dlt645.collision", "args": {"device": "meter"}}
    for cause in (own, {"id": "device.no_answer", "args": {}}):
        spoilt = _silent(cause=cause, damaged=175, timeouts=2, damage=own)
        link = _link(cause=None, state="up", requests=177)
        _explained(link, [spoilt])
        assert spoilt["cause"] == own
        assert link["warnings"] == []  # the meter says it all
    silent = _silent(damaged=0, damage=own)
    _explained(_link(), [silent])
    assert silent["cause"]["id"] == "device.never_answered"


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("said", ["device.never_answered", "device.never_answered_alone"])
def test_device_when_it_never_answered_on_a_wire_then_its_framing_is_named(
    said: str, language: Any
) -> None:
    assert "framing" in remedy(said, language)


@pytest.mark.parametrize(("state", "found"), [("starting", []), ("good", ["link.noisy"])])
def test_noise_when_nothing_was_read_yet_then_not_said_to_be_read_by_asking_again(
    state: str, found: list[str]
) -> None:
    counts = {"requests": 20, "damaged": 20, "timeouts": 0}
    link = _link(cause=None, state="up", **counts)
    _explained(link, [{**device("meter", state, None), **counts}])
    assert [each["id"] for each in link["warnings"]] == found


def test_silence_when_it_was_noisy_before_and_is_off_now_then_silence_is_said() -> None:
    recent = Recent()
    for damaged, timeouts, found in (
        (500, 0, "device.no_answer_since"),
        (500, 9, "device.no_answer_since"),
        (520, 19, "device.damaged"),
    ):
        silent = _silent(last_good_s=12.0, damaged=damaged, timeouts=timeouts)
        _explained(_link(), [silent], recent=recent)
        assert silent["cause"]["id"] == found


def test_silence_when_the_last_that_came_was_damaged_then_that_is_said_at_once() -> None:
    silent = _silent(last_good_s=0.2, cause={"id": "device.damaged", "args": {}})
    _explained(_link(), [silent])
    assert silent["cause"] == {"id": "device.damaged", "args": {}}


@pytest.mark.parametrize("last_good_s", [12.0, None])
def test_link_when_all_its_devices_are_silent_then_one_line_that_begins_with_the_bus(
    last_good_s: float | None,
) -> None:
    link, tcp = _link(), _link(type="tcp")
    for each in (link, tcp):
        _explained(each, [_silent("press-1", last_good_s), _silent("press-2")])
    before = "启动以来从未正常" if last_good_s is None else "12 秒前还正常"
    words = f"链路 com1（press-1, press-2）：/dev/jiahe/com1 上没有设备应答（{before}）"
    assert [about(said, "zh") for said in link["warnings"]] == [words]
    assert remedy("link.silent", "zh").startswith("先查总线")
    assert [said["id"] for said in tcp["warnings"]] == ["link.silent_tcp"]


@pytest.mark.parametrize(
    ("counts", "unit", "found"),
    [
        ({"requests": 9, "answers": 0}, 1, "link.reset_asked"),
        ({"requests": 9, "answers": 3}, 1, "link.reset"),
        ({"requests": 0, "answers": 0}, 1, "link.reset"),  # it was not asked yet
        ({"requests": 9, "answers": 0}, None, "link.reset"),  # a host is asked in its own way
    ],
)
def test_link_when_it_hangs_up_whenever_it_is_asked_then_its_framing_is_named(
    counts: dict[str, int], unit: int | None, found: str
) -> None:
    reset = {"id": "link.reset", "args": {"target": "10.0.0.1:502"}}
    link = _link(type="tcp", state="down", cause=reset, **counts)
    _explained(link, [_silent(unit=unit)])
    assert link["cause"]["id"] == found


def test_link_when_it_is_up_for_a_moment_between_two_hang_ups_then_the_same_is_said() -> None:
    counts = {"requests": 9, "answers": 0, "reconnects": 4, "timeouts": 0}
    link = _link(type="tcp", **counts)
    asked = _silent(state="starting", cause=None, timeouts=0)
    _explained(link, [asked])
    assert asked["state"] == "silent"
    (said,) = link["warnings"]
    assert said["id"] == "link.reset_asked" and said["args"]["link"] == link["name"]
    again = _link(type="tcp", **counts | {"answers": 5})
    _explained(again, [device("press-1", "good", None)])
    assert again["warnings"] == []


def test_link_when_nothing_answers_then_the_commands_name_its_host() -> None:
    for target, host in (("10.0.0.1:502", "10.0.0.1"), ("[fe80::1%eth0]:502", "fe80::1%eth0")):
        cause = {"id": "link.timeout", "args": {"target": target}}
        link = _link(type="tcp", state="down", cause=cause, target=target)
        _explained(link, [_silent()])
        for lang in ("zh", "en"):
            mend = remedy(link["cause"]["id"], lang, **link["cause"]["args"])
            assert f"ip route get {host}" in mend and f"ping {host}" in mend


def test_meters_when_none_ever_answered_behind_a_server_then_their_number_is_named() -> None:
    for members in (1, 2):
        link = _link(type="tcp")
        _explained(link, [_silent(f"m-{n}", unit=None, line=True) for n in range(members)])
        (said,) = link["warnings"]
        assert said["id"] == "link.silent_meters" and "unit" not in remedy(said["id"], "en")


def test_connection_when_given_up_and_made_in_turn_then_told_as_one_trouble() -> None:
    """Up, closed after time-outs, up again; then nobody accepts any more."""
    recent, found = Recent(), []
    timeout = {"id": "link.timeout", "args": {"target": "10.0.0.1:502"}}
    for second, state in enumerate(("up", "connecting", "down", "up", *10 * ["connecting"])):
        link = _link(type="tcp", state=state, cause=None if state == "up" else timeout)
        explain([link], [_silent()], lambda name: (), recent, NOW_NS + second * 10**9)  # type: ignore[list-item]
        (said,) = [link["cause"]] if link["cause"] else link["warnings"]
        found.append(said["id"])
    assert found == 13 * ["link.silent_alone"] + ["link.timeout"]


@pytest.mark.parametrize(
    ("last_good_s", "words"),
    [(None, "核对站号（unit，常为 1 或 255）"), (12.0, "多半是控制器停机")],
)
def test_controller_when_it_accepts_and_does_not_answer_then_no_word_of_wires(
    last_good_s: float | None, words: str
) -> None:
    link = _link(type="tcp")
    _explained(link, [_silent(last_good_s=last_good_s)])
    (said,) = link["warnings"]
    assert "连接" in about(said, "zh") and "已通但不应答" in about(said, "zh")
    advice = remedy(said["id"], "zh", **said["args"])
    assert advice.startswith(words) and "A/B" not in advice


def test_link_when_one_answers_or_it_is_alone_then_each_device_speaks_for_itself() -> None:
    link, alone = _link(), _link()
    _explained(link, [_silent("press-1"), device("press-2", "good", None)])
    _explained(alone, [_silent("press-1")])
    assert link["warnings"] == alone["warnings"] == []


@pytest.mark.parametrize(
    ("requests", "damaged", "found"),
    [(45, 11, [24]), (1000, 40, []), (10, 2, []), (60, 3, [5])],
    ids=["noisy", "rare", "few", "border"],
)
def test_link_when_damage_was_read_by_asking_again_then_noisy_from_a_twentieth_on(
    requests: int, damaged: int, found: list[int]
) -> None:
    link = _link()
    good = {**device("meter", "good", None), "requests": requests, "damaged": damaged}
    _explained(link, [good])
    assert [said["args"]["percent"] for said in link["warnings"]] == found


def test_noise_when_it_lessens_then_said_until_it_is_well_and_of_the_last_minute() -> None:
    recent, now_ns, found = Recent(), NOW_NS, []
    requests = damaged = 0
    for share in (0.08, 0.03, 0.03, 0.0, 0.0, 0.03):
        link = _link()
        requests, damaged = requests + 1000, damaged + int(1000 * share)
        good = {**device("meter", "good", None), "requests": requests, "damaged": damaged}
        explain([link], [good], lambda name: (), recent, now_ns)  # type: ignore[list-item]
        found.append([said["args"]["percent"] for said in link["warnings"]])
        now_ns += 61 * 10**9
    assert found == [[8], [3], [3], [], [], []]


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


def test_bus_of_another_master_when_nothing_is_heard_then_one_line_for_the_link() -> None:
    link = _link(listen_only=True, answers=0, bytes_in=0)
    cause = {"id": "device.not_heard", "args": {}}
    _explained(link, [device(f"press-{n}", "silent", cause) for n in (1, 2)])
    assert [said["id"] for said in link["warnings"]] == ["link.nothing_heard"]
    assert link["warnings"][0]["args"]["devices"] == "press-1, press-2"


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
