"""Heartbeats of a DTU or serial server in the stream of a CPU, that the configuration does not
know: they cost nothing, and are told with their bytes. In virtual time.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.kit.cpu import Cpu, tpkt
from tests.unit.test_engine_beats import BEATS
from tests.unit.test_s7_link import GOOD, SHOWN, TAGS

LINKS: dict[str, dict[str, Any]] = {
    "tcp": {},
    "tcp, several at once": {"in_flight": 3},
    "configured": {"heartbeat": None},
}


def beating(rng: random.Random, beat: bytes, cpu: Cpu) -> Cpu:
    """Beats at any time, but not within a TPKT."""

    def say() -> None:
        cpu.rig.feed(beat)
        cpu.at(cpu.now_ms + rng.uniform(700, 1300), say)

    cpu.takes = lambda: 80.0
    cpu.at(5000, say)
    cpu.run(120_000)
    cpu.finish()
    return cpu


@pytest.mark.parametrize("beat", BEATS, ids=map(repr, BEATS))
@pytest.mark.parametrize("link", LINKS)
def test_heartbeat_when_a_cpus_stream_has_it_then_costs_nothing_and_is_told(
    rng: random.Random, link: str, beat: bytes
) -> None:
    told = {key: beat if value is None else value for key, value in LINKS[link].items()}
    cpu = beating(rng, beat, Cpu(TAGS, every_ms=300, link=told))
    rows = cpu.rows(1000)
    assert rows and {row.quality for row in rows} == {GOOD}
    assert all(row.value in SHOWN[row.tag] for row in rows)
    shown = cpu.native.snapshot()
    assert (shown["timeouts"], shown["retries"]) == (0, 0)
    assert cpu.connections <= 2, "one may be lost to the first"
    found = cpu.native.beat(cpu.rig.now)
    assert (found and found["bytes"]) == (None if link == "configured" else beat)


@pytest.mark.parametrize("beat", BEATS, ids=map(repr, BEATS))
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("at_ms", [0.5, 1.5])
def test_heartbeat_when_it_comes_during_the_handshake_then_costs_no_connection(
    link: str, beat: bytes, at_ms: int
) -> None:
    told = {key: beat if value is None else value for key, value in LINKS[link].items()}
    cpu = Cpu(TAGS, every_ms=300, link=told)
    cpu.at(at_ms, lambda: cpu.rig.feed(beat))
    cpu.led_by = beat if at_ms < 1 else b""
    cpu.run(3_000)
    cpu.finish()
    rows = cpu.rows(500)
    assert rows and {row.quality for row in rows} == {GOOD}
    assert cpu.connections == 1


def test_handshake_when_something_else_answers_then_given_up_at_once() -> None:
    cpu = Cpu(TAGS, every_ms=300)
    cpu.takes = lambda: None
    for number in range(100):
        cpu.at(10 + 10 * number, lambda: cpu.rig.feed(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4))
    cpu.run(200)
    assert cpu.native.state == "down"
    assert {row.quality for row in cpu.rows()} <= {130}


def test_heartbeat_when_between_fragments_then_the_answer_is_whole() -> None:
    cpu = Cpu(TAGS, every_ms=300)
    cpu.plc.faults.fragment = 9
    cpu.run(1000)
    cpu.broken_by = b"\xfe"
    cpu.run(20_000)
    cpu.finish()
    rows = cpu.rows()
    assert rows and {row.quality for row in rows} == {GOOD}
    assert cpu.connections == 1


@pytest.mark.parametrize("garbage", [tpkt(b"\x32" + bytes(30)), b"HTTP/1.1 400 Bad\r\n\r\n"])
def test_stream_when_it_is_no_s7_in_place_of_an_answer_then_the_connection_is_made_anew(
    garbage: bytes,
) -> None:
    cpu = Cpu(TAGS, every_ms=300)
    cpu.run(2000)
    begun, cpu.takes = cpu.connections, lambda: None
    for second in range(10):
        cpu.at(2100 + 1000 * second, lambda: cpu.rig.feed(garbage))
    cpu.run(12_000)
    assert cpu.connections > begun
    assert not [row for row in cpu.rows(3000) if row.quality == GOOD]
