"""A real box on the stage: reached over SSH, two of its serial ports wired together.

    JIAHE_HW_BOX="root@192.168.1.40"               the words of ssh(1) that lead to its root
    JIAHE_HW_PORTS="/dev/ttyUSB0,/dev/ttyUSB1"     TX to RX, RX to TX, ground to ground

Its platform is this machine's, through the same SSH.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Self

from hw_tests.box.guest import Guest
from hw_tests.box.stage import Stage

_PORT = 18_443  # of the box's loopback


def is_named() -> bool:
    return bool(os.environ.get("JIAHE_HW_BOX"))


class Real(Stage):
    """On, and left on."""

    book = "/var/tmp/jiahe.book"
    platform = f"127.0.0.1:{_PORT}"
    slowness = 1.0
    late_ns = 500_000_000
    allow_ns = 50_000_000

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        named = [each.strip() for each in os.environ.get("JIAHE_HW_PORTS", "").split(",")]
        assert len(named) == 2, "JIAHE_HW_PORTS names two ports: /dev/ttyUSB0,/dev/ttyUSB1"
        self.ports = (named[0], named[1])

    def __enter__(self) -> Self:
        super().__enter__()
        forward = ["-R", f"{_PORT}:127.0.0.1:{self.relay.port}"]
        self.guest = Guest([*forward, *shlex.split(os.environ["JIAHE_HW_BOX"])])
        self.guest.do(f"rm -f {self.book}; touch {self.book}")
        self.booted()
        return self

    def __exit__(self, *exception: object) -> None:
        self.guest.run("systemctl disable --now simulator; systemctl stop jiahe")
        self.guest.hang_up()
        super().__exit__(*exception)

    def bring_book(self) -> None:
        self.guest.run("echo flush >/run/simulator")
        (self.sampled / "boot-001").write_text(self.guest.do(f"cat {self.book}"))
