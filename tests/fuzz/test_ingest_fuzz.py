"""Streams of a gateway gone mad, against the real session, checks and store: the others go on."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import Message
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import audit, session
from ingest.completeness import days
from ingest.export import Selection, export_csv
from ingest.payload import decompress
from ingest.stores.sqlite import SqliteStore, connect_readonly
from tests.contract import encode, examples, receiver

_STREAMS = 60
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
    repeated = not isinstance(old, Message) and hasattr(old, "__len__") and field.type != 9
    if field.type == Field.TYPE_MESSAGE and not repeated:
        mutate(rng, old)
    elif field.name == "labels":
        old[rng.choice([-(1 << 63), 0, (1 << 63) - 1])] = rng.choice(_TEXTS)
    elif field.type == Field.TYPE_MESSAGE:
        if old and rng.random() < 0.8:
            mutate(rng, rng.choice(old))
        else:
            old.add()
    elif repeated and field.type != Field.TYPE_BYTES:
        old.append(value(rng, field))
    else:
        setattr(message, field.name, value(rng, field))


def stream(rng: random.Random, epoch: int) -> list[pb.StreamRequest]:
    """Hello, a catalog and four blocks; something in most of them is wrong."""
    opening = [
        receiver.hello(epoch, "mad", earlier=(1,)),
        pb.StreamRequest(catalog=examples.catalog(epoch)),
    ]
    if rng.random() < 0.2:
        mutate(rng, rng.choice(opening))
    blocks = []
    for seq in range(1, 5):
        gap = pb.Gap(reason=pb.GAP_REASON_EXPIRED, epoch=epoch, blocks=[pb.SeqRange(first=9)])
        gap.blocks[0].last = 9
        gap.ticks.add(group=1, first_tick=90, count=2, last_due_ns=examples.PERIOD_NS)
        good = examples.block(seq, epoch=epoch, gaps=(gap,))
        payload = pb.BlockPayload.FromString(
            decompress(good.compression, good.payload, good.payload_size)
        )
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            mutate(rng, payload)
        block = sealed(epoch, seq, payload)
        if rng.random() < 0.1:
            block.seq = rng.choice([1 << 53, (1 << 63) - 1, (1 << 64) - 1])
        if rng.random() < 0.2:
            mutate(rng, block)
        blocks.append(pb.StreamRequest(block=block))
    return opening + blocks


def sealed(epoch: int, seq: int, payload: pb.BlockPayload) -> pb.Block:
    """With counts as true as their fields can say."""
    try:
        return encode.block(epoch, seq, payload)
    except ValueError:
        block = encode.block(epoch, seq, pb.BlockPayload())
        block.payload = payload.SerializeToString()
        block.payload_size, block.compression = len(block.payload), pb.COMPRESSION_NONE
        block.payload_crc32c = encode.crc32c(block.payload)
        return block


def serve(store: SqliteStore, requests: list[pb.StreamRequest]) -> list[pb.StreamResponse]:
    """One stream to its end, as `server` would; what was answered."""
    one = session.Session(None, lambda: 1)
    answers: list[pb.StreamResponse] = []
    commands: list[session.Command] = []
    for request in requests:
        commands += one.receive(request)
        while commands:
            match commands.pop(0):
                case session.Send(message):
                    answers.append(pb.StreamResponse.FromString(message.SerializeToString()))
                case session.Open(gateway, epoch, boot_id, software, earlier):
                    known = store.hello(gateway, epoch, boot_id, software, earlier).result(30)
                    commands += one.opened(known)
                case session.Load(gateway, epoch, revision):
                    commands += one.loaded(store.catalog(gateway, epoch, revision).result(30))
                case session.Check(run):
                    commands += one.checked(run())
                case session.Store(item):
                    outcome = store.put(item).result(30)
                    commands += one.stored([(item, outcome)])
    return answers


def test_gateway_gone_mad_leaves_the_receiver_serving_and_its_books_readable(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rng = random.Random(request.config.getoption("seed"))
    store = SqliteStore(tmp_path / "store.db")
    try:
        kinds = {
            answer.WhichOneof("message")
            for epoch in range(2, 2 + _STREAMS)
            for answer in serve(store, stream(rng, epoch))
        }
        assert {"welcome", "ack", "reject"} <= kinds  # some of it is good, some is not
        catalog = pb.StreamRequest(catalog=examples.catalog())
        block = pb.StreamRequest(block=examples.block(1))
        good = serve(store, [receiver.hello(examples.EPOCH, "good"), catalog, block])
        assert [answer.WhichOneof("message") for answer in good] == ["welcome", "ack"]
        assert not store.broken.done()
    finally:
        store.close()
    sql = connect_readonly(tmp_path / "store.db")
    try:
        (book,) = (book for book in audit.epochs(sql) if book["gateway"] == "good")
        assert (book["blocks"], book["scans"], book["missing"]) == (1, 10, 0)
        assert any(day["gateway"] == "good" and day["rows"] == 10 for day in days(sql))
        assert export_csv(sql, Selection(gateway="good"), io.StringIO()) == 20
    finally:
        sql.close()
