"""A simulator: endpoints on TCP and buses on pseudo-terminals, and one language to command them.

SELECTOR is a unit's number or its name, or * for all

FAULT SELECTOR [VALUE]     switch a fault of `faults`: slow 7 20, mute *, wrong 3 unit
clear SELECTOR             all of its faults off
drop | close | open        every connection, endpoint, terminal and DTU: drop, go away, come back
connections N              the most connections an endpoint takes; 0: no limit
counters                   a line "name=counter" a unit
stats                      requests answered, and what the buses saw
flush                      write the book now
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any

from drivers.api import TlsFiles
from drivers.modbus.address import Space
from drivers.modbus.simulator.book import Book
from drivers.modbus.simulator.bus import Bus, Others
from drivers.modbus.simulator.dtu import Dtu
from drivers.modbus.simulator.faults import NAMES, CommandError, FaultError
from drivers.modbus.simulator.maps import EMPTY, DeviceMap
from drivers.modbus.simulator.store import Store
from drivers.modbus.simulator.tcp import Endpoint, TcpServer, server_context
from drivers.modbus.simulator.terminals import Terminal
from drivers.modbus.simulator.unit import Unit
from drivers.modbus.simulator.values import SimTag

_COMMAND_S = 5.0


class Simulator:
    """Slaves that share a book. Add endpoints and buses, then `with` it."""

    def __init__(self, *, book: Path | None = None, seed: str = "0") -> None:
        self.book = Book(book)
        self.seed = seed
        self.units: list[Unit] = []
        self.endpoints: list[Endpoint] = []
        self.buses: list[Bus] = []
        self.dtus: list[Dtu] = []
        self._tcp = TcpServer()

    def unit(
        self,
        number: int,
        made: DeviceMap = EMPTY,
        *,
        name: str = "",
        counters: Mapping[Space, int] | None = None,
        counter: int = 0,
    ) -> Unit:
        """A slave of make `made`, not yet on a wire; `counters_for` says where its counter lies.
        `counter`: of the answer before its first.
        """
        at = counters_for(made.tags) if counters is None else counters
        name = name or f"unit-{number}"
        unit = Unit(number, name, Store(made.tags, f"{self.seed}/{name}"), at, self.book)
        unit.counter = counter
        unit.max_registers, unit.holes = made.max_registers, made.holes
        self.units.append(unit)
        return unit

    def add_tcp(
        self,
        units: Sequence[Unit],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        framing: str = "tcp",
        tls: TlsFiles | None = None,
    ) -> Endpoint:
        """Listen; port 0 lets the kernel choose, the endpoint knows which. Before it is started.
        With `tls` clients must show a certificate. Raises OSError.
        """
        context = server_context(tls) if tls else None
        endpoint = Endpoint(host, port, {unit.number: unit for unit in units}, framing, context)
        self.endpoints.append(endpoint)
        self._tcp.listen(endpoint)
        return endpoint

    def add_bus(
        self,
        units: Sequence[Unit],
        terminal: Terminal,
        *,
        baud: int = 9600,
        char_bits: int = 10,
        framing: str = "rtu",
        answer_ms: float = 5.0,
        others: Others | None = None,
    ) -> Bus:
        """Before it is started."""
        bus = Bus(
            terminal,
            {unit.number: unit for unit in units},
            baud=baud,
            char_bits=char_bits,
            framing=framing,
            answer_ms=answer_ms,
            others=others,
        )
        self.buses.append(bus)
        return bus

    def add_dtu(self, bus: Bus, host: str, port: int, **more: Any) -> Dtu:
        """Put a DTU in front of a bus; `more` as Dtu has it. Before it is started."""
        dtu = Dtu(bus.path, host, port, **more)
        self.dtus.append(dtu)
        return dtu

    def __enter__(self) -> Simulator:
        self._tcp.start()
        for bus in self.buses:
            bus.start()
        for dtu in self.dtus:
            dtu.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tcp.stop()
        for dtu in self.dtus:
            dtu.stop()
        for bus in self.buses:
            bus.stop()
        self.book.close()

    def command(self, line: str) -> str:
        """Do what the line says; its effect is there when this returns. Raises FaultError,
        CommandError where it means nothing. Any thread.
        """
        words = line.split()
        match words:
            case ["drop"]:
                self._on_tcp(self._tcp.drop)
                self._on_dtus(Dtu.drop)
            case ["close"]:
                self._on_tcp(self._tcp.close)
                self._on_dtus(Dtu.close)
                self._on_buses(Bus.close)
            case ["open"]:
                self._on_tcp(self._tcp.open)
                self._on_buses(Bus.open)
                self._on_dtus(Dtu.open)
            case ["connections", number] if number.isdecimal():
                for endpoint in self.endpoints:
                    endpoint.max_connections = int(number)
            case ["counters"]:
                return " ".join(f"{unit.name}={unit.counter}" for unit in self.units)
            case ["stats"]:
                return self._stats()
            case ["flush"]:
                for call in (self._tcp.call, *(bus.call for bus in self.buses)):
                    _and_wait(call, self.book.flush)  # there: after what was sent before
            case ["clear", selector]:
                for unit in self._selected(selector):
                    unit.faults.clear()
            case [fault, selector, *value] if fault in NAMES and len(value) <= 1:
                for unit in self._selected(selector):
                    unit.faults.set(fault, *value)
            case _:
                faults = ", ".join(NAMES)
                raise CommandError("no_command", line=line.strip(), faults=faults)
        return "ok"

    def _selected(self, selector: str) -> list[Unit]:
        chosen = [u for u in self.units if selector in ("*", u.name, str(u.number))]
        if not chosen:
            raise FaultError("no_unit", selector=selector, known=", ".join(self._names()))
        return chosen

    def _names(self) -> list[str]:
        return [unit.name for unit in self.units]

    def _stats(self) -> str:
        requests = sum(unit.requests for unit in self.units)
        early = sum(bus.early for bus in self.buses)
        collisions = sum(bus.collisions for bus in self.buses)
        ignored = sum(bus.ignored for bus in self.buses)
        return f"requests={requests} early={early} collisions={collisions} ignored={ignored}"

    def _on_tcp(self, what: Callable[[Endpoint], None]) -> None:
        for endpoint in self.endpoints:
            _and_wait(self._tcp.call, partial(what, endpoint))

    def _on_dtus(self, what: Callable[[Dtu], None]) -> None:
        for dtu in self.dtus:
            _and_wait(dtu.call, partial(what, dtu))

    def _on_buses(self, what: Callable[[Bus], None]) -> None:
        for bus in self.buses:
            _and_wait(bus.call, partial(what, bus))


def counters_for(tags: Sequence[SimTag]) -> dict[Space, int]:
    """Where the counter lies by default: registers 0 and 1, or behind the last tag if those are
    taken.
    """
    found: dict[Space, int] = {}
    spaces: tuple[Space, ...] = ("holding", "input")
    for space in spaces:
        ends = [t.address.number + t.registers for t in tags if t.address.space == space]
        taken = any(t.address.space == space and t.address.number < 2 for t in tags)
        found[space] = max(ends) if taken else 0
    return found


def _and_wait(call: Callable[[Callable[[], None]], None], what: Callable[[], None]) -> None:
    done = Event()
    failed: list[OSError] = []

    def run() -> None:
        try:
            what()
        except OSError as error:  # a port that another program took meanwhile, a path that is gone
            failed.append(error)
        finally:
            done.set()

    call(run)
    if not done.wait(_COMMAND_S):
        raise TimeoutError("the simulator's loop does not move")
    if failed:
        raise FaultError("system", error=failed[0]) from failed[0]
