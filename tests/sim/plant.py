"""A plant for simulated worlds: real groups and row stores, with values that can be checked.

Each polled device's first tag says its tick; what the others say follows from the tick: a state
that is reported on change, a text, a float. A source pushes values that say their number. So
whoever reads a value knows what it must be.
"""

from __future__ import annotations

import random
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import NamedTuple

from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers import registry
from drivers.api import DeviceSpec, Field, GroupPlan, LinkSpec, TagSpec
from drivers.modbus.request import Read, request_of
from gateway.catalog import CatalogMade, build
from gateway.config import load
from native.rows.group import Group
from tests.kit.scans import data_bytes

SECOND = 10**9
GOOD, SILENT = 1, 129
OVERRUN = 1
STATE_TICKS = 500
PERIODS_NS = (200_000_000, 250_000_000, SECOND)
LINK = LinkSpec("l", "tcp", host="127.0.0.1")
#: The device that pushes, the one of a shipped profile.
PUSHER, METER = "pusher", "meter-1"


def polled(device: str, period_ns: int) -> GroupPlan:
    """tick: uint32; state: uint16, on change; program: eight bytes of text; noise: float32."""
    tags = (
        TagSpec("tick", "holding:0", "uint32", period_ns),
        TagSpec("state", "holding:2", "uint16", period_ns, report="change"),
        TagSpec("program", "holding:3", "string", period_ns, length=8),
        TagSpec("noise", "holding:7", "float32", period_ns),
    )
    fields = (
        Field(0, 0, "uint32", "ABCD", 4, -1),
        Field(0, 4, "uint16", "ABCD", 2, -1),
        Field(0, 6, "string", "ABCD", 8, -1),
        Field(0, 14, "float32", "ABCD", 4, -1),
    )
    return GroupPlan(device, period_ns, tags, (request_of(Read(3, 0, 9)),), fields, scan_ns=0)


class Row(NamedTuple):
    """What a row of a polled device is on the wire, and what its tags say."""

    data: bytes
    says: dict[str, str]


@cache
def row(tick: int) -> Row:
    state, program = tick // STATE_TICKS % 5, f"O{tick // 11 % 3:04}"
    # Some are short decimals, some need all digits of a float32.
    (noise,) = struct.unpack(">f", struct.pack(">f", tick / 8 if tick % 4 else tick * 0.377))
    texts = (f"{noise:.{digits}g}" for digits in range(1, 10))
    short = next(t for t in texts if struct.pack(">f", float(t)) == struct.pack(">f", noise))
    says = {
        "tick": str(tick), "state": str(state), "program": program, "noise": f"{Decimal(short):f}",
    }  # fmt: skip
    return Row(struct.pack(">IH8sf", tick, state, program.encode(), noise), says)


class Event(NamedTuple):
    """A pushed value: when the box took it, the source's own time, its tag and what it says."""

    time_ns: int
    source_ns: int
    tag: str
    value: str


@dataclass(frozen=True)
class Layout:
    """What a box reads: so many polled devices, perhaps a source that pushes, a device of a shipped
    profile, and a large catalog of devices that are switched off.
    """

    devices: int
    pushes: bool = False
    meter: bool = False
    large: bool = False

    @property
    def pusher(self) -> int:
        """The pushing group's id."""
        return self.devices + 1

    @property
    def meter_group(self) -> int:
        return self.devices + 2


