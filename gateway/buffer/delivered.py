"""Gaps that the platform has taken, and the blocks that carried them.

A platform that is put back to before such a block lacks its gaps too, and what they name is neither
held nor announced: then they are owed again. The newest are kept, to a bound, over restarts too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer.block import BlockKey
from gateway.buffer.gaps import GapSet
from gateway.buffer.state import CarriedGap

#: Of gaps as the state file has them, by and large; some 700 of a usual size.
BYTES_MAX = 64 << 10


class Delivered:
    """`kept`: what the state file is to know, the oldest first."""

    def __init__(self, kept: Iterable[CarriedGap]) -> None:
        self.kept = list(kept)
        self._bytes = sum(map(_size, self.kept))

    def add(self, carrier: BlockKey, gaps: GapSet) -> None:
        """The platform holds the block, and so these. Runs that it named itself, it names again."""
        for gap in gaps.messages():
            if not (gap.count_unknown and gap.reason == pb.GAP_REASON_BOX_FORGOT):
                self.kept.append(CarriedGap(*carrier, gap))
                self._bytes += _size(self.kept[-1])
        while self._bytes > BYTES_MAX:
            self._bytes -= _size(self.kept.pop(0))

    def lost(self, epoch: int, is_lost: Callable[[int], bool]) -> list[pb.Gap]:
        """The gaps of those blocks of `epoch` that the platform holds no more; kept no longer."""
        kept, gaps = [], []
        for entry in self.kept:
            if entry.epoch == epoch and is_lost(entry.seq):
                gaps.append(entry.gap)
                self._bytes -= _size(entry)
            else:
                kept.append(entry)
        self.kept = kept
        return gaps


def _size(entry: CarriedGap) -> int:
    return 64 + entry.gap.ByteSize()
