"""A controller behind TLS that sends records without data, which cost it next to nothing: session
tickets, a hundred in one piece.
"""

from __future__ import annotations

import select
from collections.abc import Iterable
from pathlib import Path

from drivers.api import LinkSpec
from native.wire.port import TLS_ERRORS, Port
from tests.kit.authority import Authority
from tests.kit.scanner import Scanner
from tests.kit.slave import Asked, Step, answer, honest
from tests.kit.tls_slave import TICKETS, TICKETS_COUNT, TlsSlave
from tests.unit.test_native_tls import REQUEST, connected

TLS_FAILED = TLS_ERRORS["failed"]
READ_BYTES = 2048  # of native/wire/tls.pyx
TICKET_BYTES = 200  # at the least, as this server makes them


def test_reads_when_tickets_are_in_front_of_the_answer_then_each_ends_after_a_few(
    tmp_path: Path,
) -> None:
    plant = Authority(tmp_path, "plant")
    files = plant.files("gateway", ())
    with TlsSlave(plant.files("plc"), lambda asked: [TICKETS, answer(asked)]) as slave:
        port = Port(LinkSpec("l", "tcp", host="127.0.0.1", tcp_port=slave.port, tls=files))
        connected(port)
        port.write(REQUEST)
        answered, reads, is_more = b"", 0, False
        while len(answered) < 13:
            assert is_more or select.select([port.fileno()], [], [], 5)[0]
            reads += 1
            try:
                answered += port.read()
                is_more = False
            except BlockingIOError:
                is_more = True
        port.close()
    assert answered[7:9] == b"\x03\x04"
    assert reads >= TICKETS_COUNT * TICKET_BYTES // READ_BYTES


def test_answer_when_tickets_are_in_front_of_each_then_all_are_taken(tmp_path: Path) -> None:
    plant = Authority(tmp_path, "plant")
    with TlsSlave(plant.files("plc")) as slave:
        slave.script = lambda asked: [TICKETS, *honest(asked)]
        scanner = Scanner(slave, tls=plant.files("gateway", ()), timeout_ns=2_000_000_000)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 8)
    scanner.check()
    assert scanner.qualities().keys() == {1}
    assert scanner.book["reconnects"] == scanner.book["timeouts"] == 0


def test_link_when_tickets_come_and_no_answer_then_is_lost_and_good_when_they_end(
    tmp_path: Path,
) -> None:
    plant = Authority(tmp_path, "plant")
    with TlsSlave(plant.files("plc")) as slave:
        scanner = Scanner(slave, tls=plant.files("gateway", ()), timeout_ns=2_000_000_000)
        flooded: list[int] = []

        def flood(asked: Asked) -> Iterable[Step]:
            flooded.append(asked.number)
            return [TICKETS] * 20

        with scanner.running():
            scanner.until(lambda: scanner.good() >= 4)
            slave.script = flood
            scanner.until(lambda: scanner.book["reconnects"] >= 1)
            slave.script = honest
            good = scanner.good()
            scanner.until(lambda: scanner.good() >= good + 20)
    scanner.check()
    assert flooded
