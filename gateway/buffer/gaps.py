"""What is missing, gathered into few and bounded Gap messages.

A gap is a set: of whole blocks and of ticks. To say the same gap twice says nothing new, so after a
crash one may be announced again rather than be forgotten; readers take the union.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError
from jiahe.ingest import limits
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer.ranges import RangeSet
from native.crc import crc32c

#: `native.block.seal.decompress`: a zstd payload and its declared size to the payload. Raises
#: ValueError.
Decompress = Callable[[bytes, int], bytes]

#: The most bytes of gaps in one block, so that a block stays below 1 MiB with room for scans.
GAP_BYTES_MAX = 256 << 10
_PIECE_RUNS = 500


@dataclass(slots=True)
class Ticks:
    """A run of ticks of one group, and when its first and last were due."""

    first: int
    count: int
    first_due_ns: int
    last_due_ns: int

    @property
    def end(self) -> int:
        return self.first + self.count


@dataclass(slots=True)
class Loss:
    """Blocks of one epoch that are gone for one reason, with their ticks and their pushed values'
    numbers, a group.

    `end_of_epoch`: the last of them ended the epoch cleanly.
    """

    blocks: RangeSet = field(default_factory=RangeSet)
    ticks: dict[int, list[Ticks]] = field(default_factory=dict)
    end_of_epoch: bool = False
    events: dict[int, RangeSet] = field(default_factory=dict)

    def add_events(self, group: int, first: int, count: int) -> None:
        self.events.setdefault(group, RangeSet()).add(first, first + count - 1)

    def add_ticks(self, group: int, new: Ticks) -> None:
        """Join `new` with the runs that it overlaps or touches; runs stay ascending, disjoint."""
        if new.count == 0:
            return
        runs = self.ticks.setdefault(group, [])
        at = bisect_right(runs, new.first, key=lambda run: run.first)
        while at > 0 and runs[at - 1].end >= new.first:
            at -= 1
            new = _joined(runs.pop(at), new)
        while at < len(runs) and runs[at].first <= new.end:
            new = _joined(new, runs.pop(at))
        runs.insert(at, new)

    def update(self, other: Loss) -> None:
        self.blocks.update(other.blocks)
        self.end_of_epoch = self.end_of_epoch or other.end_of_epoch
        for group, runs in other.ticks.items():
            for run in runs:
                self.add_ticks(group, run)
        for group, numbers in other.events.items():
            self.events.setdefault(group, RangeSet()).update(numbers)


def _joined(a: Ticks, b: Ticks) -> Ticks:
    low = a if a.first <= b.first else b
    high = a if a.end >= b.end else b
    return Ticks(low.first, high.end - low.first, low.first_due_ns, high.last_due_ns)


class _End:
    """The end of an epoch, whose count can't be known: what a gap says of it, and its holes."""

    def __init__(self, gap: pb.Gap) -> None:
        self.said, self.holes = pb.Gap(), RangeSet()
        self.said.CopyFrom(gap)
        del self.said.blocks[:]

    def message(self) -> pb.Gap:
        gap = pb.Gap(blocks=[pb.SeqRange(first=a, last=b) for a, b in self.holes])
        gap.MergeFrom(self.said)
        return gap


class GapSet:
    """Gaps joined by (reason, epoch); the ends of epochs, whose count can't be known, by epoch."""

    def __init__(self, gaps: Iterable[pb.Gap] = ()) -> None:
        self._losses: dict[tuple[pb.GapReason.ValueType, int], Loss] = {}
        self._ends: dict[int, _End] = {}
        for gap in gaps:
            self.add(gap)

    def __bool__(self) -> bool:
        return bool(self._losses or self._ends)

    def add(self, gap: pb.Gap) -> None:
        if gap.count_unknown:
            self._add_end(gap)
            return
        loss = Loss(RangeSet((r.first, r.last) for r in gap.blocks), end_of_epoch=gap.end_of_epoch)
        for t in gap.ticks:
            loss.add_ticks(t.group, Ticks(t.first_tick, t.count, t.first_due_ns, t.last_due_ns))
        for e in gap.events:
            loss.add_events(e.group, e.first, e.count)
        self.lose(gap.reason, gap.epoch, loss)

    def _add_end(self, gap: pb.Gap) -> None:
        """Join `gap` with the other pieces of the same epoch's end."""
        known = self._ends.setdefault(gap.epoch, _End(gap))
        known.said.after_seq = min(known.said.after_seq, gap.after_seq)
        known.holes.update(RangeSet((r.first, r.last) for r in gap.blocks))

    def lose(self, reason: pb.GapReason.ValueType, epoch: int, loss: Loss) -> None:
        """Blocks of `epoch`, and ticks in them, are gone for `reason` (a GapReason)."""
        self._losses.setdefault((reason, epoch), Loss()).update(loss)

    def update(self, other: GapSet) -> None:
        for (reason, epoch), loss in other._losses.items():
            self.lose(reason, epoch, loss)
        for end in other._ends.values():
            self._add_end(end.message())

    def blocks(self, epoch: int) -> RangeSet:
        """The whole blocks of `epoch` that these gaps name."""
        result = RangeSet()
        for (_, of), loss in self._losses.items():
            if of == epoch:
                result.update(loss.blocks)
        return result

    def ends(self) -> set[int]:
        """The epochs whose end these gaps announce."""
        return set(self._ends)

    def end(self, epoch: int) -> pb.Gap | None:
        """What is announced of the end of `epoch`, joined; None if nothing is."""
        found = self._ends.get(epoch)
        return None if found is None else found.message()

    def messages(self) -> list[pb.Gap]:
        gaps = [_message(r, e, loss) for (r, e), loss in sorted(self._losses.items(), key=_key)]
        return gaps + [self._ends[epoch].message() for epoch in sorted(self._ends)]

    def take(self, bytes_max: int = GAP_BYTES_MAX) -> list[pb.Gap]:
        """Remove and return gaps of some `bytes_max` serialized bytes at most, one at least."""
        pieces = [piece for gap in self.messages() for piece in _pieces(gap)]
        taken, size = 0, 0
        for piece in pieces:
            size += piece.ByteSize()
            if taken and size > bytes_max:
                break
            taken += 1
        rest = GapSet(pieces[taken:])
        self._losses, self._ends = rest._losses, rest._ends
        return pieces[:taken]


