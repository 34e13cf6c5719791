"""P13: Modbus Security against plain Modbus TCP, both ours, on one simulator in one run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness import Row, cpu_us, interleaved, ours, pinned, placements, rate, run
from drivers.api import TlsFiles
from tests.kit.authority import Authority

#: By requests in flight.
REQUESTS = {1: 6_000, 16: 20_000}
REGISTERS = 10


def encrypted(rounds: int) -> Iterator[Row]:
    """On two cores where the machine has them. The simulator is in Python: with many in flight its
    own speed is the limit, and the CPU of ours the figure to look at.
    """
    placement, (client, server_core) = list(placements().items())[-1]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="jiahe-bench-")))
        plant = Authority(folder, "plant")
        plc, gateway = plant.files("plc"), plant.files("gateway", ())
        made = folder / "map.toml"
        made.write_text('[tags]\nlast = { address = "holding:129", type = "int16" }\n')
        plain = stack.enter_context(_simulator(made, server_core, None))
        secured = stack.enter_context(_simulator(made, server_core, plc))
        files = (gateway.ca, gateway.cert, gateway.key)
        for in_flight, requests in REQUESTS.items():
            asked = (requests, REGISTERS, in_flight)
            found = interleaved(
                {
                    "TLS": partial(run, ours("poll", "fast", secured, *asked, *files), client),
                    "plain": partial(run, ours("poll", "fast", plain, *asked), client),
                },
                rounds,
            )
            work = f"TLS, {REGISTERS} registers, {in_flight} in flight, {placement}"
            mine, other = found["TLS"], found["plain"]
            yield Row("P13", work, "requests/s", rate(mine), "plain TCP", rate(other), None)
            yield Row("P13", work, "CPU us/request", cpu_us(mine), "plain TCP", cpu_us(other), None)


@contextmanager
def _simulator(made: Path, core: int, files: TlsFiles | None) -> Iterator[int]:
    """`jiahe-sim` on `core`; gives its port."""
    how = ["--tls", str(files.cert), str(files.key), str(files.ca)] if files else []
    program = Path(sys.executable).parent / "jiahe-sim"
    process = subprocess.Popen(
        [program, made, "--tcp", "127.0.0.1:0", "--counter", "none", "--json", *how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=pinned(core),
    )
    assert process.stdout is not None
    try:
        yield int(json.loads(process.stdout.readline())["tcp"][0].rpartition(":")[2])
    finally:
        process.communicate(timeout=10)  # closes its input, which ends it
