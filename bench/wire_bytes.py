"""P8: bytes a sample, ours against JSON over MQTT and against line protocol, plain and with gzip.

Ours are the very blocks that the uplink sends, made by the sealer from a trace that is pushed into
a group row by row. Against the peers the blocks alone are counted, since MQTT, TLS and acks come on
top of theirs too; the rows "with TLS, gRPC and acks" count all that crosses the wire. Peers send
values, not raw numbers: 1234 mrad as 1.234, a float32 with as few digits as bring it back.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from jiahe.ingest.v1 import ingest_pb2 as pb

from bench.carried import carried_bytes
from bench.harness import Figure, Goal, Result, Row, interleaved, quantity
from bench.traces import SYNTHETIC, S, Trace, recorded
from drivers.api import TYPE_BYTES, Field, GroupPlan, Request, TagSpec
from native.block import Sealer
from native.group import Group

_FORMATS = {"int16": "h", "uint16": "H", "int32": "i", "float32": "f"}
#: Fixed header, topic with its length, packet id: MQTT 3.1.1 section 3.3, QoS 1.
_MQTT_BYTES = 2 + 2 + len("neuron/jx-nanhu-0031/upload") + 2
_FIRST_UTC_MS = 1_795_000_000_000

#: Seconds of data in one block, and the most bytes a sample that are allowed there.
GOALS: Mapping[str, tuple[tuple[int, float | None], ...]] = {
    "robot": ((1, 0.8), (10, None)),
    "CNC": ((1, None), (60, 0.5)),
    "meter": ((1, None), (60, 1.3)),
    "recorded mill": ((1, None), (10, 1.05)),
    "recorded UR3": ((1, None), (60, 2.2)),
}
JSON_SHARE_MAX = 1 / 15
GZIP_SHARE_MAX = 1 / 2.5


def plan_of(trace: Trace) -> GroupPlan:
    """The group that reads a trace: one holding register block a 125 registers."""
    tags, fields, requests = [], [], []
    address, count = 0, 0
    for name, kind in zip(trace.names, trace.types, strict=True):
        size = TYPE_BYTES[kind]
        if count + size // 2 > 125:
            requests.append(Request(3, address, count))
            address, count = address + count, 0
        fields.append(Field(len(requests), 2 * count, kind, "ABCD", size, -1))
        tags.append(TagSpec(name, f"holding:{address + count}", kind, trace.period_ns))
        count += size // 2
    requests.append(Request(3, address, count))
    return GroupPlan(
        "bench", trace.period_ns, tuple(tags), tuple(requests), tuple(fields), scan_ns=0
    )


def seal(trace: Trace, block_s: int) -> list[pb.Block]:
    """The trace as the blocks that would be sent, each of `block_s` seconds where they fit."""
    plan = plan_of(trace)
    rows_a_block = max(1, block_s * S // trace.period_ns)
    group = Group(1, plan)
    group.start(0)
    sealer = Sealer([group])
    pack = struct.Struct(">" + "".join(_FORMATS[kind] for kind in trace.types)).pack
    good = bytes([pb.QUALITY_GOOD]) * len(plan.requests)
    blocks: list[pb.Block] = []
    for tick, row in enumerate(trace.rows):
        group.push(tick, tick * trace.period_ns, 0, good, pack(*row))
        if (tick + 1) % rows_a_block == 0 or tick + 1 == len(trace.rows):
            sealed = sealer.seal(1, len(blocks) + 1, 1)
            blocks += [pb.Block.FromString(one.data) for one in sealed]
    if sum(block.samples for block in blocks) != trace.samples:
        raise RuntimeError("blocks are missing samples: the comparison would not be fair")
    return blocks


def _json(trace: Trace, tick: int) -> bytes:
    at = _FIRST_UTC_MS + tick * trace.period_ns // 1_000_000
    values = ",".join(f'"{n}":{v}' for n, v in zip(trace.names, trace.texts(tick), strict=True))
    head = f'"node":"cell3","group":"fast","timestamp":{at}'
    return f'{{{head},"values":{{{values}}}}}'.encode()


def _line(trace: Trace, tick: int) -> bytes:
    values = ",".join(f"{n}={v}" for n, v in zip(trace.names, trace.texts(tick), strict=True))
    at = _FIRST_UTC_MS * 1_000_000 + tick * trace.period_ns
    return f"cell3,gateway=jx-nanhu-0031 {values} {at}\n".encode()


def _gzipped(lines: list[bytes], rows_a_block: int) -> int:
    return sum(
        len(gzip.compress(b"".join(lines[first : first + rows_a_block]), 6))
        for first in range(0, len(lines), rows_a_block)
    )


def measure(trace: Trace, block_s: int) -> Result:
    """Bytes a sample of each way to say the trace."""
    rows_a_block = max(1, block_s * S // trace.period_ns)
    ticks = range(len(trace.rows))
    as_json = [_json(trace, tick) for tick in ticks]
    as_lines = [_line(trace, tick) for tick in ticks]
    ways = {
        "ours": sum(block.ByteSize() for block in seal(trace, block_s)),
        "json": sum(map(len, as_json)) + _MQTT_BYTES * len(as_json),
        "json gzip": _gzipped(as_json, rows_a_block),
        "line gzip": _gzipped(as_lines, rows_a_block),
    }
    return {name: size / trace.samples for name, size in ways.items()}


def bytes_a_sample(rounds: int) -> Iterator[Row]:
    """Synthetic traces with another seed each round; recorded ones are what they are."""
    traces: dict[str, Callable[[int], Trace]] = dict(SYNTHETIC)
    traces |= {name: partial(_same, trace) for name, trace in recorded()}
    for name, make in traces.items():
        for block_s, most in GOALS[name]:
            work = f"{name}, blocks of {block_s} s"
            trace = make(1)
            whole = carried_bytes(plan_of(trace), seal(trace, block_s)) / trace.samples
            yield Row(
                "P8", f"{work}, with TLS, gRPC and acks", "bytes/sample", Figure.of([whole]),
                goal=Goal("at most", most) if most else None,
            )  # fmt: skip
            seeds = iter(range(1, 1000))
            ways = {"": lambda: measure(make(next(seeds)), block_s)}  # noqa: B023 - run at once
            results = interleaved(ways, rounds)[""]
            yield from _rows(work, results, most)


def _same(trace: Trace, _seed: int) -> Trace:
    return trace


def _rows(work: str, results: list[Result], most: float | None) -> Iterator[Row]:
    mine = quantity(results, "ours")
    unit = "bytes/sample"
    yield Row("P8", work, unit, mine, goal=Goal("at most", most) if most else None)
    shares = {"json": JSON_SHARE_MAX, "json gzip": GZIP_SHARE_MAX, "line gzip": GZIP_SHARE_MAX}
    for peer, share in shares.items():
        theirs: Figure = quantity(results, peer)
        yield Row("P8", work, unit, mine, peer, theirs, Goal("at most", share) if most else None)
