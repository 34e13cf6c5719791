"""What becomes of blocks that the platform refuses.

They are kept and passed, until the platform changes: what one refuses, another may take. What the
box itself finds wrong it sets aside; and a block of which the platform says that it holds another
content, once it takes others, for a platform that refuses everything is at fault itself. Such a one
gets a block now and then, so that nothing runs in a circle.
"""

from __future__ import annotations

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, Buffer
from gateway.uplink.history import History
from gateway.uplink.lanes import Lanes
from gateway.uplink.pace import Pace

#: The platform may slow the box down to a block a minute, not further; it may pause it.
BLOCK_INTERVAL_MS_MAX = 60_000
#: After this many refusals in a row without an acknowledgement the fault is taken to be the
#: platform's. From then on it is sent one block at a time, each after twice the wait of the one
#: before, until it accepts one.
REFUSED_IN_ROW_MAX = 8


class Refusals:
    """Blocks that the platform refused during one stream."""

    def __init__(self, history: History, buffer: Buffer) -> None:
        self._history, self._buffer = history, buffer
        self.free_ns = 0  # before that no block is offered

    def came(self, reject: pb.Reject, lanes: Lanes, pace: Pace, now_ns: int) -> None:
        """The platform refuses blocks that were sent."""
        last = max(reject.seq, reject.last_seq)
        keys = [k for k in lanes.on_way if k.epoch == reject.epoch and reject.seq <= k.seq <= last]
        for key in keys:
            pace.answered(key, now_ns)
        if len(keys) > 1 and not any(map(lanes.was_alone, keys)):
            lanes.alone(keys)  # which of them is at fault shows when they go one by one
            return
        for key in keys:
            lanes.done(key.epoch, key.seq, key.seq)
            one = pb.Reject(
                epoch=key.epoch, seq=key.seq, reason=reject.reason, detail=reject.detail
            )
            self.keep(one, now_ns)

    def keep(self, reject: pb.Reject, now_ns: int) -> None:
        """One block is refused."""
        history = self._history
        history.rejects += 1
        history.refused_in_row += 1
        history.last_reject = reject
        history.refused.add(BlockKey(reject.epoch, reject.seq))
        if reject.reason == pb.REJECT_REASON_CONFLICT:
            history.conflicts.append(reject)
        else:
            self._buffer.reject(reject)
        # Those that were on their way already when the pause began don't make it longer.
        if history.refused_in_row >= REFUSED_IN_ROW_MAX and now_ns >= self.free_ns:
            wait_ns = min(10**9 << min(history.pauses, 10), BLOCK_INTERVAL_MS_MAX * 1_000_000)
            history.pauses += 1
            self.free_ns = now_ns + wait_ns

    def taken(self) -> None:
        """The platform takes blocks: what it refused was the blocks' own fault."""
        self._history.refused_in_row = self._history.pauses = self.free_ns = 0
        for reject in self._history.conflicts:
            self._buffer.reject(reject)
        self._history.conflicts.clear()

    @property
    def refuses_all(self) -> bool:
        """The platform takes nothing: the fault is its own."""
        return self._history.refused_in_row >= REFUSED_IN_ROW_MAX
