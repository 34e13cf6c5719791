"""Slaves on TCP: one epoll loop in one thread serves every endpoint and connection.

Plain sockets rather than asyncio, because a benchmark's peer has to be far from the limit: the loop
answers whatever came with one read in one write. Answers that are due later wait in a heap.
"""

from __future__ import annotations

import heapq
import os
import select
import socket
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from threading import Thread

from drivers.api import TlsFiles
from drivers.modbus.simulator.book import now_ns
from drivers.modbus.simulator.frames import FRAMINGS, Asked, StreamLostError
from drivers.modbus.simulator.unit import Answer, Unit
from drivers.simulate_said import SimulatorError

_READ = 65536
_BACKLOG = 128


class Endpoint:
    """One listening port and the units behind it."""

    def __init__(
        self,
        host: str,
        port: int,
        units: Mapping[int, Unit],
        framing: str,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.host = host
        self.tls = tls
        self.units = dict(units)
        self.framing = FRAMINGS[framing]
        self.max_connections = 0  # 0: as many as come
        self.connections: dict[int, _Connection] = {}
        self.socket = self._listen(port)
        self.port: int = self.socket.getsockname()[1]

    def _listen(self, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.create_server((self.host, port), family=family, backlog=_BACKLOG)
        listener.setblocking(False)
        return listener

    def reopen(self) -> None:
        """Listen again on the same port after `close`."""
        if self.socket.fileno() < 0:
            self.socket = self._listen(self.port)


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS 1.2 at least, and clients must show a certificate of the authority (Modbus/TCP Security
    Protocol Specification v21). Raises SimulatorError for files that can't be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(files.ca)
        context.load_cert_chain(files.cert, files.key)
    except OSError as error:
        found = str(error.reason) if isinstance(error, ssl.SSLError) else error
        named = {"cert": files.cert, "key": files.key, "ca": files.ca}
        raise SimulatorError("tls_files", error=found, **named) from error
    context.verify_mode = ssl.CERT_REQUIRED
    return context


class _Connection:
    def __init__(self, sock: socket.socket, endpoint: Endpoint) -> None:
        self.shaking = endpoint.tls is not None  # the handshake is not over
        if endpoint.tls is not None:
            sock = endpoint.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self.socket = sock
        self.fd = sock.fileno()
        self.endpoint = endpoint
        self.incoming = bytearray()
        self.outgoing = bytearray()


class TcpServer:
    """The loop. `listen` before `start`; `call` runs something in the loop's thread."""

    def __init__(self) -> None:
        self._listeners: dict[int, Endpoint] = {}
        self._connections: dict[int, _Connection] = {}
        self._calls: deque[Callable[[], None]] = deque()
        self._later: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._running = False
        self._thread = Thread(target=self._run, name="sim-tcp", daemon=True)

    def listen(self, endpoint: Endpoint) -> None:
        """Serve an endpoint, also again after its socket was closed and reopened."""
        self._listeners[endpoint.socket.fileno()] = endpoint
        if self._running:
            self._epoll.register(endpoint.socket.fileno(), select.EPOLLIN)

    def start(self) -> None:
        """Serve from now on. Once."""
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        for fd in (self._wake, *self._listeners):
            self._epoll.register(fd, select.EPOLLIN)
        self._running = True
        self._thread.start()

    def stop(self) -> None:
        """Close everything; the thread has ended when this returns. After `start`."""
        self.call(self._end)
        self._thread.join()
        for connection in list(self._connections.values()):
            self._drop(connection)
        for endpoint in self._listeners.values():
            endpoint.socket.close()
        self._epoll.close()
        os.close(self._wake)

    def call(self, what: Callable[[], None]) -> None:
        """Run `what` in the loop's thread, soon. Any thread."""
        self._calls.append(what)
        os.eventfd_write(self._wake, 1)

    def drop(self, endpoint: Endpoint) -> None:
        """Close the endpoint's connections, those that wait to be accepted too; clients may come
        back. In the loop's thread.
        """
        while endpoint.socket.fileno() >= 0 and self._accept(endpoint):
            pass
        for connection in list(endpoint.connections.values()):
            self._drop(connection)

    def close(self, endpoint: Endpoint) -> None:
        """The same, and refuse new ones until `open`. In the loop's thread."""
        self.drop(endpoint)
        if endpoint.socket.fileno() >= 0:
            self._epoll.unregister(endpoint.socket.fileno())
            del self._listeners[endpoint.socket.fileno()]
            endpoint.socket.close()

    def open(self, endpoint: Endpoint) -> None:
        """Listen again. In the loop's thread."""
        if endpoint.socket.fileno() < 0:
            endpoint.reopen()
            self.listen(endpoint)

    def _end(self) -> None:
        self._running = False

    def _run(self) -> None:
        while self._running:
            for fd, events in self._epoll.poll(self._timeout()):
                connection = self._connections.get(fd)
                if connection is not None:
                    self._serve(connection, events)
                elif fd in self._listeners:
                    self._accept(self._listeners[fd])
                elif fd == self._wake:
                    os.eventfd_read(self._wake)
            while self._calls:
                self._calls.popleft()()
            while self._later and self._later[0][0] <= now_ns():
                heapq.heappop(self._later)[2]()

    def _timeout(self) -> float:
        return max(0.0, (self._later[0][0] - now_ns()) / 1e9) if self._later else -1.0

    def _after(self, when_ns: int, what: Callable[[], None]) -> None:
        heapq.heappush(self._later, (when_ns, next(self._order), what))

    def _accept(self, endpoint: Endpoint) -> bool:
        """Take one connection; whether there was one."""
        try:
            sock, _ = endpoint.socket.accept()
        except OSError:  # none, or gone again before we looked
            return False
        if endpoint.max_connections and len(endpoint.connections) >= endpoint.max_connections:
            sock.close()
            return True
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            connection = _Connection(sock, endpoint)
        except OSError:  # gone before its handshake
            sock.close()
            return True
        self._connections[connection.fd] = endpoint.connections[connection.fd] = connection
        self._epoll.register(connection.fd, select.EPOLLIN)
        return True

    def _drop(self, connection: _Connection) -> None:
        if self._connections.get(connection.fd) is connection:
            self._epoll.unregister(connection.fd)
            del self._connections[connection.fd], connection.endpoint.connections[connection.fd]
            connection.socket.close()

    def _shake(self, connection: _Connection) -> None:
        """A step of the handshake; a client that fails it is dropped."""
        assert isinstance(connection.socket, ssl.SSLSocket)
        events = select.EPOLLIN
        try:
            connection.socket.do_handshake()
            connection.shaking = False
        except ssl.SSLWantReadError:
            events = select.EPOLLIN
        except ssl.SSLWantWriteError:
            events = select.EPOLLOUT
        except OSError:
            self._drop(connection)
            return
        self._epoll.modify(connection.fd, events)

    def _serve(self, connection: _Connection, events: int) -> None:
        if connection.shaking:
            self._shake(connection)
            return
        if events & select.EPOLLOUT:
            self._send(connection, b"")
        if not events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            return
        try:
            # Of TLS this is one whole record; if there are more, the socket is ready again.
            data = connection.socket.recv(_READ)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return
        connection.incoming += data
        asked_ns = now_ns()
        try:
            requests = connection.endpoint.framing.split(connection.incoming)
        except StreamLostError:
            self._drop(connection)
            return
        frames: list[bytes] = []
        booked: list[tuple[Unit, int]] = []
        for asked in requests:
            self._answer(connection, asked, asked_ns, frames, booked)
        if frames:
            self._send(connection, b"".join(frames))
        for unit, counter in booked:
            unit.book.write(unit.name, counter, asked_ns, spoilt=False)

    def _answer(
        self,
        connection: _Connection,
        asked: Asked,
        asked_ns: int,
        frames: list[bytes],
        booked: list[tuple[Unit, int]],
    ) -> None:
        unit = connection.endpoint.units.get(asked.unit)
        if unit is None:
            return  # nobody there: silence
        if unit.faults.spoils:
            self._answer_badly(connection, unit, asked, asked_ns)
            return
        answer = unit.answer(asked.pdu)
        frames.append(connection.endpoint.framing.build(asked.unit, asked.transaction, answer.pdu))
        if answer.counter:
            booked.append((unit, answer.counter))

    def _answer_badly(
        self, connection: _Connection, unit: Unit, asked: Asked, asked_ns: int
    ) -> None:
        faults = unit.faults
        if faults.mute:
            return
        struck = faults.strikes()
        if struck and faults.drop:
            self._drop(connection)
            return
        build = connection.endpoint.framing.build
        answer = unit.answer(asked.pdu)
        lie = (asked.unit, asked.transaction, answer.pdu)
        clean = build(*lie)
        frame = faults.damage(build(*faults.lie(*lie)) if struck else clean, struck)
        if faults.echo:
            frame = build(asked.unit, asked.transaction, asked.pdu) + frame
        delay = faults.slow + (faults.late if struck else 0.0)
        spoilt = frame != clean or (struck and faults.late > 0)
        due_ns = asked_ns + round(delay * 1e6)
        self._after(
            due_ns, lambda: self._deliver(connection, unit, answer, frame, asked_ns, spoilt)
        )

    def _deliver(
        self,
        connection: _Connection,
        unit: Unit,
        answer: Answer,
        frame: bytes,
        asked_ns: int,
        spoilt: bool,
    ) -> None:
        """Send a frame, whole or in the pieces that the faults want."""
        faults = unit.faults
        size = 1 if faults.trickle else faults.split or len(frame)
        if faults.trickle and len(frame) > 1:
            step = round(faults.trickle * 1e6)
            for i in range(1, len(frame)):
                self._after(now_ns() + i * step, self._sender(connection, frame[i : i + 1]))
            frame = frame[:1]
        for i in range(0, len(frame), size):
            self._send(connection, frame[i : i + size])
        if answer.counter:
            unit.book.write(unit.name, answer.counter, asked_ns, spoilt)

    def _sender(self, connection: _Connection, data: bytes) -> Callable[[], None]:
        return lambda: self._send(connection, data)

    def _send(self, connection: _Connection, data: bytes) -> None:
        if self._connections.get(connection.fd) is not connection:
            return  # closed while the answer waited
        connection.outgoing += data
        try:
            sent = connection.socket.send(connection.outgoing) if connection.outgoing else 0
        except (BlockingIOError, ssl.SSLWantWriteError):
            sent = 0
        except OSError:
            self._drop(connection)
            return
        del connection.outgoing[:sent]
        events = select.EPOLLIN | (select.EPOLLOUT if connection.outgoing else 0)
        if connection.outgoing or not data:
            self._epoll.modify(connection.fd, events)
