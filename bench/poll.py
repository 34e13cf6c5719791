"""Our side of P1 to P5, in a process of its own: scan thread and sealer, as in the daemon.

    python -m bench.poll fast PORT REQUESTS REGISTERS IN_FLIGHT [CA CERT KEY]
    python -m bench.poll devices PORT DEVICES PERIOD_US REGISTERS SCANS
    python -m bench.poll rtu PATH BAUD REQUESTS REGISTERS

Prints one JSON object. Everything that arrives is decoded, and more: it is encoded and sealed into
blocks twice a second, which the peers don't do. Figures are taken while the loop runs, without its
start. Lateness is the worst device's, at the upper end of its bucket (a quarter octave).
"""

from __future__ import annotations

import json
import os
import resource
import select
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from drivers.api import DeviceSpec, Field, Framing, GroupPlan, LinkSpec, TagSpec, TlsFiles
from drivers.modbus.request import Read, request_of
from drivers.modbus.station import station_of
from native.block.seal import Sealer
from native.engine.link import Link
from native.engine.loop import Loop
from native.rows.group import Group

SEAL_S = 0.5
#: `fast`: always overdue, so that the wire never idles. Each scan is a few requests.
FAST_GROUPS, FAST_REQUESTS, FAST_PERIOD_NS = 4, 8, 1_000


def plan(device: str, period_ns: int, requests: int, registers: int) -> GroupPlan:
    """A group of `requests` requests for as many int16 tags as they have registers."""
    tags, fields = [], []
    for number in range(requests * registers):
        request, offset = divmod(number, registers)
        tags.append(TagSpec(f"t{number}", f"holding:{offset}", "int16", period_ns))
        fields.append(Field(request, 2 * offset, "int16", "ABCD", 2, -1))
    asked = (request_of(Read(3, 0, registers)),) * requests
    return GroupPlan(device, period_ns, tuple(tags), asked, tuple(fields), scan_ns=0)


@dataclass(frozen=True, slots=True)
class Reading:
    """The books of the loop and of this process at one moment."""

    answers: int
    wall_ns: int
    cpu_ns: int
    switches: int
    wakeups: int
    sealing_ns: int


class Rig:
    """Links, their groups, one loop in its thread, and a sealer in this one."""

    def __init__(self, devices: Sequence[tuple[LinkSpec, Sequence[GroupPlan]]]) -> None:
        self.groups: list[Group] = []
        self.links: list[Link] = []
        for spec, plans in devices:
            framing: Framing = "rtu" if spec.type == "serial" else "tcp"
            device = DeviceSpec("device", spec, "modbus", plans[0].tags, framing=framing)
            groups = [Group(len(self.groups) + i + 1, p) for i, p in enumerate(plans)]
            self.groups += groups
            self.links.append(Link(spec, [(station_of(device), groups)]))
        self.loop = Loop(self.links)
        self.sealer = Sealer(self.groups)
        self.blocks = 0
        self.sealing_ns = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.loop.run, name="scan")
        thread.start()
        try:
            yield
        finally:
            self.loop.stop()
            thread.join()

    def seal(self) -> None:
        """Wait for a store to fill, at most SEAL_S, and seal."""
        if select.select([self.sealer.wake_fd], [], [], SEAL_S)[0]:
            os.read(self.sealer.wake_fd, 8)
        before_ns = time.thread_time_ns()
        self.blocks += len(self.sealer.seal(1, self.blocks + 1, 1))
        self.sealing_ns += time.thread_time_ns() - before_ns

    def read(self) -> Reading:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return Reading(
            sum(link.snapshot()["answers"] for link in self.links),
            time.monotonic_ns(),
            time.process_time_ns(),
            usage.ru_nvcsw,
            self.loop.wakeups,
            self.sealing_ns,
        )


def measure(rig: Rig, requests: int) -> dict[str, Any]:
    """Let the rig run until `requests` more are answered; count from when all links are up."""
    with rig.running():
        while not all(link.snapshot()["answers"] for link in rig.links):
            rig.seal()
        first = last = rig.read()
        while last.answers - first.answers < requests:
            rig.seal()
            last = rig.read()
    for link in rig.links:
        found = link.snapshot()
        if found["timeouts"] or found["wrong"] or found["damaged"]:
            raise RuntimeError(f"not a clean run: {found}")
    return {
        "requests": last.answers - first.answers,
        "wall_ns": last.wall_ns - first.wall_ns,
        "cpu_ns": last.cpu_ns - first.cpu_ns,
        "switches": last.switches - first.switches,
        "wakeups": last.wakeups - first.wakeups,
        "sealing_ns": last.sealing_ns - first.sealing_ns,
        "late_p50_ns": max(g.snapshot()["late_us"]["p50"] for g in rig.groups) * 1000,
        "late_p99_ns": max(g.snapshot()["late_us"]["p99"] for g in rig.groups) * 1000,
    }


def fast(*arguments: int, tls: TlsFiles | None = None) -> dict[str, Any]:
    """PORT REQUESTS REGISTERS IN_FLIGHT: one connection, never idle."""
    port, requests, registers, in_flight = arguments
    group = plan("device", FAST_PERIOD_NS, FAST_REQUESTS, registers)
    spec = replace(_tcp(port, in_flight), tls=tls)
    return measure(Rig([(spec, [group] * FAST_GROUPS)]), requests)


def devices(*arguments: int) -> dict[str, Any]:
    """PORT DEVICES PERIOD_US REGISTERS SCANS: many connections, each asked once a period."""
    port, count, period_us, registers, scans = arguments
    group = plan("device", period_us * 1000, 1, registers)
    return measure(Rig([(_tcp(port, 1), [group]) for _ in range(count)]), count * scans)


def rtu(path: str, *arguments: int) -> dict[str, Any]:
    """PATH BAUD REQUESTS REGISTERS: one serial bus, never idle."""
    baud, requests, registers = arguments
    spec = LinkSpec("link", "serial", port=path, baud=baud, timeout_ns=2 * 10**9)
    return measure(Rig([(spec, [plan("device", 10_000_000, 1, registers)] * 4)]), requests)


def _tcp(port: int, in_flight: int) -> LinkSpec:
    return LinkSpec("link", "tcp", host="127.0.0.1", tcp_port=port, in_flight=in_flight)


def main() -> None:
    way, target, *rest = sys.argv[1:]
    if way == "rtu":
        result = rtu(target, *map(int, rest))
    elif way == "devices":
        result = devices(int(target), *map(int, rest))
    else:
        files = [Path(path) for path in rest[3:]]
        tls = TlsFiles(*files) if files else None
        result = fast(int(target), *map(int, rest[:3]), tls=tls)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
