"""MBAP over UDP: a datagram is lost, late, cut or garbage; each stands for itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from drivers.modbus.simulator import now_ns
from tests.kit.scanner import TIMEOUT_NS, Scanner
from tests.kit.slave import Asked, Step, UdpSlave, answer, honest

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


#: Answers each request 2 ms behind the one before, to a box that reads each answer 3 ms late.
HELD_UP = """
from tests.kit.scanner import Scanner
from tests.kit.slave import UdpSlave, answer

with UdpSlave(lambda asked: [answer(asked), 0.002]) as slave:
    scanner = Scanner(slave, (0, 100, 200, 300), in_flight=4)
    with scanner.running():
        scanner.until(lambda: scanner.good() >= 80)
scanner.check()
"""


def test_answer_when_the_loop_is_held_up_before_its_read_is_not_dated_before_its_request(
    tmp_path: Path, project: Path
) -> None:
    shim = tmp_path / "slow_recv.so"
    source = project / "tests" / "kit" / "slow_recv.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", shim, source], check=True)
    done = subprocess.run(
        [sys.executable, "-c", HELD_UP], cwd=project, env={**os.environ, "LD_PRELOAD": str(shim)},
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
