"""A connection is cheap (field cases 2.4 to 2.8): a lost one costs no tick. In virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from tests.kit.slave import HANG_UP, RESET, Asked, Step, answer
from tests.kit.talk import Ask, Talk


class Forgetful:
    """A device that forgets a connection on which nothing was asked for `limit_s`."""

    def __init__(self, limit_s: float, how: list[Step]) -> None:
        self.limit_s, self.how = limit_s, how
        self.connection, self.last_ns, self.dead = 0, 0, False

    def __call__(self, asked: Asked) -> Iterable[Step]:
        if asked.connection != self.connection:
            self.connection, self.last_ns, self.dead = asked.connection, asked.at_ns, False
        idle_s, self.last_ns = (asked.at_ns - self.last_ns) / 1e9, asked.at_ns
        self.dead = self.dead or idle_s > self.limit_s
        return self.how if self.dead else [0.01, answer(asked)]


def test_tags_when_the_device_closes_after_each_answer_then_all_are_read() -> None:
    talk = Talk([Ask(1, (10, 20), 1_000)], lambda a: [0.01, answer(a), 0.001, HANG_UP])
    talk.run(60_000)
    assert talk.good() == 1
    assert talk.native.snapshot()["state"] == "up"


def test_devices_when_their_gateway_closes_after_each_answer_then_all_are_read() -> None:
    talk = Talk(
        [Ask(unit, (10 * unit,), 1_000) for unit in (1, 2, 3)],
        lambda a: [0.01, answer(a), 0.001, HANG_UP],
    )
    talk.run(60_000)
    assert talk.good() == 1


@pytest.mark.parametrize("how", [[RESET], [HANG_UP], []], ids=["reset", "fin", "mute"])
@pytest.mark.parametrize("every_s", [5, 10, 60])
def test_connection_when_it_is_forgotten_while_idle_then_costs_no_tick(
    every_s: int, how: list[Step]
) -> None:
    talk = Talk([Ask(1, (10, 20), 1_000 * every_s)], Forgetful(3, how))
    talk.run(1_000 * every_s * 20)
    talk.finish()
    assert talk.good() == 1
    # It is learned: a connection that has rested for so long is made anew before it is used.
    silent = talk.native.snapshot()["timeouts"]
    assert silent <= 1, silent


@pytest.mark.parametrize("how", [0, 104])
def test_connection_when_closed_while_idle_then_is_up_all_the_same_and_no_tick_is_lost(
    how: int,
) -> None:
    talk = Talk([Ask(1, (10, 20), 30_000)], lambda a: [0.01, answer(a)])
    for tick in range(20):
        talk.at(30_000 * tick + 4_000, lambda: talk.rig.hang_up(how))
        talk.run(30_000 * tick + 20_000)
        found = talk.native.snapshot()
        assert (found["state"], found["reconnects"]) == ("up", 0)
    assert talk.connections == 20  # one a tick, and none in between
    talk.run(600_000)
    assert talk.good() == 1


def test_device_when_it_is_off_then_its_link_is_down_and_back_with_it() -> None:
    """What is up while it rests is found out to be down by the next tick."""
    talk = Talk([Ask(1, (10, 20), 1_000)], lambda a: [0.01, answer(a)])
    talk.at(10_500, lambda: talk.rig.refuse(111))
    talk.at(10_600, lambda: talk.rig.hang_up(104))
    talk.at(40_000, lambda: talk.rig.refuse(0))
    talk.run(20_000)
    assert talk.native.snapshot()["state"] == "down"
    talk.run(60_000)
    talk.finish()
    assert talk.good(since_ms=44_000) == 1
    assert 130 in {row.quality for row in talk.rows()}


def early(
    talk: Callable[[], Talk], quiet_s: float, how: list[Step]
) -> Callable[[Asked], Iterable[Step]]:
    """One request that comes too early on a connection spoils it."""
    spoilt: set[int] = set()

    def script(asked: Asked) -> Iterable[Step]:
        since_ms = (asked.at_ns - talk().start_ns) / 1e6 - talk().connected_ms
        if since_ms < 1_000 * quiet_s:
            spoilt.add(asked.connection)
        return how if asked.connection in spoilt else [0.01, answer(asked)]

    return script


@pytest.mark.parametrize("how", [[HANG_UP], []], ids=["hangs up", "mute"])
@pytest.mark.parametrize("quiet_s", [0.5, 2.0])
def test_device_when_it_wants_silence_after_connecting_then_that_is_learned(
    quiet_s: float, how: list[Step]
) -> None:
    talks: list[Talk] = []
    talk = Talk([Ask(1, (10, 20), 1_000)], early(lambda: talks[0], quiet_s, how))
    talks.append(talk)
    talk.run(60_000)
    assert talk.good(since_ms=45_000) == 1
    # And kept: a lost connection costs that silence, and once the look whether it is wanted still.
    for at_ms in (60_000, 90_000, 120_000):
        talk.at(at_ms + 500, lambda: talk.rig.hang_up(104))
    talk.run(150_000)
    assert talk.good(since_ms=135_000) == 1


@pytest.mark.parametrize("how", [[HANG_UP], []], ids=["hangs up", "mute"])
def test_device_when_the_file_says_what_silence_it_wants_then_nothing_is_lost(
    how: list[Step],
) -> None:
    talks: list[Talk] = []
    script = early(lambda: talks[0], 2.0, how)
    talk = Talk([Ask(1, (10, 20), 5_000)], script, link={"after_connect_ns": 2_000_000_000})
    talks.append(talk)
    talk.run(60_000)
    assert talk.good() == 1
    assert talk.connections == 1
