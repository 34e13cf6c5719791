"""`jiahe check` foretells what the box sends: seven configurations, each checked and then run.

Each is run by the real daemon against the simulator whose values the forecast assumes, and streams
to the real receiver with mutual TLS through a relay that counts IP packets in both directions, from
one acknowledgement to another. All run side by side.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.kit.rig import BIN, Rig, wait_for

pytestmark = pytest.mark.slow

GATEWAY = "forecast-box"
DAY_NS = 86_400 * 10**9
#: Of what is sent.
TOLERANCE = 0.10
#: A busy machine answers so late that TCP acknowledges by itself: of the few segments of the box
#: that sends least, one up and one down may be such.
LATE_BYTES = 2 * 52
#: After an acknowledgement: the bare acks of TCP have passed too.
SETTLED_S = 0.15
#: Machines, as profiles that the simulator plays too. Their counter, with which the values move,
#: lies in a hole that the request for the values before and after it bridges.
MACHINES: Mapping[str, str] = {
    "mill": """
spindle  = { address = "holding:0", type = "int16", unit = "rpm" }
load     = { address = "holding:1", type = "int16", scale = 0.1, unit = "%" }
current  = { address = "holding:4", type = "uint16", scale = 0.01, unit = "A" }
position = { address = "holding:5", type = "float32" }
feed     = { address = "holding:7", type = "float32" }
power    = { address = "holding:9", type = "float32", unit = "kW" }
""",
    "meter": """
voltage_a = { address = "holding:0", type = "uint16", scale = 0.1, unit = "V" }
voltage_b = { address = "holding:1", type = "uint16", scale = 0.1, unit = "V" }
voltage_c = { address = "holding:4", type = "uint16", scale = 0.1, unit = "V" }
current   = { address = "holding:5", type = "uint16", scale = 0.01, unit = "A" }
power     = { address = "holding:6", type = "int32", scale = 0.001, unit = "kW" }
energy    = { address = "holding:8", type = "uint32", scale = 0.01, unit = "kWh" }
frequency = { address = "holding:10", type = "uint16", scale = 0.01, unit = "Hz" }
""",
    "press": """
mode     = { address = "holding:0", type = "uint16", labels = { 0 = "off", 1 = "on" } }
alarm    = { address = "holding:12", type = "uint16", report = "change" }
door     = { address = "holding:1.3", type = "bool", report = "change" }
melt     = { address = "holding:4", type = "int16", scale = 0.1, unit = "°C" }
pressure = { address = "holding:5", type = "float32", unit = "bar", deadband = 0.05 }
stroke   = { address = "holding:7", type = "int32" }
program  = { address = "holding:9", type = "string", length = 8, report = "change" }
""",
}
COUNTER = "holding:2"
#: Machines whose changes are pushed, as profiles.
LATHES: Mapping[str, str] = {
    "lathe": """
x_pos  = { address = "Xabs", type = "float64", unit = "mm", report = "change" }
path   = { address = "path_pos", type = "string", length = 40, report = "change" }
line   = { address = "line", type = "int32", report = "change" }
load   = { address = "Sload", type = "float64", unit = "%" }
parts  = { address = "part_count", type = "int32", report = "change" }
alarm  = { address = "system", type = "string", length = 200, report = "change" }
""",
    "mill-agent": """
