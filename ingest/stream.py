"""One open stream: requests in, in their order, through the session to the store; answers out.

A reader takes requests off the wire and answers heartbeats at once, so that a blocked store never
makes a stream look dead. Everything else waits for its turn in a queue, which holds no more than
the window that was promised to the box, nor than all streams together may hold: beyond it nothing
is read, and HTTP/2 flow control holds the box back. Acknowledgements are gathered for one turn of
the loop: what one commit made durable leaves as one Ack.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

import grpc
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import certificates, limits, session
from ingest.certificates import Certificate
from ingest.desk import Desk
from ingest.messages import said
from ingest.opening import notice
from ingest.refusal import quoted
from ingest.stores.api import Known, Outcomes, Put, PutBlocks, PutTagSet, Store, StoreError

_DAY_S = 86_400.0
_log = logging.getLogger("jiahe-ingest")
Context = grpc.aio.ServicerContext[bytes, bytes]


class Shared(Protocol):
    """What the streams of a receiver share (`server.IngestServicer`)."""

    store: Store
    store_failed: Callable[[], None]
    desk: Desk
    #: Why a certificate is not taken any more; None: it is.
    revoked: Callable[[Certificate], str | None]

    #: All streams together hold as much as they may.
    holds_too_much: bool

    def hold(self, size: int) -> None:
        """A stream holds so many bytes more; negative: less."""

    def session(self, stream: Stream, identity: str | None) -> session.Session: ...

    def spoke(self, stream: Stream, known: Known) -> None:
        """It said Hello, and this is what the store says to that."""


class Stream:
    """`identity`: the gateway's id in the certificate; None on a plain-text stream."""

    def __init__(
        self,
        servicer: Shared,
        identity: str | None,
        address: str,
        certificate: Certificate | None = None,
    ) -> None:
        self.servicer = servicer
        self._certificate = certificate
        self._warned = -_DAY_S  # when it was told of its certificate's end
        self.address = address
        self.window_bytes = 0
        self.session = servicer.session(self, identity)
        self.heard_ns = time.time_ns()
        self._outbox: asyncio.Queue[session.Send | session.End] = asyncio.Queue()
        self._heard = self._opened = time.monotonic()
        self._noted = self._heard
        self._tasks: list[asyncio.Task[None]] = []
        self._requests: deque[bytes] = deque()
        self._held_bytes = 0  # read, and not yet acknowledged by the store
        self._given = 0  # items that the store has, not yet acknowledged
        self._results: list[tuple[Put, Outcomes]] = []
        self._changed = asyncio.Event()
        self._all_read = False
        self._paused = False
        self._ending = False

    def start(self, requests: AsyncIterator[bytes]) -> None:
        self._tasks = [
            asyncio.create_task(self._guarded(self._read(requests))),
            asyncio.create_task(self._guarded(self._work())),
        ]

    async def close(self) -> None:
        """Take no more requests."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()  # else what they were at stays in memory, in a circle of names
        self._hold(-sum(map(len, self._requests)))
        self._requests.clear()

    async def stop(self) -> None:
        """Take no more requests, acknowledge what the store was given, end the stream."""
        await self.close()
        await self._wait_while(lambda: self._given > 0)
        self.end("UNAVAILABLE", "the receiver is stopping")

    def check_certificate(self, now: datetime) -> session.Send | session.End | None:
        """When the box's certificate is over or revoked, the end of the stream; when it ends soon,
        once a day a notice."""
        one = self._certificate
        if one is None:
            return None
        revoked = self.servicer.revoked(one)
        if revoked is not None:
            return session.End("UNAUTHENTICATED", revoked)
        if one.left(now) > certificates.SOON:
            return None
        until = one.not_after.date()
        if one.left(now) <= timedelta(0):
            words = f"the certificate of this box ({one.subject}) expired on {until}; renew it"
            return session.End("UNAUTHENTICATED", words)
        if self.session.state != "open" or time.monotonic() - self._warned < _DAY_S:
            return None
        self._warned = time.monotonic()
        days = one.left(now).days
        words = f"the certificate of this box expires on {until}, in {days} days; renew it"
        kind = pb.NOTICE_KIND_CERTIFICATE_EXPIRES
        return session.Send(notice(kind, words, time.time_ns()))

    @property
    def is_silent(self) -> bool:
        """It goes on, and has not said Hello yet."""
        return self.session.state == "hello" and not self._ending

    def end(self, code: str, detail: str) -> None:
        self._ending = True
        self._outbox.put_nowait(session.End(code, detail))

    def send(self, message: pb.StreamResponse) -> None:
        self._outbox.put_nowait(session.Send(message))

    async def _guarded(self, work: Any) -> None:
        try:
            await work
        except StoreError as error:
            self.servicer.store_failed()
            self.end("UNAVAILABLE", str(error))
        except grpc.aio.AbortError:
            return  # the stream was ended by `messages` while this waited for the box
        except Exception:
            self.end("INTERNAL", "the receiver failed; its log says more")
            raise

    # ---- In ---------------------------------------------------------------------------------

    async def _read(self, requests: AsyncIterator[bytes]) -> None:
        async for data in requests:
            self._heard, self.heard_ns = time.monotonic(), time.time_ns()
            commands = self.session.urgent(data)
            if commands is None:
                self._hold(len(data))
                self._requests.append(data)
            else:
                for command in commands:
                    await self._execute(command)
            self._note_heard()
            del data  # it may be large, and the next one far
            if self._full():
                self._paused = True
                await self._wait_while(self._full)
                self._heard, self._paused = time.monotonic(), False
        self._all_read = True
        self._changed.set()

    def _note_heard(self) -> None:
        """The store learns now and then that the box is there, whatever it says."""
        if self.session.state == "open" and self._heard - self._noted >= limits.HEARD_EVERY_S:
            self._noted = self._heard
            self.servicer.store.heard(self.session.gateway, self.heard_ns)

    def _hold(self, size: int) -> None:
        self._held_bytes += size
        self.servicer.hold(size)
        self._changed.set()

    def look_again(self) -> None:
        """All streams together hold less than they did."""
        self._changed.set()

    def _full(self) -> bool:
        return (
            (self._held_bytes > 0 and self.servicer.holds_too_much)
            or self._held_bytes
            > max(self.window_bytes, limits.WINDOW_BYTES_MIN) + limits.WINDOW_SLACK_BYTES
            or len(self._requests) + self._given >= limits.REQUESTS_MAX
            or self._outbox.qsize() > limits.REQUESTS_MAX
        )

    async def _wait_while(self, condition: Callable[[], bool]) -> None:
        while condition():
            self._changed.clear()
            await self._changed.wait()

    async def _work(self) -> None:
        """Requests in their order, until the box ends its side; then wait for the store."""
        while True:
            await self._wait_while(lambda: not self._requests and not self._all_read)
            if not self._requests:
                break
            size = len(self._requests[0])
            try:
                await self._take(self.session.receive(self._requests.popleft()))
            finally:
                self._hold(-size)
        await self._wait_while(lambda: self._given > 0)
        self.end("OK", "")

    async def _take(self, steps: session.Steps) -> None:
        result: Any = None
        while True:
            try:
                command = steps.send(result)
            except StopIteration:
                return
            result = await self._execute(command)

    async def _execute(self, command: session.Command) -> Any:
        match command:
            case session.Send() | session.End():
                self._outbox.put_nowait(command)
            case session.Store(item):
                self._give(item)
            case session.Open(speaker):
                known = await asyncio.wrap_future(self.servicer.store.hello(speaker))
                self._say_hello(speaker.software, known)
                self.servicer.spoke(self, known)
                return known
            case session.Check(steps, size):
                asked = self.servicer.desk.ask(self.session.gateway, steps, size)
                return await asyncio.wrap_future(asked)
            case session.Load(what, arguments):
                return await asyncio.wrap_future(getattr(self.servicer.store, what)(*arguments))
        return None

    def _say_hello(self, software: str, known: Known) -> None:
        who = {"address": self.address, "gateway": self.session.gateway}
        about = {**who, "epoch": self.session.epoch, "software": quoted(software)}
        if known.bound_to is None:
            _log.info(said("hello", **about))
        else:
            _log.info(said("hello_bound", other=known.bound_to, **about))
        if known.taken_from is not None:
            _log.warning(said("another_machine", other=known.taken_from, **who))

    # ---- To the store and back --------------------------------------------------------------

    def _give(self, item: Put) -> None:
        self._count(1, _size(item))
        future = asyncio.wrap_future(self.servicer.store.put(item))

        def done(future: asyncio.Future[Outcomes]) -> None:
            error = None if future.cancelled() else future.exception()
            if error is not None:
                self._count(-1, -_size(item))
                self.servicer.store_failed()
                self.end("UNAVAILABLE", str(error))
                return
            if not self._results:
                asyncio.get_running_loop().call_soon(self._acknowledge)
            self._results.append((item, future.result()))

        future.add_done_callback(done)

    def _acknowledge(self) -> None:
        results, self._results = self._results, []
        for command in self.session.stored(results):
            self._outbox.put_nowait(command)
        self._count(-len(results), -sum(_size(item) for item, _ in results))

    def _count(self, items: int, size: int) -> None:
        self._given += items
        self._hold(size)

    # ---- Out --------------------------------------------------------------------------------

    async def messages(self, context: Context) -> AsyncIterator[bytes]:
        """The outbox; returns or aborts when the stream ends."""
        while True:
            item = await self._next()
            self._changed.set()
            if isinstance(item, session.Send):
                self._say(item.message)
                yield item.message.SerializeToString()
            elif item.code == "OK":
                return
            else:
                name = self.session.gateway or "stream"
                about = {"address": self.address, "gateway": name}
                _log.warning(said("stream_ended", code=item.code, detail=item.detail, **about))
                await context.abort(grpc.StatusCode[item.code], item.detail)

    def _say(self, message: pb.StreamResponse) -> None:
        if message.HasField("reject"):
            one = message.reject
            words = said(
                "block_refused", gateway=self.session.gateway, seq=one.seq, epoch=one.epoch,
                reason=pb.RejectReason.Name(one.reason), detail=one.detail,
            )  # fmt: skip
            _log.warning(words)
        elif message.HasField("notice"):
            _log.warning("%s: %s", self.session.gateway, message.notice.detail)

    async def _next(self) -> session.Send | session.End:
        """What to send: from the outbox, or the end of a stream that is dead. A box asks when it
        wants to know that somebody is there: heartbeats unasked would cost its SIM card as much.
        """
        heartbeat_s = limits.HEARTBEAT_MS / 1000
        while True:
            said = self.check_certificate(certificates.utc_now())
            if said is not None:
                return said
            try:
                async with asyncio.timeout(min(heartbeat_s, limits.HELLO_S)):
                    return await self._outbox.get()
            except TimeoutError:
                silent_s = time.monotonic() - self._heard
            if self.session.state == "hello":
                if silent_s >= limits.HELLO_S:
                    return session.End("DEADLINE_EXCEEDED", "no Hello in time")
            elif silent_s > heartbeat_s * limits.HEARTBEATS_DEAD and not self._paused:
                # Paused, it is over its window: it is not read, so it can't be heard.
                return session.End("DEADLINE_EXCEEDED", f"nothing heard for {silent_s:.0f} s")


def _size(item: Put) -> int:
    """Bytes that it holds until the store is done."""
    if isinstance(item, PutBlocks):
        return len(item.carried.payload)
    return len(item.content) if isinstance(item, PutTagSet) else len(item.content or b"")
