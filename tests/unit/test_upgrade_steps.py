"""An upgrade in virtual time, cut short at each of its steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest

from gateway.upgrade.steps import (
    RESTORES_MAX,
    WATCH_S,
    WATCHES_MAX,
    Before,
    Health,
    Upgrade,
    carry_on,
)

WELL = Before(running=True, scanning=True, acknowledged=True, buffer_ok=True)
#: What the new version's daemon says after so many seconds.
Daemon = Callable[[float], Health | None]


class PowerCutError(Exception):
    """The process is gone; what was saved is not."""


def healthy(after_s: float) -> Health | None:
    if after_s < 4:
        return None
    return Health(pid=7, scans=int(after_s * 10), acked=int(after_s * 9), buffer_ok=True)


class Box:
    """A box whose power goes at the call with a given number; `runs` are its processes so far."""

    def __init__(self, daemon: Daemon, *, before: Before = WELL, refuses: str = "") -> None:
        self.kept = Upgrade("install", "1.0", "1.1", before)
        self.installed = "old"
        self.refuses = refuses  # "new", "old": what dpkg does not install
        self.cut_at: set[int] = set()
        self.calls = 0
        self.runs = 0
        self._daemon = daemon
        self._now_s = 1000.0
        self._started_s = 0.0

    def run(self) -> Upgrade:
        """To the end, through every power cut."""
        while True:
            self.runs += 1
            try:
                return carry_on(self)
            except PowerCutError:
                self._now_s += 60
                self._started_s = self._now_s  # the daemon starts at boot, too

    def _call(self) -> None:
        self.calls += 1
        if self.calls in self.cut_at:
            raise PowerCutError

    def load(self) -> Upgrade:
        return self.kept

    def save(self, upgrade: Upgrade) -> None:
        self._call()  # before it is durable
        self.kept = upgrade
        self._call()  # and after

    def install(self, which: Literal["new", "old"]) -> str:
        self._call()
        if which in self.refuses:
            return "dpkg: error"
        self.installed = which
        self._started_s = self._now_s
        self._call()
        return ""

    def probe(self) -> Health | None:
        self._call()
        return self._daemon(self._now_s - self._started_s)

    def now_s(self) -> float:
        return self._now_s

    def wait(self, seconds: float) -> None:
        self._call()
        self._now_s += seconds


def frozen(after_s: float) -> Health | None:
    return Health(pid=7, scans=5, acked=5, buffer_ok=True)


def crashing(after_s: float) -> Health | None:
    return replace(frozen(0.0), pid=int(after_s // 20), scans=int(after_s))


def unacknowledged(after_s: float) -> Health | None:
    return Health(pid=7, scans=int(after_s), acked=0, buffer_ok=True)


def unwritten(after_s: float) -> Health | None:
    return Health(pid=7, scans=int(after_s), acked=int(after_s), buffer_ok=False)


def test_new_version_when_healthy_then_confirmed_after_its_watch() -> None:
    box = Box(healthy)
    begun_s = box.now_s()
    assert box.run().step == "confirmed"
    assert box.installed == "new"
    assert WATCH_S <= box.now_s() - begun_s < WATCH_S + 10


@pytest.mark.parametrize(
    ("daemon", "why"),
    [
        (lambda after_s: None, "upgrade.silent"),
        (lambda after_s: healthy(after_s) if after_s < 60 else None, "upgrade.silent"),
        (crashing, "upgrade.restarts"),
        (frozen, "upgrade.not_scanning"),
        (unwritten, "upgrade.not_writing"),
        (unacknowledged, "upgrade.not_acknowledged"),
    ],
)
def test_new_version_when_it_is_not_well_then_the_old_one_is_put_back(
    daemon: Daemon, why: str
) -> None:
    box = Box(daemon)
    upgrade = box.run()
    assert (upgrade.step, upgrade.why, box.installed) == ("undone", why, "old")


def test_box_when_busy_and_a_question_stays_unanswered_then_confirmed() -> None:
    box = Box(lambda after_s: None if after_s % 15 < 5 else healthy(after_s))
    assert box.run().step == "confirmed"


@pytest.mark.parametrize(
    ("daemon", "before"),
    [
        (frozen, replace(WELL, scanning=False)),
        (unwritten, replace(WELL, buffer_ok=False)),
        (unacknowledged, replace(WELL, acknowledged=False)),
    ],
)
def test_new_version_when_the_old_one_did_no_better_then_confirmed(
    daemon: Daemon, before: Before
) -> None:
    assert Box(daemon, before=before).run().step == "confirmed"


def test_new_version_when_the_daemon_was_stopped_then_confirmed_without_a_watch() -> None:
    box = Box(lambda after_s: None, before=Before(False, False, False, False))
    assert box.run().step == "confirmed"
    assert box.now_s() == 1000.0


def test_new_version_when_dpkg_refuses_it_then_the_old_one_is_put_back() -> None:
    box = Box(healthy, refuses="new")
    upgrade = box.run()
    assert (upgrade.step, upgrade.why) == ("undone", "upgrade.not_installed")
    assert upgrade.detail == "dpkg: error"


def test_old_version_when_dpkg_refuses_it_too_then_tried_again_and_told() -> None:
    box = Box(healthy, refuses="new old")
    upgrade = box.run()
    assert (upgrade.step, upgrade.restores) == ("stuck", RESTORES_MAX)


def calls_of(daemon: Daemon) -> int:
    box = Box(daemon)
    box.run()
    return box.calls


@pytest.mark.parametrize(("daemon", "end"), [(healthy, "confirmed"), (frozen, "undone")])
def test_power_when_cut_once_at_any_moment_then_the_same_end(daemon: Daemon, end: str) -> None:
    for call in range(1, calls_of(daemon) + 1):
        box = Box(daemon)
        box.cut_at = {call}
        upgrade = box.run()
        assert box.runs == 2, call
        assert upgrade.step == end, call
        assert box.installed == ("new" if end == "confirmed" else "old"), call


def test_power_when_it_is_cut_in_every_watch_then_the_old_version_is_put_back() -> None:
    """A new version that takes the whole box down with it."""
    box = Box(healthy)
    box.cut_at = {12 + 30 * number for number in range(WATCHES_MAX)}
    upgrade = box.run()
    assert (upgrade.step, upgrade.why) == ("undone", "upgrade.cut_short")
    assert box.installed == "old"
