"""The gRPC end of `session`: one bidirectional stream a gateway, the store behind it.

Each stream has a reader task (requests to session to store) and an outbox to the wire. What takes
long to check is checked in one thread for all streams, so that no box holds up the loop. The reader
stops while the window is full or the peer does not read, so HTTP/2 flow control holds the box
back and memory stays within WINDOW_HELD_BYTES a stream. Acknowledgements are gathered for one turn
of the loop: what one commit made durable leaves as one Ack.

The newest stream of a gateway wins: a box that lost its connection is not kept out by the ghost of
its old stream. That two boxes with one id take turns is found by the store (Known.superseded).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from jiahe.ingest.v1 import ingest_pb2 as pb
from jiahe.ingest.v1 import ingest_pb2_grpc

from ingest import limits, session
from ingest.stores.api import Outcome, Put, PutBlock, Store, StoreError
from ingest.tls import gateway_of
from ingest.validate import quoted

SERVICE = pb.DESCRIPTOR.services_by_name["IngestService"].full_name
_Context = grpc.aio.ServicerContext[pb.StreamRequest, pb.StreamResponse]
_log = logging.getLogger("jiahe-ingest")

_OPTIONS = [
    ("grpc.max_receive_message_length", limits.MESSAGE_BYTES_MAX),
    # Else a second receiver shares the port, and boxes land on either.
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", limits.STREAMS_PER_CONNECTION_MAX),
    # Boxes behind a carrier's NAT may ping each 10 s; gRPC's default would throw them off.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.server_handshake_timeout_ms", 20_000),
]


class _Stream:
    """One open stream."""

    def __init__(self, servicer: IngestServicer, identity: str | None, peer: str) -> None:
        self.servicer = servicer
        self.session = session.Session(identity, time.time_ns)
        self.outbox: asyncio.Queue[session.Send | session.End] = asyncio.Queue()
        self._peer = peer
        self._opened = self._heard = time.monotonic()
        self._reader: asyncio.Task[None] | None = None
        self._blocks = self._bytes = 0  # given to the store, not yet acknowledged
        self._results: list[tuple[Put, Outcome]] = []
        self._room = asyncio.Event()
        self._checking = False

    def start(self, requests: AsyncIterator[pb.StreamRequest]) -> None:
        self._reader = asyncio.create_task(self._read(requests))

    async def close(self) -> None:
        """Take no more requests."""
        assert self._reader is not None
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader

    async def stop(self) -> None:
        """Take no more requests, acknowledge what the store was given, end the stream."""
        await self.close()
        await self._wait_while(lambda: self._blocks > 0)
        self.end("UNAVAILABLE", "the receiver is stopping")

    async def _read(self, requests: AsyncIterator[pb.StreamRequest]) -> None:
        """Requests to session and store, until the box ends its side; then wait for the store."""
        try:
            async for request in requests:
                for command in self.session.receive(request):
                    await self._execute(command)
                await self._wait_while(self._full)
                self._heard = time.monotonic()
            await self._wait_while(lambda: self._blocks > 0)
        except StoreError as error:
            self.servicer.store_failed()
            self.end("UNAVAILABLE", str(error))
        except grpc.aio.AbortError:
            return  # the stream was ended by `messages` while this waited for the box
        except Exception:
            self.end("INTERNAL", "the receiver failed; its log says more")
            raise
        else:
            self.end("OK", "")

    async def _wait_while(self, condition: Callable[[], bool]) -> None:
        while condition():
            self._room.clear()
            await self._room.wait()

    def _full(self) -> bool:
        return (
            self._blocks >= limits.WINDOW_BLOCKS
            or self._bytes >= limits.WINDOW_HELD_BYTES
            or self.outbox.qsize() > limits.WINDOW_BLOCKS
            or (self._blocks > 0 and self.servicer.bytes >= limits.WINDOWS_BYTES_TOTAL)
        )

    async def _execute(self, command: session.Command) -> None:
        store = self.servicer.store
        match command:
            case session.Send() | session.End():
                self.outbox.put_nowait(command)
            case session.Store(item):
                self._give(item)
            case session.Open(gateway, epoch, boot_id, software, earlier):
                known = await asyncio.wrap_future(
                    store.hello(gateway, epoch, boot_id, software, earlier)
                )
                if not known.superseded:
                    self.servicer.take_over(self)
                _log.info(
                    "%s: Hello of %s, epoch %d (%s)%s",
                    self._peer,
                    gateway,
                    epoch,
                    quoted(software),
                    ": refused, superseded" if known.superseded else "",
                )
                for answer in self.session.opened(known):
                    await self._execute(answer)
            case session.Check(run):
                self._checking = True
                verdict = await self.servicer.in_thread(run)
                self._checking = False
                for answer in self.session.checked(verdict):
                    await self._execute(answer)
            case session.Load(gateway, epoch, revision):
                held = await asyncio.wrap_future(store.catalog(gateway, epoch, revision))
                for answer in self.session.loaded(held):
                    await self._execute(answer)

    def _give(self, item: Put) -> None:
        self._count(1, _size(item))
        future = asyncio.wrap_future(self.servicer.store.put(item))

        def done(future: asyncio.Future[Outcome]) -> None:
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
            assert isinstance(command, session.Send)
            self.outbox.put_nowait(command)
        self._count(-len(results), -sum(_size(item) for item, _ in results))
        self._room.set()

    def _count(self, blocks: int, size: int) -> None:
        self._blocks += blocks
        self._bytes += size
        self.servicer.bytes += size

    def end(self, code: str, detail: str) -> None:
        self.outbox.put_nowait(session.End(code, detail))

    async def messages(self, context: _Context) -> AsyncIterator[pb.StreamResponse]:
        """The outbox, heartbeats between; returns or aborts when the stream ends."""
        while True:
            item = await self._next()
            self._room.set()
            if isinstance(item, session.Send):
                if item.message.HasField("reject"):
                    self._say_reject(item.message.reject)
                yield item.message
            elif item.code == "OK":
                return
            else:
                _log.warning("%s: %s ended, %s: %s", self._peer, self.session.gateway or "stream",
                             item.code, item.detail)  # fmt: skip
                await context.abort(grpc.StatusCode[item.code], item.detail)

    def _say_reject(self, reject: pb.Reject) -> None:
        _log.warning("%s: block %d of epoch %d refused, %s: %s", self.session.gateway, reject.seq,
                     reject.epoch, pb.RejectReason.Name(reject.reason), reject.detail)  # fmt: skip

    async def _next(self) -> session.Send | session.End:
        """What to send: from the outbox, else a heartbeat, or the end of a stream that is dead."""
        heartbeat_s = limits.HEARTBEAT_MS / 1000
        while True:
            try:
                async with asyncio.timeout(min(heartbeat_s, limits.HELLO_S)):
                    return await self.outbox.get()
            except TimeoutError:
                now = time.monotonic()
                silent_s = now - self._heard
            if self.session.state in ("hello", "pages"):
                if silent_s >= limits.HELLO_S or now - self._opened >= limits.HELLO_PAGES_S:
                    return session.End("DEADLINE_EXCEEDED", "no Hello in time, or no end of it")
            elif self.session.state == "open":
                # While the window is full, or a block is checked, nothing is read.
                idle = not self._full() and not self._checking
                if silent_s > heartbeat_s * limits.HEARTBEATS_DEAD and idle:
                    return session.End("DEADLINE_EXCEEDED", f"nothing heard for {silent_s:.0f} s")
                beat = pb.Heartbeat(utc_ns=time.time_ns())
                return session.Send(pb.StreamResponse(heartbeat=beat))


def _size(item: Put) -> int:
    """Bytes that it holds until the store is done: a block's as carried and unpacked."""
    if isinstance(item, PutBlock):
        return len(item.block.payload) + item.block.payload_size
    return item.catalog.ByteSize()


