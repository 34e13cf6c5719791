"""A platform that says anything: streams of its messages, honest ones damaged in every way.

One case is a box with a run before and a run now, and up to three streams. Promises: a session
answers, ignores, or ends the stream with words, and nothing else; a block leaves the box only where
an Ack or a Welcome named it, and of the present run only if it was sent; nothing is set aside but
for a CONFLICT.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from google.protobuf.message import DecodeError
from jiahe.ingest import limits
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import Buffer, BufferConfig
from gateway.buffer.ranges import RangeSet
from gateway.uplink.history import SessionError
from tests.fuzz.damage import damage
from tests.kit.blocks import no_zstd, put_catalog
from tests.kit.fake_disk import FakeDisk
from tests.kit.virtual_time import VirtualClock, inline, run
from tests.unit.test_session import Box

STREAMS, MESSAGES_MAX = 3, 12
_ODD = [0, 1, 2, 3, 7, 63, 64, 2**31 - 1, 2**32, 2**40, 2**53 - 1, 2**53, 2**63 - 1]


def _range(rng: random.Random, high: int) -> tuple[int, int]:
    first = rng.choice([rng.randint(0, high + 2), rng.choice(_ODD)])
    last = rng.choice([first, first + rng.randint(0, 5), rng.choice(_ODD), high])
    return first, min(last, 2**64 - 1)


def _welcome(rng: random.Random, epochs: list[int], high: int) -> pb.Welcome:
    welcome = pb.Welcome(
        protocol_min=rng.choice([1, 1, 1, 0, 2]), protocol_max=rng.choice([1, 1, 1, 9]),
        features=rng.sample(range(9), rng.randint(0, 6)),
        software=rng.choice(["a 1", "a 2", "\x1b[2J"]),
        window_blocks=rng.choice([4, 64, *_ODD[:8]]), window_bytes=rng.choice([1 << 20, *_ODD]),
        block_bytes_max=rng.choice([0, 1 << 20, 1 << 20, 5]),
        message_bytes_max=rng.choice([0, limits.MESSAGE_BYTES_MAX, 9]), more=rng.random() < 0.2,
        highest_epoch=rng.choice([*epochs, *_ODD]),
        utc_ns=rng.choice([*_ODD, 1_795_000_000 * 10**9]),
        heartbeat_ms=rng.choice([0, 10_000, 1, 2**32 - 1]),
    )  # fmt: skip
    for _ in range(rng.randint(0, 3)):
        held = (welcome.held if rng.random() < 0.8 else welcome.ends_lacking).add(
            epoch=rng.choice([*epochs, *_ODD]), closed=rng.random() < 0.3,
            catalog_revision=rng.choice([0, 1, 2**32 - 1]),
        )  # fmt: skip
        for _ in range(rng.randint(0, 3)):
            first, last = _range(rng, high)
            held.held.add(first=first, last=last)
    if rng.random() < 0.2:
        welcome.tag_sets.extend(rng.randbytes(rng.choice([0, 16, 99])) for _ in range(3))
        welcome.piece.message_id = rng.randbytes(16)
        welcome.piece.have_bytes = rng.choice([0, 5, 2**32 - 1])
    return welcome


def _message(rng: random.Random, epochs: list[int], high: int) -> pb.StreamResponse:
    epoch = rng.choice([*epochs, *epochs, *_ODD])
    first, last = _range(rng, high)
    kind = rng.randrange(8)
    if kind < 3:
        ack = pb.Ack(ranges=[pb.AckRange(epoch=epoch, first=first, last=last)])
        if rng.random() < 0.3:
            ack.ranges.add(epoch=rng.choice(epochs), first=1, last=rng.randint(0, high))
        return pb.StreamResponse(ack=ack)
    if kind == 3:
        reason = pb.RejectReason.ValueType(rng.choice([0, 1, 2, 3, 4, 5, 6, 99]))
        reject = pb.Reject(
            epoch=epoch, seq=first, reason=reason, detail=rng.choice(["", "x" * 9999, "\x07\r\n"]),
            last_seq=rng.choice([0, last]),
        )  # fmt: skip
        return pb.StreamResponse(reject=reject)
    if kind == 4:
        flow = pb.Flow(pause=rng.random() < 0.5, block_interval_ms=rng.choice([0, 5, 2**32 - 1]))
        return pb.StreamResponse(flow=flow)
    if kind == 5:
        beat = pb.Heartbeat(id=rng.choice([0, 1, 2, 2**64 - 1]), utc_ns=rng.choice(_ODD))
        return pb.StreamResponse(heartbeat=beat)
    if kind == 6:
        notice = pb.Notice(
            kind=pb.NoticeKind.ValueType(rng.choice([0, 1, 2, 3, 4, 99])), detail="\x9b31m" * 99,
            address="\n", utc_ns=rng.choice(_ODD),
        )  # fmt: skip
        return pb.StreamResponse(notice=notice)
    return pb.StreamResponse(welcome=_welcome(rng, epochs, high))


class _Claims:
    """What a platform named as held, whether or not it may."""

    def __init__(self) -> None:
        self.held: dict[int, RangeSet] = {}
        self.conflict = False

    def heard(self, message: bytes) -> None:
        try:
            said = pb.StreamResponse.FromString(message)
        except DecodeError:
            return
        for one in said.ack.ranges:
            self._add(one.epoch, one.first, one.last)
        for held in said.welcome.held:
            for part in held.held:
                self._add(held.epoch, part.first, part.last)
        self.conflict |= said.reject.reason == pb.REJECT_REASON_CONFLICT

    def _add(self, epoch: int, first: int, last: int) -> None:
        self.held.setdefault(epoch, RangeSet()).add(first, last)


def _live(buffer: Buffer) -> dict[int, RangeSet]:
    return {
        number: RangeSet(epoch.live) for number, epoch in buffer.index.epochs.items() if epoch.live
    }


async def _two_runs(rng: random.Random) -> tuple[Box, FakeDisk]:
    """A box with a few blocks of the run before, on disk, and of the run now."""
    disk = FakeDisk()
    for number in (1, 2):
        clock = VirtualClock()
        config = BufferConfig("gw-1", free_bytes_min=0)
        buffer = await Buffer.open(disk, clock, inline, config, no_zstd)
        buffer.open_epoch("boot-1", clock.now_ns(), lambda bits, n=number: n)
        put_catalog(buffer)
        box = Box(buffer)
        box.put(rng.randint(1, 5), pad=rng.choice([0, 0, 40_000]))
        if number == 1:
            assert await buffer.flush()
            await buffer.close()
    return box, disk


async def _case(rng: random.Random) -> None:
    box, disk = await _two_runs(rng)
    buffer = box.buffer
    epochs = sorted(buffer.index.epochs)
    claims = _Claims()
    for _ in range(STREAMS):
        box = box.again()
        box.session.connected(0)
        try:
            for step in range(rng.randint(1, MESSAGES_MAX)):
                honest = step == 0 and rng.random() < 0.7
                if honest:
                    said = pb.StreamResponse(
                        welcome=pb.Welcome(
                            protocol_min=1, protocol_max=1, window_blocks=64, window_bytes=1 << 22,
                            features=rng.choice([(), (1,), (1, 5)]),
                        )
                    )  # fmt: skip
                else:
                    said = _message(rng, epochs, buffer.last_seq)
                message = said.SerializeToString()
                if not honest and rng.random() < 0.3:
                    message = damage(message, rng)
                before = _live(buffer)
                claims.heard(message)
                try:
                    box.session.feed(message, step)
                finally:
                    _check(before, buffer, claims, box)
                if box.session.welcomed:
                    await box.messages(step)
                if rng.random() < 0.3:
                    box.put()
        except SessionError as error:
            assert error.message and "\x1b" not in str(error.arguments)
    await buffer.flush()
    aside = [name for name in disk.list("rejected") if name]
    assert not aside or claims.conflict, f"set aside: {aside}"


def _check(before: dict[int, RangeSet], buffer: Buffer, claims: _Claims, box: Box) -> None:
    after = _live(buffer)
    for number, live in before.items():
        gone = live.minus(after.get(number, RangeSet()))
        falsely = gone.minus(claims.held.get(number, RangeSet()))
        if number == buffer.epoch:
            falsely.update(gone.minus(box.history.sent.get(number, RangeSet())))
        assert not falsely, f"trimmed falsely of epoch {number}: {falsely}"


@contextmanager
def cases(folder: Path) -> Iterator[Callable[[random.Random], None]]:
    """See tests/fuzz/run.py. Nothing is written: the disk is in memory."""
    del folder

    def case(rng: random.Random) -> None:
        run(_case(rng))

    yield case
