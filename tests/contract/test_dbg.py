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
        self.address = ""
        self.hello_answer: Future[Known] | None = None
        self.revisions_answer: Future[Sequence[bytes]] | None = None

    def hello(self, speaker: Speaker) -> Future[Known]:
        return self.hello_answer or done(Known((pb.EpochHeld(epoch=speaker.epoch),)))

    def heard(self, gateway: str, utc_ns: int) -> Future[None]:
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
            print('W1', flush=True)
            await store.many.wait()
            print('W2', len(store.puts), server._servicer._held_bytes, flush=True)
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


