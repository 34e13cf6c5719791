"""What machines say: synthetic robot, CNC and meter; recorded ones from the folder JIAHE_TRACES.

The synthetic traces are noisy on purpose: noise is most of what a sample costs. Each takes a seed,
so that rounds differ and a run can be repeated.
"""

from __future__ import annotations

import csv
import gzip
import math
import os
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["int16", "uint16", "int32", "float32"]
MS = 1_000_000
S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Trace:
    """Columns of raw values that were read together each `period_ns`; `names[i]` has `types[i]`."""

    period_ns: int
    names: tuple[str, ...]
    types: tuple[Kind, ...]
    rows: Sequence[tuple[float, ...]]
    #: Digits after the point that the unit of a raw integer has: 3 for mrad.
    decimals: tuple[int, ...]

    @property
    def samples(self) -> int:
        return len(self.rows) * len(self.names)

    def texts(self, tick: int) -> list[str]:
        """The values of one row in text, as gateways that send text write them."""
        return [
            _shortest(value) if kind == "float32" else f"{value / 10**digits:.{digits}f}"
            for value, kind, digits in zip(self.rows[tick], self.types, self.decimals, strict=True)
        ]


def _shortest(value: float) -> str:
    """The fewest digits that give the same float32 again."""
    bits = struct.pack("<f", value)
    texts = (f"{value:.{digits}g}" for digits in range(1, 9))
    return next((text for text in texts if struct.pack("<f", float(text)) == bits), f"{value:.9g}")


