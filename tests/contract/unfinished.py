"""A gRPC stream by hand, frame by frame (RFC 9113), whose last message never ends.

No client library leaves a message half sent, and a hostile box does: what came of it waits in the
receiver's memory for the rest.
"""

from __future__ import annotations

import asyncio
import struct

_DATA, _HEADERS, _SETTINGS, _PING, _WINDOW_UPDATE = 0, 1, 4, 6, 8
_END_HEADERS, _ACK = 4, 1
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_STREAM = 1
_FRAME_BYTES_MAX = 16 << 10
_WINDOW_BYTES = 65_535
_HEADERS_SENT = (
    (b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"box"),
    (b":path", b"/jiahe.ingest.v1.IngestService/Stream"),
    (b"te", b"trailers"), (b"content-type", b"application/grpc"),
)  # fmt: skip


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def _fields() -> bytes:
    """HPACK (RFC 7541, 6.2.2): literals without an index, their texts below 127 bytes."""
    return b"".join(
        bytes([0, len(name)]) + name + bytes([len(value)]) + value for name, value in _HEADERS_SENT
    )


class Unfinished:
    """One connection with one stream. `sent`: bytes of messages that the receiver let come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._rooms = {0: _WINDOW_BYTES, _STREAM: _WINDOW_BYTES}
        self._first_window = _WINDOW_BYTES
        self._moved = asyncio.Event()
        self.sent = self.heard = 0
        writer.write(_PREFACE + _frame(_SETTINGS, 0, 0, b""))
        writer.write(_frame(_HEADERS, _END_HEADERS, _STREAM, _fields()))
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def to(cls, address: str) -> Unfinished:
        host, _, port = address.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def send(self, message: bytes, size: int | None = None) -> None:
        """A message that says it has `size` bytes; its own, if not said."""
        says = len(message) if size is None else size
        data = b"\0" + struct.pack(">I", says) + message
        while data:
            room = min(*self._rooms.values(), _FRAME_BYTES_MAX)
            if room <= 0:
                self._moved.clear()
                await self._moved.wait()
                continue
            part, data = data[:room], data[room:]
            for stream in self._rooms:
                self._rooms[stream] -= len(part)
            self.sent += len(part)
            self._writer.write(_frame(_DATA, 0, _STREAM, part))
            await self._writer.drain()

    async def answered(self) -> None:
        """Wait for the first bytes of an answer."""
        while not self.heard:
            self._moved.clear()
            await self._moved.wait()

    async def lost(self) -> None:
        """Wait until the receiver ends the connection."""
        await asyncio.gather(self._listening, return_exceptions=True)

    async def close(self) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._writer.close()

    async def _listen(self) -> None:
        while True:
            head = await self._reader.readexactly(9)
            kind, flags, stream = struct.unpack(">BBI", head[3:])
            payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
            if kind == _DATA:
                self.heard += len(payload)
            elif kind == _WINDOW_UPDATE:
                self._rooms[stream] += int.from_bytes(payload, "big")
            elif kind in (_SETTINGS, _PING) and not flags & _ACK:
                if kind == _SETTINGS:
                    self._settings(payload)
                    payload = b""
                self._writer.write(_frame(kind, _ACK, 0, payload))
            self._moved.set()

    def _settings(self, payload: bytes) -> None:
        for at in range(0, len(payload), 6):
            name, value = struct.unpack(">HI", payload[at : at + 6])
            if name == 4:  # SETTINGS_INITIAL_WINDOW_SIZE
                self._rooms[_STREAM] += value - self._first_window
                self._first_window = value
