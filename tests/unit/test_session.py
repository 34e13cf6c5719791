"""The session's rules, one by one, without I/O: a real buffer, messages in, messages out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, Buffer, BufferConfig
from gateway.buffer.state import OpenEpoch
from gateway.uplink.session import (
    BLOCK_BYTES_MAX_LEAST,
    BLOCK_INTERVAL_MS_MAX,
    REJECTS_IN_ROW_MAX,
    UNREADABLE_RETRY_NS,
    History,
    Identity,
    Session,
    SessionError,
)
from tests.kit.blocks import block, no_zstd
from tests.kit.fake_disk import FakeDisk
from tests.kit.virtual_time import VirtualClock, inline, run

SECOND = 10**9


class Box:
    """A buffer, and a session on it."""

    def __init__(self, buffer: Buffer, history: History | None = None) -> None:
        self.buffer = buffer
        self.history = history or History()
        self.times: list[tuple[int, int, int]] = []
        self.session = Session(
            Identity("gw-1", "boot-1", "test"), buffer, self.history,
            lambda utc, asked, answered: self.times.append((utc, asked, answered)),
        )  # fmt: skip

    @classmethod
    async def open(cls, disk: FakeDisk | None = None) -> Box:
        config = BufferConfig("gw-1", free_bytes_min=0)
        clock = VirtualClock()
        buffer = await Buffer.open(disk or FakeDisk(), clock, inline, config, no_zstd)
        epoch = buffer.open_epoch("boot-1", clock.now_ns(), lambda bits: 7)
        buffer.put_catalog(epoch, 1, pb.Catalog(epoch=epoch, revision=1).SerializeToString())
        return cls(buffer)

    def again(self) -> Box:
        """The next stream of the same process."""
        return Box(self.buffer, self.history)

    def put(self, count: int = 1, *, pad: int = 0) -> None:
        for _ in range(count):
            seq = self.buffer.last_seq + 1
            made = block(self.buffer.epoch, seq, gaps=self.buffer.take_gaps(), pad=pad)
            self.buffer.put(made)

    def hello(self) -> list[pb.StreamRequest]:
        return [pb.StreamRequest.FromString(m) for m in self.session.connected(0)]

    def feed(self, now_ns: int = 0, **message: object) -> None:
        response = pb.StreamResponse(**message)  # type: ignore[arg-type]  # one field, by name
        self.session.feed(response.SerializeToString(), now_ns)

    def welcome(self, held: dict[int, list[tuple[int, int]]] | None = None, **more: object) -> None:
        """A Welcome; `held` an epoch, `closed` a set of epochs, the rest are its fields."""
        closed = more.pop("closed", ())
        fields = {"protocol": 1, "window_blocks": 100, "window_bytes": 1 << 20, **more}
        welcome = pb.Welcome(**fields)  # type: ignore[arg-type]  # fields by name
        for epoch, ranges in (held or {}).items():
            entry = welcome.held.add(epoch=epoch, closed=epoch in closed)  # type: ignore[operator]
            for first, last in ranges:
                entry.held.add(first=first, last=last)
        self.feed(welcome=welcome)

    async def send(self, now_ns: int = 0) -> list[tuple[int, int, int]]:
        """Every block that may go now, as (epoch, seq, lane)."""
        gone: list[tuple[int, int, int]] = []
        while (pick := self.session.next_block(now_ns)) is not None:
            found = await self.buffer.read(pick.key)
            if found is None:
                self.session.unreadable(pick, now_ns)
                continue
            message = self.session.block(pick, found, now_ns)
            if message is not None:
                sent = pb.StreamRequest.FromString(message).block
                assert sent.payload == pb.Block.FromString(found.data).payload
                gone.append((sent.epoch, sent.seq, sent.lane))
        return gone

    def ack(self, first: int, last: int, epoch: int | None = None) -> None:
        wanted = self.buffer.epoch if epoch is None else epoch
        self.feed(ack=pb.Ack(ranges=[pb.AckRange(epoch=wanted, first=first, last=last)]))

    @property
    def live(self) -> list[tuple[int, int]]:
        return list(self.buffer.index.epoch(self.buffer.epoch).live)


def case(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """A test that is a coroutine, in virtual time."""

    def wrapped() -> None:
        async def main() -> None:
            await test()

        run(main())

    wrapped.__name__ = test.__name__
    return wrapped


@case
async def test_hello_when_many_epochs_are_open_is_paged() -> None:
    box = await Box.open()
    for number in range(1, 1203):
        box.buffer.ledger.state.epochs[number] = OpenEpoch(number, "boot-0", 0)
    pages = box.hello()
    assert [len(p.hello.earlier) or len(p.hello_page.earlier) for p in pages] == [500, 500, 202]
    assert [p.hello.more or p.hello_page.more for p in pages] == [True, True, False]
    assert pages[0].hello.epoch == box.buffer.epoch


@case
async def test_block_when_unreadable_is_offered_again_after_a_while_and_the_rest_goes_on() -> None:
    box = await Box.open()
    box.put(4)
    box.hello()
    box.welcome()
    pick = box.session.next_block(0)
    assert pick is not None and pick.key.seq == 1
    box.session.unreadable(pick, 0)
    assert [seq for _, seq, _ in await box.send()] == [2, 3, 4]
    box.ack(3, 3)
    assert await box.send(UNREADABLE_RETRY_NS - 1) == []
    assert [seq for _, seq, _ in await box.send(UNREADABLE_RETRY_NS)] == [1]


@case
async def test_lanes_when_live_and_backlog_wait_send_live_first_and_share_the_window() -> None:
    box = await Box.open()
    box.put(20)
    box.hello()
    box.welcome(window_blocks=8)
    assert [lane for _, _, lane in await box.send()] == [pb.LANE_BACKFILL] * 6
    box.put(1)
    assert (await box.send())[0] == (box.buffer.epoch, 21, pb.LANE_LIVE)
    box.ack(1, 6)
    # While a live block is on its way the backlog takes half: one live, three old.
    sent = await box.send()
    assert [(seq, lane) for _, seq, lane in sent] == [
        (7, pb.LANE_BACKFILL), (8, pb.LANE_BACKFILL), (9, pb.LANE_BACKFILL),
    ]  # fmt: skip


@case
async def test_window_when_in_bytes_is_never_passed_but_by_a_block_alone() -> None:
    box = await Box.open()
    box.hello()
    box.welcome(window_blocks=100, window_bytes=1000)
    box.put(4, pad=350)
    assert len(await box.send()) == 2
    box.ack(1, 2)
    assert len(await box.send()) == 2
    box.ack(3, 4)
    box.put(2, pad=5000)
    assert len(await box.send()) == 1


@case
async def test_ack_when_for_a_block_never_sent_ends_the_stream_and_trims_nothing() -> None:
    box = await Box.open()
    box.put(3)
    box.hello()
    box.welcome(window_blocks=2)
    await box.send()
    for epoch, first, last in [
        (box.buffer.epoch, 3, 3), (box.buffer.epoch, 0, 1), (99, 1, 1), (box.buffer.epoch, 2, 1),
    ]:  # fmt: skip
        with pytest.raises(SessionError) as caught:
            box.ack(first, last, epoch)
        assert caught.value.message == "uplink.claims_unsent"
    assert box.live == [(1, 3)]


@case
async def test_ack_when_one_range_of_it_is_wrong_trims_nothing_of_the_others() -> None:
    box = await Box.open()
    box.put(2)
    box.hello()
    box.welcome()
    await box.send()
    good = pb.AckRange(epoch=box.buffer.epoch, first=1, last=2)
    bad = pb.AckRange(epoch=box.buffer.epoch, first=3, last=3)
    with pytest.raises(SessionError):
        box.feed(ack=pb.Ack(ranges=[good, bad]))
    assert box.live == [(1, 2)]


@case
async def test_ack_when_repeated_or_backwards_is_ignored() -> None:
    box = await Box.open()
    box.put(3)
    box.hello()
    box.welcome()
    await box.send()
    box.ack(3, 3)
    box.ack(3, 3)
    box.ack(1, 1)
    assert box.live == [(2, 2)]


@case
async def test_reject_when_of_one_block_leaves_the_rest_flowing() -> None:
    box = await Box.open()
    box.put(2)
    box.hello()
    box.welcome()
    await box.send()
    box.feed(reject=pb.Reject(epoch=box.buffer.epoch, seq=1, reason=pb.REJECT_REASON_MALFORMED))
    box.ack(2, 2)
    second = box.again()
    second.hello()
    second.welcome({box.buffer.epoch: [(2, 2)]})
    assert await second.send() == []  # never again, though it is not set aside yet


@case
async def test_reject_when_of_every_block_ends_the_stream() -> None:
    box = await Box.open()
    box.put(REJECTS_IN_ROW_MAX)
    box.hello()
    box.welcome()
    await box.send()
    with pytest.raises(SessionError) as caught:
        for seq in range(1, REJECTS_IN_ROW_MAX + 1):
            box.feed(reject=pb.Reject(epoch=box.buffer.epoch, seq=seq))
    assert caught.value.message == "uplink.rejects_all"


@case
async def test_block_when_larger_than_the_platform_takes_is_set_aside_unsent() -> None:
    box = await Box.open()
    box.put(1, pad=BLOCK_BYTES_MAX_LEAST)
    box.put(1)
    box.hello()
    box.welcome(block_bytes_max=BLOCK_BYTES_MAX_LEAST)
    assert [seq for _, seq, _ in await box.send()] == [2]
    assert box.buffer.next_live(BlockKey(0, 0)) == (box.buffer.epoch, 2)


@case
async def test_blocks_when_all_are_larger_than_the_platform_takes_end_the_stream() -> None:
    box = await Box.open()
    box.put(REJECTS_IN_ROW_MAX + 5, pad=BLOCK_BYTES_MAX_LEAST)
    box.hello()
    box.welcome(block_bytes_max=BLOCK_BYTES_MAX_LEAST)
    with pytest.raises(SessionError) as caught:
        await box.send()
    assert caught.value.message == "uplink.rejects_all"
    assert box.buffer.next_live(BlockKey(0, 0)) == (box.buffer.epoch, REJECTS_IN_ROW_MAX + 1)


@case
async def test_flow_when_paused_or_slowed_is_honoured_down_to_a_block_a_minute() -> None:
    box = await Box.open()
    box.put(3)
    box.hello()
    box.welcome()
    box.feed(flow=pb.Flow(pause=True))
    assert await box.send() == []
    box.feed(flow=pb.Flow(block_interval_ms=2**32 - 1))
    assert len(await box.send()) == 1
    limit_ns = BLOCK_INTERVAL_MS_MAX * 1_000_000
    assert await box.send(limit_ns - 1) == []
    assert len(await box.send(limit_ns)) == 1


@case
async def test_heartbeat_when_answered_gives_round_trip_and_platform_time() -> None:
    box = await Box.open()
    box.hello()
    box.welcome(heartbeat_ms=1000, utc_ns=5)
    assert box.times == [(5, 0, 0)]
    due = box.session.next_timer_ns
    (message,) = box.session.timer(due)
    beat = pb.StreamRequest.FromString(message).heartbeat
    box.feed(due + 40, heartbeat=pb.Heartbeat(id=beat.id, utc_ns=77))
    assert box.times[-1] == (77, due, due + 40)
    assert box.history.round_trip_ns == 40
    assert box.session.next_timer_ns == due + SECOND


@case
async def test_silence_when_three_heartbeats_long_ends_the_stream() -> None:
    box = await Box.open()
    box.hello()
    with pytest.raises(SessionError) as caught:
        box.session.timer(20 * SECOND)  # no Welcome
    assert caught.value.message == "uplink.silent"
    box = box.again()
    box.hello()
    box.welcome(heartbeat_ms=1000)
    box.session.timer(3 * SECOND - 1)
    with pytest.raises(SessionError):
        box.session.timer(3 * SECOND)


@case
async def test_garbage_when_received_ends_the_stream_with_words() -> None:
    box = await Box.open()
    box.hello()
    with pytest.raises(SessionError) as caught:
        box.session.feed(b"\xff\xff\xff", 0)
    assert caught.value.message == "uplink.broken"
    with pytest.raises(SessionError):
        box.ack(1, 1)  # before Welcome
    with pytest.raises(SessionError) as caught:
        box.welcome(protocol=2)
    assert caught.value.message == "uplink.version"
