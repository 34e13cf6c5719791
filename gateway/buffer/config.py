"""The buffer's limits, as the configuration file says them or as they follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class BufferConfig:
    """Times in nanoseconds, sizes in bytes."""

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
