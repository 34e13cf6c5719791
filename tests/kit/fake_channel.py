"""A channel in memory: ordered, delayed, breakable, and sometimes late.

A broken stream tells the box, but what was on its way up may still reach the platform: the source
of most duplicates.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from gateway.ports import ChannelError


class Peer(Protocol):
    """The platform's end of one stream. `reply` is given to it when it is made."""

    def receive(self, message: bytes) -> None: ...


class FakeStream:
    """Both directions; `delay_s` is the time of one way."""

    def __init__(self, delay_s: float, rng: random.Random, carry: Callable[[int], None]) -> None:
        """`carry` hears the size of each message that is sent, in both directions."""
        self._delay_s, self._rng, self._carry = delay_s, rng, carry
        self._down: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._up_s = self._down_s = 0.0
        self._broken = self._lost = False
        self.stalled = False  # half-open: nothing arrives, nobody is told
        self.peer: Peer | None = None

    async def send(self, message: bytes) -> None:
        self._check()
        self._carry(len(message))
        loop = asyncio.get_running_loop()
        self._up_s = max(self._up_s, loop.time()) + self._rng.random() * 1e-3
        loop.call_at(self._up_s + self._delay_s, self._arrive, message)

    def _arrive(self, message: bytes) -> None:
        # What arrives is a prefix: after one message was lost no later one arrives.
        self._lost = self._lost or self.stalled or (self._broken and self._rng.random() < 0.3)
        if self.peer is not None and not self._lost:
            self.peer.receive(message)

    def reply(self, message: bytes) -> None:
        """The platform's side."""
        self._carry(len(message))
        loop = asyncio.get_running_loop()
        self._down_s = max(self._down_s, loop.time()) + self._rng.random() * 1e-3
        loop.call_at(self._down_s + self._delay_s, self._deliver, message)

    def _deliver(self, message: bytes) -> None:
        if not self._broken and not self.stalled:
            self._down.put_nowait(message)

    async def messages(self) -> AsyncIterator[bytes]:
        while (message := await self._down.get()) is not None:
            yield message
        self._check()

    @property
    def is_broken(self) -> bool:
        return self._broken

    def break_(self) -> None:
        """The connection dies, and the box notices."""
        self._broken = True
        self._down.put_nowait(None)

    async def close(self) -> None:
        if not self._broken:
            self.break_()

    def _check(self) -> None:
        if self._broken:
            raise ChannelError("uplink.broken", address="fake", error="reset")


class FakeChannel:
    """`accept(reply)` makes the platform's end of a new stream; None refuses the connection."""

    def __init__(
        self,
        accept: Callable[[Callable[[bytes], None]], Peer | None],
        rng: random.Random,
        delay_s: float = 0.02,
    ) -> None:
        self._accept, self._rng, self.delay_s = accept, rng, delay_s
        self.stream: FakeStream | None = None
        self.carry: Callable[[int], None] = lambda size: None

    async def open(self) -> FakeStream:
        stream = FakeStream(self.delay_s, self._rng, lambda size: self.carry(size))
        peer = self._accept(stream.reply)
        if peer is None:
            raise ChannelError("uplink.refused", address="fake")
        stream.peer = peer
        self.stream = stream
        return stream

    def cut(self) -> None:
        """The newest stream breaks."""
        if self.stream is not None:
            self.stream.break_()
