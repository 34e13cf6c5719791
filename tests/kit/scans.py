"""Scans without a wire: plans, raw registers made with `struct` alone, and sealed blocks read back.

    box = Box([plan([tag("speed", "float32", order="CDAB")])])
    box.push(0, 0, registers("float32", "CDAB", 1480.5))
    box.seal()[0].value == "1480.5"

Each block that `Box` seals passes the receiver's own checks and is read by both Python readers,
which must agree.
"""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers.api import TYPE_BYTES, DeviceSpec, Field, GroupPlan, LinkSpec, Request, TagSpec
from gateway.catalog import catalog
from ingest.decode import Sample, samples
from ingest.validate import check_block, check_catalog, check_name
from native.block import Sealer
from native.group import POOL_BYTES, Group, Pool

GOOD = 1
PERIOD_NS = 10_000_000
START_NS = 1_000_000_000
_STRUCT = {
    "bool": ">H", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q",
    "uint64": ">Q", "float32": ">f", "float64": ">d",
}  # fmt: skip


def tag(name: str, kind: str = "int16", **more: Any) -> TagSpec:
    """A tag; `more` as TagSpec has it."""
    told: dict[str, Any] = {"every_ns": PERIOD_NS, **more}
    return TagSpec(name, "holding:0", kind, **told)  # type: ignore[arg-type]  # a plain string


def registers(kind: str, order: str, value: float | bytes) -> bytes:
    """The bytes of a raw value as its registers travel; bytes stand for a text or a bit pattern."""
    if isinstance(value, bytes):
        data = value + bytes(len(value) % 2)
    elif kind in ("bcd16", "bcd32"):
        data = bytes.fromhex(f"{value:0{2 * TYPE_BYTES[kind]}d}")  # type: ignore[index]  # as above
    else:
        data = struct.pack(_STRUCT[kind], value)
    words = [data[i : i + 2] for i in range(0, len(data), 2)]
    if order in ("CDAB", "DCBA") and kind != "string":
        words.reverse()
    if order in ("BADC", "DCBA"):
        words = [word[::-1] for word in words]
    return b"".join(words)


def plan(
    tags: Sequence[TagSpec], *, device: str = "d", period_ns: int = PERIOD_NS, apart: bool = False
) -> GroupPlan:
    """The tags' registers one after another in one request, or `apart`, each in its own."""
    requests: list[Request] = []
    fields: list[Field] = []
    offset = 0
    for one in tags:
        length = one.length if one.type == "string" else TYPE_BYTES[one.type]
        size = length + length % 2
        if apart or not requests or offset + size > 250:
            requests.append(Request(3, 0, 0))
            offset = 0
        bit = 0 if one.type == "bool" else -1
        fields.append(Field(len(requests) - 1, offset, one.type, one.order, length, bit))
        offset += size
        requests[-1] = Request(3, 1000 * (len(requests) - 1) % 60000, offset // 2)
    return GroupPlan(device, period_ns, tuple(tags), tuple(requests), tuple(fields), scan_ns=0)


@cache
def _reader() -> ModuleType:
    """proto/reader.py, which is a program and no package."""
    path = Path(__file__).parents[2] / "proto" / "reader.py"
    spec = importlib.util.spec_from_file_location("short_reader", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Box:
    """Groups 1 on, their sealer, and what it sealed."""

    def __init__(self, plans: Sequence[GroupPlan], pool_bytes: int = POOL_BYTES) -> None:
        """`pool_bytes`: of memory for rows, that the groups share."""
        self.pool = Pool(pool_bytes)
        self.groups = [Group(number + 1, made, self.pool) for number, made in enumerate(plans)]
        for group in self.groups:
            group.start(START_NS)
        self.sealer = Sealer(self.groups)
        link = LinkSpec("l", "tcp", host="127.0.0.1")
        self.catalog = catalog(
            1,
            1,
            "site",
            [
                (number + 1, DeviceSpec(made.device, link, "modbus", made.tags), made)
                for number, made in enumerate(plans)
            ],
        )
        check_catalog(self.catalog)
        self.blocks: list[pb.Block] = []
        self.runs: list[pb.GroupRun] = []

    def push(
        self,
        group: int,
        tick: int,
        data: bytes,
        *,
        status: Iterable[int] = (),
        late_us: int = 0,
        half_span_us: int = 0,
    ) -> None:
        """A scan of `groups[group]`, all good unless `status` has a quality a request."""
        one = self.groups[group]
        qualities = bytes(status) or bytes([GOOD] * one.snapshot()["requests"])
        due_ns = START_NS + tick * one.plan.period_ns
        one.push(tick, due_ns + late_us * 1000, half_span_us, qualities, data)

    def seal(self, **more: Any) -> list[Sample]:
        """Seal; the entries of the new blocks in order. `runs` and `blocks` keep what was read."""
        found: list[Sample] = []
        for sealed in self.sealer.seal(1, len(self.blocks) + 1, 1, **more):
            block = pb.Block.FromString(sealed.data)
            assert (block.epoch, block.seq) == (1, len(self.blocks) + 1)
            assert (sealed.scans, sealed.samples) == (block.scans, block.samples)
            check_name(block)
            payload = check_block(block, self.catalog)
            entries = list(samples(self.catalog, payload))
            assert [tuple(entry) for entry in entries] == [
                (device, name, time_ns, value, quality)
                for device, name, time_ns, value, quality in _reader().read(self.catalog, block)
            ]
            found += entries
            self.blocks.append(block)
            self.runs += payload.runs
        return found

    def accounted(self, number: int) -> list[tuple[int, int]]:
        """(tick, reason) of every tick that was ever sealed for group `number`, 0 for a row."""
        found: list[tuple[int, int]] = []
        for run in self.runs:
            if run.group != number:
                continue
            gaps = {
                tick: int(gap.reason)
                for gap in run.skipped
                for tick in range(gap.first_tick, gap.first_tick + gap.count)
            }
            found += [
                (tick, gaps.get(tick, 0))
                for tick in range(run.first_tick, run.first_tick + run.ticks)
            ]
        return found
