"""Limits of one CPU, from what it grants and what it refuses. A state machine without I/O, clock.

Every refusal is dealt with in the scan in which it comes (native/s7/asking): what is learned here
saves the questions that this costs.

    the PDU that is granted       plans are made for it, also after a restart; another one, of a CPU
                                  that replaced the old one, is believed at once, and what was
                                  learned before is forgotten
    85 00 for many items          the PDU is shorter than it was granted: the next shorter one
    only the first items came     so many at once, and no more
    one part refused              a hole: read by itself, in a request that the engine sets aside
                                  and tries again; an answer lifts it
    a stretch refused, all of     nothing of it is read together with its neighbours
    its parts answered

Nothing rests on one event where it would cost something for good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from drivers.api import DeviceSpec, GroupPlan
from drivers.quality import BAD_REFUSED
from drivers.s7 import causes
from drivers.s7.planner import Limits, plan_group
from drivers.s7.request import Part, item_of, parts_of, stretch_of
from drivers.s7.station import calls, written
from drivers.s7.stretch import ITEMS_USUAL, PDU_LONGEST, PDU_MIN, PDU_PROPOSED, Stretch

#: Codes that native/s7/asking makes; no CPU sends them.
APART, SPLIT, SHORT = 0x00FD, 0x00FE, 0x00FF
#: The CPU's mode.
STOP = 4
#: An item's code: there is no such block.
_NO_BLOCK = 0x0A
#: Holes of one block, and blocks, that are named one by one.
_SAID_MOST = 4
#: So often before what can't be seen from the refusal itself is believed.
BELIEVED = 2


class Learner:
    """What is known of one CPU (`drivers.learning.PartLearning`)."""

    def __init__(self, device: DeviceSpec, kept: Mapping[str, Any] | None = None) -> None:
        """`kept`: what an earlier run learned. Raises ValueError, KeyError or TypeError where it is
        something else.
        """
        self._device = device
        self.revision = 0
        self.limits = Limits()
        self.pdu, self.jobs = 0, 0  # granted; 0: not known
        self._called, self._mode = 0, 0  # which TSAP, from 0; the CPU's mode
        self._holes: dict[Stretch, int] = {}  # with the code of the refusal
        self._seen: Counter[Any] = Counter()
        if kept is not None:
            pdu, taken = int(kept["granted"]), int(kept["pdu"])
            if not PDU_MIN <= taken <= pdu <= PDU_LONGEST:
                raise ValueError(f"no PDU: {taken} of {pdu}")
            self.pdu = pdu
            self._change(pdu=taken, items=max(1, min(ITEMS_USUAL, int(kept["items"]))))

    @property
    def curious(self) -> bool:
        """Whether holes may have closed."""
        return bool(self._holes)

    def granted(self, what: int) -> None:
        """Note what the CPU granted for the connection, as native/s7/protocol packs it."""
        pdu, self.jobs = what >> 16, what & 0xFF
        self._called, self._mode = what >> 8 & 0xF, what >> 12 & 0xF
        if pdu != self.pdu:
            self.pdu = pdu
            self._holes, self._seen = {}, Counter()
            self._change(pdu=pdu, items=ITEMS_USUAL, holes=(), apart=())

    def refused(self, spec: bytes, code: int) -> None:
        """A request that nothing was read of. Only an item's code is of its parts."""
        if spec[0] and code < APART:
            for part in parts_of(spec):
                self._holes.setdefault(stretch_of(spec, part), code)
            self._holed()

    def refused_part(self, spec: bytes, part: int, code: int) -> None:
        """What native/s7/asking tells of a flight."""
        if code == SHORT:
            self._change(items=max(1, min(self.limits.items, part)))
        elif code == SPLIT:
            self._too_long()
        elif part < len(parts := parts_of(spec)):
            one = parts[part]
            if code == APART:
                self._apart(spec, one, parts)
            else:
                self._hole(spec, one, parts, code)

    def answered(self, spec: bytes) -> None:
        """All of it is good: no hole of it is one."""
        if spec[0]:
            self.answered_in_part(spec, range(len(parts_of(spec))))

    def answered_in_part(self, spec: bytes, good: Sequence[int]) -> None:
        if not spec[0]:
            return
        parts = parts_of(spec)
        well = {stretch_of(spec, parts[n]) for n in good}
        if well & self._holes.keys():
            self._holes = {hole: code for hole, code in self._holes.items() if hole not in well}
            self._holed()

    def reconsider(self, now_ns: int) -> None:
        """Nothing follows: shorter requests cost little."""

    def replan(self, group: GroupPlan) -> GroupPlan:
        return plan_group(self._device, group.tags, group.period_ns, self.limits)

    def cause(self, quality: int, code: int) -> dict[str, Any] | None:
        """Why an item is refused by itself, with the data blocks concerned. Other areas lie in no
        block: the code of a block says nothing about them but that they do not exist.
        """
        found = {hole.block: hole for hole, told in self._holes.items() if told == code}
        blocks = [name for name in found if name.startswith("DB")]
        said = causes.of_block(code)
        if quality != BAD_REFUSED or not said or not blocks:
            return None
        if len(blocks) < len(found) and code != _NO_BLOCK:
            return None
        blocks.sort(key=lambda name: found[name].db)
        more = f" … +{len(blocks) - _SAID_MOST}" if len(blocks) > _SAID_MOST else ""
        return {"id": said, "args": {"block": ", ".join(blocks[:_SAID_MOST]) + more}}

    def beside(self) -> dict[str, Any] | None:
        """What a stopped CPU gives is doubtful, also where nothing of it can be read."""
        return {"id": "s7.stopped", "args": {}} if self._mode == STOP else None

    def said(self) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = []
        if self._called:
            called = calls(self._device).called[self._called]
            told.append({"id": "s7.called", "args": {"tsap": written(called)}})
        if self.pdu:
            args = {"pdu": self.pdu, "jobs": self.jobs}
            told.append({"id": "s7.granted" if self.jobs else "s7.granted_before", "args": args})
        if self.limits.pdu < self.pdu:
            told.append({"id": "s7.learned_pdu", "args": {"pdu": self.limits.pdu}})
        if self.limits.items < ITEMS_USUAL:
            told.append({"id": "s7.learned_items", "args": {"count": self.limits.items}})
        for block, holes in groupby(sorted(self._holes), key=lambda hole: hole.block):
            found = list(holes)
            if len(found) > _SAID_MOST:
                args = {"block": block, "count": len(found)}
                told.append({"id": "s7.learned_holes", "args": args})
            else:
                told += ({"id": "s7.learned_hole", "args": {"where": str(h)}} for h in found)
        return told

    def kept(self) -> dict[str, Any]:
        return {"granted": self.pdu, "pdu": self.limits.pdu, "items": self.limits.items}

    def _too_long(self) -> None:
        self._seen[SPLIT, self.limits.pdu] += 1
        shorter = [pdu for pdu in PDU_PROPOSED if pdu < self.limits.pdu]
        if shorter and self._seen[SPLIT, self.limits.pdu] >= BELIEVED:
            self._change(pdu=shorter[0])

    def _apart(self, spec: bytes, one: Part, parts: Sequence[Part]) -> None:
        """The item of a part was refused. Of one with a hole in it that says why."""
        item = item_of(spec, one.item)
        if any(hole.meets(item) for hole in self._holes):
            return
        self._seen[APART, item] += 1
        if self._seen[APART, item] > BELIEVED:
            inside = (stretch_of(spec, part) for part in parts if part.item == one.item)
            self._change(apart=tuple(sorted({*self.limits.apart, *inside})))

    def _hole(self, spec: bytes, one: Part, parts: Sequence[Part], code: int) -> None:
        found = [one]
        if code == _NO_BLOCK:  # then it is so of everything in it
            block = item_of(spec, one.item)[:2]
            found = [part for part in parts if item_of(spec, part.item)[:2] == block]
        for part in found:
            self._holes[stretch_of(spec, part)] = code
        self._holed()

    def _holed(self) -> None:
        self._change(holes=tuple(sorted(self._holes)))

    def _change(self, **limits: Any) -> None:
        changed = replace(self.limits, **limits)
        if changed != self.limits:
            self.limits = changed
            self.revision += 1
