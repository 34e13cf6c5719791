"""The daemon's end of the control socket. The protocol is in `gateway.control`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import pwd
import socket
import stat
import struct
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from drivers.said import SaidError
from gateway.control import REQUEST_MAX
from gateway.control.allowance import Allowance
from gateway.control.client import group_of
from gateway.messages import WORDS_MAX
from gateway.system_errors import reason

#: Connections at once, and of one user other than root; a command needs one, while it runs.
CONNECTIONS_MAX, CONNECTIONS_OF_USER_MAX = 32, 24
#: A connection that has asked for nothing for this long is closed.
IDLE_SECONDS = 60.0
#: A request's id is an integer below 2^53, which every language holds exactly, or a text of at most
#: so many characters.
ID_END, ID_CHARS_MAX = 1 << 53, 64
#: Bytes that a client may leave unread for `unread_seconds` before it is dropped.
UNREAD_MAX = 1 << 20

_log = logging.getLogger(__name__)


class Peer(NamedTuple):
    """Who speaks, as the kernel says."""

    pid: int
    uid: int
    gid: int


#: Answers a request, or streams items. Raises RequestError to refuse.
Handler = Callable[[Mapping[str, Any], Peer], Awaitable[Any] | AsyncIterator[Any]]


class RequestError(SaidError):
    """A request that cannot be answered. `message` is an id of gateway/messages."""


class AlreadyRunningError(RequestError):
    """Another daemon answers on the socket."""


class ControlServer:
    """Serves `handlers`, by method name, on the socket at `path`, within one event loop.

    `unread_seconds`: how long a client may leave its answers unread; `idle_seconds`: how long it
    may ask for nothing.
    """

    def __init__(
        self,
        path: Path,
        handlers: Mapping[str, Handler],
        *,
        unread_seconds: float = 10.0,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._path = path
        self._unread_seconds = unread_seconds
        self._idle_seconds = idle_seconds
        self._handlers = handlers
        self._server: asyncio.Server | None = None
        self._inode: tuple[int, int] | None = None
        self._clients: set[asyncio.Task[None]] = set()
        #: Those that are served, in the order in which they came or last asked.
        self._served: dict[_Connection, Peer] = {}
        self._logged: set[tuple[str, type[Exception]]] = set()
        self._allowance = Allowance()

    async def start(self) -> None:
        """Listen. Raises AlreadyRunningError, or RequestError where the socket cannot be made."""
        _remove_stale(self._path)
        try:
            self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            # Bound without rights for anybody, opened up once its mode is set.
            mask = os.umask(0o177)
            try:
                listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                listener.bind(str(self._path))
            finally:
                os.umask(mask)
            self._path.chmod(0o660)
            found = self._path.lstat()
        except OSError as error:
            raise RequestError(
                "daemon.socket_failed", path=str(self._path), error=reason(error)
            ) from error
        self._inode = (found.st_dev, found.st_ino)
        self._server = await asyncio.start_unix_server(
            self._connected, sock=listener, limit=REQUEST_MAX
        )

    async def close(self) -> None:
        """Stop listening, end every connection, remove the socket if it is still ours."""
        if self._server is None:
            return
        self._server.close()
        for client in list(self._clients):
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None
        with contextlib.suppress(OSError):
            found = self._path.lstat()
            if (found.st_dev, found.st_ino) == self._inode:
                self._path.unlink()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        writer.transport.set_write_buffer_limits(high=UNREAD_MAX)
        connection = _Connection(reader, writer, self._unread_seconds)
        try:
            peer = connection.peer()
            if not may_speak(peer, self._path):
                user, group = _user_name(peer.uid), group_of(self._path)
                told = "daemon.not_allowed_root" if group == "root" else "daemon.not_allowed"
                await connection.say(told, path=str(self._path), user=user, group=group)
            elif not self._has_room(peer):
                await connection.refuse("daemon.too_many", limit=CONNECTIONS_MAX)
            else:
                self._served[connection] = peer
                await self._serve(connection, peer)
        except (ConnectionError, TimeoutError):
            pass  # it went away, or does not read: nobody is left to be told
        except asyncio.CancelledError:
            pass  # `close` ends every connection; nobody awaits this task
        finally:
            self._clients.discard(task)
            self._served.pop(connection, None)
            writer.transport.abort()

    def _log_once(self, method: str, error: Exception) -> None:
        """What nobody foresaw, with its details; not each time that somebody provokes it."""
        if (kind := (method, type(error))) not in self._logged:
            self._logged.add(kind)
            _log.exception("control request %s failed", method)

    def _has_room(self, peer: Peer) -> bool:
        """Whether one more may be served. Where all places are taken, that which has been idle for
        longest is given up: of the same user where it has its share, else of whoever has most.
        """
        own = [each for each, who in self._served.items() if who.uid == peer.uid]
        if peer.uid != 0 and len(own) >= CONNECTIONS_OF_USER_MAX:
            return self._give_up(own)
        held = Counter(who.uid for who in self._served.values())
        most_first = sorted(self._served, key=lambda each: -held[self._served[each].uid])
        return len(self._served) < CONNECTIONS_MAX or self._give_up(most_first)

    def _give_up(self, connections: list[_Connection]) -> bool:
        idle = next((each for each in connections if each.is_idle), None)
        if idle is None:
            return False
        del self._served[idle]
        idle.end()
        return True

    async def _serve(self, connection: _Connection, peer: Peer) -> None:
        while (line := await connection.line(self._idle_seconds)) is not None:
            try:
                number, method, params = _request(line)
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                await connection.refuse("daemon.bad_request", error=_in_short(error))
                return
            while (wait_s := self._allowance.wait_s(peer.uid, time.monotonic())) > 0:  # noqa: ASYNC110 - time is no event to wait for
                await asyncio.sleep(wait_s)
            await self._answer(connection, peer, number, method, params)
            if connection in self._served:  # to the end of the row
                self._served[connection] = self._served.pop(connection)

    def _charge(self, peer: Peer, worked_s: float) -> None:
        self._allowance.charge(peer.uid, worked_s, time.monotonic())

    async def _answer(
        self,
        connection: _Connection,
        peer: Peer,
        number: Any,
        method: str,
        params: Mapping[str, Any],
    ) -> None:
        try:
            handler = self._handlers.get(method)
            if handler is None:
                raise RequestError("daemon.unknown_method", method=method)
            answer = handler(params, peer)
            if isinstance(answer, AsyncIterator):
                self._charge(peer, 0.0)
                await connection.stream(number, answer)
                await connection.send({"id": number, "end": True})
            else:
                begun_s = time.thread_time()
                written = _written({"id": number, "result": await answer})
                self._charge(peer, time.thread_time() - begun_s)
                await connection.write(written)
        except RequestError as error:
            self._charge(peer, 0.0)
            said = {"id": error.message, "args": error.arguments}
            await connection.send({"id": number, "error": said})
        except (
            ArithmeticError, ValueError, TypeError, LookupError, OSError, RecursionError,
        ) as error:  # fmt: skip
            if isinstance(error, ConnectionError | TimeoutError):
                raise
            self._charge(peer, 0.0)
            self._log_once(method, error)
            args = {"method": method, "error": _in_short(error)}
            said = {"id": "daemon.failed_request", "args": args}
            await connection.send({"id": number, "error": said})


def _request(line: bytes) -> tuple[int | str | None, str, dict[str, Any]]:
    """Id, method and params. Raises ValueError, TypeError, KeyError or RecursionError."""
    request = json.loads(line)
    number, method, params = request["id"], request["method"], request.get("params", {})
    if isinstance(number, str):
        right = len(number) <= ID_CHARS_MAX
    else:
        right = number is None or (type(number) is int and abs(number) < ID_END)
    if not right:
        raise TypeError(f"id is a whole number, or a text of {ID_CHARS_MAX} characters at most")
    if not isinstance(method, str) or not isinstance(params, dict):
        raise TypeError("method is a text, params an object")
    return number, method, params


def _written(message: Mapping[str, Any]) -> bytes:
    """The message as the bytes that go to the client."""
    text = json.dumps(message, ensure_ascii=False, default=str)
    # Halves of a character, as a request may hold them, go back as they came.
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _in_short(error: BaseException) -> str:
    """An error for people; it may quote what was sent."""
    said = f"{type(error).__name__}: {error}"
    return said if len(said) <= WORDS_MAX else said[: WORDS_MAX - 1] + "…"


class _Connection:
    """One client: lines in, lines out, and an eye on whether it is still there."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, unread_seconds: float
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._unread_seconds = unread_seconds
        #: It was answered, and has asked for nothing since.
        self.is_idle = False

    def end(self) -> None:
        """Hang up: whoever reads from it is told that nothing more comes."""
        self._reader.feed_eof()

    def peer(self) -> Peer:
        size = struct.calcsize("3i")
        sock = self._writer.get_extra_info("socket")
        return Peer(
            *struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        )

    async def line(self, idle_seconds: float) -> bytes | None:
        """The next request; None when the client is gone, idle, or sends without end."""
        self.is_idle = True
        try:
            async with asyncio.timeout(idle_seconds):
                return await self._reader.readuntil(b"\n")
        except TimeoutError:
            pass
        except asyncio.LimitOverrunError:
            await self.refuse("daemon.bad_request", error=f"over {REQUEST_MAX} bytes")
        except asyncio.IncompleteReadError:
            pass
        finally:
            self.is_idle = False
        return None

    async def send(self, message: Mapping[str, Any]) -> None:
        """Raises TimeoutError for a client that does not read."""
        await self.write(_written(message))

    async def write(self, line: bytes) -> None:
        """What `_written` made. Raises TimeoutError for a client that does not read."""
        self._writer.write(line)
        async with asyncio.timeout(self._unread_seconds):
            await self._writer.drain()

    async def say(self, message: str, **args: Any) -> None:
        """An error that answers no request."""
        await self.send({"id": None, "error": {"id": message, "args": args}})

    async def refuse(self, message: str, **args: Any) -> None:
        """Say it, and wait until the client had time to read it."""
        await self.say(message, **args)
        self._writer.write_eof()
        async with asyncio.timeout(self._unread_seconds):
            # What it still sends is thrown away: closing at once would reset the connection before
            # the reason is read. A client that never stops sending is cut off.
            while await self._reader.read(REQUEST_MAX):
                pass

    async def stream(self, number: Any, items: AsyncIterator[Any]) -> None:
        """Send items until they end, or until the client hangs up, however quiet the stream is.

        Whatever the client sends meanwhile ends the stream and the connection.
        """
        gone = asyncio.ensure_future(self._reader.read(1))
        try:
            while True:
                following = asyncio.ensure_future(anext(items))
                await asyncio.wait({gone, following}, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    following.cancel()
                    with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                        await following
                    raise ConnectionResetError
                try:
                    await self.send({"id": number, "item": following.result()})
                except StopAsyncIteration:
                    return
        finally:
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await gone
            if isinstance(items, AsyncGenerator):
                await items.aclose()


def _remove_stale(path: Path) -> None:
    """Remove the socket that a killed daemon left; refuse one that still answers."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise RequestError("daemon.socket_failed", path=str(path), error="not a socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise RequestError(
                "daemon.socket_failed", path=str(path), error=reason(error)
            ) from error
        else:
            raise AlreadyRunningError("daemon.already_running", path=str(path))


def may_speak(peer: Peer, path: Path) -> bool:
    """Root, the daemon's own user, and members of the socket's group."""
    if peer.uid in (0, os.getuid()):
        return True
    try:
        group = path.stat().st_gid
        if peer.gid == group:
            return True
        user = pwd.getpwuid(peer.uid)
        return group in os.getgrouplist(user.pw_name, user.pw_gid)
    except (KeyError, OSError):  # a user without an entry; a socket that was taken away
        return False


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
