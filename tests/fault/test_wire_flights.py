"""`in_flight = "auto"`: more at once where that brings more, one where not, fewer after harm."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from drivers.api import IN_FLIGHT_AUTO
from drivers.modbus.simulator import now_ns
from tests.kit.scanner import Scanner
from tests.kit.slave import Asked, Step, TcpSlave, answer, honest, refusal

#: A scan of forty requests each 20 ms: there is always one that waits.
MANY = range(0, 400, 10)
AUTO: dict[str, Any] = {"in_flight": IN_FLIGHT_AUTO, "in_flight_learned": True}


def test_link_when_its_answers_travel_far_learns_to_ask_many_at_once() -> None:
    with TcpSlave() as slave:
        slave.distance_s = 0.004
        scanner = Scanner(slave, MANY, **AUTO)
        with scanner.running():
            scanner.until(lambda: scanner.book["in_flight"] >= 8)
            since_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=since_ns) >= 400)
    scanner.check()
    assert scanner.qualities().keys() == {1}
    assert scanner.book["in_flight"] <= IN_FLIGHT_AUTO


def test_device_when_it_works_its_requests_off_one_by_one_is_asked_one_by_one() -> None:
    def busy(asked: Asked) -> Iterable[Step]:
        return [0.002, answer(asked)]

    with TcpSlave(busy) as slave:
        scanner = Scanner(slave, MANY, **AUTO)
        seen = set()

        def enough() -> bool:
            seen.add(scanner.book["in_flight"])
            return len(slave.asked) >= 600

        with scanner.running():
            scanner.until(enough)
            assert scanner.book["in_flight"] == 1
    scanner.check()
    assert max(seen) <= 2 and scanner.qualities().keys() == {1}


def test_device_when_busy_under_many_requests_is_asked_fewer_at_once() -> None:
    """From the sixth request within its time on it says so (exception 6), or is silent."""
    for harm in ("busy", "silent"):
        recent: list[int] = []

        def overloaded(
            asked: Asked, recent: list[int] = recent, harm: str = harm
        ) -> Iterable[Step]:
            recent[:] = [at_ns for at_ns in recent if asked.at_ns - at_ns < 4_000_000]
            recent.append(asked.at_ns)
            if len(recent) <= 5:
                return honest(asked)
            return [refusal(asked, 6)] if harm == "busy" else []

        with TcpSlave(overloaded) as slave:
            slave.distance_s = 0.004
            scanner = Scanner(slave, MANY, **AUTO)
            with scanner.running():
                scanner.until(lambda s=scanner: s.qualities().keys() > {1})
                scanner.until(lambda s=scanner: s.book["in_flight"] <= 4)
                since_ns = now_ns()
                scanner.until(lambda s=scanner, t=since_ns: s.good(after_ns=t) >= 2000)
                # On a slow machine five seconds went by, and more are just being tried again.
                scanner.until(lambda s=scanner: s.book["in_flight"] <= 5)
        scanner.check()


def test_device_when_a_second_request_chokes_it_is_tried_ever_more_rarely() -> None:
    """It is dead for 0.3 s whenever two requests come at once: 5 s later, 10 s, and so on."""
    dead_until = [0]
    choked: list[int] = []
    before = [0]

    def weak(asked: Asked) -> Iterable[Step]:
        at_once = asked.at_ns - before[0] < 2_000_000
        before[0] = asked.at_ns
        if asked.at_ns < dead_until[0]:
            return []
        if at_once:
            choked.append(asked.number)
            dead_until[0] = asked.at_ns + 300_000_000
            return []
        return honest(asked)

    with TcpSlave(weak) as slave:
        slave.distance_s = 0.004
        scanner = Scanner(slave, MANY, **AUTO)
        with scanner.running():
            begun_ns = now_ns()
            scanner.until(lambda: now_ns() - begun_ns > 12 * 10**9)
    scanner.check()
    assert 1 <= len(choked) <= 4 and scanner.good() > 500


def test_device_when_it_was_gone_is_learned_anew() -> None:
    """It takes many again soon after."""
    with TcpSlave() as slave:
        slave.distance_s = 0.004
        scanner = Scanner(slave, MANY, **AUTO)
        with scanner.running():
            scanner.until(lambda: scanner.book["in_flight"] >= 6)
            slave.script = lambda _: []
            scanner.until(lambda: scanner.book["in_flight"] == 1)
            scanner.until(lambda: scanner.link.devices()[0]["silent"])
            asked = len(slave.asked)
            scanner.until(lambda: len(slave.asked) >= asked + 2)
            slave.script = honest
            scanner.until(lambda: scanner.book["in_flight"] >= 6)
    scanner.check()
