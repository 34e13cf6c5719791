"""The requests that read a group of tags in the least time on the wire.

Theory of operation. Each tag lies on a stretch of addresses of one space and is never cut: a value
read in two requests could be torn. Stretches inside another come along with it for nothing, so only
those not covered by another count; sorted by start they are then sorted by end too. In such a row
some cheapest solution reads only contiguous runs (if a request spans the stretches i and k, it also
spans every one between them, so those cost nothing there), and dynamic programming over the runs
finds it:

    best[j] = min over i < j of best[i] + price(one request from the start of i to the end of j-1)

A run is allowed when it is no longer than the device takes, holds no hole and crosses no cut. Holes
between tags are bridged exactly when that is cheaper than one more request (`prices` says what each
costs). A tag that lies in a hole (refused once, or learned) gets a request to itself, so that its
neighbours are read.

Devices alike, that share one tuple of tags, are planned once and share what comes of it: a thousand
controllers of three hundred tags are three hundred fields.

Pure and deterministic: of equally cheap solutions the one with fewer requests wins, then the one
whose last requests are longest.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import NamedTuple

from drivers.api import (
    TYPE_BYTES,
    DevicePlan,
    DeviceSpec,
    Field,
    Framing,
    GroupPlan,
    Request,
    TagSpec,
)
from drivers.modbus.address import FUNCTION, SPACES, Address, Range, Space, parse
from drivers.modbus.limits import Limits, data_bytes, limits_of
from drivers.modbus.prices import Prices, prices_of
from drivers.modbus.request import Read, request_of


@dataclass(frozen=True, slots=True)
class TagLocation:
    """Where a tag lies, and the length of its raw value in bytes (bits of coils: 1)."""

    address: Address
    length: int
    range: Range


def locate(tag: TagSpec) -> TagLocation:
    """Raises AddressError if the address cannot be read."""
    return _locate(tag.address, TYPE_BYTES.get(tag.type) or tag.length)


@lru_cache(maxsize=1 << 14)  # as of addresses
def _locate(text: str, length: int) -> TagLocation:
    address = parse(text)
    if not address.is_register:
        return TagLocation(address, 1, Range(address.space, address.number, address.number))
    last = address.number + max(1, (length + 1) // 2) - 1
    return TagLocation(address, length, Range(address.space, address.number, last))


def plan_device(device: DeviceSpec, limits: Limits | None = None) -> DevicePlan:
    """One group a period, shortest period first; tags of a group in the order of the configuration.

    Without `limits`, those of the configuration. Raises AddressError where `check` finds problems.
    """
    limits = limits or limits_of(device)
    groups = (
        plan_group(device, tags, period_ns, limits)
        for period_ns, tags in _by_period(_Tags(device.tags))
    )
    return DevicePlan(device, tuple(groups))


def plan_group(
    device: DeviceSpec, tags: Sequence[TagSpec], period_ns: int, limits: Limits
) -> GroupPlan:
    """The cheapest requests that read `tags`. `fields[i]`: where the answers hold `tags[i]`."""
    key = _Tags(tuple(tags))
    read = _reads(key, limits, prices_of(device), device.framing, device.link.listen_only)
    return GroupPlan(device.name, period_ns, key.tags, read.requests, read.fields, read.scan_ns)


class _Tags:
    """Tags as a key, told apart by which objects they are: comparing what they hold takes longer
    than planning them. It keeps them, so that no other object gets their place.
    """

    __slots__ = ("_hash", "_ids", "tags")

    def __init__(self, tags: tuple[TagSpec, ...]) -> None:
        self.tags = tags
        self._ids = tuple(map(id, tags))
        self._hash = hash(self._ids)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Tags) and self._ids == other._ids


class _Reads(NamedTuple):
    """What reads some tags, whoever's they are."""

    requests: tuple[Request, ...]
    fields: tuple[Field, ...]
    scan_ns: int


@lru_cache(maxsize=64)
def _by_period(key: _Tags) -> tuple[tuple[int, tuple[TagSpec, ...]], ...]:
    """The tags of each period, in order of the periods."""
    groups: dict[int, list[TagSpec]] = {}
    for tag in key.tags:
        groups.setdefault(tag.every_ns, []).append(tag)
    if len(groups) == 1:
        return ((key.tags[0].every_ns, key.tags),)
    return tuple((period_ns, tuple(groups[period_ns])) for period_ns in sorted(groups))


def ranges_by_period(device: DeviceSpec) -> Sequence[Sequence[Range]]:
    """Where the tags of each period lie, in order of the periods; each place once, sorted."""
    return _ranges(_Tags(device.tags))


@lru_cache(maxsize=64)
def _ranges(key: _Tags) -> tuple[tuple[Range, ...], ...]:
    return tuple(tuple(sorted({locate(tag).range for tag in tags})) for _, tags in _by_period(key))


@lru_cache(maxsize=64)
def _reads(
    key: _Tags, limits: Limits, prices: Prices, framing: Framing, listen_only: bool
) -> _Reads:
    locations = [locate(tag) for tag in key.tags]
    ranges: list[Range] = []
    for space in SPACES:
        wanted = sorted({p.range for p in locations if p.address.space == space})
        # What another master asks for is not ours to choose: each stretch is waited for by itself.
        ranges += outermost(wanted) if listen_only else plan_space(space, wanted, limits, prices)
    row = Row(ranges, limits)
    return _Reads(
        requests=tuple(
            request_of(Read(FUNCTION[r.space], r.first, r.last - r.first + 1), framing)
            for r in ranges
        ),
        fields=tuple(_field(tag, at, row) for tag, at in zip(key.tags, locations, strict=True)),
        scan_ns=sum(
            prices.time_ns(data_bytes(FUNCTION[r.space], r.last - r.first + 1)) for r in ranges
        ),
    )


