"""A simulated adapter (SHDR): the machine of the simulated agent, spoken of line by line, as it is
on port 7878 of a controller that has no agent. Nothing of the driver's is used.

It says all that stands when it is connected to, then what changes, and answers `* PING`.
"""

from __future__ import annotations

import socket
import socketserver
import threading

from drivers.mtconnect.machine import MACHINE, stamp
from drivers.mtconnect.served import FaultError, Served, cut

#: What it answers a ping with: how often it wants to be asked, in milliseconds.
BEAT_MS = 10_000
_NAMES = {item: name for _, _, item, name, _, _ in MACHINE}
_CONDITIONS = {name for category, _, _, name, _, _ in MACHINE if category == "CONDITION"}


class Adapter(Served):
    """`with Adapter() as adapter:` serves on `adapter.port` until the block ends."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: str = "0",
        moves: bool = True,
        beat_ms: int = BEAT_MS,
    ) -> None:
        """`moves`: makes data by itself, ten times a second."""
        self._lock = threading.Lock()
        self._peers: list[socket.socket] = []
        self._mute, self._beat_ms = False, beat_ms
        self._now = {name: value for _, _, _, name, _, value in MACHINE if name not in _CONDITIONS}
        self._active: dict[str, dict[str, str]] = {name: {} for name in _CONDITIONS}
        adapter = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                adapter.talk(self)

        super().__init__((host, port), Handler, seed=seed, moves=moves)

    def works(self, item: str, value: str) -> None:
        self.put(_NAMES[item], value)

    def put(self, name: str, value: str) -> None:
        """A new value of a key."""
        with self._lock:
            self._now[name] = value
            self._say(_said(name, value))

    def condition(self, name: str, level: str, code: str = "", text: str = "") -> None:
        """`level`: NORMAL, WARNING, FAULT, UNAVAILABLE. NORMAL with a code ends that one, without
        one all, as does UNAVAILABLE.
        """
        with self._lock:
            held = self._active[name]
            if level == "UNAVAILABLE" or (level == "NORMAL" and not code):
                held.clear()
            elif held.get("", "").startswith("UNAVAILABLE"):
                del held[""]
            if level == "NORMAL":
                held.pop(code, None)
            else:
                held[code] = f"{level}|{code}|||{text}"
            self._say(f"{name}|{level}|{code}|||{text}")

    def command(self, line: str) -> str:
        """Obey a command that `jiahe-sim` lists; an answer for people. Raises FaultError."""
        match line.split():
            case ["set", name, *words] if name in self._now:
                self.put(name, " ".join(words))
            case ["fault", name, code, *words] if name in _CONDITIONS:
                self.condition(name, "FAULT", code, " ".join(words))
            case ["normal", name, *code] if name in _CONDITIONS and len(code) < 2:
                self.condition(name, "NORMAL", *code)
            case ["unavailable"]:
                for name in self._now:
                    self.put(name, "UNAVAILABLE")
                for name in sorted(_CONDITIONS):
                    self.condition(name, "UNAVAILABLE")
            case ["mute"]:
                self._mute = True
            case ["drop"]:
                self.drop()
            case ["clear"]:
                self._mute = False
            case _:
                raise FaultError("no_agent_command", line=line)
        return "ok"

    def talk(self, handler: socketserver.StreamRequestHandler) -> None:
        """One connection, in a thread of its own: what stands, then what it is asked."""
        peer: socket.socket = handler.connection
        with self._lock:
            self._peers.append(peer)
            for name, value in self._now.items():
                self._tell(peer, _said(name, value))
            for name, held in self._active.items():
                for said in held.values() or ["NORMAL||||"]:
                    self._tell(peer, f"{name}|{said}")
        try:
            while line := handler.rfile.readline(1024):
                if line.strip().upper() == b"* PING" and not self._mute:
                    with self._lock:
                        _send(peer, f"* PONG {self._beat_ms}\n")
        finally:
            with self._lock:
                self._peers.remove(peer)

    def _say(self, what: str) -> None:
        for peer in self._peers:
            self._tell(peer, what)

    def _tell(self, peer: socket.socket, what: str) -> None:
        if not self._mute:
            _send(peer, f"{stamp()}|{what}\n")


def _send(peer: socket.socket, line: str) -> None:
    """To one who may have gone, which its own thread sees. One who does not read is cut: nobody
    waits for him.
    """
    data = line.encode()
    try:
        sent = peer.send(data, socket.MSG_DONTWAIT)
    except OSError:
        sent = 0
    if sent < len(data):
        cut(peer)


def _said(name: str, value: str) -> str:
    """A message has a native code in front of its text; a bar that stands for itself is marked."""
    code = "|" if name == "message" else ""
    return f"{name}|{code}" + value.replace("|", "\\|")
