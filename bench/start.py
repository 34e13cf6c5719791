"""P12: from exec to the first request on the wire, to an answer of each of 24 machines, and how
long `jiahe status` takes.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.daemon import BIN, configure, process
from bench.harness import Goal, Machines, Result, Row, interleaved, placements, quantity
from bench.report import cut_short

DEVICES = 24
FIRST_S_MAX, ALL_S_MAX, STATUS_S_MAX = 1.0, 2.0, 0.08
HANGS_S = 20


def start() -> Result:
    """One start of the daemon with one device, whose socket the bench holds; then one `status`."""
    core, _ = list(placements().values())[-1]
    with (
        TemporaryDirectory(prefix="jiahe-bench-") as name,
        socket.create_server(("127.0.0.1", 0)) as device,
    ):
        device.settimeout(HANGS_S)
        # Nobody listens where the uplink goes: a box must scan with the platform away.
        address = f"127.0.0.1:{device.getsockname()[1]}"
        config = configure(Path(name), [address], "127.0.0.1:1")
        begun = time.monotonic()
        command = (BIN / "jiahe", "run", "--config", config)
        with process(core, *command, stderr=subprocess.DEVNULL):
            connection, _ = device.accept()
            with connection:
                connection.settimeout(HANGS_S)
                connection.recv(12)
                first_s = time.monotonic() - begun
                begun = time.monotonic()
                status = [str(BIN / "jiahe"), "--config", str(config), "status"]
                done = subprocess.run(status, capture_output=True, timeout=HANGS_S)
                status_s = time.monotonic() - begun
                if not done.stdout:
                    raise RuntimeError(f"jiahe status says nothing: {done.stderr.decode()}")
                return {"first_s": first_s, "status_s": status_s}


def start_many(written: list[str]) -> Result:
    """One start of the daemon with DEVICES machines that are independent of each other; its
    configuration into `written`.
    """
    core, other = list(placements().values())[-1]
    with (
        TemporaryDirectory(prefix="jiahe-bench-") as name,
        Machines(DEVICES, other) as plant,
    ):
        config = configure(Path(name), plant.addresses, "127.0.0.1:1")
        written[:] = [cut_short(config.read_text(encoding="utf-8"))]
        begun = time.monotonic()
        command = (BIN / "jiahe", "run", "--config", config)
        with process(core, *command, stderr=subprocess.DEVNULL):
            plant.wait_asked()
            plant.wait_all_asked()
            return {"all_s": time.monotonic() - begun}


def start_and_status(rounds: int) -> Iterator[Row]:
    """P12. Seconds on the wall."""
    written: list[str] = []
    runs = interleaved({"one": start, "many": partial(start_many, written)}, rounds)
    first, status = quantity(runs["one"], "first_s"), quantity(runs["one"], "status_s")
    every = quantity(runs["many"], "all_s")
    yield Row("P12", "exec to first request", "s", first, goal=Goal("at most", FIRST_S_MAX),
              configuration=written[0])  # fmt: skip
    work = f"exec to an answer of each of {DEVICES} machines"
    yield Row("P12", work, "s", every, goal=Goal("at most", ALL_S_MAX),
              configuration=written[0])  # fmt: skip
    yield Row("P12", "jiahe status", "s", status, goal=Goal("at most", STATUS_S_MAX))
