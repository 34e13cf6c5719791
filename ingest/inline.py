"""A session driven to its end in the calling thread, its store a connection beside it.

For what has no stream: a file of exported blocks, a simulation. Nothing here waits for anything.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import session
from ingest.desk import finish
from ingest.stores import catalogs, hello
from ingest.stores.api import Known, Outcomes, Put, Speaker
from ingest.stores.put import put


class InlineStore:
    """What a session asks, each in a transaction of its own. `sql` is in autocommit mode."""

    def __init__(self, sql: sqlite3.Connection) -> None:
        self._sql = sql

    def hello(self, speaker: Speaker) -> Known:
        known: Known = self._transaction(lambda: hello.hello(self._sql, speaker))
        return known

    def heard(self, gateway: str, utc_ns: int) -> None:
        self._transaction(lambda: hello.heard(self._sql, gateway, utc_ns))

    def revisions(self, gateway: str, epoch: int, revision: int) -> list[bytes]:
        return catalogs.revisions(self._sql, gateway, epoch, revision)

    def content(self, name: bytes) -> bytes | None:
        return catalogs.content(self._sql, name)

    def put(self, item: Put) -> Outcomes:
        outcomes: Outcomes = self._transaction(lambda: put(self._sql, item))
        return outcomes

    def _transaction(self, work: Callable[[], Any]) -> Any:
        self._sql.execute("BEGIN IMMEDIATE")
        try:
            result = work()
        except BaseException:
            self._sql.execute("ROLLBACK")
            raise
        self._sql.execute("COMMIT")
        return result


class Inline:
    """One stream: `receive` gives the answers to a request; `ended` says how the stream ended."""

    def __init__(self, one: session.Session, store: InlineStore) -> None:
        self.session = one
        self.ended: session.End | None = None
        self._store = store

    def receive(self, data: bytes) -> list[pb.StreamResponse]:
        answers: list[pb.StreamResponse] = []
        if self.ended is not None:
            return answers
        steps = self.session.receive(data)
        result: Any = None
        while True:
            try:
                command = steps.send(result)
            except StopIteration:
                return answers
            result = self._execute(command, answers)

    def _execute(self, command: session.Command, answers: list[pb.StreamResponse]) -> Any:
        match command:
            case session.Send(message):
                answers.append(message)
            case session.End():
                self.ended = command
            case session.Open(speaker):
                return self._store.hello(speaker)
            case session.Load(what, arguments):
                return getattr(self._store, what)(*arguments)
            case session.Check(steps, _):
                return finish(steps)
            case session.Store(item):
                results = [(item, self._store.put(item))]
                answers += [sent.message for sent in self.session.stored(results)]
        return None
