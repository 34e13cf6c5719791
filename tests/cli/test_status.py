"""`jiahe status` and its relatives while something is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.plain import width
from gateway.report.troubles import worst_first
from tests.cli.daemon import SNAPSHOT, daemon, device, jiahe

NEVER = {"id": "device.never_answered", "args": {}}


def moment(**changes: Any) -> dict[str, Any]:
    made: Any = {**SNAPSHOT, **changes}
    return {**made, "warnings": worst_first(made, [])}


def links_of(count: int) -> list[dict[str, Any]]:
    return [{**SNAPSHOT["links"][0], "name": f"com{number}"} for number in range(count)]


def test_status_when_many_devices_are_silent_then_the_loss_is_the_first_line(
    tmp_path: Path,
) -> None:
    devices = [device(f"press-{n:02}", "silent" if n < 14 else "good", None) for n in range(1, 25)]
    for each in devices[:13]:
        each["cause"] = NEVER
    with daemon(tmp_path, moment(links=links_of(1), devices=_on("com0", devices))) as config:
        lines = jiahe("status", "--config", config, lang="zh").stdout.splitlines()
    assert lines[1].startswith("▲ 缓存已满：已丢弃 5 个块")
    assert lines[3].startswith("▲ 到不了平台")
    assert lines[5] == "▲ 链路 com0：24 台中 13 台启动以来从未应答：press-01 … press-13"
    assert lines[6].startswith("  → 先查站号")
    assert lines[7].startswith("设备")


@pytest.mark.parametrize(
    ("lang", "words"),
    [("zh", "  还有 3 条：jiahe devices"), ("en", "  and 3 more: jiahe devices")],
)
def test_status_when_there_is_more_than_fits_then_said_where_the_rest_is(
    tmp_path: Path, lang: str, words: str
) -> None:
    links = links_of(15)
    devices = [one for link in links for one in _on(link["name"], [device("d", "silent", NEVER)])]
    for number, each in enumerate(devices):
        each["name"] = f"d{number}"
    clock = {"source": "unknown", "error_ms": 0.0, "utc_ns": 0}
    with daemon(tmp_path, moment(links=links, devices=devices, clock=clock)) as config:
        shown = jiahe("status", "--config", config, lang=lang).stdout.splitlines()
    assert words in shown
    assert sum(line.startswith("▲ d") for line in shown) == 12
    assert any(line.startswith(("▲ 时钟", "▲ the clock")) for line in shown)


def test_devices_when_a_whole_bus_is_silent_then_the_bus_is_said_once(tmp_path: Path) -> None:
    before = {"id": "link.never_before", "args": {}}
    args = {"target": "/dev/x", "before": before, "link": "com0", "devices": "p1, p2"}
    links = [{**links_of(1)[0], "warnings": [{"id": "link.silent", "args": args}]}]
    devices = _on("com0", [device(name, "silent", NEVER) for name in ("p1", "p2")])
    with daemon(tmp_path, moment(links=links, devices=devices)) as config:
        for command in ("devices", "links"):
            lines = jiahe(command, "--config", config, lang="zh").stdout.splitlines()
            warnings = [line for line in lines if line.startswith("▲")]
            assert warnings == ["▲ 链路 com0（p1, p2）：/dev/x 上没有设备应答（启动以来从未正常）"]


def test_links_when_one_is_noisy_then_its_row_says_so(tmp_path: Path) -> None:
    noisy = {"id": "link.noisy", "args": {"link": "com0", "percent": 24}}
    links = [{**each, "warnings": [noisy]} for each in links_of(1)]
    with daemon(tmp_path, moment(links=links, devices=[])) as config:
        lines = jiahe("links", "--config", config, lang="zh").stdout.splitlines()
    assert lines[0] == "▲ 链路 com0：最近 24 % 的应答损坏，重问后读到"
    assert lines[1].startswith("  → 查屏蔽层、终端电阻、A/B")
    (row,) = [line for line in lines if line.startswith("com0 ")]
    assert "有干扰" in row


def test_links_when_its_only_device_is_silent_then_that_is_said(tmp_path: Path) -> None:
    devices = _on("com0", [device("meter", "silent", NEVER)])
    with daemon(tmp_path, moment(links=links_of(1), devices=devices)) as config:
        first = jiahe("links", "--config", config, lang="zh").stdout.splitlines()[0]
    assert first == "▲ meter：启动以来从未应答"


def test_links_when_its_only_device_answers_nothing_but_damage_then_its_row_says_so(
    tmp_path: Path,
) -> None:
    cause = {"id": "device.no_answer_damaged", "args": {"damaged": 80}}
    devices = _on("com0", [device("meter", "starting", cause)])
    with daemon(tmp_path, moment(links=links_of(1), devices=devices)) as config:
        lines = jiahe("links", "--config", config, lang="zh").stdout.splitlines()
    assert lines[0] == "▲ meter：收到的数据是坏的（损坏 80）"
    (row,) = [line for line in lines if line.startswith("com0 ")]
    assert "不通" in row


@pytest.mark.parametrize(
    ("state", "held"), [("connected", True), ("waiting", False)], ids=["connected", "away"]
)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_status_when_the_data_budget_holds_the_backlog_back_then_said(
    tmp_path: Path, lang: str, state: str, held: bool
) -> None:
    uplink = {**SNAPSHOT["uplink"], "state": state, "cause": None}
    with daemon(tmp_path, moment(uplink=uplink)) as config:
        shown = jiahe("status", "--config", config, lang=lang).stdout
    (line,) = [line for line in shown.splitlines() if line.startswith(("缓存 ", "buffer "))]
    assert any(words in line for words in ("积压暂缓", "held: data budget")) == held
    assert width(line) <= 80


@pytest.mark.parametrize(
    ("lang", "words"), [("zh", "本次启动以来（3 天 4 小时）"), ("en", "since this start (3 d 4 h)")]
)
def test_buffer_when_asked_then_since_when_it_counts(tmp_path: Path, lang: str, words: str) -> None:
    with daemon(tmp_path) as config:
        last = jiahe("buffer", "--config", config, lang=lang).stdout.splitlines()[-1]
    assert words in last
    assert width(last) <= 80


def _on(link: str, devices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**each, "link": link} for each in devices]
