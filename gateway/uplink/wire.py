"""Wrapping what is already serialized: a block is never parsed on its way out.

A protobuf message is its fields one after another, and of a field that is not repeated the last one
counts (protobuf, "Encoding"), so the lane is appended to the block's bytes.
"""

from __future__ import annotations

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


_CATALOG = _tag(pb.StreamRequest.CATALOG_FIELD_NUMBER, 2)
_BLOCK = _tag(pb.StreamRequest.BLOCK_FIELD_NUMBER, 2)
_LANE = {
    lane: _tag(pb.Block.LANE_FIELD_NUMBER, 0) + varint(lane)
    for lane in (pb.LANE_LIVE, pb.LANE_BACKFILL)
}

#: The most that `block_message` and `catalog_message` add.
LANE_BYTES_MAX = 16


def catalog_message(catalog: bytes) -> bytes:
    """A StreamRequest with this serialized Catalog."""
    return b"".join((_CATALOG, varint(len(catalog)), catalog))


def block_message(block: bytes, lane: pb.Lane.ValueType) -> bytes:
    """A StreamRequest with this serialized Block, on `lane`."""
    field = _LANE[lane]
    return b"".join((_BLOCK, varint(len(block) + len(field)), block, field))