def robot(seed: int, seconds: int = 60) -> Trace:
    """Six axes each 10 ms: positions in mrad, speeds, currents, temperatures, six modes."""
    rng = random.Random(seed)
    axes = [(rng.uniform(300, 1500), rng.uniform(0.15, 0.6), rng.uniform(0, 6)) for _ in range(6)]
    warmth = [rng.uniform(300, 420) for _ in axes]
    rows: list[tuple[float, ...]] = []
    for number in range(seconds * 100):
        t = number / 100
        moving = t % 8 < 6  # of each 8 s cycle the arm stands still for 2 s
        at = min(t % 8, 6) + 6 * (t // 8)
        position = [round(a * math.sin(w * at + p) + rng.gauss(0, 1)) for a, w, p in axes]
        speed = [
            round(a * w * math.cos(w * at + p) + rng.gauss(0, 6)) if moving else 0
            for a, w, p in axes
        ]
        current = [round(v * 0.4 + 200 + rng.gauss(0, 30 if moving else 8)) for v in speed]
        warm = [round(w + t / 60 + rng.gauss(0, 0.5)) for w in warmth]
        mode = (1, 2 if moving else 1, 0, 7, number // 800, 100)
        rows.append((*position, *speed, *current, *warm, *mode))
    names = [f"{what}{axis}" for what in ("q", "v", "i", "t") for axis in range(1, 7)]
    decimals = (3,) * 12 + (2,) * 6 + (1,) * 6 + (0,) * 6
    names += ["mode", "state", "alarm", "program", "cycle", "override"]
    return Trace(10 * MS, tuple(names), ("int16",) * 30, rows, decimals)


def cnc(seed: int, seconds: int = 600) -> Trace:
    """A mill each 100 ms over cycles of 95 s: positions in um, spindle, loads, feed, line."""
    rng = random.Random(seed)
    rows: list[tuple[float, ...]] = []
    for number in range(seconds * 10):
        t = number / 10
        phase = t % 95
        cutting = 10 < phase < 80
        x = round(120_000 * math.sin(phase / 9) if cutting else 0)
        y = round(80_000 * math.cos(phase / 7) if cutting else 80_000)
        z = -5_000 - 500 * int(phase // 10) if cutting else 50_000
        load = round(380 + rng.gauss(0, 25)) if cutting else round(40 + rng.gauss(0, 3))
        axis_loads = [round(150 + rng.gauss(0, 10)) if cutting else 20 for _ in range(3)]
        spindle = round(8000 + rng.gauss(0, 4)) if cutting else 0
        feed = 1200 if cutting else 0
        fixed = (3, int(cutting), 0, 1 + int(phase // 30), int(t // 95))
        line = 100 + int(phase * 2)
        rows.append((x, y, z, 0, spindle, load, *axis_loads, feed, line, *fixed))
    names = ("x", "y", "z", "b", "spindle", "load", "load_x", "load_y", "load_z", "feed", "line",
             "mode", "running", "alarm", "tool", "parts")  # fmt: skip
    return Trace(100 * MS, names, ("int32",) * 16, rows, (3,) * 4 + (0,) * 12)


def meter(seed: int, seconds: int = 3600) -> Trace:
    """A three-phase meter each second: 0.1 V, mA, W, var, 0.001, 0.01 Hz, 0.01 kWh."""
    rng = random.Random(seed)
    rows: list[tuple[float, ...]] = []
    energy = float(rng.randrange(10**6))
    load = 4.0
    for _ in range(seconds):
        load = max(0.5, load + rng.gauss(0, 0.05))
        volts = [2300 + rng.gauss(0, 4) for _ in range(3)]
        amps = [load * 1000 * (1 + rng.gauss(0, 0.01)) for _ in range(3)]
        watts = [u / 10 * i / 1000 * 0.95 for u, i in zip(volts, amps, strict=True)]
        var = [w * 0.33 + rng.gauss(0, 3) for w in watts]
        energy += sum(watts) / 3600 / 10
        rest = (950 + rng.gauss(0, 1), 5000 + rng.gauss(0, 1), energy, 12)
        rows.append(tuple(round(v) for v in (*volts, *amps, *watts, *var, *rest)))
    names = [f"{what}_{phase}" for what in ("u", "i", "p", "q") for phase in "abc"]
    decimals = (1,) * 3 + (3,) * 3 + (0,) * 6 + (3, 2, 2, 0)
    return Trace(S, (*names, "pf", "f", "energy", "ratio"), ("int32",) * 16, rows, decimals)


SYNTHETIC: dict[str, Callable[[int], Trace]] = {"robot": robot, "CNC": cnc, "meter": meter}


def _numbers(file: Path, drop: Sequence[str]) -> tuple[tuple[str, ...], list[tuple[float, ...]]]:
    """The columns of a CSV that are numbers throughout; rows that are damaged are left out."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        lines = list(csv.reader(text))
    heads, body = lines[0], [line for line in lines[1:] if len(line) == len(lines[0])]
    keep = [i for i, head in enumerate(heads) if head.strip() and head not in drop]
    keep = [i for i in keep if sum(_is_number(line[i]) for line in body) > len(body) // 2]
    rows = [
        tuple(float(line[i]) for i in keep)
        for line in body
        if all(_is_number(line[i]) for i in keep)
    ]
    return tuple(heads[i].strip() for i in keep), rows


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def recorded() -> Iterator[tuple[str, Trace]]:
    """Recorded machines: `cnc-mill-*.csv.gz` (100 ms) and `ur3-*.csv.gz` (1 s) of $JIAHE_TRACES."""
    folder = os.environ.get("JIAHE_TRACES")
    if not folder:
        return
    for pattern, name, period_ns in (
        ("cnc-mill-*.csv.gz", "recorded mill", 100 * MS),
        ("ur3-*.csv.gz", "recorded UR3", S),
    ):
        names: tuple[str, ...] = ()
        rows: list[tuple[float, ...]] = []
        for file in sorted(Path(folder).glob(pattern)):
            names, more = _numbers(file, drop=("Num", "Timestamp"))
            rows += more
        if rows:
            float32: Kind = "float32"
            yield name, Trace(period_ns, names, (float32,) * len(names), rows, (0,) * len(names))
