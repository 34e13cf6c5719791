"""How long is waited for an answer (field cases 2.9, 2.10, 2.18), in virtual time."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.kit.slave import answer, refusal
from tests.kit.talk import MS, Ask, Talk

LEARNED: dict[str, Any] = {"timeout_learned": True}
WIRES: dict[str, tuple[str, dict[str, Any]]] = {
    "mbap": ("tcp", {}), "rtu over tcp": ("rtu", {"type": "tcp"}), "serial": ("rtu", {}),
}  # fmt: skip


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("takes_s", [0.5, 1.2, 2.5])
def test_device_when_slow_and_the_file_says_no_timeout_then_is_read(
    wire: str, takes_s: float
) -> None:
    framing, link = WIRES[wire]
    talk = Talk([Ask(1, (10, 20), 10_000)], lambda a: [takes_s, answer(a)], framing, LEARNED | link)
    talk.run(300_000)
    talk.finish()
    wrong = [row for row in talk.rows() if row.quality == 1 and row.value != row.address]
    assert wrong == []
    assert talk.good(since_ms=60_000) == 1


@pytest.mark.parametrize("wire", WIRES)
def test_device_when_slower_than_the_file_allows_then_is_not_read_and_its_time_is_known(
    wire: str,
) -> None:
    framing, link = WIRES[wire]
    talk = Talk([Ask(1, (10, 20), 2_000)], lambda a: [0.5, answer(a)], framing, link)
    talk.run(60_000)
    assert talk.good() == 0
    (device,) = talk.native.devices()
    assert device["late_us"] == pytest.approx(500_000, abs=50_000)
    assert device["timeout_us"] == 300_000


def test_wait_when_a_slow_device_is_quick_again_then_goes_back() -> None:
    talk = Talk([Ask(1, (10, 20), 500)], lambda a: [1.0, answer(a)], link=LEARNED)
    talk.at(60_000, lambda: setattr(talk, "script", lambda a: [0.01, answer(a)]))
    talk.run(50_000)
    assert talk.native.devices()[0]["timeout_us"] >= 1_000_000
    talk.run(600_000)
    assert talk.native.devices()[0]["timeout_us"] <= 400_000


@pytest.mark.parametrize("link", [{}, LEARNED], ids=["told", "learned"])
@pytest.mark.parametrize("says", [True, False], ids=["exception 11", "nothing"])
def test_units_when_a_dead_one_blocks_their_gateway_then_are_read(
    link: dict[str, Any], says: bool
) -> None:
    """The dead one is asked first, and holds the gateway up for a second."""
    talk = Talk(
        [Ask(unit, (10 * unit,), 5_000) for unit in (1, 2, 3, 4, 5)],
        lambda a: [1.0, *([refusal(a, 11)] if says else [])] if a.unit == 1 else [0.02, answer(a)],
        link=link,
    )
    talk.run(300_000)
    talk.finish()
    for address in (20, 30, 40, 50):
        assert talk.good(since_ms=20_000, address=address) == 1, address
    if says:
        assert talk.native.devices()[0]["quality"] == 136  # the gateway says that it is dead


@pytest.mark.parametrize("dead", [1, 3])
def test_neighbours_when_devices_are_silent_on_a_bus_with_room_then_lose_no_tick(
    dead: int,
) -> None:
    """Also at the start, when nobody knows who is there: but for the first ticks."""
    alive = [Ask(unit, (10 * unit,), 500) for unit in (1, 2, 3)]
    silent = [Ask(unit, (10 * unit,), 500) for unit in range(10, 10 + dead)]
    talk = Talk(
        [*silent, *alive], lambda a: [] if a.unit >= 10 else [0.01, answer(a)], "rtu", LEARNED
    )
    talk.run(120_000)
    for ask in alive:
        assert talk.good(since_ms=5_000, address=ask.reads[0]) == 1


def test_bus_when_full_then_silent_devices_cost_it_a_twentieth_and_are_back_in_time() -> None:
    """Three at 9,600 baud that take all of the wire, and three that are dead."""
    alive = [Ask(unit, (10 * unit,), 50) for unit in (1, 2, 3)]
    silent = [Ask(unit, (10 * unit,), 500) for unit in (10, 11, 12)]
    here = {1, 2, 3}
    talk = Talk([*silent, *alive], lambda a: [0.005, answer(a)] if a.unit in here else [], "rtu")
    talk.run(30_000)
    before = talk.native.snapshot()["busy_share"], len([a for a in talk.asked if a.unit >= 10])
    talk.run(90_000)
    asked = len([a for a in talk.asked if a.unit >= 10]) - before[1]
    assert asked * 0.3 <= 0.055 * 60  # seconds of the last minute
    assert asked >= 6
    here |= {10, 11, 12}
    talk.run(110_000)  # devices x wait / 5 % = 18 s
    talk.run(120_000)
    for unit in (10, 11, 12):
        assert any(row.quality == 1 for row in talk.rows(109_000, 10 * unit)), unit


def test_device_when_it_echoes_no_ids_and_is_late_now_and_then_then_little_is_lost(
    rng: random.Random,
) -> None:
    """3 % of its answers are late by 20 to 300 ms; a late one costs a connection."""
    talk = Talk(
        [Ask(1, (10,), 50)],
        lambda a: [
            0.1 + rng.uniform(0.02, 0.3) if rng.random() < 0.03 else 0.005,
            answer(a, transaction=0),
        ],
        link={"timeout_ns": 100 * MS},
    )
    talk.run(300_000)
    assert talk.good(since_ms=5_000) >= 0.8
