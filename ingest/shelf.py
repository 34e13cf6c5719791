"""What all sessions share: compiled contents, and messages that came in part.

Both are bounded in bytes; what was let go is compiled again from the store, or sent again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.catalog import Catalog, TagSet


class Shelf:
    """Compiled tag sets and catalogs by name; the least lately used go first."""

    def __init__(self, bytes_max: int = limits.SHELF_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._held: dict[bytes, TagSet | Catalog] = {}

    def get(self, name: bytes) -> TagSet | Catalog | None:
        one = self._held.pop(name, None)
        if one is not None:
            self._held[name] = one
        return one

    def put(self, one: TagSet | Catalog) -> None:
        if one.id in self._held:
            return
        self._held[one.id] = one
        self._bytes += one.held_bytes
        while self._bytes > self._bytes_max and len(self._held) > 1:
            oldest = self._held.pop(next(iter(self._held)))
            self._bytes -= oldest.held_bytes


class PieceError(Exception):
    """A piece that can't be put where it says; the text says why."""


@dataclass(slots=True)
class _Partial:
    message_id: bytes
    size: int
    data: bytearray = field(default_factory=bytearray)


class Pieces:
    """Messages in pieces, one a gateway, kept over its streams."""

    def __init__(self, bytes_max: int = limits.PIECES_BYTES_TOTAL) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._partial: dict[str, _Partial] = {}

    def progress(self, gateway: str) -> pb.PieceHeld | None:
        one = self._partial.get(gateway)
        if one is None:
            return None
        return pb.PieceHeld(message_id=one.message_id, have_bytes=len(one.data))

    def add(self, gateway: str, piece: pb.Piece) -> bytes | None:
        """The whole message once it is there, else None. Raises PieceError; then nothing of the
        message is kept."""
        try:
            whole = self._add(gateway, piece)
        except PieceError:
            self._drop(gateway)
            raise
        if whole is not None:
            self._drop(gateway)
        return whole

    def _add(self, gateway: str, piece: pb.Piece) -> bytes | None:
        one = self._partial.get(gateway)
        if one is None or one.message_id != piece.message_id or one.size != piece.message_size:
            one = self._begin(gateway, piece)
        self._partial[gateway] = self._partial.pop(gateway)  # used last
        have = len(one.data)
        if piece.offset > have:
            raise PieceError(f"a piece at {piece.offset}, but {have} bytes are here; begin again")
        new = piece.data[have - piece.offset :]
        if have + len(new) > one.size:
            raise PieceError(f"a piece that ends behind its message of {one.size} bytes")
        one.data += new
        self._bytes += len(new)
        self._make_room(gateway)
        if len(one.data) < one.size:
            return None
        whole = bytes(one.data)
        if hashlib.sha256(whole).digest()[: limits.ID_BYTES] != one.message_id:
            raise PieceError("the pieces together are not the message that they name")
        return whole

    def _begin(self, gateway: str, piece: pb.Piece) -> _Partial:
        self._drop(gateway)
        if not 0 < piece.message_size <= limits.PIECED_BYTES_MAX:
            raise PieceError(
                f"a message of {piece.message_size} bytes in pieces, the most is"
                f" {limits.PIECED_BYTES_MAX}"
            )
        if len(piece.message_id) != limits.ID_BYTES:
            raise PieceError(f"message_id of {len(piece.message_id)} bytes, not {limits.ID_BYTES}")
        one = self._partial[gateway] = _Partial(piece.message_id, piece.message_size)
        return one

    def _drop(self, gateway: str) -> None:
        one = self._partial.pop(gateway, None)
        if one is not None:
            self._bytes -= len(one.data)

    def _make_room(self, keep: str) -> None:
        while self._bytes > self._bytes_max:
            oldest = next((name for name in self._partial if name != keep), None)
            if oldest is None:
                return  # a single message is smaller than the room
            self._drop(oldest)