class IngestServicer(ingest_pb2_grpc.IngestServiceServicer):
    def __init__(self, store: Store, store_failed: Callable[[], None]) -> None:
        self.store = store
        self.store_failed = store_failed
        self.bytes = 0  # given to the store by all streams, not yet acknowledged
        self._checks = ThreadPoolExecutor(1, "check")
        self._streams: set[_Stream] = set()
        self._newest: dict[str, _Stream] = {}  # by gateway

    def take_over(self, stream: _Stream) -> None:
        """Make this the gateway's stream; end the one before."""
        gateway = stream.session.gateway
        before = self._newest.get(gateway)
        self._newest[gateway] = stream
        if before is not None:
            before.end("ABORTED", f"a newer stream of {gateway!r} took over")

    async def in_thread(self, run: Callable[[], session.Verdict]) -> session.Verdict:
        """One check at a time: all of them together take no more than half of the interpreter."""
        return await asyncio.get_running_loop().run_in_executor(self._checks, run)

    async def stop(self) -> None:
        """End every open stream, each after what the store was given is acknowledged."""
        # What failed in one of them is raised where it was served, and keeps no other from its end.
        stopping = (stream.stop() for stream in self._streams)
        await asyncio.gather(*stopping, return_exceptions=True)
        self._checks.shutdown(wait=False, cancel_futures=True)

    async def Stream(  # noqa: N802 - the name in ingest.proto
        self, request_iterator: AsyncIterator[pb.StreamRequest], context: _Context
    ) -> AsyncIterator[pb.StreamResponse]:
        stream = _Stream(self, gateway_of(context.auth_context()), context.peer())
        stream.start(request_iterator)
        self._streams.add(stream)
        try:
            async for message in stream.messages(context):
                yield message
        finally:
            self._streams.discard(stream)
            if self._newest.get(stream.session.gateway) is stream:
                del self._newest[stream.session.gateway]
            await stream.close()


class Server:
    """The listening receiver: `start`, then `stop`."""

    def __init__(self, store: Store) -> None:
        self._server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=limits.STREAMS_MAX)
        self._servicer = IngestServicer(store, self._store_failed)
        self._ailing: asyncio.Task[None] | None = None
        ingest_pb2_grpc.add_IngestServiceServicer_to_server(self._servicer, self._server)
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]  # old type stubs
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    async def start(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """Listen; the real port. Raises OSError when the address can't be had."""
        try:
            if credentials is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise OSError(
                f"{address} can't be listened on: another program has it (ss -ltnp), or the address"
                " is not of this machine (ip address)"
            ) from error
        await self._server.start()
        await self._say(health_pb2.HealthCheckResponse.SERVING)
        return port

    async def _say(self, status: Any) -> None:
        for name in ("", SERVICE):
            await self._health.set(name, status)

    def _store_failed(self) -> None:
        if self._ailing is not None:
            self._ailing.cancel()
        self._ailing = asyncio.create_task(self._ail())

    async def _ail(self) -> None:
        """Send balancers and people elsewhere for a while."""
        await self._say(health_pb2.HealthCheckResponse.NOT_SERVING)
        await asyncio.sleep(limits.STORE_FAILED_S)
        await self._say(health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_s: float) -> None:
        """Refuse new streams, let those that are open finish what the store was given, end."""
        await self._health.enter_graceful_shutdown()
        if self._ailing is not None:
            self._ailing.cancel()
        stopping = asyncio.create_task(self._server.stop(grace_s))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._servicer.stop()
        await stopping
