"""Our S7 codec on a socket, one exchange at a time."""

from __future__ import annotations

import socket

from drivers.s7.stretch import Stretch
from native.s7.codec import Codec


class HungUpError(Exception):
    """The other side closed the connection."""


class Client:
    """Connected and set up; `with` it."""

    def __init__(self, port: int, pdu: int = 960, called: int = 0x0301) -> None:
        self.codec = Codec()
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        try:
            if self.ask(self.codec.connect(0x0100, called)) != ("confirm", None):
                raise HungUpError
            what, granted = self.ask(self.codec.setup(pdu, 2))
            if what != "setup" or not isinstance(granted, tuple):
                raise HungUpError
        except BaseException:
            self.socket.close()
            raise
        self.pdu, self.jobs = granted

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, request: bytes) -> tuple[str, object]:
        """What answers it. Raises HungUpError."""
        self.socket.sendall(request)
        found: tuple[str, object] = ("more", None)
        while found[0] == "more":
            data = self.socket.recv(4096)
            if not data:
                raise HungUpError
            found = self.codec.feed(data)
        return found

    def read(self, *items: Stretch) -> list[tuple[int, bytes]]:
        """Return code and data of each item."""
        what, found = self.ask(self.codec.read(b"".join(item.encode() for item in items)))
        assert what == "read" and isinstance(found, list)
        return found
