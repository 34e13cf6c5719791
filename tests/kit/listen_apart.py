"""Listens to a bus in a process of its own, which a test can stop and let go on.

    python -m tests.kit.listen_apart PATH

Says "good" when values come; a line on its input ends it, with the good (tag, value) pairs and how
many answers were late, as JSON.
"""

from __future__ import annotations

import json
import select
import sys
from pathlib import Path

from tests.kit.other_master import LONG_QUIET_NS, SAME_PLANS
from tests.kit.scanner import Scanner
from tests.kit.slave import SerialSlave


def main() -> None:
    bus = SerialSlave.__new__(SerialSlave)  # its other end is in the test's process
    bus.path, bus.framing, bus.asked = Path(sys.argv[1]), "rtu", []
    scanner = Scanner(bus, devices=SAME_PLANS, listen_only=True, timeout_ns=LONG_QUIET_NS)
    with scanner.running():
        scanner.until(lambda: scanner.good() >= 10)
        sys.stdout.write("good\n")
        sys.stdout.flush()
        while not select.select([sys.stdin], [], [], 0.1)[0]:
            scanner.collect()
    good = [(row.tag, row.value) for row in scanner.rows if row.quality == 1]
    sys.stdout.write(json.dumps([good, scanner.book["late"]]))


if __name__ == "__main__":
    main()
