"""What the receiver does when a box floods, falls silent or says nothing, and when its store fails.

The real server in this process, so that a test may hold the store's answers and shorten the limits.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits, session
from ingest.catalog import Layout
from ingest.check import Carried, check_carried
from ingest.server import SERVICE, Server
from ingest.stores.api import Known, Outcome, Outcomes, Put, PutBlocks, Speaker, StoreError
from ingest.tls import identity_from_header
from tests.contract import examples, receiver
from tests.contract.examples import EPOCH

_T = TypeVar("_T")


def done(answer: _T) -> Future[_T]:
    future: Future[_T] = Future()
    future.set_result(answer)
    return future


class HeldStore:
    """A store whose answers to `put` the test gives: what a slow or failing disk does."""

    def __init__(self, many: int = limits.WINDOW_BLOCKS) -> None:
        """`many.set` after that many blocks."""
        self._many = many
        self._released = False
        self.puts: list[tuple[Put, Future[Outcomes]]] = []
        self.many = asyncio.Event()
        self.heard_from: list[str] = []
        self.address = ""
        self.hello_answer: Future[Known] | None = None
        self.revisions_answer: Future[Sequence[bytes]] | None = None

    def hello(self, speaker: Speaker) -> Future[Known]:
        return self.hello_answer or done(Known((pb.EpochHeld(epoch=speaker.epoch),)))

    def heard(self, gateway: str, utc_ns: int) -> Future[None]:
        self.heard_from.append(gateway)
        return done(None)

    def revisions(self, gateway: str, epoch: int, revision: int) -> Future[Sequence[bytes]]:
        return self.revisions_answer or done(())

    def content(self, name: bytes) -> Future[bytes | None]:
        return done(None)

    def put(self, item: Put) -> Future[Outcomes]:
        future: Future[Outcomes] = Future()
        if not isinstance(item, PutBlocks) or self._released:
            future.set_result((Outcome.STORED,))
            return future
        self.puts.append((item, future))
        if len(self.puts) >= self._many:
            self.many.set()
        return future

    def release(self) -> None:
        """All that waits is stored, and what comes from now on at once."""
        self._released = True
        while self.puts:
            self.puts.pop()[1].set_result((Outcome.STORED,))

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
    for request in examples.opening():
        await call.write(request)


def test_box_that_sends_more_than_its_window_is_read_no_further_until_the_store_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its memory here stays bounded by what it was promised, however fast it is."""
    for name in ("WINDOW_BYTES", "WINDOW_BYTES_MIN", "WINDOW_SLACK_BYTES"):
        monkeypatch.setattr(limits, name, 10_000)
    size = len(examples.block(1).payload)
    enough = 20_000 // size
    count = enough + 100

    async def flood() -> None:
        store = HeldStore(enough)
        async with open_stream(store) as (_, call):
            await welcome(call)
            for seq in range(1, count + 1):
                await call.write(pb.StreamRequest(block=examples.block(seq)))
            await store.many.wait()
            for number in range(3):  # the loop serves others, and takes nothing more of this one
                async with receiver.stream(store.address) as other:
                    await other.write(receiver.hello(EPOCH, f"gw-other-{number}"))
                    assert (await receiver.answer(other)).HasField("welcome")
            assert len(store.puts) < count
            store.release()
            await receiver.acked(call, set(range(1, count + 1)))

    asyncio.run(flood())


def test_heartbeats_are_answered_whatever_the_store_does() -> None:
    """Behind a Hello, blocks and a catalog that a blocked store never answers."""

    async def blocked() -> None:
        store = HeldStore()
        store.hello_answer = Future()
        async with open_stream(store) as (_, call):
            await call.write(receiver.hello(EPOCH))
            await call.write(pb.StreamRequest(heartbeat=pb.Heartbeat(id=1)))
            assert (await receiver.answer(call)).heartbeat.id == 1
            store.hello_answer.set_result(Known((pb.EpochHeld(epoch=EPOCH),)))
            assert (await receiver.answer(call)).HasField("welcome")
            store.revisions_answer = Future()
            await call.write(pb.StreamRequest(block=examples.block(1)))
            for number in (2, 3):
                await call.write(pb.StreamRequest(heartbeat=pb.Heartbeat(id=number)))
                assert (await receiver.answer(call)).heartbeat.id == number
            store.revisions_answer.set_result(())
            assert (await receiver.answer(call)).HasField("reject")

    asyncio.run(blocked())


