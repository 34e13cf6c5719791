"""The protocol of one stream, without I/O: what to answer, what to send, when to give up.

The caller passes each message of the platform to `feed`, calls `timer` when `next_timer_ns` has
come, sends what both return, and asks `next_blocks` and `next_piece` while there is room. Times are
boot time in nanoseconds. A `SessionError` ends the stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from google.protobuf.message import DecodeError
from jiahe.ingest import limits
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, Buffer, SealedBlock
from gateway.buffer.ranges import RangeSet
from gateway.plain import plain
from gateway.uplink.lanes import Keys, Lanes, Pick
from gateway.uplink.pace import PIECE_BYTES, ROOM_BYTES_FIRST, Cuts, Pace
from gateway.uplink.wire import (
    PIECE_BYTES_OVER,
    block_message,
    bundle_message,
    message_id,
    piece_message,
)

PROTOCOL_MIN = PROTOCOL_MAX = 1
#: What this box knows beyond the baseline, where the platform does.
FEATURES = frozenset(
    {
        pb.FEATURE_BUNDLES,
        pb.FEATURE_EVENTS,
        pb.FEATURE_PARTS,
        pb.FEATURE_SOURCE_TIME,
        pb.FEATURE_PLAIN_FLOATS,
    }
)
#: Welcome is waited for so long, and longer after each time that it did not come: a platform to
#: which a fleet comes back at once is slow, not dead.
WELCOME_NS_MIN, WELCOME_NS_MAX = 10 * 10**9, 40 * 10**9
HEARTBEAT_NS_DEFAULT = 10 * 10**9
HEARTBEAT_NS_MIN, HEARTBEAT_NS_MAX = 200_000_000, 300 * 10**9
HEARTBEATS_LOST_MAX = 3
#: While answers are awaited: a question after so long without a word, the end after so long.
ASK_NS, DEAD_NS = 3 * 10**9, 9 * 10**9
#: The platform may slow the box down to a block a minute, not further; it may pause it.
BLOCK_INTERVAL_MS_MAX = 60_000
#: No receiver may refuse a block up to this size (jiahe.ingest.limits): one that says so errs.
BLOCK_BYTES_MAX_LEAST = limits.BLOCK_BYTES_MAX
#: What can't be read is tried again after this: at the next heartbeat then, at the latest.
UNREADABLE_RETRY_NS = 300 * 10**9
#: Ranges that all pages of a Welcome may name, and epochs whose end it lacks. So many keep the
#: event loop busy for a second or two.
HELD_RANGES_MAX, ENDS_LACKING_MAX = 1 << 18, 1 << 10
#: Of an earlier run, Hello names so many ranges at most; the last covers what is left.
KEPT_RANGES_MAX = 64
#: So many blocks refused in a row, none acknowledged: the fault is the platform's, not theirs. From
#: then on it gets a block now and then, twice as long after the last each time, until it takes one.
REFUSED_IN_ROW_MAX = 8
#: Words of the platform are shown so far.
WORDS_CHARS_MAX = 200

#: (platform's UTC, boot time of the question, boot time of the answer), in ns.
PlatformTime = Callable[[int, int, int], None]


class SessionError(Exception):
    """The stream must end. `message` is an id of gateway/messages.py. `is_ours`: not because
    anything is wrong: the next one may begin at once.
    """

    def __init__(self, message: str, *, is_ours: bool = False, **args: object) -> None:
        super().__init__(message, args)
        self.message = message
        self.arguments = args
        self.is_ours = is_ours


class Identity(NamedTuple):
    """Who speaks; for Hello."""

    gateway: str
    boot_id: str
    software: str
    machine: bytes = b""


@dataclass(slots=True)
class Going:
    """A message on its way, in pieces where it is long, and what it brings.

    `keys`: blocks; else `content`: the name of a tag set or catalog; `revision`: (epoch, revision)
    of a catalog.
    """

    message: bytes
    pick: Pick | None = None
    content: bytes = b""
    revision: tuple[int, int] | None = None
    name: bytes = b""
    offset: int = 0
    resumed: int = 0  # where the present stream went on


class Refused(NamedTuple):
    """What a platform was, as far as it could matter for what it refuses."""

    software: str
    features: tuple[int, ...]
    versions: tuple[int, int]
    limits: tuple[int, int]


@dataclass(slots=True)
class History:
    """What outlives a stream: the blocks that this process ever sent, what it learned, counters."""

    sent: dict[int, RangeSet] = field(default_factory=dict)
    going: Going | None = None
    refused: Keys = field(default_factory=Keys)
    refused_by: Refused | None = None
    refused_in_row: int = 0
    conflicts: list[pb.Reject] = field(default_factory=list)  # until the platform takes something
    trusts_held_catalogs: bool = True  # until the platform lacks one that it said it holds
    cuts: Cuts = field(default_factory=Cuts)
    room: int = ROOM_BYTES_FIRST
    welcome_ns_max: int = WELCOME_NS_MIN
    notices: dict[int, tuple[pb.Notice, int]] = field(default_factory=dict)  # by kind; heard when
    platform: str = ""  # its software
    last_reject: pb.Reject | None = None
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
    catalog_revision: int = 0


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
        self._identity, self._buffer, self._history = identity, buffer, history
        self._platform_time, self._send_every_ns = platform_time, send_every_ns
        self._lanes: Lanes | None = None  # from Welcome on
        self._pace = Pace(history.cuts, history.room)
        self._held: dict[int, _Held] = {}  # of this epoch and each that Hello named
        self._lacking: dict[int, RangeSet] = {}
        self._more_epochs = 0
        self._welcome: pb.Welcome | None = None
        self._welcome_pages = self._held_ranges = 0
        self._sets: set[bytes] = (
            set()
        )  # tag sets and contents that the platform holds, or that went
        self._catalogs: set[tuple[int, int]] = set()
        self._unreadable_catalogs: set[tuple[int, int]] = set()
        self._again_ns: int | None = None  # when what was unreadable is tried again
        self._connected_ns = self._heard_ns = self._sent_ns = 0
        self._busy_ns: int | None = None  # since when answers are awaited
        self._heartbeat_ns = HEARTBEAT_NS_DEFAULT
        self._silence_ns_max = 0
        self._beats: dict[int, int] = {}  # heartbeats that wait for their answer: when sent
        self._beat_id = 0
        self._paused_since_ns: int | None = None
        self._interval_ns = self._block_free_ns = 0
        self._message_bytes_max = limits.MESSAGE_BYTES_MAX
        self._has_carried = False  # anything but Hello and heartbeats
        self.features: frozenset[int] = frozenset()
        self.acked = 0
        #: A message that the last stream left in pieces is further than it was.
        self.went_on = False

    # ---- the stream's life -----------------------------------------------------------------

    def connected(self, now_ns: int) -> list[bytes]:
        """Hello."""
        self._connected_ns = self._heard_ns = self._sent_ns = now_ns
        hello = pb.Hello(
            protocol_min=PROTOCOL_MIN,
            protocol_max=PROTOCOL_MAX,
            features=sorted(FEATURES),
            gateway=self._identity.gateway,
            epoch=self._buffer.epoch,
            boot_id=self._identity.boot_id,
            installation=self._buffer.installation,
            machine=self._identity.machine,
            software=self._identity.software,
            catalogs=self._buffer.catalogs(self._buffer.epoch),
        )
        earlier = list(self._buffer.earlier())
        size = hello.ByteSize() + 64
        for kept in earlier[: limits.HELLO_EPOCHS_MAX]:
            if len(kept.kept) > KEPT_RANGES_MAX:
                kept.kept[KEPT_RANGES_MAX - 1].last = kept.kept[-1].last
                del kept.kept[KEPT_RANGES_MAX:]
            size += kept.ByteSize() + 4
            if size > limits.HELLO_BYTES_MAX and hello.earlier:
                break
            hello.earlier.append(kept)
        self._more_epochs = hello.earlier_more = len(earlier) - len(hello.earlier)
        self._held = {kept.epoch: _Held() for kept in hello.earlier}
        self._held[self._buffer.epoch] = _Held()
        self._catalog_names = {kept.epoch: list(kept.catalogs) for kept in hello.earlier}
        self._catalog_names[self._buffer.epoch] = list(hello.catalogs)
        message = pb.StreamRequest(hello=hello).SerializeToString()
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
        elif kind == "notice":
            self._on_notice(response.notice, now_ns)
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
        self._heard_ns = now_ns

    def ended(self, *, by_us: bool) -> None:
        """The stream is over. `by_us`: nobody cut it."""
        if by_us or self._lanes is None:
            return
        if self._pace.sent > self._pace.confirmed or self.on_way:
            self._history.cuts.was_cut(self._pace.confirmed, self._pace.sent)

    # ---- timers ----------------------------------------------------------------------------

    def _note_busy(self, now_ns: int) -> None:
        """Answers are awaited, or no more."""
        is_busy = self.on_way > 0 or (
            self._history.going is not None and self._pace.unconfirmed > 0
        )
        if not is_busy or self._paused_since_ns is not None:
            self._busy_ns = None
        elif self._busy_ns is None:
            self._busy_ns = now_ns

    def _silent_since_ns(self) -> int:
        return max(self._heard_ns, self._busy_ns or 0)

    @property
    def _beat_due_ns(self) -> int:
        due_ns = self._sent_ns + self._heartbeat_ns
        if self._busy_ns is not None and not self._beats:
            due_ns = min(due_ns, self._silent_since_ns() + self._ask_ns)
        return due_ns

    @property
    def _ask_ns(self) -> int:
        return min(ASK_NS, self._heartbeat_ns)

    @property
    def _dead_ns(self) -> int:
        idle_ns = self._heard_ns + self._silence_ns_max
        if self._busy_ns is None:
            return idle_ns
        # A slow answer is no dead link: as long as the last took, on top.
        busy_ns = max(DEAD_NS, 3 * (self._history.round_trip_ns or 0))
        return min(idle_ns, self._silent_since_ns() + busy_ns)

    @property
    def next_timer_ns(self) -> int:
        """When `timer` must be called, at the latest."""
        if self._lanes is None:
            return self._connected_ns + self._history.welcome_ns_max
        return min(self._beat_due_ns, self._dead_ns)

    def timer(self, now_ns: int) -> list[bytes]:
        """What is due. Raises SessionError("uplink.silent") when the platform is."""
        if self._lanes is None:
            waited_ns = now_ns - self._connected_ns
            if waited_ns < self._history.welcome_ns_max:
                return []
            self._history.welcome_ns_max = min(WELCOME_NS_MAX, 2 * self._history.welcome_ns_max)
            raise SessionError("uplink.silent", seconds=round(waited_ns / 1e9))
        if now_ns >= self._dead_ns:
            silent_ns = now_ns - self._silent_since_ns()
            raise SessionError("uplink.silent", seconds=round(silent_ns / 1e9))
        return [self._beat(now_ns)] if now_ns >= self._beat_due_ns else []

    def _beat(self, now_ns: int) -> bytes:
        self._beat_id += 1
        self._beats = {k: v for k, v in self._beats.items() if k > self._beat_id - 4}
        self._beats[self._beat_id] = now_ns
        beat = pb.StreamRequest(heartbeat=pb.Heartbeat(id=self._beat_id)).SerializeToString()
        self._went(len(beat), now_ns)
        self._pace.mark(self._beat_id, now_ns)
        return beat

    def _went(self, size: int, now_ns: int) -> None:
        self._pace.went(size)
        self._sent_ns = now_ns

    # ---- what goes -------------------------------------------------------------------------

    def mark(self, now_ns: int) -> bytes | None:
        """A heartbeat that measures the link, where one is wanted now."""
        if self._lanes is None or self._beats or not self._pace.wants_mark:
            return None
        return self._beat(now_ns)

    def next_blocks(self, now_ns: int) -> Pick | None:
        """The blocks to read and send now, if any may be."""
        if self._lanes is None or self._paused_since_ns is not None:
            return None
        if self._again_ns is not None and now_ns >= self._again_ns:
            self._again_ns = None
            self._unreadable_catalogs.clear()
            self._lanes.again()
        if now_ns < self._block_free_ns:
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

    def _end_if_done(self) -> None:
        """A stream that has named not all runs, and has nothing left of those that it named."""
        assert self._lanes is not None
        is_quiet = not self._lanes.on_way and self._history.going is None
        if self._more_epochs and self.acked and is_quiet and self._lanes.backlog_is_gone:
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
        if self._lanes is None or self._paused_since_ns is not None:
            return None
        due_ns = self._lanes.due_ns()
        times = [t for t in (due_ns, self._block_free_ns, self._again_ns) if t and t > now_ns]
        return min(times, default=None)

    # ---- catalogs and tag sets -------------------------------------------------------------

    def has_revision(self, epoch: int, revision: int) -> bool:
        """The platform holds this revision of an epoch's catalog, or it went on this stream."""
        return (epoch, revision) in self._catalogs

    def has_content(self, name: bytes) -> bool:
        """The platform holds the content of this name, or it went on this stream."""
        return name in self._sets

    def may_hold_revision(self, epoch: int, revision: int) -> bool:
        """Whether the platform named it, though it then lacked another one that it had named."""
        held = self._held.get(epoch)
        return held is not None and revision <= held.catalog_revision

    def assume(self, epoch: int, revision: int) -> None:
        """The box has it no more, and the platform may."""
        self._catalogs.add((epoch, revision))

    def is_unreadable(self, epoch: int, revision: int) -> bool:
        """It could not be read, and it is not time yet to try again."""
        return (epoch, revision) in self._unreadable_catalogs

    def unreadable(
        self, pick: Pick, now_ns: int, *, catalog: tuple[int, int] | None = None
    ) -> None:
        """The blocks, or the `catalog` that they need, can't be read now: again after a while."""
        assert self._lanes is not None
        self._lanes.unreadable(pick)
        if catalog is not None:
            self._unreadable_catalogs.add(catalog)
        if self._again_ns is None:
            self._again_ns = now_ns + UNREADABLE_RETRY_NS

    # ---- messages --------------------------------------------------------------------------

    @property
    def together(self) -> bool:
        """The platform takes bundles."""
        return pb.FEATURE_BUNDLES in self.features

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
        assert self._lanes is not None and self._welcome is not None
        limit = self._welcome.block_bytes_max
        carried = blocks[0].data if bundle is None else bundle
        if limit and len(carried) > limit + 256:
            if bundle is not None:
                self.alone(pick)
                return None
            self._lanes.passed(pick)
            detail = f"{len(carried)} bytes; the platform takes {limit}"
            reason = pb.REJECT_REASON_TOO_LARGE
            (key,) = pick.keys
            self._keep(
                pb.Reject(epoch=key.epoch, seq=key.seq, reason=reason, detail=detail), now_ns
            )
            return None
        wrap = block_message if bundle is None else bundle_message
        return Going(wrap(carried, pick.lane), pick=pick)

    def is_small(self, going: Going) -> bool:
        """It goes as one message, between the pieces of another if need be."""
        size = len(going.message)
        if self._history.going is not None and self._history.going is not going:
            return size <= min(self._message_bytes_max, PIECE_BYTES)
        return size <= self._message_bytes_max and size <= self._pace.piece_bytes

    def takes(self, size: int) -> bool:
        """Whether so many bytes may go now."""
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
        if self._lanes is None or going is None or self._paused_since_ns is not None:
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
            self._sets.add(going.content)
        if going.revision is not None:
            self._catalogs.add(going.revision)
        if going.pick is None:
            return
        self._lanes.sent(going.pick, len(going.message))
        for key in going.pick.keys:
            sent = self._history.sent.setdefault(key.epoch, RangeSet())
            self._history.resent_blocks += key.seq in sent
            sent.add(key.seq, key.seq)
        last = going.pick.keys[-1]
        self._pace.mark(last, now_ns)
        self._history.sent_blocks += len(going.pick.keys)
        self._history.sent_bytes += len(going.message)
        self._block_free_ns = max(self._block_free_ns, now_ns + self._interval_ns)
        self._note_busy(now_ns)

    # ---- what the platform says ------------------------------------------------------------

    def _on_welcome(self, welcome: pb.Welcome, now_ns: int) -> None:
        if self._lanes is not None:
            raise SessionError("uplink.broken", error="a second welcome")
        if self._welcome is None:
            low = max(PROTOCOL_MIN, welcome.protocol_min)
            if low > min(PROTOCOL_MAX, welcome.protocol_max):
                said = f"{welcome.protocol_min}-{welcome.protocol_max}"
                raise SessionError("uplink.version", version=said)
            if 0 < welcome.block_bytes_max < BLOCK_BYTES_MAX_LEAST:
                raise SessionError(
                    "uplink.block_limit",
                    bytes=welcome.block_bytes_max,
                    least=BLOCK_BYTES_MAX_LEAST,
                )
            if 0 < welcome.message_bytes_max < BLOCK_BYTES_MAX_LEAST:
                raise SessionError(
                    "uplink.message_limit",
                    bytes=welcome.message_bytes_max,
                    least=BLOCK_BYTES_MAX_LEAST,
                )
            self._welcome = pb.Welcome()
            self._welcome.CopyFrom(welcome)
            for name in ("held", "tag_sets", "ends_lacking"):
                self._welcome.ClearField(name)
            self._heartbeat_of(welcome)
        self._note_held(welcome)
        if not welcome.more:
            self._start(self._welcome, now_ns)

    def _note_held(self, welcome: pb.Welcome) -> None:
        """One page: what it says of epochs that it was asked for."""
        self._welcome_pages += 1
        entries = [*welcome.held, *welcome.ends_lacking]
        self._held_ranges += sum(1 + len(entry.held) for entry in entries) + len(welcome.tag_sets)
        if self._held_ranges > HELD_RANGES_MAX or self._welcome_pages > HELD_RANGES_MAX >> 6:
            raise SessionError(
                "uplink.broken", error=f"a welcome of more than {HELD_RANGES_MAX} ranges"
            )
        self._sets.update(welcome.tag_sets)
        for entry in welcome.held:
            held = self._held.get(entry.epoch)
            if held is not None:
                _add(held.blocks, entry)
                held.closed |= entry.closed
                held.catalog_revision = max(held.catalog_revision, entry.catalog_revision)
        for entry in welcome.ends_lacking:
            if entry.epoch not in self._held:
                _add(self._lacking.setdefault(entry.epoch, RangeSet()), entry)
        if len(self._lacking) > ENDS_LACKING_MAX:
            raise SessionError("uplink.broken", error="a welcome that lacks too many ends")

    def _start(self, welcome: pb.Welcome, now_ns: int) -> None:
        """All pages are here: believe them or leave, then begin both lanes."""
        history, buffer, current = self._history, self._buffer, self._buffer.epoch
        sent = history.sent.get(current, RangeSet())
        if self._held[current].blocks.minus(sent):
            raise SessionError("uplink.claims_unsent")
        self.features = FEATURES & set(welcome.features)
        buffer.platform_features(self.features)
        history.platform = brief(welcome.software)
        self._forget_refusals(welcome)
        for epoch, held in sorted(self._held.items()):
            buffer.welcome(epoch, held.blocks, held.closed)
            if history.trusts_held_catalogs:
                names = self._catalog_names[epoch][: held.catalog_revision]
                self._sets.update(names)
                self._catalogs |= {(epoch, r) for r in range(1, len(names) + 1)}
        for epoch, blocks in sorted(self._lacking.items()):
            buffer.ends_lacking(epoch, blocks)
        if 0 < welcome.highest_epoch < current:
            buffer.platform_back(welcome.highest_epoch)
        buffer.platform_highest(welcome.highest_epoch)
        if welcome.utc_ns:
            self._platform_time(welcome.utc_ns, self._connected_ns, now_ns)
        # However short the heartbeats, the first answer takes a round trip, as Welcome did.
        round_trip_ns = now_ns - self._connected_ns
        self._silence_ns_max = HEARTBEATS_LOST_MAX * self._heartbeat_ns + round_trip_ns
        history.welcome_ns_max = WELCOME_NS_MIN
        self._pace.answered("hello", now_ns)
        if welcome.message_bytes_max:
            self._message_bytes_max = min(welcome.message_bytes_max, limits.MESSAGE_BYTES_MAX)
        self._sent_ns = now_ns - self._heartbeat_ns  # the first heartbeat measures the link
        earlier = [epoch for epoch in self._held if epoch != current]
        self._lanes = Lanes(
            buffer,
            BlockKey(current, buffer.last_seq + 1),
            welcome.window_blocks,
            welcome.window_bytes,
            refused=history.refused,
            last_epoch=max(earlier, default=0) if self._more_epochs else current,
            send_every_ns=self._send_every_ns,
            together=self.together,
        )
        buffer.carries(self._lanes.on_way)
        self._resume(welcome)

    def _heartbeat_of(self, welcome: pb.Welcome) -> None:
        if welcome.heartbeat_ms:
            asked = welcome.heartbeat_ms * 1_000_000
            self._heartbeat_ns = min(max(asked, HEARTBEAT_NS_MIN), HEARTBEAT_NS_MAX)

    def _forget_refusals(self, welcome: pb.Welcome) -> None:
        """What one platform refused, another may take."""
        history = self._history
        now = Refused(
            welcome.software,
            tuple(sorted(welcome.features)),
            (welcome.protocol_min, welcome.protocol_max),
            (welcome.block_bytes_max, welcome.message_bytes_max),
        )
        if now != history.refused_by:
            history.refused.clear()
            history.refused_by, history.refused_in_row = now, 0
        history.conflicts.clear()

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
        for r in ack.ranges:
            self._check_sent(r.epoch, r.first, r.last)
        for r in ack.ranges:
            for key in [
                k for k in lanes.on_way if k.epoch == r.epoch and r.first <= k.seq <= r.last
            ]:
                self._pace.answered(key, now_ns)
            answered = lanes.done(r.epoch, r.first, r.last)
            self._buffer.acked(r.epoch, r.first, r.last)
            self.acked += answered
            self._history.acked_blocks += answered
            self._history.last_ack_ns = now_ns
        if ack.ranges and self._history.refused_in_row:
            self._history.refused_in_row = 0
            self._block_free_ns = now_ns
        for reject in self._history.conflicts:  # it takes others: it is this block
            self._buffer.reject(reject)
        self._history.conflicts.clear()
        self._history.room = self._pace.room

    def _on_reject(self, reject: pb.Reject, lanes: Lanes, now_ns: int) -> None:
        last = max(reject.seq, reject.last_seq)
        self._check_sent(reject.epoch, reject.seq, last)
        unknown = reject.reason == pb.REJECT_REASON_UNKNOWN_CATALOG
        held = self._held.get(reject.epoch)
        if unknown and held and held.catalog_revision and self._history.trusts_held_catalogs:
            self._history.trusts_held_catalogs = False  # the next stream sends them all
            raise SessionError("uplink.broken", error="a catalog that the platform named is lost")
        keys = [k for k in lanes.on_way if k.epoch == reject.epoch and reject.seq <= k.seq <= last]
        for key in keys:
            self._pace.answered(key, now_ns)
        if len(keys) > 1 and not any(map(lanes.was_alone, keys)):
            lanes.alone(keys)  # which of them is at fault shows when they go one by one
            return
        for key in keys:
            lanes.done(key.epoch, key.seq, key.seq)
            one = pb.Reject(
                epoch=key.epoch, seq=key.seq, reason=reject.reason, detail=reject.detail
            )
            self._keep(one, now_ns)

    def _keep(self, reject: pb.Reject, now_ns: int) -> None:
        """A refused block is kept and passed, until the platform changes, or takes others while it
        says that it holds another content of this name. What the box itself finds wrong, it sets
        aside.
        """
        history = self._history
        history.rejects += 1
        history.refused_in_row += 1
        history.last_reject = reject
        history.refused.add(BlockKey(reject.epoch, reject.seq))
        if reject.reason == pb.REJECT_REASON_CONFLICT:
            history.conflicts.append(reject)
        else:
            self._buffer.reject(reject)
        over = history.refused_in_row - REFUSED_IN_ROW_MAX
        if over >= 0:
            wait_ns = min(10**9 << min(over, 10), BLOCK_INTERVAL_MS_MAX * 1_000_000)
            self._block_free_ns = max(self._block_free_ns, now_ns + wait_ns)

    @property
    def refuses_all(self) -> bool:
        """The platform takes nothing: the fault is its own."""
        return self._history.refused_in_row >= REFUSED_IN_ROW_MAX

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
        if asked_ns is None:
            return
        self._beats = {k: v for k, v in self._beats.items() if k > beat.id}
        self._history.round_trip_ns = now_ns - asked_ns
        self._pace.answered(beat.id, now_ns, at_once=True)
        self._history.room = self._pace.room
        if beat.utc_ns:
            self._platform_time(beat.utc_ns, asked_ns, now_ns)

    def _on_notice(self, notice: pb.Notice, now_ns: int) -> None:
        known = notice.kind in pb.NoticeKind.values()
        kind = notice.kind if known else int(pb.NOTICE_KIND_UNSPECIFIED)
        self._history.notices[kind] = (
            pb.Notice(
                kind=pb.NoticeKind.ValueType(kind),
                detail=brief(notice.detail),
                address=brief(notice.address),
                utc_ns=notice.utc_ns,
            ),
            now_ns,
        )


def _add(ranges: RangeSet, entry: pb.EpochHeld) -> None:
    """What a page holds of an epoch. Raises SessionError for numbers that no box ever reaches."""
    for first, last in sorted((r.first, r.last) for r in entry.held):
        if last >= limits.SEQ_END:
            raise SessionError("uplink.claims_unsent")
        ranges.add(first, last)


def brief(words: str) -> str:
    """Words of the platform, as one short line that may be shown anywhere."""
    return " ".join(plain(words[: 2 * WORDS_CHARS_MAX]).split())[:WORDS_CHARS_MAX]
