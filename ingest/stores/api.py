"""What a store is: the one place where "durable" is decided."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from jiahe.ingest.v1 import ingest_pb2 as pb


class StoreError(Exception):
    """The store can't be opened, read or written. The text says where, what, and how to mend it."""


class Outcome(Enum):
    """What became of a block or catalog."""

    STORED = "stored"
    #: The same name with the same content was there; counted, stored once.
    DUPLICATE = "duplicate"
    #: The same name with other content was there; nothing changed.
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class PutCatalog:
    gateway: str
    catalog: pb.Catalog


@dataclass(frozen=True, slots=True)
class PutBlock:
    """A block that `validate.check_block` accepted, and its payload, parsed."""

    gateway: str
    block: pb.Block
    payload: pb.BlockPayload


Put = PutCatalog | PutBlock


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of a gateway that said Hello."""

    held: tuple[pb.EpochHeld, ...]
    #: The highest epoch ever seen of this gateway, this one included.
    highest_epoch: int
    #: This run said Hello before another run of the same gateway did, or its epoch has another
    #: boot id than before: two boxes speak under one id.
    superseded: bool


class Store(Protocol):
    """Every method returns at once; its Future ends when the store is done.

    Work is done in the order of the calls, and can't be cancelled. A Future ends with StoreError
    when the store failed; then nothing of that call may be counted as durable. May be called from
    any thread.
    """

    def hello(
        self, gateway: str, epoch: int, boot_id: str, software: str, earlier: Sequence[int]
    ) -> Future[Known]:
        """Note that this run speaks, and tell what is held of it and of the `earlier` epochs."""

    def catalog(self, gateway: str, epoch: int, revision: int) -> Future[pb.Catalog | None]:
        """The catalog of that name, if it is held."""

    def put(self, item: Put) -> Future[Outcome]:
        """Ends only when what the Outcome says is durable: survives kill and power cut."""

    def close(self) -> None:
        """Finish what was asked, then let go of the store. Idempotent."""
