"""Which blocks the buffer keeps and where: a few dozen bytes a block, whatever their number.

Blocks of an epoch arrive in the order of seq, and are written in it, so an epoch is a handful of
packed columns with ascending seqs. What is live (kept and not acknowledged) is a set of ranges.
Belongs to the event loop's thread; the disk's thread is only handed locations.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.buffer.block import BlockKey, SealedBlock
from gateway.buffer.ranges import RangeSet


class BlockLocation(NamedTuple):
    """Where a block's record lies, and what it counts for."""

    segment: int
    offset: int
    size: int  # bytes of the record
    scans: int


@dataclass(slots=True)
class Segment:
    """A file: its bytes, when it was begun, which seqs of each epoch it holds, how many live.

    `created_utc_ns`: 0 if nothing vouched for the clock then. `created_ns`: the same on the boot
    clock, of those that this run made; None of others. `going`: it is being unlinked, so nothing of
    it can be live again.
    """

    size: int
    created_utc_ns: int
    created_ns: int | None = None
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)
    live: int = 0
    going: bool = False


class Epoch:
    """The blocks of one epoch: on disk in columns, in RAM in `ram`, by seq."""

    __slots__ = (
        "_offsets", "_scans", "_segments", "_seqs", "_sizes", "acked", "acked_scans", "disk_bytes",
        "disk_scans", "end_seq", "gone", "live", "lost_scans", "newest_ns", "ram", "ram_bytes",
        "ram_scans",
    )  # fmt: skip

    def __init__(self) -> None:
        self._seqs, self._segments = array("Q"), array("I")
        self._offsets, self._sizes, self._scans = array("I"), array("I"), array("I")
        self.ram: dict[int, SealedBlock] = {}
        self.live, self.acked, self.gone = RangeSet(), RangeSet(), RangeSet()
        self.disk_bytes = self.disk_scans = self.acked_scans = self.lost_scans = 0
        self.ram_bytes = self.ram_scans = 0
        self.end_seq = 0  # of the block that ends the epoch, if it was ever here
        self.newest_ns = 0  # boot time of the oldest sample of its newest block

    def put_ram(self, block: SealedBlock) -> None:
        self.ram[block.seq] = block
        self.ram_bytes += len(block.data)
        self.ram_scans += block.scans

    def pop_ram(self, seq: int) -> SealedBlock | None:
        block = self.ram.pop(seq, None)
        if block is not None:
            self.ram_bytes -= len(block.data)
            self.ram_scans -= block.scans
        return block

    def location(self, seq: int) -> BlockLocation | None:
        """Where the block is on disk; None if it is not, or no more."""
        at = bisect_left(self._seqs, seq)
        if at == len(self._seqs) or self._seqs[at] != seq or self._segments[at] == 0:
            return None
        return BlockLocation(
            self._segments[at], self._offsets[at], self._sizes[at], self._scans[at]
        )

    def set_location(self, seq: int, location: BlockLocation) -> None:
        """It is on disk at `location`: a new block above all others, or a second copy of one."""
        if not self._seqs or seq > self._seqs[-1]:  # nearly always
            self._seqs.append(seq)
            self._segments.append(location.segment)
            self._offsets.append(location.offset)
            self._sizes.append(location.size)
            self._scans.append(location.scans)
            return
        at = bisect_left(self._seqs, seq)
        columns = (self._segments, self._offsets, self._sizes, self._scans)
        if at < len(self._seqs) and self._seqs[at] == seq:
            for column, value in zip(columns, location, strict=True):
                column[at] = value
            return
        self._seqs.insert(at, seq)
        for column, value in zip(columns, location, strict=True):
            column.insert(at, value)

    def forget_segment(self, segment: int, first: int, last: int) -> None:
        """The segment is no more; first..last is what it held of this epoch."""
        low, high = bisect_left(self._seqs, first), bisect_right(self._seqs, last)
        for at in range(low, high):
            if self._segments[at] == segment:
                self._segments[at] = 0
        dead = 0
        while dead < len(self._seqs) and self._segments[dead] == 0:
            dead += 1
        for column in (self._seqs, self._segments, self._offsets, self._sizes, self._scans):
            del column[:dead]