x_pos  = { address = "Xabs", type = "float64", unit = "mm", report = "change", every = "5 s" }
speed  = { address = "Sspeed", type = "float64", unit = "rpm" }
load   = { address = "Sload", type = "float64", unit = "%" }
run    = { address = "execution", type = "string", length = 32, report = "change" }
""",
}


@dataclass(frozen=True)
class Link:
    """A link with `units` machines alike. `baud`: of a serial bus; None: TCP."""

    machine: str
    every: str
    units: int = 1
    baud: int | None = None


@dataclass(frozen=True)
class Box:
    """A configuration, and how many seconds of the wire are measured, from one send to another."""

    links: tuple[Link, ...]
    platform: str
    measure_s: float
    buffer: str = ""


BOXES: Mapping[str, Box] = {
    # It says nothing for longer than a heartbeat.
    "quiet": Box((Link("meter", "2100 ms"),), 'send_every = "21 s"', 10.0, 'flush_every = "42 s"'),
    "default": Box((Link("mill", "100 ms"),), "", 25.0),
    "pushed": Box((Link("lathe", "500 ms"),), 'send_every = "2 s"', 25.0, 'flush_every = "4 s"'),
    "pushed-beside": Box((Link("mill-agent", "1 s"), Link("mill", "200 ms")), "", 25.0),
    "bundles": Box((Link("mill", "50 ms"),), 'send_every = "10 s"', 25.0),
    "serial": Box(
        (Link("meter", "1 s", units=3, baud=9600),),
        'send_every = "5 s"\ndata_budget = "5 GB/month"',
        22.0,
    ),
    "mixture": Box(
        (Link("press", "200 ms", units=2), Link("mill", "100 ms"), Link("meter", "2 s")),
        'send_every = "2 s"\ndata_budget = "5 GB/month"',
        25.0,
        'flush_every = "2 s"',
    ),
}


@dataclass(frozen=True)
class Mark:
    """When a send was acknowledged: what had crossed the wire, and what the box had counted."""

    at_ns: int
    ip_bytes: int
    counted_bytes: int


@dataclass(frozen=True)
class Found:
    """Bytes a day: what `check` foretells, and what a run came to."""

    forecast: dict[str, Any]
    sent: float
    late: float  # how much of that may be bare acks: LATE_BYTES
    counted: float


def written(rig: Rig, box: Box) -> str:
    """The gateway.toml of a box, beside its profiles; its machines are there."""
    for name, tags in (MACHINES | LATHES).items():
        text = f'[profile]\ntitle = "{name}"\ndriver = "{driver_of(name)}"\n\n[tags]{tags}'
        (rig.folder / f"{name}.toml").write_text(text, encoding="utf-8")
    text = rig.head(platform=box.platform, buffer=box.buffer)
    for number, link in enumerate(box.links):
        where = rig.simulate(
            f"link{number}", f"{rig.folder}/{link.machine}.toml",
            "--units", f"1-{link.units}", "--name", f"link{number}-{{unit}}",
            "--counter", COUNTER, "--baud", f"{link.baud or 9600}", pty=link.baud is not None,
        )  # fmt: skip
        text += f"\n[links.link{number}]\n"
        if link.baud:
            text += f'type = "serial"\nport = "{where}"\nbaud = {link.baud}\n'
        else:
            text += f'type = "tcp"\naddress = "{where}"\n'
        for unit in range(1, link.units + 1):
            text += (
                f'\n[devices.{link.machine}-{number}-{unit}]\nlink = "link{number}"\n'
                f'driver = "{driver_of(link.machine)}"\nprofile = "{link.machine}.toml"\n'
                f'every = "{link.every}"\n'
            )
            if link.machine in MACHINES:
                text += f"unit = {unit}\n"
    return text


def driver_of(machine: str) -> str:
    return "modbus" if machine in MACHINES else "mtconnect"


def foretold(rig: Rig) -> dict[str, Any]:
    """What `jiahe check` says."""
    command = [str(BIN / "jiahe"), "--config", str(rig.config), "check", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, Any] = json.loads(done.stdout)["forecast"]
    return found


def run(folder: Path, box: Box) -> Found:
    """One box, from its start to the last send that is measured."""
    with Rig(folder, GATEWAY) as rig:
        rig.config.write_text(written(rig, box), encoding="utf-8")
        rig.start_daemon()

        def uplink() -> dict[str, Any]:
            status = rig.status()
            return status["uplink"] if status else {"acked_blocks": 0}

        def next_send() -> Mark:
            before = uplink()["acked_blocks"]
            wait_for("an acknowledgement", lambda: uplink()["acked_blocks"] > before)
            at_ns = time.monotonic_ns()
            threading.Event().wait(SETTLED_S)
            counted = uplink()["budget"]
            used = counted["used_bytes"] if counted else 0
            return Mark(at_ns, rig.relay.ip_bytes(), used)

        wait_for("the daemon's answer", lambda: rig.status() is not None)
        made = foretold(rig)
        first = next_send()  # behind the connection, the catalog and the first anchor
        threading.Event().wait(box.measure_s)
        last = next_send()
        days = (last.at_ns - first.at_ns) / DAY_NS
        return Found(
            made,
            (last.ip_bytes - first.ip_bytes) / days,
            LATE_BYTES / days,
            (last.counted_bytes - first.counted_bytes) / days,
        )


def test_check_when_a_box_runs_then_sends_within_10_percent_of_what_it_foretold(
    tmp_path: Path,
) -> None:
    with ThreadPoolExecutor(len(BOXES)) as pool:
        runs = {name: pool.submit(run, tmp_path / name, box) for name, box in BOXES.items()}
    wrong, said = [], []
    for name, each in runs.items():
        found = each.result()
        pairs = [("sent", found.forecast["bytes_a_day"], found.sent)]
        if "data_budget" in BOXES[name].platform:
            pairs.append(("counted", found.forecast["counted_a_day"], found.counted))
        for what, foretold_bytes, came in pairs:
            said.append(f"{name}: {foretold_bytes / 1e6:.2f} MB a day, {came / 1e6:.2f} {what}")
            if not came * (1 - TOLERANCE) - found.late <= foretold_bytes <= came * (1 + TOLERANCE):
                wrong.append(said[-1])
    (tmp_path / "forecast.txt").write_text("\n".join(said) + "\n", encoding="utf-8")
    assert not wrong, "\n".join(said)
