"""What a configuration will come to, before anything is switched on.

Time on the wire is the drivers' own sum over the requests of their plans, with silences and the
answer time that they assume. Bytes a day are tried out: each plan is fed with what a simulated
device answers (`Driver.example`), sealed each `flush_every` / 2 and joined each `send_every` by the
code that does it on the box, and what comes out is counted with its envelopes and heartbeats. The
values of a real machine move otherwise, so the bounds are said beside it: the same plans with
values that stand still, and with values that jump anywhere at each scan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import shake_128
from typing import Any

from jiahe.ingest import limits
from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers import registry
from drivers.api import DevicePlan, GroupPlan
from drivers.modbus.forecast import LinkLoad, link_load
from gateway.catalog import build
from gateway.config.model import GatewayConfig
from native.block import Sealer
from native.bundle import bundle
from native.group import Group

DAY_NS = 86_400 * 10**9
#: What a message and its acknowledgement cost beside the payload, in bytes of IP packets: TLS,
#: HTTP/2, gRPC, TCP and IP headers of both (docs/decisions/0006, a message at a time).
ENVELOPE_BYTES = 430
#: And of the payload itself: headers of the packets and TLS records that it fills.
ENVELOPE_PART = 22
#: A box says that it lives when it said nothing for this long, and is answered.
HEARTBEAT_NS = limits.HEARTBEAT_MS * 1_000_000
HEARTBEAT_BYTES = 400
#: The days of the longest month.
PER_DAYS = {"day": 1, "month": 31}
#: Scans of one group, and samples of all, that are tried out at most; what is over is scaled.
SCANS_MAX, SAMPLES_MAX = 2_000, 1_000_000
FEATURES = frozenset(number for number in pb.Feature.values() if number)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Bytes a day are of IP packets, both directions."""

    links: tuple[LinkLoad, ...]
    bytes_a_day: int
    bytes_a_day_min: int
    bytes_a_day_max: int
    blocks_a_day: int
    sends_a_day: int
    catalog_bytes: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def forecast(config: GatewayConfig) -> Forecast:
    """The load of every link, and the bytes a day of all devices together."""
    plans = [registry.get(device.driver).plan(device) for device in config.devices]
    of_link: dict[str, list[DevicePlan]] = defaultdict(list)
    for plan in plans:
        of_link[plan.spec.link.name].append(plan)
    loads = tuple(link_load(link, of_link[link.name]) for link in config.links)
    reachable = {
        (group.device, group.period_ns): group.reachable_ns
        for load in loads
        for group in load.groups
    }
    send_ns = config.platform.send_every_ns
    block_ns = min(send_ns, config.buffer.flush_every_ns // 2)
    periods = list(reachable.values())
    sends = _a_day(send_ns, periods)
    alike = list(_alike(plans, reachable))
    most_samples = SAMPLES_MAX // max(1, len(alike))
    expected, least, most = (
        sends * ENVELOPE_BYTES
        + _heartbeats(send_ns, periods) * HEARTBEAT_BYTES
        + sum(_bytes_a_day(group, send_ns, block_ns, most_samples, answers) for group in alike)
        * (1 + 1 / ENVELOPE_PART)
        for answers in (_simulated, _still, _jumping)
    )
    return Forecast(
        links=loads,
        bytes_a_day=round(expected),
        bytes_a_day_min=round(least),
        bytes_a_day_max=round(most),
        blocks_a_day=round(_a_day(block_ns, periods)),
        sends_a_day=round(sends),
        catalog_bytes=_catalog_bytes(config.site, plans),
    )


def _a_day(every_ns: int, periods: Sequence[int]) -> float:
    """How often a day something leaves on a beat of `every_ns`: none without a scan to carry."""
    return min(DAY_NS / every_ns, sum(DAY_NS / period for period in periods))


def _heartbeats(send_ns: int, periods: Sequence[int]) -> float:
    """Heartbeats a day, in the pauses between what is sent."""
    pause_ns = DAY_NS / _a_day(send_ns, periods) if periods else DAY_NS
    return DAY_NS / pause_ns * (pause_ns // HEARTBEAT_NS)


def _catalog_bytes(site: str, plans: Sequence[DevicePlan]) -> int:
    """What a first connection carries of catalog and tag sets."""
    groups = [(plan.spec, group) for plan in plans for group in plan.groups]
    made = build(site, "", [(number, *group) for number, group in enumerate(groups, 1)])
    return len(made.content) + sum(map(len, made.tag_sets.values()))


@dataclass(frozen=True, slots=True)
class _Alike:
    """So many groups that share their tags, their requests and their pace."""

    driver: str
    plan: GroupPlan
    period_ns: int
    count: int


_Answers = Callable[[_Alike, str, int], Sequence[bytes]]


def _alike(plans: Sequence[DevicePlan], reachable: dict[tuple[str, int], int]) -> Iterator[_Alike]:
    found: dict[tuple[int, int, str], list[tuple[str, GroupPlan]]] = defaultdict(list)
    for plan in plans:
        for group in plan.groups:
            period_ns = reachable[plan.spec.name, group.period_ns]
            key = (id(group.tags), period_ns, plan.spec.driver)
            found[key].append((plan.spec.driver, group))
    for (_, period_ns, driver), groups in found.items():
        yield _Alike(driver, groups[0][1], period_ns, len(groups))


def _bytes_a_day(
    group: _Alike, send_ns: int, block_ns: int, most_samples: int, answers: _Answers
) -> float:
    """Of the payloads of all groups alike. The second of them costs less than the first: the
    others cost as much as the second.
    """
    tried = max(8, min(SCANS_MAX, most_samples // len(group.plan.tags)))
    one = _one_send(group, 1, send_ns, block_ns, tried, answers)
    more = _one_send(group, 2, send_ns, block_ns, tried, answers) - one if group.count > 1 else 0.0
    return DAY_NS / max(send_ns, group.period_ns) * (one + more * (group.count - 1))


def _one_send(
    group: _Alike, count: int, send_ns: int, block_ns: int, tried_max: int, answers: _Answers
) -> float:
    """Bytes of what `count` groups give to one send, without what a send costs anyhow."""
    scans = max(1, send_ns // group.period_ns)
    tried = min(scans, tried_max)
    a_block = max(1, min(tried, block_ns // group.period_ns))
    groups = [Group(number, group.plan) for number in range(1, count + 1)]
    sealer = Sealer(groups)
    sealer.features = FEATURES
    good = bytes([pb.QUALITY_GOOD]) * len(group.plan.requests)
    rows = [answers(group, f"{number}", tried) for number in range(count)]
    for one in groups:
        one.start(0)
    blocks: list[bytes] = []
    for scan in range(tried):
        due_ns = scan * group.plan.period_ns
        for one, row in zip(groups, rows, strict=True):
            one.push(scan, due_ns + 150_000 + scan * 7919 % 97_000, 0, good, row[scan])
        if (scan + 1) % a_block == 0 or scan + 1 == tried:
            blocks += [sealed.data for sealed in sealer.seal(1, len(blocks) + 1, 1)]
    size = sum(map(len, blocks))
    if len(blocks) > 1:
        with suppress(ValueError):  # they can't be joined, and travel one by one
            size = min(size, len(bundle(blocks, FEATURES)))
    return (size - _EMPTY_BYTES) * scans / tried


#: A block's head, which a send has once.
_EMPTY_BYTES = 40


def _simulated(group: _Alike, seed: str, count: int) -> Sequence[bytes]:
    return registry.get(group.driver).example(group.plan, seed, count)


def _still(group: _Alike, seed: str, count: int) -> Sequence[bytes]:
    return list(registry.get(group.driver).example(group.plan, seed, 1)) * count


def _jumping(group: _Alike, seed: str, count: int) -> Sequence[bytes]:
    size = len(registry.get(group.driver).example(group.plan, seed, 1)[0])
    return [shake_128(f"{seed} {scan}".encode()).digest(size) for scan in range(count)]
