"""TCP faults W4 and W14 to W20: answers matched by transaction, streams given up, connections back.

Each story ends with `Scanner.check`: no wrong value, every tick once.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable

import pytest

from drivers.modbus.simulator import now_ns
from tests.kit.scanner import TIMEOUT_NS, Scanner
from tests.kit.slave import HANG_UP, RESET, Asked, Script, Step, TcpSlave, answer, honest

NO_ANSWER, LINK_DOWN = 129, 130
TIMEOUT_S = TIMEOUT_NS / 1e9


def after(script: Script) -> Scanner:
    """Good rows, four requests or more answered by `script`, then honest, and good rows again."""
    with TcpSlave() as slave:
        scanner = Scanner(slave)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 8)
            slave.script = script
            asked = len(slave.asked)
            scanner.until(lambda: len(slave.asked) >= asked + 4)
            slave.script = honest
            since_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=since_ns) >= 8)
    scanner.check()
    return scanner


def once(fault: Script) -> Script:
    """The fault for one request, honest afterwards."""
    struck: list[int] = []

    def script(asked: Asked) -> Iterable[Step]:
        if struck:
            return honest(asked)
        struck.append(asked.number)
        return fault(asked)

    return script


def test_answer_when_in_segments_of_one_byte_is_put_together() -> None:
    """W14."""
    scanner = after(lambda a: [answer(a)[i : i + 1] for i in range(13)])
    assert scanner.qualities().keys() == {1} and scanner.book["wrong"] == 0


@pytest.mark.parametrize("how", [HANG_UP, RESET])
@pytest.mark.parametrize("cut", [0, 7])
def test_connection_when_lost_inside_a_frame_is_made_anew(how: str, cut: int) -> None:
    """W17: FIN and RST after so many bytes of the answer."""
    scanner = after(once(lambda a: [answer(a)[:cut], how] if cut else [how]))
    assert scanner.book["reconnects"] == 1
    assert scanner.qualities()[LINK_DOWN] == 0  # it was asked again on the new one


def test_connection_when_accepted_and_then_silent_is_given_up_and_made_anew() -> None:
    """W17, W19: a peer that lost its power looks the same."""

    def deaf(asked: Asked) -> Iterable[Step]:
        return [] if asked.connection == 1 else honest(asked)

    with TcpSlave() as slave:
        scanner = Scanner(slave)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 8)
            slave.script = deaf
            since_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=since_ns) >= 8)
    scanner.check()
    assert scanner.book["reconnects"] == 1 and slave.connections == 2


def test_port_when_refused_is_tried_rarely_until_somebody_listens() -> None:
    """W17: link down from the start, said with its errno, and no storm of connections."""
    slave = TcpSlave(listening=False)
    scanner = Scanner(slave)
    with scanner.running():
        scanner.until(lambda: len(scanner.rows) >= 2 and scanner.gaps()[3] >= 50)
        assert scanner.book["state"] == "down" and scanner.book["errno"] == errno.ECONNREFUSED
        slave.listen()
        with slave:
            scanner.until(lambda: scanner.good() >= 8)
    scanner.check()
    assert slave.connections == 1
    assert {row.quality for row in scanner.rows[:2]} == {LINK_DOWN}


def test_connection_when_nobody_accepts_times_out_and_is_said() -> None:
    """W17: a listener whose queue is full drops what comes, as a firewall does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, TcpSlave() as slave:
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        scanner = Scanner(slave, tcp_port=full.getsockname()[1])
        with scanner.running():
            scanner.until(lambda: scanner.book["errno"] == errno.ETIMEDOUT)
        for filler in fillers:
            filler.close()
    scanner.check()
    assert scanner.good() == 0 and scanner.qualities().keys() == {LINK_DOWN}
