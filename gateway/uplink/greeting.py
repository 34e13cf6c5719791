"""Hello and Welcome: what each side says that it has, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from jiahe.ingest import limits
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import Buffer
from gateway.buffer.ranges import RangeSet
from gateway.uplink.history import History, Refused, SessionError, brief
from gateway.uplink.lanes import Keys

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
#: Ranges that all pages of a Welcome may name, and epochs whose end it lacks. So many keep the
#: event loop busy for a second or two.
HELD_RANGES_MAX, ENDS_LACKING_MAX = 1 << 18, 1 << 10
#: The most ranges of an earlier run in Hello; the last one covers what is left.
KEPT_RANGES_MAX = 64


class Identity(NamedTuple):
    """Who speaks; for Hello."""

    gateway: str
    boot_id: str
    software: str
    machine: bytes = b""


@dataclass(slots=True)
class _Held:
    """What the platform says it holds of one epoch. `names`: of its catalogs, by Hello."""

    names: list[bytes]
    blocks: RangeSet = field(default_factory=RangeSet)
    closed: bool = False
    catalog_revision: int = 0


class Greeting:
    """Hello and Welcome of one stream."""

    def __init__(self, identity: Identity, buffer: Buffer, refused: Keys) -> None:
        """`refused`: blocks that the platform takes no more."""
        self._identity, self._buffer, self._refused = identity, buffer, refused
        self._held: dict[int, _Held] = {}  # of this epoch and each that Hello named
        self._lacking: dict[int, RangeSet] = {}
        self._pages = self._ranges = 0
        self._in_turn: list[int] = []  # epochs named that have more than refused blocks
        self.unnamed: frozenset[int] = frozenset()  # earlier epochs that Hello had no room for
        self.tag_sets: set[bytes] = set()  # that the platform names as held
        self.welcome: pb.Welcome | None = None  # its first page, without what all pages have

    def hello(self) -> bytes:
        buffer, identity = self._buffer, self._identity
        hello = pb.Hello(
            protocol_min=PROTOCOL_MIN,
            protocol_max=PROTOCOL_MAX,
            features=sorted(FEATURES),
            gateway=identity.gateway,
            epoch=buffer.epoch,
            boot_id=identity.boot_id,
            installation=buffer.installation,
            machine=identity.machine,
            software=identity.software,
            catalogs=buffer.catalogs(buffer.epoch),
        )
        # What the platform refused must not keep those behind it from their turn.
        earlier = sorted(buffer.earlier(), key=self._is_stuck)
        size = hello.ByteSize() + 64
        for kept in earlier[: limits.HELLO_EPOCHS_MAX]:
            if len(kept.kept) > KEPT_RANGES_MAX:
                kept.kept[KEPT_RANGES_MAX - 1].last = kept.kept[-1].last
                del kept.kept[KEPT_RANGES_MAX:]
            size += kept.ByteSize() + 4
            if size > limits.HELLO_BYTES_MAX and hello.earlier:
                break
            hello.earlier.append(kept)
        named = len(hello.earlier)
        self.unnamed = frozenset(kept.epoch for kept in earlier[named:])
        hello.earlier_more = len(self.unnamed)
        self._in_turn = [kept.epoch for kept in hello.earlier if not self._is_stuck(kept)]
        self._held = {kept.epoch: _Held(list(kept.catalogs)) for kept in hello.earlier}
        self._held[buffer.epoch] = _Held(list(hello.catalogs))
        return pb.StreamRequest(hello=hello).SerializeToString()

    def _is_stuck(self, kept: pb.EpochKept) -> bool:
        """All that is left of an epoch are blocks that the platform refused."""
        ranges = [(r.first, r.last) for r in kept.kept]
        return bool(ranges) and all(self._refused.holds(kept.epoch, *r) for r in ranges)

    @property
    def makes_room(self) -> bool:
        """Some epochs had no room in Hello, and one that it named needs none any more."""
        if not self.unnamed:
            return False
        left = {kept.epoch: kept for kept in self._buffer.earlier()}
        return any(e not in left or self._is_stuck(left[e]) for e in self._in_turn)

    def page(self, welcome: pb.Welcome) -> bool:
        """One page of Welcome; True for the last. Raises SessionError."""
        if self.welcome is None:
            _check(welcome)
            self.welcome = pb.Welcome()
            self.welcome.CopyFrom(welcome)
            for name in ("held", "tag_sets", "ends_lacking"):
                self.welcome.ClearField(name)
        self._pages += 1
        entries = [*welcome.held, *welcome.ends_lacking]
        self._ranges += sum(1 + len(entry.held) for entry in entries) + len(welcome.tag_sets)
        if self._ranges > HELD_RANGES_MAX or self._pages > HELD_RANGES_MAX >> 6:
            raise SessionError(
                "uplink.broken", error=f"a welcome of more than {HELD_RANGES_MAX} ranges"
            )
        self.tag_sets.update(welcome.tag_sets)
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
        return not welcome.more

    def believe(self, history: History) -> frozenset[int]:
        """All pages are here: take them for true, or leave. The features of both sides. Raises
        SessionError; then nothing was acted on.
        """
        welcome, buffer, current = self.welcome, self._buffer, self._buffer.epoch
        assert welcome is not None
        own = self._held[current]
        if own.blocks and own.blocks.highest > buffer.last_seq:
            raise SessionError("uplink.claims_unsent")
        # What this process never sent may have come by hand (`jiahe buffer export`). It goes all
        # the same, and is trimmed when that is acknowledged.
        unsent = own.blocks.minus(history.sent.get(current, RangeSet()))
        own.blocks = own.blocks.minus(unsent)
        features = FEATURES & set(welcome.features)
        buffer.platform_features(features)
        history.welcomed_by(brief(welcome.software), _platform(welcome))
        for epoch, held in sorted(self._held.items()):
            buffer.welcome(epoch, held.blocks, held.closed)
        for epoch, blocks in sorted(self._lacking.items()):
            buffer.ends_lacking(epoch, blocks)
        if 0 < welcome.highest_epoch < current:
            buffer.platform_back(welcome.highest_epoch)
        buffer.platform_highest(welcome.highest_epoch)
        return features

    def revisions(self) -> dict[tuple[int, int], bytes]:
        """(epoch, revision) of the catalogs that the platform says it holds, with their names."""
        return {
            (epoch, number): name
            for epoch, held in self._held.items()
            for number, name in enumerate(held.names[: held.catalog_revision], 1)
        }

    def names_revision(self, epoch: int, revision: int) -> bool:
        """The platform says that it holds this revision, whether the box knows its name or not."""
        held = self._held.get(epoch)
        return held is not None and revision <= held.catalog_revision

    def names_any(self, epoch: int) -> bool:
        """The platform says that it holds some catalog of the epoch."""
        return self.names_revision(epoch, 1)


def _check(welcome: pb.Welcome) -> None:
    low = max(PROTOCOL_MIN, welcome.protocol_min)
    if low > min(PROTOCOL_MAX, welcome.protocol_max):
        said = f"{welcome.protocol_min}-{welcome.protocol_max}"
        raise SessionError("uplink.version", version=said)
    # No receiver may refuse what is no larger than the table says: one that says so errs.
    for size, least, message in (
        (welcome.block_bytes_max, limits.BLOCK_BYTES_MAX, "uplink.block_limit"),
        (welcome.message_bytes_max, limits.MESSAGE_BYTES_MAX, "uplink.message_limit"),
    ):
        if 0 < size < least:
            raise SessionError(message, bytes=size, least=least)


def _platform(welcome: pb.Welcome) -> Refused:
    return Refused(
        welcome.software,
        tuple(sorted(welcome.features)),
        (welcome.protocol_min, welcome.protocol_max),
        (welcome.block_bytes_max, welcome.message_bytes_max),
    )


def _add(ranges: RangeSet, entry: pb.EpochHeld) -> None:
    """What a page holds of an epoch. Raises SessionError for numbers that no box ever reaches."""
    for first, last in sorted((r.first, r.last) for r in entry.held):
        if last >= limits.SEQ_END:
            raise SessionError("uplink.claims_unsent")
        ranges.add(first, last)
