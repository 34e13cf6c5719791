"""The box itself as device `_box`: its health and its radio, read by a thread of the daemon.

tags     what is read, with units           health   out of /proc and /sys
flash    the disk under the buffer          radio    ModemManager, over D-Bus
bands    the band of a channel number       runner   the ticks, and a thread that may hang
example  rows for the forecast              words    texts

A process of its own, as other Python drivers have (decision 0011), would take 25 MB of a small box
(decision 0017). What may hang here, a dying disk or D-Bus, hangs a thread that nothing waits for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drivers.api import (
    BoxDriver,
    DevicePlan,
    DeviceSpec,
    GroupPlan,
    LinkSpec,
    OpenedLinks,
    Problem,
)
from drivers.box.tags import tags_of
from drivers.box.words import WORDS
from drivers.host.values import lay_out
from drivers.keys import Key

__all__ = ["DRIVER", "NAME"]

#: Of the device, and of its link.
NAME = "_box"


class _Box:
    """The `drivers.api.BoxDriver`. Stateless; any thread."""

    name = "box"
    keys: tuple[Key, ...] = ()
    words = WORDS
    lacks = ("unit",)

    def device(self, every_ns: int, buffer: Path, *, radio: bool) -> DeviceSpec:
        """The box as a device. `buffer`: the directory whose disk is looked at; `radio`: whether
        ModemManager is asked.
        """
        own = (("buffer", str(buffer)), ("radio", radio))
        link = LinkSpec(NAME, "box")
        return DeviceSpec(NAME, link, self.name, tags_of(every_ns, radio=radio), own=own)

    def check(self, device: DeviceSpec) -> list[Problem]:
        """Nothing can be wrong with it: nobody writes its tags."""
        return []

    def plan(self, device: DeviceSpec) -> DevicePlan:
        """One group; all of it is read at once."""
        return DevicePlan(device, tuple(lay_out(device)))

    def example(self, group: GroupPlan, seed: str, count: int) -> list[bytes]:
        """Rows as a box at work gives them."""
        from drivers.box.example import rows

        return rows(group, seed, count)

    def open(
        self,
        links: Sequence[tuple[LinkSpec, Sequence[DevicePlan]]],
        first_group: int,
        kept: Mapping[str, Any],
        pool: Any = None,
    ) -> OpenedLinks:
        """Build the runner. Nothing is kept over a restart."""
        from drivers.box.runner import open_box

        ((_, (plan,)),) = links
        return open_box(plan, first_group, pool)


DRIVER: BoxDriver = _Box()
