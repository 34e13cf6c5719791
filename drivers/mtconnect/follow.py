"""What is known of an agent: documents in, values out; no socket, no clock.

The position is (instanceId, nextSequence) of the last whole document. What an agent sends twice is
dropped; where it restarted (another instanceId, a sequence or a creationTime that went back) the
model is read again and everything begins anew; where its ring ran over, what lies between is lost:
at most so many observations, since the ring is the whole agent's. Order is the sequence's: a time
stamp that goes back moves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from drivers.mtconnect.documents import UNAVAILABLE, DataItem, Document, Header, Observation

#: What to ask next.
Next = Literal["go_on", "current", "probe"]
#: Codes of error documents of an agent whose ring no longer has what was asked for.
_OVERRUN = ("OUT_OF_RANGE", "OUTOFRANGE")
#: creationTime may step by this much: clocks are set.
_STEP_NS = 60 * 10**9
_WORST = {"FAULT": 2, "WARNING": 1}


@dataclass(slots=True)
class Held:
    """The newest of one data item."""

    observation: Observation
    entries: dict[str, str] = field(default_factory=dict)
    active: dict[str, Observation] = field(default_factory=dict)  # of a condition, by its key

    @property
    def is_available(self) -> bool:
        one = self.observation
        return one.level != UNAVAILABLE if one.is_condition else one.value != UNAVAILABLE

    @property
    def worst(self) -> Observation | None:
        """The worst active condition: a fault before a warning, the newest first."""
        return max(
            self.active.values(),
            key=lambda each: (_WORST.get(each.level, 0), each.sequence),
            default=None,
        )


class Follower:
    """One agent's state. `lost_max` counts observations that the agent dropped before they were
    read, at most; `missed` those that only `current` told of.
    """

    def __init__(self, told: Callable[[Observation], None] = lambda one: None) -> None:
        """`told`: called with each observation that is news, once it is in `held`."""
        self.told = told
        self.model: dict[str, DataItem] = {}
        self.held: dict[str, Held] = {}
        self.header = Header()
        self.next_sequence = 0
        self.lost_max = self.overruns = self.restarts = self.repeated = self.missed = 0
        self._named: dict[str, list[DataItem]] = {}
        self.behind = False  # there is more, which the stream is still to bring

    # ---- documents ---------------------------------------------------------------------------

    def probed(self, document: Document) -> None:
        """The device model, which is the whole truth about names."""
        if self.header.instance_id and self._is_restart(document.header):
            self._forget()
        self.header = document.header
        self.model = {item.id: item for item in document.items}
        self._named = {}
        for item in document.items:
            for name in {item.id, item.name} - {""}:
                self._named.setdefault(name, []).append(item)

    def current(self, document: Document) -> Next:
        """Everything as it stands: at the beginning, after a loss, and where nothing streams."""
        head = document.header
        if self._is_restart(head):
            self._forget()
            return "probe"
        if self.next_sequence and head.next_sequence > self.next_sequence:
            begun = max(head.first_sequence, self.next_sequence)
            lost = begun - self.next_sequence
            if lost:
                self.overruns, self.lost_max = self.overruns + 1, self.lost_max + lost
        for item, ones in _by_item(document).items():
            before = self.held.get(item)
            if (
                before is not None
                and max(one.sequence for one in ones) < before.observation.sequence
            ):
                continue  # a document from before what is known
            if before is not None and 0 < ones[-1].sequence < self.next_sequence:
                self.missed += ones[-1].sequence > before.observation.sequence
            is_news = before is not None and ones[-1].sequence > before.observation.sequence
            self._restate(item, ones)
            if is_news:
                self.told(ones[-1])
        self.header = head
        self.next_sequence = max(self.next_sequence, document.following)
        return "go_on"

    def rejoined(self, document: Document) -> Next:
        """Everything, before the stream goes on from the position: what is newer comes with it, one
        by one; only what it left out is taken here. `behind`: whether anything is newer.
        """
        head = document.header
        if self._is_restart(head) or not 0 < self.next_sequence >= head.first_sequence:
            self.behind = False
            return self.current(document)
        self.behind = False
        for item, ones in _by_item(document).items():
            newest = max(one.sequence for one in ones)
            before = self.held.get(item)
            if newest >= self.next_sequence:
                self.behind = True
            elif before is None or newest > before.observation.sequence:
                self.missed += 1
                self._restate(item, ones)
                self.told(ones[-1])
        self.header = head
        return "go_on"

    def jumped(self, document: Document) -> Next:
        """`current` after the ring ran over: all between is lost, however it stands now."""
        self.behind = False
        head = document.header
        if not self._is_restart(head) and head.next_sequence > self.next_sequence > 0:
            self.overruns += 1
            self.lost_max += head.next_sequence - self.next_sequence
            self.next_sequence = head.next_sequence
        return self.current(document)

    def sampled(self, document: Document) -> Next:
        """What came since the position; or an error document."""
        if document.kind == "Error":
            return "current" if document.has_error(*_OVERRUN) else "go_on"
        head = document.header
        if self._is_restart(head):
            self._forget()
            return "probe"
        if self.next_sequence and head.first_sequence > self.next_sequence:
            fresh = [one.sequence for one in document.observations]
            begun = min([head.first_sequence, *(each for each in fresh if each)])
            if begun > self.next_sequence:  # the agent went on with what it still had
                self.overruns += 1
                self.lost_max += begun - self.next_sequence
        for one in sorted(document.observations, key=lambda each: each.sequence):
            if one.sequence and one.sequence < self.next_sequence:
                self.repeated += 1
            else:
                self._observe(one)
                self.told(one)
        self.header = head
        self.next_sequence = max(self.next_sequence, document.following)
        return "go_on"

    def observe(self, ones: Iterable[Observation]) -> None:
        """Observations without a sequence, in order: an adapter's."""
        for one in ones:
            self._observe(one)
            self.told(one)

    def _is_restart(self, head: Header) -> bool:
        known = self.header
        if not known.instance_id:
            return False
        return (
            head.instance_id != known.instance_id
            or (self.next_sequence > 0 and 0 < head.next_sequence < self.next_sequence)
            or (0 < head.created_ns < known.created_ns - _STEP_NS and head.next_sequence == 0)
        )

    def _forget(self) -> None:
        """The agent restarted: what was known of it is no longer."""
        self.restarts += 1
        self.held.clear()
        self.header, self.next_sequence = Header(), 0

    # ---- one data item -----------------------------------------------------------------------

    def _restate(self, item: str, ones: list[Observation]) -> None:
        """All that is active of it; of anything but a condition there is one."""
        self.held.pop(item, None)
        for one in ones:
            self._observe(one)

    def _observe(self, one: Observation) -> None:
        held = self.held.get(one.item)
        if held is None:
            held = self.held[one.item] = Held(one)
        if one.is_condition:
            _into_set(held.active, one)
        elif one.value == UNAVAILABLE:
            held.entries.clear()
        elif one.entries:
            if one.is_reset:
                held.entries.clear()
            for key, value in one.entries.items():
                if value == UNAVAILABLE:
                    held.entries.pop(key, None)
                else:
                    held.entries[key] = value
        held.observation = one

    # ---- questions ---------------------------------------------------------------------------

    def find(self, name: str, device: str = "") -> DataItem | None:
        """The one data item of this id or name; None where there is none, or more than one."""
        found = [item for item in self._named.get(name, ()) if not device or device in item.device]
        own = [item for item in found if item.id == name]
        found = own or found
        return found[0] if len(found) == 1 else None


def _by_item(document: Document) -> dict[str, list[Observation]]:
    found: dict[str, list[Observation]] = {}
    for one in document.observations:
        found.setdefault(one.item, []).append(one)
    return found


def _into_set(active: dict[str, Observation], one: Observation) -> None:
    """A data item's conditions: several may be active at once."""
    if one.level in ("FAULT", "WARNING"):
        active[one.key] = one
    elif one.level == "NORMAL" and one.key:
        active.pop(one.key, None)
        for key in [key for key, each in active.items() if one.code and each.code == one.code]:
            del active[key]
    else:  # NORMAL without a code, and UNAVAILABLE: none is active
        active.clear()
