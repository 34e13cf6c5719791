"""An event loop in virtual time: a day passes in seconds, and waiting for nothing is an error."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class DeadlockError(AssertionError):
    """Every task waits, and no timer will ever ring."""


class _Selector(selectors.SelectSelector):
    """Never waits: it moves the loop's clock to the next timer."""

    loop: VirtualLoop
    files = 0  # that are waited for; the first is what wakes the loop from other threads

    def register(self, *args: Any) -> selectors.SelectorKey:
        self.files += 1
        return super().register(*args)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        self.files -= 1
        return super().unregister(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.files > 1:
            ready = super().select(0)
            if ready:
                return ready
        if timeout == 0:
            return []
        if timeout is None:
            raise DeadlockError("nothing is due, ever")
        self.loop.now_s += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """`now_s` is what `time()` says."""

    def __init__(self) -> None:
        self.now_s = 0.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now_s


class VirtualClock:
    """A Clock on the running virtual loop. UTC may be set apart from boot time, to step it."""

    def __init__(
        self, boot_id: str = "boot-1", utc_at_boot_ns: int = 1_790_000_000 * 10**9
    ) -> None:
        self._boot_id = boot_id
        self.utc_at_boot_ns = utc_at_boot_ns
        self._loop = asyncio.get_running_loop()
        self._booted_ns = round(self._loop.time() * 1e9)

    def now_ns(self) -> int:
        return round(self._loop.time() * 1e9) - self._booted_ns

    def utc_ns(self) -> int:
        return self.utc_at_boot_ns + self.now_ns()

    @property
    def boot_id(self) -> str:
        return self._boot_id

    async def sleep_until(self, boot_ns: int) -> None:
        left_ns = boot_ns - self.now_ns()
        if left_ns <= 0:
            return
        rung = self._loop.create_future()
        # A microsecond more, so that rounding never wakes before the time.
        timer = self._loop.call_later(left_ns / 1e9 + 1e-6, rung.set_result, None)
        try:
            await rung
        finally:
            timer.cancel()


async def inline(function: Callable[[], object]) -> object:
    """RunBlocking without a thread."""
    return function()


def run(main: Coroutine[Any, Any, T]) -> T:
    """asyncio.run in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


async def passed(ns: int) -> None:
    """When so much time has passed."""
    clock = VirtualClock()
    await clock.sleep_until(clock.now_ns() + ns)
