"""What outlives a stream: what was sent, what the platform refused, what the link taught."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers.said import SaidError
from gateway.buffer.ranges import RangeSet
from gateway.plain import plain
from gateway.ports import ChannelError
from gateway.uplink.lanes import Keys, Pick
from gateway.uplink.pace import ROOM_BYTES_FIRST, Cuts

#: Welcome is waited for so long, and longer after each time that it did not come: a platform to
#: which a fleet comes back at once is slow, not dead.
WELCOME_NS_MIN, WELCOME_NS_MAX = 10 * 10**9, 40 * 10**9
#: Words of the platform are shown so far.
WORDS_CHARS_MAX = 200


class SessionError(SaidError):
    """The stream must end. `message` is an id of gateway/messages.py. `is_ours`: not because
    anything is wrong: the next one may begin at once.
    """

    def __init__(self, message: str, *, is_ours: bool = False, **args: object) -> None:
        super().__init__(message, **args)
        self.is_ours = is_ours


def first_reason(ended: Sequence[BaseException | None]) -> SessionError | ChannelError | None:
    """Why a stream ended whose parts ended so: the session's reason before the wire's. What is
    neither is a fault of ours, and raised.
    """
    for error in ended:
        known = isinstance(error, (SessionError, ChannelError, asyncio.CancelledError))
        if error is not None and not known:
            raise error
    reasons = [each for each in ended if isinstance(each, (SessionError, ChannelError))]
    return min(reasons, key=lambda each: isinstance(each, ChannelError), default=None)


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

    #: Whether the platform's time is of use: nothing else sets this box's clock.
    wants_time: Callable[[], bool] = lambda: True
    sent: dict[int, RangeSet] = field(default_factory=dict)
    going: Going | None = None
    refused: Keys = field(default_factory=Keys)
    refused_by: Refused | None = None
    refused_in_row: int = 0
    pauses: int = 0  # since then, for a platform that refuses everything
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

    @property
    def owed(self) -> int:
        """Bytes that have not gone of the message that is on its way in pieces."""
        return 0 if self.going is None else len(self.going.message) - self.going.offset

    def went(self, pick: Pick, size: int) -> None:
        """Blocks were sent, in a message of `size` bytes."""
        for key in pick.keys:
            sent = self.sent.setdefault(key.epoch, RangeSet())
            self.resent_blocks += key.seq in sent
            sent.add(key.seq, key.seq)
        self.sent_blocks += len(pick.keys)
        self.sent_bytes += size

    def check_sent(self, epoch: int, blocks: Iterable[tuple[int, int]]) -> None:
        """Check the ranges of an answer. Raises SessionError if there are none, or if one names a
        block that was not sent.
        """
        asked = RangeSet(blocks)
        if not asked or asked.minus(self.sent.get(epoch, RangeSet())):
            raise SessionError("uplink.claims_unsent")

    def acked(self, ack: pb.Ack) -> dict[int, RangeSet]:
        """What the platform acknowledges, by epoch. Raises SessionError unless all was sent."""
        found: dict[int, RangeSet] = {}
        for r in ack.ranges:
            if r.first > r.last:
                raise SessionError("uplink.claims_unsent")
            found.setdefault(r.epoch, RangeSet()).add(r.first, r.last)
        for epoch, blocks in found.items():
            self.check_sent(epoch, blocks)
        return found

    def noticed(self, notice: pb.Notice, now_ns: int) -> None:
        """What the platform says to people; the last of each kind is kept."""
        kinds = pb.NoticeKind.values()
        kind = pb.NoticeKind.ValueType(notice.kind if notice.kind in kinds else 0)
        kept = pb.Notice(kind=kind, detail=brief(notice.detail), address=brief(notice.address))
        self.notices[kind] = (kept, now_ns)

    def welcomed_by(self, software: str, platform: Refused) -> None:
        """What one platform refused, another may take."""
        self.platform = software
        if platform != self.refused_by:
            self.refused.clear()
            self.refused_by, self.refused_in_row, self.pauses = platform, 0, 0
        self.conflicts.clear()


def brief(words: str) -> str:
    """Words of the platform, as one short line that may be shown anywhere."""
    return " ".join(plain(words[: 2 * WORDS_CHARS_MAX]).split())[:WORDS_CHARS_MAX]
