"""What a checked payload says, in numbers: all that the store keeps beside the payload itself.

One payload holds one block, or successive blocks (a bundle). Runs of ticks and of events go over
all of them; `splits` says how many belong to each, so that any of them can be taken alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from jiahe.ingest.v1 import ingest_pb2 as pb

#: (first, count, reason) of ticks without a row, or of events that were lost.
Skipped = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Run:
    """Contiguous ticks of a group. `early_ns`, `late_ns`: the least and most that a row's time is
    behind its due time."""

    index: int
    group: int
    first_tick: int
    splits: tuple[int, ...]
    skipped: tuple[Skipped, ...]
    first_due_ns: int
    period_ns: int
    early_ns: int
    late_ns: int


@dataclass(frozen=True, slots=True)
class Events:
    """Contiguous numbers of pushed values of a group, with the boot times that they lie between."""

    run: int
    index: int
    group: int
    first: int
    splits: tuple[int, ...]
    lost: tuple[Skipped, ...]
    first_ns: int
    last_ns: int


class Block(NamedTuple):
    """One block of the payload: its identity, its counts, and what it says beside runs.

    `check`: the lowest byte of the block's CRC-32C; `crc32c`: all of it, None in a bundle.
    """

    check: int
    crc32c: int | None
    scans: int
    samples: int
    extra: pb.BlockPayload | None


@dataclass(frozen=True, slots=True)
class Facts:
    blocks: tuple[Block, ...]
    runs: tuple[Run, ...]
    events: tuple[Events, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a range that belongs to some of the blocks: `rows` of its `count` are there."""

    first: int
    count: int
    rows: int
    skipped: tuple[Skipped, ...]


def part_of(
    first: int, splits: Sequence[int], skipped: Sequence[Skipped], begin: int, end: int
) -> Part:
    """What blocks `begin` to before `end` have of a range."""
    start = first + sum(splits[:begin])
    count = sum(splits[begin:end])
    inside = tuple(_clipped(skipped, start, start + count))
    return Part(start, count, count - sum(one[1] for one in inside), inside)


def _clipped(skipped: Sequence[Skipped], start: int, end: int) -> Iterator[Skipped]:
    for first, count, reason in skipped:
        low, high = max(first, start), min(first + count, end)
        if low < high:
            yield low, high - low, reason


def rows_of_splits(first: int, splits: Sequence[int], skipped: Sequence[Skipped]) -> list[int]:
    """How many rows each block has of a range: what is not skipped."""
    if not skipped:
        return list(splits)
    rows = list(splits)
    ends = list(accumulate(splits, initial=first))
    place = 0
    for low, count, _ in skipped:  # ascending, as the ranges of the blocks are
        high = low + count
        while place < len(rows) and ends[place + 1] <= low:
            place += 1
        at = place
        while at < len(rows) and ends[at] < high:
            rows[at] -= min(high, ends[at + 1]) - max(low, ends[at])
            at += 1
    return rows
