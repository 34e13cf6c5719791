"""The payload of a block as carried: its checksum, and decompression that can't be made to eat
memory.

CRC-32C is the Castagnoli polynomial, reflected, initial value and final XOR all ones (RFC 3720
appendix B.4). Two bytes a step through a table of 2^16 entries: about 50 ns a byte, 0.5 ms for a
block of 10 kB.

zstd is the system's libzstd, called through ctypes: one call that writes into a buffer of the
declared size and fails when the content is longer, so that neither a bomb nor a large window
allocates anything.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import zlib
from array import array

from jiahe.ingest.v1 import ingest_pb2 as pb

_POLYNOMIAL = 0x82F63B78
_ONES = 0xFFFFFFFF


class PayloadError(ValueError):
    """The carried bytes don't unpack to exactly the declared size; the text says how."""


@functools.cache
def _tables() -> tuple[list[int], list[int]]:
    """The steps of one byte and of two."""
    one = []
    for index in range(256):
        crc = index
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
        one.append(crc)
    two = []
    for index in range(1 << 16):
        crc = one[index & 0xFF] ^ (index >> 8)
        two.append(one[crc & 0xFF] ^ (crc >> 8))
    return one, two


def crc32c(data: bytes) -> int:
    """CRC-32C of `data`, 0 to 2^32 - 1; of b"123456789" it is 0xE3069283."""
    one, two = _tables()
    words = array("H", data[: len(data) & ~1])
    if sys.byteorder == "big":
        words.byteswap()
    crc = _ONES
    for word in words:
        crc = two[(crc ^ word) & 0xFFFF] ^ (crc >> 16)
    if len(data) & 1:
        crc = one[(crc ^ data[-1]) & 0xFF] ^ (crc >> 8)
    return crc ^ _ONES


def decompress(compression: pb.Compression.ValueType, carried: bytes, size: int) -> bytes:
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


@functools.cache
def _libzstd() -> ctypes.CDLL:
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_decompress.restype = ctypes.c_size_t
    library.ZSTD_decompress.argtypes = [
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t,
    ]  # fmt: skip
    library.ZSTD_isError.restype = ctypes.c_uint
    library.ZSTD_isError.argtypes = [ctypes.c_size_t]
    library.ZSTD_getErrorName.restype = ctypes.c_char_p
    library.ZSTD_getErrorName.argtypes = [ctypes.c_size_t]
    return library


def _unzstd(carried: bytes, size: int) -> bytes:
    library = _libzstd()
    room = ctypes.create_string_buffer(max(size, 1))
    result = library.ZSTD_decompress(room, size, carried, len(carried))
    if library.ZSTD_isError(result):
        raise PayloadError(f"zstd: {library.ZSTD_getErrorName(result).decode()}")
    return room.raw[:result]


def require_zstd() -> None:
    """Raises OSError in words when the system has no libzstd."""
    try:
        _libzstd()
    except OSError as error:
        raise OSError(
            f"libzstd.so.1 can't be loaded ({error}); Debian: apt-get install libzstd1"
        ) from error
