"""P1 to P3: Modbus TCP on loopback against libmodbus and against the floor, in both placements.

P1: one connection, one request in flight. P2: up to 16 in flight. P3: 64 devices, each 100 times a
second. Server and client are pinned: the scheduler's choice of cores is worth more than their code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from bench.harness import (
    Figure,
    Goal,
    Result,
    Row,
    cpu_us,
    interleaved,
    ours,
    peer,
    placements,
    quantity,
    rate,
    run,
    server,
)

#: By requests in flight: about half a second each.
REQUESTS = {1: 10_000, 16: 60_000}
REGISTERS = (10, 125)
IN_FLIGHT = 16
DEVICES, PERIOD_US, DEVICE_REGISTERS, SCANS = 64, 10_000, 40, 200

Commands = Mapping[str, Sequence[str]]


def _measured(commands: Commands, core: int, rounds: int) -> dict[str, list[Result]]:
    return interleaved({name: partial(run, argv, core) for name, argv in commands.items()}, rounds)


def _clients(port: int, registers: int, in_flight: int) -> Commands:
    asked = (port, REQUESTS[in_flight], registers)
    return {
        "ours": ours("poll", "fast", *asked, in_flight),
        "libmodbus": [peer("libmodbus_client", "modbus"), *map(str, asked)],
        "bare C": [peer("bare_client"), *map(str, asked), str(in_flight)],
    }


def one_in_flight(rounds: int) -> Iterator[Row]:
    """P1. Goals: against libmodbus by placement; against the bare C loop the same in both."""
    goals = {"one core": (1.2, 0.7), "two cores": (1.0, 0.95)}
    for placement, (client, server_core) in placements().items():
        for registers in REGISTERS:
            with server(server_core) as port:
                found = _measured(_clients(port, registers, 1), client, rounds)
            faster, cheaper = goals[placement]
            work = f"{registers} registers, 1 in flight, {placement}"
            yield from _against("P1", work, found, "libmodbus", faster, cheaper)
            yield from _against("P1", work, found, "bare C", 0.95, 1.15)
            yield _sealing("P1", work, found["ours"])


def many_in_flight(rounds: int) -> Iterator[Row]:
    """P2, on two cores where the machine has them."""
    placement, (client, server_core) = list(placements().items())[-1]
    for registers in REGISTERS:
        with server(server_core) as port:
            found = _measured(_clients(port, registers, IN_FLIGHT), client, rounds)
        work = f"{registers} registers, {IN_FLIGHT} in flight, {placement}"
        yield from _against("P2", work, found, "libmodbus", 10, 0.15)
        yield from _against("P2", work, found, "bare C", None, None)
        yield _sealing("P2", work, found["ours"])


def many_devices(rounds: int) -> Iterator[Row]:
    """P3. Lateness: how long after it was due a scan's request was sent."""
    for placement, (client, server_core) in placements().items():
        with server(server_core) as port:
            asked = tuple(map(str, (port, DEVICES, PERIOD_US, DEVICE_REGISTERS, SCANS)))
            commands = {
                "ours": ours("poll", "devices", *asked),
                "libmodbus, thread each": [peer("libmodbus_poller", "modbus"), *asked],
                "epoll loop in C": [peer("epoll_poller"), *asked],
            }
            found = _measured(commands, client, rounds)
        work = f"{DEVICES} devices x 100/s x {DEVICE_REGISTERS} registers, {placement}"
        mine = found["ours"]
        for name, most_cpu, most_late in (
            ("libmodbus, thread each", 0.4, 1.0),
            ("epoll loop in C", None, None),
        ):
            theirs = found[name]
            yield Row("P3", work, "CPU us/request", cpu_us(mine), name, cpu_us(theirs),
                      Goal("at most", most_cpu) if most_cpu else None)  # fmt: skip
            yield Row("P3", work, "late p99 us", quantity(mine, "late_p99_ns", 1000), name,
                      quantity(theirs, "late_p99_ns", 1000),
                      Goal("at most", most_late) if most_late else None)  # fmt: skip


def _sealing(bench: str, work: str, mine: Sequence[Result]) -> Row:
    """What no peer does: the part of our CPU that makes columns, differences and zstd of it all."""
    share = [r["sealing_ns"] / 1000 / r["requests"] for r in mine]
    return Row(bench, work, "of it sealing, us", Figure.of(share))


def _against(
    bench: str,
    work: str,
    found: Mapping[str, list[Result]],
    name: str,
    faster: float | None,
    cheaper: float | None,
) -> Iterator[Row]:
    mine, theirs = found["ours"], found[name]
    yield Row(bench, work, "requests/s", rate(mine), name, rate(theirs),
              Goal("at least", faster) if faster else None)  # fmt: skip
    yield Row(bench, work, "CPU us/request", cpu_us(mine), name, cpu_us(theirs),
              Goal("at most", cheaper) if cheaper else None)  # fmt: skip
