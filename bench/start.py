"""P12: from exec to the first request on the wire, and how long `jiahe status` takes to answer."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.daemon import BIN, configure, process
from bench.harness import Goal, Result, Row, interleaved, placements, quantity

FIRST_S_MAX, STATUS_S_MAX = 1.0, 0.08
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


def start_and_status(rounds: int) -> Iterator[Row]:
    """P12. Seconds on the wall."""
    found = interleaved({"ours": start}, rounds)["ours"]
    first, status = quantity(found, "first_s"), quantity(found, "status_s")
    yield Row("P12", "exec to first request", "s", first, goal=Goal("at most", FIRST_S_MAX))
    yield Row("P12", "jiahe status", "s", status, goal=Goal("at most", STATUS_S_MAX))
