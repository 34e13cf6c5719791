"""The loop on a pseudo-terminal: what the terminal itself does. The serial faults W1 to W13 are
held in virtual time: tests/unit/test_engine_line.py.
"""

from __future__ import annotations

import termios

import pytest

from drivers.modbus.simulator import now_ns
from tests.kit.scanner import PERIOD_NS, TIMEOUT_NS, Scanner, pairs
from tests.kit.slave import SerialSlave

NO_ANSWER, LINK_DOWN = 129, 130


def test_device_when_it_falls_silent_turns_bad_within_a_period_and_a_time_out() -> None:
    with SerialSlave() as slave:
        scanner = Scanner(slave)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 8)
            slave.script = lambda _: []
            silent_ns = now_ns()
            scanner.until(lambda: scanner.qualities()[NO_ANSWER] >= 1)
    scanner.check()
    bad = next(row for row in scanner.rows if row.quality == NO_ANSWER)
    assert bad.due_ns - silent_ns <= 2 * PERIOD_NS + TIMEOUT_NS
    after = [row for row in scanner.rows if row.tick > bad.tick and row.quality == 1]
    assert after == []


def test_port_when_a_write_blocks_is_opened_again() -> None:
    """W11: output is stopped (flow control, a stuck adapter) and goes on later."""
    with SerialSlave() as slave:
        scanner = Scanner(slave)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 8)
            termios.tcflow(slave.terminal, termios.TCOOFF)
            scanner.until(lambda: scanner.book["reconnects"] >= 1)
            termios.tcflow(slave.terminal, termios.TCOON)
            on_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=on_ns) >= 8)
    scanner.check()
    assert scanner.qualities()[LINK_DOWN] >= 1


@pytest.mark.parametrize("unit", [0, 248, 255])
def test_unit_when_the_standard_reserves_it_then_read_all_the_same(unit: int) -> None:
    with SerialSlave() as slave:
        scanner = Scanner(slave, devices={unit: [pairs((0, 100), device=f"d{unit}")]})
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 8)
    scanner.check()
