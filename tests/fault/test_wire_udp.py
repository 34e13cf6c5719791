"""MBAP over UDP on real sockets. Spoilt datagrams: tests/unit/test_engine_stream.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
