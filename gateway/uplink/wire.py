"""Wrapping what is already serialized: a block is never parsed on its way out.

A protobuf message is its fields one after another, and of a field that is not repeated the last one
counts (protobuf, "Encoding"), so the lane is appended to the block's bytes.
"""

from __future__ import annotations

import hashlib

from jiahe.ingest import limits
from jiahe.ingest.v1 import ingest_pb2 as pb


def _tag(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


def varint(value: int) -> bytes:
    """Base 128, low groups first. `value` >= 0."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_FIELD = {
    name: _tag(pb.StreamRequest.DESCRIPTOR.fields_by_name[name].number, 2)
    for name in ("tag_set", "catalog", "block", "bundle")
}
_LANE = {
    lane: _tag(pb.Block.LANE_FIELD_NUMBER, 0) + varint(lane)
    for lane in (pb.LANE_LIVE, pb.LANE_BACKFILL)
}
assert pb.Block.LANE_FIELD_NUMBER == pb.Bundle.LANE_FIELD_NUMBER

#: The most that a message adds to a block or bundle.
LANE_BYTES_MAX = 16
#: The most that a Piece adds to the bytes that it carries.
PIECE_BYTES_OVER = 48


def tag_set_message(content: bytes) -> bytes:
    """A StreamRequest with the tag set of this content."""
    return _wrapped("tag_set", pb.TagSet(content=content).SerializeToString())


def catalog_message(epoch: int, revision: int, name: bytes, content: bytes | None) -> bytes:
    """A StreamRequest with a catalog; `content` None: the platform holds one of this name."""
    catalog = pb.Catalog(epoch=epoch, revision=revision, id=name, content=content or b"")
    return _wrapped("catalog", catalog.SerializeToString())


def block_message(block: bytes, lane: pb.Lane.ValueType) -> bytes:
    """A StreamRequest with this serialized Block, on `lane`."""
    return _wrapped("block", block, _LANE[lane])


def bundle_message(bundle: bytes, lane: pb.Lane.ValueType) -> bytes:
    """A StreamRequest with this serialized Bundle, on `lane`."""
    return _wrapped("bundle", bundle, _LANE[lane])


def _wrapped(field: str, message: bytes, more: bytes = b"") -> bytes:
    return b"".join((_FIELD[field], varint(len(message) + len(more)), message, more))


def message_id(message: bytes) -> bytes:
    """The id that the pieces of this message carry."""
    return hashlib.sha256(message).digest()[: limits.ID_BYTES]


def piece_message(name: bytes, message: bytes, offset: int, size: int) -> bytes:
    """A StreamRequest with `size` bytes of `message` at `offset`."""
    piece = pb.Piece(
        message_id=name,
        message_size=len(message),
        offset=offset,
        data=message[offset : offset + size],
    )
    return pb.StreamRequest(piece=piece).SerializeToString()
