"""Which block goes next, and how many may be on their way.

Live: blocks of this epoch sealed after this stream's Welcome. Backfill: everything before, in the
order of (epoch, seq). Within a lane blocks go in order; each goes once a stream.
"""

from __future__ import annotations

from collections.abc import KeysView
from typing import NamedTuple, Protocol

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey


class Kept(Protocol):
    """What the lanes ask the buffer."""

    def next_live(self, after: BlockKey) -> BlockKey | None: ...

    def size(self, key: BlockKey) -> int: ...


class Pick(NamedTuple):
    key: BlockKey
    lane: pb.Lane.ValueType


class Lanes:
    """`live_from`: the first block of the live lane. The window is the platform's."""

    def __init__(
        self, kept: Kept, live_from: BlockKey, window_blocks: int, window_bytes: int
    ) -> None:
        self._kept = kept
        self._live_from = live_from
        self._live = BlockKey(live_from.epoch, live_from.seq - 1)
        self._backfill = BlockKey(0, 0)
        self._window_blocks, self._window_bytes = max(1, window_blocks), max(1, window_bytes)
        self._on_way: dict[BlockKey, tuple[int, pb.Lane.ValueType]] = {}
        self._bytes = 0
        self._live_on_way = 0
        self._unread: dict[pb.Lane.ValueType, BlockKey] = {}  # the first that each lane passed over

    def next(self) -> Pick | None:
        """The block to send now; None if there is none, or no room for it."""
        live = self._next_waiting(self._live)
        if live is not None:
            if self._has_room(live, self._window_blocks, self._window_bytes):
                return Pick(live, pb.LANE_LIVE)
            return None  # or a small backfill block would pass a big live one, for ever
        old = self._next_waiting(self._backfill)
        if old is None or old >= self._live_from:
            return None
        part = 2 if self._live_on_way else 4
        blocks = self._window_blocks - (self._window_blocks + part - 1) // part
        size = self._window_bytes - self._window_bytes // part
        return Pick(old, pb.LANE_BACKFILL) if self._has_room(old, max(1, blocks), size) else None

    def _next_waiting(self, after: BlockKey) -> BlockKey | None:
        key = self._kept.next_live(after)
        while key is not None and key in self._on_way:  # sent before the lane went back
            key = self._kept.next_live(key)
        return key

    def unreadable(self, pick: Pick) -> None:
        """The block can't be sent now; its lane goes on behind it until `again`."""
        self._unread.setdefault(pick.lane, pick.key)
        self.passed(pick)

    def again(self) -> None:
        """Both lanes go back to what was unreadable."""
        for lane, (epoch, seq) in self._unread.items():
            self.passed(Pick(BlockKey(epoch, seq - 1), lane))
        self._unread.clear()

    def passed(self, pick: Pick) -> None:
        """The block was sent, or never will be: its lane goes on behind it."""
        if pick.lane == pb.LANE_LIVE:
            self._live = pick.key
        else:
            self._backfill = pick.key

    def sent(self, pick: Pick, size: int) -> None:
        """The block is on its way: `size` bytes of the window until `done`."""
        self.passed(pick)
        assert pick.key not in self._on_way, f"{pick.key} twice on one stream"
        self._on_way[pick.key] = (size, pick.lane)
        self._bytes += size
        self._live_on_way += pick.lane == pb.LANE_LIVE

    def done(self, epoch: int, first: int, last: int) -> int:
        """Blocks `first`..`last` are answered; how many of them were on their way."""
        answered = [k for k in self._on_way if k.epoch == epoch and first <= k.seq <= last]
        for key in answered:
            size, lane = self._on_way.pop(key)
            self._bytes -= size
            self._live_on_way -= lane == pb.LANE_LIVE
        return len(answered)

    @property
    def on_way(self) -> KeysView[BlockKey]:
        """Sent on this stream and not answered, as it changes."""
        return self._on_way.keys()

    def _has_room(self, key: BlockKey, blocks: int, size: int) -> bool:
        if not self._on_way:
            return True  # a block larger than the window goes alone
        return len(self._on_way) < blocks and self._bytes + self._kept.size(key) <= size
