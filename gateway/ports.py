"""What the durable half of the daemon needs of the world, as parameters: clock, disk, channel.

The daemon passes the real ones (`gateway.clock.SystemClock`, `gateway.buffer.disk.OsDisk`,
`gateway.uplink.channel.GrpcChannel`), the simulation its own. No module of `buffer` or `uplink`
reads a clock, touches a file or opens a socket in any other way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from drivers.said import SaidError


class Clock(Protocol):
    """Time that never steps (CLOCK_BOOTTIME), and what the box believes of UTC."""

    def now_ns(self) -> int: ...

    def utc_ns(self) -> int: ...

    @property
    def boot_id(self) -> str: ...

    async def sleep_until(self, boot_ns: int) -> None: ...


class File(Protocol):
    """A file opened for appending or reading. Every call may raise OSError."""

    def append(self, data: bytes) -> None:
        """Write all of `data` at the end, or raise."""

    def sync(self) -> None:
        """fdatasync. After it raised once, nothing that was written since the last success may be
        trusted.
        """

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes; fewer only at the end."""

    def size(self) -> int: ...

    def truncate(self, size: int) -> None: ...

    def close(self) -> None: ...


class Disk(Protocol):
    """One directory. Names are plain file names, or "sub/name" one level down."""

    def list(self, sub: str = "") -> list[str]: ...

    def open(self, name: str, *, create: bool = False) -> File:
        """`create`: fails if it is there. Read and append otherwise."""

    def unlink(self, name: str) -> None: ...

    def rename(self, old: str, new: str) -> None:
        """Atomic; replaces `new`."""

    def sync_dir(self, sub: str = "") -> None:
        """Make creations, renames and unlinks durable."""

    def free_bytes(self) -> int: ...

    def is_read_only(self) -> bool:
        """Whether its file system takes no writes: the kernel makes it so after an error."""

    def last_write_utc_ns(self) -> int:
        """When something was written last, by the time of day then; 0: never, or not known."""


class Stream(Protocol):
    """One gRPC stream to the platform; messages are serialized StreamRequest / StreamResponse."""

    async def send(self, message: bytes) -> None:
        """Waits while the transport's own buffer is full. Raises ChannelError when the stream is
        dead.
        """

    def messages(self) -> AsyncIterator[bytes]:
        """What the platform says, until it ends the stream; raises ChannelError when it broke."""

    async def close(self) -> None: ...


#: A connection that takes longer is given up.
OPENING_S_MAX = 20.0


class Channel(Protocol):
    async def open(self) -> Stream:
        """Connect and start the stream, within OPENING_S_MAX. Raises ChannelError."""


class ChannelError(SaidError):
    """The stream could not be opened, or is dead. `message` is an id of gateway/messages.py, `args`
    its arguments.
    """


#: In production `asyncio.to_thread`; the simulation runs the function at once.
RunBlocking = Callable[[Callable[[], object]], Awaitable[object]]
