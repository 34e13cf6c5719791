"""The disk's threads, as the event loop calls them; and what the disk fails to read: asked again
later, or gone for good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import TypeVar

from gateway.buffer.segment import MEDIUM_ERRORS
from gateway.ports import Clock, RunBlocking

#: What the medium fails to read so often counts as damaged; each time this long after the one
#: before, however often it is tried meanwhile: a card may refuse everything while it is reset.
READ_FAILURES_MAX, APART_NS = 3, 60 * 10**9


_T = TypeVar("_T")


class DiskThread:
    """Call it with what the disk is to do."""

    def __init__(self, run_blocking: RunBlocking, clock: Clock) -> None:
        self._run_blocking, self._clock = run_blocking, clock
        self._begun_ns: dict[int, int] = {}
        self._number = 0

    async def __call__(self, function: Callable[[], _T]) -> _T:
        """Run `function` in a thread; if cancelled, only after it has ended there."""
        result: list[_T] = []
        self._number += 1
        number = self._number
        self._begun_ns[number] = self._clock.now_ns()
        call = asyncio.ensure_future(self._run_blocking(lambda: result.append(function())))
        try:
            await asyncio.shield(call)
        except asyncio.CancelledError:
            await asyncio.wait([call])
            raise
        finally:
            del self._begun_ns[number]
        return result[0]

    def waits_ns(self) -> int:
        """For how long the disk has not answered; 0: nothing is asked of it."""
        oldest = min(self._begun_ns.values(), default=None)
        return 0 if oldest is None else self._clock.now_ns() - oldest


class Failures:
    """How often each thing, by its name, could not be read."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: dict[Hashable, tuple[int, int]] = {}  # how often, and when last

    def is_gone(self, name: Hashable, error: OSError) -> bool:
        """Count one more failure, if it is one; whether that was the last."""
        if isinstance(error, FileNotFoundError):  # somebody else removed it: as good as damaged
            return True
        if error.errno not in MEDIUM_ERRORS:
            return False
        now_ns = self._clock.now_ns()
        count, last_ns = self._failed.get(name, (0, 0))
        if count == 0 or now_ns - last_ns >= APART_NS:
            count += 1
            self._failed[name] = count, now_ns
        return count >= READ_FAILURES_MAX

    def forget(self, name: Hashable) -> None:
        """It was read, or is gone."""
        self._failed.pop(name, None)