def plan_space(
    space: Space, wanted: Sequence[Range], limits: Limits, prices: Prices
) -> list[Range]:
    """The stretches to ask for, in order of address: every one of `wanted` lies whole in one of
    them.
    """
    holes = _holes(space, limits)
    alone = {r for r in wanted if any(hole.meets(r) for hole in holes)}
    row = outermost([r for r in wanted if r not in alone])
    cuts = [at for where, at in limits.cuts if where == space]
    barriers = tuple(_barrier(left, right, holes, cuts) for left, right in pairwise(row))
    longest = limits.max_registers if space in ("holding", "input") else limits.max_bits
    return sorted([*_cheapest(space, tuple(row), barriers, longest, prices), *alone])


def _holes(space: Space, limits: Limits) -> list[Range]:
    return [hole for hole in (*limits.holes, *limits.refused) if hole.space == space]


def outermost(ranges: Sequence[Range]) -> list[Range]:
    """Without those that lie inside another; sorted by start, and so by end."""
    kept: list[Range] = []
    for one in sorted(ranges, key=lambda r: (r.first, -r.last)):
        if not kept or one.last > kept[-1].last:
            kept.append(one)
    return kept


def _barrier(left: Range, right: Range, holes: Sequence[Range], cuts: Sequence[int]) -> bool:
    """Whether no request may hold both of these neighbours: a hole or a cut lies between them."""
    both = Range(left.space, left.first, right.last)
    return any(hole.meets(both) for hole in holes) or any(
        left.last < cut <= right.first for cut in cuts
    )


@lru_cache(maxsize=256)  # hundreds of devices alike are planned once
def _cheapest(
    space: Space, row: tuple[Range, ...], barriers: tuple[bool, ...], longest: int, prices: Prices
) -> list[Range]:
    """The dynamic programme of the module's head, over the outermost stretches in `row`."""
    # Prices of registers rise evenly, so of two beginnings the better one stays better: those that
    # may still win are kept in order, the best first. Bits come eight a byte: each run is priced.
    function = FUNCTION[space]
    even = space in ("holding", "input")
    step = 2 * prices.plan_byte_ns
    best = [(0, 0)]  # price and number of requests that read the first j stretches
    begins = [0]  # where the last of those requests begins
    open_: deque[tuple[int, int, int]] = deque()  # price from there on, requests, beginning
    first = 0  # the first beginning that a run up to `end` may have
    for end, last in enumerate(row):
        if end and barriers[end - 1]:
            first = end
        while first < end and last.last - row[first].first + 1 > longest:
            first += 1
        if even:
            price, requests = best[end]
            option = (price - step * row[end].first, requests, end)
            while open_ and open_[-1][:2] > option[:2]:
                open_.pop()
            open_.append(option)
            while open_[0][2] < first:
                open_.popleft()
            begin = open_[0][2]
        else:
            ways = (
                (
                    best[at][0]
                    + prices.price_ns(data_bytes(function, last.last - row[at].first + 1)),
                    best[at][1],
                    at,
                )
                for at in range(first, end + 1)
            )
            begin = min(ways)[2]
        price, requests = best[begin]
        count = last.last - row[begin].first + 1
        best.append((price + prices.price_ns(data_bytes(function, count)), requests + 1))
        begins.append(begin)
    runs: list[Range] = []
    end = len(row)
    while end:
        runs.append(Range(space, row[begins[end]].first, row[end - 1].last))
        end = begins[end]
    return runs


class Row:
    """The requests of a group, to find the one that a tag is read by."""

    def __init__(self, ranges: Sequence[Range], limits: Limits) -> None:
        self.ranges = ranges
        self._own = {one: number for number, one in reversed(list(enumerate(ranges)))}
        self._numbers = {
            space: [number for number, one in enumerate(ranges) if one.space == space]
            for space in SPACES
        }
        #: How far any of them reaches up to there.
        self._reach = {
            space: list(accumulate((ranges[number].last for number in numbers), max))
            for space, numbers in self._numbers.items()
        }
        holes = {space: _holes(space, limits) for space in SPACES}
        self._holed = [any(hole.meets(one) for hole in holes[one.space]) for one in ranges]

    def find(self, wanted: Range) -> int:
        """The request that is the tag's own, else the first that holds it and no hole, else the
        first that holds it.
        """
        if (own := self._own.get(wanted)) is not None:
            return own
        numbers, reach = self._numbers[wanted.space], self._reach[wanted.space]
        held = []
        at = bisect_right(numbers, wanted.first, key=lambda number: self.ranges[number].first)
        while at and reach[at - 1] >= wanted.last:
            at -= 1
            if self.ranges[numbers[at]].last >= wanted.last:
                held.append(numbers[at])
        return min(held, key=lambda number: (self._holed[number], number))


def _field(tag: TagSpec, at: TagLocation, row: Row) -> Field:
    part = row.find(at.range)  # each request has one
    offset = at.address.number - row.ranges[part].first
    if not at.address.is_register:
        return Field(part, offset // 8, "bool", tag.order, 1, offset % 8)
    bit = at.address.bit
    if bit is not None:
        # Bit 0 is the lowest of the register, whose high byte comes first.
        return Field(part, 2 * offset + (bit < 8), "bool", tag.order, 1, bit % 8)
    if at.length == 1 and tag.type != "string":
        # The low byte of the register, which is the first where its bytes are swapped.
        return Field(
            part, 2 * offset + (tag.order in ("ABCD", "CDAB")), tag.row_type, "ABCD", 1, -1
        )
    return Field(part, 2 * offset, tag.row_type, tag.order, at.length, -1)
