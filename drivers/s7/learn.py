"""Limits of one CPU, learned from what it refuses; never above what the protocol allows.

A read that is refused as a whole because it is too long (85 00), whatever was granted, or answered
in part, makes all requests shorter. Nothing rests on one event of the second kind: a CPU that cut
an answer once, cuts all of that length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from drivers.api import DeviceSpec, GroupPlan
from drivers.s7.planner import Limits, plan_group
from drivers.s7.stretch import ITEMS_USUAL

TOO_LONG, CUT = 0x8500, 0x00FF


class Learner:
    """What is known of one CPU (`drivers.scan.Learning`)."""

    curious = False

    def __init__(self, device: DeviceSpec, kept: Mapping[str, Any] | None = None) -> None:
        """With what `kept` gave in an earlier run. Raises ValueError, KeyError or TypeError where
        it is something else.
        """
        self._device = device
        self.revision = 0
        self.limits = Limits()
        if kept is not None:
            self._learn(max(1, min(ITEMS_USUAL, int(kept["items"]))))

    def refused(self, spec: bytes, code: int) -> None:
        """A request that was refused as a whole: fewer items at once."""
        items = spec[0]
        if code in (TOO_LONG, CUT) and items > 1:
            self._learn(min(self.limits.items, items // 2))

    def answered(self, spec: bytes) -> None:
        """Nothing follows: shorter requests cost little."""

    def replan(self, group: GroupPlan) -> GroupPlan:
        return plan_group(self._device, group.tags, group.period_ns, self.limits)

    def said(self) -> list[dict[str, Any]]:
        if not self.revision:
            return []
        return [{"id": "s7.learned_items", "args": {"count": self.limits.items}}]

    def kept(self) -> dict[str, Any]:
        return {"items": self.limits.items}

    def _learn(self, items: int) -> None:
        if items != self.limits.items:
            self.limits = replace(self.limits, items=items)
            self.revision += 1
