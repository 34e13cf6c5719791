"""What a driver offers beside `HostedDriver` where its sources push values: for the forecast of
bytes.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from drivers.api import DeviceSpec, GroupPlan
from drivers.host.frames import Event

#: The host hands over what was pushed at most so often.
HAND_OVER_NS = 50_000_000


@runtime_checkable
class Pushing(Protocol):
    """A driver that knows how often a source of its kind pushes."""

    def pushes(
        self, device: DeviceSpec, group: GroupPlan, fastest_ns: int, seed: str, until_ns: int
    ) -> list[list[Event]]:
        """What a simulated source pushes of the group's tags from 0 until `until_ns`, in order:
        those events together that the host hands over together. `fastest_ns`: the shortest period
        on the link, which may say how often a source is listened to.
        """
