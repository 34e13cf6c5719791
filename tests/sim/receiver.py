"""The real receiver in a simulated world: its sessions and its SQLite tables, without threads.

What the real one does in a thread of its own is done at once, in one transaction, so a history is
what its seed says. The store lives in memory; `backup` and `restore` are SQLite's own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.commands import Check, Command, End, Load, Open, Send, Store
from ingest.desk import finish
from ingest.inline import InlineStore
from ingest.session import FEATURES, Session
from ingest.shelf import Pieces, Shelf
from ingest.stores.api import Outcomes, Put
from ingest.stores.schema import SCHEMA

Reply = Callable[[bytes], None]


def empty() -> sqlite3.Connection:
    """A store without a file, with the tables of the real one."""
    sql = sqlite3.connect(":memory:", isolation_level=None)
    for statement in SCHEMA.split(";\n"):
        sql.execute(statement)
    return sql


class Receiver:
    """`holding` keeps results of the store back, as a slow disk does; `features` and `software` are
    what it says of itself from the next stream on.
    """

    store_class: type[InlineStore] = InlineStore

    def __init__(self) -> None:
        self.sql = empty()
        self.store = self.store_class(self.sql)
        self.utc_ns: Callable[[], int] = lambda: 0
        self.features = FEATURES
        self.software = "real 1"
        self.holding = False
        self.refused: list[str] = []  # streams that were ended, with the words
        self.rejects: list[pb.Reject] = []
        self._shelf, self._pieces = Shelf(), Pieces()
        self.streams: list[Stream] = []

    def accept(self, reply: Reply, address: str = "box:1") -> Stream:
        stream = Stream(self, reply, address)
        self.streams.append(stream)
        return stream

    def session(self, address: str) -> Session:
        return Session(
            None, self.utc_ns, address=address, shelf=self._shelf, pieces=self._pieces,
            features=self.features, software=self.software,
        )  # fmt: skip

    def backup(self) -> sqlite3.Connection:
        copy = sqlite3.connect(":memory:", isolation_level=None)
        self.sql.backup(copy)
        return copy

    def restore(self, copy: sqlite3.Connection) -> None:
        """The store is put back to an older state, while the receiver is stopped."""
        for stream in self.streams:
            stream.over = True
        self.streams.clear()
        self.sql.close()
        self.sql = copy
        self.store = self.store_class(copy)
        self._shelf, self._pieces = Shelf(), Pieces()

    def restarted(self) -> None:
        """The process is another one, the store the same."""
        for stream in self.streams:
            stream.over = True
        self.streams.clear()
        self._shelf, self._pieces = Shelf(), Pieces()


class Stream:
    """One stream, driven as ingest.stream does it."""

    def __init__(self, receiver: Receiver, reply: Reply, address: str) -> None:
        self._receiver, self._reply = receiver, reply
        self._session = receiver.session(address)
        self._results: list[tuple[Put, Outcomes]] = []
        self.over = False

    def receive(self, message: bytes) -> None:
        if self.over:
            return
        urgent = self._session.urgent(message)
        if urgent is not None:
            for command in urgent:
                self._do(command)
            return
        steps = self._session.receive(message)
        result: Any = None
        while not self.over:
            try:
                command = steps.send(result)
            except StopIteration:
                break
            result = self._do(command)
        self.acknowledge()

    def acknowledge(self) -> None:
        """Say what became of what the store was given, unless that is held back."""
        if self._results and not self._receiver.holding and not self.over:
            results, self._results = self._results, []
            for command in self._session.stored(results):
                self._do(command)

    def _do(self, command: Command) -> Any:
        receiver = self._receiver
        match command:
            case Send(message):
                if message.HasField("reject"):
                    receiver.rejects.append(message.reject)
                self._reply(message.SerializeToString())
            case End(code, detail):
                self.over = True
                receiver.refused.append(f"{code}: {detail}")
            case Open(speaker):
                return receiver.store.hello(speaker)
            case Check(steps, _):
                return finish(steps)
            case Load(what, arguments):
                return getattr(receiver.store, what)(*arguments)
            case Store(item):
                self._results.append((item, receiver.store.put(item)))
        return None
