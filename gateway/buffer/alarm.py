"""Waiting for a time or for a call, whichever comes first, on a clock that is a parameter."""

from __future__ import annotations

import asyncio

from gateway.ports import Clock


class Alarm:
    """One task waits, any code of the same event loop rings. A ring is never lost."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, until_ns: int | None) -> None:
        """Return when rung, or at `until_ns` on the boot clock (None: only when rung)."""
        if until_ns is None:
            await self._rung.wait()
        elif not self._rung.is_set() and until_ns > self._clock.now_ns():
            sleep = asyncio.ensure_future(self._clock.sleep_until(until_ns))
            sleep.add_done_callback(self._slept)
            try:
                await self._rung.wait()
            finally:
                sleep.cancel()
        self._rung.clear()

    def _slept(self, sleep: asyncio.Task[None]) -> None:
        if not sleep.cancelled():
            self._rung.set()
