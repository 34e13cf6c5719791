"""P17: a serial line that devices of two protocols share: how much of it is used, and who is asked.

`jiahe run` reads four Modbus units and four DL/T 645 meters more often than the line can carry, at
one baud, and with the meters at 2,400 8E1. The slaves take the wire's time, and count: the share
of what the wire, its silences and the slaves' own time need, requests inside a silence, and how
evenly all eight were asked.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness import Figure, Goal, Result, Row, peer, pinned, placements
from tests.kit.rig import Rig

GATEWAY = "bench-mixed"
ANSWER_US = 5_000
MEASURE_S = 40
#: What the meters' devices say beside their number, and baud and bits of a character by it.
LINES = {
    "9600 8N1": ("", 9600, 10),
    "meters at 2400 8E1": ('baud = 2400\nparity = "even"\n', 2400, 11),
}


def configuration(head: str, port: str, own: str) -> str:
    """A gateway.toml: four drives and four meters on the line at `port`."""
    parts = [head, f'[links.com1]\ntype = "serial"\nport = "{port}"\nbaud = 9600\n']
    for n in range(1, 5):
        parts.append(
            f'[devices.drive-{n}]\nlink = "com1"\ndriver = "modbus"\nunit = {n}\nevery = "50 ms"\n'
            f"[devices.drive-{n}.tags]\n"
            + "".join(f't{k} = {{ address = "holding:{k}", type = "int16" }}\n' for k in range(10))
        )
        parts.append(
            f'[devices.meter-{n}]\nlink = "com1"\ndriver = "dlt645"\nmeter = "{n:012}"\n{own}'
            f'every = "50 ms"\n[devices.meter-{n}.tags]\nvoltage = {{ address = "02010100" }}\n'
        )
    return "\n".join(parts)


def measured(own: str, baud: int, bits: int, written: list[str]) -> Result:
    """What the slaves counted of one run of the daemon; its configuration into `written`."""
    core, other = list(placements().values())[-1]
    with TemporaryDirectory(prefix="jiahe-bench-") as name, Rig(Path(name) / "r", GATEWAY) as rig:
        slave = subprocess.Popen(
            [peer("rtu_slave"), "9600", str(ANSWER_US), "10", str(baud), str(bits)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=pinned(other),
        )  # fmt: skip
        try:
            assert slave.stdout is not None
            written[:] = [configuration(rig.head(), slave.stdout.readline().strip(), own)]
            rig.config.write_text(written[0], encoding="utf-8")
            rig.start_daemon(["taskset", "-c", str(core)])
            time.sleep(MEASURE_S)
        finally:
            said, _ = slave.communicate(timeout=10)  # closes its input, which ends it
        rig.stop_daemon()
    found: Result = json.loads(said)
    return found


def mixed(rounds: int) -> Iterator[Row]:
    """P17."""
    written: list[str] = []
    for work, (own, baud, bits) in LINES.items():
        found = [measured(own, baud, bits, written) for _ in range(rounds)]
        row = partial(
            Row, "P17", f"daemon, 4 Modbus and 4 DL/T 645 on one line, {work}",
            configuration=written[0],
        )  # fmt: skip
        share = [each["needed_ns"] / each["span_ns"] for each in found]
        yield row("share of the wire", Figure.of(share), goal=Goal("at least", 0.97))
        early = [each["early"] + each["wrong_baud"] for each in found]
        yield row("early, or by a wrong baud", Figure.of(early), goal=Goal("at most", 0))
        even = [each["fewest"] / each["most"] for each in found]
        yield row("fewest to most asked", Figure.of(even), goal=Goal("at least", 0.95))
