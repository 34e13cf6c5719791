"""A scripted slave behind TLS. Each step of its script that is bytes travels as one record.

Its TLS runs in memory, so that a test may have the ciphertext sent in pieces of any size.
"""

from __future__ import annotations

import ctypes
import socket
import ssl

from drivers.api import TlsFiles
from drivers.modbus.simulator.tcp import server_context
from tests.kit.slave import HANG_UP, Script, Step, TcpSlave, Wire, honest

#: A step: say close_notify, then hang up.
GOODBYE = "goodbye"
#: A step: change the keys of TLS 1.3, and ask the client to change its own (RFC 8446, 4.6.3).
REKEY = "rekey"
#: A step: a hundred session tickets of TLS 1.3, which nobody asked for.
TICKETS, TICKETS_COUNT = "tickets", 100
_PATIENCE_S = 5.0


class TlsWire:
    """A connection whose handshake is over. Looks like a socket as far as a slave needs one."""

    def __init__(
        self, sock: socket.socket, context: ssl.SSLContext, *, record: int, piece: int
    ) -> None:
        """Raises OSError when the handshake fails. `record`: bytes of an answer in one record,
        `piece`: bytes of ciphertext sent at once; 0: as they come.
        """
        self._socket, self._record, self._piece = sock, record, piece
        self.garbled = False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        sock.settimeout(_PATIENCE_S)
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._fill()
            finally:
                self._flush()

    def _fill(self) -> None:
        self._flush()
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionResetError
        self._incoming.write(data)

    def _flush(self) -> None:
        data = bytearray(self._outgoing.read())
        if self.garbled and data:
            data[-1] ^= 1
        size = self._piece or max(1, len(data))
        for i in range(0, len(data), size):
            self._socket.sendall(data[i : i + size])

    @property
    def peer(self) -> str:
        """The common name of the client's certificate."""
        subject = (self._tls.getpeercert() or {})["subject"]
        return str(dict(pair for part in subject for pair in part)["commonName"])  # type: ignore[misc, has-type]

    @property
    def holds(self) -> bool:
        """Whether something came that was not read."""
        return self._incoming.pending > 0

    def fileno(self) -> int:
        return self._socket.fileno()

    def recv(self, size: int) -> bytes:
        """All that came: records that stay in memory would make nothing readable."""
        data = b""
        while True:
            try:
                chunk = self._tls.read(size)
            except ssl.SSLWantReadError:
                if data:
                    return data
                self._fill()
            else:
                if not chunk:  # close_notify
                    return data
                data += chunk

    def sendall(self, data: bytes) -> None:
        size = self._record or len(data)
        for i in range(0, len(data), size):
            self._tls.write(data[i : i + size])
        self._flush()

    def goodbye(self) -> None:
        """Say close_notify; the socket stays open."""
        try:
            self._tls.unwrap()
        except ssl.SSLWantReadError:
            self._flush()

    def rekey(self) -> None:
        if self._call("SSL_key_update", 1) != 1 or self._call("SSL_do_handshake") != 1:
            raise ConnectionError("no update of the keys")
        self._flush()

    def tickets(self) -> None:
        """All in one piece."""
        for _ in range(TICKETS_COUNT):
            if self._call("SSL_new_session_ticket") != 1 or self._call("SSL_do_handshake") != 1:
                raise ConnectionError("no ticket")
        self._flush()

    def _call(self, name: str, *arguments: int) -> int:
        """Of OpenSSL, for which Python offers no call. The session is behind CPython's object:
        PySSLSocket begins with the object's head and `Socket`, then comes `SSL *ssl`.
        """
        at = id(self._tls._sslobj) + object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p)
        session = ctypes.c_void_p.from_address(at)
        result: int = getattr(ctypes.CDLL("libssl.so.3"), name)(session, *arguments)
        return result

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        self._socket.setsockopt(level, option, value)

    def close(self) -> None:
        self._socket.close()


class TlsSlave(TcpSlave):
    """As TcpSlave, for clients with a certificate of `files.ca`. `wires` are those whose handshake
    ended well.
    """

    def __init__(
        self,
        files: TlsFiles,
        script: Script = honest,
        *,
        record: int = 0,
        piece: int = 0,
        newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> None:
        super().__init__(script)
        self.context = server_context(files)
        self.context.maximum_version = newest
        self._sizes = {"record": record, "piece": piece}
        self.wires: list[TlsWire] = []

    def _wrap(self, sock: socket.socket) -> Wire | None:
        try:
            self.wires.append(TlsWire(sock, self.context, **self._sizes))
        except OSError:
            sock.close()
            return None
        return self.wires[-1]

    def _wait(self, fds: list[int], seconds: float | None) -> list[int] | None:
        """A request that came with the end of the handshake makes no socket readable."""
        held = [fd for fd in fds if fd in self._open and self._holds(fd)]
        return held or super()._wait(fds, seconds)

    def _holds(self, fd: int) -> bool:
        wire = self._open[fd][0]
        return isinstance(wire, TlsWire) and wire.holds

    def _act(self, fd: int, step: Step) -> bool:
        wire = self._open[fd][0]
        assert isinstance(wire, TlsWire)
        if step == REKEY:
            wire.rekey()
            return True
        if step == TICKETS:
            try:
                wire.tickets()
            except OSError:  # the other side closed first
                return super()._act(fd, HANG_UP)
            return True
        if step == GOODBYE:
            wire.goodbye()
            step = HANG_UP
        return super()._act(fd, step)
