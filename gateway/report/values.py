"""Raw values to what people read: raw x scale + offset, exactly, with labels."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from struct import pack, unpack

from drivers.api import TagSpec

_EPOCH = datetime(1970, 1, 1)


def show(tag: TagSpec, raw: int | float | bool | bytes | None) -> str | int | float | bool | None:
    """The value as JSON and tables show it. Decimal arithmetic: 1234 x 0.001 is 1.234."""
    if raw is None or isinstance(raw, bool):
        return raw
    if tag.type in ("date_time", "dtl", "ldt") and isinstance(raw, int):
        return local_time(raw)
    if isinstance(raw, bytes):
        return raw.decode(tag.encoding, "replace")
    if isinstance(raw, int) and raw in tag.labels:
        return tag.labels[raw]
    number = Decimal(raw) if isinstance(raw, int) else Decimal(_shortest(tag, raw))
    value = number * tag.scale + tag.offset
    return (
        int(value) if value == value.to_integral_value() and isinstance(raw, int) else float(value)
    )


def local_time(ns: int) -> str:
    """Nanoseconds since 1970 of a clock whose zone is not known, as ISO 8601 without one; no
    smaller than they are.
    """
    seconds, rest = divmod(ns, 1_000_000_000)
    text = (_EPOCH + timedelta(seconds=seconds)).isoformat(" ")
    return f"{text}.{rest:09d}".rstrip("0").rstrip(".") if rest else text


def _shortest(tag: TagSpec, value: float) -> str:
    """The shortest decimal text that is this float of the tag's width."""
    if tag.type != "float32":
        return repr(value)
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if unpack("<f", pack("<f", float(text)))[0] == value:
            return text
    return repr(value)
