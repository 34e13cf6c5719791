"""What a session asks of whoever drives it; `session` says what each gives back."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.stores.api import Put, Speaker


@dataclass(frozen=True, slots=True)
class Send:
    message: pb.StreamResponse


@dataclass(frozen=True, slots=True)
class Open:
    """Ask the store's `hello`."""

    speaker: Speaker


@dataclass(frozen=True, slots=True)
class Load:
    """Ask the store's method of this name."""

    what: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """Take these steps; they yield what each cost, at last what they found. `size`: bytes that
    they unpack."""

    steps: Iterator[Any]
    size: int


@dataclass(frozen=True, slots=True)
class Store:
    """Give the item to the store's `put`; pass what became of it to `stored`."""

    item: Put


@dataclass(frozen=True, slots=True)
class End:
    """End the stream with this gRPC status; nothing more is sent or taken."""

    code: str
    detail: str


Command = Send | Open | Load | Check | Store | End
Steps = Generator[Command, Any, None]
