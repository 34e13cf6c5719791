"""Scans without a wire: plans, raw registers made with `struct` alone, and sealed blocks read back.

    box = Box([plan([tag("speed", "float32", order="CDAB")])])
    box.push(0, 0, registers("float32", "CDAB", 1480.5))
    box.seal()[0].value == "1480.5"

Each block that `Box` seals is read by the short reader of proto/, which shares nothing with
native/; `Box.bundle` joins all of them, and holds the bundle to what they say.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers.api import TYPE_BYTES, DeviceSpec, Field, GroupPlan, LinkSpec, TagSpec
from drivers.modbus.request import Read, request_of
from gateway.catalog import build
from native.block.bundle import bundle
from native.block.seal import Sealer
from native.rows.group import POOL_BYTES, Group, Pool
from tests.contract.encode import counts, crc32c
from tests.contract.encode import name as name_of
from tests.kit.short import short_reader

GOOD = 1
PERIOD_NS = 10_000_000
START_NS = 1_000_000_000
_STRUCT = {
    "bool": ">H", "int8": ">bx", "uint8": ">Bx", "int16": ">h", "uint16": ">H", "int32": ">i",
    "uint32": ">I", "int64": ">q", "uint64": ">Q", "float32": ">f", "float64": ">d",
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
        data = bytes.fromhex(f"{value:0{4 if kind == 'bcd16' else 8}d}")
    else:
        data = struct.pack(_STRUCT[kind], value)
    words = [data[i : i + 2] for i in range(0, len(data), 2)]
    if order in ("CDAB", "DCBA") and kind != "string":
        words.reverse()
    if order in ("BADC", "DCBA") and not kind.endswith("int8"):
        words = [word[::-1] for word in words]
    return b"".join(words)


def plan(
    tags: Sequence[TagSpec], *, device: str = "d", period_ns: int = PERIOD_NS, apart: bool = False
) -> GroupPlan:
    """The tags' registers one after another in one request, or `apart`, each in its own."""
    reads: list[Read] = []
    fields: list[Field] = []
    offset = 0
    for one in tags:
        length = TYPE_BYTES[one.type] or one.length
        size = length + length % 2
        if apart or not reads or offset + size > 250:
            reads.append(Read(3, 1000 * len(reads) % 60000, 0))
            offset = 0
        if one.type == "bool":  # the lowest of its register
            fields.append(Field(len(reads) - 1, offset + 1, "bool", one.order, 1, 0))
        else:
            fields.append(Field(len(reads) - 1, offset, one.row_type, one.order, length, -1))
        offset += size
        reads[-1] = reads[-1]._replace(count=offset // 2)
    requests = tuple(map(request_of, reads))
    return GroupPlan(device, period_ns, tuple(tags), requests, tuple(fields), scan_ns=0)


def data_bytes(plan: GroupPlan) -> int:
    """Of one row."""
    return sum(size for request in plan.requests for size in request.parts)


class Sample(NamedTuple):
    """One entry of a block."""

    device: str
    tag: str
    boot_ns: int
    value: str | None
    quality: int


def unpacked(one: pb.Block | pb.Bundle) -> bytes:
    """The payload of a block or bundle."""
    payload: bytes = short_reader().UNPACK[one.compression](one.payload)
    assert len(payload) == one.payload_size
    return payload


def ticks_of(runs: Iterable[pb.GroupRun]) -> list[tuple[int, ...]]:
    """Of each tick its group, and the reason it has no row, or how late its row was and its half
    span."""
    found: list[tuple[int, ...]] = []
    for run in runs:
        gone = {
            tick: int(gap.reason)
            for gap in run.skipped
            for tick in range(gap.first_tick, gap.first_tick + gap.count)
        }
        rows = [k for k in range(run.first_tick, run.first_tick + run.ticks) if k not in gone]
        late = short_reader().integrate(run.late_us, run.late_order, len(rows))
        spans = list(run.half_span_us) or [0] * len(rows)
        found += [(run.group, tick, reason) for tick, reason in gone.items()]
        found += [(run.group, *row) for row in zip(rows, late, spans, strict=True)]
    return sorted(found)


class Box:
    """Groups 1 on, their sealer, and what it sealed."""

    def __init__(
        self,
        plans: Sequence[GroupPlan],
        pool_bytes: int = POOL_BYTES,
        groups: Sequence[Group] = (),
    ) -> None:
        """`pool_bytes`: of memory for rows, that the groups share. `groups`: those of the plans,
        where somebody else made them.
        """
        self.pool = Pool(pool_bytes)
        self.groups = list(groups) or [
            Group(number + 1, made, self.pool) for number, made in enumerate(plans)
        ]
        for group in self.groups:
            group.start(START_NS)
        self.sealer = Sealer(self.groups)
        link = LinkSpec("l", "tcp", host="127.0.0.1")
        made = build(
            "site",
            "",
            [
                (number + 1, DeviceSpec(made.device, link, "modbus", made.tags), made)
                for number, made in enumerate(plans)
            ],
        )
        self.head = [
            *(pb.StreamRequest(tag_set=pb.TagSet(content=c)) for c in made.tag_sets.values()),
            pb.StreamRequest(
                catalog=pb.Catalog(epoch=1, revision=1, id=made.id, content=made.content)
            ),
        ]
        contents = made.tag_sets.values()
        sets = {name_of(content): pb.TagSetContent.FromString(content) for content in contents}
        groups = pb.CatalogContent.FromString(made.content).groups
        self._tags = {
            id(plan.tags): sets[group.tag_set].tags
            for plan, group in zip(plans, groups, strict=True)
        }
        self.blocks: list[pb.Block] = []
        self.sealed: list[bytes] = []
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
            payload = unpacked(block)
            assert crc32c(payload) == block.payload_crc32c
            read = pb.BlockPayload.FromString(payload)
            assert counts(read.runs) == (block.scans, block.samples)
            entries = self.read(pb.StreamRequest(block=block))
            found += [Sample(*entry[1:4], *entry[5:]) for entry in entries]
            self.blocks.append(block)
            self.sealed.append(sealed.data)
            self.runs += read.runs
        return found

    def tags(self, made: GroupPlan) -> Sequence[pb.Tag]:
        """The tags of a plan of this box, as its tag set has them."""
        return self._tags[id(made.tags)]

    def read(self, *messages: pb.StreamRequest) -> list[tuple[Any, ...]]:
        """The entries as the short reader gives them."""
        return list(short_reader().read([*self.head, *messages]))

    def bundle(self, features: Iterable[int] = ()) -> pb.Bundle:
        """All blocks so far as one bundle. It must say what they say: that is checked here."""
        made = pb.Bundle.FromString(bundle(self.sealed, frozenset(features)))
        apart = self.read(*(pb.StreamRequest(block=block) for block in self.blocks))
        together = self.read(pb.StreamRequest(bundle=made))
        assert sorted(map(repr, together)) == sorted(map(repr, apart))
        joined = pb.BundlePayload.FromString(unpacked(made))
        assert counts(joined.runs) == (made.scans, made.samples)
        assert ticks_of(joined.runs) == ticks_of(self.runs)
        assert list(made.block_checks) == [block.payload_crc32c & 0xFF for block in self.blocks]
        extras = {extra.block: extra.payload for extra in joined.extras}
        for number, block in enumerate(self.blocks):
            alone = pb.BlockPayload.FromString(unpacked(block))
            alone.ClearField("runs")
            assert extras.get(number, pb.BlockPayload()) == alone
        return made

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
