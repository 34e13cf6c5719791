"""The requests of a meter's tags, and where each value lies in the answers.

`reads` chooses what is asked; here it becomes what the engine takes: words for
native/dlt645/protocol, a part of the row for each value that a tag reads, so that each has a status
of its own, and a field for each tag.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache

from drivers.api import (
    DevicePlan,
    DeviceSpec,
    Field,
    GroupPlan,
    LinkSpec,
    Request,
    RowType,
    TagSpec,
)
from drivers.dlt645.identifiers import (
    Address,
    IdentifierError,
    Value,
    item_bytes,
    parse,
    phase_of,
    time_of,
    value_of,
)
from drivers.dlt645.reads import Read, answer_chars, ask_chars, choose, locate

#: Assumed until a meter is known: the standard has it answer after 20 to 500 ms.
ANSWER_NS = 50_000_000
#: Silence that a meter wants between two frames, in ns (DL/T 645-2007, 5.3.2 has 20 ms).
SILENCE_NS = 20_000_000
#: A serial server or DTU on the way, and the bus behind it, whose rate only the DTU knows.
TCP_ROUND_TRIP_NS = 30_000_000
DIALIN_ROUND_TRIP_NS = 150_000_000
BEHIND_CHAR_NS = 11_000_000_000 // 2400

#: Kinds of native/dlt645/shape.
_NUMBER, _SIGNED, _BITS, _TEXT = 1, 2, 3, 4
#: The type of a part without a value, as native/dlt645/protocol has it.
_ABSENT = 0x80


def known(address: str) -> Value:
    """What the standard says of an address. Raises IdentifierError."""
    at = parse(address)
    value = value_of(at.single)
    if value is None:
        raise IdentifierError("dlt645.unknown", text=address)
    return time_of(value) if at.time else value


def row_type(value: Value) -> RowType:
    """The type of a value as it lies in a row."""
    if value.type != "bcd":
        return value.type
    return "int32" if value.length <= 4 else "int64"


def plan_device(device: DeviceSpec, refused: Collection[str] = ()) -> DevicePlan:
    """One group a period, shortest period first; tags of a group in the order of the configuration.

    `refused`: blocks that the meter does not give. Raises IdentifierError where `check` finds
    problems.
    """
    periods = sorted({tag.every_ns for tag in device.tags})
    groups = (
        plan_group(device, tuple(t for t in device.tags if t.every_ns == period), period, refused)
        for period in periods
    )
    return DevicePlan(device, tuple(groups))


def plan_group(
    device: DeviceSpec, tags: Sequence[TagSpec], period_ns: int, refused: Collection[str] = ()
) -> GroupPlan:
    """The cheapest requests that read `tags`. `fields[i]`: where the answers hold `tags[i]`."""
    preamble = preamble_of(device)
    reads, requests, fields = _plan(
        tuple(tag.address for tag in tags), frozenset(refused), preamble, phases_of(device)
    )
    link, pause = device.link, max(device.pause_ns, device.link.pause_ns)
    scan_ns = sum(_time_ns(read, link, preamble, pause) for read in reads)
    return GroupPlan(device.name, period_ns, tuple(tags), requests, fields, scan_ns)


def preamble_of(device: DeviceSpec) -> int:
    """FE in front of each request, 0 to 4."""
    return int(dict(device.own).get("preamble", 4))


def phases_of(device: DeviceSpec) -> int:
    """How many phases the meter has: 1 or 3."""
    return int(dict(device.own).get("phases", 3))


def station_of(device: DeviceSpec) -> bytes:
    """The meter's address in the words of native/dlt645/protocol: six bytes as they travel, AA six
    times where the file names none, and how many FE go in front of a request.
    """
    meter = str(dict(device.own).get("meter", "")) or "AA" * 6
    return bytes.fromhex(meter)[::-1] + bytes([preamble_of(device)])


@lru_cache(maxsize=256)  # meters alike are planned once
def _plan(
    texts: tuple[str, ...], refused: frozenset[str], preamble: int, phases: int
) -> tuple[tuple[Read, ...], tuple[Request, ...], tuple[Field, ...]]:
    addresses = [parse(text) for text in texts]
    values = [known(text) for text in texts]
    sizes: dict[str, int] = {}
    for address in addresses:
        value = value_of(address.single)
        assert value is not None
        sizes[address.single] = item_bytes(address.single, value)
    absent = {each for each in addresses if phases == 1 and phase_of(each.single) > 1}
    asked = [each for each in addresses if each not in absent] or addresses[:1]
    reads = tuple(choose(asked, sizes, refused))
    places = [
        (0, 0, _ABSENT | _row_bytes(value))
        if address in absent
        else (*locate(address, reads), int(address.time))
        for address, value in zip(addresses, values, strict=True)
    ]
    requests: list[Request] = []
    parts: dict[tuple[int, int, int], int] = {}
    for number, read in enumerate(reads):
        wanted = sorted({place for place in places if place[0] == number})
        held = _values(next(each for each in asked if locate(each, reads)[0] == number))
        for place in wanted:
            parts[place] = len(parts)
        spec = _words(read, held, [place[1:] for place in wanted])
        sizes_in_row = tuple(
            value & ~_ABSENT if value & _ABSENT else _row_bytes(held[value])
            for _, _, value in wanted
        )
        requests.append(Request(spec, sizes_in_row, ask_chars(read, preamble), answer_chars(read)))
    fields = tuple(
        Field(parts[place], 0, row_type(value), "ABCD", _row_bytes(value), -1)
        for place, value in zip(places, values, strict=True)
    )
    return reads, tuple(requests), fields


def _values(address: Address) -> list[Value]:
    """The values of an item, in the wire's order: of a maximum demand, when it occurred too."""
    value = value_of(address.single)
    assert value is not None
    timed = item_bytes(address.single, value) > value.length
    return [value, time_of(value)] if timed else [value]


def _words(read: Read, values: Sequence[Value], parts: Sequence[tuple[int, int]]) -> bytes:
    identifier = bytes.fromhex(read.identifier)[::-1]
    spec = bytearray([len(identifier), *identifier])
    spec += bytes([read.item_bytes, read.items, read.open, len(values)])
    for value in values:
        spec += bytes([_kind(value), value.length])
    for item, value_number in parts:
        spec += bytes([item, value_number])
    return bytes(spec)


def _kind(value: Value) -> int:
    if value.type == "string":
        return _TEXT
    if value.type == "uint16":
        return _BITS
    return _SIGNED if value.signed else _NUMBER


def _row_bytes(value: Value) -> int:
    if value.type != "bcd":
        return value.length
    return 4 if value.length <= 4 else 8


def _time_ns(read: Read, link: LinkSpec, preamble: int, pause_ns: int) -> int:
    chars = ask_chars(read, preamble) + answer_chars(read)
    if link.type == "serial":
        return chars * link.char_ns + ANSWER_NS + max(SILENCE_NS, pause_ns)
    trip = DIALIN_ROUND_TRIP_NS if link.type == "listen" else TCP_ROUND_TRIP_NS
    return trip + chars * BEHIND_CHAR_NS + ANSWER_NS + pause_ns
