"""Blocks that a meter does not give: learned from its refusals, read item by item from then on.

Kept over a restart. Once a day a block is tried again, which costs two refusals: the meter may be
another one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from drivers.api import DeviceSpec, GroupPlan
from drivers.dlt645.identifiers import block_of
from drivers.dlt645.planner import plan_group
from drivers.quality import BAD_DAMAGED
from drivers.states import SILENT

#: Refusals in a row before a meter is believed.
BELIEVED = 2
#: For so long it is.
AGAIN_S = 86_400.0


class Learner:
    """The `drivers.scan.Learning` of one meter."""

    def __init__(
        self, device: DeviceSpec, kept: Any = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`kept`: what `kept` gave in an earlier run. Raises ValueError, KeyError or TypeError
        where that does not fit.
        """
        self._device = device
        self._clock = clock
        self._refusals: dict[str, int] = {}
        blocks: Collection[str] = kept["blocks"] if kept is not None else ()
        for block in blocks:
            if block_of(block) is None:
                raise ValueError(f"no block: {block!r:.20}")
        self._refused = dict.fromkeys(blocks, clock())
        self.revision = int(bool(self._refused))

    @property
    def curious(self) -> bool:
        """Asked each second: blocks whose time has come are tried again."""
        now = self._clock()
        if due := [block for block, since in self._refused.items() if now - since >= AGAIN_S]:
            for block in due:
                del self._refused[block]
            self.revision += 1
        return bool(self._refusals)

    def answered(self, spec: bytes) -> None:
        """The meter gave what was asked for."""
        self._refusals.pop(_identifier(spec), None)

    def refused(self, spec: bytes, code: int) -> None:
        """The meter has no such data, or answered with another length."""
        identifier = _identifier(spec)
        if code == SILENT or block_of(identifier) is None or identifier in self._refused:
            return
        self._refusals[identifier] = self._refusals.get(identifier, 0) + 1
        if self._refusals[identifier] >= BELIEVED:
            del self._refusals[identifier]
            self._refused[identifier] = self._clock()
            self.revision += 1

    def reconsider(self, now_ns: int) -> None:
        """Nothing follows: `curious` sees to that."""

    def replan(self, group: GroupPlan) -> GroupPlan:
        """Plan the same tags without blocks, each identifier in a request of its own."""
        return plan_group(self._device, group.tags, group.period_ns, self._refused.keys())

    def cause(self, quality: int, code: int) -> dict[str, Any] | None:
        """Why a meter without an address of its own brings nothing: all meters on its line answer
        at once.
        """
        if quality == BAD_DAMAGED and not dict(self._device.own).get("meter"):
            return {"id": "dlt645.collision", "args": {"device": self._device.name}}
        return None

    def said(self) -> list[dict[str, Any]]:
        return [
            {"id": "dlt645.learned_block", "args": {"block": each}}
            for each in sorted(self._refused)
        ]

    def kept(self) -> dict[str, Any]:
        return {"blocks": sorted(self._refused)}


def _identifier(spec: bytes) -> str:
    """The data identifier in a request's words."""
    return spec[1 : 1 + spec[0]][::-1].hex().upper()
