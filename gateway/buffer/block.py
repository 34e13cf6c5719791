"""What passes between the sealer, the buffer and the uplink; and the buffer's limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

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


@dataclass(frozen=True, slots=True)
class BufferConfig:
    """The buffer's limits, as the configuration file says them or as they follow from it. Times in
    nanoseconds, sizes in bytes.
    """

    gateway: str
    max_bytes: int = 2 << 30
    keep_for_ns: int = 30 * 86_400 * 10**9
    flush_every_ns: int = 10**9
    when_full: Literal["drop_oldest", "drop_newest"] = "drop_oldest"
    segment_bytes: int = 4 << 20
    memory_bytes_max: int = 32 << 20
    free_bytes_min: int = 8 << 20  # left to others on the same file system
    path: str = ""  # of the directory, for words only

    @property
    def flush_margin_ns(self) -> int:
        """A flush begins this much before it must be done."""
        return min(250_000_000, self.flush_every_ns // 4)

    @property
    def segment_bytes_used(self) -> int:
        """Eviction frees a segment at a time, so a small buffer has small ones."""
        return max(1, min(self.segment_bytes, self.max_bytes // 8))
