"""Addresses in as few ranges as may be: each of a thousand devices remembers what it answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from drivers.modbus.address import Range


class Stretches:
    """A set of addresses."""

    __slots__ = ("_ranges",)

    def __init__(self) -> None:
        self._ranges: tuple[Range, ...] = ()  # none meets or touches another

    def add(self, new: Range) -> None:
        """All addresses of `new`."""
        joined = [r for r in self._ranges if r.meets(_wider(new))]
        first = min([new.first, *(r.first for r in joined)])
        last = max([new.last, *(r.last for r in joined)])
        others = (r for r in self._ranges if r not in joined)
        self._ranges = (*others, Range(new.space, first, last))

    def remove(self, gone: Range) -> None:
        """Those of `gone` that there are."""
        self._ranges = tuple(left for r in self._ranges for left in _without(r, gone))

    def hold(self, whole: Range) -> bool:
        """Whether every address of `whole` is there."""
        return any(r.covers(whole) for r in self._ranges)

    def missing(self, whole: Range) -> list[Range]:
        """What of `whole` is not there, in order."""
        left = [whole]
        for r in self._ranges:
            left = [rest for each in left for rest in _without(each, r)]
        return sorted(left)


def _wider(one: Range) -> Range:
    """The range with the registers right before and after it."""
    return replace(one, first=one.first - 1, last=one.last + 1)


def _without(one: Range, gone: Range) -> Iterator[Range]:
    if not one.meets(gone):
        yield one
        return
    if one.first < gone.first:
        yield replace(one, last=gone.first - 1)
    if gone.last < one.last:
        yield replace(one, first=gone.last + 1)
