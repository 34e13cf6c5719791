"""Threads for calls that may never come back: a disk that hangs must not hang what computes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


class Threads:
    """`count` threads that work off what they are given, in order. A `RunBlocking`."""

    def __init__(self, name: str, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def __call__(self, call: Callable[[], object]) -> object:
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)
