"""P8: bytes a sample, all that crosses the wire of the real daemon, with a file a user can write.

`jiahe run` reads a machine that says what a trace says, once each period, in real time, and streams
to `jiahe-ingest` with mutual TLS through a relay that counts both directions: TLS records, HTTP/2,
gRPC, acknowledgements and heartbeats; not the first connection. All works of the table run side by
side, each with a daemon, a machine and a receiver of its own. The peers are computed from the same
rows: JSON over MQTT, a message a scan; the same, and line protocol, gzipped a send.

Peers send values, not raw numbers: 1234 mrad as 1.234, a float32 with as few digits as bring it
back.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness import HERE, Figure, Goal, Row
from bench.machine import addresses, trace_of
from bench.report import cut_short
from bench.traces import MS, SYNTHETIC, S, Trace, recorded
from tests.kit.rig import Rig, wait_for

GATEWAY = "bench"
#: Fixed header, topic with its length, packet id: MQTT 3.1.1 section 3.3, QoS 1.
_MQTT_BYTES = 2 + 2 + len("neuron/jx-nanhu-0031/upload") + 2
_FIRST_UTC_MS = 1_795_000_000_000
JSON_SHARE_MAX = 1 / 15
GZIP_SHARE_MAX = 1 / 2.5


@dataclass(frozen=True, slots=True)
class Work:
    """`measure_s` of the wire, after a first send; `most`: the goal in bytes a sample."""

    trace: str
    send_every: str
    flush_every: str
    measure_s: int
    most: float | None = None

    @property
    def name(self) -> str:
        said = f"send_every {self.send_every}, flush_every {self.flush_every}"
        return f"{self.trace}, {said}"

    @property
    def send_s(self) -> float:
        number, unit = self.send_every.split()
        return float(number) / (1000 if unit == "ms" else 1)


#: The default first: what a user gets who writes neither key.
WORKS = (
    Work("recorded mill", "500 ms", "1 s", 60),
    Work("recorded mill", "10 s", "1 s", 120, 1.3),
    Work("recorded mill", "10 s", "20 s", 120, 1.05),
    Work("recorded UR3", "60 s", "120 s", 240, 2.4),
    Work("robot", "1 s", "2 s", 60, 0.8),
    Work("CNC", "60 s", "1 s", 240, 0.5),
    Work("meter", "60 s", "1 s", 240, 1.5),
    Work("meter", "500 ms", "1 s", 60),
)


def configuration(work: Work, trace: Trace, platform_port: int, machine_port: int) -> str:
    """The gateway.toml of a work, beside the rig's keys."""
    tags = "\n".join(
        f'"{name}" = {{ address = "holding:{at}", type = "{kind}" }}'
        for name, at, kind in zip(trace.names, addresses(trace), trace.types, strict=True)
    )
    return f"""version = 1
[gateway]
id = "{GATEWAY}"
language = "en"
control = "control.sock"
[platform]
address = "127.0.0.1:{platform_port}"
ca = "pki/ca.pem"
cert = "pki/box.pem"
key = "pki/box.key"
send_every = "{work.send_every}"
[buffer]
path = "buffer"
flush_every = "{work.flush_every}"
[links.cell]
type = "tcp"
address = "127.0.0.1:{machine_port}"
[devices.machine]
link = "cell"
driver = "modbus"
unit = 1
every = "{trace.period_ns // MS} ms"
[devices.machine.tags]
{tags}
"""


