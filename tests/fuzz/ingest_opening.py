"""Hello, tag sets and catalogs of any bytes, under their right names: refused, or used and read."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.inline import InlineStore
from tests.contract import examples, receiver, streams
from tests.fuzz.ingest_session import mutate, readable, spoilt, store


def _content(rng: random.Random, made: pb.TagSetContent | pb.CatalogContent) -> bytes:
    for _ in range(rng.randrange(3)):
        mutate(rng, made)
    data = made.SerializeToString(deterministic=True)
    return spoilt(rng, data) if rng.random() < 0.5 else data


@contextmanager
def cases(folder: Path) -> Iterator[Callable[[random.Random], None]]:
    def case(rng: random.Random) -> None:
        with store() as sql:
            one = streams.stream(InlineStore(sql))
            hello = receiver.hello(examples.EPOCH, earlier=(1,)).SerializeToString()
            one.receive(spoilt(rng, hello) if rng.random() < 0.3 else hello)
            tagged = pb.TagSet(content=_content(rng, examples.tags()))
            streams.said(one, pb.StreamRequest(tag_set=tagged))
            made = examples.content([examples.group(tagged=tagged), examples.group(2)])
            content = _content(rng, made)
            name = examples.content_id(content)
            for revision in (1, 2):
                catalog = pb.Catalog(
                    epoch=examples.EPOCH, revision=revision, id=name, content=content
                )
                streams.said(one, pb.StreamRequest(catalog=catalog))
                streams.said(
                    one, pb.StreamRequest(block=examples.block(revision, revision=revision))
                )
            readable(sql)

    yield case
