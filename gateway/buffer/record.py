"""One framed record of a segment: a fixed header, then a body. Little-endian throughout.

    offset  size  field
         0     4  magic "JHR1"
         4     1  kind: 1 segment header, 2 names of catalogs, 3 block, 4 content (in `sets/`)
         5     1  flags: bit 0, the block ends its epoch
         6     2  format version: 1
         8     4  length of the body in bytes
        12     4  catalog revision; the body of kind 2: names of revisions 1 to this one
        16     8  epoch
        24     8  seq (block)
        32     8  block: boot time of its oldest sample; segment header: UTC of its creation, 0 if
                 nothing vouched for it; ns
        40     4  scans
        44     4  samples
        48     4  CRC-32C of the body
        52     4  CRC-32C of the 52 bytes before

Two checksums, so that opening a buffer of 2 GiB reads headers only and still never follows a
damaged length; the body's is checked whenever the body is read.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from native.crc import crc32c

MAGIC = b"JHR1"
VERSION = 1
SEGMENT, NAMES, BLOCK, CONTENT = 1, 2, 3, 4
FLAG_END_OF_EPOCH = 1

#: No block, catalog or tag set is larger: more is damage.
BODY_BYTES_MAX = 64 << 20

_FIELDS = struct.Struct("<4sBBHIIQQqIII")
_CRC = struct.Struct("<I")
HEADER_BYTES = _FIELDS.size + _CRC.size


class Header(NamedTuple):
    """The fields of a header that verified."""

    kind: int
    flags: int
    version: int
    length: int
    revision: int
    epoch: int
    seq: int
    time_ns: int
    scans: int
    samples: int
    body_crc: int

    @property
    def record_bytes(self) -> int:
        return HEADER_BYTES + self.length


def pack(
    kind: int,
    body: bytes,
    *,
    flags: int = 0,
    revision: int = 0,
    epoch: int = 0,
    seq: int = 0,
    time_ns: int = 0,
    scans: int = 0,
    samples: int = 0,
) -> bytes:
    """A whole record."""
    if len(body) > BODY_BYTES_MAX:
        raise ValueError(f"a record of {len(body)} bytes: at most {BODY_BYTES_MAX}")
    head = _FIELDS.pack(
        MAGIC, kind, flags, VERSION, len(body), revision, epoch, seq, time_ns, scans, samples,
        crc32c(body),
    )  # fmt: skip
    return head + _CRC.pack(crc32c(head)) + body


def parse(data: bytes) -> Header | None:
    """The header at the start of `data`, or None if there is none that verifies."""
    if len(data) < HEADER_BYTES or data[:4] != MAGIC:
        return None
    if _CRC.unpack_from(data, _FIELDS.size)[0] != crc32c(data[: _FIELDS.size]):
        return None
    header = Header(*_FIELDS.unpack_from(data)[1:])
    return header if header.length <= BODY_BYTES_MAX else None


def body_is_intact(header: Header, body: bytes) -> bool:
    return len(body) == header.length and crc32c(body) == header.body_crc
