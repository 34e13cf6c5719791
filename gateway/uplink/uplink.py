"""The task that keeps the uplink up: session, buffer, channel and clock tied together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BlockKey, Buffer, SealedBlock
from gateway.buffer.alarm import Alarm
from gateway.ports import Channel, ChannelError, Clock, Stream
from gateway.snapshot import Said, UplinkSnapshot
from gateway.uplink.backoff import Backoff
from gateway.uplink.budget import CONNECT_BYTES, message_bytes
from gateway.uplink.lanes import Pick
from gateway.uplink.plan import Plan
from gateway.uplink.session import History, Identity, PlatformTime, Session, SessionError
from gateway.uplink.wire import LANE_BYTES_MAX, catalog_message

#: A stream that lived so long and acknowledged something ends the back-off. What broke the last one
#: is told until then, so that nobody who looks each second misses it.
STABLE_NS = 2 * 10**9
PAUSE_SAID_NS = 600 * 10**9
#: Once the data budget is used up, so many heartbeats more go while acks are awaited. A platform
#: that lives and acknowledges nothing would otherwise be talked to for ever.
BEATS_USED_UP_MAX = 2


class _Parcel(NamedTuple):
    """What one pick sends: a block, after the catalog that this stream does not have yet.

    `catalog` None with a name: gone here; the platform may have it, or rejects the block.
    """

    block: SealedBlock
    needed: tuple[int, int] | None
    catalog: bytes | None


@dataclass(frozen=True, slots=True)
class UplinkConfig:
    gateway: str
    address: str
    software: str


class Uplink:
    """One a daemon. `run` until cancelled; `wake` after each `buffer.put`."""

    def __init__(
        self,
        config: UplinkConfig,
        *,
        clock: Clock,
        channel: Channel,
        buffer: Buffer,
        uniform: Callable[[float, float], float],
        platform_time: PlatformTime,
        warnings: Callable[[], list[Said]] = list,
        plan: Plan | None = None,
    ) -> None:
        """`warnings`: what is wrong with the way to the platform while it works. `plan`: what the
        SIM card may carry; None: no limit.
        """
        self._config, self._clock, self._channel, self._buffer = config, clock, channel, buffer
        self._platform_time, self._warnings = platform_time, warnings
        self._plan = plan or Plan()
        self._identity = Identity(config.gateway, clock.boot_id, config.software)
        self._history = History()
        self._backoff = Backoff(uniform)
        self._alarm, self._timers = Alarm(clock), Alarm(clock)
        self._session: Session | None = None
        self._outbox: list[bytes] = []
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
            await self._wait_for_budget()
            self._set_state("connecting")
            await self._plan.pay(CONNECT_BYTES)
            try:
                stream = await self._channel.open()
            except ChannelError as error:
                self._plan.not_connected(error.message)
                self._cause = Said(id=error.message, args=error.arguments)
            else:
                self._connects += 1
                await self._stream(stream)
                del stream  # gRPC closes the connection when nobody holds its call any more
            if self._plan.is_used_up:
                continue
            self._retry_ns = self._clock.now_ns() + self._backoff.next_ns()
            self._set_state("waiting")
            await self._clock.sleep_until(self._retry_ns)
            self._retry_ns = None

    async def close(self) -> None:
        """After `run` was cancelled: write down what a clean end knows."""
        await self._plan.close()

    async def _wait_for_budget(self) -> None:
        while (again_ns := self._plan.shut_until_ns(self._opening_bytes())) is not None:
            if self._state != "paused":
                self._set_state("paused")
                self._cause = None  # the plan's own warning says it
            await self._plan.keep()
            await self._clock.sleep_until(again_ns)

    def _opening_bytes(self) -> int:
        """What Hello takes with its pages, and as much for the Welcome that answers them."""
        hello = self._new_session().connected(self._clock.now_ns())
        return 2 * sum(message_bytes(len(message)) for message in hello)

    def _new_session(self) -> Session:
        return Session(self._identity, self._buffer, self._history, self._platform_time)

    async def _stream(self, stream: Stream) -> None:
        """One stream, to its end. The reader is never cancelled while it reads: closing ends it."""
        session = self._new_session()
        begun_ns = self._clock.now_ns()
        self._outbox = session.connected(begun_ns)
        self._session = session
        parts = [
            asyncio.ensure_future(part)
            for part in (self._read(session, stream), self._write(session, stream))
        ]
        watch = asyncio.ensure_future(self._watch(session))
        try:
            await asyncio.wait([*parts, watch], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._session = None
            self._buffer.carries(())
            watch.cancel()
            parts[1].cancel()
            await stream.close()
            ended = await asyncio.gather(*parts, watch, return_exceptions=True)
        self._note_end(ended)
        if session.acked and self._clock.now_ns() - begun_ns >= STABLE_NS:
            self._backoff.reset()

    def _note_end(self, ended: list[BaseException | None]) -> None:
        """Why the stream ended: the session's reason before the wire's; bugs go on up."""
        reasons = [e for e in ended if isinstance(e, (SessionError, ChannelError))]
        reasons.sort(key=lambda e: isinstance(e, ChannelError))
        for error in ended:
            known = isinstance(error, (SessionError, ChannelError, asyncio.CancelledError))
            if error is not None and not known:
                raise error
        if reasons:
            self._cause = Said(id=reasons[0].message, args=dict(reasons[0].arguments))
        else:
            self._cause = Said(id="uplink.ended", args={"address": self._config.address})

    async def _read(self, session: Session, stream: Stream) -> None:
        async for message in stream.messages():
            self._plan.took(message_bytes(len(message)))
            timer_ns = session.next_timer_ns
            session.feed(message, self._clock.now_ns())
            if session.next_timer_ns < timer_ns:
                self._timers.ring()
            if session.welcomed and self._state != "connected":
                self._set_state("connected")
            if self._plan.is_overdrawn:
                raise SessionError("budget.hung_up")
            self._alarm.ring()

    async def _watch(self, session: Session) -> None:
        """Timers run here, for a writer may wait on a dead wire."""
        beats_used_up = 0
        while True:
            await self._timers.wait(session.next_timer_ns)
            beats = session.timer(self._clock.now_ns())
            if beats:
                beats_used_up = beats_used_up + 1 if self._plan.is_used_up else 0
                if beats_used_up > BEATS_USED_UP_MAX:
                    raise SessionError("budget.hung_up")
                self._outbox += beats
                self._alarm.ring()

    async def _write(self, session: Session, stream: Stream) -> None:
        while True:
            while self._outbox:
                message = self._outbox.pop(0)
                await self._plan.pay(message_bytes(len(message)), session.on_way + 1)
                await stream.send(message)
            now_ns = self._clock.now_ns()
            if not await self._send_block(session, stream):
                if self._plan.is_used_up and not session.on_way:
                    raise SessionError("budget.hung_up")
                free_ns = session.block_free_ns
                await self._alarm.wait(free_ns if free_ns > now_ns else None)

    async def _send_block(self, session: Session, stream: Stream) -> bool:
        """Send the next block, after its catalog; False if none may go now."""
        pick = session.next_block(self._clock.now_ns())
        if pick is None or not self._may_send(session, pick, self._buffer.size(pick.key)):
            return False
        parcel = await self._read_parcel(session, pick)
        if parcel is None:
            return True
        block, needed, catalog = parcel
        cost = message_bytes(len(block.data) + LANE_BYTES_MAX)
        if catalog is not None:
            if not self._may_send(session, pick, len(block.data) + len(catalog)):
                return False
            cost += message_bytes(len(catalog))
        await self._plan.pay(cost, session.on_way + 1)
        if session.next_block(self._clock.now_ns()) != pick:
            self._plan.took(-cost)
            return True  # acknowledged, dropped or paused while it was read
        if needed is not None:
            if catalog is not None:
                await stream.send(catalog_message(catalog))
            session.catalog_sent(needed)
        message = session.block(pick, block, self._clock.now_ns())
        if message is not None:
            await stream.send(message)
        return True

    async def _read_parcel(self, session: Session, pick: Pick) -> _Parcel | None:
        """The block, and its catalog where this stream needs one; None if not now, or never."""
        block = await self._buffer.read(pick.key)
        now_ns = self._clock.now_ns()
        if block is None:
            session.unreadable(pick, now_ns)
            return None
        needed = session.catalog_needed(block)
        if needed is None:
            return _Parcel(block, None, None)
        if session.is_unreadable(needed):
            session.unreadable(pick, now_ns)
            return None
        try:
            catalog = await self._buffer.catalog(*needed)
        except OSError:
            session.unreadable(pick, now_ns, catalog=needed)
            return None
        if catalog is None and not session.may_hold_catalog(needed):
            self._buffer.undecodable(block)
            return None
        return _Parcel(block, needed, catalog)

    def _may_send(self, session: Session, pick: Pick, size: int) -> bool:
        is_backlog = pick.lane == pb.LANE_BACKFILL
        misfit = self._plan.misfit(size)
        if misfit is not None:
            self._misfits[pick.lane] = (pick.key, misfit)
        return self._plan.may_send(size, session.on_way + 1, backlog=is_backlog)

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
            warnings=[*self._still_misfits(), *self._plan.warnings(), *self._warnings()],
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
            budget=self._plan.snapshot(),
        )
