"""What the receiver does when a box floods, falls silent or says nothing, and when its store fails.

The real server in this process, so that a test may hold the store's answers and shorten the limits.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from ingest.validate import check_block
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits, session
from ingest.payload import crc32c
from ingest.server import SERVICE, Server
from ingest.stores.api import Known, Outcome, Put, PutCatalog, StoreError
from tests.contract import encode, examples, receiver
from tests.contract.examples import EPOCH


class HeldStore:
    """A store whose answers to `put` the test gives: what a slow or failing disk does."""

    def __init__(self, many: int = limits.WINDOW_BLOCKS) -> None:
        """`many.set` after that many blocks."""
        self._many = many
        self.puts: list[tuple[Put, Future[Outcome]]] = []
        self.many = asyncio.Event()
        self.address = ""

    def hello(
        self, gateway: str, epoch: int, boot_id: str, software: str, earlier: Sequence[int]
    ) -> Future[Known]:
        future: Future[Known] = Future()
        future.set_result(Known((pb.EpochHeld(epoch=epoch),), epoch, False))
        return future

    def catalog(self, gateway: str, epoch: int, revision: int) -> Future[pb.Catalog | None]:
        future: Future[pb.Catalog | None] = Future()
        future.set_result(None)
        return future

    def put(self, item: Put) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        if isinstance(item, PutCatalog):
            future.set_result(Outcome.STORED)
            return future
        self.puts.append((item, future))
        if len(self.puts) >= self._many:
            self.many.set()
        return future

    def close(self) -> None: ...


@contextlib.asynccontextmanager
async def open_stream(store: HeldStore) -> AsyncIterator[tuple[Server, receiver.Stream]]:
    server = Server(store)
    port = await server.start("127.0.0.1:0", None)
    try:
        store.address = f"127.0.0.1:{port}"
        async with receiver.stream(store.address) as call:
            yield server, call
    finally:
        await server.stop(1)


async def welcome(call: receiver.Stream) -> None:
    await call.write(receiver.hello(EPOCH))
    assert (await receiver.answer(call)).HasField("welcome")
    await call.write(pb.StreamRequest(catalog=examples.catalog()))


def test_box_that_sends_more_than_the_window_is_read_no_further_until_the_store_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "HEARTBEAT_MS", 20)
    count = limits.WINDOW_BLOCKS + 10

    async def flood() -> None:
        store = HeldStore()
        async with open_stream(store) as (_, call):
            await welcome(call)
            for seq in range(1, count + 1):
                await call.write(pb.StreamRequest(block=examples.block(seq)))
            await store.many.wait()
            for _ in range(3):  # the loop turns, and nothing more is taken
                assert (await receiver.answer(call)).HasField("heartbeat")
            assert len(store.puts) == limits.WINDOW_BLOCKS
            acked: set[int] = set()
            while len(acked) < count:
                while store.puts:
                    store.puts.pop()[1].set_result(Outcome.STORED)
                for one in (await receiver.answer(call)).ack.ranges:
                    acked |= set(range(one.first, one.last + 1))

    asyncio.run(flood())


def test_blocks_that_unpack_to_more_than_the_window_holds_are_read_no_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A kilobyte on the wire, a megabyte here."""
    monkeypatch.setattr(limits, "HEARTBEAT_MS", 20)
    text = bytes(limits.RATIO_FREE_BYTES - 1024)
    payload = pb.BlockPayload(anchors=[pb.Anchor(boot_id="b")]).SerializeToString()
    payload += b"\x7a" + encode.varint(len(text)) + text  # field 15, of a later version
    carried = encode.compress(pb.COMPRESSION_ZSTD, payload)
    enough = -(-limits.WINDOW_HELD_BYTES // (len(payload) + len(carried)))
    assert len(carried) < 2000 and enough < limits.WINDOW_BLOCKS

    async def flood() -> None:
        store = HeldStore(enough)
        async with open_stream(store) as (_, call):
            await welcome(call)
            for seq in range(1, limits.WINDOW_BLOCKS + 1):
                block = pb.Block(
                    epoch=EPOCH, seq=seq, catalog_revision=1, compression=pb.COMPRESSION_ZSTD,
                    payload=carried, payload_size=len(payload), payload_crc32c=crc32c(carried),
                )  # fmt: skip
                await call.write(pb.StreamRequest(block=block))
            await store.many.wait()
            for _ in range(3):
                assert (await receiver.answer(call)).HasField("heartbeat")
            assert len(store.puts) == enough
            while store.puts:
                store.puts.pop()[1].set_result(Outcome.STORED)

    asyncio.run(flood())


def test_store_that_fails_ends_the_stream_and_acknowledges_nothing() -> None:
    async def fail() -> tuple[grpc.StatusCode, str]:
        store = HeldStore()
        async with open_stream(store) as (_, call):
            await welcome(call)
            await call.write(pb.StreamRequest(block=examples.block(1)))
            await call.write(pb.StreamRequest(heartbeat=pb.Heartbeat(id=1)))
            assert (await receiver.answer(call)).heartbeat.id == 1
            store.puts[0][1].set_exception(StoreError("store x.db: disk full"))
            return await call.code(), await call.details()

    assert asyncio.run(fail()) == (grpc.StatusCode.UNAVAILABLE, "store x.db: disk full")


def test_health_when_the_store_fails_is_not_serving_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "STORE_FAILED_S", 0.05)
    said = health_pb2.HealthCheckResponse

    async def fail() -> None:
        store = HeldStore()
        server = Server(store)
        address = f"127.0.0.1:{await server.start('127.0.0.1:0', None)}"
        try:
            async with grpc.aio.insecure_channel(address) as channel:
                watch = health_pb2_grpc.HealthStub(channel).Watch(
                    health_pb2.HealthCheckRequest(service=SERVICE)
                )
                assert (await watch.read()).status == said.SERVING
                async with receiver.stream(address) as call:
                    await welcome(call)
                    await call.write(pb.StreamRequest(block=examples.block(1)))
                    await call.write(pb.StreamRequest(heartbeat=pb.Heartbeat(id=1)))
                    assert (await receiver.answer(call)).heartbeat.id == 1
                    store.puts[0][1].set_exception(StoreError("store x.db: disk full"))
                    assert (await watch.read()).status == said.NOT_SERVING
                    assert (await watch.read()).status == said.SERVING
                watch.cancel()
        finally:
            await server.stop(1)

    asyncio.run(fail())


