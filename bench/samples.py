"""P7, the part that is the box's own: ns a sample from raw bytes to a sealed block.

Rows of a robot's registers lie in the row store, as the scan thread leaves them; what is measured
is the seal: decode, choice of differences, quality, protobuf, zstd. The peer is what a gateway in
Python does with the same bytes: unpack, scale, name, JSON (without a broker: that is charitable).
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator

from jiahe.ingest.v1 import ingest_pb2 as pb

from bench.harness import Result, Row, interleaved, quantity
from bench.traces import S, Trace, robot
from drivers.api import TYPE_BYTES, Field, GroupPlan, TagSpec
from drivers.modbus.request import Read, request_of
from native.block.seal import Sealer
from native.rows.group import Group

SECONDS = 20


def plan_of(trace: Trace) -> GroupPlan:
    """The group that reads a trace: one holding register block a 125 registers."""
    tags, fields, requests = [], [], []
    address, count = 0, 0
    for name, kind in zip(trace.names, trace.types, strict=True):
        size = TYPE_BYTES[kind]
        if count + size // 2 > 125:
            requests.append(request_of(Read(3, address, count)))
            address, count = address + count, 0
        fields.append(Field(len(requests), 2 * count, kind, "ABCD", size, -1))
        tags.append(TagSpec(name, f"holding:{address + count}", kind, trace.period_ns))
        count += size // 2
    requests.append(request_of(Read(3, address, count)))
    return GroupPlan(
        "bench", trace.period_ns, tuple(tags), tuple(requests), tuple(fields), scan_ns=0
    )


def sealing(trace: Trace) -> Result:
    """One block a second; only the seals count."""
    plan = plan_of(trace)
    group, spent_ns, samples = Group(1, plan), 0, 0
    group.start(0)
    sealer = Sealer([group])
    pack = struct.Struct(f">{len(trace.names)}h").pack
    good = bytes([pb.QUALITY_GOOD]) * len(plan.requests)
    a_block = S // trace.period_ns
    for tick, row in enumerate(trace.rows):
        group.push(tick, tick * trace.period_ns, 0, good, pack(*row))
        if (tick + 1) % a_block == 0:
            before_ns = time.thread_time_ns()
            sealed = sealer.seal(1, tick + 1, 1)
            spent_ns += time.thread_time_ns() - before_ns
            samples += sum(one.samples for one in sealed)
    if samples != trace.samples:
        raise RuntimeError(f"{samples} of {trace.samples} samples were sealed")
    return {"ns": spent_ns / samples}


def in_python(trace: Trace) -> Result:
    """Unpack, scale, name, and put into JSON, a message a scan."""
    shape = struct.Struct(f">{len(trace.names)}h")
    rows = [shape.pack(*row) for row in trace.rows]
    scales = [10.0**-digits for digits in trace.decimals]
    size, before_ns = 0, time.thread_time_ns()
    for tick, raw in enumerate(rows):
        values = [value * scale for value, scale in zip(shape.unpack(raw), scales, strict=True)]
        named = dict(zip(trace.names, values, strict=True))
        size += len(json.dumps({"timestamp": tick, "values": named}))
    assert size
    return {"ns": (time.thread_time_ns() - before_ns) / trace.samples}


def ns_a_sample(rounds: int) -> Iterator[Row]:
    """CPU of the one thread that works."""
    trace = robot(1, SECONDS)
    ways = {"ours": lambda: sealing(trace), "python": lambda: in_python(trace)}
    found = interleaved(ways, rounds)
    mine, theirs = quantity(found["ours"], "ns"), quantity(found["python"], "ns")
    yield Row("P7", "raw bytes to sealed block", "ns/sample", mine, "struct + JSON", theirs)
