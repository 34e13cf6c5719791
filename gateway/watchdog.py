"""The watchdog beats only while every part of the daemon moves, and says which one does not.

What moves is counted, what stands still is found by looks a second apart: a part whose count is the
same at as many looks as `PATIENCE` of systemd's WatchdogSec= has seconds is stuck. Looks, not the
clock: a box that was suspended, or a daemon that was stopped for a while, has moved on at the next.
A part that has nothing to do, or waits for a disk while memory has room, is never stuck.

Two look. The event loop's thread looks at what it runs itself (sealing's beat, buffer, uplink); a
thread of the watchdog's own looks at the threads of the links, at a seal under way, and at the
event loop. Where the loop still turns it ends the daemon in order: what was sampled is saved. Where
it does not, systemd is told to end it now; and a daemon in which no Python runs at all is ended by
WatchdogSec= itself. Either way Python writes the stack of each thread to the journal.

Sources: sd_notify(3), WATCHDOG=trigger (systemd 243); sd_watchdog_enabled(3).
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gateway.messages import advised
from gateway.report.snapshot import Said
from gateway.sysd import Notifier

_log = logging.getLogger(__name__)

#: Seconds between two looks.
LOOK_S = 1.0
#: Share of WatchdogSec= after which the beat stops; the rest is left for saving what was sampled.
PATIENCE = 0.75
#: An event loop that turns has heard so soon that it is to end the daemon.
LOOP_S_MAX = 5 * LOOK_S
#: WatchdogSec= of the unit, where nobody watches.
WATCHDOG_NS = 60 * 10**9


class Part(NamedTuple):
    """Something of the daemon that must move."""

    said: Said
    mark: Callable[[], object]  # changes as it moves; None: it has nothing to do

    @classmethod
    def of(cls, message: str, mark: Callable[[], object]) -> Part:
        return cls(Said(id=message, args={}), mark)


class Looks:
    """One look a second at some parts."""

    def __init__(self, parts: Sequence[Part], watchdog_ns: int | None) -> None:
        self._parts = parts
        self._most = max(2, int(PATIENCE * (watchdog_ns or WATCHDOG_NS) / 1e9 / LOOK_S))
        self._seen: list[tuple[object, int]] = [(None, 0)] * len(parts)

    def look(self) -> Said | None:
        """The first part that is stuck."""
        stuck = None
        for i, part in enumerate(self._parts):
            mark = part.mark()
            before, same = self._seen[i]
            same = same + 1 if mark is not None and mark == before else 0
            self._seen[i] = mark, same
            if same >= self._most and stuck is None:
                stuck = part.said
        return stuck

    @property
    def seconds(self) -> int:
        """For how long a part that is stuck has not moved, at least."""
        return int(self._most * LOOK_S)


class Watchdog:
    """Feeds systemd's watchdog, from a thread of its own, while all parts move."""

    def __init__(
        self, notify: Notifier, lang: str, threads: Sequence[Part], tasks: Sequence[Part]
    ) -> None:
        """`threads`: marks that any thread may ask for; `tasks`: the event loop's."""
        self._notify, self._lang = notify, lang
        loop = Part.of("daemon.part_loop", lambda: self._turns)
        self._threads = Looks([*threads, loop], notify.watchdog_ns)
        self._tasks = Looks(tasks, notify.watchdog_ns)
        self._turns = 0  # of the event loop
        self._stopping = threading.Event()
        self._stuck: list[Said] = []
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """The daemon ends in order: nothing has to move any more."""
        self._stopping.set()

    def look(self) -> Sequence[Said]:
        """The event loop calls it each second; what it is to end the daemon for."""
        self._turns += 1
        if stuck := self._tasks.look():
            self._tell(stuck)
            return [stuck]
        return self._stuck

    def _tell(self, stuck: Said) -> None:
        """Say which part is stuck, with the stacks of all threads. Any thread."""
        args = {"part": stuck, "seconds": self._threads.seconds}
        words = advised("daemon.stuck", self._lang, **args)
        _log.critical("%s", words, extra={"said": "daemon.stuck"})
        faulthandler.dump_traceback(sys.stderr, all_threads=True)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            if (stuck := self._threads.look()) is None:
                self._notify.watchdog()
                continue
            self._tell(stuck)
            self._stuck = [stuck]
            if not self._stopping.wait(LOOP_S_MAX) and not self._notify.bite():
                os.abort()
            return
