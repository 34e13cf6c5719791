"""Simulated S7 CPUs on TCP ports, and one language to command them.

FAULT [VALUE]     switch a fault of `plc`: slow 20, mute, refuse 8104, optimised 12
clear             all faults off
drop              every connection; they may come back
close | open      the port goes away, and comes back
connections N     the most connections it takes; 0: no limit
stats             requests answered, connections
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from drivers.s7.simulator.maps import Map, load_map
from drivers.s7.simulator.plc import NAMES, FaultError, Plc
from drivers.s7.simulator.tcp import Server
from drivers.s7.simulator.values import SimTag

__all__ = ["FaultError", "Map", "Plc", "SimTag", "Simulator", "Simulators", "load_map"]


class Simulator:
    """One CPU on one port of its own; `with` it."""

    def __init__(
        self, tags: Sequence[SimTag] = (), *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        """Listens; port 0 lets the kernel choose, `port` knows which. Raises OSError."""
        self.plc = Plc(tags)
        self._server = Server(self.plc, host, port)
        self.host, self.port = host, self._server.port

    def __enter__(self) -> Simulator:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stop()

    def command(self, line: str) -> str:
        """Do what the line says; its effect is there when this returns. Raises FaultError."""
        match line.split():
            case ["drop"]:
                self._server.call(self._server.drop)
            case ["close"]:
                self._server.call(self._server.close)
            case ["open"]:
                self._server.call(self._server.open)
            case ["connections", number] if number.isdecimal():
                self._server.most = int(number)
            case ["stats"]:
                return f"requests={self.plc.counter} connections={self._server.connected}"
            case ["clear"]:
                self.plc.faults.clear()
            case [fault, *value] if fault in NAMES and len(value) <= 1:
                self.plc.faults.set(fault, *value)
            case _:
                raise FaultError("no_command", line=line.strip(), faults=", ".join(NAMES))
        return "ok"


class Simulators:
    """Several CPUs that obey the same commands."""

    def __init__(self, cpus: Sequence[Simulator]) -> None:
        self._cpus = tuple(cpus)

    def command(self, line: str) -> str:
        """What the first of them says. Raises FaultError."""
        said = [cpu.command(line) for cpu in self._cpus]
        return said[0]
