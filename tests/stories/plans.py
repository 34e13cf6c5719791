"""Links, devices and plans of stories: a palette of each, from which a seed chooses."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

from drivers.api import Field, GroupPlan, LinkSpec, Request, Station, TagSpec
from drivers.modbus.request import Read
from drivers.modbus.request import request_of as modbus_request
from drivers.s7.request import Part
from drivers.s7.request import request_of as s7_request
from drivers.s7.station import station_of as s7_station
from drivers.s7.stretch import Stretch
from native.dlt645.protocol import PROTOCOL as METER
from native.engine.link import Link
from native.modbus.table import PROTOCOLS
from native.rows.group import Group, Pool
from native.s7.protocol import PROTOCOL as S7

MS = 1_000_000
#: As tests/stories/machines.pxd numbers them.
MACHINES = ("rtu", "ascii", "tcp", "meter", "s7", "mixed")
#: Links that others carry: what their machines speak.
CARRIED = {"udp": "tcp", "dialin": "rtu", "dialin-tcp": "tcp", "overheard": "rtu"}
#: A line that another master asks on.
OVERHEARD = "overheard"
GUESTS_MAX = 4
KINDS = (*MACHINES, *CARRIED)
PALETTE = 64
#: What devices that dial in say between frames: what no answer begins with, what those of unit 1
#: begin with, what the first ids begin with, and a text that is longer than a header.
BEATS = (b"\xfe\xfe", b"\1\3", b"\xef", b"JX007 lives\r\n")
#: native/dlt645/shape: a text, whose bytes stand in the row as they are, in the other order.
_TEXT = 4


class Cast(NamedTuple):
    """Who plays in a story."""

    kind: str
    spec: LinkSpec
    plans: tuple[tuple[GroupPlan, ...], ...]  # of each device
    guests: tuple[tuple[int, GroupPlan], ...] = ()  # the number of a device, what is read of it

    def link(self, pool: Pool) -> Link:
        """A new one, with groups of its own."""
        numbers = iter(range(1, 100))
        return Link(
            self.spec,
            [
                (
                    _station(self.kind, i),
                    [Group(next(numbers), plan, pool) for plan in plans],
                )
                for i, plans in enumerate(self.plans)
            ],
        )

    def guest_groups(self, pool: Pool) -> list[tuple[int, Group, str]]:
        """Of single readings, as tests/stories/story.pyi wants them."""
        return [(at, Group(0, plan, pool), f"{at} {words_of(plan)}") for at, plan in self.guests]


def words_of(plan: GroupPlan) -> str:
    """The requests of a group as tests/kit/conversation.py reads them."""
    return " ".join(
        f"{r.spec.hex()}:{','.join(map(str, r.parts))}:{r.ask_chars}:{r.answer_chars}"
        for r in plan.requests
    )


def head_of(cast: Cast) -> list[str]:
    """The cast as tests/kit/conversation.py reads it."""
    spec = cast.spec
    told = f"timeout={spec.timeout_ns // MS}"
    if spec.type == "serial":
        told += f" baud={spec.baud} listen_only={int(spec.listen_only)}"
    else:
        told += f" type={spec.type} baud=0 in_flight={spec.in_flight}"
        told += f" slow={int(spec.type != 'listen')}"
    if spec.heartbeat:
        told += f" heartbeat={spec.heartbeat.hex()}"
    lines = [f"link   {_protocol_of(CARRIED.get(cast.kind, cast.kind))} {told}"]
    for i, plans in enumerate(cast.plans):
        for plan in plans:
            address = _station(cast.kind, i).address.hex()
            protocol = _protocol_of(_kind_of(cast.kind, i))
            lines.append(f"group  {protocol} {address} {plan.period_ns // MS} {words_of(plan)}")
    return lines


@cache
def _fuzzed_cast(kind: str) -> Cast:
    if kind == "dialin":
        spec = replace(_spec(kind, 0, 100, 1), register=b"JX007", heartbeat=BEATS[0])
        return Cast("rtu", spec, ((_plan("rtu", 1),),))
    if kind == "dialin-tcp":
        return Cast("tcp", _fuzzed_cast("dialin").spec, ((_plan("tcp", 1),),))
    serial = kind not in ("tcp", "s7")
    spec = _spec(kind, 9600 if serial else 0, 100, 4)
    devices = 2 if kind == "mixed" else 1
    return Cast(kind, spec, tuple((_plan(_kind_of(kind, i), 1),) for i in range(devices)))


def fuzzed(kind: str, pool: Pool) -> Link:
    """A link for tests/stories/fuzz.pyx: of one of KINDS, or one that a device dials in to."""
    return _fuzzed_cast(kind).link(pool)


def cast_of(seed: int) -> Cast:
    """The link, devices and plans of a story."""
    rng = random.Random(seed)
    kind = KINDS[seed % len(KINDS)]
    serial = kind == OVERHEARD or kind not in ("tcp", "s7", *CARRIED)
    spec = _spec(
        kind,
        rng.choice((9600, 19200, 115200)) if serial else 0,
        rng.choice((100, 200, 300)),
        rng.choice((1, 1, 2, 4)),
    )
    if spec.type == "listen":
        spec = replace(spec, heartbeat=BEATS[seed // len(KINDS) % len(BEATS)])
    devices = 1 if kind == "s7" else rng.randint(1, 3)
    plans = tuple(
        tuple(
            _plan(OVERHEARD if kind == OVERHEARD else _kind_of(kind, i), rng.randrange(PALETTE))
            for _ in range(rng.choice((1, 1, 2)))
        )
        for i in range(devices)
    )
    return Cast(kind, spec, plans, _guests(kind, devices, seed))


def _guests(kind: str, devices: int, seed: int) -> tuple[tuple[int, GroupPlan], ...]:
    """In every third story, where a link can have any."""
    rng = random.Random(f"guests {seed}")
    if kind == OVERHEARD or rng.randrange(3):
        return ()
    at = [rng.randrange(devices) for _ in range(GUESTS_MAX)]
    plans = (_plan(_kind_of(kind, i), rng.randrange(PALETTE)) for i in at)
    # Its period is a guest's turn; tests/kit/conversation.py knows but one.
    return tuple((i, replace(p, period_ns=1000 * MS)) for i, p in zip(at, plans, strict=True))


def _protocol_of(kind: str) -> str:
    return "dlt645" if kind == "meter" else kind


def _kind_of(kind: str, number: int) -> str:
    """Of a device: as `kind_of` of story.pyx."""
    kind = CARRIED.get(kind, kind)
    return kind if kind != "mixed" else ("rtu", "meter")[number % 2]


@cache
def _spec(kind: str, baud: int, timeout_ms: int, in_flight: int) -> LinkSpec:
    told: dict[str, Any] = {"timeout_ns": timeout_ms * MS}
    if baud:
        told["listen_only"] = kind == OVERHEARD
        return LinkSpec("l", "serial", port="/dev/null", baud=baud, **told)
    if kind == "udp":
        return LinkSpec("l", "udp", host="127.0.0.1", in_flight=in_flight, **told)
    if kind in ("dialin", "dialin-tcp"):
        return LinkSpec("l", "listen", host="127.0.0.1", tcp_port=1, **told)
    return LinkSpec("l", "tcp", host="127.0.0.1", in_flight=in_flight, **told)


def _station(kind: str, number: int) -> Station:
    kind = _kind_of(kind, number)
    if kind == "s7":
        return Station("d0", S7, s7_station(0, 1)._replace(state_s=0).encode())
    if kind == "meter":
        return Station(f"d{number}", METER, bytes([number + 1, 0, 0, 0, 0, 0x12, 4]))
    return Station(f"d{number}", PROTOCOLS[kind], bytes([number + 1]))


@cache
def _plan(kind: str, number: int) -> GroupPlan:
    """One to four requests, each of one part or more, and a tag for the first of each."""
    rng = random.Random(f"{kind} {number}")
    requests = _requests(kind, rng)
    period_ns = rng.choice((50, 100, 200, 250, 500, 1000)) * MS
    parts = [size for request in requests for size in request.parts]
    tags = tuple(TagSpec(f"t{i}", "", "bool", period_ns) for i in range(len(parts)))
    fields = tuple(Field(i, 0, "bool", "ABCD", 1, 0) for i in range(len(parts)))
    return GroupPlan("d", period_ns, tags, requests, fields, 0)


def _requests(kind: str, rng: random.Random) -> tuple[Request, ...]:
    """Of different words each: an answer is told by the words of its request."""
    found: dict[bytes, Request] = {}
    for _ in range(rng.randint(1, 4)):
        request = _request(kind, rng)
        found[request.spec] = request
    return tuple(found.values())


def _request(kind: str, rng: random.Random) -> Request:
    if kind == "s7":
        items = [
            Stretch(
                "DB",
                rng.randint(1, 3),
                start := 40 * n + rng.randrange(9),
                start + rng.randint(1, 24),
            )
            for n in range(rng.randint(1, 5))
        ]
        return s7_request(items, [Part(i, 0, "", item.size) for i, item in enumerate(items)])
    if kind == "meter":
        size = rng.randint(4, 20)
        id_ = bytes([size, rng.randrange(256), rng.randrange(256), 2])
        spec = b"\4" + id_ + bytes([size, 1, 0, 1, _TEXT, size, 0, 0])
        return Request(spec, (size,), 16 + 4, 16 + 4 + size)
    if kind == OVERHEARD:
        # Of few sizes: what another master is owed can be told by others.
        size = rng.choice((1, 2, 2, 2, 2, 8))
        return modbus_request(Read(3, 10 * rng.randrange(100), size), "rtu")
    function = rng.choice((3, 3, 3, 4, 1, 2))
    count = rng.choice((1, 2, 2, 8, 40, 120)) if function > 2 else rng.choice((8, 16, 80))
    framing: Any = kind
    return modbus_request(Read(function, 10 * rng.randrange(100), count), framing)
