"""The session's rules, one by one, without I/O: a real buffer, messages in, messages out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from jiahe.ingest import limits
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, Buffer, BufferConfig
from gateway.buffer.state import OpenEpoch
from gateway.uplink.greeting import Identity
from gateway.uplink.history import WELCOME_NS_MIN, Going, History, SessionError
from gateway.uplink.lanes import Pick
from gateway.uplink.pace import PIECE_BYTES, ROOM_BYTES_FIRST
from gateway.uplink.refusals import BLOCK_INTERVAL_MS_MAX
from gateway.uplink.session import UNREADABLE_RETRY_NS, Session
from gateway.uplink.silence import ASK_NS, DEAD_NS
from tests.kit.blocks import block, join, no_zstd, put_catalog, unbundle
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
        buffer.open_epoch("boot-1", clock.now_ns(), lambda bits: 7)
        put_catalog(buffer)
        return cls(buffer)

    def again(self) -> Box:
        """The next stream of the same process."""
        return Box(self.buffer, self.history)

    def put(self, count: int = 1, *, pad: int = 0, oldest_ns: int = 0) -> None:
        for _ in range(count):
            seq = self.buffer.last_seq + 1
            gaps, tick = self.buffer.take_gaps(), 3 * seq
            self.buffer.put(
                block(
                    self.buffer.epoch, seq, first_tick=tick, gaps=gaps, pad=pad, oldest_ns=oldest_ns
                )
            )

    def hello(self) -> list[pb.StreamRequest]:
        return [pb.StreamRequest.FromString(m) for m in self.session.connected(0)]

    def feed(self, now_ns: int = 0, **message: object) -> None:
        response = pb.StreamResponse(**message)  # type: ignore[arg-type]  # one field, by name
        self.session.feed(response.SerializeToString(), now_ns)

    def welcome(self, held: dict[int, list[tuple[int, int]]] | None = None, **more: object) -> None:
        """A Welcome; `held` an epoch, `closed` a set of epochs, `revisions` of catalogs an epoch,
        the rest are its fields.
        """
        closed, revisions = more.pop("closed", ()), more.pop("revisions", {})
        fields = {
            "protocol_min": 1, "protocol_max": 1, "window_blocks": 100, "window_bytes": 1 << 24,
            **more,
        }  # fmt: skip
        welcome = pb.Welcome(**fields)  # type: ignore[arg-type]  # fields by name
        for epoch, ranges in (held or {}).items():
            entry = welcome.held.add(epoch=epoch, closed=epoch in closed)  # type: ignore[operator]
            for first, last in ranges:
                entry.held.add(first=first, last=last)
            entry.catalog_revision = revisions.get(epoch, 0)  # type: ignore[attr-defined]
        self.feed(welcome=welcome)

    async def messages(self, now_ns: int = 0) -> list[pb.StreamRequest]:
        """Everything that may go now but catalogs and tag sets, as messages."""
        gone: list[bytes] = []
        while True:
            if (pick := self.session.next_blocks(now_ns)) is not None:
                if (going := await self.going(pick, now_ns)) is None:
                    continue
                message = self.session.start(going, now_ns)
                if message is not None:
                    gone.append(message)
                    continue
            size = self.session.piece_size
            if size is None or not self.session.takes(size):
                return [pb.StreamRequest.FromString(message) for message in gone]
            gone.append(self.session.next_piece(now_ns))

    async def going(self, pick: Pick, now_ns: int) -> Going | None:
        found = await self.buffer.read_many(pick.keys)
        blocks = [one for one in found if one is not None]
        if len(blocks) < len(found):
            self.session.unreadable(pick, now_ns)
            return None
        bundle = join([one.data for one in blocks]) if len(blocks) > 1 else None
        return self.session.blocks(pick, blocks, bundle, now_ns)

    async def send(self, now_ns: int = 0) -> list[tuple[int, int, int]]:
        """Every block that may go now, as (epoch, seq, lane)."""
        gone: list[pb.Block] = []
        pieces = b""
        for request in await self.messages(now_ns):
            message = request
            if request.HasField("piece"):
                pieces += request.piece.data
                if len(pieces) < request.piece.message_size:
                    continue
                message, pieces = pb.StreamRequest.FromString(pieces), b""
            gone += [message.block] if message.HasField("block") else unbundle(message.bundle)
        for sent in gone:
            found = await self.buffer.read(BlockKey(sent.epoch, sent.seq))
            assert found is not None
            assert sent.payload == pb.Block.FromString(found.data).payload
        return [(sent.epoch, sent.seq, sent.lane) for sent in gone]

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
async def test_hello_when_many_epochs_are_open_names_the_oldest_500_and_how_many_more() -> None:
    box = await Box.open()
    for number in range(1, 1203):
        box.buffer.to_tell.state.epochs[number] = OpenEpoch(number, "boot-0", 0)
    (request,) = box.hello()
    hello = request.hello
    assert [kept.epoch for kept in hello.earlier] == list(range(1, 501))
    assert hello.earlier_more == 702 and hello.epoch == box.buffer.epoch
    assert (hello.protocol_min, hello.protocol_max) == (1, 1)
    assert len(hello.installation) == 16 and tuple(hello.catalogs) == box.buffer.catalogs(
        hello.epoch
    )
    assert request.ByteSize() <= limits.HELLO_BYTES_MAX


@case
async def test_stream_when_all_that_hello_named_is_settled_ends_for_the_next_hello() -> None:
    disk = FakeDisk()
    for _ in range(limits.HELLO_EPOCHS_MAX + 3):
        box = await Box.open(disk)
    box.put()
    box.hello()
    assert box.session.next_timer_ns
    box.welcome({})
    assert box.buffer.gaps_pending
    box.put()
    await box.send()
    with pytest.raises(SessionError) as caught:
        box.ack(1, 2)
        await box.send()
    assert (caught.value.message, caught.value.is_ours) == ("uplink.renewed", True)
    (request,) = box.again().hello()
    assert len(request.hello.earlier) == 2 and request.hello.earlier_more == 0


@case
async def test_block_when_unreadable_is_offered_again_after_a_while_and_the_rest_goes_on() -> None:
    box = await Box.open()
    box.put(4)
    box.hello()
    box.welcome()
    pick = box.session.next_blocks(0)
    assert pick is not None and [key.seq for key in pick.keys] == [1]
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
async def test_live_blocks_when_send_every_is_long_wait_and_leave_together() -> None:
    box = await Box.open()
    box.session = Session(
        Identity("gw-1", "boot-1", "test"), box.buffer, box.history, lambda a, b, c: None,
        send_every_ns=10 * SECOND,
    )  # fmt: skip
    box.put(2)
    box.hello()
    box.welcome(features=[pb.FEATURE_BUNDLES])
    assert len(await box.send(SECOND)) == 2, "what was there before the stream goes at once"
    box.ack(1, 2)
    due = 11 * SECOND + SECOND // 2
    for half in range(1, 20):
        box.put(1, oldest_ns=SECOND + half * SECOND // 2)
        assert box.session.next_free_ns(SECOND) == due
        if half % 2:  # on disk they wait as well
            assert await box.buffer.flush()
    assert await box.messages(due - 1) == []
    assert box.session.next_free_ns(SECOND) == due
    (request,) = await box.messages(due)
    assert request.bundle.lane == pb.LANE_LIVE and len(request.bundle.block_checks) == 19


@case
async def test_message_when_longer_than_the_link_takes_goes_on_where_the_last_stream_ended() -> (
    None
):
    box = await Box.open()
    box.put(1, pad=200_000)
    box.hello()
    box.welcome()
    first = [request.piece for request in await box.messages()]
    assert all(len(piece.data) <= PIECE_BYTES for piece in first)
    got = sum(len(piece.data) for piece in first)
    assert got <= ROOM_BYTES_FIRST < first[0].message_size
    second = box.again()
    second.hello()
    have = pb.PieceHeld(message_id=first[0].message_id, have_bytes=got - 100)
    second.welcome(piece=have)
    rest = [request.piece for request in await second.messages()]
    assert rest[0].offset == got - 100 and rest[0].message_id == first[0].message_id
    third = box.again()
    third.hello()
    third.welcome()
    assert (await third.messages())[0].piece.offset == 0, "the platform has none of it"


@case
async def test_block_when_larger_than_the_platform_takes_is_kept_unsent() -> None:
    box = await Box.open()
    box.put(1, pad=limits.BLOCK_BYTES_MAX + 1000)
    box.put(1)
    box.hello()
    box.welcome(block_bytes_max=limits.BLOCK_BYTES_MAX)
    assert [seq for _, seq, _ in await box.send()] == [2]
    assert box.live == [(1, 2)] and box.history.rejects == 1


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
async def test_heartbeat_when_the_box_knows_the_time_asks_for_none() -> None:
    box = await Box.open()
    box.history.wants_time = lambda: False
    box.hello()
    box.welcome(heartbeat_ms=1000)
    (message,) = box.session.timer(0)
    assert not pb.StreamRequest.FromString(message).heartbeat.wants_utc


@case
async def test_heartbeat_when_answered_gives_round_trip_and_platform_time() -> None:
    box = await Box.open()
    box.hello()
    box.welcome(heartbeat_ms=1000, utc_ns=5)
    assert box.times == [(5, 0, 0)]
    assert box.session.next_timer_ns == 0
    (message,) = box.session.timer(0)
    beat = pb.StreamRequest.FromString(message).heartbeat
    assert beat.wants_utc
    box.feed(40, heartbeat=pb.Heartbeat(id=beat.id, utc_ns=77))
    assert box.times[-1] == (77, 0, 40)
    assert box.history.round_trip_ns == 40
    assert box.session.next_timer_ns == SECOND, "from when it was sent"


@case
async def test_silence_when_three_heartbeats_long_ends_the_stream() -> None:
    box = await Box.open()
    box.hello()
    with pytest.raises(SessionError) as caught:
        box.session.timer(WELCOME_NS_MIN)
    assert caught.value.message == "uplink.silent"
    box = box.again()
    box.hello()
    assert box.session.next_timer_ns == 2 * WELCOME_NS_MIN, "a slow platform is given more time"
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
        box.welcome(protocol_min=2, protocol_max=3)
    assert caught.value.message == "uplink.version"


@case
async def test_idle_link_when_dead_is_found_within_30_s() -> None:
    box = await Box.open()
    box.hello()
    box.welcome(heartbeat_ms=20_000)
    box.session.timer(0)  # the heartbeat that measures the link
    box.feed(1, heartbeat=pb.Heartbeat(id=1))
    assert box.session.timer(19 * SECOND) == []
    assert len(box.session.timer(20 * SECOND)) == 1
    assert box.session.next_timer_ns <= 30 * SECOND
    assert box.session.timer(28 * SECOND) == []
    with pytest.raises(SessionError) as error:
        box.session.timer(30 * SECOND)
    assert error.value.message == "uplink.silent"


@case
async def test_silence_while_answers_are_awaited_is_asked_about_and_ends_the_stream_in_9_s() -> (
    None
):
    box = await Box.open()
    box.hello()
    box.welcome(heartbeat_ms=30_000)
    (message,) = box.session.timer(0)
    box.feed(heartbeat=pb.Heartbeat(id=pb.StreamRequest.FromString(message).heartbeat.id))
    assert box.session.next_timer_ns == 30 * SECOND, "idle, it is asked rarely"
    box.put(1)
    await box.send(20 * SECOND)
    assert box.session.next_timer_ns == 20 * SECOND + ASK_NS
    assert box.session.timer(20 * SECOND + ASK_NS) != []
    box.session.timer(20 * SECOND + DEAD_NS - 1)
    with pytest.raises(SessionError) as caught:
        box.session.timer(20 * SECOND + DEAD_NS)
    assert caught.value.message == "uplink.silent"


@case
async def test_notice_when_said_is_kept_for_people_as_plain_words() -> None:
    box = await Box.open()
    box.hello()
    kind = pb.NOTICE_KIND_CLONE_REFUSED
    box.feed(7, notice=pb.Notice(kind=kind, detail="a\x1b[2Jb\nc" * 99, address="10.0.0.7:1"))
    notice, heard_ns = box.history.notices[kind]
    assert (notice.address, heard_ns) == ("10.0.0.7:1", 7)
    assert notice.detail.isprintable() and len(notice.detail) <= 200


@case
async def test_ack_when_it_says_one_range_again_and_again_is_one() -> None:
    """Each would cost a look at all that is on its way."""
    box = await Box.open()
    box.put(3)
    box.hello()
    box.welcome()
    await box.send()
    trimmed: list[tuple[int, int]] = []
    acked = box.buffer.acked
    box.buffer.acked = lambda epoch, *one: trimmed.append(one) or acked(epoch, *one)  # type: ignore
    one = pb.AckRange(epoch=box.buffer.epoch, first=1, last=2)
    box.feed(ack=pb.Ack(ranges=[one] * 10_000))
    assert trimmed == [(1, 2)] and box.live == [(3, 3)]
