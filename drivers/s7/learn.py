"""Limits of one CPU, learned from what it refuses; never above what it grants or the file allows.

A read that is refused as a whole because it is too long (85 00), whatever was granted, or answered
in part, makes all requests shorter. A refusal of one item may be of one tag in it only: its tags
are read one by one, once; those that are refused then are holes, which are read by themselves and
never bridged, and the others are read together again. A hole that is read well is none any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from drivers.s7.address import AREAS
from drivers.s7.planner import Limits
from drivers.s7.stretch import PDU_PROPOSED, Stretch

TOO_LONG, CUT = 0x8500, 0x00FF


class Learner:
    """What is known of one CPU. `limits` are to be planned by; another object when they changed."""

    def __init__(self, most: Limits, kept: Mapping[str, Any] | None = None) -> None:
        """With what `to_json` gave in an earlier run, where that fits. Raises ValueError, KeyError
        or TypeError where it is something else.
        """
        self.limits = most
        if kept is not None:
            holes = tuple(Stretch(*hole) for hole in kept["holes"])
            if not all(hole.area in AREAS and hole.first < hole.end for hole in holes):
                raise ValueError("no holes")
            self.limits = Limits(
                max(PDU_PROPOSED[-1], min(most.pdu, int(kept["pdu"]))),
                max(1, min(most.items, int(kept["items"]))),
                holes,
            )

    def refused(self, spec: bytes, code: int) -> None:
        """A request that was refused as a whole."""
        items = spec[0]
        if code == TOO_LONG:
            shorter = [pdu for pdu in PDU_PROPOSED if pdu < self.limits.pdu]
            if shorter:
                self.limits = replace(self.limits, pdu=shorter[0])
        elif code == CUT and items > 1:
            self.limits = replace(self.limits, items=min(self.limits.items, max(1, items // 2)))

    def answered(self, places: Iterable[tuple[Stretch, bool]]) -> None:
        """Where tags lie, and whether the CPU refused the item that they were read in; of all tags
        of the row that was read last.
        """
        told = dict(places)
        holes = set(self.limits.holes)
        good = {hole for hole in holes if told.get(hole) is False}
        found = {one for one, refused in told.items() if refused}
        fresh = tuple(sorted((holes - good) | found))
        if fresh != self.limits.holes:
            self.limits = replace(self.limits, holes=fresh)

    def to_json(self) -> dict[str, Any]:
        """What is worth keeping over a restart."""
        return {
            "pdu": self.limits.pdu,
            "items": self.limits.items,
            "holes": [list(hole) for hole in self.limits.holes],
        }
