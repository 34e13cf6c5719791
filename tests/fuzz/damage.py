"""What a bad copy, a bad editor or a bad person does to a file of texts."""

from __future__ import annotations

import random

BITS = [
    b"[", b"]", b"{", b"}", b'"', b"'", b'"""', b"'''", b"=", b".", b",", b"#", b"\n", b"\r", b"\0",
    b"\\", b"[[", b"1e9", b"inf", b"-", b"\xff", b"\xb2\xa8", "“".encode(), "＝".encode(),
    "电表".encode(), "\u200b".encode(), b"\xef\xbb\xbf", b"every", b"unit = ", b"999999999999",
    b"[" * 60, b"{a=" * 60, b"a." * 60, b"1e99999999999", b"0x" + b"f" * 300, b"\x1b[2J", b"\x7f",
    "；".encode(), "：".encode(), "（".encode(), "％".encode(), "\u202e".encode(), b"\xc2\x9b",
    b"COM1", b"holding:40010", b"9" * 5000, b"no_value = [1]", b"\xed\xa0\x80", b";", b":",
]  # fmt: skip


def damage(raw: bytes, rng: random.Random) -> bytes:
    """`raw` with up to six stretches of up to 40 bytes replaced."""
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(raw) + 1)
        until = min(len(raw), at + rng.choice([0, 0, 1, 2, 5, 40]))
        raw = raw[:at] + rng.choice([*BITS, b""]) + raw[until:]
    return raw
