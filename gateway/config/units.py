"""Quantities with units, exactly: durations, sizes, rates and percentages.

Numbers are decimals throughout, so that "0.1 s" is 100,000,000 ns and not nearly so.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal, NamedTuple, get_args

DURATION_NS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3_600 * 10**9,
    "day": 86_400 * 10**9,
    "days": 86_400 * 10**9,
}
SIZE_BYTES = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
Per = Literal["day", "month"]

_QUANTITY = re.compile(r"\s*([0-9]{1,20}(?:\.[0-9]{1,20})?)\s*([^\s0-9/]*)\s*", re.ASCII)


class Rate(NamedTuple):
    """A number of bytes a day or a calendar month."""

    size_bytes: int
    per: Per


#: The most digits of a number before its point, and after it.
DIGITS_MAX = 30


def is_absurd(value: object) -> bool:
    """Whether it is a number that is too big or too small for any key."""
    return isinstance(value, Decimal) and (
        not value.is_finite() or abs(value.adjusted()) > DIGITS_MAX
    )


def duration_ns(text: str) -> int:
    """Nanoseconds of "500 ms", "1.5 h", "30 days". Raises ValueError."""
    return _scaled(text, DURATION_NS)


def size_bytes(text: str) -> int:
    """Bytes of "2 GiB", "500 MB". Raises ValueError."""
    return _scaled(text, SIZE_BYTES)


def rate(text: str) -> Rate:
    """A `Rate` of "5 GB/month". Raises ValueError."""
    amount, slash, period = text.partition("/")
    for per in get_args(Per):
        if slash and period.strip() == per:
            return Rate(size_bytes(amount), per)
    raise ValueError(text)


def percent(text: str) -> Decimal:
    """The number of "1 %" or "0.5%". Raises ValueError."""
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] != "%":
        raise ValueError(text)
    return Decimal(match[1])


def show_duration(ns: int) -> str:
    """The shortest way to write a duration: 1500000000 is "1.5 s"."""
    for unit in ("day", "h", "min", "s", "ms", "us"):
        if ns >= DURATION_NS[unit] and (DURATION_NS[unit] <= 10**9 or ns % DURATION_NS[unit] == 0):
            amount = Decimal(ns) / DURATION_NS[unit]
            plural = "s" if unit == "day" and amount != 1 else ""
            return f"{amount:f} {unit}{plural}"
    return f"{ns} ns" if ns else "0 s"


def show_size(count: int) -> str:
    """A size in binary units with at most one decimal: 2147483648 is "2 GiB"."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if count >= SIZE_BYTES[unit]:
            return f"{count / SIZE_BYTES[unit]:.1f}".removesuffix(".0") + f" {unit}"
    return f"{count} B"


def _scaled(text: str, factors: dict[str, int]) -> int:
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in factors:
        raise ValueError(text)
    exact = Decimal(match[1]) * factors[match[2]]
    if exact != int(exact):
        raise ValueError(text)
    return int(exact)
