"""Links that a device dials in to: heartbeats in the stream, the newest connection wins. In virtual
time; who dials in, and what it says first: tests/fault/test_wire_listen.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.kit.slave import Asked, Script, Step, answer
from tests.kit.talk import Ask, Talk

FRAMINGS = ["rtu", "ascii", "tcp"]
LINK_DOWN = 130
#: One that is nobody's, a unit's number, what an answer begins with, what an MBAP header begins
#: with, a line, and one as long as a frame.
HEARTBEATS = [b"\xfe", b"\x01", b"\x01\x03", b"\x01\x03\x04", bytes(4), b"PING\r\n", b"heartbeat"]


def dialled(script: Script, framing: str, *, unit: int = 1, **link: Any) -> Talk:
    """A talk with a device that has dialled in; the values of its two registers tell whose they
    are.
    """
    told = {"type": "listen", "tcp_port": 1, "heartbeat": b"\xfe", "register": b"JX007", **link}
    talk = Talk([Ask(unit, (0, 100), 20, size=2)], script, framing, told)
    talk.rig.dial()
    return talk


def check(talk: Talk, since_ms: float = 0) -> None:
    """No value that another request brought, every tick once, and good ones to the end."""
    talk.finish()
    for row in talk.rows():
        if row.quality == 1:
            assert row.value is not None
            address, serial = divmod(row.value, 1 << 16)
            asked = talk.asked[serial - 1]
            assert (address, asked.address) == (row.address, row.address)
            assert abs((asked.at_ns - talk.start_ns) / 1e6 - row.at_ms) < 250
    assert talk.good(since_ms=since_ms) > 0.3  # where pieces take longer than the period


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("heartbeat", HEARTBEATS)
def test_heartbeats_when_before_and_behind_answers_then_cost_nothing(
    framing: str, heartbeat: bytes
) -> None:
    def script(asked: Asked) -> Iterable[Step]:
        frame = answer(asked)
        where = asked.number % 5
        if where == 0:
            return [heartbeat + frame]
        if where == 1:
            return [heartbeat, 0.01, frame]
        if where == 2:
            return [heartbeat[:1], 0.005, heartbeat[1:] + frame[:2], 0.005, frame[2:]]
        return [frame + heartbeat] if where == 3 else [frame, 0.005, heartbeat * 2]

    talk = dialled(script, framing, heartbeat=heartbeat)
    talk.run(5_000)
    check(talk)
    book = talk.native.snapshot()
    assert talk.connections == 1 and book["timeouts"] == 0 and book["swallowed"] >= 20
    # The end cuts a scan off.
    assert {row.quality for row in talk.rows() if row.at_ms < 4_900} <= {1, LINK_DOWN}


@pytest.mark.parametrize("framing", FRAMINGS)
def test_heartbeat_when_it_comes_inside_an_answer_then_never_becomes_a_value(framing: str) -> None:
    """At each place of a frame in turn. RTU, ASCII: asked once more; TCP: a new connection."""
    inside: list[int] = []

    def script(asked: Asked) -> Iterable[Step]:
        frame = answer(asked)
        if asked.number % 4 or len(inside) >= len(frame) - 1:
            return [frame]
        inside.append(len(inside) + 1)
        return [frame[: inside[-1]] + b"\xfe" + frame[inside[-1] :]]

    talk = dialled(script, framing)
    for _ in range(100):
        talk.run(talk.now_ms + 200)
        if talk.native.snapshot()["state"] == "down":
            talk.rig.dial()
    assert len(inside) == len(answer(talk.asked[0])) - 1
    check(talk, since_ms=10_000)


@pytest.mark.parametrize(("framing", "unit", "heartbeat"), [("rtu", 254, 0xFE), ("tcp", 1, 0xEF)])
def test_heartbeat_when_an_answer_begins_with_it_then_the_answers_are_whole(
    framing: str, unit: int, heartbeat: int
) -> None:
    """The unit's number, and the first byte of a transaction's id, are no heartbeats."""
    beat = bytes([heartbeat])

    def script(asked: Asked) -> Iterable[Step]:
        frame = answer(asked)
        assert frame[:1] == beat
        return [frame[:1], 0.01, frame[1:]] if asked.number % 2 else [beat + frame + beat]

    talk = dialled(script, framing, unit=unit, heartbeat=beat)
    talk.run(250)  # as long as its ids begin with that byte
    check(talk)
    book = talk.native.snapshot()
    assert book["timeouts"] == book["damaged"] == 0 and talk.connections == 1


@pytest.mark.parametrize("framing", FRAMINGS)
def test_connection_when_the_device_dials_anew_then_is_replaced_at_once(framing: str) -> None:
    """After a 4G drop the old one still looks alive: nobody has told it."""
    talk = dialled(lambda asked: [0.005, answer(asked)], framing)
    for number in range(1, 6):
        talk.at(1_000 * number + 1, talk.rig.dial)
    talk.run(6_000)
    check(talk)
    book = talk.native.snapshot()
    assert talk.connections == 6 and book["reconnects"] == 5 and book["timeouts"] <= 5
    assert talk.good() > 0.95


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("behind_ms", [0, 50])
def test_answer_when_of_the_connection_before_then_is_never_taken(
    framing: str, behind_ms: int
) -> None:
    """The DTU has it from its bus, and delivers it on the new connection, before the first request
    there or behind it.
    """

    def script(asked: Asked) -> Iterable[Step]:
        if asked.number % 10 or asked.number > 60:
            return [0.005, answer(asked)]
        late = answer(asked)
        talk.at(talk.now_ms + 10, talk.rig.dial)
        talk.at(talk.now_ms + 10 + behind_ms, lambda: talk.rig.feed(late))
        return []

    talk = dialled(script, framing)
    talk.run(90_000)
    check(talk, since_ms=70_000)  # an answer too many is a sign of another asker, for a minute
    assert talk.connections == 7


def test_device_when_silent_behind_a_dtu_that_is_heard_then_costs_no_connection() -> None:
    """The machines are off at night, the DTU is not: hung up on, it would dial all night long."""
    talk = dialled(lambda asked: [], "rtu", timeout_ns=10_000_000)
    for _ in range(300):
        talk.run(talk.now_ms + 200)
        talk.rig.feed(b"\xfe")
    assert talk.connections == 1 and talk.native.snapshot()["timeouts"] >= 3
    # Not even its heartbeat: it may be a connection that leads nowhere.
    talk.run(talk.now_ms + 5_000)
    assert talk.native.snapshot()["state"] == "down"
    talk.finish()


def test_link_when_nobody_has_dialled_in_then_is_down_until_somebody_does() -> None:
    told = {"type": "listen", "tcp_port": 1}
    talk = Talk([Ask(1, (0,), 1_000)], lambda asked: [answer(asked)], "rtu", told)
    talk.run(60_000)
    assert talk.native.snapshot()["state"] == "down"
    talk.rig.dial()
    talk.run(70_000)
    assert talk.good(since_ms=60_500) == 1
    talk.finish()
