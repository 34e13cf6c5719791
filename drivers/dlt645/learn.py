"""Blocks that a meter does not give: learned from its refusals, read item by item from then on.

Nothing is kept over a restart: a block is then tried again, which costs two refusals.
"""

from __future__ import annotations

from typing import Any

from drivers.api import DeviceSpec, GroupPlan
from drivers.dlt645.identifiers import block_of
from drivers.dlt645.planner import plan_group

#: Refusals in a row before a meter is believed.
BELIEVED = 2


class Learner:
    """The `drivers.scan.Learning` of one meter."""

    def __init__(self, device: DeviceSpec) -> None:
        self._device = device
        self._refusals: dict[str, int] = {}
        self._refused: set[str] = set()

    @property
    def revision(self) -> int:
        return len(self._refused)

    @property
    def curious(self) -> bool:
        return bool(self._refusals)

    def answered(self, spec: bytes) -> None:
        """The meter gave what was asked for."""
        self._refusals.pop(_identifier(spec), None)

    def refused(self, spec: bytes, code: int) -> None:
        """The meter has no such data, or answered with another length."""
        identifier = _identifier(spec)
        if block_of(identifier) is None or identifier in self._refused:
            return
        self._refusals[identifier] = self._refusals.get(identifier, 0) + 1
        if self._refusals[identifier] >= BELIEVED:
            del self._refusals[identifier]
            self._refused.add(identifier)

    def replan(self, group: GroupPlan) -> GroupPlan:
        """The same tags without the blocks."""
        return plan_group(self._device, group.tags, group.period_ns, self._refused)

    def said(self) -> list[dict[str, Any]]:
        return [
            {"id": "dlt645.learned_block", "args": {"block": each}}
            for each in sorted(self._refused)
        ]

    def kept(self) -> dict[str, Any]:
        return {}


def _identifier(spec: bytes) -> str:
    """The data identifier in a request's words."""
    return spec[1 : 1 + spec[0]][::-1].hex().upper()
