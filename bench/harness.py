"""Measures contenders against each other: interleaved rounds, pinned cores, median and spread.

A contender is a command. It does its work and prints one JSON object on its last line: `requests`,
`wall_ns`, `cpu_ns` (user and system time of its process around the work, without its start), and
what else it counts. All contenders of a bench run in turn, round after round, so that a noisy
minute harms all of them alike. Nothing is averaged away: a row carries the median and the spread.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Literal, Self

HERE = Path(__file__).resolve().parent
ROUNDS_MIN = 5
#: No contender works for as long as this; one that does hangs.
RUN_S_MAX = 120

#: Client's core and server's core. Where a scheduler puts the two matters more than their code.
PLACEMENTS: Mapping[str, tuple[int, int]] = {"one core": (0, 0), "two cores": (0, 1)}

Result = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured quantity: median, least and most of its rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Goal:
    """What `ours / peer` (or ours alone, without a peer) must reach."""

    sense: Literal["at least", "at most"]
    bound: float

    def met_by(self, value: float) -> bool:
        return value >= self.bound if self.sense == "at least" else value <= self.bound


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. Without `goal` it only shows."""

    bench: str
    work: str
    unit: str
    ours: Figure
    peer_name: str = ""
    peer: Figure | None = None
    goal: Goal | None = None
    configuration: str = ""  # the file that a user would write for it; what repeats is cut short

    @property
    def value(self) -> float | None:
        """The ratio of the medians, None where the peer's is 0; without a peer our median."""
        if self.peer is None:
            return self.ours.median
        return self.ours.median / self.peer.median if self.peer.median else None

    @property
    def met(self) -> bool | None:
        return self.goal.met_by(self.value) if self.goal and self.value is not None else None


#: A bench yields rows; its argument is the number of rounds.
Bench = Callable[[int], Iterator[Row]]


@cache
def peer(name: str, *libraries: str) -> str:
    """The path of the program made from peers/NAME.c by gcc -O2. Raises CalledProcessError."""
    folder = HERE / "results" / "peers"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    source = HERE / "peers" / f"{name}.c"
    flags = ["-pthread", *(f"-l{library}" for library in libraries)]
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", program, source, *flags], check=True)
    return str(program)


def ours(module: str, *arguments: object) -> list[str]:
    """The command that runs one of our own contenders, a module of this package."""
    return [sys.executable, "-m", f"bench.{module}", *map(str, arguments)]


def pinned(core: int) -> Callable[[], None]:
    """For a child's `preexec_fn`: it and its threads stay on `core`."""
    return lambda: os.sched_setaffinity(0, {core})


@contextmanager
def server(core: int) -> Iterator[int]:
    """The counting Modbus TCP server on `core`; gives its port."""
    process = subprocess.Popen(
        [peer("server")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=pinned(core),
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.communicate(timeout=10)  # closes its input, which ends it


class Machines:
    """Independent Modbus TCP machines, each at an address of its own."""

    def __init__(self, count: int, core: int) -> None:
        self._process = subprocess.Popen(
            [peer("machines"), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=pinned(core),
        )
        port = self._line()
        self.addresses = [f"127.1.{n // 250}.{n % 250 + 1}:{port}" for n in range(count)]

    def _line(self) -> str:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise RuntimeError("the machines ended: may so many files be open?")
        return line.strip()

    def wait_asked(self) -> None:
        """Until one of them was asked and has answered."""
        assert self._line() == "asked"

    def wait_all_asked(self) -> None:
        """Until each of them has, after `wait_asked`."""
        assert self._line() == "all"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)  # closes its input, which ends it


def run(command: Sequence[str], core: int) -> Result:
    """Runs one contender on `core`. Raises RuntimeError with what it said when it fails."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        preexec_fn=pinned(core),
        cwd=HERE.parent,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return result


def interleaved(
    contenders: Mapping[str, Callable[[], Result]], rounds: int
) -> dict[str, list[Result]]:
    """Each contender once a round, the order turned by one from round to round."""
    results: dict[str, list[Result]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(max(rounds, ROUNDS_MIN)):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            results[name].append(contenders[name]())
    return results


def placements() -> dict[str, tuple[int, int]]:
    """Those of PLACEMENTS that this machine, or this process's share of it, can do."""
    cores = sorted(os.sched_getaffinity(0))
    return {
        name: (cores[client], cores[server_])
        for name, (client, server_) in PLACEMENTS.items()
        if max(client, server_) < len(cores)
    }


def rate(results: Sequence[Result]) -> Figure:
    """Requests a second."""
    return Figure.of([r["requests"] / (r["wall_ns"] / 1e9) for r in results])


def cpu_us(results: Sequence[Result]) -> Figure:
    """Microseconds of CPU a request."""
    return Figure.of([r["cpu_ns"] / 1000 / r["requests"] for r in results])


def quantity(results: Sequence[Result], key: str, divisor: float = 1.0) -> Figure:
    return Figure.of([r[key] / divisor for r in results])


def _text(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    return f"{figure.median:,.4g} ({figure.least:,.4g}..{figure.most:,.4g})"


_HEADS = ("", "work", "unit", "ours", "peer", "peer's", "ratio", "goal", "met")


def _cells(row: Row) -> tuple[str, ...]:
    goal = (
        f"{'>=' if row.goal.sense == 'at least' else '<='} {row.goal.bound:.3g}" if row.goal else ""
    )
    return (
        row.bench,
        row.work,
        row.unit,
        _text(row.ours),
        row.peer_name,
        _text(row.peer),
        f"{row.value:.3g}" if row.peer and row.value is not None else "",
        goal,
        {True: "yes", False: "NO", None: ""}[row.met],
    )


def table(rows: Sequence[Row]) -> str:
    """The rows as one aligned table; "least..most" beside each median."""
    cells = [_HEADS, *map(_cells, rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_HEADS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def line(row: Row) -> str:
    """A row by itself, as soon as it is known."""
    return "  ".join(cell for cell in _cells(row) if cell)


def _cpu() -> str:
    """The processor's name as the kernel gives it, else its architecture."""
    for said in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if said.startswith("model name"):
            return said.partition(":")[2].strip()
    return os.uname().machine


def document(
    rows: Sequence[Row], rounds: int, command: Sequence[str], broken: Mapping[str, str]
) -> str:
    """What bench/results/latest.json holds; `broken`: benches without a result, and why."""
    machine = {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "kernel": os.uname().release,
        "machine": os.uname().machine,
        "python": sys.version.split()[0],
    }
    listed = [asdict(row) | {"value": row.value, "met": row.met} for row in rows]
    run = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": list(command),
        "machine": machine,
        "rounds": max(rounds, ROUNDS_MIN),
        "broken": dict(broken),
        "rows": listed,
    }
    return json.dumps(run, indent=2) + "\n"
