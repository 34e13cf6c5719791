"""What passes between the sealer, the buffer and the uplink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from drivers.said import SaidError


@dataclass(frozen=True, slots=True)
class SealedBlock:
    """One sealed block. (gateway, epoch, seq) names its contents for ever.

    `data` is a serialized jiahe.ingest.v1.Block without its lane. `oldest_ns` is the boot time of
    its oldest sample: its flush is due counted from there. `end_of_epoch` says that its payload
    does: once it is durable, the epoch has ended cleanly.
    """

    epoch: int
    seq: int
    catalog_revision: int
    data: bytes
    oldest_ns: int
    scans: int
    samples: int
    end_of_epoch: bool = False


class BlockKey(NamedTuple):
    """A block's name within its gateway; keys sort in the order of the backlog."""

    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class ScanCounts:
    """Where the scans of the blocks of this run are; they add up to what was put."""

    acked_scans: int
    buffered_scans: int  # on disk
    memory_scans: int
    lost_scans: int  # announced as gaps


class BufferUnusableError(SaidError):
    """The buffer can't be used as it is. `message` is an id of gateway/messages.py."""
