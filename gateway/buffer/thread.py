"""The disk's thread, as the event loop calls it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from gateway.ports import RunBlocking

_T = TypeVar("_T")


class DiskThread:
    """Call it with what the disk is to do."""

    def __init__(self, run_blocking: RunBlocking) -> None:
        self._run_blocking = run_blocking

    async def __call__(self, function: Callable[[], _T]) -> _T:
        """Run `function` in the disk's thread; if cancelled, only after it has ended there."""
        result: list[_T] = []
        call = asyncio.ensure_future(self._run_blocking(lambda: result.append(function())))
        try:
            await asyncio.shield(call)
        except asyncio.CancelledError:
            await asyncio.wait([call])
            raise
        return result[0]
