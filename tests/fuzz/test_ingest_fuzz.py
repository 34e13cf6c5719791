"""A gateway gone mad, and another that is served beside it. Fuzzers are modules of this folder."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import audit
from ingest.export import export_csv
from ingest.inline import InlineStore
from ingest.samples import Selection
from ingest.stores.opening import connect
from tests.contract import examples, receiver, streams
from tests.fuzz.ingest_session import hostile, readable

_STREAMS = 60


def test_gateway_gone_mad_leaves_the_receiver_serving_and_its_books_readable(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rng = random.Random(request.config.getoption("seed"))
    sql = connect(tmp_path / "store.db")
    kinds = {kind for epoch in range(2, 2 + _STREAMS) for kind in hostile(sql, rng, epoch)}
    assert {"welcome", "ack", "reject"} <= kinds  # some of it is good, some is not
    good = streams.stream(InlineStore(sql))
    requests = [receiver.hello(examples.EPOCH, "good"), *examples.opening()]
    requests.append(pb.StreamRequest(block=examples.block(1)))
    said = streams.said(good, *requests)
    assert [answer.WhichOneof("message") for answer in said] == ["welcome", "ack"]
    (book,) = (book for book in audit.epochs(sql) if book["gateway"] == "good")
    assert (book["blocks"], book["scans"], book["missing"]) == (1, 10, 0)
    readable(sql)
    assert export_csv(sql, Selection(gateway="good"), io.StringIO()) == 20
    sql.close()
