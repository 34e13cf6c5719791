"""Contents of exactly so many bytes."""

from __future__ import annotations

import random

from jiahe.ingest import limits
from jiahe.ingest.v1 import ingest_pb2 as pb

from tests.contract import encode


def tags_of(size: int) -> bytes:
    """A tag set of exactly so many bytes."""
    content = pb.TagSetContent()
    for number in range(size // limits.TEXT_BYTES_MAX - 1):
        description = "d" * (limits.TEXT_BYTES_MAX - 30)
        content.tags.add(name=f"t{number:07}", type=pb.VALUE_TYPE_INT, description=description)
    last = content.tags.add(name="last", type=pb.VALUE_TYPE_INT, description="d" * 3000)
    while (left := size - content.ByteSize()) > limits.TEXT_BYTES_MAX:
        content.tags.add(name=f"more{left}", type=pb.VALUE_TYPE_INT, description="d" * 3000)
    last.address = "a" * (left - 8)
    last.address += "a" * (size - content.ByteSize())
    made = content.SerializeToString()
    assert len(made) == size
    return made


def texts_of(size: int, random_bytes: int) -> pb.BlockPayload:
    """A payload of exactly so many bytes, some of which no compression makes shorter."""
    noise = random.Random(1).randbytes(random_bytes)

    def made(text: int) -> pb.BlockPayload:
        column = encode.text_column([noise + bytes(text - random_bytes)])
        return pb.BlockPayload(runs=[encode.run(1, 0, 1, [column])])

    payload = made(size - (made(size).ByteSize() - size))
    assert payload.ByteSize() == size
    return payload
