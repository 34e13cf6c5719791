"""The protocol of one stream, without I/O: what to answer, what to send, when to give up.

The caller passes each message of the platform to `feed`, calls `timer` when `next_timer_ns` has
come, sends what both return, and asks `next_blocks` and `next_piece` while there is room. Times are
boot time in nanoseconds. A `SessionError` ends the stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from google.protobuf.message import DecodeError
from jiahe.ingest import limits
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, Buffer, SealedBlock
from gateway.uplink.greeting import Greeting, Identity
from gateway.uplink.history import Going, History, SessionError
from gateway.uplink.known import Known
from gateway.uplink.lanes import Lanes, Pick
from gateway.uplink.pace import PIECE_BYTES, Pace
from gateway.uplink.refusals import BLOCK_INTERVAL_MS_MAX, Refusals
from gateway.uplink.silence import Silence
from gateway.uplink.wire import (
    PIECE_BYTES_OVER,
    block_message,
    bundle_message,
    message_id,
    piece_message,
)

#: What can't be read is tried again after this: at the next heartbeat then, at the latest.
UNREADABLE_RETRY_NS = 300 * 10**9
#: (platform's UTC, boot time of the question, boot time of the answer), in ns.
PlatformTime = Callable[[int, int, int], None]


class Session:
    """One stream. `history` is shared by all streams of the process."""

    def __init__(
        self,
        identity: Identity,
        buffer: Buffer,
        history: History,
        platform_time: PlatformTime,
        send_every_ns: int = 0,
    ) -> None:
        self._buffer, self._history = buffer, history
        self._platform_time, self._send_every_ns = platform_time, send_every_ns
        self._lanes: Lanes | None = None  # from Welcome on
        self._pace = Pace(history.cuts, history.room)
        self._silence = Silence(history, self._pace)
        self._greeting = Greeting(identity, buffer, history.refused)
        self.refusals = Refusals(history, buffer)
        self.known = Known(self._greeting)
        self._again_ns: int | None = None  # when what was unreadable is tried again
        self.paused_since_ns: int | None = None
        self._interval_ns = self._block_free_ns = 0
        self._message_bytes_max = limits.MESSAGE_BYTES_MAX
        self._has_carried = False  # anything but Hello and heartbeats
        self.features: frozenset[int] = frozenset()
        self.acked = 0
        self._weighed = (0, history.rejects)  # what was answered when `_end_if_done` looked
        #: A message that the last stream left in pieces is further than it was.
        self.went_on = False

    # ---- the stream's life -----------------------------------------------------------------

    def connected(self, now_ns: int) -> list[bytes]:
        """Hello."""
        self._silence.connected(now_ns)
        message = self._greeting.hello()
        self._pace.went(len(message))
        self._pace.mark("hello", now_ns)
        return [message]

    @property
    def welcomed(self) -> bool:
        return self._lanes is not None

    @property
    def on_way(self) -> int:
        """Blocks sent and not answered."""
        return len(self._lanes.on_way) if self._lanes else 0

    def feed(self, message: bytes, now_ns: int) -> None:
        """One message of the platform. Raises SessionError; then nothing of it was acted on."""
        try:
            response = pb.StreamResponse.FromString(message)
        except DecodeError as error:
            raise SessionError("uplink.broken", error="not a StreamResponse") from error
        kind = response.WhichOneof("message")
        self._silence.heard(now_ns)
        if kind == "welcome":
            self._on_welcome(response.welcome, now_ns)
        elif kind == "heartbeat":
            self._on_heartbeat(response.heartbeat, now_ns)
        elif kind == "notice":
            self._history.noticed(response.notice, now_ns)
        elif kind is None:
            pass  # of a newer platform: nothing that this version must know
        elif self._lanes is None:
            raise SessionError("uplink.broken", error=f"{kind} before welcome")
        elif kind == "ack":
            self._on_ack(response.ack, self._lanes, now_ns)
        elif kind == "reject":
            self._on_reject(response.reject, self._lanes, now_ns)
        else:
            self._on_flow(response.flow, now_ns)
        self._note_busy(now_ns)

    def moved(self, now_ns: int) -> None:
        """The transport was full, and took more: the other side lives."""
        self._silence.heard(now_ns)

    def ended(self, *, by_us: bool) -> None:
        """The stream is over. `by_us`: nobody cut it."""
        if by_us or self._lanes is None:
            return
        if self._pace.sent > self._pace.confirmed or self.on_way:
            self._history.cuts.was_cut(self._pace.confirmed, self._pace.sent)

    # ---- timers ----------------------------------------------------------------------------

    def _note_busy(self, now_ns: int) -> None:
        """Answers are awaited, or no more."""
        is_going = self._history.going is not None and self._pace.unconfirmed > 0
        is_busy = (self.on_way > 0 or is_going) and self.paused_since_ns is None
        self._silence.awaits(now_ns, answers=is_busy)

    @property
    def next_timer_ns(self) -> int:
        """When `timer` must be called, at the latest."""
        return self._silence.next_ns

    def timer(self, now_ns: int) -> list[bytes]:
        """What is due. Raises SessionError("uplink.silent") when the platform is."""
        return self._silence.timer(now_ns)

    # ---- what goes -------------------------------------------------------------------------

    def mark(self, now_ns: int) -> bytes | None:
        """A heartbeat that measures the link, where one is wanted now."""
        return self._silence.mark(now_ns)

    def _went(self, size: int, now_ns: int) -> None:
        self._pace.went(size)
        self._silence.sent(now_ns)

    def next_blocks(self, now_ns: int) -> Pick | None:
        """The blocks to read and send now, if any may be."""
        if self._lanes is None or self.paused_since_ns is not None:
            return None
        if self._again_ns is not None and now_ns >= self._again_ns:
            self._again_ns = None
            self.known.try_again()
            self._lanes.again()
        if now_ns < self.block_free_ns:
            return None
        going = self._history.going
        pick = self._lanes.next(now_ns, live_only=going is not None)
        if pick is None:
            self._end_if_done()
            return None
        size = sum(map(self._buffer.size, pick.keys))
        if going is not None and (pick.lane != pb.LANE_LIVE or size > self._pace.piece_bytes):
            return None  # one message is in pieces at a time
        if self._is_full(min(size, self._pace.piece_bytes)):
            return None
        return pick if self._pace.takes(min(size, self._pace.piece_bytes)) else None

    @property
    def block_free_ns(self) -> int:
        """Before that no further block may go: the platform wants it so, or takes none."""
        return max(self._block_free_ns, self.refusals.free_ns)

    def _end_if_done(self) -> None:
        """A stream that has named not all runs, and has nothing left of those that it named."""
        assert self._lanes is not None
        is_quiet = not self._lanes.on_way and self._history.going is None
        answered = (self.acked, self._history.rejects)
        if answered != self._weighed and is_quiet and self._lanes.backlog_is_gone:
            self._weighed = answered
            if self._greeting.makes_room:
                raise SessionError("uplink.renewed", is_ours=True)

    def _is_full(self, size: int) -> bool:
        """The stream would pass the length at which streams are cut. Raises SessionError when it is
        time to end it.
        """
        if not (self._has_carried and self._pace.is_full(size)):
            return False
        if not self.on_way and self._pace.unconfirmed < PIECE_BYTES:
            raise SessionError("uplink.renewed", is_ours=True)
        return True

    def next_free_ns(self, now_ns: int) -> int | None:
        """When `next_blocks` may have something, though nothing comes from the platform."""
        if self._lanes is None or self.paused_since_ns is not None:
            return None
        due_ns = self._lanes.due_ns()
        times = [t for t in (due_ns, self.block_free_ns, self._again_ns) if t and t > now_ns]
        return min(times, default=None)

    def unreadable(
        self, pick: Pick, now_ns: int, *, catalog: tuple[int, int] | None = None
    ) -> None:
        """The blocks, or the `catalog` that they need, can't be read now: again after a while."""
        assert self._lanes is not None
        self._lanes.unreadable(pick)
        if catalog is not None:
            self.known.cannot_be_read(*catalog)
        if self._again_ns is None:
            self._again_ns = now_ns + UNREADABLE_RETRY_NS

    # ---- messages --------------------------------------------------------------------------

    def alone(self, pick: Pick) -> None:
        """These can't be joined: they go one by one."""
        assert self._lanes is not None
        self._lanes.alone(pick.keys, pick.lane)

    def blocks(
        self, pick: Pick, blocks: Sequence[SealedBlock], bundle: bytes | None, now_ns: int
    ) -> Going | None:
        """The message with the picked blocks, joined into `bundle` where they are several; None if
        the platform takes none so large: kept until it does.
        """
        assert self._lanes is not None and self._greeting.welcome is not None
        limit = self._greeting.welcome.block_bytes_max
        carried = blocks[0].data if bundle is None else bundle
        if limit and len(carried) > limit + 256:
            if bundle is not None:
                self.alone(pick)
                return None
            self._lanes.passed(pick)
            detail = f"{len(carried)} bytes; the platform takes {limit}"
            reason = pb.REJECT_REASON_TOO_LARGE
            (key,) = pick.keys
            reject = pb.Reject(epoch=key.epoch, seq=key.seq, reason=reason, detail=detail)
            self.refusals.keep(reject, now_ns)
            return None
        wrap = block_message if bundle is None else bundle_message
        return Going(wrap(carried, pick.lane), pick=pick)

    def is_behind(self, going: Going) -> bool:
        """It would go in pieces, and another message does so now: one at a time."""
        return self._history.going is not None and not self.is_small(going)

    def is_small(self, going: Going) -> bool:
        """It goes as one message, between the pieces of another if need be."""
        size = len(going.message)
        if self._history.going is not None and self._history.going is not going:
            return size <= min(self._message_bytes_max, PIECE_BYTES)
        return size <= self._message_bytes_max and size <= self._pace.piece_bytes

    def takes(self, size: int) -> bool:
        return self._pace.takes(size) and not self._is_full(size)

    def start(self, going: Going, now_ns: int) -> bytes | None:
        """The message, or None: it goes in pieces, see `next_piece`."""
        if going.pick is not None:
            assert self._lanes is not None
            self._lanes.passed(going.pick)
        if self.is_small(going):
            self._went(len(going.message), now_ns)
            self._arrives(going, now_ns)
            return going.message
        assert self._history.going is None, "one message is in pieces at a time"
        going.name = message_id(going.message)
        self._history.going = going
        self._note_busy(now_ns)
        return None

    @property
    def piece_size(self) -> int | None:
        """Bytes of the next piece; None if there is none."""
        going = self._history.going
        if self._lanes is None or going is None or self.paused_since_ns is not None:
            return None
        room = min(self._pace.piece_bytes, self._message_bytes_max - PIECE_BYTES_OVER)
        return min(room, len(going.message) - going.offset)

    def next_piece(self, now_ns: int) -> bytes:
        """The next piece of the message that is on its way in pieces."""
        going, size = self._history.going, self.piece_size
        assert going is not None and size is not None
        message = piece_message(going.name, going.message, going.offset, size)
        going.offset += size
        self._has_carried = True
        self._went(len(message), now_ns)
        if going.offset == len(going.message):
            self._history.going = None
            self._arrives(going, now_ns)
        return message

    def _arrives(self, going: Going, now_ns: int) -> None:
        """All of a message goes now: from here on it may be answered."""
        assert self._lanes is not None
        self._has_carried = True
        if going.content:
            self.known.contents.add(going.content)
        if going.revision is not None:
            self.known.revisions.add(going.revision)
        if going.pick is None:
            return
        self._lanes.sent(going.pick, len(going.message))
        self._history.went(going.pick, len(going.message))
        self._pace.mark(going.pick.keys[-1], now_ns)
        self._block_free_ns = max(self._block_free_ns, now_ns + self._interval_ns)
        self._note_busy(now_ns)

    # ---- what the platform says ------------------------------------------------------------

    def _on_welcome(self, welcome: pb.Welcome, now_ns: int) -> None:
        if self._lanes is not None:
            raise SessionError("uplink.broken", error="a second welcome")
        if self._greeting.page(welcome):
            self._start(now_ns)

    def _start(self, now_ns: int) -> None:
        """All pages are here: believe them or leave, then begin both lanes."""
        greeting, history = self._greeting, self._history
        self.features = greeting.believe(history)
        welcome = greeting.welcome
        assert welcome is not None
        self.known.begin(trusting=history.trusts_held_catalogs)
        asked_ns = self._silence.welcomed(welcome.heartbeat_ms, now_ns)
        self._pace.answered("hello", now_ns)
        if welcome.utc_ns:
            self._platform_time(welcome.utc_ns, asked_ns, now_ns)
        if welcome.message_bytes_max:
            self._message_bytes_max = min(welcome.message_bytes_max, limits.MESSAGE_BYTES_MAX)
        self._lanes = Lanes(
            self._buffer,
            BlockKey(self._buffer.epoch, self._buffer.last_seq + 1),
            welcome.window_blocks,
            welcome.window_bytes,
            refused=history.refused,
            unnamed=greeting.unnamed,
            send_every_ns=self._send_every_ns,
            together=pb.FEATURE_BUNDLES in self.features,
        )
        self._buffer.carries(self._lanes.on_way)
        self._resume(welcome)

    def _resume(self, welcome: pb.Welcome) -> None:
        """Go on with the message that the last stream left in pieces, if the platform has some."""
        going = self._history.going
        if going is None:
            return
        wanted = going.pick is None or all(map(self._buffer.index.is_live, going.pick.keys))
        have = welcome.piece.have_bytes if welcome.piece.message_id == going.name else 0
        if not wanted or not 0 < have < len(going.message):
            self._history.going = None
        else:
            self.went_on = have > going.resumed
            going.offset = going.resumed = have
            if going.pick is not None:
                going.pick = going.pick._replace(lane=pb.LANE_BACKFILL)  # fresh it is no more

    def _on_ack(self, ack: pb.Ack, lanes: Lanes, now_ns: int) -> None:
        acked = self._history.acked(ack)
        answered = [k for k in lanes.on_way if k.epoch in acked and k.seq in acked[k.epoch]]
        for key in answered:
            self._pace.answered(key, now_ns)
            lanes.done(key.epoch, key.seq, key.seq)
        for epoch, ranges in acked.items():
            for first, last in ranges:
                self._buffer.acked(epoch, first, last)
        self._history.room = self._pace.room
        if answered:  # else an old acknowledgement, said again
            self.acked += len(answered)
            self._history.acked_blocks += len(answered)
            self._history.last_ack_ns = now_ns
            self.refusals.taken()

    def _on_reject(self, reject: pb.Reject, lanes: Lanes, now_ns: int) -> None:
        last = max(reject.seq, reject.last_seq)
        self._history.check_sent(reject.epoch, [(reject.seq, last)])
        unknown = reject.reason == pb.REJECT_REASON_UNKNOWN_CATALOG
        trusted = self._history.trusts_held_catalogs and self._greeting.names_any(reject.epoch)
        if unknown and trusted:
            self._history.trusts_held_catalogs = False  # the next stream sends them all
            raise SessionError("uplink.broken", error="a catalog that the platform named is lost")
        self.refusals.came(reject, lanes, self._pace, now_ns)

    def _on_flow(self, flow: pb.Flow, now_ns: int) -> None:
        if not flow.pause:
            self.paused_since_ns = None
        elif self.paused_since_ns is None:
            self.paused_since_ns = now_ns
        self._interval_ns = min(flow.block_interval_ms, BLOCK_INTERVAL_MS_MAX) * 1_000_000
        self._block_free_ns = min(self._block_free_ns, now_ns + self._interval_ns)

    def _on_heartbeat(self, beat: pb.Heartbeat, now_ns: int) -> None:
        asked_ns = self._silence.answered(beat.id, now_ns)
        if asked_ns is not None and beat.utc_ns:
            self._platform_time(beat.utc_ns, asked_ns, now_ns)
