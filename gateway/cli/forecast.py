"""What a configuration will come to, before anything is switched on.

Time on the wire is the drivers' own sum over the requests of their plans, with silences and the
answer time that they assume. Bytes a day are bounded, not guessed: at least a byte a sample that is
reported every scan (a value that moves little is one byte in a column of differences), at most its
raw bytes and one (a value that jumps), and a block each `send_every` with its envelope, heartbeats
between. Tags reported on change count nothing at least, everything at most.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from drivers import registry
from drivers.api import TYPE_BYTES, DevicePlan, TagSpec
from drivers.modbus.forecast import LinkLoad, link_load
from gateway.catalog import catalog
from gateway.config.model import GatewayConfig
from gateway.uplink.budget import ANSWER_BYTES

DAY_NS = 86_400 * 10**9
#: A block's envelope, TLS, HTTP/2, TCP and IP headers, and the acknowledgement that returns: as
#: measured where packets are shared, and as a data budget counts them.
BLOCK_BYTES_MIN, BLOCK_BYTES_MAX = 300, 60 + 2 * ANSWER_BYTES
#: A heartbeat and its answer each 10 s, as jiahe-ingest asks for.
HEARTBEATS = DAY_NS // (10 * 10**9)
#: The days of the longest month.
PER_DAYS = {"day": 1, "month": 31}
#: Tick, time and group of one run of scans in a block.
RUN_BYTES = 24


@dataclass(frozen=True, slots=True)
class Forecast:
    links: tuple[LinkLoad, ...]
    bytes_a_day_min: int
    bytes_a_day_max: int
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
    # No more blocks than `send_every` allows, and none without a scan to carry.
    blocks = min(
        DAY_NS / config.platform.send_every_ns, sum(DAY_NS / ns for ns in reachable.values())
    )
    least = (blocks + HEARTBEATS) * BLOCK_BYTES_MIN
    most = (blocks + HEARTBEATS) * BLOCK_BYTES_MAX
    for plan in plans:
        low, high = _bytes_a_day(plan, reachable, blocks)
        least, most = least + low, most + high
    return Forecast(loads, round(least), round(most), _catalog_bytes(config.site, plans))


def _catalog_bytes(site: str, plans: Sequence[DevicePlan]) -> int:
    """Groups alike share their tags: each such tuple is written once, and counted as often."""
    sizes: dict[int, int] = {}
    total = catalog(0, 1, site, ()).ByteSize()
    for plan in plans:
        for group in plan.groups:
            if id(group.tags) not in sizes:
                sizes[id(group.tags)] = catalog(0, 0, "", [(0, plan.spec, group)]).ByteSize()
            total += sizes[id(group.tags)]
    return total


def _bytes_a_day(
    plan: DevicePlan, reachable: dict[tuple[str, int], int], blocks: float
) -> tuple[float, float]:
    least = most = 0.0
    for group in plan.groups:
        scans = DAY_NS / reachable[plan.spec.name, group.period_ns]
        runs = min(scans, blocks) * RUN_BYTES
        least += runs + scans * sum(tag.report == "all" for tag in group.tags)
        most += runs + scans * sum(_raw_bytes(tag) + 1 for tag in group.tags)
    return least, most


def _raw_bytes(tag: TagSpec) -> int:
    return tag.length if tag.type == "string" else TYPE_BYTES[tag.type]
