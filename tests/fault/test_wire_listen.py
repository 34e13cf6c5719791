"""DTUs that dial in: told apart by what they say first, heartbeats in the stream, the newest wins.

Each story ends with `Scanner.check`: no wrong value, every tick once.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from threading import Event

import pytest

from drivers.listener import CALLERS_A_LINK, CALLERS_MAX
from drivers.modbus.simulator import now_ns
from tests.kit.dtu import Dtu, free_port, listening
from tests.kit.scanner import TIMEOUT_NS, Scanner, pairs
from tests.kit.slave import HANG_UP, RESET, Asked, Script, Step, answer, honest

NO_ANSWER, LINK_DOWN = 129, 130
TIMEOUT_S = TIMEOUT_NS / 1e9


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_dtus_when_two_share_a_port_are_told_apart_by_their_registration() -> None:
    port = free_port()
    with Dtu(port, register=b"JX007") as one, Dtu(port, register=b"JX008") as two:
        scanners = [Scanner(one, (0, 100)), Scanner(two, (2, 102))]
        with listening(*scanners):
            for scanner in scanners:
                scanner.until(lambda scanner=scanner: scanner.good() >= 20)  # type: ignore[misc]
    for scanner in scanners:
        scanner.check()
        assert scanner.slave.asked[0].connection == 1 and scanner.book["reconnects"] == 0


@pytest.mark.parametrize("framing", ["rtu", "ascii", "tcp"])
@pytest.mark.parametrize(
    "hello",
    [
        [b"J", 0.02, b"X0", 0.02, b"07"],
        [b"JX007\xfe\xfe"],
        [b"JX007JX007"],
        [b"JX007", 0.02, b"JX0", 0.02, b"07"],
    ],
    ids=["in pieces", "with heartbeats", "twice", "twice in pieces"],
)
def test_registration_when_in_pieces_or_with_more_behind_it_finds_its_link(
    framing: str, hello: list[Step]
) -> None:
    with Dtu(free_port(), framing=framing) as dtu:
        dtu.hello = hello
        scanner = Scanner(dtu)
        with listening(scanner):
            scanner.until(lambda: scanner.good() >= 20)
    scanner.check()
    assert dtu.connections == 1 and scanner.book["wrong"] == scanner.book["damaged"] == 0
