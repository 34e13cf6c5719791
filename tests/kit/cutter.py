"""A relay on loopback that ends connections as proxies and bad links do; on the event loop.

`after_bytes`: each connection is reset once it carried so much upwards, as a proxy with a body
limit does; `after_s`: so long after it was made. `bytes_per_s`: a slow link, upwards. `black_hole`:
what is connected never wakes again, and a connection that is made then is answered after `heal`,
when the kernel would have asked again (RFC 6298: after 1, 3, 7, 15 s).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Self

_CHUNK_BYTES = 4096
_ASKS_S = (1, 3, 7, 15, 31, 63)
_RESET = struct.pack("ii", 1, 0)


async def passes(seconds: float) -> None:
    """When so much time has passed on the loop's clock."""
    loop = asyncio.get_running_loop()
    rung = loop.create_future()
    bell = loop.call_later(seconds, rung.set_result, None)
    try:
        await rung
    finally:
        bell.cancel()


class Cutter:
    """Use it as `async with`. `up` counts the bytes that reached the other side."""

    def __init__(
        self,
        target: int,
        *,
        after_bytes: int | None = None,
        after_s: float | None = None,
        bytes_per_s: int | None = None,
    ) -> None:
        self._target = target
        self.after_bytes, self.after_s, self.bytes_per_s = after_bytes, after_s, bytes_per_s
        self.up = self.connections = self.cuts = 0
        self._alive = asyncio.Event()
        self._alive.set()
        self._epoch = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._keep(self._accept())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._listener.close()

    def black_hole(self) -> None:
        """From now on nothing passes, and nobody is told."""
        self._alive.clear()
        self._epoch += 1

    def heal(self) -> None:
        """New connections work; the old ones stay dead."""
        self._alive.set()

    def _keep(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[arg-type]  # a coroutine
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            box, _ = await loop.sock_accept(self._listener)
            box.setblocking(False)
            self._keep(self._carry(box, self._epoch if self._alive.is_set() else -1))

    async def _carry(self, box: socket.socket, epoch: int) -> None:
        """One connection; `epoch` -1: made while nothing passed."""
        loop = asyncio.get_running_loop()
        self.connections += 1
        platform = socket.socket()
        platform.setblocking(False)
        try:
            if epoch < 0:
                begun_s = loop.time()
                await self._alive.wait()
                took_s = loop.time() - begun_s
                await passes(min(ask for ask in _ASKS_S if ask >= took_s) - took_s)
                epoch = self._epoch
            await loop.sock_connect(platform, ("127.0.0.1", self._target))
            pumps = [
                asyncio.ensure_future(self._up(box, platform, epoch)),
                asyncio.ensure_future(self._down(platform, box, epoch)),
            ]
            try:
                async with asyncio.timeout(self.after_s):
                    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            except TimeoutError:
                self.cuts += 1
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass  # the platform is away: the box is hung up on
        finally:
            for end in (box, platform):
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.close()

    async def _up(self, box: socket.socket, platform: socket.socket, epoch: int) -> None:
        loop = asyncio.get_running_loop()
        carried = 0
        while data := await loop.sock_recv(box, _CHUNK_BYTES):
            await self._passes(epoch)
            carried += len(data)
            if self.after_bytes is not None and carried > self.after_bytes:
                self.cuts += 1
                return
            if self.bytes_per_s is not None:
                await passes(len(data) / self.bytes_per_s)
            self.up += len(data)
            await loop.sock_sendall(platform, data)

    async def _down(self, platform: socket.socket, box: socket.socket, epoch: int) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(platform, _CHUNK_BYTES):
            await self._passes(epoch)
            await loop.sock_sendall(box, data)

    async def _passes(self, epoch: int) -> None:
        if epoch != self._epoch:  # a dead connection: it waits for ever
            await asyncio.get_running_loop().create_future()
