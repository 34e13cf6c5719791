"""Wires for tests: a paced serial bus with simulated units, a crossed pair of terminals, units on
TCP.

Everything here is a context manager that leaves no descriptor and no thread behind.

    with serial_bus(tmp_path / "com1", units=4, baud=115200) as wire:
        ... open wire.path as a serial port ...
        wire.simulator.command("mute 3")
"""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import tty
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from drivers.api import TlsFiles
from drivers.modbus.address import Space, parse
from drivers.modbus.simulator import (
    Bus,
    DeviceMap,
    Endpoint,
    PseudoTerminal,
    SimTag,
    Simulator,
    now_ns,
)

#: One tag of each kind of address, for tests that do not care which.
SMALL = DeviceMap(
    "small",
    tags=(
        SimTag("level", parse("holding:2"), "int16"),
        SimTag("flow", parse("holding:4"), "float32", "CDAB"),
        SimTag("total", parse("input:2"), "uint32"),
        SimTag("running", parse("coil:3"), "bool"),
        SimTag("door", parse("discrete:9"), "bool"),
        SimTag("alarm", parse("holding:6.5"), "bool"),
    ),
)


@dataclass(frozen=True, slots=True)
class SerialWire:
    """A simulated bus: open `path` as a serial port."""

    path: Path
    bus: Bus
    simulator: Simulator


@dataclass(frozen=True, slots=True)
class TcpWire:
    """A simulated endpoint on loopback."""

    host: str
    port: int
    endpoint: Endpoint
    simulator: Simulator


@contextmanager
def serial_bus(
    path: Path,
    *,
    units: int | Sequence[int] = 1,
    made: DeviceMap = SMALL,
    baud: int = 115200,
    framing: str = "rtu",
    answer_ms: float = 0.5,
    book: Path | None = None,
    counters: Mapping[Space, int] | None = None,
) -> Iterator[SerialWire]:
    """Units 1 to `units` (or the numbers given) on one paced pseudo-terminal, in threads of this
    process.
    """
    simulator = Simulator(book=book)
    on_it = [simulator.unit(number, made, counters=counters) for number in _numbers(units)]
    bus = simulator.add_bus(
        on_it, PseudoTerminal(path), baud=baud, framing=framing, answer_ms=answer_ms
    )
    with simulator:
        yield SerialWire(path, bus, simulator)


@contextmanager
def tcp_units(
    *,
    units: int | Sequence[int] = 1,
    made: DeviceMap = SMALL,
    framing: str = "tcp",
    book: Path | None = None,
    counters: Mapping[Space, int] | None = None,
    tls: TlsFiles | None = None,
) -> Iterator[TcpWire]:
    """The same units on a free TCP port of loopback."""
    simulator = Simulator(book=book)
    on_it = [simulator.unit(number, made, counters=counters) for number in _numbers(units)]
    endpoint = simulator.add_tcp(on_it, framing=framing, tls=tls)
    with simulator:
        yield TcpWire("127.0.0.1", endpoint.port, endpoint, simulator)


@dataclass(frozen=True, slots=True)
class CrossedPair:
    """Two terminals joined: what is written into one is read from the other. Paths, not
    descriptors. `tap` reads what both of them write; `spoken` is what was written into it.
    """

    left: Path
    right: Path
    tap: Path
    spoken: bytearray


@contextmanager
def crossed_pair(*, baud: int = 0, char_bits: int = 10) -> Iterator[CrossedPair]:
    """Raw pseudo-terminals and a thread that carries bytes; with `baud` no faster than such a
    wire.
    """
    pairs = [os.openpty() for _ in range(3)]
    for _, terminal in pairs:
        tty.setraw(terminal)
    left, right, tap = (Path(os.ttyname(terminal)) for _, terminal in pairs)
    stop_read, stop_write = os.pipe()
    char_ns = char_bits * 1_000_000_000 // baud if baud else 0
    made = CrossedPair(left, right, tap, bytearray())
    masters = [master for master, _ in pairs]
    carrier = Thread(target=_carry, args=(*masters, made.spoken, stop_read, char_ns))
    carrier.start()
    try:
        yield made
    finally:
        os.close(stop_write)
        carrier.join()
        for fd in (stop_read, *itertools.chain(*pairs)):
            os.close(fd)


def _carry(left: int, right: int, tap: int, spoken: bytearray, stop: int, char_ns: int) -> None:
    other = {left: right, right: left}
    free_ns = {left: 0, right: 0}  # when each direction's last character is over
    waiting = {left: bytearray(), right: bytearray()}
    os.set_blocking(tap, False)
    while True:
        due = [free_ns[fd] for fd in other if waiting[fd]]
        timeout = max(0.0, (min(due) - now_ns()) / 1e9) if due else None
        ready, _, _ = select.select([left, right, tap, stop], [], [], timeout)
        if stop in ready:
            return
        if tap in ready:
            spoken += os.read(tap, 4096)
        for fd in other:
            if fd in ready:
                data = os.read(fd, 4096)
                free_ns[fd] = max(free_ns[fd], now_ns()) + len(data) * char_ns
                waiting[fd] += data
            if waiting[fd] and now_ns() >= free_ns[fd]:
                os.write(other[fd], waiting[fd])
                with contextlib.suppress(BlockingIOError):  # nobody listens there
                    os.write(tap, waiting[fd])
                waiting[fd].clear()


def _numbers(units: int | Sequence[int]) -> Sequence[int]:
    return range(1, units + 1) if isinstance(units, int) else units
