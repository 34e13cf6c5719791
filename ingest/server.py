"""The gRPC end of `session`: one bidirectional stream a gateway (`stream`), the store behind it.

Requests come as bytes: what they hold is counted before it is parsed. What takes long to check is
checked by turns (`desk`). Memory is bounded by what is promised: each stream's window comes out of
one purse, streams that have not said Hello are few, and a gateway has one stream. Of those few the
oldest of the peer that has most makes room, so that a peer that opens many keeps nobody else out.

The newest stream of a machine wins: a box that lost its connection is not kept out by the ghost of
its old stream. Whether another machine may speak under the id is decided in the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import certificates, limits, session
from ingest.certificates import Certificate
from ingest.desk import Desk
from ingest.handshakes import address_of
from ingest.messages import said
from ingest.opening import notice
from ingest.shelf import Pieces, Shelf
from ingest.stores.api import Known, Store
from ingest.stream import Context, Stream
from ingest.tls import Identify, identity_of, refused_peer

_log = logging.getLogger("jiahe-ingest")
SERVICE = pb.DESCRIPTOR.services_by_name["IngestService"].full_name

_OPTIONS = [
    ("grpc.max_receive_message_length", limits.MESSAGE_BYTES_MAX),
    # What comes before it is asked for is held to this; else gRPC guesses, up to megabytes a
    # stream.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 64 << 10),
    # Nor is more read from a connection at once: gRPC sets aside up to megabytes for each.
    ("grpc.experimental.tcp_read_chunk_size", 8 << 10),
    ("grpc.experimental.tcp_max_read_chunk_size", 32 << 10),
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


class IngestServicer:
    """All streams, and what they share. `features`: what the receiver reads."""

    def __init__(
        self,
        store: Store,
        store_failed: Callable[[], None],
        identify: Identify = identity_of,
        features: Collection[int] = session.FEATURES,
        software: str = "",
        streams_max: int = limits.STREAMS_MAX,
        own: Callable[[], Certificate | None] = lambda: None,
        revoked: Callable[[Certificate], str | None] = lambda certificate: None,
    ) -> None:
        self.store = store
        self._own = own
        self.revoked = revoked
        self._streams_max = streams_max
        self.store_failed = store_failed
        self.desk = Desk()
        self.holds_too_much = False
        self._held_bytes = 0
        self._identify = identify
        self._features = features
        self._software = software
        self._shelf = Shelf()
        self._pieces = Pieces()
        self._promised = 0
        self._streams: dict[Stream, str] = {}  # in order of arrival, each with its peer
        self._newest: dict[str, Stream] = {}  # by gateway

    def session(self, stream: Stream, identity: str | None) -> session.Session:
        return session.Session(
            identity,
            time.time_ns,
            address=stream.address,
            shelf=self._shelf,
            pieces=self._pieces,
            window=lambda: self._promise(stream),
            bound_heard_ns=self._heard_ns,
            features=self._features,
            software=self._software,
        )

    def hold(self, size: int) -> None:
        self._held_bytes += size
        if self.holds_too_much != (self._held_bytes > limits.HELD_BYTES_TOTAL):
            self.holds_too_much = not self.holds_too_much
            if not self.holds_too_much:
                for stream in self._streams:
                    stream.look_again()

    def _promise(self, stream: Stream) -> int:
        """A part of what is left, so that each finds something however many come."""
        left = limits.WINDOWS_BYTES_TOTAL - self._promised
        size = min(max(left // limits.WINDOW_PART, limits.WINDOW_BYTES_MIN), limits.WINDOW_BYTES)
        stream.window_bytes = size
        self._promised += size
        return size

    def _heard_ns(self, gateway: str) -> int:
        stream = self._newest.get(gateway)
        return 0 if stream is None else stream.heard_ns

    def spoke(self, stream: Stream, known: Known) -> None:
        """After Hello: make this the gateway's stream and end the one before; or tell that one that
        another machine was refused."""
        gateway = stream.session.gateway
        before = self._newest.get(gateway)
        if known.bound_to is not None:
            if before is not None:
                words = (
                    f"another box, at {stream.address}, tried to speak as {gateway!r} and was"
                    " refused: was this box's card copied into it?"
                )
                kind = pb.NOTICE_KIND_CLONE_REFUSED
                before.send(notice(kind, words, time.time_ns(), stream.address))
            return
        self._newest[gateway] = stream
        if before is not None:
            before.end("ABORTED", f"a newer stream of {gateway!r} took over")

    async def stop(self) -> None:
        """End every open stream, each after what the store was given is acknowledged."""
        # What failed in one of them is raised where it was served, and keeps no other from its end.
        stopping = (stream.stop() for stream in self._streams)
        await asyncio.gather(*stopping, return_exceptions=True)

    async def serve(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """The behaviour of the method Stream."""
        if len(self._streams) >= self._streams_max:
            words = (
                f"this receiver serves {self._streams_max} boxes at once, and they are there; wait,"
                " or its operators raise its limit of open files"
            )
            _log.warning(said("told_to_wait", address=address_of(context.peer()), words=words))
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, words)
        address = address_of(context.peer())
        peer = certificates.of_peer(context.auth_context())
        refused = refused_peer(peer, self._own())
        if refused is not None:
            _log.warning(said("refused", address=address, words=refused))
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, refused)
        identity = self._identify(context)
        name = peer.fingerprint.hex() if peer else identity or address.rpartition(":")[0]
        if not self._make_room(name):
            words = "too many streams have not said Hello yet; the receiver is busy, try again"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, words)
        stream = Stream(self, identity, address, peer)
        stream.start(requests)
        self._streams[stream] = name
        try:
            async for message in stream.messages(context):
                yield message
        finally:
            self._leave(stream)
            await stream.close()

    def _make_room(self, peer: str) -> bool:
        """For one more stream without Hello, of this peer: its certificate, else its id or address.
        False: there is none, and no peer has more than one."""
        silent = [stream for stream in self._streams if stream.is_silent]
        if len(silent) < limits.STREAMS_SILENT_MAX:
            return True
        counts = Counter(self._streams[stream] for stream in silent)
        counts[peer] += 1
        most = max(counts, key=lambda name: (counts[name], name == peer))
        if counts[most] == 1:
            return False
        oldest = next(stream for stream in silent if self._streams[stream] == most)
        words = f"{counts[most]} streams of this peer have not said Hello, the oldest makes room"
        oldest.end("RESOURCE_EXHAUSTED", words)
        return True

    def _leave(self, stream: Stream) -> None:
        del self._streams[stream]
        self._promised -= stream.window_bytes
        gateway = stream.session.gateway
        if self._newest.get(gateway) is stream:
            del self._newest[gateway]
            self.store.heard(gateway, stream.heard_ns)


def software() -> str:
    """ "jiahe-ingest 0.1.0"; "jiahe-ingest" where it is not installed."""
    try:
        return f"jiahe-ingest {importlib.metadata.version('jiahe')}"
    except importlib.metadata.PackageNotFoundError:
        return "jiahe-ingest"


class Server:
    """The listening receiver: `start`, then `stop`."""

    def __init__(
        self,
        store: Store,
        identify: Identify = identity_of,
        features: Collection[int] = session.FEATURES,
        software: str = "",
        streams_max: int = limits.STREAMS_MAX,
        own: Callable[[], Certificate | None] = lambda: None,
        revoked: Callable[[Certificate], str | None] = lambda certificate: None,
    ) -> None:
        self._server = grpc.aio.server(options=_OPTIONS)
        self._servicer = IngestServicer(
            store, self._store_failed, identify, features, software, streams_max, own, revoked
        )
        self._ailing: asyncio.Task[None] | None = None
        # As bytes, both ways: what a request holds is looked at before it is parsed.
        handler = grpc.stream_stream_rpc_method_handler(self._servicer.serve)
        generic = grpc.method_handlers_generic_handler(SERVICE, {"Stream": handler})
        self._server.add_generic_rpc_handlers((generic,))
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
            raise OSError(said("not_listened", address=address)) from error
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
        self._servicer.desk.close()
