"""A connection that leaves by one network interface.

gRPC can't be told which interface to use. So the daemon makes the TCP connection itself, on a
socket that is bound to the interface (SO_BINDTODEVICE, which Linux allows any user since 5.7), and
gRPC speaks through a Unix socket in a private folder; TLS goes through from gRPC to the platform.
What passes is counted: it is what the interface carried, but for the headers of TCP and IP.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.ports import ChannelError

#: The longest that the platform's name is asked for; then its addresses of the last time count.
RESOLVE_S_MAX = 3.0
#: Seconds that one address may take to connect while other addresses are left to try.
ADDRESS_S_MAX = 3.0
#: A connection that is not answered for so long is dead: the kernel lets go of it, and so do we.
UNANSWERED_MS = 30_000
READ_BYTES = 1 << 16

_Address = tuple[socket.AddressFamily, tuple[object, ...]]


class Interface:
    """One network interface, by name, and the platform's address behind it."""

    def __init__(self, name: str, address: str, folder: Path) -> None:
        """`address`: host:port, an IPv6 address in brackets. `folder`: where we may make folders,
        for sockets.
        """
        self.name, self._address, self.folder = name, address, folder
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._known: list[_Address] = []
        #: Bytes of TCP that went and came since the start, through every connection.
        self.sent = self.received = 0

    def went(self, size: int) -> None:
        self.sent += size

    def came(self, size: int) -> None:
        self.received += size

    async def dial(self, timeout_s: float) -> socket.socket:
        """A connection to the platform. Raises ChannelError."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._first_of(await self._addresses())
        except TimeoutError as error:
            raise self._error("uplink.unreachable") from error

    async def reaches(self, timeout_s: float) -> bool:
        """Whether a connection can be made now; it is closed again."""
        try:
            found = await self.dial(timeout_s)
        except ChannelError:
            return False
        found.close()
        return True

    def _error(self, message: str, error: OSError | None = None) -> ChannelError:
        said = str(error) if error is not None else ""
        return ChannelError(
            message, address=self._address, host=self._host, error=said, interface=self.name
        )

    async def _addresses(self) -> list[_Address]:
        """Those of the name now; where it is not answered, those of the last time."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(RESOLVE_S_MAX):
                found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError) as error:
            if not self._known:
                known = error if isinstance(error, OSError) else None
                raise self._error("uplink.dns", known) from error
        else:
            self._known = [(family, address) for family, _, _, _, address in found]
        return self._known

    async def _first_of(self, addresses: Sequence[_Address]) -> socket.socket:
        """The first address that answers; the last error, where none does."""
        last: ChannelError | None = None
        for family, address in addresses:
            try:
                async with asyncio.timeout(ADDRESS_S_MAX if len(addresses) > 1 else None):
                    return await self._connect(family, address)
            except TimeoutError:
                last = self._error("uplink.unreachable")
            except OSError as error:
                last = self._error(_message(error), error)
        raise last or self._error("uplink.dns")

    async def _connect(
        self, family: socket.AddressFamily, address: tuple[object, ...]
    ) -> socket.socket:
        made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.name.encode() + b"\0")
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MS)
            await asyncio.get_running_loop().sock_connect(made, address)
        except BaseException:
            made.close()
            raise
        return made


def _message(error: OSError) -> str:
    if error.errno == errno.ENODEV:
        return "uplink.no_interface"
    if error.errno == errno.EPERM:
        return "uplink.not_bound"
    return "uplink.refused" if error.errno == errno.ECONNREFUSED else "uplink.unreachable"


class Passage:
    """Connects gRPC with one connection that leaves by an interface: `open` says, once, where gRPC
    may connect.
    """

    def __init__(self, interface: Interface, connection: socket.socket) -> None:
        self._interface, self._connection = interface, connection
        self._path = interface.folder / f"uplink-{os.urandom(8).hex()}" / "platform"
        self._folder: int | None = (
            None  # a descriptor: by it the path is short enough for any folder
        )
        self._server: asyncio.Server | None = None
        self._copies: asyncio.Task[None] | None = None
        self._ends: tuple[asyncio.StreamWriter, ...] = ()

    async def open(self) -> str:
        """What gRPC may connect to now. Raises ChannelError."""
        try:
            self._path.parent.mkdir(mode=0o700)  # ours alone
            self._folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            short = f"/proc/self/fd/{self._folder}/{self._path.name}"
            self._server = await asyncio.start_unix_server(self._taken, short)
        except OSError as error:
            args = {"folder": str(self._interface.folder), "error": str(error)}
            raise ChannelError("uplink.no_socket", **args) from error
        return f"unix:{short}"

    async def close(self) -> None:
        """Let go of both ends."""
        self._shut()
        if self._copies is None:
            self._connection.close()
            return
        for end in self._ends:
            end.transport.abort()  # what is not sent by now nobody waits for
        await asyncio.wait([self._copies])

    def _shut(self) -> None:
        """Nobody else comes in."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None
        with contextlib.suppress(OSError):  # it was never made, or somebody tidied up
            self._path.unlink(missing_ok=True)
            self._path.parent.rmdir()

    async def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:
            writer.close()
            return
        self._shut()
        self._copies = asyncio.current_task()
        far_reader, far_writer = await asyncio.open_connection(sock=self._connection)
        self._ends = (writer, far_writer)
        await asyncio.gather(
            _copy(reader, far_writer, self._interface.went),
            _copy(far_reader, writer, self._interface.came),
        )


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[int], None]
) -> None:
    """All that comes, until one of the two is closed; then the other is closed as well."""
    with contextlib.suppress(OSError):  # gRPC finds out why, and says it
        while data := await reader.read(READ_BYTES):
            count(len(data))
            writer.write(data)
            await writer.drain()
    writer.close()
