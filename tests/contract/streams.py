"""Streams of boxes to the receiver's real session and tables, without wire and threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import session
from ingest.inline import Inline, InlineStore
from ingest.shelf import Pieces
from ingest.stores.opening import connect
from ingest.stores.schema import SCHEMA
from tests.contract import examples, receiver
from tests.contract.examples import UTC_NS


def stream(store: InlineStore, identity: str | None = None, **options: Any) -> Inline:
    """One that nobody has said Hello on. The receiver's clock stands unless `utc_ns` is given."""
    utc_ns = options.pop("utc_ns", lambda: UTC_NS)
    return Inline(session.Session(identity, utc_ns, **options), store)


def said(one: Inline, *requests: pb.StreamRequest) -> list[pb.StreamResponse]:
    """The answers to them."""
    return [answer for request in requests for answer in one.receive(request.SerializeToString())]


def ended(one: Inline) -> session.End:
    assert one.ended is not None
    return one.ended


def block(*args: Any, **options: Any) -> pb.StreamRequest:
    return pb.StreamRequest(block=examples.block(*args, **options))


def acked(answers: Sequence[pb.StreamResponse]) -> list[tuple[int, int]]:
    return [(r.first, r.last) for answer in answers for r in answer.ack.ranges]


class Box:
    """Streams of boxes to one receiver, whose store is in memory and whose clock is `utc_ns`."""

    def __init__(self) -> None:
        self.sql = sqlite3.connect(":memory:", isolation_level=None)
        for statement in SCHEMA.split(";\n"):
            self.sql.execute(statement)
        self.store = InlineStore(self.sql)
        self.pieces = Pieces()
        self.utc_ns = UTC_NS

    def stream(self, identity: str | None = None, **options: Any) -> Inline:
        options = {"address": "10.0.0.1:5000", "pieces": self.pieces} | options
        return stream(self.store, identity, utc_ns=lambda: self.utc_ns, **options)

    def opened(self, request: pb.StreamRequest | None = None, **options: Any) -> Inline:
        one = self.stream(**options)
        (first, *_) = said(one, request or receiver.hello(examples.EPOCH))
        assert first.HasField("welcome")
        return one


def store_of(path: Path, blocks: Sequence[pb.Block | pb.Bundle], **options: Any) -> Path:
    """A receiver's file that took these blocks of `examples`, in this order."""
    sql = connect(path)
    one = stream(InlineStore(sql), **options)
    said(one, receiver.hello(max(block.epoch for block in blocks)))
    for epoch in sorted({block.epoch for block in blocks}):
        said(one, *examples.opening(epoch))
    for block in blocks:
        kind = "block" if isinstance(block, pb.Block) else "bundle"
        answers = said(one, pb.StreamRequest(**{kind: block}))
        assert answers[-1].HasField("ack"), answers
    sql.close()
    return path
