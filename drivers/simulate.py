"""`jiahe-sim`: simulated controllers on TCP ports, a pseudo-terminal, or behind a DTU that dials.

Listens or dials, says so in one line, then obeys the commands on its standard input (`help` lists
them) until it gets SIGTERM, SIGINT or the end of its input, and leaves nothing behind.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from drivers import profiles
from drivers.api import TlsFiles
from drivers.dlt645 import simulator as dlt645
from drivers.modbus.address import AddressError, Space, parse
from drivers.modbus.simulator import (
    Bus,
    DeviceMap,
    PseudoTerminal,
    SerialPort,
    Simulator,
    Unit,
    load_map,
)
from drivers.modbus.simulator.faults import NAMES, CommandError
from drivers.modbus.simulator.terminals import Terminal
from drivers.mtconnect import simulator as mtconnect
from drivers.mtconnect.simulated_adapter import Adapter
from drivers.profiles import driver_of
from drivers.s7 import simulator as s7
from drivers.simulate_given import address_of, numbers_of, packet_of
from drivers.simulate_said import SimulatorError, said, why
from drivers.simulate_words import (
    ADAPTER_COMMANDS,
    AGENT_COMMANDS,
    COMMANDS,
    METER_COMMANDS,
    NO_COMMAND,
    S7_COMMANDS,
    parser_in,
    words,
)
from usage import Parser, Words, language


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 fine, 1 a fault said on stderr, 2 usage."""
    lang = language()
    parser = parser_in(lang)
    options = parser.parse_args(argv)
    if sum(map(bool, (options.tcp, options.pty, options.port, options.dial))) != 1:
        parser.error(words("where", lang))
    if options.tls and (not options.tcp or options.framing not in (None, "tcp")):
        parser.error(words("tls_where", lang))
    try:
        path = _map_path(options.map)
        if options.framing == "shdr" and driver_of(path) != "mtconnect":
            parser.error(words("shdr_where", lang))
        if driver_of(path) == "s7":
            return _serve_s7(parser, options, path)
        if driver_of(path) == "dlt645":
            return _serve_meters(parser, options)
        if driver_of(path) == "mtconnect":
            return _serve_agents(parser, options)
        if options.meters and options.tcp:
            parser.error(words("meters_where", lang))
        return _serve(options, load_map(path))
    except (OSError, ValueError) as error:
        where = " ".join(options.tcp)
        sys.stderr.write(f"jiahe-sim: {why(error, where)}\n")
        return 1


def _map_path(name: str) -> Path:
    if name.endswith(".toml") or "/" in name:
        return Path(name)
    try:
        return profiles.find(name)
    except profiles.UnknownProfileError:
        known = ", ".join(profiles.names())
        raise SimulatorError("no_profile", name=name, known=known) from None


def _serve(options: argparse.Namespace, made: DeviceMap) -> int:
    simulator = Simulator(book=options.book, seed=options.seed)
    numbers = numbers_of(options.units)
    meters = _meters(options) if options.meters else []
    if options.pty:
        _add_bus(simulator, made, options, PseudoTerminal(options.pty), meters)
    if options.port:
        wire = SerialPort(options.port, options.baud, options.parity)
        _add_bus(simulator, made, options, wire, meters)
    if options.dial:
        told = _dialling(options)
        with tempfile.TemporaryDirectory(prefix="jiahe-sim-") as folder:
            bus = _add_bus(simulator, made, options, PseudoTerminal(Path(folder) / "bus"), meters)
            simulator.add_dtu(bus, **told)
            return _live(options, made, simulator, meters)
    tls = TlsFiles(options.tls[2], *options.tls[:2]) if options.tls else None
    for index, address in enumerate(options.tcp):
        host, port = address_of(address, options.allow_remote)
        prefix = f"{index + 1}/" if len(options.tcp) > 1 else ""
        units = _units(simulator, made, options, numbers, prefix)
        framing = options.framing or "tcp"
        simulator.add_tcp(units, host=host, port=port, framing=framing, tls=tls)
    if options.tcp and options.answer_ms:
        simulator.command(f"slow * {options.answer_ms}")
    return _live(options, made, simulator, meters)


