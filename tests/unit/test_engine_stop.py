"""A loop that is asked to stop: what is under way is awaited, each tick is accounted. In virtual
time.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.kit.slave import HANG_UP, Asked, Step, answer
from tests.kit.talk import Ask, Talk

LINK_DOWN, NOT_ASKED = 130, 138
SLOW = {"timeout_ns": 3_000_000_000}


def quick(asked: Asked) -> Iterable[Step]:
    return [0.02, answer(asked)]


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_stop_when_nothing_is_under_way_then_over_at_once(framing: str) -> None:
    talk = Talk([Ask(1, (10, 20), 1_000)], quick, framing)
    talk.run(2_500)
    asked = len(talk.asked)
    talk.rig.stop()
    talk.run(10_000)
    assert talk.now_ms == 2_500 and len(talk.asked) == asked
    talk.finish()
    assert [row.quality for row in talk.rows()] == 6 * [1]


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_stop_when_a_scan_has_begun_then_all_of_it_is_read_and_no_other_begins(
    framing: str,
) -> None:
    talk = Talk([Ask(1, (10, 20), 100), Ask(2, (30,), 100)], quick, framing)
    talk.run(2_010)
    begun_ms = talk.now_ms
    talk.rig.stop()
    talk.run(10_000)
    assert begun_ms < talk.now_ms < begun_ms + 100
    talk.finish()
    assert {row.quality for row in talk.rows()} == {1}
    for address in (10, 20, 30):
        assert len(talk.rows(address=address)) == 21  # ticks 0 to 20


def test_stop_when_the_answer_never_comes_then_over_after_six_tenths_of_a_second() -> None:
    talk = Talk([Ask(1, (10,), 1_000)], lambda asked: [0.4, answer(asked)], link=SLOW)
    talk.run(5_500)
    talk.script = lambda asked: []
    talk.run(6_001)
    talk.rig.stop()
    talk.run(10_000)
    assert talk.now_ms == pytest.approx(6_601, abs=0.01)
    talk.finish()
    assert [row.quality for row in talk.rows(5_500)] == [NOT_ASKED]


def test_stop_when_the_connection_is_lost_meanwhile_then_none_is_made_and_the_row_says_so() -> None:
    talk = Talk([Ask(1, (10,), 1_000)], quick)
    talk.run(5_500)
    talk.script = lambda asked: [0.01, HANG_UP]
    talk.run(6_001)
    talk.rig.stop()
    talk.run(10_000)
    assert talk.now_ms < 6_100 and talk.connections == 1
    talk.finish()
    assert [row.quality for row in talk.rows(5_500)] == [LINK_DOWN]


def test_stop_when_ticks_were_due_while_a_scan_ran_then_they_are_a_gap() -> None:
    """One answer takes eight periods: the ticks before the stop are overrun, none is after it."""
    talk = Talk([Ask(1, (10,), 100)], lambda asked: [0.75, answer(asked)], link=SLOW)
    talk.run(8_030)
    talk.rig.stop()
    talk.run(20_000)
    talk.finish()
    due, accounted = talk.box.groups[0].scanned()
    assert due == accounted == 81


def test_device_that_dials_in_when_the_loop_is_stopping_then_is_not_taken() -> None:
    talk = Talk([Ask(1, (10,), 1_000)], quick, "rtu", link={"type": "listen", "tcp_port": 1})
    talk.run(1_500)
    assert talk.native.snapshot()["state"] == "down"
    talk.rig.dial()
    talk.run(3_500)
    assert talk.native.snapshot()["state"] == "up" and talk.good(since_ms=1_600) == 1
    before = talk.connections
    talk.rig.stop()
    talk.rig.dial()
    talk.run(9_000)
    assert talk.connections == before
    talk.finish()
