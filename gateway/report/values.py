"""Raw values to what people read: raw x scale + offset, exactly, with labels."""

from __future__ import annotations

from decimal import Decimal
from struct import pack, unpack

from drivers.api import TagSpec


def show(tag: TagSpec, raw: int | float | bool | bytes | None) -> str | int | float | bool | None:
    """The value as JSON and tables show it. Decimal arithmetic: 1234 x 0.001 is 1.234."""
    if raw is None or isinstance(raw, bool):
        return raw
    if isinstance(raw, bytes):
        return raw.decode(tag.encoding, "replace")
    if isinstance(raw, int) and raw in tag.labels:
        return tag.labels[raw]
    number = Decimal(raw) if isinstance(raw, int) else Decimal(_shortest(tag, raw))
    value = number * tag.scale + tag.offset
    return (
        int(value) if value == value.to_integral_value() and isinstance(raw, int) else float(value)
    )


def _shortest(tag: TagSpec, value: float) -> str:
    """The shortest decimal text that is this float of the tag's width."""
    if tag.type != "float32":
        return repr(value)
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if unpack("<f", pack("<f", float(text)))[0] == value:
            return text
    return repr(value)
