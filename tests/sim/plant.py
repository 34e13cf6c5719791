"""A plant for simulated worlds: real groups and row stores, with values that can be checked.

Each device's first tag says its tick; a second, reported on change, a state that follows from the
tick; a third a text that does. So whoever reads a row knows what it must say.
"""

from __future__ import annotations

import random
import struct

from drivers.api import DeviceSpec, Field, GroupPlan, LinkSpec, Request, TagSpec
from gateway.catalog import CatalogMade, build
from native.group import Group

GOOD, SILENT = 1, 129
OVERRUN = 1
STATE_TICKS = 500


def state_of(tick: int) -> int:
    return tick // STATE_TICKS % 5


def text_of(tick: int) -> bytes:
    return b"O%04d" % (tick // 11 % 3)


def plan(device: str, period_ns: int) -> GroupPlan:
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
    return GroupPlan(device, period_ns, tags, (Request(3, 0, 9),), fields, scan_ns=0)


class Plant:
    """One run's groups. `rng` draws what is scanned when; the values follow from the ticks."""

    def __init__(self, rng: random.Random, start_ns: int, count: int) -> None:
        self.rng = rng
        periods = [100_000_000, 250_000_000, 1_000_000_000]
        self.plans = [plan(f"m{n}", periods[n % 3]) for n in range(count)]
        self.groups = [Group(n + 1, one) for n, one in enumerate(self.plans)]
        for group in self.groups:
            group.start(start_ns)
        self.start_ns = start_ns
        self.next_tick = [0] * count
        self.sealed = [0] * count  # up to which tick each group was sealed
        self.rows: dict[tuple[int, int], tuple[int, float]] = {}  # (group, tick): quality, noise

    def catalog(self, site: str) -> CatalogMade:
        link = LinkSpec("l", "tcp", host="127.0.0.1")
        return build(
            site,
            "Asia/Shanghai",
            [
                (n + 1, DeviceSpec(one.device, link, "modbus", one.tags), one)
                for n, one in enumerate(self.plans)
            ],
        )

    def scan(self, now_ns: int) -> None:
        """Every tick that is due by now: a row, a bad row, or none."""
        for place, one in enumerate(self.plans):
            while self.start_ns + self.next_tick[place] * one.period_ns <= now_ns:
                tick = self.next_tick[place]
                self.next_tick[place] += 1
                due_ns = self.start_ns + tick * one.period_ns
                drawn = self.rng.random()
                if drawn < 0.03:
                    self.groups[place].skip(tick + 1, OVERRUN)
                    continue
                quality = SILENT if drawn < 0.06 else GOOD
                (noise,) = struct.unpack(">f", struct.pack(">f", self.rng.random()))
                data = struct.pack(">IH8sf", tick, state_of(tick), text_of(tick), noise)
                self.rows[place + 1, tick] = quality, noise
                late_ns = self.rng.randint(0, 200_000)
                self.groups[place].push(tick, due_ns + late_ns, 0, bytes([quality]), data)
