"""The task that keeps the uplink up: session, buffer, channel and clock tied together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, Buffer, SealedBlock
from gateway.buffer.troubles import disk_hangs
from gateway.clock import Alarm
from gateway.ports import OPENING_S_MAX, ChannelError, Clock, RunBlocking, Stream
from gateway.report.snapshot import Said, UplinkSnapshot
from gateway.uplink.backoff import UNREACHABLE, Backoff
from gateway.uplink.budget import CONNECT_BYTES, message_bytes
from gateway.uplink.greeting import Identity
from gateway.uplink.history import Going, History, SessionError, first_reason
from gateway.uplink.keptbudget import NoBudget
from gateway.uplink.lanes import Pick
from gateway.uplink.parcels import Join, Parcels
from gateway.uplink.session import PlatformTime, Session
from gateway.uplink.told import notices, refusals
from gateway.uplink.ways import Way, Ways
from gateway.uplink.wire import LANE_BYTES_MAX

#: A stream that lived so long and acknowledged something ends the back-off. What broke the last one
#: is told until then, so that nobody who looks each second misses it.
STABLE_NS = 2 * 10**9
PAUSE_SAID_NS = 600 * 10**9
#: Once the data budget is used up, so many heartbeats more go while acks are awaited. A platform
#: that lives and acknowledges nothing would otherwise be talked to for ever.
BEATS_USED_UP_MAX = 2
#: A send that waited so long found the transport full: that it went shows that bytes move.
MOVED_NS = 100_000_000


@dataclass(frozen=True, slots=True)
class UplinkConfig:
    gateway: str
    address: str
    software: str
    send_every_ns: int = 0
    machine: bytes = b""


class Uplink:
    """One a daemon. `run` until cancelled; `wake` after each `buffer.put`."""

    def __init__(
        self,
        config: UplinkConfig,
        *,
        clock: Clock,
        ways: Sequence[Way],
        buffer: Buffer,
        uniform: Callable[[float, float], float],
        platform_time: PlatformTime,
        join: Join,
        run_blocking: RunBlocking,
        warnings: Callable[[], list[Said]] = list,
        wants_time: Callable[[], bool] = lambda: True,
    ) -> None:
        """`ways`: in the order of preference. `join`: called by `run_blocking`. `warnings`: what is
        wrong with the way to the platform while it works.
        """
        self._config, self._clock, self._buffer = config, clock, buffer
        self._ways = Ways(ways)
        self._platform_time, self._warnings = platform_time, warnings
        self._parcels = Parcels(buffer, join, run_blocking, clock.now_ns)
        self._identity = Identity(config.gateway, clock.boot_id, config.software, config.machine)
        self._history = History(wants_time)
        self._backoff = Backoff(uniform)
        self._alarm, self._timers = Alarm(clock), Alarm(clock)
        self._session: Session | None = None
        self._outbox: list[bytes] = []
        self._at_hand: tuple[Pick, list[SealedBlock]] | None = None
        self._behind: Going | None = None  # in pieces; the blocks that are next wait for its end
        self._watched_ns = 0  # when the timers are looked at
        self._due_ns: int | None = None  # when it goes on at the latest; None: not known
        self._state, self._since_ns = "connecting", clock.now_ns()
        self._cause: Said | None = None
        self._connects = 0
        self._retry_ns: int | None = None
        self._misfits: dict[pb.Lane.ValueType, tuple[BlockKey, Said]] = {}  # the last of each lane

    def wake(self) -> None:
        """There is a new block."""
        self._alarm.ring()

    async def run(self) -> None:
        """Connect, stream, and again, for ever."""
        while True:
            self._due_ns = None  # the budget waits for the disk
            await self._choose_way()
            self._set_state("connecting")
            await self._budget.pay(CONNECT_BYTES)
            begun_ns = self._clock.now_ns()
            self._due_ns = begun_ns + int(OPENING_S_MAX * 1e9)
            try:
                stream = await self._ways.now.channel.open()
            except ChannelError as error:
                self._budget.not_connected(error.message)
                self._cause = Said(id=error.message, args=error.arguments)
                goes_on = self._ways.failed(self._opening_bytes())
            else:
                self._connects += 1
                goes_on = await self._stream(stream)
                del stream  # gRPC closes the connection when nobody holds its call any more
                begun_ns = self._clock.now_ns()
            if goes_on or self._budget.is_used_up:
                continue
            self._ways.again()
            unreachable = self._cause is not None and self._cause["id"] in UNREACHABLE
            self._retry_ns = begun_ns + self._backoff.next_ns(unreachable=unreachable)
            self._set_state("waiting")
            self._due_ns = self._retry_ns
            await self._clock.sleep_until(self._retry_ns)
            self._retry_ns = None

    def mark(self) -> object:
        """For the watchdog: changes as the uplink goes on; None while it may wait, for its time or
        for the disk, which what it reads or pays hangs on.
        """
        due_ns = self._session.next_timer_ns if self._session else self._due_ns
        if due_ns is None or self._clock.now_ns() < due_ns:
            return None
        return None if disk_hangs(self._buffer.disk_thread.waits_ns()) else due_ns

    async def close(self) -> None:
        """After `run` was cancelled: write down what a clean end knows."""
        for way in self._ways:
            await way.budget.close()

    @property
    def _budget(self) -> NoBudget:
        """Budget of the way that is in use."""
        return self._ways.now.budget

    async def _choose_way(self) -> None:
        """Wait until one may be used."""
        while not self._ways.choose(opening := self._opening_bytes()):
            self._ways.again()
            again_ns = self._ways.shut_until_ns(opening)
            if again_ns is None:
                continue
            if self._state != "paused":
                self._set_state("paused")
                self._cause = None  # the budget's own warning says it
            for way in self._ways:
                await way.budget.keep()
            await self._clock.sleep_until(again_ns)

    def _opening_bytes(self) -> int:
        """What Hello takes with its pages, and as much for the Welcome that answers them."""
        hello = self._new_session().connected(self._clock.now_ns())
        return 2 * sum(message_bytes(len(message)) for message in hello)

    def _new_session(self) -> Session:
        return Session(
            self._identity,
            self._buffer,
            self._history,
            self._platform_time,
            self._config.send_every_ns,
        )

    async def _stream(self, stream: Stream) -> bool:
        """One stream, to its end; True if the next may begin at once: nothing is wrong, or there is
        another way. The reader is never cancelled while it reads: closing ends it.
        """
        session = self._new_session()
        self._at_hand = None
        begun_ns = self._clock.now_ns()
        self._outbox = session.connected(begun_ns)
        self._session = session
        reader = asyncio.ensure_future(self._read(session, stream))
        others = [
            asyncio.ensure_future(self._write(session, stream)),
            asyncio.ensure_future(self._watch(session)),
            asyncio.ensure_future(self._ways.look_back(self._clock)),
        ]
        try:
            await asyncio.wait([reader, *others], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._session = None
            self._due_ns = self._clock.now_ns()
            self._buffer.carries(())
            for task in others:
                task.cancel()
            await stream.close()
            ended = await asyncio.gather(reader, *others, return_exceptions=True)
        is_ours = self._note_end(session, ended)
        has_moved = session.acked > 0 or session.went_on
        is_stable = is_ours or session.went_on or self._clock.now_ns() - begun_ns >= STABLE_NS
        if has_moved and is_stable:
            self._backoff.reset()
            self._ways.lasted()
            return is_ours
        return not is_ours and self._ways.failed(self._opening_bytes())

    def _note_end(self, session: Session, ended: list[BaseException | None]) -> bool:
        """True if nothing is wrong."""
        first = first_reason(ended)
        is_session = isinstance(first, SessionError)
        session.ended(by_us=is_session)
        if isinstance(first, SessionError) and first.is_ours:
            self._history.cuts.ended()
            return True
        if first is not None:
            self._cause = Said(id=first.message, args=dict(first.arguments))
        else:
            self._cause = Said(id="uplink.ended", args={"address": self._config.address})
        return False

    async def _read(self, session: Session, stream: Stream) -> None:
        async for message in stream.messages():
            self._budget.took(message_bytes(len(message)))
            session.feed(message, self._clock.now_ns())
            self._look_at_timers(session)
            if session.welcomed and self._state != "connected":
                self._set_state("connected")
            if self._budget.is_overdrawn:
                raise SessionError("budget.hung_up")
            self._alarm.ring()

    async def _watch(self, session: Session) -> None:
        """Timers run here, for a writer may wait on a dead wire."""
        beats_used_up = 0
        while True:
            self._watched_ns = session.next_timer_ns
            await self._timers.wait(self._watched_ns)
            beats = session.timer(self._clock.now_ns())
            if beats:
                beats_used_up = beats_used_up + 1 if self._budget.is_used_up else 0
                if beats_used_up > BEATS_USED_UP_MAX:
                    raise SessionError("budget.hung_up")
                self._outbox += beats
                self._alarm.ring()

    async def _write(self, session: Session, stream: Stream) -> None:
        while True:
            while self._outbox:
                await self._send(session, stream, self._outbox.pop(0))
            if self._measure(session):
                continue
            now_ns = self._clock.now_ns()
            if await self._send_blocks(session, stream) or await self._send_piece(session, stream):
                continue
            if self._measure(session):  # something waits for room
                continue
            if self._budget.is_used_up and not session.on_way:
                raise SessionError("budget.hung_up")
            self._look_at_timers(session)
            await self._alarm.wait(session.next_free_ns(now_ns))

    def _measure(self, session: Session) -> bool:
        """Ask the platform, where its answer tells how far the link is; False where not."""
        beat = session.mark(self._clock.now_ns())
        if beat is not None:
            self._outbox.append(beat)
        return beat is not None

    async def _send(self, session: Session, stream: Stream, message: bytes) -> None:
        await self._budget.pay(message_bytes(len(message)), session.on_way + 1)
        self._look_at_timers(session)
        begun_ns = self._clock.now_ns()
        await stream.send(message)
        now_ns = self._clock.now_ns()
        if now_ns - begun_ns >= MOVED_NS:
            session.moved(now_ns)

    def _look_at_timers(self, session: Session) -> None:
        """What is on its way decides when silence is death."""
        if session.next_timer_ns < self._watched_ns:
            self._timers.ring()

    async def _start(self, session: Session, stream: Stream, going: Going) -> None:
        """Send a message, or its first piece."""
        message = session.start(going, self._clock.now_ns())
        if message is not None:
            await self._send(session, stream, message)

    async def _send_piece(self, session: Session, stream: Stream) -> bool:
        """The next piece of a long message; False if none may go now."""
        size = session.piece_size
        if size is None or not session.takes(size):
            return False
        if not self._budget.may_send(size, session.on_way + 1, backlog=False):
            return False
        await self._send(session, stream, session.next_piece(self._clock.now_ns()))
        return True

    async def _send_blocks(self, session: Session, stream: Stream) -> bool:
        """Send the next blocks, or what they need first; False if nothing may go now."""
        pick = session.next_blocks(self._clock.now_ns())
        if pick is None:
            return False
        if not self._may_send(session, pick, sum(map(self._buffer.size, pick.keys))):
            return False
        if self._history.going is not None and self._behind is self._history.going:
            return False
        if self._at_hand is not None and self._at_hand[0] == pick:
            found = self._at_hand[1]  # it was read before what it needs first went
        else:
            found = await self._parcels.read(session, pick)
        self._at_hand = None
        if not found:
            return True
        read = (pick, found)
        pick = pick._replace(keys=pick.keys[: len(found)])
        sets = await self._parcels.missing(session, pick, found[0])
        if sets is None:
            return True
        if sets:
            (going,) = sets
            if session.is_behind(going):
                self._behind = self._history.going
                return False
            if not self._may_send(session, pick, len(going.message) + len(found[0].data)):
                return False
            self._at_hand = read
            if self._is_next(session, pick):  # else acknowledged, dropped or paused meanwhile
                await self._start(session, stream, going)
            return True
        bundle = None
        if len(found) > 1 and (bundle := await self._parcels.joined(session, pick, found)) is None:
            return True
        if not self._is_next(session, pick):
            return True  # acknowledged, dropped or paused while it was read
        whole = session.blocks(pick, found, bundle, self._clock.now_ns())
        if whole is None:
            return True
        if session.is_behind(whole):
            self._behind = self._history.going
            return False
        await self._start(session, stream, whole)
        return True

    def _is_next(self, session: Session, pick: Pick) -> bool:
        """What was picked may still go: every block of it waits, and nothing shut the way."""
        now = session.next_blocks(self._clock.now_ns())
        return now is not None and now.lane == pick.lane and now.keys[: len(pick.keys)] == pick.keys

    def _may_send(self, session: Session, pick: Pick, size: int) -> bool:
        size += LANE_BYTES_MAX
        is_backlog = pick.lane == pb.LANE_BACKFILL
        misfit = self._budget.misfit(size)
        if misfit is not None:
            self._misfits[pick.lane] = (pick.keys[0], misfit)
        size += self._history.owed
        return self._budget.may_send(size, session.on_way + 1, backlog=is_backlog)

    # ---- what status shows -----------------------------------------------------------------

    def _set_state(self, state: str) -> None:
        self._state, self._since_ns = state, self._clock.now_ns()

    def _still_misfits(self) -> list[Said]:
        """Why a block that waits never goes, if one does."""
        waiting = (s for key, s in self._misfits.values() if self._buffer.index.is_live(key))
        return list(waiting)[:1]

    def snapshot(self) -> UplinkSnapshot:
        now_ns = self._clock.now_ns()
        history, session = self._history, self._session
        on_way = session.on_way if session else 0
        is_stable = self._state == "connected" and now_ns - self._since_ns >= STABLE_NS
        cause = None if is_stable else self._cause
        paused_ns = session.paused_since_ns if session else None
        if paused_ns is not None and now_ns - paused_ns >= PAUSE_SAID_NS:
            cause = Said(id="uplink.paused", args={"address": self._config.address})
        last_ack, trip = history.last_ack_ns, history.round_trip_ns
        return UplinkSnapshot(
            state=self._state,
            cause=cause,
            warnings=[
                *self._still_misfits(),
                *refusals(history, refuses_all=bool(session and session.refusals.refuses_all)),
                *notices(history, now_ns),
                *self._ways.warnings(),
                *self._warnings(),
            ],
            address=self._config.address,
            since_s=(now_ns - self._since_ns) / 1e9,
            last_ack_s=None if last_ack is None else (now_ns - last_ack) / 1e9,
            round_trip_ms=None if trip is None else trip / 1e6,
            sent_blocks=history.sent_blocks,
            resent_blocks=history.resent_blocks,
            acked_blocks=history.acked_blocks,
            sent_bytes=history.sent_bytes,
            in_flight_blocks=on_way,
            backlog_blocks=max(0, self._buffer.live_blocks - on_way),
            connects=self._connects,
            retry_in_s=None if self._retry_ns is None else max(0, self._retry_ns - now_ns) / 1e9,
            rejects=history.rejects,
            budget=self._budget.snapshot(),
            ways=self._ways.snapshot(),
        )