@cache
def meter() -> tuple[DeviceSpec, GroupPlan]:
    """A device of a shipped profile, as the configuration and the driver make it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gateway.toml"
        file.write_text(
            'version = 1\n[gateway]\nid = "sim"\n[platform]\naddress = "127.0.0.1:1"\n'
            'insecure = true\n[links.l]\ntype = "tcp"\naddress = "127.0.0.1:502"\n'
            f'[devices.{METER}]\nlink = "l"\ndriver = "modbus"\nprofile = "schneider-iem3000"\n'
            'every = "10 s"\n',
            encoding="utf-8",
        )
        config = load(file).config
    assert config is not None
    (device,) = config.devices
    (plan,) = registry.get("modbus").plan(device).groups
    return device, plan


@cache
def _plans(devices: int) -> tuple[GroupPlan, ...]:
    return tuple(polled(f"m{n}", PERIODS_NS[n % 3]) for n in range(devices))


@cache
def _pusher() -> GroupPlan:
    tags = (
        TagSpec("event", "holding:0", "uint32", SECOND),
        TagSpec("note", "holding:2", "string", SECOND, length=8),
    )
    return GroupPlan(PUSHER, SECOND, tags, (request_of(Read(3, 0, 6)),), (), scan_ns=0)


@cache
def _switched_off() -> tuple[GroupPlan, ...]:
    """Two hundred devices of five kinds with three hundred tags each: 60,000 tags."""
    kinds = [
        tuple(
            TagSpec(f"axis {kind} torque {n}", f"holding:{n}", "uint16", SECOND, unit="Nm")
            for n in range(300)
        )
        for kind in range(5)
    ]
    request = tuple(request_of(Read(3, at, 100)) for at in (0, 100, 200))
    return tuple(
        GroupPlan(f"off-{n}", SECOND, kinds[n % 5], request, (), scan_ns=0) for n in range(200)
    )


@cache
def catalog(layout: Layout, site: str) -> CatalogMade:
    """What the platform must know of it; `site` tells two of them apart."""
    plans = list(enumerate(_plans(layout.devices), 1))
    if layout.pushes:
        plans.append((layout.pusher, _pusher()))
    if layout.large:
        plans += enumerate(_switched_off(), layout.meter_group + 1)
    groups = [(n, DeviceSpec(one.device, LINK, "modbus", one.tags), one) for n, one in plans]
    if layout.meter:
        groups.append((layout.meter_group, *meter()))
    return build(site, "Asia/Shanghai", groups)


class Plant:
    """One run's groups. `rng` draws what is scanned when; the values follow from the ticks."""

    def __init__(self, rng: random.Random, start_ns: int, layout: Layout) -> None:
        self.rng, self.layout, self.start_ns = rng, layout, start_ns
        self.plans: dict[int, GroupPlan] = dict(enumerate(_plans(layout.devices), 1))
        if layout.meter:
            self.plans[layout.meter_group] = meter()[1]
        self._groups = {n: Group(n, one) for n, one in self.plans.items()}
        for group in self._groups.values():
            group.start(start_ns)
        #: Of each tick of a group its quality; 0: it has no row.
        self.rows: dict[int, bytearray] = {n: bytearray() for n in self.plans}
        self.events: list[Event | None] = []  # None: lost on the box

    @property
    def groups(self) -> Sequence[Group]:
        return list(self._groups.values())

    def scan(self, now_ns: int) -> None:
        """Every tick that is due by now: a row, a bad row, or none."""
        random, start_ns = self.rng.random, self.start_ns
        for number, one in self.plans.items():
            rows, group, period_ns = self.rows[number], self._groups[number], one.period_ns
            for tick in range(len(rows), (now_ns - start_ns) // period_ns + 1):
                drawn = random()
                if drawn < 0.03:
                    group.skip(tick + 1, OVERRUN)
                    rows.append(0)
                    continue
                quality = SILENT if drawn < 0.06 else GOOD
                rows.append(quality)
                status, data = bytes([quality]), row(tick).data
                if number == self.layout.meter_group:
                    status = status * len(one.requests)
                    data = bytes(data_bytes(one))
                mid_ns = start_ns + tick * period_ns + int(drawn * 200_000)
                group.push(tick, mid_ns, 0, status, data)
        if self.layout.pushes and random() < 0.3:
            for _ in range(self.rng.choice((1, 1, 2, 7))):
                self._push(now_ns)

    def _push(self, now_ns: int) -> None:
        number = len(self.events)
        if self.rng.random() < 0.1:
            self.events.append(None)
            return
        tag, value = ("note", f"n{number}") if number % 3 == 0 else ("event", str(number))
        source_ns = 1_600_000_000 * SECOND + 7 * number if number % 2 else 0
        time_ns = now_ns // 1000 * 1000 - 1000 * self.rng.randrange(1000)
        self.events.append(Event(time_ns, source_ns, tag, value))

    def event_run(self, first: int) -> pb.GroupRun:
        """The pushed values from number `first` on."""
        fresh = self.events[first:]
        taken = [one for one in fresh if one is not None]
        base_ns = taken[0].time_ns if taken else self.start_ns
        run = pb.GroupRun(group=self.layout.pusher, first_due_ns=base_ns)
        made = run.events.add(first=first, count=len(fresh))
        for number, one in enumerate(fresh, first):
            if one is None:
                made.lost.add(first_tick=number, count=1, reason=pb.GAP_REASON_MEMORY_FULL)
        made.time_us.extend((one.time_ns - base_ns) // 1000 for one in taken)
        for tag, name in enumerate(("event", "note")):
            places = [at for at, one in enumerate(taken) if one.tag == name]
            if not places:
                continue
            column = made.columns.add(tag=tag).column
            column.sparse = True
            column.rows.extend(b - a for a, b in zip([0, *places], places, strict=False))
            entries = [taken[at] for at in places]
            if name == "event":
                column.values.extend(int(one.value) for one in entries)
            else:
                column.encoding = pb.VALUE_ENCODING_TEXT
                for one in entries:
                    column.texts.add(count=1, text=one.value.encode())
            column.source_time_ns.extend(one.source_ns for one in entries)
        return run
