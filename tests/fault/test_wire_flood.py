"""A peer that sends without end: its neighbours, the stop, and what is left when it goes away."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from drivers.api import DeviceSpec, TlsFiles
from drivers.modbus.simulator import now_ns
from drivers.modbus.station import station_of
from native.engine.link import Link
from native.engine.loop import Loop
from native.rows.group import Group
from tests.kit.authority import Authority
from tests.kit.scanner import Scanner, pairs
from tests.kit.slave import TcpSlave, honest
from tests.kit.tls_slave import TlsSlave


class Flooded:
    """Its `link`, and the `scanner` of an honest neighbour, in one loop."""

    def __init__(self, peer: subprocess.Popen[str], slave: TcpSlave, ours: TlsFiles | None) -> None:
        assert peer.stdout is not None
        self.peer = peer
        self.scanner = Scanner(slave, tls=ours)
        spec = replace(self.scanner.spec, name="f", tcp_port=int(peer.stdout.readline()))
        device = DeviceSpec("f", spec, "modbus", pairs((0,)).tags, framing="tcp")
        self.link = Link(spec, [(station_of(device), [Group(9, pairs((0,), device="f"))])])
        self.loop = Loop([self.scanner.link, self.link])

    @classmethod
    @contextmanager
    def scanned(cls, folder: Path, *, encrypted: bool) -> Iterator[Flooded]:
        """From when the flood has begun; ends within 20 s."""
        files: list[str] = []
        plc = ours = None
        if encrypted:
            plant = Authority(folder, "plant")
            plc, ours = plant.files("plc"), plant.files("gateway", ())
            files = [str(path) for path in (plc.ca, plc.cert, plc.key)]
        with ExitStack() as opened:
            pipe = subprocess.PIPE
            command = [sys.executable, "-m", "tests.kit.flood", *files]
            peer = opened.enter_context(
                subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
            )
            slave = opened.enter_context(TlsSlave(plc, honest) if plc else TcpSlave())
            flooded = cls(peer, slave, ours)
            thread = Thread(target=flooded.loop.run, daemon=True)
            thread.start()
            try:
                assert peer.stdout is not None and peer.stdout.readline() == "flood\n"
                yield flooded
            finally:
                flooded.loop.stop()
                thread.join(timeout=20)
                ended = not thread.is_alive()
                if peer.poll() is None:
                    peer.communicate("enough\n", timeout=20)
        assert ended, "the stop was held up"
        flooded.scanner.collect()
        flooded.scanner.check()

    def neighbour_gets(self, rows: int) -> None:
        since_ns = now_ns()
        self.scanner.until(lambda: self.scanner.good(after_ns=since_ns) >= rows)


@pytest.mark.parametrize("encrypted", [True, False])
def test_peer_when_it_sends_without_end_costs_its_neighbour_no_tick_and_stops_no_stop(
    tmp_path: Path, *, encrypted: bool
) -> None:
    """What a session has read is not in the socket: only the loop itself can come back for it."""
    with Flooded.scanned(tmp_path, encrypted=encrypted) as flooded:
        flooded.neighbour_gets(50)
    assert flooded.link.snapshot()["late"] > 0


def test_peer_when_it_goes_away_in_the_middle_of_a_flood_leaves_nothing_that_spins(
    tmp_path: Path,
) -> None:
    with Flooded.scanned(tmp_path, encrypted=True) as flooded:
        flooded.neighbour_gets(5)
        flooded.peer.communicate("enough\n", timeout=20)
        flooded.neighbour_gets(5)
        before = flooded.loop.wakeups
        flooded.neighbour_gets(50)
        # Two a tick of the neighbour, and what it takes to connect again: not a million.
        assert flooded.loop.wakeups - before < 5000
