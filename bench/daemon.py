"""P4: what the whole daemon costs a request, from the wire to acknowledged and trimmed.

`jiahe run` reads 20 devices of 10 registers each 2 ms and streams to `jiahe-ingest`, both as they
ship, over loopback. Its CPU is that of its process alone (/proc/PID/stat). The peer is libmodbus's
bare read of the same registers, one request after the other, with nothing done to what it reads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.harness import (
    Goal,
    Machines,
    Result,
    Row,
    cpu_us,
    interleaved,
    peer,
    pinned,
    placements,
    quantity,
    run,
    server,
)
from bench.report import cut_short

DEVICES, REGISTERS, PERIOD = 20, 10, "2 ms"
REQUESTS = 10_000
#: The daemon is measured for this long, after it has been acknowledged for the first time.
MEASURE_S = 4.0
START_S_MAX = 30.0
GOALS: Mapping[str, float] = {"one core": 1.0, "two cores": 0.35}

BIN = Path(sys.executable).parent


@contextmanager
def process(core: int, *command: object, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A child on `core`, ended by SIGTERM."""
    child = subprocess.Popen(list(map(str, command)), text=True, preexec_fn=pinned(core), **options)
    try:
        yield child
    finally:
        child.terminate()
        child.communicate(timeout=20)


def configure(folder: Path, addresses: Sequence[str], ingest: str) -> Path:
    """Write a configuration: a device at each of the addresses, and where `ingest` listens."""
    tags = "\n".join(
        f't{n} = {{ address = "holding:{n}", type = "int16" }}' for n in range(REGISTERS)
    )
    parts = [
        'version = 1\n[gateway]\nid = "bench"\nsite = "bench"\nlanguage = "en"',
        f'control = "{folder}/control.sock"',
        f'[platform]\naddress = "{ingest}"\ninsecure = true',
        f'[buffer]\npath = "{folder}/buffer"',
    ]
    for n, address in enumerate(addresses):
        parts.append(f'[links.link{n}]\ntype = "tcp"\naddress = "{address}"')
        parts.append(f'[devices.device{n}]\nlink = "link{n}"\ndriver = "modbus"\nunit = 1')
        parts.append(f'every = "{PERIOD}"\n[devices.device{n}.tags]\n{tags}')
    file = folder / "gateway.toml"
    file.write_text("\n".join(parts) + "\n", encoding="utf-8")
    return file


def _status(config: Path) -> dict[str, Any] | None:
    """What `jiahe status --json` says; None while the daemon does not answer yet."""
    command = [str(BIN / "jiahe"), "--config", str(config), "status", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=START_S_MAX)
    found: dict[str, Any] | None = json.loads(done.stdout) if done.stdout.strip() else None
    return found


def cpu_ns(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def _asked(status: Mapping[str, Any]) -> int:
    return sum(link["requests"] for link in status["links"])


def _first_ack(config: Path, daemon: subprocess.Popen[str], log: Path) -> dict[str, Any]:
    ends = time.monotonic() + START_S_MAX
    while time.monotonic() < ends and daemon.poll() is None:
        status = _status(config)
        if status and status.get("uplink", {}).get("acked_blocks"):
            return status
    raise RuntimeError("not acknowledged in time; the daemon said:\n" + log.read_text())


def whole(core: int, other: int, written: list[str]) -> Result:
    """One run of the daemon on `core`, its configuration into `written`; simulated devices and
    receiver on `other`.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="jiahe-bench-")))
        machines = stack.enter_context(Machines(DEVICES, other))
        ingest = stack.enter_context(
            process(
                other, BIN / "jiahe-ingest", "serve", "--listen", "127.0.0.1:0", "--store",
                f"sqlite:{folder}/store.db", "--insecure", "--json",
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip
        log = folder / "log"
        said = stack.enter_context(log.open("w"))
        assert ingest.stdout is not None
        address = json.loads(ingest.stdout.readline())["address"]
        config = configure(folder, machines.addresses, address)
        written[:] = [cut_short(config.read_text(encoding="utf-8"))]
        daemon = stack.enter_context(
            process(core, BIN / "jiahe", "run", "--config", config, stderr=said)
        )
        before = _first_ack(config, daemon, log)
        started_ns, before_ns = time.monotonic_ns(), cpu_ns(daemon.pid)
        time.sleep(MEASURE_S)
        after = _status(config)
        if after is None:
            raise RuntimeError("the daemon stopped answering")
        return {
            "requests": _asked(after) - _asked(before),
            "wall_ns": time.monotonic_ns() - started_ns,
            "cpu_ns": cpu_ns(daemon.pid) - before_ns,
            "blocks": after["uplink"]["acked_blocks"] - before["uplink"]["acked_blocks"],
            "rss_mb": after.get("rss_bytes", 0) / 1e6,
        }


def _bare(core: int, other: int) -> Result:
    with server(other) as port:
        command = [peer("libmodbus_client", "modbus"), str(port), str(REQUESTS), str(REGISTERS)]
        return run(command, core)


def wire_to_ack(rounds: int) -> Iterator[Row]:
    """P4 in both placements; with the daemon's memory beside."""
    written: list[str] = []
    for placement, (core, other) in placements().items():
        contenders = {
            "ours": partial(whole, core, other, written),
            "bare": partial(_bare, core, other),
        }
        found = interleaved(contenders, rounds)
        mine = found["ours"]
        work = f"daemon, {DEVICES} devices x {REGISTERS} registers each {PERIOD}, {placement}"
        goal = Goal("at most", GOALS[placement])
        yield Row("P4", work, "CPU us/request", cpu_us(mine), "libmodbus, bare read",
                  cpu_us(found["bare"]), goal, written[0])  # fmt: skip
        yield Row("P4", work, "requests", quantity(mine, "requests"))
        yield Row("P4", work, "blocks acknowledged", quantity(mine, "blocks"))
        yield Row("P4", work, "RSS MB", quantity(mine, "rss_mb"))
