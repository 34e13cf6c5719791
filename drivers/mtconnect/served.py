"""What a simulated agent and a simulated adapter have in common: a server in threads of its own,
its connections, and a machine that works.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from drivers.mtconnect.machine import STEP_NS, Work
from drivers.simulate_said import SimulatorError


class FaultError(SimulatorError):
    """No command of it."""


class Served:
    """`with` it: serves on `port` until the block ends, a `handler` for each connection in a thread
    of its own. `moves`: the machine makes data by itself, ten times a second.
    """

    def __init__(
        self, address: tuple[str, int], handler: type[socketserver.BaseRequestHandler],
        *, seed: str, moves: bool,
    ) -> None:  # fmt: skip
        self._seed = seed
        self._stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        self._server = _Server(self, address, handler)
        self._threads = [threading.Thread(target=self._server.serve_forever, args=(0.05,))]
        if moves:
            self._threads.append(threading.Thread(target=self._work))

    @property
    def host(self) -> str:
        return str(self._server.server_address[0])

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self.drop()
        for thread in self._threads:
            thread.join()

    def drop(self) -> None:
        """Cut every connection, in the middle of whatever it says."""
        with self._connections_lock:
            for one in self._connections:
                cut(one)

    def works(self, item: str, value: str) -> None:
        """The machine has a new value of the data item with this id."""
        raise NotImplementedError

    def serve(self, connection: socket.socket, handle: Callable[[], None]) -> None:
        """One connection, from its beginning to its end, by whichever side."""
        with self._connections_lock:
            self._connections.add(connection)
        try:
            with contextlib.suppress(OSError):  # cut
                handle()
        finally:
            with self._connections_lock:
                self._connections.remove(connection)

    def _work(self) -> None:
        work, due = Work(self._seed), time.monotonic() + STEP_NS / 1e9
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            due += STEP_NS / 1e9
            for item, value in work.step():
                self.works(item, value)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(
        self, served: Served, address: tuple[str, int],
        handler: type[socketserver.BaseRequestHandler],
    ) -> None:  # fmt: skip
        self.served = served
        super().__init__(address, handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        self.served.serve(
            request, lambda: super(_Server, self).finish_request(request, client_address)
        )


def cut(connection: socket.socket) -> None:
    """End a connection that its own thread is in; it may have ended."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
