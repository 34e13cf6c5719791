"""The ticks of `_box`. What is read is read in a thread of its own: a disk that dies may hang it
for ever, and no tick, no watchdog and no stop waits for that.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from drivers.api import DevicePlan, OpenedLinks
from drivers.box.health import Health
from drivers.box.tags import Value
from drivers.host.newest import newest
from drivers.host.values import encode, size_of
from drivers.phases import phase_of
from drivers.quality import (
    BAD_NO_ANSWER,
    BAD_NO_VALUE,
    GAP_DEVICE_SILENT,
    GAP_OVERRUN,
    GOOD,
)
from native.rows.group import Group, Pool

_log = logging.getLogger(__name__)

#: What is read has so long, or half a period if that is less; D-Bus takes some of it.
_ANSWER_S_MAX = 15.0
#: A look at whether it is time to stop.
_LOOK_S = 1.0

Reading = Callable[[], Mapping[str, Value]]


def now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class BoxRunner:
    """The `Runner` of the device. `read`: each value that there is; it may hang, and raises
    nothing that is foreseen.
    """

    def __init__(self, plan: DevicePlan, group: Group, read: Reading) -> None:
        self._plan, self._group, self._read = plan, group, read
        (self._asked,) = plan.groups
        self._stopping = threading.Event()
        self._wanted, self._there = threading.Event(), threading.Event()
        self._values: Mapping[str, Value] | None = None
        self._is_asked = False  # and it has not answered yet
        self._silent = False
        self._since_ns = self._good_ns = self._answer_ns = self._slowest_ns = 0
        self._start_ns = 0
        self.turns = 0

    def run(self) -> None:
        threading.Thread(target=self._reading, name="box", daemon=True).start()
        period_ns = self._asked.period_ns
        self._since_ns = now_ns()
        self._start_ns = self._since_ns + phase_of(self._plan)
        self._group.start(self._start_ns)
        tick = 0
        while self._wait_until(self._start_ns + tick * period_ns):
            if (late := self._newest()) > tick:  # the box slept
                self._group.skip(late, GAP_OVERRUN)
                tick = late
            self._scan(tick, min(_ANSWER_S_MAX, period_ns / 2e9))
            tick += 1
        self._group.skip(max(tick, self._newest() + 1), GAP_OVERRUN)
        self._wanted.set()  # its thread ends

    def _newest(self) -> int:
        """The newest tick that is due; -1 before the first."""
        return (now_ns() - self._start_ns) // self._asked.period_ns

    def _wait_until(self, due_ns: int) -> bool:
        """False: it is time to stop."""
        while (left_ns := due_ns - now_ns()) > 0:
            self.turns += 1
            if self._stopping.wait(min(left_ns / 1e9, _LOOK_S)):
                return False
        self.turns += 1
        return not self._stopping.is_set()

    def _scan(self, tick: int, within_s: float) -> None:
        begun_ns = now_ns()
        values = self._answer(within_s)
        ended_ns = now_ns()
        if values is None:
            if self._stopping.is_set():
                self._group.skip(tick + 1, GAP_OVERRUN)
            else:
                self._unanswered(tick, begun_ns)
            return
        if self._silent:
            self._silent, self._since_ns = False, ended_ns
        status, data = bytearray(), b""
        for tag in self._asked.tags:
            quality, made = BAD_NO_VALUE, bytes(size_of(tag))
            if tag.name in values:
                quality, made = encode(tag, values[tag.name])
            status.append(quality)
            data += made
        took_ns = ended_ns - begun_ns
        self._answer_ns, self._slowest_ns = took_ns, max(self._slowest_ns, took_ns)
        self._good_ns = ended_ns if GOOD in status else self._good_ns
        half_us = min(took_ns // 2000, (1 << 32) - 1)
        self._group.push(tick, begun_ns + took_ns // 2, half_us, bytes(status), data)

    def _unanswered(self, tick: int, at_ns: int) -> None:
        """The first tick of a silence is a row, so that no old value stands as new; those behind
        it are a gap.
        """
        if self._silent:
            self._group.skip(tick + 1, GAP_DEVICE_SILENT)
            return
        self._silent, self._since_ns = True, at_ns
        data = bytes(sum(map(size_of, self._asked.tags)))
        status = bytes([BAD_NO_ANSWER]) * len(self._asked.tags)
        self._group.push(tick, at_ns, 0, status, data)

    def _answer(self, within_s: float) -> Mapping[str, Value] | None:
        """What was read; None: nothing within that time, or the thread still hangs."""
        if not self._is_asked or self._there.is_set():  # what came too late is old by now
            self._there.clear()
            self._is_asked = True
            self._wanted.set()
        until = time.monotonic() + within_s
        while (left := until - time.monotonic()) > 0 and not self._stopping.is_set():
            self.turns += 1
            if self._there.wait(min(left, _LOOK_S)):
                self._is_asked = False
                return self._values
        return None

    def _reading(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._stopping.is_set():
                return
            try:
                self._values = self._read()
            except (OSError, LookupError, TypeError, ValueError, ArithmeticError):
                _log.exception("the box's own state can't be read")
                self._values = None
            self._there.set()

    def stop(self) -> None:
        self._stopping.set()

    def links(self) -> list[dict[str, Any]]:
        spec = self._plan.spec.link
        zero = dict.fromkeys(_COUNTED, 0)
        return [
            {
                "name": spec.name, "type": spec.type, "target": "-", "state": "up", "cause": None,
                "since_s": self._age_s(self._start_ns), "devices": 1, "in_flight": 1,
                "in_flight_learned": False, "listen_only": False, **zero, "busy_share": 0.0,
                "line_errors": None, "warnings": [],
            }
        ]  # fmt: skip

    def devices(self, brief: bool = False) -> list[dict[str, Any]]:
        spec = self._plan.spec
        state = "silent" if self._silent else "good" if self._good_ns else "starting"
        return [
            {
                "name": spec.name, "link": spec.link.name, "unit": None, "line": False,
                "driver": spec.driver, "profile": "", "state": state,
                "cause": {"id": "box.hangs", "args": {}} if self._silent else None,
                "since_s": self._age_s(self._since_ns),
                "last_good_s": self._age_s(self._good_ns) if self._good_ns else None,
                "answer_us": {"p50": self._answer_ns // 1000, "max": self._slowest_ns // 1000},
                "requests": 0, "timeouts": 0, "damaged": 0, "exceptions": 0,
                "timeout_us": int(_ANSWER_S_MAX * 1e6), "learned": [],
                "groups": [] if brief else [self._group.snapshot()],
            }
        ]  # fmt: skip

    @staticmethod
    def _age_s(since_ns: int) -> float:
        return max(0.0, (now_ns() - since_ns) / 1e9) if since_ns else 0.0

    def learn(self) -> None:
        """There is nothing to learn."""

    def lookups(self) -> list[Callable[[], object]]:
        return []


_COUNTED = (
    "requests", "answers", "timeouts", "damaged", "wrong", "late", "exceptions", "retries",
    "reconnects", "bytes_in", "bytes_out",
)  # fmt: skip
_ABSENT = {BAD_NO_VALUE: "box.absent"}


def _reader(buffer: Path, *, radio: bool) -> Reading:
    health = Health(buffer)
    if not radio:
        return health.read
    from drivers.box.radio import Radio  # here: D-Bus takes memory where it is used only

    modem = Radio()
    return lambda: {**health.read(), **modem.read()}


def open_box(plan: DevicePlan, number: int, pool: Pool | None) -> OpenedLinks:
    """What `BoxDriver.open` returns."""
    (asked,) = plan.groups
    group = Group(number, asked, Pool() if pool is None else pool)
    own = dict(plan.spec.own)
    runner = BoxRunner(plan, group, _reader(Path(own["buffer"]), radio=own["radio"]))
    return OpenedLinks(
        runners=(runner,),
        groups=(group,),
        latest=lambda device: newest([group], _ABSENT),
        learned=dict,
        know_utc=lambda ahead_ns: None,
    )
