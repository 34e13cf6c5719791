"""What a configuration will come to, before anything is switched on.

Time on the wire is the drivers' own sum over the requests of their plans, with silences and the
answer time that they assume. Bytes a day are tried out: each plan is fed with what a simulated
device answers (`Driver.example`), sealed each `flush_every` / 2 and joined each `send_every` by the
code that does it on the box, and what comes out is counted with its envelopes and heartbeats. The
values of a real machine move otherwise, so the bounds are said beside it: the same plans with
values that stand still, and with values that jump anywhere at each scan. Where a source pushes what
changes, it does so as a simulated one (`Pushing.pushes`); one whose values stand still pushes none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import shake_128
from itertools import accumulate
from typing import Any

from jiahe.ingest import limits

from drivers import registry
from drivers.api import DevicePlan, GroupPlan
from drivers.forecast import LinkLoad, link_load
from gateway.catalog import build
from gateway.cli.pushed import Foretold, jumping, tags_pushed
from gateway.cli.trial import EMPTY_BYTES, Answers, Read, Rhythm, content_a_day, rhythm
from gateway.config.model import GatewayConfig
from gateway.uplink.budget import MESSAGE_PART, message_bytes

#: What a message and its answer cost beside the block or bundle, in bytes of IP packets: TLS,
#: HTTP/2, gRPC, TCP and IPv4 headers of both (docs/decisions/0006, "What check foretells").
ENVELOPE_BYTES = 300
#: And the message itself: headers of the packets and TLS records that it fills.
ENVELOPE_PART = 22
#: A box asks after so long without a message of its own, and is answered.
HEARTBEAT_NS = limits.HEARTBEAT_MS * 1_000_000
#: What a StreamRequest adds to a block; an Ack; a Heartbeat, and its answer.
WRAP_BYTES, ACK_BYTES, BEAT_BYTES, BEATEN_BYTES = 6, 20, 4, 14
#: The days of the longest month.
PER_DAYS = {"day": 1, "month": 31}


@dataclass(frozen=True, slots=True)
class Forecast:
    """Bytes a day are of IP packets, both directions; `counted`: what the data budget counts, which
    is on the safe side of them.
    """

    links: tuple[LinkLoad, ...]
    bytes_a_day: int
    bytes_a_day_min: int
    bytes_a_day_max: int
    counted_a_day: int
    counted_a_day_min: int
    counted_a_day_max: int
    blocks_a_day: int
    sends_a_day: int
    catalog_bytes: int
    events_a_day: int  # values that are pushed, counted in all of this
    tags_pushed: int  # whose values these are
    tags_left_out: int  # that are pushed, too, nobody knows how often

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def forecast(config: GatewayConfig) -> Forecast:
    """The load of every link, and the bytes a day of all devices together."""
    plans = [registry.get(device.driver).plan(device) for device in config.devices]
    of_link: dict[str, list[DevicePlan]] = defaultdict(list)
    for plan in plans:
        of_link[plan.spec.link.name].append(plan)
    loads = tuple(link_load(link, of_link[link.name]) for link in config.links)
    foretold = Foretold()
    reads = [read for load in loads for read in _reads(of_link[load.link], load, foretold)]
    send_ns = config.platform.send_every_ns
    block_ns = min(send_ns, config.buffer.flush_every_ns // 2)

    def day(values: Sequence[Read], answers: Answers) -> _Day:
        periods = [period for each in values for period in each.periods]
        goes = rhythm(periods, send_ns, block_ns, HEARTBEAT_NS)
        content = content_a_day(values, send_ns, block_ns, answers) + goes.sends * EMPTY_BYTES
        return _Day(content, goes)

    pushed, left_out = tags_pushed(config.devices)
    expected = day(reads, _simulated)
    least = day([replace(each, news=None) for each in reads], _still)
    jumped = [replace(each, news=jumping(each.driver, each.plan, each.news)) for each in reads]
    most = day(jumped, _jumping)
    return Forecast(
        links=loads,
        bytes_a_day=expected.carried,
        bytes_a_day_min=least.carried,
        bytes_a_day_max=most.carried,
        counted_a_day=expected.counted,
        counted_a_day_min=least.counted,
        counted_a_day_max=most.counted,
        blocks_a_day=round(expected.goes.blocks),
        sends_a_day=round(expected.goes.sends),
        catalog_bytes=_catalog_bytes(config.site, plans),
        events_a_day=round(sum(each.news.events_a_day for each in reads if each.news)),
        tags_pushed=pushed,
        tags_left_out=left_out,
    )


@dataclass(frozen=True, slots=True)
class _Day:
    """What goes out in a day: bytes of blocks and bundles, and in which rhythm."""

    content: float
    goes: Rhythm

    @property
    def carried(self) -> int:
        """Bytes of IP packets, both directions."""
        envelopes = (self.goes.sends + self.goes.heartbeats) * ENVELOPE_BYTES
        return round(envelopes + self.content * (1 + 1 / ENVELOPE_PART))

    @property
    def counted(self) -> int:
        """What the data budget counts of that."""
        message = message_bytes(WRAP_BYTES) + message_bytes(ACK_BYTES)
        beat = message_bytes(BEAT_BYTES) + message_bytes(BEATEN_BYTES)
        envelopes = self.goes.sends * message + self.goes.heartbeats * beat
        return round(envelopes + self.content * (1 + 1 / MESSAGE_PART))


def _reads(plans: Sequence[DevicePlan], load: LinkLoad, foretold: Foretold) -> Iterator[Read]:
    """The groups of a link, in the order in which they are read."""
    reachable = {(each.device, each.period_ns): each.reachable_ns for each in load.groups}
    fastest_ns = min((each.period_ns for each in load.groups), default=0)
    earlier: dict[int, int] = {}
    for plan in plans:
        for group in plan.groups:
            period_ns = reachable[group.device, group.period_ns]
            news = foretold.of(plan.spec, group, fastest_ns)
            yield Read(plan.spec.driver, group, period_ns, tuple(earlier.items()), news)
            earlier[group.period_ns] = earlier.get(group.period_ns, 0) + group.scan_ns


def _catalog_bytes(site: str, plans: Sequence[DevicePlan]) -> int:
    """What a first connection carries of catalog and tag sets."""
    groups = [(plan.spec, group) for plan in plans for group in plan.groups]
    made = build(site, "", [(number, *group) for number, group in enumerate(groups, 1)])
    return len(made.content) + sum(map(len, made.tag_sets.values()))


def _simulated(read: Read, seed: str, count: int) -> Sequence[bytes]:
    return registry.get(read.driver).example(read.plan, seed, count)


def _still(read: Read, seed: str, count: int) -> Sequence[bytes]:
    return list(registry.get(read.driver).example(read.plan, seed, 1)) * count


def _jumping(read: Read, seed: str, count: int) -> Sequence[bytes]:
    size = len(registry.get(read.driver).example(read.plan, seed, 1)[0])
    texts = list(_texts(read.plan))
    rows = []
    for scan in range(count):
        row = bytearray(shake_128(f"{seed} {scan}".encode()).digest(size))
        for text in texts:  # what is no text would be no value, and cost nothing
            row[text] = bytes(33 + byte % 90 for byte in row[text])
        rows.append(bytes(row))
    return rows


def _texts(plan: GroupPlan) -> Iterator[slice]:
    """Where texts lie in a row."""
    ends = list(accumulate(part for request in plan.requests for part in request.parts))
    for each in plan.fields:
        if each.type == "string":
            first = (ends[each.part - 1] if each.part else 0) + each.offset
            yield slice(first, first + each.length)