def test_box_that_sends_blocks_and_never_beats_counts_as_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a copied card would take its id after the receiver crashed."""
    monkeypatch.setattr(limits, "HEARD_EVERY_S", 0.0)

    async def busy() -> None:
        store = HeldStore(1)
        async with open_stream(store) as (_, call):
            await welcome(call)
            await call.write(pb.StreamRequest(block=examples.block(1)))
            await store.many.wait()
            assert set(store.heard_from) == {"gw-1"}

    asyncio.run(busy())


def test_window_shrinks_with_the_crowd() -> None:
    async def crowd() -> list[int]:
        store = HeldStore()
        server = Server(store)
        address = f"127.0.0.1:{await server.start('127.0.0.1:0', None)}"
        windows = []
        async with contextlib.AsyncExitStack() as streams:
            for number in range(120):
                call = await streams.enter_async_context(receiver.stream(address))
                await call.write(receiver.hello(EPOCH, f"gw-{number}"))
                windows.append((await receiver.answer(call)).welcome.window_bytes)
        await server.stop(1)
        return windows

    windows = asyncio.run(crowd())
    assert windows[0] == limits.WINDOW_BYTES
    assert windows[-1] < limits.WINDOW_BYTES // 10
    assert min(windows) >= limits.WINDOW_BYTES_MIN
    assert sum(windows) < limits.WINDOWS_BYTES_TOTAL + 120 * limits.WINDOW_BYTES_MIN


class Arrivals:
    """A server's streams, each known once the receiver has it."""

    def __init__(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.streams = contextlib.AsyncExitStack()
        self._here: asyncio.Queue[None] = asyncio.Queue()
        self._session = server._servicer.session
        monkeypatch.setattr(server._servicer, "session", self._made)

    def _made(self, stream: Any, identity: str | None) -> session.Session:
        self._here.put_nowait(None)
        return self._session(stream, identity)

    async def silent(self, address: str, peer: str = "") -> receiver.Stream:
        """One that says nothing, of the peer of this name."""
        headers = (("x-gateway", peer),)
        call = await self.streams.enter_async_context(receiver.stream(address, metadata=headers))
        await asyncio.wait_for(self._here.get(), 10)
        return call


async def ended(call: receiver.Stream) -> str:
    async with asyncio.timeout(10):
        assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        return str(await call.details())


def test_streams_without_hello_when_one_peer_fills_their_room_then_another_box_is_let_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The oldest of that peer, here of one address, makes room."""
    monkeypatch.setattr(limits, "STREAMS_SILENT_MAX", 2)

    async def fill() -> None:
        server = Server(HeldStore())
        address = f"127.0.0.1:{await server.start('127.0.0.1:0', None)}"
        arrivals = Arrivals(server, monkeypatch)
        async with arrivals.streams as opened:
            opened.push_async_callback(server.stop, 1)
            first, second = [await arrivals.silent(address) for _ in range(2)]
            async with receiver.stream(address) as honest:
                await welcome(honest)
            assert "makes room" in await ended(first)
            await welcome(second)

    asyncio.run(fill())


def test_streams_without_hello_when_their_room_is_full_then_the_peer_with_most_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where each has one, who comes is told to try again."""
    monkeypatch.setattr(limits, "STREAMS_SILENT_MAX", 3)

    async def fill() -> None:
        server = Server(HeldStore(), identity_from_header("x-gateway"))
        address = f"127.0.0.1:{await server.start('127.0.0.1:0', None)}"
        arrivals = Arrivals(server, monkeypatch)
        async with arrivals.streams as opened:
            opened.push_async_callback(server.stop, 1)
            slow, *many = [await arrivals.silent(address, peer) for peer in ("b", "a", "a")]
            other = await arrivals.silent(address, "c")
            assert "makes room" in await ended(many[0])
            async with receiver.stream(address, metadata=(("x-gateway", "d"),)) as late:
                assert "try again" in await ended(late)
            for call, name in ((slow, "b"), (many[1], "a"), (other, "c")):
                await call.write(receiver.hello(EPOCH, name))
                assert (await receiver.answer(call)).HasField("welcome")

    asyncio.run(fill())


def test_box_beyond_what_the_receiver_may_open_is_told_to_wait() -> None:
    """field.md 5.16."""

    async def beyond() -> tuple[grpc.StatusCode, str]:
        store = HeldStore()
        server = Server(store, streams_max=1)
        store.address = f"127.0.0.1:{await server.start('127.0.0.1:0', None)}"
        try:
            async with receiver.stream(store.address) as first:
                await welcome(first)
                async with receiver.stream(store.address) as second:
                    return await second.code(), await second.details()
        finally:
            await server.stop(1)

    code, details = asyncio.run(beyond())
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "serves 1 boxes at once" in details and "wait" in details


def test_limit_of_open_files_is_raised_or_said(tmp_path: Path) -> None:
    """field.md 5.16: what `serve` does of itself, in a process whose limits are low."""
    program = (
        "import resource, logging; logging.basicConfig(); from ingest.serve import *\n"
        "for soft, hard in ((64, 8192), (64, 300)):\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))\n"
        "    print(raise_descriptors(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
    )
    done = receiver.python("-c", program)
    own = limits.DESCRIPTORS_OWN
    wanted = limits.STREAMS_MAX + own
    assert done.stdout.split() == [str(limits.STREAMS_MAX), str(wanted), str(300 - own), "300"]
    assert done.stderr.count("can be served at once") == 1
    assert f"LimitNOFILE={wanted}" in done.stderr


def test_streams_when_all_together_hold_too_much_then_who_holds_something_is_read_no_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And who holds nothing is read on: its heartbeats are answered, its block is taken."""
    size = len(examples.block(1).payload)
    monkeypatch.setattr(limits, "HELD_BYTES_TOTAL", 5 * size)

    async def crowded() -> None:
        store = HeldStore(6)
        async with open_stream(store) as (server, greedy):
            await welcome(greedy)
            for seq in range(1, 101):
                await greedy.write(pb.StreamRequest(block=examples.block(seq)))
            await store.many.wait()
            assert server._servicer.holds_too_much
            for number in range(3):
                async with receiver.stream(store.address) as other:
                    await other.write(receiver.hello(EPOCH, f"gw-other-{number}"))
                    assert (await receiver.answer(other)).HasField("welcome")
                    await other.write(pb.StreamRequest(heartbeat=pb.Heartbeat(id=9)))
                    assert (await receiver.answer(other)).heartbeat.id == 9
            assert len(store.puts) < 10
            store.release()
            await receiver.acked(greedy, set(range(1, 101)))
            assert not server._servicer.holds_too_much

    asyncio.run(crowded())


def test_stream_when_it_ends_with_a_block_in_its_check_then_holds_nothing_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began, stop = threading.Event(), threading.Event()

    def endless(carried: Carried, layout: Layout, features: frozenset[int]) -> Iterator[Any]:
        while not stop.is_set():
            began.set()
            yield 5_000
        yield from check_carried(carried, layout, features)

    monkeypatch.setattr(session, "check_carried", endless)

    async def ends() -> None:
        store = HeldStore()
        async with open_stream(store) as (server, call):
            await welcome(call)
            await call.write(pb.StreamRequest(block=examples.block(1)))
            await asyncio.to_thread(began.wait, 10)
            held = server._servicer._held_bytes
            call.cancel()
            async with asyncio.timeout(10):
                while server._servicer._held_bytes:
                    async with receiver.stream(store.address) as probe:
                        await probe.wait_for_connection()
            assert held > 0
            stop.set()

    asyncio.run(ends())


def test_store_that_fails_ends_the_stream_and_acknowledges_nothing() -> None:
    async def fail() -> tuple[grpc.StatusCode, str]:
        store = HeldStore(many=1)
        async with open_stream(store) as (_, call):
            await welcome(call)
            await call.write(pb.StreamRequest(block=examples.block(1)))
            await store.many.wait()
            store.puts[0][1].set_exception(StoreError("store x.db: disk full"))
            return await call.code(), await call.details()

    assert asyncio.run(fail()) == (grpc.StatusCode.UNAVAILABLE, "store x.db: disk full")


def test_health_when_the_store_fails_is_not_serving_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "STORE_FAILED_S", 0.05)
    said = health_pb2.HealthCheckResponse

    async def fail() -> None:
        store = HeldStore(many=1)
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
                    await store.many.wait()
                    store.puts[0][1].set_exception(StoreError("store x.db: disk full"))
                    assert (await watch.read()).status == said.NOT_SERVING
                    assert (await watch.read()).status == said.SERVING
                watch.cancel()
        finally:
            await server.stop(1)

    asyncio.run(fail())


def test_block_that_takes_long_to_check_holds_up_no_other_gateway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    acked = threading.Event()

    def long(carried: Carried, layout: Layout, features: frozenset[int]) -> Iterator[Any]:
        while carried.scans == 9000 and not acked.is_set():
            yield 5_000
        yield from check_carried(carried, layout, features)

    monkeypatch.setattr(session, "check_carried", long)

    async def meanwhile() -> None:
        store = HeldStore(many=1)
        async with open_stream(store) as (_, slow), receiver.stream(store.address) as other:
            await welcome(slow)
            await slow.write(pb.StreamRequest(block=examples.block(1, ticks=9000)))
            await other.write(receiver.hello(EPOCH, "gw-2"))
            assert (await receiver.answer(other)).HasField("welcome")
            for request in examples.opening():
                await other.write(request)
            await other.write(pb.StreamRequest(block=examples.block(1)))
            await store.many.wait()
            store.puts.pop()[1].set_result((Outcome.STORED,))
            await receiver.acked(other, {1})
            store.many.clear()
            acked.set()
            await store.many.wait()
            store.puts.pop()[1].set_result((Outcome.STORED,))
            await receiver.acked(slow, {1})

    asyncio.run(meanwhile())


def test_stop_acknowledges_what_the_store_was_given_before_it_ends_the_stream() -> None:
    async def stop() -> grpc.StatusCode:
        store = HeldStore(many=1)
        async with open_stream(store) as (server, call):
            await welcome(call)
            await call.write(pb.StreamRequest(block=examples.block(1)))
            await store.many.wait()
            stopping = asyncio.create_task(server.stop(30))
            store.puts[0][1].set_result((Outcome.STORED,))
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


def test_stream_that_falls_silent_is_asked_nothing_and_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "HEARTBEAT_MS", 20)

    async def silent() -> grpc.StatusCode:
        async with open_stream(HeldStore()) as (_, call):
            await welcome(call)
            with pytest.raises(grpc.aio.AioRpcError):
                await call.read()
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
