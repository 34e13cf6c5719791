"""Payloads that unpack, with anything in them: refused, or read by every reader."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.check import Carried
from ingest.payload import decompress
from ingest.refusal import RefusedError
from tests.contract import checking, encode, examples
from tests.fuzz.ingest_session import block, spoilt


@contextmanager
def cases(folder: Path) -> Iterator[Callable[[random.Random], None]]:
    layout = checking.layout()

    def case(rng: random.Random) -> None:
        carried: Carried = block(rng, rng.randrange(1, 4), examples.EPOCH)
        if rng.random() < 0.3:
            carried = examples.bundle(1, rng.randrange(1, 6))
        plain = decompress(carried.compression, carried.payload, carried.payload_size)
        for _ in range(rng.randrange(3)):
            plain = spoilt(rng, plain)
        carried.compression = rng.choice([pb.COMPRESSION_ZSTD, pb.COMPRESSION_ZLIB])
        carried.payload = encode.compress(carried.compression, plain)
        carried.payload_size, carried.payload_crc32c = len(plain), encode.crc32c(plain)
        if rng.random() < 0.2:
            carried.payload = spoilt(rng, carried.payload)
        try:
            facts = checking.check(carried, layout)
        except RefusedError as error:
            assert error.detail
            return
        if isinstance(carried, pb.Block):
            entries = checking.decoded(carried)
            assert len(entries) == facts.blocks[0].samples

    yield case
