"""Python drivers for the tests of a whole daemon: each source of `tests.kit.hosted` under a name.

`announce` writes what a package that has them would install, so that a daemon finds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
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
from drivers.host.values import lay_out
from drivers.keys import Key
from drivers.words import Message


class KitDriver:
    """The `drivers.api.HostedDriver` whose sources are those that `source` makes."""

    keys: tuple[Key, ...] = ()
    words: Mapping[str, Message] = {}

    def __init__(self, source: str) -> None:
        self.name = f"kit-{source}"
        self._source = source

    def check(self, device: DeviceSpec) -> list[Problem]:
        return []

    def plan(self, device: DeviceSpec) -> DevicePlan:
        return DevicePlan(device, tuple(lay_out(device)))

    def example(self, group: GroupPlan, seed: str, count: int) -> list[bytes]:
        return [bytes(sum(group.requests[0].parts))] * count

    def open(
        self,
        links: Sequence[tuple[LinkSpec, Sequence[DevicePlan]]],
        first_group: int,
        kept: Mapping[str, Any],
        pool: Any = None,
    ) -> OpenedLinks:
        from drivers.host.runner import open_hosted

        return open_hosted(self.name, f"tests.kit.hosted:{self._source}", links, first_group, pool)


HANGING: HostedDriver = KitDriver("hanging")
DYING: HostedDriver = KitDriver("dying")


def announce(folder: Path) -> None:
    """Make `folder` one that, on the path of a Python, has these drivers installed."""
    told = folder / "jiahe_kit-1.0.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: jiahe-kit\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(
        "[jiahe.drivers]\nkit-hanging = tests.kit.hosted_driver:HANGING\n"
        "kit-dying = tests.kit.hosted_driver:DYING\n"
    )
