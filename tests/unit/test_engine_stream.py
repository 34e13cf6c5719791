"""TCP faults W4 and W14 to W20, in virtual time: answers matched by transaction, streams given up,
connections back. What sockets themselves do: tests/fault/test_wire_tcp.py.

Each story ends with `Scanner.check`: no wrong value, every tick once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from threading import Event

import pytest

from tests.kit.scanner import PERIOD_NS, TIMEOUT_NS, pairs
from tests.kit.slave import HANG_UP, RESET, Asked, Script, Step, answer, honest
from tests.kit.virtual import Scanner, TcpSlave, UdpSlave, now_ns

NO_ANSWER, LINK_DOWN = 129, 130
TIMEOUT_S = TIMEOUT_NS / 1e9


def after(script: Script) -> Scanner:
    """Good rows, four requests or more answered by `script`, then honest, and good rows again."""
    with TcpSlave() as slave:
        scanner = Scanner(slave)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 20)
            slave.script = script
            asked = len(slave.asked)
            scanner.until(lambda: len(slave.asked) >= asked + 4)
            slave.script = honest
            since_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=since_ns) >= 20)
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


@pytest.mark.parametrize("order", ["as asked", "backwards"])
def test_answers_when_many_come_in_one_segment_are_each_taken(order: str) -> None:
    """W14: a scan's requests fly together and are answered together, in any order; matched by
    transaction id. The first on a connection flies alone: it shows that ids are echoed.
    """
    waiting: list[Asked] = []

    def together(asked: Asked) -> Iterable[Step]:
        waiting.append(asked)
        if len(slave.asked) > 1 and asked.address < 300:
            return []
        frames = [answer(one) for one in waiting]
        waiting.clear()
        return [b"".join(frames if order == "as asked" else frames[::-1])]

    with TcpSlave(together) as slave:
        scanner = Scanner(slave, (0, 100, 200, 300), in_flight=4)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 80)
    scanner.check()
    assert scanner.qualities().keys() == {1}
    assert scanner.book["wrong"] == scanner.book["timeouts"] == 0


@pytest.mark.parametrize("turn", [1, 65535, 300])
def test_answer_when_its_transaction_is_wrong_is_dropped_and_the_third_closes(turn: int) -> None:
    """W15: the right one behind it is taken; three strangers in a row end the connection."""

    def both(asked: Asked) -> Iterable[Step]:
        return [answer(asked, transaction=(asked.transaction + turn) % 65536), answer(asked)]

    scanner = after(both)
    assert scanner.qualities().keys() == {1}
    assert scanner.book["wrong"] >= 3 and scanner.book["reconnects"] == 0
    alone = after(lambda a: [answer(a, transaction=(a.transaction + turn) % 65536)])
    assert alone.book["reconnects"] >= 1


def test_answer_when_repeated_is_taken_once() -> None:
    """W15: the second copy matches nothing that is open."""
    scanner = after(lambda a: [answer(a), answer(a)])
    assert scanner.qualities().keys() <= {1, LINK_DOWN}


def own_counter(asked: Asked) -> Iterable[Step]:
    """Numbers its answers itself, one ahead, as some gateways do."""
    return [answer(asked, transaction=(asked.transaction + 1) % 65536)]


@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize("way", ["zero", "own counter"])
def test_device_when_it_never_echoes_transactions_is_learned_and_read_in_order(
    way: str, in_flight: int
) -> None:
    """W15: by order, one at a time, and after each time-out on a new connection."""
    script: Script = own_counter if way == "own counter" else zero
    with TcpSlave(script) as slave:
        scanner = Scanner(slave, (0, 100, 200), in_flight=in_flight)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 30)
            assert scanner.link.single
            before = slave.connections
            slave.script = once(lambda a: [TIMEOUT_S + 0.05, *script(a)])
            since_ns = now_ns()
            scanner.until(lambda: slave.connections > before)
            slave.script = script
            scanner.until(lambda: scanner.good(after_ns=since_ns) >= 30)
    scanner.check()


def zero(asked: Asked) -> Iterable[Step]:
    return [answer(asked, transaction=0)]


@pytest.mark.parametrize(
    "header",
    [
        struct.pack(">HHHB", 1, 0, length, 1)
        for length in (0, 1, 2, 257, 65535)
    ]
    + [struct.pack(">HHHB", 1, 7, 7, 1), b"HTTP/1.1 400 Bad Request\r\n\r\n"],
)  # fmt: skip
def test_stream_when_its_header_can_t_be_one_is_closed_and_made_anew(header: bytes) -> None:
    """W16: nothing waits for 64 KiB. With a whole answer right behind it, the answer is taken: see
    tests/unit/test_native_codec.py and field case 2.16."""
    scanner = after(once(lambda _: [header]))
    assert scanner.book["reconnects"] == 1 and scanner.slave.asked[-1].connection == 2


@pytest.mark.parametrize("how", [HANG_UP, RESET])
@pytest.mark.parametrize("cut", [0, 1, 7, 12])
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
            scanner.until(lambda: scanner.good() >= 20)
            slave.script = deaf
            since_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=since_ns) >= 20)
    scanner.check()
    assert scanner.book["reconnects"] == 1 and slave.connections == 2


def test_answer_when_it_trickles_is_ended_by_the_request_s_deadline() -> None:
    """W20: a byte each 30 ms, for ever: no byte begins the wait anew."""
    scanner = after(lambda a: [step for byte in answer(a) for step in (bytes([byte]), 0.03)])
    assert scanner.book["timeouts"] >= 1
    bad = [row for row in scanner.rows if row.quality == NO_ANSWER]
    assert bad and all(row.mid_ns - row.due_ns <= 2 * TIMEOUT_NS for row in bad)


def test_device_when_busy_with_others_keeps_its_neighbours_apart_by_unit() -> None:
    """W7 on TCP: two units behind one endpoint; one answers with the other's number."""
    plans = {u: [pairs((0, 100), device=f"d{u}")] for u in (1, 2)}

    def swapped(asked: Asked) -> Iterable[Step]:
        return [answer(asked, unit=3 - asked.unit), answer(asked)]

    with TcpSlave(swapped) as slave:
        scanner = Scanner(slave, devices=plans)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 20)
    scanner.check()
    assert scanner.book["wrong"] >= 10


