"""What a simulated device would answer to the requests of a plan, without a wire."""

from __future__ import annotations

from drivers.api import GroupPlan, TagSpec
from drivers.modbus.address import FUNCTION, parse
from drivers.modbus.request import reads_of
from drivers.modbus.simulator.maps import raw_range
from drivers.modbus.simulator.store import Store
from drivers.modbus.simulator.usual import RISING
from drivers.modbus.simulator.values import PHASES, SimTag

_SPACE = {function: space for space, function in FUNCTION.items()}


def scans(group: GroupPlan, seed: str, count: int) -> list[bytes]:
    """The answers' data of `count` successive scans; each is one step of the values."""
    store = Store([_simulated(tag) for tag in group.tags], seed)
    reads = reads_of(group)
    rows = [
        b"".join(store.read(_SPACE[r.function], r.address, r.count, step) for r in reads)
        for step in range(min(count, PHASES))
    ]
    return [rows[step % PHASES] for step in range(count)]


def _simulated(tag: TagSpec) -> SimTag:
    low, high = raw_range(tag.type, tag.unit, (tag.min, tag.max), tag.scale, tag.offset)
    return SimTag(
        tag.name, parse(tag.address), tag.type, tag.order, tag.length, low, high,
        tuple(tag.labels), rises=tag.unit in RISING,
    )  # fmt: skip
