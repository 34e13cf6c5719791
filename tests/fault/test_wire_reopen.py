"""A port or connection that is lost while a request flies: its answer may come on the next one.

W9, W12 and W15 on wires without ids: a serial server or an adapter holds bytes back and delivers
them to whoever is connected then. All reads are of one register, so that an answer that was taken
for another's shows by the address that it names.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from threading import Event

from drivers.modbus.simulator import now_ns
from tests.kit.scanner import Scanner, pairs
from tests.kit.slave import HANG_UP, Asked, SerialSlave, Step, TcpSlave, answer, honest

LINK_DOWN = 130
PLANS = {1: [pairs((2, 100), count=1)]}


class Late:
    """Honest, but for one request, which is answered behind the next that comes."""

    def __init__(self) -> None:
        self.armed = False
        self.held: Asked | None = None
        self.holding = Event()
        self.delivered = 0

    def keep(self, asked: Asked) -> bool:
        """Whether this is the request to keep."""
        if not self.armed or asked.function != 3:
            return False
        self.armed = False
        self.held = asked
        self.holding.set()
        return True

    def deliver(self, asked: Asked) -> Iterable[Step]:
        """The kept answer in front of this one's."""
        held, self.held = self.held, None
        if held is None:
            return honest(asked)
        self.delivered += 1
        return [answer(held), 0.01, answer(asked)]


def test_answer_when_its_serial_port_was_lost_is_not_taken_on_the_next_one(tmp_path: Path) -> None:
    late = Late()
    name = tmp_path / "com1"

    def before(asked: Asked) -> Iterable[Step]:
        if not late.keep(asked):
            return honest(asked)
        name.unlink()
        name.symlink_to(again.path)
        return [HANG_UP]

    with SerialSlave(late.deliver) as again, SerialSlave(before) as first:
        name.symlink_to(first.path)
        scanner = Scanner(first, devices=PLANS, port=str(name), timeout_ns=2_000_000_000)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 20)
            late.armed = True
            assert late.holding.wait(10)
            since_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=since_ns) >= 40)
    scanner.check()
    assert late.delivered == 1 and scanner.book["late"] == 1
    assert scanner.qualities()[LINK_DOWN] >= 1


def test_answer_when_its_connection_was_lost_is_not_taken_on_the_next_one() -> None:
    """RTU through a serial server."""
    late = Late()

    def server(asked: Asked) -> Iterable[Step]:
        return [HANG_UP] if late.keep(asked) else late.deliver(asked)

    with TcpSlave(server, "rtu") as slave:
        scanner = Scanner(slave, devices=PLANS)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 20)
            late.armed = True
            assert late.holding.wait(10)
            since_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=since_ns) >= 40)
    scanner.check()
    assert late.delivered == 1 and scanner.book["late"] == 1


def test_connection_when_it_brings_no_answer_is_made_ever_more_rarely_until_it_does() -> None:
    """Connecting is not enough: the back-off ends with an answer. 0.25 s, doubling to 3 s."""
    angry = Event()

    def server(asked: Asked) -> Iterable[Step]:
        return [HANG_UP] if angry.is_set() else honest(asked)

    with TcpSlave(server) as slave:
        scanner = Scanner(slave)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 20)
            angry.set()
            begun = slave.connections
            since_ns = now_ns()
            scanner.until(lambda: now_ns() - since_ns > 4_000_000_000)
            # Two at once, then at least 0.19, 0.38, 0.75, 1.5 s apart: seven at most. Each 0.25 s
            # would be eighteen.
            assert 2 <= slave.connections - begun <= 7
            angry.clear()
            scanner.until(lambda: scanner.good(after_ns=now_ns() - 10**9) >= 20)
            angry.set()
            begun = slave.connections
            scanner.until(lambda: slave.connections >= begun + 1)
            angry.clear()
            calm_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=calm_ns) >= 20)
    scanner.check()
    first = min(row.due_ns for row in scanner.rows if row.quality == 1 and row.due_ns > calm_ns)
    assert first - calm_ns < 2_000_000_000  # not the 3 s that it had come to
