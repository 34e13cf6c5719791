"""Which blocks go next, and how many may be on their way.

Live: blocks of this epoch sealed after this stream's Welcome. Backfill: everything before, in the
order of (epoch, seq). Within a lane blocks go in order, those that follow one another together;
each goes once a stream, but for one that the platform refused in company: that goes once alone.

Live blocks wait for each other until the oldest sample among them is `send_every` old; what was
sealed before the stream goes at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, KeysView
from typing import NamedTuple, Protocol

from jiahe.ingest import limits
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey
from gateway.buffer.ranges import RangeSet

#: Blocks that travel together: more of them save little, and hold up what comes behind.
TOGETHER_BLOCKS, TOGETHER_BYTES = 256, 256 << 10


class Kept(Protocol):
    """What the lanes ask the buffer."""

    def next_live(self, after: BlockKey) -> BlockKey | None: ...

    def size(self, key: BlockKey) -> int: ...

    def oldest_ns(self, key: BlockKey) -> int | None: ...


class Pick(NamedTuple):
    """Successive blocks of one epoch."""

    keys: tuple[BlockKey, ...]
    lane: pb.Lane.ValueType


class Keys:
    """A set of block names."""

    def __init__(self) -> None:
        self._seqs: dict[int, RangeSet] = {}

    def add(self, key: BlockKey) -> None:
        self._seqs.setdefault(key.epoch, RangeSet()).add(key.seq, key.seq)

    def discard(self, epoch: int, first: int, last: int) -> None:
        if epoch in self._seqs:
            self._seqs[epoch].remove(first, last)

    def holds(self, epoch: int, first: int, last: int) -> bool:
        """Whether all of these blocks are members."""
        held = self._seqs.get(epoch)
        return held is not None and not RangeSet([(first, last)]).minus(held)

    def last_of_run(self, key: BlockKey) -> BlockKey:
        """The last of the run of members that begins with `key`, which is one."""
        return BlockKey(key.epoch, self._seqs[key.epoch].last_of(key.seq))

    def clear(self) -> None:
        self._seqs.clear()

    def __contains__(self, key: BlockKey) -> bool:
        return key.epoch in self._seqs and key.seq in self._seqs[key.epoch]

    def __bool__(self) -> bool:
        return any(self._seqs.values())


class Lanes:
    """`live_from`: the first block of the live lane. `unnamed`: earlier epochs that Hello did not
    name. `refused`: what this platform takes no more. The window is the platform's.
    """

    def __init__(
        self,
        kept: Kept,
        live_from: BlockKey,
        window_blocks: int,
        window_bytes: int,
        *,
        refused: Keys,
        unnamed: Collection[int] = (),
        send_every_ns: int = 0,
        together: bool = False,
    ) -> None:
        self._kept, self._refused = kept, refused
        self._live_from, self._unnamed = live_from, unnamed
        self._live = BlockKey(live_from.epoch, live_from.seq - 1)
        self._backfill = BlockKey(0, 0)
        self._window_blocks, self._window_bytes = max(1, window_blocks), max(1, window_bytes)
        self._send_every_ns, self._together = send_every_ns, together
        self._on_way: dict[BlockKey, tuple[int, pb.Lane.ValueType]] = {}
        self._bytes = 0
        self._live_on_way = 0
        self._unread: dict[pb.Lane.ValueType, BlockKey] = {}  # the first that each lane passed over
        self._alone = Keys()
        self._first: tuple[BlockKey, int] | None = None  # the live block that waits, when it is due

    def next(self, now_ns: int, *, live_only: bool = False) -> Pick | None:
        """The blocks to send now; None if there are none, or no room for them."""
        live = self._next_waiting(self._live)
        if live is not None and now_ns >= self._due_ns(live):
            if self._has_room(live, self._window_blocks, self._window_bytes):
                return self._run(live, pb.LANE_LIVE, self._window_blocks, self._window_bytes)
            return None  # or a small backfill block would pass a big live one, for ever
        old = None if live_only else self._next_old()
        if old is None:
            return None
        part = 2 if self._live_on_way else 4
        blocks = max(1, self._window_blocks - (self._window_blocks + part - 1) // part)
        size = self._window_bytes - self._window_bytes // part
        if not self._has_room(old, blocks, size):
            return None
        return self._run(old, pb.LANE_BACKFILL, blocks, size)

    def due_ns(self) -> int | None:
        """When the live blocks that wait must go; None: there are none."""
        live = self._next_waiting(self._live)
        return None if live is None else self._due_ns(live)

    @property
    def backlog_is_gone(self) -> bool:
        """Nothing that Hello named waits."""
        return self._next_old() is None

    def _next_old(self) -> BlockKey | None:
        old = self._next_waiting(self._backfill)
        while old is not None and old.epoch in self._unnamed:
            # It goes on a later stream. That of an epoch before has gone by now.
            self._backfill = BlockKey(old.epoch, limits.SEQ_END)
            old = self._next_waiting(self._backfill)
        return None if old is None or old >= self._live_from else old

    def _due_ns(self, key: BlockKey) -> int:
        """When a live block that waits must go: by its oldest sample as it was first seen here, for
        once it is on disk nobody knows that any more.
        """
        if self._first is None or self._first[0] != key:
            self._first = key, (self._kept.oldest_ns(key) or 0) + self._send_every_ns
        return self._first[1]

    def _run(self, first: BlockKey, lane: pb.Lane.ValueType, blocks: int, size: int) -> Pick:
        """`first`, and what follows it as far as it may travel with it."""
        keys = [first]
        if not self._together or first in self._alone:
            return Pick((first,), lane)
        blocks = min(TOGETHER_BLOCKS, blocks - len(self._on_way))
        size = min(TOGETHER_BYTES, size - self._bytes) - self._kept.size(first)
        while len(keys) < blocks:
            key = BlockKey(first.epoch, keys[-1].seq + 1)
            is_old = lane == pb.LANE_BACKFILL
            if (is_old and key >= self._live_from) or self._next_waiting(keys[-1]) != key:
                break
            size -= self._kept.size(key)
            if size < 0 or key in self._alone:
                break
            keys.append(key)
        return Pick(tuple(keys), lane)

    def _next_waiting(self, after: BlockKey) -> BlockKey | None:
        key = self._kept.next_live(after)
        while key is not None:
            if key in self._refused:
                key = self._refused.last_of_run(key)
            elif key not in self._on_way:  # else sent before the lane went back
                return key
            key = self._kept.next_live(key)
        return None

    def unreadable(self, pick: Pick) -> None:
        """The blocks can't be sent now; their lane goes on behind them until `again`."""
        self._unread.setdefault(pick.lane, pick.keys[0])
        self.passed(pick)

    def again(self) -> None:
        """Both lanes go back to what was unreadable."""
        for lane, key in self._unread.items():
            self._go_back(key, lane)
        self._unread.clear()

    def alone(self, keys: Iterable[BlockKey], lane: pb.Lane.ValueType | None = None) -> None:
        """These go one by one; `lane` None: they were on their way together, and go again."""
        for key in keys:
            if lane is None and key in self._on_way:
                _, back = self._on_way[key]
                self.done(key.epoch, key.seq, key.seq)
                self._go_back(key, back)
            self._alone.add(key)

    def _go_back(self, key: BlockKey, lane: pb.Lane.ValueType) -> None:
        before = BlockKey(key.epoch, key.seq - 1)
        if lane == pb.LANE_LIVE:
            self._live = min(self._live, before)
        else:
            self._backfill = min(self._backfill, before)

    def was_alone(self, key: BlockKey) -> bool:
        return key in self._alone

    def passed(self, pick: Pick) -> None:
        """The blocks were sent, or never will be: their lane goes on behind them."""
        if pick.lane == pb.LANE_LIVE:
            self._live = pick.keys[-1]
        else:
            self._backfill = pick.keys[-1]

    def sent(self, pick: Pick, size: int) -> None:
        """The blocks were passed, and are on their way: `size` bytes of the window until `done`."""
        share, rest = divmod(size, len(pick.keys))
        for key in pick.keys:
            assert key not in self._on_way, f"{key} twice on one stream"
            self._on_way[key] = (share + rest, pick.lane)
            rest = 0
        self._bytes += size
        self._live_on_way += len(pick.keys) * (pick.lane == pb.LANE_LIVE)

    def done(self, epoch: int, first: int, last: int) -> int:
        """Blocks `first`..`last` are answered; how many of them were on their way."""
        if last - first < len(self._on_way):
            named = (BlockKey(epoch, seq) for seq in range(first, last + 1))
            answered = [key for key in named if key in self._on_way]
        else:
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
