"""Devices that dial in: who they are is told by what they say first.

Theory of operation. One thread serves every address that a link of type "listen" names. What
connects waits in the antechamber until its first bytes are those of a link (`register`; no one's
may begin with another's, so the first that fits is the only one): that link gets the connection,
less those bytes; what came behind them stays in the kernel for it. They may come in pieces. A link
without `register` has its address to itself and gets whatever connects.

Everything else is closed: what says nothing within SILENT_S, what says something else (a second
later, so that all of it can be shown: the technician needs it to fill in `register`), and, where
more wait than the antechamber holds, the oldest of the source address that has the most there: so
a flood neither takes the descriptors nor keeps a device out that comes from elsewhere, however
slowly it says who it is. Nothing is ever sent, and no more is read than those bytes.

An address that can't be had (in use, not ours yet) is tried again each RETRY_S.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from drivers.api import LinkSpec
from drivers.packets import PACKET_MAX, shown
from drivers.runner import TURN_S_MAX

#: On 4G the first bytes come a round trip or two behind the connection.
SILENT_S, STRANGER_S, RETRY_S = 10.0, 1.0, 2.0
#: What a stranger said is of use to who stands beside the device now, and leads astray later.
STRANGER_KEPT_S = 600.0
#: The antechamber of an address: so many, and two for each of its links, which may all come at once
#: when the network is back.
CALLERS_MAX, CALLERS_A_LINK = 64, 2
_BACKLOG = 128
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR

#: Takes a connection's descriptor over, and the address that it came from.
Offer = Callable[[int, str], None]


def descriptors_max(links: Sequence[LinkSpec]) -> int:
    """How many files the antechambers of these links may have open."""
    listening = [link for link in links if link.type == "listen"]
    addresses = {(link.host, link.tcp_port) for link in listening}
    return len(addresses) * (CALLERS_MAX + 2) + len(listening) * CALLERS_A_LINK


class Stranger(NamedTuple):
    """The newest that said what no link expects; or, where nobody did for STRANGER_KEPT_S, that
    stayed and said nothing.
    """

    said: bytes
    peer: str
    at_s: float  # time.monotonic


@dataclass(slots=True, eq=False)
class _Caller:
    socket: socket.socket
    door: _Door
    host: str
    peer: str
    until_s: float


@dataclass(slots=True, eq=False)
class _Door:
    """One address."""

    host: str
    port: int
    expected: list[tuple[LinkSpec, Offer]] = field(default_factory=list)
    socket: socket.socket | None = None
    error: int = 0  # errno of why it is not open
    retry_s: float = 0.0
    refused: int = 0
    stranger: Stranger | None = None
    callers: dict[int, _Caller] = field(default_factory=dict)  # oldest first

    def owner(self, said: bytes) -> tuple[LinkSpec, Offer] | None:
        for link, offer in self.expected:
            if said.startswith(link.register):
                return link, offer
        return None

    def may_become_known(self, said: bytes) -> bool:
        return any(link.register.startswith(said) for link, _ in self.expected)

    def stranger_at(self, now: float) -> Stranger | None:
        """The one that is still news."""
        one = self.stranger
        return one if one is not None and now - one.at_s < STRANGER_KEPT_S else None

    def one_too_many(self) -> _Caller | None:
        """Who has to go, where more wait than the antechamber holds."""
        if len(self.callers) <= CALLERS_MAX + CALLERS_A_LINK * len(self.expected):
            return None
        waiting = Counter(caller.host for caller in self.callers.values())
        crowd, _ = waiting.most_common(1)[0]
        return next(caller for caller in self.callers.values() if caller.host == crowd)


class Listener:
    """A `Runner` without devices of its own: `expected` are the links and what to call
    with a connection of theirs, from this thread.
    """

    def __init__(self, expected: Sequence[tuple[LinkSpec, Offer]]) -> None:
        self._doors: dict[tuple[str, int], _Door] = {}
        for link, offer in expected:
            address = link.host, link.tcp_port
            self._doors.setdefault(address, _Door(*address)).expected.append((link, offer))
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        weakref.finalize(self, os.close, self._bell)
        self._stopping = False
        self.turns = 0

    def run(self) -> None:
        with select.epoll() as self._poll:
            self._poll.register(self._bell, select.EPOLLIN)
            try:
                while not self._stopping:
                    self._turn()
            finally:
                for door in self._doors.values():
                    self._shut(door, 0)

    def stop(self) -> None:
        self._stopping = True
        os.eventfd_write(self._bell, 1)

    def links(self) -> list[dict[str, Any]]:
        return []

    def devices(self, brief: bool = False) -> list[dict[str, Any]]:
        return []

    def learn(self) -> None:
        """Nothing is learned here."""

    def lookups(self) -> list[Callable[[], object]]:
        return []

    def at_door(self, link: LinkSpec) -> dict[str, Any]:
        """What happened at a link's address: `errno` of why it is not open, how many were
        `refused`, and the newest `stranger` (`said` as the configuration would have it, "" for
        nothing, `hex`, `peer`, `ago_s`), for STRANGER_KEPT_S.
        """
        door = self._doors[link.host, link.tcp_port]
        found: dict[str, Any] = {"errno": door.error, "refused": door.refused, "stranger": None}
        if one := door.stranger_at(now := time.monotonic()):
            found["stranger"] = {
                "said": shown(one.said) if one.said else "", "hex": one.said.hex(),
                "peer": one.peer, "ago_s": now - one.at_s,
            }  # fmt: skip
        return found

    def _turn(self) -> None:
        self.turns += 1
        now = time.monotonic()
        for door in self._doors.values():
            if door.socket is None and now >= door.retry_s:
                self._open(door)
        ready = self._poll.poll(self._rest_s(now))
        # First those that wait: a new one may get the descriptor of one that was let go.
        for fd, events in ready:
            for door in self._doors.values():
                if fd in door.callers:
                    self._hear(door.callers[fd], bool(events & _GONE))
        for fd, _ in ready:
            for door in self._doors.values():
                if door.socket is not None and fd == door.socket.fileno():
                    self._accept(door)
        now = time.monotonic()
        for door in self._doors.values():
            for caller in list(door.callers.values()):
                if now >= caller.until_s:
                    self._refuse(caller)

    def _rest_s(self, now: float) -> float:
        """Until something is due."""
        times = [now + TURN_S_MAX / 4]
        times += [door.retry_s for door in self._doors.values() if door.socket is None]
        times += [
            caller.until_s for door in self._doors.values() for caller in door.callers.values()
        ]
        return max(0.0, min(times) - now)

    def _open(self, door: _Door) -> None:
        family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
        try:
            door.socket = socket.create_server(
                (door.host, door.port),
                family=family,
                backlog=_BACKLOG,
                dualstack_ipv6=door.host == "::" and socket.has_dualstack_ipv6(),
            )
        except OSError as error:
            self._shut(door, error.errno or errno.EIO)
            return
        door.error = 0
        door.socket.setblocking(False)
        self._poll.register(door.socket.fileno(), select.EPOLLIN)

    def _shut(self, door: _Door, error: int) -> None:
        """Until RETRY_S from now."""
        door.error, door.retry_s = error, time.monotonic() + RETRY_S
        if door.socket is not None:
            self._poll.unregister(door.socket.fileno())
            door.socket.close()
            door.socket = None
        for caller in list(door.callers.values()):
            self._let_go(caller)
            caller.socket.close()

    def _accept(self, door: _Door) -> None:
        for _ in range(_BACKLOG):
            try:
                assert door.socket is not None
                sock, address = door.socket.accept()
            except OSError as error:  # nobody, or gone again before we looked
                if error.errno in _EXHAUSTED:
                    self._shut(door, error.errno)
                return
            sock.setblocking(False)
            host = f"[{address[0]}]" if ":" in address[0] else address[0]
            until_s = time.monotonic() + SILENT_S
            caller = _Caller(sock, door, host, f"{host}:{address[1]}", until_s)
            door.callers[sock.fileno()] = caller
            # Edges: what was looked at stays in the kernel, and is no news.
            self._poll.register(sock.fileno(), select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)
            if owner := door.owner(b""):
                self._welcome(caller, *owner)
            elif surplus := door.one_too_many():
                self._refuse(surplus)

    def _hear(self, caller: _Caller, gone: bool) -> None:
        said = _said(caller)
        if owner := caller.door.owner(said):
            self._welcome(caller, *owner)
        elif gone:
            self._refuse(caller, left=True)
        elif not caller.door.may_become_known(said):
            caller.until_s = min(caller.until_s, time.monotonic() + STRANGER_S)

    def _welcome(self, caller: _Caller, link: LinkSpec, offer: Offer) -> None:
        self._let_go(caller)
        try:
            if link.register:
                caller.socket.recv(len(link.register))
        except OSError:  # reset since we looked
            caller.socket.close()
        else:
            offer(caller.socket.detach(), caller.peer)

    def _refuse(self, caller: _Caller, *, left: bool = False) -> None:
        """`left`: it hung up first; without a word it was no DTU then, but a probe of the port."""
        door, now = caller.door, time.monotonic()
        door.refused += 1
        before = door.stranger_at(now)
        if (said := _said(caller)) or not (left or (before and before.said)):
            door.stranger = Stranger(said, caller.peer, now)
        self._let_go(caller)
        caller.socket.close()

    def _let_go(self, caller: _Caller) -> None:
        fd = caller.socket.fileno()
        del caller.door.callers[fd]
        self._poll.unregister(fd)


def _said(caller: _Caller) -> bytes:
    """What a caller has said so far, left where it is."""
    try:
        return caller.socket.recv(PACKET_MAX, socket.MSG_PEEK)
    except OSError:  # nothing yet, or reset
        return b""
