"""Heartbeats that the configuration does not know (field case 3.8 and its kind): they cost nothing,
and are told with their bytes, so that they can be configured. In virtual time.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterable
from typing import Any

import pytest

from drivers.packets import packet, shown, told_beat
from gateway.messages import remedy
from gateway.report.causes import explain
from gateway.report.recent import Recent
from tests.cli.daemon import SNAPSHOT, device
from tests.kit.slave import Asked, Step, answer
from tests.kit.talk import Ask, Talk

BEATS = [
    b"\xfe",
    b"\x00",
    b"PING",
    b"PING\r\n",
    b"heartbeat of JX007",
    b'say "hi"',
    bytes.fromhex("7e0102030405ff"),
]
LINKS: dict[str, tuple[str, dict[str, Any]]] = {
    "mbap": ("tcp", {"type": "tcp"}),
    "rtu over tcp": ("rtu", {"type": "tcp"}),
    "ascii over tcp": ("ascii", {"type": "tcp"}),
    "rtu behind a dtu": ("rtu", {"type": "listen"}),
    "mbap behind a dtu": ("tcp", {"type": "listen"}),
}


def distant(asked: Asked) -> Iterable[Step]:
    return [0.08, answer(asked)]


def beating(
    rng: random.Random,
    beat: bytes,
    link: str,
    every_ms: tuple[float, float] = (700, 1_300),
    until_ms: float = 120_000,
) -> Talk:
    """Beats at any time, but not within an answer."""
    framing, told = LINKS[link]
    talk = Talk([Ask(1, (10, 20), 300)], distant, framing, told)
    if told["type"] == "listen":
        talk.rig.dial()

    def say() -> None:
        talk.rig.feed(beat)
        talk.at(talk.now_ms + rng.uniform(*every_ms), say)

    talk.at(5_000, say)
    talk.run(until_ms)
    return talk


@pytest.mark.parametrize("beat", BEATS, ids=map(repr, BEATS))
@pytest.mark.parametrize("link", LINKS)
def test_heartbeat_when_it_is_not_configured_then_costs_nothing_and_is_told(
    rng: random.Random, link: str, beat: bytes
) -> None:
    talk = beating(rng, beat, link)
    assert [row for row in talk.rows() if row.quality == 1 and row.value != row.address] == []
    assert talk.good(since_ms=1_000) == 1
    books = talk.native.snapshot()
    assert (books["timeouts"], books["damaged"], books["retries"]) == (0, 0, 0)
    # Where one can be made from here, a connection may be lost to the first one.
    assert talk.connections <= 2
    found = talk.native.beat(talk.rig.now)
    assert found is not None
    assert found["bytes"] == beat
    assert found["every_s"] == pytest.approx(1, abs=1)  # some lie too near to an answer to count


def test_heartbeat_when_told_then_its_remedy_can_be_typed(rng: random.Random) -> None:
    for beat in BEATS:
        talk = beating(rng, beat, "mbap", until_ms=20_000)
        found = talk.native.beat(talk.rig.now)
        assert found is not None
        link = {**SNAPSHOT["links"][0], "type": "tcp", "state": "up", "cause": None}
        link |= told_beat(found)
        explain([link], [device("u1", "good", None)], lambda name: (), Recent(), 10**12)  # type: ignore[list-item]
        (warning,) = link["warnings"]
        assert warning["id"] == "link.heartbeat"
        for lang in ("zh", "en"):
            text = remedy("link.heartbeat", lang, **warning["args"])
            line = text[text.index("heartbeat = ") :].split("；" if lang == "zh" else "; or")[0]
            assert packet(tomllib.loads(line)["heartbeat"]) == beat


def test_heartbeat_when_not_heard_for_ten_minutes_then_is_told_no_more(
    rng: random.Random,
) -> None:
    talk = beating(rng, b"\xfe", "mbap", until_ms=20_000)
    assert talk.native.beat(talk.rig.now) is not None
    assert talk.native.beat(talk.rig.now + 610 * 10**9) is None


NO_BEATS: dict[str, tuple[str, Any]] = {
    "a checksum that comes later": ("tcp", lambda a: [0.01, answer(a), 0.005, b"\x12\x34"]),
    "another unit's answers, in pieces": (
        "rtu",
        lambda a: [answer(a, unit=5)[:3], 0.03, answer(a, unit=5)[3:], 0.03, answer(a)],
    ),
    "an echo": ("rtu", lambda a: [a.frame, 0.05, answer(a)]),
    "answers in pieces": ("rtu", lambda a: [0.05, answer(a)[:2], 0.05, answer(a)[2:]]),
    "a byte behind each answer": ("rtu", lambda a: [0.05, answer(a), 0.002, b"\0"]),
}


@pytest.mark.parametrize("what", NO_BEATS)
def test_bytes_when_they_belong_to_frames_then_are_no_heartbeat(what: str) -> None:
    framing, script = NO_BEATS[what]
    talk = Talk([Ask(1, (10, 20), 300)], script, framing, {"type": "tcp"})
    talk.run(60_000)
    assert talk.good() == 1
    assert talk.native.beat(talk.rig.now) is None


def test_noise_when_it_is_never_the_same_then_is_no_heartbeat(rng: random.Random) -> None:
    talk = Talk([Ask(1, (10, 20), 300)], distant, "rtu", {"type": "tcp"})

    def say() -> None:
        talk.rig.feed(rng.randbytes(9))
        talk.at(talk.now_ms + 400, say)

    talk.at(77, say)
    talk.run(60_000)
    assert talk.native.beat(talk.rig.now) is None


def test_packet_when_shown_then_is_read_back() -> None:
    for beat in (*BEATS, b"\\", b"\xe5\xbf\x83"):
        assert packet(tomllib.loads(f'x = "{shown(beat)}"')["x"]) == beat
