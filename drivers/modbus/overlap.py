"""Tags that lie on the same bits: mostly a slip of the pen in an address, or a wrong type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drivers.api import Problem, TagSpec
from drivers.modbus.address import Range
from drivers.modbus.planner import TagLocation

#: Where a tag lies, its number in the configuration, and the tag.
_Stretch = tuple[Range, int, TagSpec]
#: Types of which a single bit means nothing by itself.
_WHOLE = ("float32", "float64", "string")


def overlaps(placed: Sequence[tuple[TagSpec, TagLocation]]) -> Iterator[Problem]:
    """A note at each tag that has registers, or its bit, in common with one before it. The bits of
    a whole number are no overlap: an alarm word is read as a number and by its bits.
    """
    bits: dict[tuple[str, int, int | str | None], TagSpec] = {}
    stretches = []
    for number, (tag, at) in enumerate(placed):
        half = ""
        if tag.type in ("int8", "uint8"):
            half = "low" if tag.order in ("ABCD", "CDAB") else "high"
        if at.address.is_register and at.address.bit is None and not half:
            stretches.append((at.range, number, tag))
            continue
        key = (at.address.space, at.address.number, half or at.address.bit)
        if other := bits.get(key):
            yield _note(tag, other)
        else:
            bits[key] = tag
    yield from _stretches(sorted(stretches, key=lambda each: each[:2]))
    yield from _bits_of_wholes(placed)


def _stretches(row: Sequence[_Stretch]) -> Iterator[Problem]:
    """For stretches in the order of their addresses: each with the earlier one that reaches
    farthest.
    """
    before: _Stretch | None = None
    for one in row:
        if before and before[0].meets(one[0]):
            earlier, later = sorted((before, one), key=lambda each: each[1])
            yield _note(later[2], earlier[2])
        if not before or before[0].space != one[0].space or before[0].last < one[0].last:
            before = one


def _bits_of_wholes(placed: Sequence[tuple[TagSpec, TagLocation]]) -> Iterator[Problem]:
    """Bits of a register that is a part of a float or a text."""
    if all(at.address.bit is None for _, at in placed):
        return
    wholes = {
        (at.range.space, number): tag
        for tag, at in placed
        if tag.type in _WHOLE
        for number in range(at.range.first, at.range.last + 1)
    }
    for tag, at in placed:
        if at.address.bit is not None and (other := wholes.get((at.range.space, at.range.first))):
            yield _note(tag, other)


def _note(tag: TagSpec, other: TagSpec) -> Problem:
    args = {
        "text": tag.address, "type": tag.type,
        "other": other.name, "other_text": other.address, "other_type": other.type,
    }  # fmt: skip
    return Problem(("tags", tag.name, "address"), "modbus.overlap", args, severity="warning")