def _serve_s7(parser: Parser, options: argparse.Namespace, path: Path) -> int:
    """A CPU on each TCP address."""
    if not options.tcp:
        parser.error(words("where_s7", language()))
    made = s7.load_map(path)
    with ExitStack() as stack:
        cpus = [
            stack.enter_context(s7.Simulator(made.tags, host=host, port=port))
            for host, port in (address_of(each, options.allow_remote) for each in options.tcp)
        ]
        for cpu in cpus:
            if options.answer_ms:
                cpu.command(f"slow {options.answer_ms}")
        where = [f"{cpu.host}:{cpu.port}" for cpu in cpus]
        ready = {"ready": True, "title": made.title, "tcp": where, "pid": os.getpid()}
        line = _ready_line(_title(made), where)
        _until_end(s7.Simulators(cpus), ready, line, S7_COMMANDS, as_json=options.json)
    return 0


def _serve_agents(parser: Parser, options: argparse.Namespace) -> int:
    """An MTConnect agent, or an adapter without one, each with a machine of its own."""
    if not options.tcp:
        parser.error(words("where_agent", language()))
    is_adapter, name = options.framing == "shdr", options.name.replace("{unit}", "1")
    machines: list[Adapter | mtconnect.Agent] = []
    with ExitStack() as stack:
        for host, port in (address_of(each, options.allow_remote) for each in options.tcp):
            if is_adapter:
                adapter = Adapter(host=host, port=port, seed=options.seed)
                machines.append(stack.enter_context(adapter))
            else:
                agent = mtconnect.Agent(host=host, port=port, seed=options.seed, name=name)
                machines.append(stack.enter_context(agent))
        where = [f"{machine.host}:{machine.port}" for machine in machines]
        title = "MTConnect adapter (SHDR)" if is_adapter else "MTConnect agent"
        ready = {"ready": True, "title": title, "tcp": where, "pid": os.getpid()}
        line = _ready_line(said("adapter" if is_adapter else "agent"), where)
        commands = ADAPTER_COMMANDS if is_adapter else AGENT_COMMANDS
        _until_end(mtconnect.Together(machines), ready, line, commands, as_json=options.json)
    return 0


def _serve_meters(parser: Parser, options: argparse.Namespace) -> int:
    """Meters alone on a line."""
    if options.dial or options.port or len(options.tcp) > 1:
        parser.error(words("where_meter", language()))
    meters = _meters(options)
    host, port = address_of(options.tcp[0], options.allow_remote) if options.tcp else ("", 0)
    with dlt645.Served(meters, host=host, port=port, path=options.pty) as served:
        where = str(options.pty) if options.pty else f"{served.host}:{served.port}"
        names = [meter.address for meter in meters]
        ready = {"ready": True, "title": "DL/T 645", "where": where, "meters": names}
        line = _ready_line("DL/T 645", [where], meters=names)
        _until_end(served, ready, line, METER_COMMANDS, as_json=options.json)
    return 0


def _meters(options: argparse.Namespace) -> list[dlt645.Meter]:
    """Those of --meters; without it unit 7 has the address 000000000007."""
    if options.meters:
        addresses = [each.strip() for each in options.meters.split(",")]
    else:
        addresses = [f"{number:012}" for number in numbers_of(options.units)]
    for address in addresses:
        if len(address) != 12 or not (address.isascii() and address.isdecimal()):
            raise SimulatorError("no_meter", text=address)
    meters = [dlt645.Meter(each, seed=f"{options.seed}{int(each)}") for each in addresses]
    for meter in meters:
        meter.faults.answer_ms = 20.0 if options.answer_ms is None else options.answer_ms
    return meters


def _add_bus(
    simulator: Simulator,
    made: DeviceMap,
    options: argparse.Namespace,
    terminal: Terminal,
    meters: Sequence[dlt645.Meter],
) -> Bus:
    return simulator.add_bus(
        _units(simulator, made, options, numbers_of(options.units), ""),
        terminal,
        baud=options.baud,
        char_bits=options.char_bits,
        framing=options.framing or "rtu",
        answer_ms=5.0 if options.answer_ms is None else options.answer_ms,
        others=dlt645.Line(meters).hear if meters else None,
    )


def _dialling(options: argparse.Namespace) -> dict[str, Any]:
    host, port = address_of(options.dial, allow_remote=True)
    return {
        "host": host,
        "port": port,
        "register": packet_of(options.register),
        "heartbeat": packet_of(options.heartbeat),
        "every_s": max(0.01, options.heartbeat_every),
    }


def _live(
    options: argparse.Namespace,
    made: DeviceMap,
    simulator: Simulator,
    meters: Sequence[dlt645.Meter],
) -> int:
    """From the ready line to the end."""
    for dead in numbers_of(options.dead) if options.dead else []:
        simulator.command(f"mute {dead}")
    with simulator:
        ready = _ready(options, made, simulator)
        ready["meters"] = [meter.address for meter in meters]
        served = _Beside(simulator, meters) if meters else simulator
        where = [ready["dial"] or ready["pty"] or ready["port"] or " ".join(ready["tcp"])]
        line = _ready_line(
            _title(made), where, units=ready["units"], meters=ready["meters"],
            dials=bool(options.dial),
        )  # fmt: skip
        _until_end(served, ready, line, COMMANDS, as_json=options.json)
    return 0


