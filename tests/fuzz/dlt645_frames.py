"""What arrives on a meter's line, damaged: no answer but the one asked for, and the line comes
back.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.dlt645.simulator import Frame, build
from native.dlt645.codec import Codec, MeterRefusedError

_METER, _ID = "123456789012", "02010100"
_CODES = [0x91, 0xB1, 0xD1, 0x92, 0xB2, 0x93, 0x81, 0x11, 0x94]
_RESULTS = {"more", "partial", "foreign answer", "foreign request", "damaged", "wrong size"}


@contextmanager
def cases(folder: Path) -> Iterator[Callable[[random.Random], None]]:
    right = _answer(b"\x01\x23")

    def case(rng: random.Random) -> None:
        codec = Codec()
        codec.ask(_METER, _ID, 2)
        fed = b""
        for _ in range(rng.randint(1, 8)):
            piece = _piece(rng, right)
            fed += piece
            result = "foreign answer"
            while result.startswith("foreign"):
                try:
                    result, data = codec.feed(piece)
                except MeterRefusedError as refused:
                    result, data = "damaged", b""
                    assert 0 <= refused.code <= 255
                # A sum of eight bits passes one random frame in 65,536: taken it must be, but then
                # the whole of it arrived, and its data are its own.
                assert result in _RESULTS or (
                    result == "answer" and _answer(data).lstrip(b"\xfe") in fed
                ), fed
                piece = b""
        codec.ask(_METER, _ID, 2)
        result, data = codec.feed(right)
        assert (result, data) == ("answer", b"\x01\x23")

    yield case


def _answer(data: bytes) -> bytes:
    """The meter's answer with these data."""
    return build(Frame(_METER, 0x91, bytes.fromhex(_ID)[::-1] + data))


def _piece(rng: random.Random, right: bytes) -> bytes:
    kind = rng.randrange(4)
    if kind == 0:
        return rng.randbytes(rng.randint(0, 300))
    if kind == 1:  # a whole frame, of another kind: never one that carries other data as the answer
        name = rng.choice([bytes.fromhex(_ID)[::-1], rng.randbytes(4)])
        size = rng.choice([0, 1, 3, 40, 196])
        return build(Frame(_METER, rng.choice(_CODES), name + rng.randbytes(size)))
    spoilt = bytearray(right)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(spoilt))
        if kind == 2:
            spoilt[at:at] = rng.choice([b"\x68", b"\xfe", b"\x16", right])
        else:
            del spoilt[at : at + rng.randint(1, 9)]
            spoilt += right[: rng.randrange(len(right))]
    return bytes(spoilt)
