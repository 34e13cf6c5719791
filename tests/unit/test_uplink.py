"""The uplink task and its real channel, against a real gRPC server on loopback."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb
from jiahe.ingest.v1 import ingest_pb2_grpc

from gateway.buffer import Buffer, BufferConfig
from gateway.clock import SystemClock
from gateway.ports import ChannelError
from gateway.uplink import Uplink, UplinkConfig
from gateway.uplink.backoff import Backoff
from gateway.uplink.channel import GrpcChannel
from gateway.uplink.ways import Way
from gateway.uplink.wire import (
    block_message,
    bundle_message,
    catalog_message,
    message_id,
    piece_message,
    tag_set_message,
    varint,
)
from tests.kit.blocks import block, join, no_zstd, put_catalog
from tests.kit.fake_disk import FakeDisk
from tests.kit.fake_platform import FakePlatform
from tests.kit.virtual_time import inline


class Service(ingest_pb2_grpc.IngestServiceServicer):
    """The platform of the kit behind real gRPC. `code` refuses each stream, with `details`."""

    def __init__(self, platform: FakePlatform) -> None:
        self.platform = platform
        self.code: grpc.StatusCode | None = None
        self.details = "not you"
        self.stored = asyncio.Condition()
        self.streams = 0

    async def Stream(self, request_iterator, context):  # type: ignore[no-untyped-def]
        if self.code is not None:
            await context.abort(self.code, self.details)
        self.streams += 1
        down: asyncio.Queue[bytes] = asyncio.Queue()
        peer = self.platform.accept(down.put_nowait)
        async for request in request_iterator:
            peer.receive(request.SerializeToString())
            while not down.empty():
                yield pb.StreamResponse.FromString(down.get_nowait())
            async with self.stored:
                self.stored.notify_all()

    async def wait_for(self, blocks: int) -> None:
        async with self.stored:
            await self.stored.wait_for(lambda: len(self.platform.blocks) >= blocks)


@asynccontextmanager
async def serving(
    service: Service, port: int = 0, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[int]:
    server = grpc.aio.server()
    ingest_pb2_grpc.add_IngestServiceServicer_to_server(service, server)
    address = f"127.0.0.1:{port}"
    if credentials is None:
        port = server.add_insecure_port(address)
    else:
        port = server.add_secure_port(address, credentials)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def box(channel: GrpcChannel) -> tuple[Buffer, Uplink]:
    clock = SystemClock()
    config = BufferConfig("gw-1", free_bytes_min=0)
    buffer = await Buffer.open(FakeDisk(), clock, inline, config, no_zstd)
    buffer.open_epoch(clock.boot_id, clock.now_ns())
    put_catalog(buffer)
    uplink = Uplink(
        UplinkConfig("gw-1", "127.0.0.1", "test"), clock=clock, ways=[Way(channel)], buffer=buffer,
        uniform=lambda low, high: 0.0, platform_time=lambda utc, asked, answered: None,
        join=join, run_blocking=inline,
    )  # fmt: skip
    return buffer, uplink


async def end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled(), task


def test_blocks_when_put_arrive_and_are_acked_over_real_grpc_and_after_a_restart() -> None:
    async def main() -> None:
        service = Service(FakePlatform())
        service.platform.heartbeat_ms = 200
        async with serving(service) as port:
            buffer, uplink = await box(GrpcChannel(f"127.0.0.1:{port}", None))
            task = asyncio.create_task(uplink.run())
            for seq in range(1, 31):
                buffer.put(block(buffer.epoch, seq))
                uplink.wake()
            await service.wait_for(30)
        service.platform.holding = False
        for seq in range(31, 41):
            buffer.put(block(buffer.epoch, seq))
            uplink.wake()
        async with serving(service, port):
            await service.wait_for(40)
            assert service.streams >= 2
            shown = uplink.snapshot()
            assert shown["state"] == "connected" and shown["connects"] >= 2
            await end(task)
        assert service.platform.conflicts == 0 and service.platform.without_catalog == 0

    asyncio.run(main())


def test_connection_when_refused_unknown_or_not_admitted_says_which() -> None:
    async def failure(channel: GrpcChannel) -> str:
        with pytest.raises(ChannelError) as caught:
            stream = await channel.open()
            try:  # nothing is sent: gRPC reports a write that fails first as INTERNAL
                async for _ in stream.messages():
                    pass
            finally:
                await stream.close()
        return caught.value.message

    async def main() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))  # bound, not listening
            port = unused.getsockname()[1]
            assert await failure(GrpcChannel(f"127.0.0.1:{port}", None)) == "uplink.refused"
        service = Service(FakePlatform())
        async with serving(service) as port:
            service.code = grpc.StatusCode.PERMISSION_DENIED
            assert await failure(GrpcChannel(f"127.0.0.1:{port}", None)) == "uplink.permission"
            service.code = grpc.StatusCode.ALREADY_EXISTS
            assert await failure(GrpcChannel(f"127.0.0.1:{port}", None)) == "uplink.cloned"
            service.code = grpc.StatusCode.UNAVAILABLE
            assert await failure(GrpcChannel(f"127.0.0.1:{port}", None)) == "uplink.unavailable"
            service.code = grpc.StatusCode.UNAUTHENTICATED
            assert await failure(GrpcChannel(f"127.0.0.1:{port}", None)) == "uplink.permission"
            service.details = "the certificate of this box was revoked by its authority"
            assert await failure(GrpcChannel(f"127.0.0.1:{port}", None)) == "uplink.revoked"

    asyncio.run(main())


def test_connection_when_the_peer_accepts_and_says_nothing_is_given_up() -> None:
    async def main() -> None:
        with socket.socket() as mute:
            mute.bind(("127.0.0.1", 0))
            mute.listen()
            address = f"127.0.0.1:{mute.getsockname()[1]}"
            with pytest.raises(ChannelError) as caught:
                await GrpcChannel(address, None, open_s_max=0.1).open()
            assert caught.value.message == "uplink.unreachable"
            assert caught.value.arguments == {"address": address}

    asyncio.run(main())


def test_plain_text_when_asked_beyond_loopback_is_refused() -> None:
    with pytest.raises(ValueError, match="loopback"):
        GrpcChannel("ingest.example.cn:8443", None)


def test_backoff_when_failures_go_on_doubles_to_its_limit_with_full_jitter() -> None:
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return high

    backoff = Backoff(uniform)
    assert [backoff.next_ns() // 10**8 for _ in range(8)] == [5, 10, 20, 40, 80, 120, 120, 120]
    assert all(low == 0.0 for low, _ in asked)
    assert backoff.next_ns(unreachable=True) == 4 * 10**9
    backoff.reset()
    assert backoff.next_ns() == 500_000_000


def test_message_when_wrapped_equals_what_protobuf_writes() -> None:
    rng = random.Random(5)
    for size in (0, 1, 127, 128, 20_000):
        original = pb.Block(epoch=1 << 40, seq=3, payload=rng.randbytes(size))
        for lane in (pb.LANE_LIVE, pb.LANE_BACKFILL):
            read = pb.StreamRequest.FromString(block_message(original.SerializeToString(), lane))
            expected = pb.Block.FromString(original.SerializeToString())
            expected.lane = lane
            assert read == pb.StreamRequest(block=expected)
            bundle = pb.Bundle(epoch=1, first_seq=3, payload=rng.randbytes(size))
            read = pb.StreamRequest.FromString(bundle_message(bundle.SerializeToString(), lane))
            bundle.lane = lane
            assert read == pb.StreamRequest(bundle=bundle)
    for content in (b"", b"x" * 300):
        catalog = pb.Catalog(epoch=1, revision=2, id=b"y" * 16, content=content)
        read = pb.StreamRequest.FromString(catalog_message(1, 2, b"y" * 16, content or None))
        assert read == pb.StreamRequest(catalog=catalog)
        read = pb.StreamRequest.FromString(tag_set_message(content))
        assert read == pb.StreamRequest(tag_set=pb.TagSet(content=content))
    whole = rng.randbytes(1000)
    parts = [
        pb.StreamRequest.FromString(piece_message(message_id(whole), whole, at, 300)).piece
        for at in range(0, 1000, 300)
    ]
    assert b"".join(part.data for part in parts) == whole
    assert {(part.message_id, part.message_size) for part in parts} == {(message_id(whole), 1000)}
    assert varint(300) == b"\xac\x02"  # protobuf.dev, "Encoding"
