"""Streams of a gateway gone mad, against the real session, checks and store.

Nothing raises, and what was stored makes no reader raise.
"""

from __future__ import annotations

import io
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import Message
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import audit
from ingest.completeness import days
from ingest.export import export_csv
from ingest.inline import InlineStore
from ingest.samples import Selection
from ingest.stores.schema import SCHEMA
from tests.contract import encode, examples, receiver, streams

#: Streams that one store takes before it is read, and another begun.
_STREAMS = 30
_TEXTS = ["", "x", "NaN", "1e400", "\x00", "1E-340", "9" * 64, "😀", "1_0", "Infinity"]
_ENDS = [0, 1, 2, 127, 1 << 31, 1 << 32, 1 << 53, 1 << 62, 1 << 63, 1 << 64]
_RANGES = {
    Field.TYPE_UINT32: (0, (1 << 32) - 1),
    Field.TYPE_FIXED32: (0, (1 << 32) - 1),
    Field.TYPE_UINT64: (0, (1 << 64) - 1),
    Field.TYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    Field.TYPE_SINT64: (-(1 << 63), (1 << 63) - 1),
    Field.TYPE_ENUM: (-(1 << 31), (1 << 31) - 1),
}


def value(rng: random.Random, field: Field) -> Any:
    if field.type in (Field.TYPE_FLOAT, Field.TYPE_DOUBLE):
        return rng.choice([0.0, -1.5, 3e38, float("nan"), float("inf")])
    if field.type == Field.TYPE_BOOL:
        return rng.random() < 0.5
    if field.type == Field.TYPE_STRING:
        return rng.choice(_TEXTS)
    if field.type == Field.TYPE_BYTES:
        return rng.choice([b"", b"\xff", b"a" * 100])
    low, high = _RANGES[field.type]
    number = rng.choice([-1, 1]) * rng.choice(_ENDS) - rng.choice([0, 1, 2])
    return number if low <= number <= high else rng.choice([low, high, rng.randrange(300)])


def mutate(rng: random.Random, message: Message) -> None:
    """Change one field, somewhere in it."""
    field = rng.choice(message.DESCRIPTOR.fields)
    old = getattr(message, field.name)
    repeated = field.is_repeated
    if field.type == Field.TYPE_MESSAGE and not repeated:
        mutate(rng, old)
    elif field.name == "labels":
        old[rng.choice([-(1 << 63), 0, (1 << 63) - 1])] = rng.choice(_TEXTS)
    elif field.name == "bit_names":
        old[rng.choice([0, 63, (1 << 32) - 1])] = rng.choice(_TEXTS)
    elif field.type == Field.TYPE_MESSAGE:
        if old and rng.random() < 0.8:
            mutate(rng, rng.choice(old))
        else:
            old.add()
    elif repeated:
        old.append(value(rng, field))
    else:
        setattr(message, field.name, value(rng, field))


def corpus(rng: random.Random, epoch: int) -> list[pb.StreamRequest]:
    """Hello, tag set, catalog, blocks and a bundle, all good."""
    opening = [
        receiver.hello(epoch, "mad", earlier=(1,)),
        pb.StreamRequest(tag_set=examples.tag_set()),
        pb.StreamRequest(catalog=examples.catalog(epoch)),
    ]
    blocks = [pb.StreamRequest(block=block(rng, seq, epoch)) for seq in range(1, 5)]
    return [*opening, *blocks, pb.StreamRequest(bundle=examples.bundle(5, 3, epoch=epoch))]


