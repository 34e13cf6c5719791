"""Meters in virtual time, with the driver in it: the pause that one wants, wrong parity, addresses
that are not written, two that answer at once.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from drivers.dlt645.simulator import Faults, Meter
from gateway.config import load
from gateway.messages import LANGUAGES, remedy, text
from tests.kit.meters import Meters
from tests.kit.slave import Asked, Step, answer, honest
from tests.kit.talk import Ask, Talk

A, B = "000000000161", "000000000162"
GOOD, NO_ANSWER, DAMAGED, NOT_ASKED = 1, 129, 131, 138
#: No two are read by one request.
ADDRESSES = ["00010000", "02010100", "02020100", "02800002"]

#: What an earlier run had learned of it.
PAUSED = {"pause m": {"pause_ns": 200_000_000}}


def good(meters: Meters, since_ms: float) -> float:
    """The share of good entries since then."""
    rows = meters.rows(since_ms)
    return sum(row.quality == GOOD for row in rows) / len(rows)


@pytest.mark.parametrize(
    ("wants_ms", "every_ms"), [(20, 2000), (60, 2000), (120, 2000), (180, 2000), (480, 5000)]
)
def test_pause_when_the_meter_drops_what_comes_too_soon_then_learned_and_all_is_read(
    wants_ms: int, every_ms: int
) -> None:
    """Row 7.2 of the field reports. Once it is known no tick is lost to it."""
    meters = Meters([Meter(A)], {"m": {"meter": A}}, ADDRESSES, every_ms)
    meters.hears = lambda since_ms: since_ms >= wants_ms
    meters.run(400_000)
    meters.finish()
    assert good(meters, 60 * every_ms) == 1.0
    assert "device.learned_pause" in meters.learned()
    kept = meters.opened.learned()
    assert wants_ms <= kept["pause m"]["pause_ns"] / 1e6 <= max(50, 2 * wants_ms)
    again = Meters([Meter(A)], {"m": {"meter": A}}, ADDRESSES, every_ms, kept=kept)
    again.hears = lambda since_ms: since_ms >= wants_ms
    again.run(60_000)
    assert good(again, 0) == 1.0, "kept over a restart"


def test_pause_when_two_devices_are_one_meter_then_it_is_the_meters() -> None:
    """What one of them learned the other keeps, and neither is asked in the other's pause."""
    two = {"m": {"meter": A}, "n": {"meter": A}}
    meters = Meters([Meter(A)], two, ADDRESSES, 4000)
    meters.hears = lambda since_ms: since_ms >= 180
    meters.run(600_000)
    meters.finish()
    assert good(meters, 240_000) == 1.0
    assert meters.learned() == meters.learned(1) == ["device.learned_pause"]
    kept = meters.opened.learned()
    assert kept["pause m"] == kept["pause n"]


def test_pause_when_the_meter_was_changed_for_a_faster_one_then_shortened_step_by_step() -> None:
    meters = Meters([Meter(A)], {"m": {"meter": A}}, ADDRESSES, 5000, kept=PAUSED)
    meters.run(3_600_000)
    assert good(meters, 0) == 1.0, "trying costs a good meter nothing"
    assert meters.learned() == []


def test_pause_when_a_shorter_one_is_tried_in_vain_then_ever_more_rarely() -> None:
    meters = Meters([Meter(A)], {"m": {"meter": A}}, ADDRESSES, 5000, kept=PAUSED)
    meters.hears = lambda since_ms: since_ms >= 150
    meters.run(6 * 3_600_000)
    assert meters.learned() == ["device.learned_pause"]
    scans = len(meters.rows()) // len(ADDRESSES)
    assert sum(row.quality != GOOD for row in meters.rows()) <= 6 * len(ADDRESSES)
    assert scans > 4000


def test_pause_when_kept_from_times_of_longer_periods_then_no_tick_is_lost_to_it() -> None:
    meters = Meters([Meter(A)], {"m": {"meter": A}}, ADDRESSES, 1000, kept=PAUSED)
    meters.run(20_000)
    assert 124_000_000 < meters.runner.buses[0].link.pause(0) <= 125_000_000
    meters.finish()
    assert not [tick for tick, reason in meters.box.accounted(1) if reason]


def test_pause_when_several_groups_share_a_device_then_all_of_them_leave_it_room() -> None:
    """Three requests a second in three groups: nothing over 166 ms has room beside answers."""

    def hasty(asked: Asked) -> list[Step]:
        soon = asked.at_ns / 1e6 - last_ms[0] < 450
        if soon:
            return []
        last_ms[0] = asked.at_ns / 1e6 + 10
        return [0.01, answer(asked)]

    last_ms, most = [0.0], 0
    asks = [Ask(reads=(at,), every_ms=1000) for at in (10, 500, 900)]
    talk = Talk(asks, hasty, framing="rtu", link={"timeout_ns": 100_000_000})
    for second in range(120):
        talk.run(1000 * second)
        most = max(most, talk.native.pause(0))
    talk.finish()
    assert 50_000_000 <= most <= 166_666_666
    assert talk.native.pause(0) == 0, "it is no help, and not believed for long"


