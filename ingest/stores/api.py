"""What a store is: the one place where "durable" is decided."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.catalog import Catalog
from ingest.facts import Facts


class StoreError(Exception):
    """The store can't be opened, read or written. The text says where, what, and how to mend it."""


class Outcome(Enum):
    """What became of a block or catalog."""

    STORED = "stored"
    #: The same name with the same content was there; counted, stored once.
    DUPLICATE = "duplicate"
    #: The same name with other content was there; nothing changed.
    CONFLICT = "conflict"
    #: What it needs is held with another content than it was checked with.
    UNKNOWN = "unknown"
    #: It contradicts what is held of its epoch: tick 0 of a group at another time.
    CONTRADICTS = "contradicts"


@dataclass(frozen=True, slots=True)
class PutTagSet:
    gateway: str
    id: bytes
    content: bytes


@dataclass(frozen=True, slots=True)
class PutCatalog:
    """`chain`: a hash of the ids of all revisions up to this one. `content`: None where the store
    is known to hold one of this id."""

    gateway: str
    epoch: int
    revision: int
    chain: bytes
    catalog: Catalog
    content: bytes | None


@dataclass(frozen=True, slots=True)
class PutBlocks:
    """A block, or the blocks of a bundle, that `check_carried` accepted. `chain`: of the layout
    that they were checked with."""

    gateway: str
    carried: pb.Block | pb.Bundle
    first_seq: int
    chain: bytes
    facts: Facts
    received_utc_ns: int


Put = PutTagSet | PutCatalog | PutBlocks
#: Of a tag set or catalog one Outcome, of blocks one each.
Outcomes = tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who says Hello, with what. `catalogs` and `earlier`: ids of revisions 1, 2, ... of the run,
    and of each earlier epoch that it names. `heard_ns`: when each side was heard is measured by
    `utc_ns`, the receiver's clock. `bound_heard_ns`: when the gateway's open stream was heard
    last; 0: there is none."""

    gateway: str
    epoch: int
    boot_id: str
    installation: bytes
    machine: bytes
    software: str
    catalogs: tuple[bytes, ...]
    earlier: tuple[tuple[int, tuple[bytes, ...]], ...]
    address: str
    utc_ns: int
    bound_heard_ns: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of a gateway that said Hello."""

    held: tuple[pb.EpochHeld, ...] = ()
    #: The highest epoch of this gateway that was known before this Hello.
    highest_epoch: int = 0
    tag_sets: tuple[bytes, ...] = ()
    ends_lacking: tuple[pb.EpochHeld, ...] = ()
    #: Another machine (or another run of a copied card) is bound to the id and was heard lately,
    #: at this address: the Hello is refused.
    bound_to: str | None = None
    #: The id was bound to another machine, at this address, which is not heard any more.
    taken_from: str | None = None


class Store(Protocol):
    """Every method returns at once; its Future ends when the store is done.

    Work is done in the order of the calls, and can't be cancelled. A Future ends with StoreError
    when the store failed; then nothing of that call may be counted as durable. May be called from
    any thread.
    """

    def hello(self, speaker: Speaker) -> Future[Known]:
        """Note that this run speaks, bind the catalogs that it names and whose content is held,
        and tell what is held of it and of the earlier epochs."""

    def heard(self, gateway: str, utc_ns: int) -> Future[None]:
        """The machine that is bound to the gateway's id was heard then."""

    def revisions(self, gateway: str, epoch: int, revision: int) -> Future[Sequence[bytes]]:
        """The ids of the epoch's catalogs of revisions 1, 2, ... up to `revision`, as far as they
        are held."""

    def content(self, name: bytes) -> Future[bytes | None]:
        """The content of a tag set or catalog, if it is held."""

    def put(self, item: Put) -> Future[Outcomes]:
        """Ends only when what the Outcomes say is durable: survives kill and power cut."""

    def close(self) -> None:
        """Finish what was asked, then let go of the store. Idempotent."""
