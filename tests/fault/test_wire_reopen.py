"""A port that is lost while a request flies: its answer may come on the next one. A connection:
tests/unit/test_engine_stream.py.

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
from tests.kit.slave import HANG_UP, Asked, SerialSlave, Step, answer, honest

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
            scanner.until(lambda: scanner.good() >= 8)
            late.armed = True
            assert late.holding.wait(10)
            since_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=since_ns) >= 40)
    scanner.check()
    assert late.delivered == 1 and scanner.book["late"] == 1
    assert scanner.qualities()[LINK_DOWN] >= 1
