"""P14, P15: the box at the size that others publish, 300 tags of each machine each second.

`jiahe run` and `jiahe-ingest` as they ship, with mutual TLS, on a core of their own each where
there are two; the machines are independent of each other, at an address each. After a warm-up the
daemon's memory and CPU are read for a minute (ten with JIAHE_LONG=1), then the platform's books.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.daemon import BIN, cpu_ns
from bench.harness import Bench, Figure, Goal, Machines, Row, placements
from bench.memory import read_rss
from bench.report import cut_short
from tests.kit.rig import Rig, wait_for

TAGS, PERIOD = 300, "1 s"
GATEWAY = "bench-size"
WARM_UP_S = 20
MEASURE_S, MEASURE_S_LONG = 60, 600
START_S_MAX = 8.0
CPU_PERCENT_MAX = 10.0


def configuration(platform_port: int, addresses: Sequence[str]) -> str:
    """A gateway.toml beside the rig's keys and `PROFILE` that reads a machine at each address."""
    parts = [
        f'version = 1\n[gateway]\nid = "{GATEWAY}"\nsite = "bench"\nlanguage = "en"',
        'control = "control.sock"',
        f'[platform]\naddress = "127.0.0.1:{platform_port}"',
        'ca = "pki/ca.pem"\ncert = "pki/box.pem"\nkey = "pki/box.key"',
        '[buffer]\npath = "buffer"',
    ]
    for n, address in enumerate(addresses):
        parts.append(f'[links.cell{n}]\ntype = "tcp"\naddress = "{address}"')
        parts.append(f'[devices.cell{n}]\nlink = "cell{n}"\ndriver = "modbus"')
        parts.append(f'profile = "cell.toml"\nevery = "{PERIOD}"')
    return "\n".join(parts) + "\n"


def profile() -> str:
    """cell.toml: the tags of each machine."""
    tags = "\n".join(f't{n} = {{ address = "holding:{n}", type = "int16" }}' for n in range(TAGS))
    return f'[profile]\ntitle = "A cell"\ndriver = "modbus"\n[tags]\n{tags}\n'


def size(bench: str, machines: int, rss_mb_max: float, _rounds: int) -> Iterator[Row]:
    """One run: its rounds are the readings."""
    seconds = MEASURE_S_LONG if os.environ.get("JIAHE_LONG") == "1" else MEASURE_S
    core, other = list(placements().values())[-1]
    with (
        TemporaryDirectory(prefix="jiahe-bench-") as name,
        Machines(machines, other) as plant,
        Rig(Path(name) / "run", GATEWAY) as rig,
    ):
        (rig.folder / "cell.toml").write_text(profile(), encoding="utf-8")
        written = configuration(rig.relay.port, plant.addresses)
        rig.config.write_text(written, encoding="utf-8")
        begun = time.monotonic()
        rig.start_daemon(["taskset", "-c", str(core)])
        assert rig.daemon is not None
        plant.wait_asked()
        first_s = time.monotonic() - begun
        wait_for("the daemon's answer", lambda: rig.status() is not None)
        read_rss(rig.daemon.pid, WARM_UP_S)
        before_ns, before = cpu_ns(rig.daemon.pid), time.monotonic_ns()
        readings = read_rss(rig.daemon.pid, seconds)
        used = (cpu_ns(rig.daemon.pid) - before_ns) / (time.monotonic_ns() - before) * 100
        status = rig.status()
        if status is None:
            raise RuntimeError("the daemon does not answer: " + rig.daemon.log.read_text())
        rig.stop_daemon()
        books = _books(rig)
    counters, uplink = status["counters"], status["uplink"]
    acked = counters["acked_scans"] / max(1, counters["scans"]) * 100
    work = f"daemon, {machines} machines x {TAGS} tags each {PERIOD}, TLS, {seconds} s"
    file = cut_short(written) + "\n# cell.toml\n" + cut_short(profile())
    row = partial(Row, bench, work, configuration=file)
    rss = Figure.of([kb * 1024 / 1e6 for _, kb in readings])
    yield row("RSS MB, most", Figure.of([rss.most]), goal=Goal("at most", rss_mb_max))
    yield row("CPU % of a core", Figure.of([used]), goal=Goal("at most", CPU_PERCENT_MAX))
    yield row(
        "s from exec to first answer", Figure.of([first_s]), goal=Goal("at most", START_S_MAX)
    )
    yield row("% of scans acknowledged", Figure.of([acked]), goal=Goal("at least", 95.0))
    yield row("ticks missing or twice", Figure.of([books]), goal=Goal("at most", 0.0))
    sent = uplink["sent_bytes"] / max(1, counters["samples"])
    yield row("bytes sent a sample", Figure.of([sent]))


def _books(rig: Rig) -> float:
    """Ticks that the platform misses, or has twice; the whole run is in it."""
    audit = [BIN / "jiahe-ingest", "audit", "--store", f"sqlite:{rig.store}", "--json"]
    done = subprocess.run(audit, capture_output=True, text=True, check=False, timeout=120)
    books = json.loads(done.stdout)["epochs"]
    if not books:
        raise RuntimeError("nothing has arrived: " + done.stderr)
    return float(sum(book["missing"] + book["twice"] for book in books))


thousand: Bench = partial(size, "P14", 1000, 200.0)
two_hundred: Bench = partial(size, "P15", 200, 80.0)
