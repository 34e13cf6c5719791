"""The payload of a block as carried: its checksum, and decompression that can't be made to eat
memory.

CRC-32C is the Castagnoli polynomial (RFC 3720 appendix B.4), by google-crc32c; zstd by python-
zstandard. Both run outside the interpreter's lock.
"""

from __future__ import annotations

import zlib

import google_crc32c
import zstandard
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits

#: What this version unpacks; a block of another one waits on its box for a newer receiver.
KNOWN = frozenset((pb.COMPRESSION_NONE, pb.COMPRESSION_ZSTD, pb.COMPRESSION_ZLIB))


class PayloadError(ValueError):
    """The carried bytes don't unpack to exactly the declared size; the text says how."""


def crc32c(data: bytes) -> int:
    """CRC-32C of `data`, 0 to 2^32 - 1; of b"123456789" it is 0xE3069283."""
    return int(google_crc32c.value(data))


def decompress(compression: int, carried: bytes, size: int) -> bytes:
    """The payload: exactly `size` bytes, of which the caller has checked that they may be spent.

    Raises PayloadError: unknown compression, damaged stream, another size than declared, bytes
    after the end.
    """
    match compression:
        case pb.COMPRESSION_NONE:
            unpacked = carried
        case pb.COMPRESSION_ZLIB:
            unpacked = _unzlib(carried, size)
        case pb.COMPRESSION_ZSTD:
            unpacked = _unzstd(carried, size)
        case _:
            raise PayloadError(
                f"compression {compression} is unknown; this version reads 1, 2 and 3"
            )
    if len(unpacked) != size:
        raise PayloadError(f"payload unpacks to {len(unpacked)} bytes, payload_size says {size}")
    return unpacked


def _unzlib(carried: bytes, size: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        # One byte of room more: a longer content shows itself, and a limit of 0 would mean none.
        unpacked = stream.decompress(carried, size + 1)
    except zlib.error as error:
        raise PayloadError(f"zlib: {error}") from error
    if len(unpacked) > size:
        raise PayloadError(f"zlib: unpacks to more than the {size} bytes that payload_size says")
    if not stream.eof or stream.unused_data:
        raise PayloadError("zlib: the stream is cut short or followed by other bytes")
    return unpacked


def _unzstd(carried: bytes, size: int) -> bytes:
    try:
        # A header that declares its content is believed by the library before max_output_size.
        declared = zstandard.get_frame_parameters(carried).content_size
        if declared not in (size, zstandard.CONTENTSIZE_UNKNOWN):
            raise PayloadError(f"zstd: declares {declared} bytes, payload_size says {size}")
        reader = zstandard.ZstdDecompressor(max_window_size=limits.PAYLOAD_BYTES_MAX)
        return reader.decompress(carried, max_output_size=max(size, 1), allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise PayloadError(f"zstd: {error}") from error
