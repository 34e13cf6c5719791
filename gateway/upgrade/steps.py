"""What comes next in an upgrade. Sans-IO: `carry_on` is given the world."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

#: How long the new version is watched, how often it is asked, and how long it must have been well
#: at the end.
WATCH_S = 120.0
PROBE_S = 5.0
STEADY_S = 60.0
#: A daemon that answered so lately is there: a busy box may leave one question unanswered.
SILENT_S = 20.0
#: Watches that a power cut, or a crash of the whole box, may cut short: then it is put back.
WATCHES_MAX = 3
#: Tries to put the old version back, one a minute.
RESTORES_MAX = 3
RESTORE_AGAIN_S = 60.0

Step = Literal["install", "watch", "watching", "restore", "confirmed", "undone", "stuck"]
ENDS: frozenset[Step] = frozenset({"confirmed", "undone", "stuck"})


@dataclass(frozen=True, slots=True)
class Health:
    """What a daemon says of itself."""

    pid: int
    scans: int  # taken since its start
    acked: int  # of them, those that the platform has acknowledged
    buffer_ok: bool


@dataclass(frozen=True, slots=True)
class Before:
    """How it was: no more is asked of the new version."""

    running: bool
    scanning: bool
    acknowledged: bool
    buffer_ok: bool


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What is kept on the disk."""

    step: Step
    old: str
    new: str
    before: Before
    watches: int = 0
    restores: int = 0
    why: str = ""  # what was wrong with the new version: an id of gateway/messages
    detail: str = ""  # what a program said


class World(Protocol):
    def load(self) -> Upgrade: ...

    def save(self, upgrade: Upgrade) -> None:
        """Durable when it returns."""

    def install(self, which: Literal["new", "old"]) -> str:
        """Install it, and start the daemon if it ran before. What went wrong, or ""."""

    def probe(self) -> Health | None:
        """None: no answer."""

    def now_s(self) -> float:
        """On a clock that never steps."""

    def wait(self, seconds: float) -> None: ...


def carry_on(world: World) -> Upgrade:
    """Go on from the step that is kept, to an end."""
    upgrade = world.load()
    if upgrade.step == "watching":  # the process that watched was cut short
        upgrade = replace(upgrade, step="watch")
    while upgrade.step not in ENDS:
        upgrade = _next(world, upgrade)
        world.save(upgrade)
    return upgrade


def _next(world: World, upgrade: Upgrade) -> Upgrade:
    if upgrade.step == "install":
        if detail := world.install("new"):
            return replace(upgrade, step="restore", why="upgrade.not_installed", detail=detail)
        return replace(upgrade, step="watch" if upgrade.before.running else "confirmed")
    if upgrade.step == "watch":
        if upgrade.watches >= WATCHES_MAX:
            return replace(upgrade, step="restore", why="upgrade.cut_short")
        return replace(upgrade, step="watching", watches=upgrade.watches + 1)
    if upgrade.step == "watching":
        if why := _wrong(world, upgrade.before):
            return replace(upgrade, step="restore", why=why)
        return replace(upgrade, step="confirmed")
    if upgrade.restores:
        world.wait(RESTORE_AGAIN_S)
    if not (detail := world.install("old")):
        return replace(upgrade, step="undone")
    tries = upgrade.restores + 1
    return replace(
        upgrade, step="stuck" if tries >= RESTORES_MAX else "restore", restores=tries, detail=detail
    )


def _wrong(world: World, before: Before) -> str:
    """What is wrong with the new version after its watch; "" where it is as well as the old one."""
    end_s = world.now_s() + WATCH_S
    first: Health | None = None  # of the process that runs now
    last: Health | None = None
    since_s = heard_s = 0.0  # when those two were said
    while (now_s := world.now_s()) < end_s:
        if (said := world.probe()) is not None:
            if first is None or first.pid != said.pid:
                first, since_s = said, now_s
            last, heard_s = said, now_s
        world.wait(PROBE_S)
    if first is None or last is None or end_s - heard_s > SILENT_S:
        return "upgrade.silent"
    if end_s - since_s < STEADY_S:
        return "upgrade.restarts"
    if before.scanning and last.scans <= first.scans:
        return "upgrade.not_scanning"
    if before.buffer_ok and not last.buffer_ok:
        return "upgrade.not_writing"
    if before.acknowledged and last.acked == 0:
        return "upgrade.not_acknowledged"
    return ""
