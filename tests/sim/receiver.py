"""The real receiver in a simulated world: its sessions and its SQLite tables, without threads.

What the real one does in a thread of its own is done at once, in one transaction, so a history is
what its seed says. The store lives in memory; `backup` and `restore` are SQLite's own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.commands import Check, Command, End, Load, Open, Send, Store
from ingest.desk import finish
from ingest.inline import InlineStore
from ingest.session import FEATURES, Session
from ingest.shelf import Pieces, Shelf
from ingest.stores.api import Known, Outcomes, Put, Speaker
from ingest.stores.schema import SCHEMA

SECOND = 10**9
Reply = Callable[[bytes], None]
CLONE_REFUSED_NS = 600 * SECOND
HEARD_EVERY_NS = 60 * SECOND
#: What only a box that errs makes a receiver say.
BROKEN = frozenset(
    {
        pb.REJECT_REASON_TOO_LARGE, pb.REJECT_REASON_CHECKSUM, pb.REJECT_REASON_MALFORMED,
        pb.REJECT_REASON_CONFLICT,
    }
)  # fmt: skip


@cache
def _empty_file() -> bytes:
    sql = memory()
    for statement in SCHEMA.split(";\n"):
        sql.execute(statement)
    return sql.serialize()


def memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def empty() -> sqlite3.Connection:
    """A store without a file, with the tables of the real one."""
    sql = memory()
    sql.deserialize(_empty_file())
    return sql


class Bound(NamedTuple):
    """The machine that may speak for a gateway, and when it was heard last."""

    machine: bytes
    heard_ns: int


class Backup(NamedTuple):
    sql: sqlite3.Connection
    bound: dict[str, Bound]


class Receiver:
    """`holding` keeps results of the store back, as a slow disk does; `features` and `software` are
    what it says of itself from the next stream on, `window_bytes` what it lets be on its way.
    """

    store_class: type[InlineStore] = InlineStore

    def __init__(self, utc_ns: Callable[[], int], window_bytes: int) -> None:
        self.sql = empty()
        self.store = self.store_class(self.sql)
        self.utc_ns, self.window_bytes = utc_ns, window_bytes
        self.features = FEATURES
        self.software = "real 1"
        self.holding = False
        self.streams: list[Stream] = []
        self.clones_refused = 0
        self.wrong: list[str] = []  # what no box may make it do or say
        self.without_catalog = 0  # blocks whose catalog had not come
        self.bound: dict[str, Bound] = {}  # as the promise has it, whatever the store says
        self.newest: dict[str, Stream] = {}
        self._shelf, self._pieces = Shelf(), Pieces()

    def accept(self, reply: Reply, address: str) -> Stream:
        stream = Stream(self, reply, address)
        self.streams.append(stream)
        return stream

    def session(self, address: str) -> Session:
        return Session(
            None, self.utc_ns, address=address, shelf=self._shelf, pieces=self._pieces,
            window=lambda: self.window_bytes, bound_heard_ns=self._heard_ns,
            features=self.features, software=self.software,
        )  # fmt: skip

    def _heard_ns(self, gateway: str) -> int:
        stream = self.newest.get(gateway)
        return 0 if stream is None else stream.heard_ns

    def spoke(self, speaker: Speaker, known: Known, stream: Stream) -> None:
        """A Hello was answered: held against the promise."""
        bound, now_ns = self.bound.get(speaker.gateway), self.utc_ns()
        is_clone = bound is not None and bound.machine != speaker.machine
        if known.bound_to is not None:
            self.clones_refused += 1
            if not is_clone and stream.is_open():  # else a run that is over was late
                self.wrong.append(f"{speaker.gateway} was refused as its own clone")
            return
        if is_clone and bound is not None and now_ns - bound.heard_ns < CLONE_REFUSED_NS:
            self.wrong.append(f"a clone of {speaker.gateway} was let in")
        self.bound[speaker.gateway] = Bound(speaker.machine, now_ns)
        before, self.newest[speaker.gateway] = self.newest.get(speaker.gateway), stream
        if before is not None and not before.over:
            before.end()

    def backup(self) -> Backup:
        copy = memory()
        self.sql.backup(copy)
        return Backup(copy, dict(self.bound))

    def restore(self, backup: Backup) -> None:
        """The store is put back to an older state, while the receiver is stopped."""
        self.sql.close()
        self.sql = backup.sql
        self.store = self.store_class(self.sql)
        self.bound = backup.bound
        self.restarted()

    def restarted(self) -> None:
        """The process is another one, the store the same."""
        for stream in self.streams:
            stream.over = True
        self.streams.clear()
        self.newest.clear()
        self._shelf, self._pieces = Shelf(), Pieces()
        # What it knew by heart and the store did not: of the last minute.
        for gateway, (machine, heard_ns) in self.bound.items():
            self.bound[gateway] = Bound(machine, heard_ns - HEARD_EVERY_NS)


class Stream:
    """One stream, driven as ingest.stream does it. `is_open`: the box still has it; `hang_up` ends
    it on the wire.
    """

    def __init__(self, receiver: Receiver, reply: Reply, address: str) -> None:
        self._receiver, self._reply = receiver, reply
        self._session = receiver.session(address)
        self._results: list[tuple[Put, Outcomes]] = []
        self._noted_ns = 0
        self.heard_ns = 0
        self.over = False
        self.is_open: Callable[[], bool] = lambda: True
        self.hang_up: Callable[[], None] = lambda: None

    @property
    def gateway(self) -> str:
        return self._session.gateway

    def end(self) -> None:
        self.over = True
        self._receiver.streams.remove(self)
        self.hang_up()

    def receive(self, message: bytes) -> None:
        if self.over:
            return
        receiver = self._receiver
        self.heard_ns = receiver.utc_ns()
        urgent = self._session.urgent(message)
        if urgent is not None:
            for command in urgent:
                self._do(command)
        else:
            steps = self._session.receive(message)
            result: Any = None
            while not self.over:
                try:
                    command = steps.send(result)
                except StopIteration:
                    break
                result = self._do(command)
            self.acknowledge()
        if self._session.state == "open" and not self.over:
            self._note_heard()

    def _note_heard(self) -> None:
        receiver = self._receiver
        if receiver.newest.get(self.gateway) is self:
            machine = receiver.bound[self.gateway].machine
            receiver.bound[self.gateway] = Bound(machine, self.heard_ns)
        if self.heard_ns - self._noted_ns >= HEARD_EVERY_NS:
            self._noted_ns = self.heard_ns
            receiver.store.heard(self.gateway, self.heard_ns)

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
                    self._note(message.reject)
                self._reply(message.SerializeToString())
            case End(code, detail):
                if code != "ALREADY_EXISTS":
                    receiver.wrong.append(f"{code}: {detail}")
                self.end()
            case Open(speaker):
                known = receiver.store.hello(speaker)
                receiver.spoke(speaker, known, self)
                return known
            case Check(steps, _):
                return finish(steps)
            case Load(what, arguments):
                return getattr(receiver.store, what)(*arguments)
            case Store(item):
                self._results.append((item, receiver.store.put(item)))
        return None

    def _note(self, reject: pb.Reject) -> None:
        if reject.reason == pb.REJECT_REASON_UNKNOWN_CATALOG:
            self._receiver.without_catalog += 1
        elif reject.reason in BROKEN:
            name = pb.RejectReason.Name(reject.reason)
            self._receiver.wrong.append(f"{name} of {reject.seq}: {reject.detail}")