class Commanded(Protocol):
    """What a technician can command while it runs."""

    def command(self, line: str) -> str: ...


class _Beside:
    """Controllers with meters on their wire."""

    def __init__(self, simulator: Simulator, meters: Sequence[dlt645.Meter]) -> None:
        self._simulator = simulator
        self._meters = meters

    def command(self, line: str) -> str:
        match line.split():
            case [_, which] if which in {meter.address for meter in self._meters}:
                return dlt645.obey(self._meters, line)
            case ["stats"]:
                return f"{self._simulator.command(line)} {dlt645.obey(self._meters, line)}"
            case ["mute" | "clear", "*"]:
                dlt645.obey(self._meters, line)
        return self._simulator.command(line)


def _until_end(
    simulator: Commanded, ready: dict[str, Any], line: str, commands: Words, *, as_json: bool
) -> None:
    """Says that it is ready, then obeys until a signal or the end of the input."""
    stop_read, stop_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(stop_write, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    sys.stdout.write((json.dumps(ready, ensure_ascii=False) if as_json else line) + "\n")
    sys.stdout.flush()
    _obey(simulator, commands, stop_read)
    signal.set_wakeup_fd(-1)
    os.close(stop_read)
    os.close(stop_write)


def _units(
    simulator: Simulator,
    made: DeviceMap,
    options: argparse.Namespace,
    numbers: Sequence[int],
    prefix: str,
) -> list[Unit]:
    counters: dict[Space, int] | None = None
    if options.counter == "none":
        counters = {}
    elif options.counter:
        try:
            at = parse(options.counter)
        except AddressError as error:
            raise SimulatorError("counter_address", text=options.counter) from error
        if not at.is_register or at.bit is not None:
            raise SimulatorError("counter_registers", text=options.counter)
        counters = {at.space: at.number}
    return [
        simulator.unit(
            number,
            made,
            name=prefix + options.name.replace("{unit}", str(number)),
            counters=counters,
            counter=options.counter_from - 1,
        )
        for number in numbers
    ]


def _ready(options: argparse.Namespace, made: DeviceMap, simulator: Simulator) -> dict[str, Any]:
    first = simulator.units[0]
    return {
        "ready": True,
        "title": made.title,
        "tcp": [f"{endpoint.host}:{endpoint.port}" for endpoint in simulator.endpoints],
        "pty": str(options.pty) if options.pty else None,
        "port": str(options.port) if options.port else None,
        "dial": options.dial,
        "units": [unit.number for unit in simulator.units],
        "devices": [unit.name for unit in simulator.units],
        "counters": {str(space): at for space, at in first.counter_at.items()},
        "pid": os.getpid(),
    }


def _title(made: DeviceMap | s7.Map) -> str:
    return (made.title_zh if language() == "zh" else "") or made.title


def _ready_line(
    title: str,
    where: Sequence[str],
    *,
    units: Sequence[int] = (),
    meters: Sequence[str] = (),
    dials: bool = False,
) -> str:
    """Who answers, and where, for people."""
    at = said("ready_dialling" if dials else "ready_on", where=" ".join(where))
    who = {"units": ",".join(map(str, sorted(set(units)))), "meters": ", ".join(meters)}
    if units or meters:
        key = "ready_both" if units and meters else "ready_units" if units else "ready_meters"
        at = said(key, where=at, **who)
    return said("ready", title=title, where=at)


def _obey(simulator: Commanded, commands: Words, stop: int) -> None:
    """Commands from standard input, until it ends or a signal comes."""
    pending = b""
    while True:
        ready, _, _ = select.select([0, stop], [], [])
        if stop in ready:
            return
        data = os.read(0, 4096)
        if not data:
            return
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace").strip()
            if text == "quit":
                return
            if text:
                sys.stdout.write(_reply(simulator, commands, text) + "\n")
                sys.stdout.flush()


def _reply(simulator: Commanded, commands: Words, text: str) -> str:
    if text == "help":
        return words(commands, language())
    try:
        return simulator.command(text)
    except CommandError:
        slip = words(NO_COMMAND, language()).format(line=text, faults=", ".join(NAMES))
        return said("error", error=slip)
    except SimulatorError as error:
        return said("error", error=error)


if __name__ == "__main__":
    sys.exit(main())
