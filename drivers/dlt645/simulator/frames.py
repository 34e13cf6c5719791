"""Frames from a meter's side: requests found in what arrived, answers built. Of its own code: it
shares nothing with native/dlt645.
"""

from __future__ import annotations

from typing import NamedTuple

_START, _END, _SHIFT = 0x68, 0x16, 0x33


class Frame(NamedTuple):
    """A whole frame; `meter` as printed on the plate, `data` without the 33H of the wire."""

    meter: str
    control: int
    data: bytes


def build(frame: Frame, preamble: int = 4) -> bytes:
    """The bytes on the wire, with as many FE in front."""
    body = bytes((value + _SHIFT) % 256 for value in frame.data)
    head = bytes([_START, *reversed(bytes.fromhex(frame.meter)), _START, frame.control, len(body)])
    whole = head + body
    return b"\xfe" * preamble + whole + bytes([sum(whole) % 256, _END])


def parse(heard: bytes) -> tuple[Frame | None, bytes]:
    """The first frame in `heard`, if there is one, and what is left to wait for."""
    at = heard.find(_START)
    while at >= 0:
        rest = heard[at:]
        if len(rest) < 12 or len(rest) < 12 + rest[9]:
            if len(rest) > 7 and rest[7] != _START:
                at = heard.find(_START, at + 1)
                continue
            return None, rest
        size = 12 + rest[9]
        good = rest[7] == _START and rest[size - 1] == _END
        if good and sum(rest[: size - 2]) % 256 == rest[size - 2]:
            data = bytes((value - _SHIFT) % 256 for value in rest[10 : size - 2])
            return Frame(rest[6:0:-1].hex(), rest[8], data), rest[size:]
        at = heard.find(_START, at + 1)
    return None, b""
