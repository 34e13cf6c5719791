"""P18: S7 CPUs read a hundred times a second: the whole of `jiahe run`, against Snap7's client.

The CPUs are Snap7's servers, a thread a connection, on the other core where there is one. Snap7's
client (C), a thread a CPU, reads the same values as often, and makes numbers of them; the daemon
reads a user's file, accounts, compresses, sends and keeps it all. Both are read by the CPU time of
their process, a value.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import snap7

from bench.daemon import cpu_ns
from bench.harness import (
    HERE,
    Figure,
    Goal,
    Result,
    Row,
    interleaved,
    peer,
    pinned,
    placements,
    run,
)
from bench.report import cut_short
from tests.kit.rig import Rig, wait_for

GATEWAY = "bench-s7"
CPUS, PERIOD_US, SCANS = 16, 10_000, 800
LIBRARY = Path(snap7.__file__).parent / "lib" / "libsnap7.so"
#: Values, and bytes from one to the next: one block, and places that no request bridges.
WORKS = {"230 values of one block": (230, 4), "60 values in 60 places": (60, 64)}


@contextmanager
def plant(core: int, size: int) -> Iterator[int]:
    """Snap7's servers on `core`; their port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.s7_server", str(CPUS), str(size)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parent,
        preexec_fn=pinned(core),
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.communicate(timeout=10)  # closes its input, which ends it


def configuration(head: str, port: int, values: int, step: int) -> str:
    """A gateway.toml."""
    tags = "".join(
        f't{n} = {{ address = "DB1.DBD{step * n}", type = "float32" }}\n' for n in range(values)
    )
    return head + "\n".join(
        f'\n[links.cell{n}]\ntype = "tcp"\naddress = "127.1.0.{n}:{port}"\n'
        f'[devices.plc{n}]\nlink = "cell{n}"\ndriver = "s7"\nevery = "{PERIOD_US // 1000} ms"\n'
        f"[devices.plc{n}.tags]\n{tags}"
        for n in range(1, CPUS + 1)
    )


def daemon(port: int, values: int, step: int, core: int, written: list[str]) -> Result:
    """One run of the daemon: scans, and the CPU time of its process meanwhile."""
    with TemporaryDirectory(prefix="jiahe-bench-") as name, Rig(Path(name) / "r", GATEWAY) as rig:
        written[:] = [configuration(rig.head(), port, values, step)]
        rig.config.write_text(written[0], encoding="utf-8")
        rig.start_daemon(["taskset", "-c", str(core)])
        assert rig.daemon is not None
        wait_for("a hundred scans of each", lambda: scans(rig) > 100 * CPUS * values)
        before, used, at = scans(rig), cpu_ns(rig.daemon.pid), time.monotonic_ns()
        time.sleep(SCANS * PERIOD_US / 1e6)
        read = (scans(rig) - before) / values
        found = {
            "requests": read,
            "cpu_ns": cpu_ns(rig.daemon.pid) - used,
            "wall_ns": time.monotonic_ns() - at,
        }
        rig.stop_daemon()
    return found


def scans(rig: Rig) -> int:
    """Samples so far."""
    status = rig.status()
    return int(status["counters"]["samples"]) if status else 0


def against(rounds: int) -> Iterator[Row]:
    """P18."""
    core, other = list(placements().values())[-1]
    written: list[str] = []
    for work, (values, step) in WORKS.items():
        with plant(other, values * step) as port:
            asked: Sequence[object] = (LIBRARY, port, CPUS, SCANS, PERIOD_US, values, step)
            contenders = {
                "ours": partial(daemon, port, values, step, core, written),
                "Snap7": partial(
                    run, [peer("snap7_client", "dl"), *map(str, asked)], core
                ),
            }  # fmt: skip
            found = interleaved(contenders, rounds)
        ours, theirs = (
            Figure.of([each["cpu_ns"] / each["requests"] / values for each in found[name]])
            for name in ("ours", "Snap7")
        )
        yield Row(
            "P18", f"daemon, {CPUS} S7 CPUs: {work}, 100/s", "CPU ns/value", ours,
            "Snap7's client", theirs, Goal("at most", 0.5), cut_short(written[0]),
        )  # fmt: skip
