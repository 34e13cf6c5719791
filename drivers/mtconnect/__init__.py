"""MTConnect: an agent over HTTP, or an adapter. Reading only; in a host process of its own
(drivers/host).

address    what an address names          http       answers and multipart, without a socket
check      what is wrong, offline         documents  XML as plain values
collect    an agent's connection          follow     what is known of it
adapter    an adapter's connection        shdr       its lines, without a socket
tags       a link's tags out of that      reading    a tag's value
simulator  an agent, of its own code
"""

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
from drivers.host.frames import Event
from drivers.host.values import lay_out, row_bytes
from drivers.keys import Key
from drivers.mtconnect.check import check, check_line
from drivers.mtconnect.words import WORDS

__all__ = ["DRIVER", "MTConnectDriver"]


class MTConnectDriver:
    """The `drivers.api.HostedDriver` of MTConnect. Stateless; any thread."""

    name = "mtconnect"
    keys: tuple[Key, ...] = ()
    words = WORDS
    example_tag = 'address = "Xabs", type = "float64"'
    lacks = ("unit",)

    def check(self, device: DeviceSpec) -> list[Problem]:
        """Everything wrong with the device's addresses, types and link."""
        return check(device)

    def check_line(self, devices: Sequence[DeviceSpec]) -> list[tuple[DeviceSpec, Problem]]:
        """What is wrong with all devices of one link together, and with which of them."""
        return check_line(devices)

    def plan(self, device: DeviceSpec) -> DevicePlan:
        """A group a period; nothing is asked by the tag, the agent says what changes."""
        return DevicePlan(device, tuple(lay_out(device)))

    def example(self, group: GroupPlan, seed: str, count: int) -> list[bytes]:
        """Rows as a machine at work gives them: positions move, the rest stands still."""
        from drivers.mtconnect.example import rows

        made = rows(group, seed, count)
        assert all(len(row) == row_bytes(group.tags) for row in made)
        return made

    def pushes(
        self, device: DeviceSpec, group: GroupPlan, fastest_ns: int, seed: str, until_ns: int
    ) -> list[list[Event]]:
        """What the machine that `jiahe-sim` serves pushes meanwhile (`drivers.host.pushing`)."""
        from drivers.mtconnect.example import pushes

        return pushes(device, group, fastest_ns, seed, until_ns)

    def usual_port(self, device: DeviceSpec) -> int:
        """The usual TCP port of an agent, or of an adapter."""
        return 7878 if device.framing == "shdr" else 5000

    def open(
        self,
        links: Sequence[tuple[LinkSpec, Sequence[DevicePlan]]],
        first_group: int,
        kept: Mapping[str, Any],
        pool: Any = None,
    ) -> OpenedLinks:
        """Build the runner; its host starts when it runs. Nothing is kept over a restart."""
        from drivers.host.runner import open_hosted

        source = "drivers.mtconnect.collect:open_source"
        return open_hosted(self.name, source, links, first_group, pool)


DRIVER: HostedDriver = MTConnectDriver()
