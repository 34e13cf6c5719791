"""Threads for calls that may never come back: a disk that hangs must not hang the daemon.

Python waits for the threads of its own pools when the process ends, so one call into a dead disk
would keep a stop from ending. These are nobody's to wait for.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress

_Call = tuple[asyncio.AbstractEventLoop, "asyncio.Future[object]", Callable[[], object]]


class Threads:
    """`count` threads that work off what they are given, in order. A `RunBlocking`."""

    def __init__(self, name: str, count: int) -> None:
        self._calls: queue.SimpleQueue[_Call] = queue.SimpleQueue()
        for number in range(count):
            thread = threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            thread.start()

    async def __call__(self, call: Callable[[], object]) -> object:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[object] = loop.create_future()
        self._calls.put((loop, done, call))
        return await done

    def _work(self) -> None:
        while True:
            loop, done, call = self._calls.get()
            result: object = None
            failed: BaseException | None = None
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 - it is raised where it was called from
                failed = error
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_tell, done, result, failed)
            del loop, done, call, result, failed  # nothing is held while it waits


def _tell(done: asyncio.Future[object], result: object, failed: BaseException | None) -> None:
    if done.done():  # cancelled meanwhile
        return
    if failed is None:
        done.set_result(result)
    else:
        done.set_exception(failed)
