"""What a device says when it dials in, and between frames: as bytes, and as people write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The most bytes of a packet.
PACKET_MAX = 64


def packet(text: str) -> bytes:
    """The bytes of "hex:4a 58" or "text:JX". Raises ValueError."""
    kind, colon, rest = text.partition(":")
    found = b""
    if colon and kind == "hex":
        found = bytes.fromhex(rest)
    elif colon and kind == "text":
        found = rest.encode("utf-8")
    if not 1 <= len(found) <= PACKET_MAX:
        raise ValueError(text)
    return found


def shown(packet: bytes) -> str:
    """A packet as it is written: "text:JX007", or "hex:fe01" where it is no plain text, or one that
    a string of TOML would have to escape.
    """
    plain = (
        packet.isascii() and packet.decode("ascii").isprintable() and not set(b'"\\') & {*packet}
    )
    return f"text:{packet.decode('ascii')}" if plain else f"hex:{packet.hex()}"


def told_beat(beat: Mapping[str, Any] | None) -> dict[str, Any]:
    """What `native.engine.link.Link.beat` found, as gateway.report.snapshot.LinkSnapshot has it."""
    if beat is None:
        return {}
    return {"beat": {"said": shown(beat["bytes"]), "every_s": beat["every_s"]}}
