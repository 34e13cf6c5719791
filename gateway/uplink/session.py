"""The protocol of one stream, without I/O: what to answer, what to send, when to give up.

The caller passes each message of the platform to `feed`, calls `timer` when `next_timer_ns` has
come, sends what both return, and asks `next_block` while there is room. Times are boot time in
nanoseconds. A `SessionError` ends the stream.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from google.protobuf.message import DecodeError
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, Buffer, SealedBlock
from gateway.buffer.ranges import RangeSet
from gateway.uplink.lanes import Lanes, Pick
from gateway.uplink.wire import block_message

PROTOCOL = 1
HELLO_EPOCHS_MAX = 500
WELCOME_NS_MAX = 20 * 10**9
HEARTBEAT_NS_DEFAULT = 15 * 10**9
HEARTBEAT_NS_MIN, HEARTBEAT_NS_MAX = 200_000_000, 300 * 10**9
HEARTBEATS_LOST_MAX = 3
#: The platform may slow the box down to a block a minute, not further; it may pause it.
BLOCK_INTERVAL_MS_MAX = 60_000
#: No receiver may refuse a block up to this size (contracts, 5): one that says so errs.
BLOCK_BYTES_MAX_LEAST = 1 << 20
#: What can't be read is tried again after this: at the next heartbeat then, at the latest.
UNREADABLE_RETRY_NS = 300 * 10**9
#: Ranges that a Welcome with its pages may name over one an epoch: each tells of a hole. So many
#: keep the event loop busy for a second or two.
HELD_HOLES_MAX = 1 << 15
#: No run seals so many blocks: one a millisecond for 34 years.
SEQ_END = 1 << 40
#: So many blocks refused in a row, none acknowledged: the fault is the platform's, not theirs.
REJECTS_IN_ROW_MAX = 8

#: (platform's UTC, boot time of the question, boot time of the answer), in ns.
PlatformTime = Callable[[int, int, int], None]


class SessionError(Exception):
    """The stream must end. `message` is an id of gateway/messages.py."""

    def __init__(self, message: str, **args: object) -> None:
        super().__init__(message, args)
        self.message = message
        self.arguments = args


class Identity(NamedTuple):
    """Who speaks; for Hello."""

    gateway: str
    boot_id: str
    software: str


@dataclass(slots=True)
class History:
    """What outlives a stream: the blocks that this process ever sent, and the counters."""

    sent: dict[int, RangeSet] = field(default_factory=dict)
    rejects_in_row: int = 0
    trusts_held_catalogs: bool = True  # until the platform lacks one that it said it holds
    sent_blocks: int = 0
    resent_blocks: int = 0
    acked_blocks: int = 0
    sent_bytes: int = 0
    rejects: int = 0
    last_ack_ns: int | None = None
    round_trip_ns: int | None = None


@dataclass(slots=True)
class _Held:
    """What the platform says it holds of one epoch."""

    blocks: RangeSet = field(default_factory=RangeSet)
    closed: bool = False
    catalog_revision: int = 0  # the highest


class Session:
    """One stream. `history` is shared by all streams of the process."""

    def __init__(
        self, identity: Identity, buffer: Buffer, history: History, platform_time: PlatformTime
    ) -> None:
        self._identity, self._buffer, self._history = identity, buffer, history
        self._platform_time = platform_time
        self._lanes: Lanes | None = None  # from Welcome on
        self._held: dict[int, _Held] = {}  # of this epoch and each that Hello named
        self._welcome: pb.Welcome | None = None
        self._welcome_pages = self._held_ranges = 0
        self._catalogs: set[tuple[int, int]] = set()
        self._unreadable_catalogs: set[tuple[int, int]] = set()
        self._again_ns: int | None = None  # when what was unreadable is tried again
        self._connected_ns = self._heard_ns = 0
        self._heartbeat_ns = HEARTBEAT_NS_DEFAULT
        self._silence_ns_max = WELCOME_NS_MAX
        self._beat_due_ns = 0
        self._beats: dict[int, int] = {}  # heartbeats that wait for their answer: when sent
        self._beat_id = 0
        self._paused_since_ns: int | None = None
        self._interval_ns = self._block_free_ns = 0
        self.acked = 0

    # ---- the stream's life -----------------------------------------------------------------

    def connected(self, now_ns: int) -> list[bytes]:
        """Hello, in pages."""
        self._connected_ns = self._heard_ns = now_ns
        earlier = list(self._buffer.earlier())
        self._held = {kept.epoch: _Held() for kept in earlier} | {self._buffer.epoch: _Held()}
        pages = [
            earlier[start : start + HELLO_EPOCHS_MAX]
            for start in range(0, len(earlier), HELLO_EPOCHS_MAX)
        ] or [[]]
        messages = []
        for number, page in enumerate(pages):
            more = number + 1 < len(pages)
            if number == 0:
                hello = pb.Hello(
                    protocol=PROTOCOL,
                    gateway=self._identity.gateway,
                    epoch=self._buffer.epoch,
                    boot_id=self._identity.boot_id,
                    software=self._identity.software,
                    earlier=page,
                    more=more,
                )
                messages.append(pb.StreamRequest(hello=hello))
            else:
                messages.append(pb.StreamRequest(hello_page=pb.HelloPage(earlier=page, more=more)))
        return [message.SerializeToString() for message in messages]

    @property
    def welcomed(self) -> bool:
        return self._lanes is not None

    @property
    def on_way(self) -> int:
        """Blocks sent and not answered."""
        return len(self._lanes.on_way) if self._lanes else 0

    @property
    def paused_since_ns(self) -> int | None:
        return self._paused_since_ns

    def feed(self, message: bytes, now_ns: int) -> None:
        """One message of the platform. Raises SessionError; then nothing of it was acted on."""
        try:
            response = pb.StreamResponse.FromString(message)
        except DecodeError as error:
            raise SessionError("uplink.broken", error="not a StreamResponse") from error
        kind = response.WhichOneof("message")
        self._heard_ns = now_ns
        if kind == "welcome":
            self._on_welcome(response.welcome, now_ns)
        elif kind == "heartbeat":
            self._on_heartbeat(response.heartbeat, now_ns)
        elif kind is None:
            pass  # of a newer platform: nothing that this version must know
        elif self._lanes is None:
            raise SessionError("uplink.broken", error=f"{kind} before welcome")
        elif kind == "ack":
            self._on_ack(response.ack, self._lanes, now_ns)
        elif kind == "reject":
            self._on_reject(response.reject, self._lanes)
        else:
            self._on_flow(response.flow, now_ns)

    # ---- timers ----------------------------------------------------------------------------

    @property
    def next_timer_ns(self) -> int:
        """When `timer` must be called, at the latest."""
        if self._lanes is None:
            return self._connected_ns + WELCOME_NS_MAX
        return min(self._beat_due_ns, self._heard_ns + self._silence_ns_max)

    def timer(self, now_ns: int) -> list[bytes]:
        """What is due. Raises SessionError("uplink.silent") when the platform is."""
        silent = now_ns - (self._connected_ns if self._lanes is None else self._heard_ns)
        if silent >= self._silence_ns_max:
            raise SessionError("uplink.silent", seconds=round(silent / 1e9))
        if self._lanes is None or now_ns < self._beat_due_ns:
            return []
        self._beat_due_ns = now_ns + self._heartbeat_ns
        self._beat_id += 1
        self._beats = {k: v for k, v in self._beats.items() if k > self._beat_id - 4}
        self._beats[self._beat_id] = now_ns
        beat = pb.StreamRequest(heartbeat=pb.Heartbeat(id=self._beat_id))
        return [beat.SerializeToString()]

    # ---- blocks ----------------------------------------------------------------------------

    def next_block(self, now_ns: int) -> Pick | None:
        """The block to read and send now, if any may be."""
        if self._lanes is None or self._paused_since_ns is not None:
            return None
        if self._again_ns is not None and now_ns >= self._again_ns:
            self._again_ns = None
            self._unreadable_catalogs.clear()
            self._lanes.again()
        return self._lanes.next() if now_ns >= self._block_free_ns else None

    @property
    def block_free_ns(self) -> int:
        """Before that the platform wants no further block."""
        return self._block_free_ns

    def catalog_needed(self, block: SealedBlock) -> tuple[int, int] | None:
        """(epoch, revision) of the catalog that must go before the block on this stream."""
        key = (block.epoch, block.catalog_revision)
        return None if key in self._catalogs else key

    def catalog_sent(self, key: tuple[int, int]) -> None:
        self._catalogs.add(key)

    def may_hold_catalog(self, key: tuple[int, int]) -> bool:
        """Whether the platform may have it, though it is not the highest revision that it names."""
        held = self._held.get(key[0])
        return held is not None and key[1] <= held.catalog_revision

    def is_unreadable(self, catalog: tuple[int, int]) -> bool:
        """It could not be read, and it is not time yet to try again."""
        return catalog in self._unreadable_catalogs

    def unreadable(
        self, pick: Pick, now_ns: int, *, catalog: tuple[int, int] | None = None
    ) -> None:
        """The block, or the `catalog` that it needs, can't be read now: again after a while."""
        assert self._lanes is not None
        self._lanes.unreadable(pick)
        if catalog is not None:
            self._unreadable_catalogs.add(catalog)
        if self._again_ns is None:
            self._again_ns = now_ns + UNREADABLE_RETRY_NS

    def block(self, pick: Pick, block: SealedBlock, now_ns: int) -> bytes | None:
        """The message with the block; None if the platform takes none so large: it is set aside.

        Raises SessionError when too many in a row were.
        """
        assert self._lanes is not None and self._welcome is not None
        limit = self._welcome.block_bytes_max
        if limit and len(block.data) > limit:
            self._lanes.passed(pick)
            self._set_aside(
                pb.Reject(
                    epoch=block.epoch,
                    seq=block.seq,
                    reason=pb.REJECT_REASON_TOO_LARGE,
                    detail=f"{len(block.data)} bytes; the platform takes {limit}",
                )
            )
            return None
        message = block_message(block.data, pick.lane)
        self._lanes.sent(pick, len(message))
        sent = self._history.sent.setdefault(block.epoch, RangeSet())
        self._history.resent_blocks += block.seq in sent
        sent.add(block.seq, block.seq)
        self._history.sent_blocks += 1
        self._history.sent_bytes += len(message)
        self._block_free_ns = now_ns + self._interval_ns
        return message

    # ---- what the platform says ------------------------------------------------------------

    def _on_welcome(self, welcome: pb.Welcome, now_ns: int) -> None:
        if self._lanes is not None:
            raise SessionError("uplink.broken", error="a second welcome")
        if self._welcome is None:
            if welcome.protocol != PROTOCOL:
                raise SessionError("uplink.version", version=welcome.protocol)
            if 0 < welcome.block_bytes_max < BLOCK_BYTES_MAX_LEAST:
                raise SessionError(
                    "uplink.block_limit",
                    bytes=welcome.block_bytes_max,
                    least=BLOCK_BYTES_MAX_LEAST,
                )
            self._welcome = welcome
        self._note_held(welcome)
        if not welcome.more:
            self._start(self._welcome, now_ns)

    def _note_held(self, welcome: pb.Welcome) -> None:
        """One page: what it says of epochs that it was asked for."""
        self._welcome_pages += 1
        self._held_ranges += sum(len(entry.held) for entry in welcome.held)
        if welcome.more and self._welcome_pages > len(self._held):
            raise SessionError("uplink.broken", error="a welcome of more pages than epochs")
        if self._held_ranges > len(self._held) + HELD_HOLES_MAX:
            raise SessionError(
                "uplink.broken", error=f"a welcome of more than {HELD_HOLES_MAX} holes"
            )
        for entry in welcome.held:
            held = self._held.get(entry.epoch)
            if held is None:
                continue
            for first, last in sorted((r.first, r.last) for r in entry.held):
                if last >= SEQ_END:
                    raise SessionError("uplink.claims_unsent")
                held.blocks.add(first, last)
            held.closed |= entry.closed
            held.catalog_revision = max(held.catalog_revision, entry.catalog_revision)

    def _start(self, welcome: pb.Welcome, now_ns: int) -> None:
        """All pages are here: believe them or leave, then begin both lanes."""
        current = self._buffer.epoch
        sent = self._history.sent.get(current, RangeSet())
        if self._held[current].blocks.minus(sent):
            raise SessionError("uplink.claims_unsent")
        for epoch, held in sorted(self._held.items()):
            self._buffer.welcome(epoch, held.blocks, held.closed)
            if held.catalog_revision and self._history.trusts_held_catalogs:
                self._catalogs.add((epoch, held.catalog_revision))
        self._buffer.platform_highest(welcome.highest_epoch)
        if welcome.utc_ns:
            self._platform_time(welcome.utc_ns, self._connected_ns, now_ns)
        if welcome.heartbeat_ms:
            asked = welcome.heartbeat_ms * 1_000_000
            self._heartbeat_ns = min(max(asked, HEARTBEAT_NS_MIN), HEARTBEAT_NS_MAX)
        # However short the heartbeats, the first answer takes a round trip, as Welcome did.
        round_trip_ns = now_ns - self._connected_ns
        self._silence_ns_max = HEARTBEATS_LOST_MAX * self._heartbeat_ns + round_trip_ns
        self._beat_due_ns = now_ns
        live_from = BlockKey(current, self._buffer.last_seq + 1)
        self._lanes = Lanes(self._buffer, live_from, welcome.window_blocks, welcome.window_bytes)
        self._buffer.carries(self._lanes.on_way)

    def _on_ack(self, ack: pb.Ack, lanes: Lanes, now_ns: int) -> None:
        for r in ack.ranges:
            self._check_sent(r.epoch, r.first, r.last)
        for r in ack.ranges:
            answered = lanes.done(r.epoch, r.first, r.last)
            self._buffer.acked(r.epoch, r.first, r.last)
            self.acked += answered
            self._history.acked_blocks += answered
            self._history.last_ack_ns = now_ns
            self._history.rejects_in_row = 0

    def _on_reject(self, reject: pb.Reject, lanes: Lanes) -> None:
        self._check_sent(reject.epoch, reject.seq, reject.seq)
        unknown = reject.reason == pb.REJECT_REASON_UNKNOWN_CATALOG
        held = self._held.get(reject.epoch)
        if unknown and held and held.catalog_revision and self._history.trusts_held_catalogs:
            self._history.trusts_held_catalogs = False  # the next stream sends them all
            raise SessionError("uplink.broken", error="a catalog that the platform named is lost")
        lanes.done(reject.epoch, reject.seq, reject.seq)
        self._set_aside(reject)

    def _set_aside(self, reject: pb.Reject) -> None:
        self._history.rejects += 1
        self._history.rejects_in_row += 1
        self._buffer.reject(reject)
        if self._history.rejects_in_row >= REJECTS_IN_ROW_MAX:
            raise SessionError("uplink.rejects_all", blocks=self._history.rejects_in_row)

    def _check_sent(self, epoch: int, first: int, last: int) -> None:
        sent = self._history.sent.get(epoch, RangeSet())
        if first > last or RangeSet([(first, last)]).minus(sent):
            raise SessionError("uplink.claims_unsent")

    def _on_flow(self, flow: pb.Flow, now_ns: int) -> None:
        if not flow.pause:
            self._paused_since_ns = None
        elif self._paused_since_ns is None:
            self._paused_since_ns = now_ns
        self._interval_ns = min(flow.block_interval_ms, BLOCK_INTERVAL_MS_MAX) * 1_000_000
        self._block_free_ns = min(self._block_free_ns, now_ns + self._interval_ns)

    def _on_heartbeat(self, beat: pb.Heartbeat, now_ns: int) -> None:
        asked_ns = self._beats.pop(beat.id, None)
        if asked_ns is not None:
            self._history.round_trip_ns = now_ns - asked_ns
            if beat.utc_ns:
                self._platform_time(beat.utc_ns, asked_ns, now_ns)
