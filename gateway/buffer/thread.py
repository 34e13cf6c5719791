"""The disk's threads, as the event loop calls them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from gateway.ports import Clock, RunBlocking

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