def test_block_that_takes_long_to_check_holds_up_no_other_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = threading.Event()

    def long(block: pb.Block, catalog: pb.Catalog) -> pb.BlockPayload:
        assert heard.wait(10), "the loop stood still"
        return check_block(block, catalog)

    monkeypatch.setattr(session, "check_block", long)

    async def meanwhile() -> None:
        store = HeldStore(many=1)
        async with open_stream(store) as (_, slow), receiver.stream(store.address) as other:
            await welcome(slow)
            numbers = [seq**5 for seq in range(9000)]
            block = examples.block(1, ticks=9000, counters=numbers)
            await slow.write(pb.StreamRequest(block=block))
            await other.write(receiver.hello(EPOCH, "gw-2"))
            assert (await receiver.answer(other)).HasField("welcome")
            for number in (1, 2, 3):
                await other.write(pb.StreamRequest(heartbeat=pb.Heartbeat(id=number)))
                assert (await receiver.answer(other)).heartbeat.id == number
            heard.set()
            await store.many.wait()
            store.puts[0][1].set_result(Outcome.STORED)
            await receiver.acked(slow, {1})

    asyncio.run(meanwhile())


def test_hello_whose_pages_never_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one whose pages come often enough: HELLO_S is never passed here."""
    monkeypatch.setattr(limits, "HEARTBEAT_MS", 20)
    monkeypatch.setattr(limits, "HELLO_S", 3600)
    monkeypatch.setattr(limits, "HELLO_PAGES_S", 0.1)

    async def pages() -> grpc.StatusCode:
        async with asyncio.timeout(20), open_stream(HeldStore()) as (_, call):
            first = receiver.hello(EPOCH, earlier=(1,))
            first.hello.more = True
            await call.write(first)
            return await call.code()

    assert asyncio.run(pages()) is grpc.StatusCode.DEADLINE_EXCEEDED


def test_stop_acknowledges_what_the_store_was_given_before_it_ends_the_stream() -> None:
    async def stop() -> grpc.StatusCode:
        store = HeldStore()
        async with open_stream(store) as (server, call):
            await welcome(call)
            await call.write(pb.StreamRequest(block=examples.block(1)))
            await call.write(pb.StreamRequest(heartbeat=pb.Heartbeat(id=1)))
            assert (await receiver.answer(call)).HasField("heartbeat")
            stopping = asyncio.create_task(server.stop(30))
            store.puts[0][1].set_result(Outcome.STORED)
            await receiver.acked(call, {1})
            code = await call.code()
            await stopping
            return code

    assert asyncio.run(stop()) is grpc.StatusCode.UNAVAILABLE


def test_stream_without_hello_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HELLO_S", 0.02)

    async def silent() -> grpc.StatusCode:
        async with open_stream(HeldStore()) as (_, call):
            return await call.code()

    assert asyncio.run(silent()) is grpc.StatusCode.DEADLINE_EXCEEDED


def test_stream_that_falls_silent_hears_heartbeats_and_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "HEARTBEAT_MS", 20)

    async def silent() -> grpc.StatusCode:
        async with open_stream(HeldStore()) as (_, call):
            await welcome(call)
            beats = 0
            try:
                while isinstance(message := await call.read(), pb.StreamResponse):
                    beats += message.heartbeat.utc_ns > 0
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert beats >= 1
            return await call.code()

    assert asyncio.run(silent()) is grpc.StatusCode.DEADLINE_EXCEEDED


def test_message_beyond_all_limits_ends_the_stream_and_the_receiver_lives(tmp_path: Path) -> None:
    async def giant(address: str) -> grpc.StatusCode:
        async with receiver.stream(address) as call:
            await call.write(receiver.hello(EPOCH))
            await receiver.answer(call)
            await call.write(pb.StreamRequest(block=pb.Block(payload=bytes(100 << 20))))
            return await call.code()

    with receiver.serving(tmp_path / "store.db") as (address, process):
        assert asyncio.run(giant(address)) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert process.poll() is None
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak_kb = int(status.split("VmHWM:")[1].split()[0])
    assert peak_kb < 200_000