def block(rng: random.Random, seq: int, epoch: int) -> pb.Block:
    """With something of everything in it; its compression differs."""
    gap = pb.Gap(reason=pb.GAP_REASON_EXPIRED, epoch=epoch, blocks=[pb.SeqRange(first=9, last=9)])
    gap.ticks.add(group=1, first_tick=90, count=2, last_due_ns=examples.PERIOD_NS)
    gap.events.add(group=1, first=90, count=2)
    run = examples.run((seq - 1) * 10, 10)
    events = run.events.add(first=seq - 1, count=2, time_us=[5, 6])
    events.lost.add(first_tick=seq, count=1, reason=pb.GAP_REASON_MEMORY_FULL)
    del events.time_us[1:]
    events.columns.add(tag=0, column=encode.column([7], rows=[0]))
    run.columns[1].source_time_ns.append(5)
    payload = pb.BlockPayload(runs=[run], gaps=[gap])
    if seq == 1:
        payload.anchors.append(examples.anchor())
        payload.begin.previous_epoch = 1
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        mutate(rng, payload)
    return sealed(rng, epoch, seq, payload)


def stream(rng: random.Random, epoch: int) -> list[bytes]:
    """A corpus in which something of most messages is wrong."""
    requests = corpus(rng, epoch)
    for request in requests:
        if rng.random() < 0.2:
            mutate(rng, request)
        if request.HasField("block") and rng.random() < 0.1:
            request.block.seq = rng.choice([1 << 53, (1 << 63) - 1, (1 << 64) - 1])
    if rng.random() < 0.3:
        made = examples.content()
        mutate(rng, made)
        requests[2] = pb.StreamRequest(catalog=examples.catalog(epoch, made=made))
    if rng.random() < 0.3:
        tags = examples.tags()
        mutate(rng, tags)
        requests[1] = pb.StreamRequest(tag_set=examples.tag_set(tags))
    data = [request.SerializeToString() for request in requests]
    if rng.random() < 0.3:
        place = rng.randrange(len(data))
        data[place] = spoilt(rng, data[place])
    return data


def spoilt(rng: random.Random, data: bytes) -> bytes:
    """Some bytes changed, cut out or doubled."""
    body = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(body) + 1)
        match rng.randrange(3):
            case 0:
                body[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del body[at : at + rng.randrange(9)]
            case 2:
                body[at:at] = body[at : at + rng.randrange(9)]
    return bytes(body)


def sealed(rng: random.Random, epoch: int, seq: int, payload: pb.BlockPayload) -> pb.Block:
    """With counts as true as their fields can say, in a compression that unpacks."""
    compression = rng.choice([pb.COMPRESSION_NONE, pb.COMPRESSION_ZSTD, pb.COMPRESSION_ZLIB])
    try:
        return encode.block(epoch, seq, payload, compression=compression)
    except ValueError:
        one = encode.block(epoch, seq, pb.BlockPayload(), compression=compression)
        plain = payload.SerializeToString()
        one.payload = encode.compress(compression, plain)
        one.payload_size, one.payload_crc32c = len(plain), encode.crc32c(plain)
        return one


def hostile(sql: sqlite3.Connection, rng: random.Random, epoch: int) -> set[str]:
    """One stream of a gateway gone mad; the kinds of what it was answered."""
    one = streams.stream(InlineStore(sql))
    kinds = set()
    for data in stream(rng, epoch):
        one.session.urgent(data)
        for answer in one.receive(data):
            answer.SerializeToString()
            kinds.add(answer.WhichOneof("message"))
    return kinds


def readable(sql: sqlite3.Connection) -> None:
    """What was stored makes no reader raise."""
    audit.epochs(sql)
    days(sql, examples.UTC_NS)
    export_csv(sql, Selection(), io.StringIO())


@contextmanager
def store() -> Iterator[sqlite3.Connection]:
    """A new one, in memory."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as sql:
        for statement in SCHEMA.split(";\n"):
            sql.execute(statement)
        yield sql


@contextmanager
def cases(folder: Path) -> Iterator[Callable[[random.Random], None]]:
    def case(rng: random.Random) -> None:
        with store() as sql:
            for epoch in range(2, 2 + rng.randrange(1, _STREAMS)):
                hostile(sql, rng, epoch)
            readable(sql)

    yield case