class Index:
    """All epochs and all segments."""

    def __init__(self) -> None:
        self.epochs: dict[int, Epoch] = {}
        self.segments: dict[int, Segment] = {}
        self._order: list[int] = []

    def epoch(self, number: int) -> Epoch:
        """The epoch, made if it is new."""
        found = self.epochs.get(number)
        if found is None:
            found = self.epochs[number] = Epoch()
            insort(self._order, number)
        return found

    def forget_epoch(self, number: int) -> None:
        del self.epochs[number]
        self._order.remove(number)

    def is_live(self, key: BlockKey) -> bool:
        epoch = self.epochs.get(key.epoch)
        return epoch is not None and key.seq in epoch.live

    def has_live(self, epoch: int) -> bool:
        """Some block of the epoch is kept and not acknowledged."""
        return epoch in self.epochs and bool(self.epochs[epoch].live)

    def location(self, key: BlockKey) -> BlockLocation | None:
        """Where the block is on disk; None if it is not."""
        epoch = self.epochs.get(key.epoch)
        return epoch.location(key.seq) if epoch else None

    def next_live(self, after: BlockKey) -> BlockKey | None:
        """The first live block after `after` in (epoch, seq) order."""
        at = bisect_left(self._order, after.epoch)
        for number in self._order[at:]:
            seq = self.epochs[number].live.next_after(after.seq if number == after.epoch else 0)
            if seq is not None:
                return BlockKey(number, seq)
        return None

    def put(self, block: SealedBlock) -> None:
        """A fresh block, in RAM."""
        epoch = self.epoch(block.epoch)
        epoch.put_ram(block)
        epoch.live.add(block.seq, block.seq)
        epoch.newest_ns = max(epoch.newest_ns, block.oldest_ns)
        if block.end_of_epoch:
            epoch.end_seq = block.seq

    def stored(self, key: BlockKey, location: BlockLocation) -> None:
        """The block is durable at `location` and leaves RAM; it may be acknowledged by now."""
        epoch, segment = self.epoch(key.epoch), self.segments[location.segment]
        is_live = key.seq in epoch.live
        old = epoch.location(key.seq) if is_live and key.seq not in epoch.ram else None
        if old is not None:  # found twice when opening: written again after a failed sync
            self._count(epoch, old, -1)
        epoch.pop_ram(key.seq)
        epoch.set_location(key.seq, location)
        first, last = segment.spans.get(key.epoch, (key.seq, key.seq))
        segment.spans[key.epoch] = (min(first, key.seq), max(last, key.seq))
        if is_live:
            self._count(epoch, location, +1)

    def revive(self, key: BlockKey) -> bool:
        """Live again: the platform no longer has it. False if the box has it no more either."""
        epoch = self.epoch(key.epoch)
        location = epoch.location(key.seq)
        if location is None or self.segments[location.segment].going:
            return False
        epoch.live.add(key.seq, key.seq)
        epoch.acked.remove(key.seq, key.seq)
        epoch.acked_scans -= location.scans
        self._count(epoch, location, +1)
        return True

    def drop(self, key: BlockKey, *, acked: bool) -> int | None:
        """The block is live no more; the segment that now holds no live block, or None."""
        epoch = self.epochs[key.epoch]
        epoch.live.remove(key.seq, key.seq)
        (epoch.acked if acked else epoch.gone).add(key.seq, key.seq)
        block = epoch.pop_ram(key.seq)
        location = None if block is not None else epoch.location(key.seq)
        scans = block.scans if block is not None else location.scans if location is not None else 0
        if acked:
            epoch.acked_scans += scans
        else:
            epoch.lost_scans += scans
        if location is None:
            return None
        self._count(epoch, location, -1)
        return location.segment if self.segments[location.segment].live == 0 else None

    def _count(self, epoch: Epoch, location: BlockLocation, sign: int) -> None:
        epoch.disk_bytes += sign * location.size
        epoch.disk_scans += sign * location.scans
        self.segments[location.segment].live += sign

    def oldest_live(self) -> Segment | None:
        """The first segment that holds a live block."""
        number = min((n for n, info in self.segments.items() if info.live), default=None)
        return None if number is None else self.segments[number]

    def live_in(self, segment: int) -> Iterator[tuple[BlockKey, BlockLocation]]:
        """The live blocks whose newest copy is in the segment, in order."""
        for number in sorted(self.segments[segment].spans):
            epoch = self.epochs.get(number)
            if epoch is None:
                continue
            for seq in epoch.live.within(*self.segments[segment].spans[number]).numbers():
                location = epoch.location(seq)
                if location is not None and location.segment == segment:
                    yield BlockKey(number, seq), location

    def has_gone(self, segment: int) -> bool:
        """Some block of it was given up, and announced as a gap; or may have been."""
        return any(
            number not in self.epochs or bool(self.epochs[number].gone.within(first, last))
            for number, (first, last) in self.segments[segment].spans.items()
        )

    @property
    def live_blocks(self) -> int:
        """Blocks that are kept and not acknowledged."""
        ranges = (r for epoch in self.epochs.values() for r in epoch.live)
        return sum(last - first + 1 for first, last in ranges)

    def has_segment(self, epoch: int) -> bool:
        """Some file holds blocks of the epoch, live or not."""
        return any(epoch in segment.spans for segment in self.segments.values())

    def forget_segment(self, segment: int) -> None:
        """The file is gone; none of its blocks is live."""
        gone = self.segments.pop(segment)
        assert gone.live == 0, f"segment {segment:x} had {gone.live} live blocks"
        for number, (first, last) in gone.spans.items():
            if number in self.epochs:
                self.epochs[number].forget_segment(segment, first, last)

    @property
    def segment_bytes(self) -> int:
        """What the segments take, live or not."""
        return sum(segment.size for segment in self.segments.values())