@contextmanager
def machine(name: str, seed: int) -> Iterator[int]:
    """A machine's port, while it answers."""
    child = subprocess.Popen(
        [sys.executable, "-m", "bench.machine", name, str(seed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=HERE.parent,
    )
    assert child.stdout is not None
    try:
        yield int(child.stdout.readline())
    finally:
        child.communicate(timeout=20)


@dataclass(frozen=True, slots=True)
class Carried:
    """What crossed the wire for so many samples: bytes of TCP, and of its IP packets."""

    samples: int
    tcp_bytes: int
    ip_bytes: int


def carried(work: Work) -> tuple[Carried, str]:
    """One run of a work, and the file that it ran."""
    trace = trace_of(work.trace, 1)
    with (
        TemporaryDirectory(prefix="jiahe-bench-") as folder,
        machine(work.trace, 1) as machine_port,
        Rig(Path(folder) / "run", GATEWAY) as rig,
    ):
        text = configuration(work, trace, rig.relay.port, machine_port)
        rig.config.write_text(text, encoding="utf-8")
        rig.start_daemon()

        def acked() -> int:
            status = rig.status()
            return int(status["counters"]["acked_scans"]) if status else 0

        def next_send(before: int) -> tuple[int, int, int]:
            wait_for("an acknowledgement", lambda: acked() > before, within_s=4 * work.send_s + 60)
            relay = rig.relay
            return acked(), relay.bytes_up + relay.bytes_down, relay.ip_bytes()

        # The second send: the first carries catalog and anchors, and is short.
        begin = next_send(next_send(0)[0])
        threading.Event().wait(work.measure_s - work.send_s / 2)
        end = next_send(acked())
        scans, tcp, ip = (b - a for a, b in zip(begin, end, strict=True))
        return Carried(scans * len(trace.names), tcp, ip), text


def _json(trace: Trace, tick: int) -> bytes:
    at = _FIRST_UTC_MS + tick * trace.period_ns // 1_000_000
    values = ",".join(f'"{n}":{v}' for n, v in zip(trace.names, trace.texts(tick), strict=True))
    head = f'"node":"cell3","group":"fast","timestamp":{at}'
    return f'{{{head},"values":{{{values}}}}}'.encode()


def _line(trace: Trace, tick: int) -> bytes:
    values = ",".join(f"{n}={v}" for n, v in zip(trace.names, trace.texts(tick), strict=True))
    at = _FIRST_UTC_MS * 1_000_000 + tick * trace.period_ns
    return f"cell3,gateway=jx-nanhu-0031 {values} {at}\n".encode()


def _gzipped(lines: Sequence[bytes], rows_a_send: int) -> int:
    return sum(
        len(gzip.compress(b"".join(lines[first : first + rows_a_send]), 6))
        for first in range(0, len(lines), rows_a_send)
    )


def peers(trace: Trace, send_s: float, scans: int) -> dict[str, float]:
    """Bytes a sample of other ways to say the first `scans` rows, without TLS and answers."""
    ticks = range(min(scans, len(trace.rows)))
    rows_a_send = max(1, round(send_s * S) // trace.period_ns)
    as_json, as_lines = ([say(trace, tick) for tick in ticks] for say in (_json, _line))
    samples = len(ticks) * len(trace.names)
    return {
        "json": (sum(map(len, as_json)) + _MQTT_BYTES * len(as_json)) / samples,
        "json gzip": _gzipped(as_json, rows_a_send) / samples,
        "line gzip": _gzipped(as_lines, rows_a_send) / samples,
    }


def bytes_a_sample(_rounds: int) -> Iterator[Row]:
    """One run each: its rounds are the sends. Works whose traces are not at hand are left out."""
    there = set(SYNTHETIC) | {name for name, _ in recorded()}
    works = [work for work in WORKS if work.trace in there]
    with ThreadPoolExecutor(len(works)) as pool:
        for work, (found, text) in zip(works, pool.map(carried, works), strict=True):
            yield from _rows(work, found, text)


def _rows(work: Work, found: Carried, text: str) -> Iterator[Row]:
    unit = "bytes/sample"
    mine = Figure.of([found.tcp_bytes / found.samples])
    goal = Goal("at most", work.most) if work.most else None
    yield Row("P8", work.name, unit, mine, goal=goal, configuration=cut_short(text))
    packets = Figure.of([found.ip_bytes / found.samples])
    yield Row("P8", f"{work.name}, as IP packets", unit, packets)
    trace = trace_of(work.trace, 1)
    shares = {"json": JSON_SHARE_MAX, "json gzip": GZIP_SHARE_MAX, "line gzip": GZIP_SHARE_MAX}
    others = peers(trace, work.send_s, found.samples // len(trace.names))
    for peer, share in shares.items():
        theirs = Figure.of([others[peer]])
        yield Row(
            "P8", work.name, unit, mine, peer, theirs, Goal("at most", share) if goal else None
        )
