"""Sets of block numbers kept as ranges: what is live, acknowledged or gone is mostly one run."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

#: Up to this many ranges are inserted one by one; more are merged in one pass.
_FEW = 16


class RangeSet:
    """A set of non-negative integers as ascending, disjoint ranges, both ends inside."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def add(self, first: int, last: int) -> None:
        """Put `first`..`last` in; an empty range (last < first) adds nothing."""
        if last < first:
            return
        if self._lasts and first == self._lasts[-1] + 1:  # nearly always
            self._lasts[-1] = last
            return
        low = bisect_left(self._lasts, first - 1)
        high = bisect_right(self._firsts, last + 1)
        if low < high:
            first = min(first, self._firsts[low])
            last = max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def remove(self, first: int, last: int) -> None:
        """Take `first`..`last` out, as far as it is in."""
        if last < first:
            return
        low = bisect_left(self._lasts, first)
        high = bisect_right(self._firsts, last)
        if low >= high:
            return
        rest = []
        if self._firsts[low] < first:
            rest.append((self._firsts[low], first - 1))
        if self._lasts[high - 1] > last:
            rest.append((last + 1, self._lasts[high - 1]))
        self._firsts[low:high] = [a for a, _ in rest]
        self._lasts[low:high] = [b for _, b in rest]

    def update(self, other: RangeSet) -> None:
        """Put every member of `other` in."""
        if len(other._firsts) < _FEW:
            for first, last in other:
                self.add(first, last)
        else:  # one after another each would move all that follow it
            joined = RangeSet(sorted([*self, *other]))
            self._firsts, self._lasts = joined._firsts, joined._lasts

    def minus(self, other: RangeSet) -> RangeSet:
        """A new set: what is here and not in `other`."""
        result = RangeSet()
        for first, last in self:
            for from_, until in other.within(first, last):
                result.add(first, from_ - 1)
                first = until + 1
            result.add(first, last)
        return result

    def within(self, first: int, last: int) -> RangeSet:
        """A new set: the part inside `first`..`last`."""
        low, high = bisect_left(self._lasts, first), bisect_right(self._firsts, last)
        parts = zip(self._firsts[low:high], self._lasts[low:high], strict=True)
        return RangeSet((max(a, first), min(b, last)) for a, b in parts)

    def next_after(self, number: int) -> int | None:
        """The lowest member above `number`; None if there is none."""
        at = bisect_right(self._lasts, number)
        return None if at == len(self._firsts) else max(self._firsts[at], number + 1)

    def last_of(self, number: int) -> int:
        """The last member of the run that holds `number`, which is one."""
        return self._lasts[bisect_left(self._lasts, number)]

    def prefix_end(self) -> int:
        """The highest n such that 1..n are all members; 0 if 1 is not."""
        at = bisect_left(self._lasts, 1)
        inside = at < len(self._firsts) and self._firsts[at] <= 1
        return self._lasts[at] if inside else 0

    @property
    def highest(self) -> int:
        """The highest member; 0 of an empty set."""
        return self._lasts[-1] if self._lasts else 0

    def numbers(self) -> Iterator[int]:
        """Every member, ascending."""
        for first, last in self:
            yield from range(first, last + 1)

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self._lasts, number)
        return at < len(self._firsts) and self._firsts[at] <= number

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._firsts, self._lasts, strict=True)))

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RangeSet) and list(self) == list(other)

    def __repr__(self) -> str:
        return f"RangeSet({list(self)})"