def test_device_when_slower_than_its_period_is_skipped_never_queued() -> None:
    """C8: 30 ms an answer, 20 ms a period: at most one request is open, the rest is overrun."""
    with TcpSlave(lambda a: [0.03, answer(a)]) as slave:
        scanner = Scanner(slave, (0,))
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 20)
    scanner.check()
    assert scanner.qualities().keys() == {1}
    assert scanner.gaps()[1] >= 8
    late = [row.mid_ns - row.due_ns for row in scanner.rows]
    assert max(late) <= 3 * PERIOD_NS


# ---- A connection that is lost while a request flies


class Late:
    """W15 through a serial server that holds bytes back and delivers them to whoever is connected
    then. Honest, but for one request, which is answered behind the next that comes."""

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


def test_answer_when_its_connection_was_lost_is_not_taken_on_the_next_one() -> None:
    """RTU through a serial server."""
    late = Late()

    def server(asked: Asked) -> Iterable[Step]:
        return [HANG_UP] if late.keep(asked) else late.deliver(asked)

    with TcpSlave(server, "rtu") as slave:
        scanner = Scanner(slave, devices={1: [pairs((2, 100), count=1)]})
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 20)
            late.armed = True
            scanner.until(late.holding.is_set)
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


# ---- Datagrams: one is lost, late, cut or garbage, each stands for itself

FAULTS: dict[str, Callable[[Asked], Iterable[Step]]] = {
    "lost": lambda a: [],
    "late": lambda a: [TIMEOUT_NS / 1e9 + 0.02, answer(a)],
    "twice": lambda a: [answer(a), answer(a)],
    "cut by a byte": lambda a: [answer(a)[:-1]],
    "cut to a header": lambda a: [answer(a)[:7]],
    "garbage": lambda a: [b"\xff" * 9],
    "two in one": lambda a: [answer(a, unit=9) + answer(a)],
}


@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_datagram_when_spoilt_costs_its_scan_and_never_a_wrong_value(
    fault: str, in_flight: int
) -> None:
    def sometimes(asked: Asked) -> Iterable[Step]:
        return honest(asked) if asked.number % 5 else FAULTS[fault](asked)

    with UdpSlave(sometimes) as slave:
        scanner = Scanner(slave, (0, 100, 200, 300), in_flight=in_flight)
        with scanner.running():
            scanner.until(lambda: len(slave.asked) >= 40)
            slave.script = honest
            since_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=since_ns) >= 40)
    scanner.check()