def test_pause_when_requests_are_lost_by_chance_then_none_is_learned() -> None:
    meters = Meters([Meter(A), Meter(B)], {"m": {"meter": A}, "n": {"meter": B}}, ADDRESSES, 2000)
    lost = iter(range(1 << 30))
    meters.hears = lambda _: next(lost) * 7919 % 101 >= 12
    meters.run(3_600_000)
    assert meters.learned() == meters.learned(1) == []


def test_pause_when_one_register_is_mute_then_none_is_believed_for_long() -> None:
    """Of two requests the second, always: it looks like one that comes too soon."""

    def mute(asked: Asked) -> list[Step]:
        return [] if asked.address == 900 else list(honest(asked))

    talk = Talk([Ask(reads=(10, 900), every_ms=500)], mute, framing="rtu")
    talk.run(600_000)
    assert talk.native.pause(0) == 0
    assert talk.good(10_000, 10) == 1.0
    talk.finish()


def test_pause_when_a_modbus_device_wants_it_then_learned_too() -> None:
    last_ms = [0.0]

    def hasty(asked: Asked) -> list[Step]:
        soon = asked.at_ns / 1e6 - last_ms[0] < 100
        if soon:
            return []
        last_ms[0] = asked.at_ns / 1e6 + 10
        return [0.01, answer(asked)]

    talk = Talk([Ask(reads=(10, 500, 900), every_ms=2000)], hasty, framing="rtu")
    talk.run(300_000)
    talk.finish()
    assert talk.native.pause(0) == 100_000_000
    assert talk.good(120_000) == 1.0


@pytest.mark.parametrize("language", LANGUAGES)
def test_answers_when_of_the_right_shape_and_each_with_a_wrong_sum_then_parity_and_baud_are_named(
    language: Any,
) -> None:
    """Row 7.3: never that there is no meter."""
    meters = Meters([Meter(A, faults=Faults(damage=True))], {"m": {"meter": A}}, ADDRESSES)
    meters.run(30_000)
    assert {row.quality for row in meters.rows(5000)} == {DAMAGED}
    (device,) = meters.runner.devices()
    assert device["cause"] == {"id": "device.damaged", "args": {}}
    told = remedy("device.damaged", language)
    assert ("波特率和校验" if language == "zh" else "baud and parity") in told
    meters.line.meters[0].faults.damage = False
    meters.run(40_000)
    assert good(meters, 35_000) == 1.0


@pytest.mark.parametrize("language", LANGUAGES)
def test_meters_when_two_answer_at_once_to_no_address_then_said_as_such(language: Any) -> None:
    """Row 7.5."""
    meters = Meters([Meter(A, seed="1"), Meter(B, seed="2")], {"m": {}}, ADDRESSES)
    meters.run(30_000)
    assert not [row for row in meters.rows() if row.quality == GOOD]
    (device,) = meters.runner.devices()
    assert device["cause"] == {"id": "dlt645.collision", "args": {"device": "m"}}
    assert device["damage"] == device["cause"]
    assert "[devices.m]" in remedy("dlt645.collision", language, **device["cause"]["args"])
    assert text("dlt645.collision", language)
    del meters.line.meters[1]
    meters.run(60_000)
    assert good(meters, 50_000) == 1.0
    assert meters.runner.devices()[0]["cause"] is None


def test_meter_when_it_answers_by_another_address_then_never_taken() -> None:
    """Both hear AA; who is asked by a whole address takes no other's answer."""

    class Wrong(Meter):
        def answer(self, asked: Any) -> Any:
            made = super().answer(asked)
            return made and made._replace(meter=B)

    meters = Meters([Wrong(A)], {"m": {"meter": A}}, ADDRESSES)
    meters.run(20_000)
    assert {row.quality for row in meters.rows()} == {NO_ANSWER, NOT_ASKED}


@pytest.mark.parametrize(
    ("written", "id_"),
    [("12345678901", "config.wrong_type"), ('"12345678901"', "dlt645.meter_short"),
     ('"AAAAAAAAAAAA"', "dlt645.meter_any"), ('"000000000161"', None)],
)  # fmt: skip
def test_meter_when_its_address_is_written_then_text_of_twelve_digits_or_said(
    tmp_path: Path, written: str, id_: str | None
) -> None:
    """An integer has lost its leading zeros."""
    file = tmp_path / "gateway.toml"
    file.write_text(
        'version = 1\n[gateway]\nid = "box"\n[platform]\naddress = "127.0.0.1:1"\n'
        'insecure = true\n[links.com1]\ntype = "serial"\nport = "/dev/null"\n'
        f'[devices.m]\nlink = "com1"\ndriver = "dlt645"\nevery = "1 s"\nmeter = {written}\n'
        '[devices.m.tags]\nu = { address = "02010100" }\n',
        encoding="utf-8",
    )
    problems = Counter(each.id for each in load(file).problems if each.severity == "error")
    assert problems == (Counter([id_]) if id_ else Counter())