def _key(item: tuple[tuple[pb.GapReason.ValueType, int], Loss]) -> tuple[int, int]:
    (reason, epoch), _ = item
    return epoch, reason


def _message(reason: pb.GapReason.ValueType, epoch: int, loss: Loss) -> pb.Gap:
    gap = pb.Gap(reason=reason, epoch=epoch, end_of_epoch=loss.end_of_epoch)
    for first, last in loss.blocks:
        gap.blocks.add(first=first, last=last)
    for group in sorted(loss.ticks):
        for run in loss.ticks[group]:
            gap.ticks.add(
                group=group, first_tick=run.first, count=run.count,
                first_due_ns=run.first_due_ns, last_due_ns=run.last_due_ns,
            )  # fmt: skip
    for group in sorted(loss.events):
        for first, last in loss.events[group]:
            gap.events.add(group=group, first=first, count=last - first + 1)
    return gap


def _pieces(gap: pb.Gap) -> Iterator[pb.Gap]:
    """Split a gap into messages of some kilobytes each."""
    if len(gap.ticks) + len(gap.blocks) + len(gap.events) <= _PIECE_RUNS:
        yield gap
        return
    for start in range(0, max(len(gap.ticks), len(gap.blocks), len(gap.events)), _PIECE_RUNS):
        part = slice(start, start + _PIECE_RUNS)
        has_last = start < len(gap.blocks) <= start + _PIECE_RUNS
        yield pb.Gap(
            reason=gap.reason, epoch=gap.epoch, blocks=gap.blocks[part], ticks=gap.ticks[part],
            events=gap.events[part],
            count_unknown=gap.count_unknown, after_seq=gap.after_seq,
            until_ns=gap.until_ns, until_boot_id=gap.until_boot_id,
            end_of_epoch=gap.end_of_epoch and has_last,
        )  # fmt: skip


def read_payload(data: bytes, decompress: Decompress) -> pb.BlockPayload:
    """The payload of a serialized Block, checked as a receiver checks it. Raises ValueError."""
    try:
        block = pb.Block.FromString(data)
        if block.payload_size > limits.PAYLOAD_BYTES_MAX:
            raise ValueError(f"a payload of {block.payload_size} bytes")
        payload = block.payload
        if block.compression == pb.COMPRESSION_ZSTD:
            payload = decompress(payload, block.payload_size)
        elif block.compression == pb.COMPRESSION_ZLIB:
            payload = zlib.decompressobj().decompress(payload, block.payload_size + 1)
        if len(payload) != block.payload_size:
            raise ValueError(f"{len(payload)} bytes of payload, {block.payload_size} declared")
        if crc32c(payload) != block.payload_crc32c:
            raise ValueError("the payload's checksum is wrong")
        return pb.BlockPayload.FromString(payload)
    except (DecodeError, zlib.error) as error:
        raise ValueError(f"not a block: {error}") from error


def loss_of(seq: int, payload: pb.BlockPayload, periods: Mapping[int, int]) -> Loss:
    """What is gone if this block never arrives: the block, and all ticks and events in its runs.

    `periods`: of its epoch's groups, in ns. Of a group that is not there nobody else knows what its
    ticks were either.
    """
    loss = Loss(RangeSet([(seq, seq)]), end_of_epoch=payload.end_of_epoch)
    for run in payload.runs:
        if run.ticks and run.group in periods:
            last_due = run.first_due_ns + (run.ticks - 1) * periods[run.group]
            loss.add_ticks(run.group, Ticks(run.first_tick, run.ticks, run.first_due_ns, last_due))
        for events in run.events:
            loss.add_events(run.group, events.first, events.count)
    return loss
