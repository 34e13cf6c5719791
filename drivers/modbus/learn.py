"""What a device takes, learned from what it refuses. A state machine without I/O and clock.

Exceptions 1, 2 and 3 (V1.1b3 section 7) refuse a request for good, but seldom say why: a register
in it does not exist, a register between two tags does not, or it asks for too much at once (by the
book 3; meters are known that answer 2). So a request that was refused twice running is cut in two
near its middle, the halves are asked, and so on, until every tag in it was read or was refused by
itself. Then the cause is known:

    a tag was refused by itself        it has a request of its own from now on
    all were read, and registers       those registers: never bridged again (after exception 3, and
    between them are in no answer      if an answer half as long was seen: the length)
    all were read, and every register  the length: no longer request than the longest answered
    longer ones were answered          a border inside the device: the cuts stay

and the cuts go. The device's addresses halve with each step, so that takes at most seven for
registers.

Nothing rests on one event: noise can forge a refusal, so the same request must be refused twice
with no answer between; one that was answered before, `DOUBTS` times, because a device that starts
up refuses everything for a while. What was refused by itself is asked again by whoever scans, every
ten minutes: an answer lifts it. Limits never pass what the configuration allows.

A request that brings no answer is cut like one that was refused: MUTE, where the device answers
others (who scans has seen that more than once); SILENT, where it answers nothing at all. Then the
request may hold a register that it is mute at, or the device is off: what comes to light when one
half is answered.

And nothing is for good: a minute after the last lesson one limit is given up on trial, as it may
have been a passing trouble. Refused at once, it is back, and the next trial waits twice as long, up
to a day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

from drivers.api import DeviceSpec
from drivers.modbus.address import FUNCTION, Range, Space
from drivers.modbus.limits import Limits, limits_of
from drivers.modbus.planner import outermost, plan_device, ranges_by_period
from drivers.modbus.request import Read, reads_of
from drivers.modbus.stretches import Stretches
from drivers.states import MUTE, SILENT

#: Refusals in a row that are believed, and those of a request that was once answered.
BELIEVED = 2
DOUBTS = 10
#: Likewise of requests that were not answered at all.
MUTE_BELIEVED, MUTE_DOUBTS, SILENT_BELIEVED = 1, 3, 4
#: From a lesson to the first trial whether it still holds, and the most.
TRIAL_NS, TRIAL_NS_MAX = 60 * 10**9, 24 * 3600 * 10**9

_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE = 1, 2, 3
#: How often each must be said of a request that was never answered, and of one that was.
_BELIEVED = {
    **dict.fromkeys((_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE), (BELIEVED, DOUBTS)),
    MUTE: (MUTE_BELIEVED, MUTE_DOUBTS),
    SILENT: (SILENT_BELIEVED, DOUBTS),
}
_SPACE: Mapping[int, Space] = {function: space for space, function in FUNCTION.items()}


class _Trial(NamedTuple):
    """What was known, and asked, before a limit was given up on trial."""

    limits: Limits
    first: Limits
    too_long: set[Read]
    asked: set[Read]


class Learner:
    """Limits of one device. `limits.revision` rises whenever its groups must be planned anew."""

    def __init__(self, device: DeviceSpec, kept: Mapping[str, Any] | None = None) -> None:
        """`kept` is `limits.to_json()` of an earlier run; raises as `limits_of` does."""
        self.limits = limits_of(device, kept)
        self._device = device
        self._first = self.limits
        self._declared = limits_of(device)
        self._groups = ranges_by_period(device)
        self._refusals: dict[Read, int] = {}
        self._answered: set[Read] = set()
        self._readable = Stretches()
        self._open: dict[Read, int] = {}  # refused, why is not known yet; its exception
        self._too_long: set[Read] = set()
        self._unheard: set[Read] = set()
        self._asked: set[Read] = set()
        self._trial: _Trial | None = None
        self._trial_at = 0
        self._trial_wait = TRIAL_NS
        self._expect()

    @property
    def curious(self) -> bool:
        """Whether `answered` can still teach something: until then it must be told."""
        return bool(self._unheard or self._refusals or self._open or self.limits.refused)

    def answered(self, request: Read) -> None:
        """The device answered this request well."""
        self._refusals.pop(request, None)
        self._unheard.discard(request)
        if self._trial and request in self._asked - self._trial.asked:
            self._trial, self._trial_wait, self._trial_at = None, TRIAL_NS, 0
        known = request in self._answered
        if known and not self._open and not self.limits.refused:
            return
        self._answered.add(request)
        self._readable.add(_range(request))
        self._too_long = {
            r for r in self._too_long if _kind(r) != _kind(request) or r.count > request.count
        }
        whole = _range(request)
        self._change(
            refused=[r for r in self.limits.refused if r != whole],
            holes=[
                h for h in self.limits.holes if h in self._declared.holes or not whole.covers(h)
            ],
        )
        self._conclude()

    def refused(self, request: Read, exception: int) -> None:
        """The device answered it with an exception, or not at all; exceptions but 1, 2 and 3 teach
        nothing.
        """
        if exception not in _BELIEVED or self._is_stale(request):
            return
        if self._trial and request in self._asked - self._trial.asked:
            self._give_up_trial(self._trial)
            return
        times = self._refusals[request] = self._refusals.get(request, 0) + 1
        before = any(_range(r).covers(_range(request)) for r in self._answered)
        if times < _BELIEVED[exception][before]:
            return
        del self._refusals[request]
        self._forget(request)
        row = self._row(request)
        cut = _middle(request, row)
        if exception == SILENT and cut is None:
            return  # one tag: nothing tells it from a device that is off
        if exception == _ILLEGAL_FUNCTION:
            self._set_aside(r for rows in self._groups for r in rows if _of(request, r))
        elif cut is None:
            self._set_aside(row or [_range(request)])
        else:
            self._open[request] = exception
            self._change(cuts=[*self.limits.cuts, (_SPACE[request.function], cut)])
        self._conclude()

    def reconsider(self, now_ns: int) -> None:
        """Now and then: try whether a limit still holds."""
        if self._trial or self._open:
            return
        learned = [h for h in self.limits.holes if h not in self._declared.holes]
        most = (self.limits.max_registers, self.limits.max_bits)
        allowed = (self._declared.max_registers, self._declared.max_bits)
        if not learned and most == allowed:
            self._trial_at = 0
            return
        if self._trial_at == 0:
            self._trial_at = now_ns + self._trial_wait
        if now_ns < self._trial_at:
            return
        trial = _Trial(self.limits, self._first, set(self._too_long), self._asked)
        if most != allowed:
            most = (min(2 * most[0], allowed[0]), min(2 * most[1], allowed[1]))
            self._first = replace(self._first, max_registers=most[0], max_bits=most[1])
            self._too_long.clear()
            self._change(most=most)
        else:
            self._change(holes=[h for h in self.limits.holes if h != learned[0]])
        self._trial_at = 0
        if self._asked != trial.asked:  # else nothing rests on that limit
            self._trial = trial

    def _give_up_trial(self, trial: _Trial) -> None:
        self._first, self._too_long, self._trial = trial.first, trial.too_long, None
        self._trial_wait = min(2 * self._trial_wait, TRIAL_NS_MAX)
        self._change(
            holes=trial.limits.holes,
            most=(trial.limits.max_registers, trial.limits.max_bits),
        )

    def said(self) -> list[dict[str, Any]]:
        """What was learned, as messages."""
        told: list[dict[str, Any]] = []
        if self.limits.max_registers < self._declared.max_registers:
            args = {"count": self.limits.max_registers}
            told.append({"id": "learned.max_registers", "args": args})
        for hole in (*self.limits.holes, *self.limits.refused):
            if hole not in self._declared.holes:
                args2 = {"first": f"{hole.space}:{hole.first}", "last": hole.last}
                told.append({"id": "learned.hole", "args": args2})
        return told

    def _is_stale(self, request: Read) -> bool:
        """Whether it belongs to a plan of before: it spans a cut, or a hole and more."""
        whole = _range(request)
        if any(r.meets(whole) and r != whole for r in self.limits.refused):
            return not any(whole in rows for rows in self._groups)
        cuts = (at for space, at in self.limits.cuts if space == whole.space)
        return any(whole.first < at <= whole.last for at in cuts) and len(self._row(request)) > 1

    def _row(self, request: Read) -> list[Range]:
        """The tags that the request was made for: those of the first group that it fits exactly."""
        whole = _range(request)
        for rows in self._groups:
            inside = outermost([r for r in rows if whole.covers(r)])
            if inside and inside[0].first == whole.first and inside[-1].last == whole.last:
                return inside
        return []

    def _set_aside(self, ranges: Iterable[Range]) -> None:
        self._change(refused=[*self.limits.refused, *ranges])

    def _forget(self, request: Read) -> None:
        """What was answered there before may be true no longer."""
        whole = _range(request)
        self._answered = {r for r in self._answered if not _range(r).covers(whole)}
        self._readable.remove(whole)

    def _conclude(self) -> None:
        """Find the cause of each refusal whose tags were all read or refused by themselves."""
        for request in sorted(self._open, key=lambda r: r.count):
            if all(self._settled(tag) for tag in self._row(request)):
                self._explain(request, self._open.pop(request))
        self._change(most=self._longest_allowed())

    def _settled(self, tag: Range) -> bool:
        return self._readable.hold(tag) or any(r.meets(tag) for r in self.limits.refused)

    def _explain(self, request: Read, exception: int) -> None:
        whole = _range(request)
        limits = self.limits
        inside = [(s, at) for s, at in limits.cuts if s == whole.space and _within(at, whole)]
        unseen = self._readable.missing(whole)
        longest = self._longest_answer(request)
        explained = any(h.meets(whole) for h in (*limits.holes, *limits.refused)) or any(
            whole.covers(_range(r)) for r in self._too_long
        )
        if explained or (exception == SILENT and not unseen):
            pass
        elif unseen and not (
            exception == _ILLEGAL_VALUE and longest < request.count <= 2 * longest
        ):
            self._change(holes=[*limits.holes, *unseen])
        elif longest >= request.count:
            return  # a border that must not be crossed: its cuts stay
        else:
            self._too_long.add(request)
        self._change(cuts=[cut for cut in self.limits.cuts if cut not in inside])

    def _longest_answer(self, like: Read) -> int:
        return max((r.count for r in self._answered if _kind(r) == _kind(like)), default=1)

    def _longest_allowed(self) -> tuple[int, int]:
        """Registers and bits: the longest answer below each request that was too long."""
        most = {True: self._first.max_registers, False: self._first.max_bits}
        holes = (*self.limits.holes, *self.limits.refused)
        for long in self._too_long:
            if not any(hole.meets(_range(long)) for hole in holes):
                shorter = (r.count for r in self._answered if _kind(r) == _kind(long))
                fits = max((count for count in shorter if count < long.count), default=1)
                most[_kind(long)] = min(most[_kind(long)], fits)
        return most[True], most[False]

    def _change(
        self,
        *,
        refused: Iterable[Range] | None = None,
        holes: Iterable[Range] | None = None,
        cuts: Iterable[tuple[str, int]] | None = None,
        most: tuple[int, int] | None = None,
    ) -> None:
        old = self.limits
        new = replace(
            old,
            refused=old.refused if refused is None else tuple(sorted(set(refused))),
            holes=old.holes if holes is None else tuple(sorted(set(holes))),
            cuts=old.cuts if cuts is None else tuple(sorted(set(cuts))),
            max_registers=old.max_registers if most is None else most[0],
            max_bits=old.max_bits if most is None else most[1],
        )
        if new != old:
            self.limits = replace(new, revision=old.revision + 1)
            self._expect()

    def _expect(self) -> None:
        plan = plan_device(self._device, self.limits)
        self._asked = {read for group in plan.groups for read in reads_of(group)}
        self._unheard = self._asked - self._answered


def _range(request: Read) -> Range:
    return Range(_SPACE[request.function], request.address, request.address + request.count - 1)


def _kind(request: Read) -> bool:
    """True for registers, False for bits: each kind has a limit of its own."""
    return request.function in (3, 4)


def _of(request: Read, tag: Range) -> bool:
    return FUNCTION[tag.space] == request.function


def _within(cut: int, whole: Range) -> bool:
    return whole.first < cut <= whole.last


def _middle(request: Read, row: Sequence[Range]) -> int | None:
    """Where to cut: between two tags, near the middle; rather where nothing lies between them,
    because halves that are then both answered prove that the length was the cause.
    """
    half = request.address + request.count / 2
    places = [(right.first, right.first - left.last > 1) for left, right in pairwise(row)
              if left.last < right.first]  # fmt: skip
    if not places:
        return None
    near = [p for p in places if abs(p[0] - half) <= request.count / 4]
    return min(near or places, key=lambda p: (bool(near) and p[1], abs(p[0] - half)))[0]
