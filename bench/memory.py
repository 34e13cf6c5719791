"""P11: the daemon's memory, 24 Modbus TCP devices of 40 tags each 500 ms, with mutual TLS.

`jiahe run` and `jiahe-ingest` as they ship. After a warm-up, RSS is read once a second. The slope
is the median of the slopes between all pairs of readings (Theil-Sen): a page here and there does
not move it, a leak does. "Slope 0" means at most a page of 4 KB a minute. JIAHE_LONG=1 measures for
an hour instead of three minutes.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness import Figure, Goal, Machines, Row, placements
from bench.report import cut_short
from tests.kit.rig import Rig, wait_for

DEVICES, TAGS, PERIOD = 24, 40, "500 ms"
GATEWAY = "bench-memory"
#: What the free lists of objects take to fill: then every block reuses what the last one freed.
WARM_UP_S = 150
MINUTES, MINUTES_LONG = 3, 60
RSS_MB_MAX = 50
SLOPE_KB_MAX = 4.0
#: Of an hour's readings every fifteenth will do: all pairs would be six million.
READINGS_MAX = 240


def minutes() -> int:
    return MINUTES_LONG if os.environ.get("JIAHE_LONG") == "1" else MINUTES


def configuration(platform_port: int, addresses: Sequence[str]) -> str:
    """A gateway.toml beside the rig's keys that reads a device at each of the addresses."""
    tags = "\n".join(f't{n} = {{ address = "holding:{n}", type = "int16" }}' for n in range(TAGS))
    parts = [
        f'version = 1\n[gateway]\nid = "{GATEWAY}"\nsite = "bench"\nlanguage = "en"',
        'control = "control.sock"',
        f'[platform]\naddress = "127.0.0.1:{platform_port}"',
        'ca = "pki/ca.pem"\ncert = "pki/box.pem"\nkey = "pki/box.key"',
        '[buffer]\npath = "buffer"',
    ]
    for n, address in enumerate(addresses):
        parts.append(f'[links.link{n}]\ntype = "tcp"\naddress = "{address}"')
        parts.append(f'[devices.device{n}]\nlink = "link{n}"\ndriver = "modbus"\nunit = 1')
        parts.append(f'every = "{PERIOD}"\n[devices.device{n}.tags]\n{tags}')
    return "\n".join(parts) + "\n"


def rss_kb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def slope_kb(readings: Sequence[tuple[float, float]]) -> float:
    """KB a minute of (seconds, KB) readings: the median slope of all pairs."""
    step = -(-len(readings) // READINGS_MAX)
    pairs = combinations(readings[::step], 2)
    return statistics.median((kb2 - kb1) / (s2 - s1) * 60 for (s1, kb1), (s2, kb2) in pairs)


def read_rss(pid: int, seconds: float) -> list[tuple[float, float]]:
    begun = time.monotonic()
    readings = []
    while (at := time.monotonic() - begun) < seconds:
        readings.append((at, rss_kb(pid)))
        time.sleep(1)
    return readings


def memory(_rounds: int) -> Iterator[Row]:
    """P11. One run: its rounds are the readings."""
    _, other = list(placements().values())[-1]
    with (
        TemporaryDirectory(prefix="jiahe-bench-") as name,
        Machines(DEVICES, other) as machines,
        Rig(Path(name) / "run", GATEWAY) as rig,
    ):
        written = configuration(rig.relay.port, machines.addresses)
        rig.config.write_text(written, encoding="utf-8")
        rig.start_daemon()
        assert rig.daemon is not None
        wait_for("first acknowledgement", lambda: _acked(rig) > 0)
        before = _acked(rig)  # here, for a status costs the daemon memory once
        read_rss(rig.daemon.pid, WARM_UP_S)
        readings = read_rss(rig.daemon.pid, 60 * minutes())
        acked = _acked(rig) - before
        if acked <= 0:
            raise RuntimeError("nothing was acknowledged meanwhile: " + rig.daemon.log.read_text())
    work = f"daemon, {DEVICES} devices x {TAGS} tags each {PERIOD}, TLS, {minutes()} min"
    rss = Figure.of([kb * 1024 / 1e6 for _, kb in readings])
    slope = slope_kb(readings)
    yield Row("P11", work, "RSS MB", rss, goal=Goal("at most", RSS_MB_MAX),
              configuration=cut_short(written))  # fmt: skip
    yield Row("P11", work, "slope KB/min", Figure.of([slope]), goal=Goal("at most", SLOPE_KB_MAX))
    grown = readings[-1][1] - readings[0][1]
    yield Row("P11", work, "last less first reading, KB", Figure.of([grown]))
    yield Row("P11", work, "blocks acknowledged, with warm-up", Figure.of([acked]))


def _acked(rig: Rig) -> int:
    status = rig.status()
    return int(status["uplink"]["acked_blocks"]) if status else 0
