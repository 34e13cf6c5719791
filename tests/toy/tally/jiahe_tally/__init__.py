"""Counters that say `NAME VALUE` in a line as they change. `address` is such a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drivers.api import (
    DevicePlan,
    DeviceSpec,
    GroupPlan,
    HostedDriver,
    LinkSpec,
    OpenedLinks,
    Problem,
)
from drivers.host.values import TYPES, lay_out
from drivers.keys import Key
from drivers.words import Message


class TallyDriver:
    """The `drivers.api.HostedDriver` of counters. Stateless; any thread."""

    name = "tally"
    keys: tuple[Key, ...] = ()
    words: Mapping[str, Message] = {
        "tally.type": Message(
            "计数器的值不能是 {type}", "a value of a counter can't be {type}",
            "可选：{types}", "Choose from: {types}",
        ),
    }  # fmt: skip

    def check(self, device: DeviceSpec) -> list[Problem]:
        args = {"types": ", ".join(TYPES)}
        return [
            Problem(("tags", tag.name, "type"), "tally.type", {"type": tag.type, **args})
            for tag in device.tags
            if tag.type not in TYPES
        ]

    def plan(self, device: DeviceSpec) -> DevicePlan:
        return DevicePlan(device, tuple(lay_out(device)))

    def example(self, group: GroupPlan, seed: str, count: int) -> list[bytes]:
        """Counters that stand still: what `jiahe check` takes for the bytes a day."""
        return [bytes(sum(group.requests[0].parts))] * count

    def open(
        self,
        links: Sequence[tuple[LinkSpec, Sequence[DevicePlan]]],
        first_group: int,
        kept: Mapping[str, Any],
        pool: Any = None,
    ) -> OpenedLinks:
        from drivers.host.runner import open_hosted

        return open_hosted(self.name, "jiahe_tally.source:open_source", links, first_group, pool)


DRIVER: HostedDriver = TallyDriver()
