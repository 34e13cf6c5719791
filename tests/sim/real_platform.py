"""The receiver's real session and tables in memory, behind the channel of the simulation."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer.ranges import RangeSet
from ingest import session
from ingest.inline import Inline, InlineStore
from ingest.shelf import Pieces
from ingest.stores.schema import SCHEMA

GATEWAY = "gw-1"
#: What only a box that errs makes a receiver say.
_BROKEN = frozenset(
    {pb.REJECT_REASON_TOO_LARGE, pb.REJECT_REASON_CHECKSUM, pb.REJECT_REASON_MALFORMED}
)


class Receiver:
    """`holding` keeps acks back. `hang_up` ends a peer's stream as gRPC would."""

    def __init__(self, window_bytes: int, utc_ns: Callable[[], int]) -> None:
        self.utc_ns, self._window_bytes = utc_ns, window_bytes
        self.sql = _memory()
        for statement in SCHEMA.split(";\n"):
            self.sql.execute(statement)
        self.pieces = Pieces()
        self.features: frozenset[int] = session.FEATURES
        self.software = "receiver 1"
        self.holding = False
        self.hang_up: Callable[[Peer], None] = lambda peer: None
        self.heard_ns = 0
        self.wrong: list[str] = []  # what a box must never make it say
        self.without_catalog = self.restores = 0
        self._backup: sqlite3.Connection | None = None

    def accept(self, reply: Callable[[bytes], None]) -> Peer:
        return Peer(self, reply)

    # ---- what happens to it ----------------------------------------------------------------

    def back_up(self) -> None:
        self._backup = _memory()
        self.sql.backup(self._backup)

    def restore(self) -> bool:
        """Put it back to its backup, where that knows every gap and every end that this knows:
        what a settled gap said is known to the platform alone. False: there is none such.
        """
        if self._backup is None:
            return False
        told = [_told(sql) for sql in (self.sql, self._backup)]
        if told[0] != told[1]:
            return False
        self.sql = _memory()
        self._backup.backup(self.sql)
        self.pieces = Pieces()
        self.restores += 1
        return True

    # ---- its books -------------------------------------------------------------------------

    @property
    def blocks(self) -> dict[tuple[int, int], int]:
        """Check bytes of what is held, by (epoch, seq)."""
        rows = self.sql.execute("SELECT epoch, seq, check_byte FROM blocks")
        return {(epoch, seq): check for epoch, seq, check in rows}

    @property
    def closed(self) -> set[int]:
        return {epoch for (epoch,) in self.sql.execute("SELECT epoch FROM epochs WHERE closed")}

    @property
    def gaps(self) -> list[pb.Gap]:
        made = {}
        for gap, epoch, reason, unknown, after in self.sql.execute(
            "SELECT gap, epoch, reason, count_unknown, after_seq FROM gaps"
        ):
            made[gap] = pb.Gap(
                epoch=epoch, reason=reason, count_unknown=bool(unknown), after_seq=after
            )
        for gap, first, last in self.sql.execute("SELECT gap, first, last FROM gap_blocks"):
            made[gap].blocks.add(first=first, last=last)
        for gap, group, first, count in self.sql.execute(
            "SELECT gap, grp, first_tick, count FROM gap_ticks"
        ):
            made[gap].ticks.add(group=group, first_tick=first, count=count)
        return list(made.values())

    @property
    def ticks(self) -> dict[int, RangeSet]:
        """Ticks that have rows, an epoch."""
        found: dict[int, RangeSet] = {}
        for epoch, first, count in self.sql.execute("SELECT epoch, first_tick, ticks FROM runs"):
            found.setdefault(epoch, RangeSet()).add(first, first + count - 1)
        return found


class Peer:
    """One stream."""

    def __init__(self, receiver: Receiver, reply: Callable[[bytes], None]) -> None:
        self._receiver, self._reply = receiver, reply
        self._acks: list[pb.StreamResponse] = []
        self._sql = receiver.sql
        one = session.Session(
            GATEWAY,
            receiver.utc_ns,
            address="10.0.0.1:5000",
            pieces=receiver.pieces,
            window=lambda: receiver._window_bytes,
            bound_heard_ns=lambda gateway: receiver.heard_ns,
            features=receiver.features,
            software=receiver.software,
        )
        self._inline = Inline(one, InlineStore(receiver.sql))

    def receive(self, message: bytes) -> None:
        receiver = self._receiver
        if self._sql is not receiver.sql:
            return  # it was put back: the process that had this stream is no more
        for answer in self._inline.receive(message):
            self._note(answer)
            if answer.HasField("ack") and receiver.holding:
                self._acks.append(answer)
            else:
                self._reply(answer.SerializeToString())
        if not receiver.holding:
            self.release()
        ended = self._inline.ended
        if ended is None:
            receiver.heard_ns = receiver.utc_ns()  # of the machine that the id is bound to
        else:
            if ended.code != "ALREADY_EXISTS":
                receiver.wrong.append(f"{ended.code}: {ended.detail}")
            receiver.hang_up(self)

    def release(self) -> None:
        """What was held back."""
        acks, self._acks = self._acks, []
        for answer in acks:
            self._reply(answer.SerializeToString())

    def _note(self, answer: pb.StreamResponse) -> None:
        reject = answer.reject
        if not answer.HasField("reject"):
            return
        if reject.reason == pb.REJECT_REASON_UNKNOWN_CATALOG:
            self._receiver.without_catalog += 1
        elif reject.reason in _BROKEN or reject.reason == pb.REJECT_REASON_CONFLICT:
            name = pb.RejectReason.Name(reject.reason)
            self._receiver.wrong.append(f"{name} of {reject.seq}: {reject.detail}")


def _memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def _told(sql: sqlite3.Connection) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Its gaps, and the epochs that have an end."""
    gaps = sql.execute("SELECT in_epoch, in_seq, epoch, reason, after_seq FROM gaps ORDER BY gap")
    return gaps.fetchall(), sql.execute("SELECT epoch FROM epochs WHERE closed").fetchall()
