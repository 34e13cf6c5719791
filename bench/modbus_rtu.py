"""P5: how much of a serial wire's time a master uses, on a slave that takes the wire's time.

The slave counts, the same way for all: requests a second between the first and the last, and how
many came inside the silence that the standard asks for. The formula: 8 + 5 + 2 x registers
characters, two silences, the device's own time.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
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
    pinned,
    quantity,
    run,
)
from bench.harness import placements as cores

ANSWER_US = 500
#: Baud, registers, requests of one run, and the least share of the formula's rate.
WORK = (
    (115_200, 10, 150, 0.98),
    (115_200, 125, 40, 0.99),
    (9_600, 10, 24, 0.99),
    (9_600, 125, 6, 0.99),
)


def request_ns(baud: int, registers: int) -> float:
    """Time of one request on a perfect 8N1 bus."""
    character = 10e9 / baud
    silence = 1.75e6 if baud > 19_200 else 3.5 * character
    return (8 + 5 + 2 * registers) * character + 2 * silence + ANSWER_US * 1000


def on_wire(command: Sequence[str], baud: int, *arguments: object) -> Result:
    """Runs one master against a fresh slave; its result and the slave's in one."""
    client, slave_core = list(cores().values())[-1]
    slave = subprocess.Popen(
        [peer("rtu_slave"), str(baud), str(ANSWER_US)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=pinned(slave_core),
    )
    assert slave.stdout is not None
    try:
        path = slave.stdout.readline().strip()
        result = run([*command, path, str(baud), *map(str, arguments)], client)
    finally:
        said, _ = slave.communicate(timeout=10)  # closes its input, which ends it
    return {**result, **json.loads(said)}


def _share(results: Sequence[Result], baud: int, registers: int) -> Figure:
    perfect = request_ns(baud, registers)
    return Figure.of([(r["asked"] - 1) * perfect / r["span_ns"] for r in results])


def serial(rounds: int) -> Iterator[Row]:
    """P5, with libmodbus and pymodbus beside, and the floor: a master in C that sleeps to the
    deadline. What the floor loses too is the pseudo-terminal's and the scheduler's.
    """
    masters = {
        "ours": ours("poll", "rtu"),
        "bare C": [peer("rtu_master")],
        "libmodbus": [peer("libmodbus_rtu", "modbus")],
        "pymodbus": ours("pymodbus_rtu"),
    }
    for baud, registers, requests, least in WORK:
        found = interleaved(
            {
                name: partial(on_wire, command, baud, requests, registers)
                for name, command in masters.items()
            },
            rounds,
        )
        work = f"RTU, {baud} baud, {registers} registers"
        mine = found["ours"]
        share, early = _share(mine, baud, registers), quantity(mine, "early")
        yield Row("P5", work, "share of the wire", share, goal=Goal("at least", least))
        yield Row("P5", work, "inside the silence", early, goal=Goal("at most", 0))
        for name in ("bare C", "libmodbus", "pymodbus"):
            theirs = found[name]
            yield Row("P5", work, "share of the wire", share, name, _share(theirs, baud, registers))
            yield Row("P5", work, "inside the silence", early, name, quantity(theirs, "early"))
            yield Row("P5", work, "CPU us/request", cpu_us(mine), name, cpu_us(theirs))
