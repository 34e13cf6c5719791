"""Frames on the three wires, from a slave's side, and written apart from the driver's codec.

MBAP: Modbus Messaging on TCP/IP V1.0b section 3.1.3. RTU, its CRC (polynomial 0xA001, start 0xFFFF,
low byte first) and ASCII with its LRC: Modbus over Serial Line V1.02 sections 2.5.1 and 2.5.2.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Protocol

_MBAP = struct.Struct(">HHHB")
#: Bytes of a request with unit and CRC, by function; requests of 15 and 16 say their length.
_REQUEST = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 7: 4, 8: 8, 11: 4, 12: 4, 17: 4, 22: 10, 43: 7}


class Asked(NamedTuple):
    """One request. `transaction` is 0 where the wire has none."""

    unit: int
    transaction: int
    pdu: bytes


class StreamLostError(Exception):
    """What came cannot be a frame; nothing after it can be trusted."""


class Framing(Protocol):
    def split(self, buffer: bytearray) -> list[Asked]:
        """Take the whole requests off a stream's buffer. Raises StreamLostError."""

    def build(self, unit: int, transaction: int, pdu: bytes) -> bytes:
        """An answer's frame."""


class Mbap:
    def split(self, buffer: bytearray) -> list[Asked]:
        found = []
        at, end = 0, len(buffer)
        while end - at >= 8:
            transaction, protocol, length, unit = _MBAP.unpack_from(buffer, at)
            if protocol or not 2 <= length <= 254:
                raise StreamLostError
            if end - at < 6 + length:
                break
            found.append(Asked(unit, transaction, bytes(buffer[at + 7 : at + 6 + length])))
            at += 6 + length
        del buffer[:at]
        return found

    def build(self, unit: int, transaction: int, pdu: bytes) -> bytes:
        return _MBAP.pack(transaction, 0, len(pdu) + 1, unit) + pdu


class Rtu:
    def split(self, buffer: bytearray) -> list[Asked]:
        """Take the requests out of `buffer` by their lengths, as a stream has no silences; a byte
        that begins no frame is skipped.
        """
        found = []
        while len(buffer) >= 4:
            size = _REQUEST.get(buffer[1], 4)
            if buffer[1] in (15, 16):
                size = 9 + buffer[6] if len(buffer) > 6 else 9
            if len(buffer) < size:
                break
            asked = self.check(bytes(buffer[:size]))
            if asked:
                found.append(asked)
            del buffer[: size if asked else 1]
        return found

    def check(self, frame: bytes) -> Asked | None:
        """A frame between two silences, or None if it is not one."""
        if len(frame) < 4 or crc16(frame) != 0:
            return None
        return Asked(frame[0], 0, frame[1:-2])

    def build(self, unit: int, transaction: int, pdu: bytes) -> bytes:
        frame = bytes([unit]) + pdu
        return frame + crc16(frame).to_bytes(2, "little")


class Ascii:
    def split(self, buffer: bytearray) -> list[Asked]:
        found = []
        while (end := buffer.find(b"\n")) >= 0:
            asked = self.check(bytes(buffer[: end + 1]))
            if asked:
                found.append(asked)
            del buffer[: end + 1]
        return found

    def check(self, frame: bytes) -> Asked | None:
        """The last line that begins with a colon, or None if it is not a request."""
        _, colon, text = frame.strip().rpartition(b":")
        try:
            data = bytes.fromhex(text.decode("ascii"))
        except ValueError:
            return None
        if not colon or len(data) < 3 or sum(data) & 0xFF:
            return None
        return Asked(data[0], 0, data[1:-1])

    def build(self, unit: int, transaction: int, pdu: bytes) -> bytes:
        data = bytes([unit]) + pdu
        data += bytes([-sum(data) & 0xFF])
        return b":" + data.hex().upper().encode("ascii") + b"\r\n"


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS; 0 over a frame that includes its own."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


def _crc_of_byte(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0xA001 if byte & 1 else 0)
    return byte


_CRC = tuple(_crc_of_byte(byte) for byte in range(256))
FRAMINGS: dict[str, Mbap | Rtu | Ascii] = {"tcp": Mbap(), "rtu": Rtu(), "ascii": Ascii()}
