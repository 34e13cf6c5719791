"""A simulated CPU on a TCP port: ISO on TCP by code of its own, every connection in one thread."""

from __future__ import annotations

import heapq
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from itertools import count
from threading import Event, Thread

from drivers.s7.simulator.plc import FaultError, Plc

_READ = 65536
_BACKLOG = 64
_CALL_S = 5.0


class _Connection:
    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.incoming = b""
        self.outgoing = b""
        self.confirmed = False
        self.pdu = b""  # fragments so far


class Server:
    """`start`, then `stop`. `call` runs something in its thread and waits for it."""

    def __init__(self, plc: Plc, host: str, port: int) -> None:
        self.plc = plc
        self.host = host
        self.most = 0  # connections; 0: as many as come
        self._listener = self._listen(port)
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._connections: dict[int, _Connection] = {}
        self._calls: deque[Callable[[], None]] = deque()
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._running = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = Thread(target=self._run, name="sim-s7", daemon=True)

    @property
    def connected(self) -> int:
        return len(self._connections)

    def start(self) -> None:
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._running = True
        self._thread.start()

    def stop(self) -> None:
        """Close everything; the thread has ended when this returns."""
        self.call(self._end)
        self._thread.join()
        self.drop()
        self._listener.close()
        self._selector.close()
        os.close(self._wake)

    def call(self, what: Callable[[], None]) -> None:
        """Run it in the server's thread, and return when it is done. Raises what it raised, if an
        OSError, as FaultError.
        """
        done, failed = Event(), list[OSError]()

        def run() -> None:
            try:
                what()
            except OSError as error:  # the port was taken meanwhile
                failed.append(error)
            finally:
                done.set()

        self._calls.append(run)
        os.eventfd_write(self._wake, 1)
        if not done.wait(_CALL_S):
            raise TimeoutError("the simulator's loop does not move")
        if failed:
            raise FaultError("system", error=failed[0]) from failed[0]

    def drop(self) -> None:
        for connection in list(self._connections.values()):
            self._drop(connection)

    def close(self) -> None:
        """Refuse new connections, end those there are."""
        if self._listener.fileno() >= 0:
            self._selector.unregister(self._listener)
            self._listener.close()
        self.drop()

    def open(self) -> None:
        if self._listener.fileno() < 0:
            self._listener = self._listen(self.port)
            self._selector.register(self._listener, selectors.EVENT_READ)

    def _listen(self, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.create_server((self.host, port), family=family, backlog=_BACKLOG)
        listener.setblocking(False)
        return listener

    def _end(self) -> None:
        self._running = False

    def _run(self) -> None:
        while self._running:
            wait = max(0.0, self._later[0][0] - time.monotonic()) if self._later else None
            for key, events in self._selector.select(wait):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj == self._wake:
                    os.eventfd_read(self._wake)
                elif connection := self._connections.get(key.fd):
                    if events & selectors.EVENT_READ:
                        self._take(connection)
                    if events & selectors.EVENT_WRITE:
                        self._send(connection, b"")
            while self._calls:
                self._calls.popleft()()
            while self._later and self._later[0][0] <= time.monotonic():
                heapq.heappop(self._later)[2]()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:  # gone again before we looked
            return
        if self.most and len(self._connections) >= self.most:
            sock.close()
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[sock.fileno()] = _Connection(sock)
        self._selector.register(sock, selectors.EVENT_READ)

    def _drop(self, connection: _Connection) -> None:
        if self._connections.pop(connection.socket.fileno(), None):
            self._selector.unregister(connection.socket)
            connection.socket.close()

    def _take(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return
        connection.incoming += data
        try:
            while len(connection.incoming) >= 4:
                size = int.from_bytes(connection.incoming[2:4], "big")
                if connection.incoming[0] != 3 or size < 7:
                    raise ValueError("no TPKT")
                if len(connection.incoming) < size:
                    break
                frame, connection.incoming = connection.incoming[:size], connection.incoming[size:]
                self._frame(connection, frame)
        except ValueError:  # as a CPU does with what it does not understand
            self._drop(connection)

    def _frame(self, connection: _Connection, frame: bytes) -> None:
        head, kind = frame[4], frame[5]
        if kind == 0xE0:
            self._confirm(connection, frame)
        elif kind == 0xF0 and connection.confirmed:
            connection.pdu += frame[5 + head :]
            if frame[6] & 0x80:
                pdu, connection.pdu = connection.pdu, b""
                self._answer(connection, pdu)
        else:
            raise ValueError("no data before the connection is confirmed")

    def _confirm(self, connection: _Connection, frame: bytes) -> None:
        options, at = {}, 11
        while at + 2 <= len(frame):
            options[frame[at]] = frame[at + 2 : at + 2 + frame[at + 1]]
            at += 2 + frame[at + 1]
        called = int.from_bytes(options.get(0xC2, b""), "big")
        if self.plc.faults.tsap and called not in self.plc.faults.tsap:
            raise ValueError("a TSAP that there is not")
        connection.confirmed = True
        kept = [code for code in options if code != 0xC0 or not self.plc.faults.bare]
        tail = b"".join(bytes([code, len(options[code])]) + options[code] for code in kept)
        body = bytes([0xD0]) + frame[8:10] + b"\0\x01\0" + tail
        self._send(connection, _tpkt(bytes([len(body)]) + body))

    def _answer(self, connection: _Connection, pdu: bytes) -> None:
        answer = self.plc.answer(pdu)
        faults, struck = self.plc.faults, self.plc.struck()
        if pdu[1] == 1 and pdu[10] == 0xF0:
            struck = False
        elif faults.mute:
            return
        if struck and faults.drop:
            self._drop(connection)
            return
        size = faults.fragment or len(answer)
        pieces = [answer[i : i + size] for i in range(0, len(answer), size)]
        data = b"".join(
            _tpkt(bytes([2, 0xF0, 0x80 if n + 1 == len(pieces) else 0]) + piece)
            for n, piece in enumerate(pieces)
        )
        wait = faults.slow + (faults.late if struck else 0)
        if wait:
            due = time.monotonic() + wait / 1000
            heapq.heappush(
                self._later, (due, next(self._order), lambda: self._split(connection, data))
            )
        else:
            self._split(connection, data)

    def _split(self, connection: _Connection, data: bytes) -> None:
        size = self.plc.faults.split or len(data)
        for at in range(0, len(data), size):
            self._send(connection, data[at : at + size])

    def _send(self, connection: _Connection, data: bytes) -> None:
        if self._connections.get(connection.socket.fileno()) is not connection:
            return  # closed while the answer waited
        connection.outgoing += data
        try:
            sent = connection.socket.send(connection.outgoing) if connection.outgoing else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(connection)
            return
        connection.outgoing = connection.outgoing[sent:]
        write = selectors.EVENT_WRITE if connection.outgoing else 0
        self._selector.modify(connection.socket, selectors.EVENT_READ | write)


def _tpkt(tpdu: bytes) -> bytes:
    return b"\x03\0" + (4 + len(tpdu)).to_bytes(2, "big") + tpdu
