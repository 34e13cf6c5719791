"""The fewest requests that read a device's tags, and where each tag lies in their answers.

`pack` shares the bytes out; here tags become stretches of them, and items become requests of the
plan. Pure and deterministic. Devices alike are planned once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from drivers.api import (
    ByteOrder,
    DevicePlan,
    DeviceSpec,
    Field,
    GroupPlan,
    Request,
    RowType,
    TagSpec,
)
from drivers.s7.address import Address, parse
from drivers.s7.pack import Requests, pack, rows_of
from drivers.s7.request import STATE, Part, parts_most, request_of
from drivers.s7.stretch import ITEMS_USUAL, PDU_LEAST, Room, Stretch, room_of
from drivers.s7.types import FIXES, STRING_HEAD, wire_bytes

#: A round trip and the CPU's part of it: 5 to 10 ms of an S7-1500, 10 to 30 of a 300 or 1200.
REQUEST_NS = 15_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may hold: as the CPU granted, and as it was learned. `holes` are what it
    refused, `apart` what it gives, but not together with others: both are never bridged.
    """

    pdu: int = PDU_LEAST
    items: int = ITEMS_USUAL
    holes: tuple[Stretch, ...] = ()
    apart: tuple[Stretch, ...] = ()

    @property
    def room(self) -> Room:
        return room_of(self.pdu, self.items)


class Wanted(NamedTuple):
    """What of a tag its plan rests on."""

    address: str
    type: str
    length: int
    row_type: RowType
    order: ByteOrder


class TagLocation(NamedTuple):
    """Where a tag lies, what is read of it, and how many characters of a text that is."""

    address: Address
    stretch: Stretch
    text: int

    @property
    def is_state(self) -> bool:
        """The CPU's state is no memory: it has a request of its own."""
        return self.address.area == "SZL"


def locate(wanted: Wanted, room: Room) -> TagLocation:
    """Raises AddressError."""
    address = parse(wanted.address)
    length = wanted.length
    if wanted.type == "string":
        length = min(length, room.longest - STRING_HEAD)
    size = 1 if address.numbered else wire_bytes(wanted.type, length)
    stretch = Stretch(address.area, address.db, address.number, address.number + size)
    return TagLocation(address, stretch, length if wanted.row_type == "string" else 0)


_USUAL = Limits()


def plan_device(device: DeviceSpec, limits: Limits = _USUAL) -> DevicePlan:
    """One group a period, the shortest first; tags of a group in the order of the configuration.
    Raises AddressError where `check` finds problems.
    """
    groups: dict[int, list[TagSpec]] = {}
    for tag in device.tags:
        groups.setdefault(tag.every_ns, []).append(tag)
    return DevicePlan(
        device, tuple(plan_group(device, groups[every], every, limits) for every in sorted(groups))
    )


def plan_group(
    device: DeviceSpec, tags: Sequence[TagSpec], period_ns: int, limits: Limits
) -> GroupPlan:
    """The fewest requests that read `tags`. `fields[i]`: where the answers hold `tags[i]`."""
    wanted = tuple(
        Wanted(tag.address, tag.type, tag.length, tag.row_type, tag.order) for tag in tags
    )
    requests, fields = _plan(wanted, limits)
    scan_ns = REQUEST_NS * len(requests)
    return GroupPlan(device.name, period_ns, tuple(tags), requests, fields, scan_ns)


@lru_cache(maxsize=64)
def _plan(
    wanted: tuple[Wanted, ...], limits: Limits
) -> tuple[tuple[Request, ...], tuple[Field, ...]]:
    locations = [locate(one, limits.room) for one in wanted]
    packed = _packed({at.stretch for at in locations if not at.is_state}, limits)
    row = Row(packed)
    lies = [
        None if at.is_state else _part(one, at, row.find(at.stretch))
        for one, at in zip(wanted, locations, strict=True)
    ]
    requests: list[Request] = []
    numbers: dict[tuple[int, Part], int] = {}  # of the parts of the plan
    for number, items in enumerate(packed):
        held = sorted({part for at, part in filter(None, lies) if at == number})
        most = parts_most(len(items))
        # Where there are more parts than words have room for, the rest is asked for again.
        for some in (held[n : n + most] for n in range(0, len(held), most)):
            ask = sorted({part.item for part in some})
            own = [part._replace(item=ask.index(part.item)) for part in some]
            requests.append(request_of([items[n] for n in ask], own))
            for part in some:
                numbers[number, part] = len(numbers)
    if None in lies:
        requests.append(STATE)
    fields = (
        _field(one, at, numbers[found] if found else len(numbers), found)
        for one, at, found in zip(wanted, locations, lies, strict=True)
    )
    return tuple(requests), tuple(fields)


def _packed(wanted: set[Stretch], limits: Limits) -> Requests:
    """The items of each request. What the CPU refused is in requests of its own, a block each, so
    that it is set aside while everything else is read.
    """
    holes = {one for one in wanted if one in limits.holes}
    packed = pack(rows_of(wanted - holes, (*limits.holes, *limits.apart)), limits.room)
    for _, block in groupby(sorted(holes), key=lambda hole: hole[:2]):
        packed += pack([(hole,) for hole in block], limits.room)
    return packed


def _part(wanted: Wanted, at: TagLocation, found: Found) -> tuple[int, Part]:
    """The request that a tag is read by, and which part of it."""
    if wanted.type in FIXES:
        return found.request, Part(found.item, found.offset, wanted.type, at.text)
    return found.request, Part(found.item, found.offset, "", at.stretch.size)


def _field(wanted: Wanted, at: TagLocation, number: int, found: tuple[int, Part] | None) -> Field:
    if found is None:
        return Field(number, 0, wanted.row_type, "ABCD", 1, -1)
    bit = at.address.bit if wanted.type == "bool" else -1
    order = "ABCD" if wanted.type in FIXES else wanted.order
    return Field(number, 0, wanted.row_type, order, found[1].row_bytes, bit)


class Found(NamedTuple):
    """Where a stretch is read: request, item of it, bytes into its data."""

    request: int
    item: int
    offset: int


class Row:
    """The items of a plan, to find the one that holds a stretch: the shortest of those that do."""

    def __init__(self, requests: Requests) -> None:
        self._items = sorted(
            (item, n, m) for n, items in enumerate(requests) for m, item in enumerate(items)
        )
        self._longest = max((i.end - i.first for items in requests for i in items), default=0)

    def find(self, wanted: Stretch) -> Found:
        at = bisect_right(self._items, wanted[:3], key=lambda held: held[0][:3])
        held = []
        for item, request, number in reversed(self._items[:at]):
            if item[:2] != wanted[:2] or item.first + self._longest < wanted.end:
                break
            if item.covers(wanted):
                held.append((item.size, request, number, item))
        _, request, number, item = min(held)
        unit = item.size // (item.end - item.first)
        return Found(request, number, (wanted.first - item.first) * unit)
